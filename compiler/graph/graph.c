#include "compiler/graph/graph.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/sha256.h"

void graph_index(struct graph *graph)
{
    graph->node_by_id = (struct map){.arena = graph->arena};
    for (size_t i = 0; i < graph->node_count; i++) {
        map_put(&graph->node_by_id, graph->nodes[i].id, &graph->nodes[i]);
    }
}

const struct graph_node *graph_node_by_id(const struct graph *graph, const char *id)
{
    return map_get(&graph->node_by_id, id);
}

const struct value *graph_input(const struct graph_node *node, const char *name)
{
    for (uint32_t i = 0; i < node->input_count; i++) {
        if (strcmp(node->inputs[i].name, name) == 0) {
            return &node->inputs[i].value;
        }
    }
    return NULL;
}

void graph_digest(const struct graph *graph, char out[65])
{
    struct buffer text = {0};
    graph_write_json(graph, &text);
    sha256_hex(buffer_text(&text), text.length, out);
    buffer_free(&text);
}

bool graph_keeps_order(const struct graph *graph)
{
    return graph->workflow == WORKFLOW_REPLICATE;
}

bool graph_is_goal(const struct graph_node *node)
{
    return node->action == ACTION_RECOVERED || node->action == ACTION_COPIED;
}

const char *edge_when_name(enum edge_when when)
{
    static const char *const names[] = {
        [WHEN_OK] = "ok", [WHEN_ENDED] = "ended", [WHEN_FAILED] = "failed"};
    return names[when];
}

bool graph_is_for_failure(const struct graph_node *node)
{
    for (uint32_t e = 0; e < node->after_count; e++) {
        if (node->after[e].when == WHEN_FAILED) {
            return true;
        }
    }
    return false;
}
