/* DOT ids: numbers for the names of a libcgraph graph, in the order of their coming. libcgraph's
 * own numbers are addresses, and it writes subgraphs in their order: not the same bytes twice. */
#ifndef DRC_EMIT_DOT_IDS_H
#define DRC_EMIT_DOT_IDS_H

#include <graphviz/cgraph.h>

#include "compiler/base/map.h"

/* What agopen is given: its address as `&ids.services`, with .io set by the caller. */
struct dot_ids {
    Agdisc_t services; /* first, so that libcgraph's pointer to it is one to the whole */
    struct arena *arena;
    Agraph_t *graph;
    struct map by_name;
    const char **names; /* by number; NULL: anonymous */
    size_t count, capacity;
};

/* Everything lies in the arena, which has to outlive the graph. */
void dot_ids_init(struct dot_ids *ids, struct arena *arena, Agiodisc_t *io);

#endif
