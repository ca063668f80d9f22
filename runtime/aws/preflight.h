/* Preflight under way: what its files share. */
#ifndef DRC_AWS_PREFLIGHT_H
#define DRC_AWS_PREFLIGHT_H

#include "compiler/graph/graph.h"
#include "runtime/aws/ask.h"
#include "runtime/aws/internal.h"

struct preflight {
    struct arena *arena; /* goes when all answers are there */
    struct arena *kept;  /* the findings' */
    struct aws *aws;
    const struct plan *plan;
    const struct graph *graph;
    const struct facts *facts; /* may be NULL */
    struct loss_terms terms;
    const struct network *network;
    enum site_network which;
    struct asks *asks;
    struct findings *findings;
};

/* Adds a finding; subject, text and help are formatted into the arena. help may be NULL. */
void preflight_find(struct preflight *preflight, enum finding_severity severity,
                    const char *subject, const char *help, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* For questions whose answer is not needed to go on: context is a struct preflight_topic. */
struct preflight_topic {
    struct preflight *preflight;
    const char *subject;
};
bool preflight_unknown(void *context, const struct aws_answer *answer);

/* The plan's VM that a VM of the graph is; NULL: none. */
const struct plan_vm *preflight_vm(const struct preflight *preflight, size_t graph_vm);

/* Copies a node's inputs with bindings filled in, without the inputs (and members) named in `drop`
 * (separated by spaces). False when one needs another node's output. */
bool preflight_resolve(struct preflight *preflight, const struct graph_node *node, const char *drop,
                       struct call *call);

/* The checks. Each asks; answers are judged by its page function or by its _judge. */
void preflight_copies(struct preflight *preflight);
void preflight_network(struct preflight *preflight);
void preflight_isolation(struct preflight *preflight); /* of a test's network */
void preflight_machines(struct preflight *preflight); /* types, images, quota */
void preflight_keys(struct preflight *preflight);
void preflight_addresses(struct preflight *preflight); /* elastic ones */
void preflight_conversions(struct preflight *preflight);
void preflight_targets(struct preflight *preflight); /* target groups */
void preflight_dry_run(struct preflight *preflight);

#endif
