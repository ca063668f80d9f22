#include "tests/unit/support/emitted.h"

#include <assert.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/error.h"
#include "compiler/graph/estimate.h"

static const char *keep(struct arena *arena, struct buffer *text)
{
    const char *copy = arena_strdup(arena, buffer_text(text));
    buffer_free(text);
    return copy;
}

typedef void (*table_emitter)(const struct graph *graph, const struct schedule *schedule,
                              const struct table_options *options, struct buffer *out);

static const char *emitted(struct arena *arena, table_emitter emitter, const struct graph *graph,
                           const struct table_options *options)
{
    struct buffer text = {0};
    emitter(graph, estimate(arena, graph, NULL, true), options, &text);
    return keep(arena, &text);
}

const char *emitted_table(struct arena *arena, const struct graph *graph,
                          const struct table_options *options)
{
    return emitted(arena, emit_table, graph, options);
}

const char *emitted_table_json(struct arena *arena, const struct graph *graph,
                               const struct table_options *options)
{
    return emitted(arena, emit_table_json, graph, options);
}

const char *emitted_dry_run(struct arena *arena, const struct graph *graph,
                            const struct table_options *options)
{
    return emitted(arena, emit_dry_run, graph, options);
}

const char *emitted_dot(struct arena *arena, const struct graph *graph, enum graph_detail detail)
{
    struct buffer text = {0};
    struct error error = {0};
    bool ok = emit_dot(graph, estimate(arena, graph, NULL, true), detail, &text, &error);
    assert(ok);
    (void)ok;
    return keep(arena, &text);
}

const char *emitted_mermaid(struct arena *arena, const struct graph *graph,
                            enum graph_detail detail)
{
    struct buffer text = {0};
    emit_mermaid(graph, estimate(arena, graph, NULL, true), detail, &text);
    return keep(arena, &text);
}

int occurrences(const char *text, const char *part)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) {
        count++;
    }
    return count;
}
