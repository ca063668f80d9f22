/* Route 53: what its actions share: requests, the record of a call, what is there now. */
#ifndef DRC_AWS_ROUTE53_H
#define DRC_AWS_ROUTE53_H

#include "runtime/aws/operation.h"
#include "runtime/aws/rrset.h"

struct route53_request {
    const char *operation; /* static */
    const char *method;    /* static; NULL: GET */
    const char *path, *query;
    const char *body; /* XML; NULL: none */
    bool first;       /* the executor let it through the gate already */
};
/* Sends it with the role of the operation's calls. Texts are copied. */
void route53_send(struct operation *op, const struct route53_request *request, operation_step next);

/* Asks for the record sets of a zone, from `name` and `type` (NULL: any) on, `most` at once. */
void route53_list(struct operation *op, const char *zone_id, const char *name, const char *type,
                  int most, bool first, operation_step next);
/* The record of that name and type among an answer's; .there says whether. Valid like the answer.
 */
struct rrset route53_find(struct arena *arena, const struct aws_answer *answer, const char *name,
                          const char *type);

/* Whether two calls are about one zone and role, so that a request may serve both. */
bool route53_same_zone(const struct call *a, const struct call *b);

/* An input's text, "" where it is not there. */
const char *route53_input(const struct operation *op, size_t i, const char *name);

#endif
