/* Decision: what a person decided about a run, beside its plan: to go on without an action, to try
 * one again, to end the run. Who, why, when and what came of it stand in the journal, for events and
 * report. */
#ifndef DRC_ENGINE_DECISION_H
#define DRC_ENGINE_DECISION_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/graph/graph.h"

struct arena;
struct buffer;
struct journal;
struct node_status;

struct decision {
    const char *verb;    /* "skip", "cancel", "approve", "retry", "commit", "rollback" */
    const char *id;      /* of the inbox's message; NULL: asked by the process itself */
    const char *target;  /* node id or VM; NULL: the run */
    const char *who;     /* NULL: unknown */
    const char *comment; /* NULL */
    const char *refused; /* why nothing came of it; NULL: it was done */
    int64_t at_utc_ms;
};

/* Adds the record to the group under way. `node`: what it is about, NO_NODE for the run or when
 * nothing came of it; `alive_ms` negative: unknown. Texts are cut and cleaned of what is no UTF-8. */
void decision_record(struct journal *journal, const struct decision *decision, int32_t node,
                     int64_t alive_ms);
/* A "decision" record; texts lie in the arena. */
struct decision decision_read(struct arena *arena, const cJSON *record);
/* A copy in the arena. */
struct decision *decision_copy(struct arena *arena, const struct decision *decision);

/* For people: "skip app/ready/http-8080, by ada: the health page lies"; refused ones with why. */
void decision_put(const struct decision *decision, struct buffer *out);

/* How a node stands: of an executor, or of a report. */
typedef const struct node_status *(*decision_status)(const void *context, uint32_t node);

/* Whether a person may go on without the node: it failed, waits or has not begun; it is no
 * milestone; and nothing that is still to be done needs what it would have yielded. False: `error`
 * says why not, and what to do instead. */
bool decision_may_skip(const struct graph *graph, decision_status status, const void *context,
                       uint32_t node, struct error *error);

/* What a name means: a VM, or a node. */
struct decision_target {
    int32_t vm;   /* NO_VM: it is a node */
    int32_t node; /* NO_NODE: it is a VM */
};
/* False: there is neither of that name; `error` says what may have been meant. */
bool decision_find(const struct graph *graph, const char *name, struct decision_target *target,
                   struct error *error);
/* Whether it can be taken up again by itself: it failed for reasons of its own. */
bool decision_may_retry(const struct graph *graph, decision_status status, const void *context,
                        const char *name, struct decision_target *target, struct error *error);

/* The node of that id, or an error with the nearest name. NULL: not there. */
const struct graph_node *decision_find_node(const struct graph *graph, const char *id,
                                            struct error *error);

#endif
