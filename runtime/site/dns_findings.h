/* DNS findings: before a run begins, is each record that it is to change there to be changed? Asks the
 * servers what the run will ask them: the zone, the present value, what the plan expects; and whether the
 * secrets of the keys can be had. Changes nothing. */
#ifndef DRC_SITE_DNS_FINDINGS_H
#define DRC_SITE_DNS_FINDINGS_H

#include "compiler/graph/graph.h"

struct arena;
struct findings;
struct provider;
struct world;

struct dns_findings_options {
    struct world *world;
    struct provider *dns;
    struct provider *aws; /* of records in Route 53; NULL: those are not asked for */
    bool own_secrets; /* the plan's are not used here (sandbox): they are not looked for */
};

/* One finding for each record, in the graph's order; a record that several steps change is judged by the
 * first. Runs the loop; texts lie in the arena. */
void dns_findings(const struct dns_findings_options *options, const struct graph *graph, struct arena *arena,
                  struct findings *findings);

#endif
