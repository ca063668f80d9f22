#include "tests/unit/support/compile_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/front/source.h"

static const struct facts *read_facts(struct arena *arena, const char *json)
{
    struct error error = {0};
    const struct facts *facts = facts_read(arena, "facts.json", json, strlen(json), &error);
    if (!facts) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    return facts;
}

static void show_diagnostics(const struct diagnostics *diagnostics)
{
    struct buffer text = {0};
    diagnostics_write(diagnostics, DIAGNOSTIC_FORMAT_HUMAN, false, &text);
    fputs(buffer_text(&text), stderr);
    buffer_free(&text);
}

struct compiled compile_text(const char *plan_yaml, const char *facts_json, enum workflow workflow)
{
    struct compiled compiled = {.arena = arena_create()};
    const struct facts *facts = facts_json ? read_facts(compiled.arena, facts_json) : NULL;
    struct source *source =
        source_from_text(compiled.arena, "plan.yaml", plan_yaml, strlen(plan_yaml));
    compiled.diagnostics = diagnostics_create(compiled.arena);
    compiled.plan = compile_plan(compiled.arena, source, NULL, 0, compiled.diagnostics);
    if (compiled.plan) {
        compiled.graph = compile_graph(compiled.arena, compiled.plan, workflow, facts,
                                       compiled.diagnostics);
    }
    if (compiled.graph) {
        graph_index(compiled.graph);
    } else {
        show_diagnostics(compiled.diagnostics);
    }
    return compiled;
}

void compiled_free(struct compiled *compiled)
{
    arena_destroy(compiled->arena);
    *compiled = (struct compiled){0};
}

const char *compiled_says(const struct compiled *compiled, enum diagnostic_code code)
{
    for (size_t i = 0; i < compiled->diagnostics->count; i++) {
        if (compiled->diagnostics->items[i]->code == code) {
            return compiled->diagnostics->items[i]->message;
        }
    }
    return NULL;
}
