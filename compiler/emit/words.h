/* Words: how nodes and values are told to people. */
#ifndef DRC_EMIT_WORDS_H
#define DRC_EMIT_WORDS_H

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct graph;
struct graph_node;
struct schedule;
struct value;

/* A value as text: ${db/disk-0/snapshot} for a binding, ${node.output}, [a, b], {key: value}. */
void words_value(const struct graph *graph, const struct value *value, struct buffer *out);

/* The same, but what a VM's instance yields is told as the VM's: "web's public address". */
void words_yielded(const struct graph *graph, const struct value *value, struct buffer *out);

/* What the node does, from its inputs: "gp3, 8 GiB, from ${db/disk-0/snapshot} in eu-west-1a". May
 * be nothing. */
void words_what(const struct graph *graph, const struct graph_node *node, struct buffer *out);

/* Why it starts no earlier, where that is not the step before of the same VM: "waits for
 * db/recovered", "waits for a place in conversion/i-0f… after web/…", "waits for the rate limit of
 * EC2_RUN_INSTANCES". Nothing otherwise. */
void words_waits_for(const struct graph *graph, const struct schedule *schedule,
                     const struct graph_node *node, struct buffer *out);

/* The node's id without the VM's name in front. */
const char *words_short_id(const struct graph *graph, const struct graph_node *node);

/* The node's VM; "" for the plan's own. */
const char *words_vm(const struct graph *graph, const struct graph_node *node);

/* running, ready, recovered. */
bool words_is_milestone(const struct graph_node *node);

#endif
