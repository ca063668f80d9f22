/* Graph: a compiled plan. Nodes are actions, each one effect on one object, in topological order
 * (ties by plan order); edges say what has to have come before. What is drawn, shown, diffed,
 * executed and journalled is this. Lies in one arena; not changed after it is finished. */
#ifndef DRC_GRAPH_GRAPH_H
#define DRC_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/base/map.h"
#include "compiler/base/workflow.h"
#include "compiler/graph/action.h"

struct arena;
struct buffer;
struct diagnostics;

enum { NO_NODE = -1, NO_VM = -1, NO_POOL = -1 };

enum value_kind {
    VALUE_TEXT,
    VALUE_INT,
    VALUE_BOOL,
    VALUE_LIST,     /* of values */
    VALUE_MAP,      /* of named values */
    VALUE_OUTPUT,   /* {"node","output"}: what another node yields */
    VALUE_BIND,     /* {"bind":NAME}: what facts' bindings say when the run starts */
    VALUE_SLOT,     /* {"slot":POOL}: the name of the slot that the VM's disk holds in a pool */
    VALUE_SECRET,   /* {"secret":REFERENCE} */
    VALUE_TEMPLATE, /* {"template":[…]}: parts (any kind that yields text), joined */
};

struct value {
    enum value_kind kind;
    union {
        const char *text; /* TEXT, BIND, SECRET; OUTPUT: name of the output */
        int64_t integer;
        bool boolean;
        struct {
            struct value *items; /* LIST, TEMPLATE, MAP (with keys) */
            const char **keys;
        };
    };
    uint32_t count; /* of items */
    int32_t node;   /* OUTPUT: index of the node; SLOT: index of the pool */
};

/* In the order of the action's inputs in action.def; absent optional ones are left out. */
struct input {
    const char *name;
    struct value value;
};

/* What has to have become of the predecessor. FAILED: it has ended, and not well (it failed, or was skipped);
 * a node all of whose such predecessors ended well is not needed, and counts as done without having been
 * begun: a DNS record that is given its old value again where the VM fails after the switch. */
enum edge_when { WHEN_OK, WHEN_ENDED, WHEN_FAILED };
const char *edge_when_name(enum edge_when when); /* "ok" */
struct edge {
    uint32_t node; /* the predecessor's index: always smaller than the own */
    enum edge_when when;
};

struct because {
    const char *file; /* as in the plan's source; NULL: built in */
    uint32_t line;
    const char *rule; /* "boot: attach swaps the root volume" */
};

struct graph_node {
    const char *id; /* db/disk-0/create-volume; the last part is the action's name */
    enum action action;
    uint32_t index;
    int32_t vm; /* NO_VM for the plan's own */
    struct edge *after;
    uint32_t after_count;
    int32_t guards; /* runs if that node was attempted, whatever became of it; NO_NODE */
    struct input *inputs;
    uint32_t input_count;
    int32_t acquire, release; /* pools; NO_POOL */
    int64_t timeout_ms, expected_ms;
    int retries;              /* after a refusal for good; passing failures do not count */
    bool continue_on_failure; /* on_failure: continue */
    struct because because;
};

struct graph_vm {
    const char *name;
    bool critical;
};

/* What limits how many at once. slots: names that the holder gets (device names), or NULL. */
struct graph_pool {
    const char *id; /* conversion/i-0f… */
    int capacity;
    const char **slots;
};

struct graph {
    struct arena *arena;
    const char *plan_name;
    const char *plan_file; /* where it was compiled from; NULL: unknown */
    const char *plan_digest, *inventory_digest, *tool; /* hex, hex or "" without facts, version */
    enum workflow workflow;
    const char *region, *account; /* of the recovery site; account NULL when the plan names none */
    struct graph_vm *vms;
    size_t vm_count;
    struct graph_pool *pools;
    size_t pool_count;
    struct graph_node *nodes;
    size_t node_count;
    const char **assumptions; /* what facts would have said, one sentence each */
    size_t assumption_count;
    struct map node_by_id; /* -> struct graph_node *; filled by graph_index */
};

/* Fills node_by_id (not needed for lowering alone). */
void graph_index(struct graph *graph);
const struct graph_node *graph_node_by_id(const struct graph *graph, const char *id);

/* The input of that name; NULL when absent. */
const struct value *graph_input(const struct graph_node *node, const char *name);

/* Whether nodes that wait for the same thing take turns in the graph's own order (replicate: the VM that
 * is furthest behind comes first), not by what is left of their path. */
bool graph_keeps_order(const struct graph *graph);

/* Whether the node is only for the case that something before it fails. */
bool graph_is_for_failure(const struct graph_node *node);

/* The milestone with which a VM has what the workflow is for: recovered, copied. */
bool graph_is_goal(const struct graph_node *node);

/* Checks what every graph has to keep: order, inputs and outputs as action.def types them, edges
 * to where values come from, pools, guards. */
bool graph_verify(const struct graph *graph, struct error *error);

/* The compiled graph, drc-graph/1 (schemas/graph.schema.json): written (emit/json.c), read back
 * (graph_read.c). Equal graphs give equal bytes; reading and writing gives the same bytes. */
void graph_write_json(const struct graph *graph, struct buffer *out);
struct graph *graph_read(struct arena *arena, const char *path, const char *text, size_t length,
                         struct error *error);
/* SHA-256 in hex over the written form: the identity of what was reviewed. */
void graph_digest(const struct graph *graph, char out[65]);

#endif
