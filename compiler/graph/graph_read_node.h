/* A compiled graph being read: what graph_read.c and graph_read_node.c share. Not for others. */
#ifndef DRC_GRAPH_READ_NODE_H
#define DRC_GRAPH_READ_NODE_H

#include "compiler/base/json_reader.h"
#include "compiler/graph/graph.h"

struct graph_reader {
    struct arena *arena;
    struct graph *graph;
    struct error *error;
    struct map vm_by_name;   /* -> struct graph_vm * */
    struct map pool_by_id;   /* -> struct graph_pool * */
    struct map shared_texts; /* files and rules, which many nodes have in common */
};

/* One node, whose VM, pools and predecessors have been read. */
bool graph_read_node(struct graph_reader *r, const cJSON *json, struct graph_node *node,
                     const struct json_at *at);

#endif
