/* Site facts: what the recovery site offers: instance types, zones, images, subnets, conversion
 * instances. */
#ifndef DRC_AWS_SITE_FACTS_H
#define DRC_AWS_SITE_FACTS_H

#include "compiler/graph/facts.h"
#include "compiler/plan/plan.h"
#include "runtime/aws/ask.h"

struct site_facts {
    struct arena *arena;
    const struct plan *plan;
    struct aws_client *client;
    enum site_network network;
    struct facts *facts;
    struct asks *asks;
};

/* Asks for everything that the plan needs to know; answers go into site->facts. What is not there
 * is left out: the compiler and preflight say so with its place in the plan. The object lives until
 * the asks have run. */
void site_facts_ask(struct site_facts *site);
/* For the conversion instances alone. */
void site_facts_ask_conversions(struct site_facts *site);

#endif
