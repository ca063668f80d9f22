/* Populate: the AWS that a plan expects to find. */
#ifndef DRC_SANDBOX_POPULATE_H
#define DRC_SANDBOX_POPULATE_H

#include "compiler/plan/plan.h"
#include "runtime/sandbox/ec2.h"

enum { DAY_MS = 86400000 }; /* how old what has always been there is: nobody waits to see it */

/* populate_network.c: VPCs, subnets, groups, key pairs, profiles, reservations, addresses. */
void populate_networks(struct request *r, const struct plan *plan);
/* populate_images.c: placeholder images and conversion instances. */
void populate_images(struct request *r, const struct plan *plan);
void populate_conversions(struct request *r, const struct plan *plan);
/* populate_dns.c: zones that take dynamic updates. */
void populate_dns(struct request *r, const struct plan *plan);
/* populate_route53.c: hosted zones with what stands there from the time at home; target groups. */
void populate_route53(struct request *r, const struct plan *plan);
void populate_target_groups(struct request *r, const struct plan *plan);
/* populate_copies.c: DR copies of every VM. */
void populate_copies(struct request *r, const struct plan *plan, const struct facts *facts);

#endif
