/* Emitted: a graph's schedule and what the emitters make of it, for tests. */
#ifndef DRC_TESTS_EMITTED_H
#define DRC_TESTS_EMITTED_H

#include "compiler/emit/emit.h"

struct arena;
struct graph;

/* Texts lie in the arena. */
const char *emitted_table(struct arena *arena, const struct graph *graph,
                          const struct table_options *options);
const char *emitted_table_json(struct arena *arena, const struct graph *graph,
                               const struct table_options *options);
const char *emitted_dry_run(struct arena *arena, const struct graph *graph,
                            const struct table_options *options);
const char *emitted_dot(struct arena *arena, const struct graph *graph, enum graph_detail detail);
const char *emitted_mermaid(struct arena *arena, const struct graph *graph,
                            enum graph_detail detail);

/* How often `part` is in `text`. */
int occurrences(const char *text, const char *part);

#define assert_contains(text, part)                                                                \
    do {                                                                                           \
        if (occurrences(text, part) == 0) {                                                        \
            fail_msg("there is no \"%s\" in:\n%s", part, text);                                    \
        }                                                                                          \
    } while (0)
#define assert_lacks(text, part)                                                                   \
    do {                                                                                           \
        if (occurrences(text, part) > 0) {                                                         \
            fail_msg("there should be no \"%s\" in:\n%s", part, text);                             \
        }                                                                                          \
    } while (0)

#endif
