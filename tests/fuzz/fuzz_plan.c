/* Any bytes as a plan: diagnostics or a graph, and nothing else. */
#include <stdint.h>
#include <stdlib.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/schema.h"
#include "compiler/front/tree.h"
#include "compiler/plan/expand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Loaded once; it is never changed. */
static const struct schema *plan_schema(void)
{
    static const struct schema *schema;
    static struct arena *arena; /* reachable, so that it is no leak */
    if (!schema) {
        arena = arena_create();
        schema = schema_plan(arena);
    }
    return schema;
}

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void render_all(const struct diagnostics *diagnostics)
{
    for (enum diagnostic_format format = 0; format <= DIAGNOSTIC_FORMAT_GITHUB; format++) {
        struct buffer out = {0};
        diagnostics_write(diagnostics, format, true, &out);
        buffer_free(&out);
    }
}

static void lower_to(struct arena *arena, const struct plan *plan, enum workflow workflow,
                     struct diagnostics *diagnostics)
{
    struct error error = {0};
    size_t errors_before = diagnostics->error_count;
    struct graph *graph = compile_graph(arena, plan, workflow, NULL, diagnostics);
    require(graph != NULL || diagnostics->error_count > errors_before);
    require(!graph || graph_verify(graph, &error));
}

/* Past the schema: binding, checks, lowering. The digest is left out, which reads files. */
static void compile(struct arena *arena, const struct source *source, const struct tree *tree,
                    struct diagnostics *diagnostics)
{
    struct plan *plan = plan_bind(arena, source, tree, NULL, 0, diagnostics);
    require(plan != NULL || diagnostics->error_count > 0);
    if (!plan) {
        return;
    }
    bool sound = plan_check(plan, diagnostics);
    require(sound == (diagnostics->error_count == 0));
    if (sound) {
        lower_to(arena, plan, WORKFLOW_FAILOVER, diagnostics);
        lower_to(arena, plan, WORKFLOW_TEST, diagnostics);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create();
    struct diagnostics *diagnostics = diagnostics_create(arena);
    struct source *source = source_from_text(arena, "plan.yaml", (const char *)data, size);
    struct tree *tree = yaml_parse(arena, source, diagnostics);
    require((tree != NULL) == (diagnostics->error_count == 0));
    if (tree) {
        bool valid = plan_expand(arena, source, tree, NULL, 0, diagnostics) &&
                     schema_validate(plan_schema(), tree, diagnostics);
        require(valid == (diagnostics->error_count == 0));
        if (valid) {
            compile(arena, source, tree, diagnostics);
        }
    }
    render_all(diagnostics);
    arena_destroy(arena);
    return 0;
}
