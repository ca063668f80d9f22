/* Message: DNS questions and dynamic updates (RFC 1035, RFC 2136) as bytes, and answers read. ldns
 * builds and parses; what it gives is held to the question. */
#ifndef DRC_DNS_MESSAGE_H
#define DRC_DNS_MESSAGE_H

#include <ldns/ldns.h>

#include "runtime/dns/record_set.h"

/* What RFC 2136 adds to the response codes. */
enum {
    RCODE_YXDOMAIN = 6,
    RCODE_YXRRSET = 7,
    RCODE_NXRRSET = 8,
    RCODE_NOTAUTH = 9,
    RCODE_NOTZONE = 10,
};
/* "REFUSED". */
const char *rcode_name(int rcode);

/* A question, its id 0. recursive: of a resolver. False: that is no name. */
bool message_question(const char *name, ldns_rr_type type, bool recursive, struct buffer *out,
                      struct error *error);

/* An update: where the record is still `from`, it becomes `to`, all of it in one step. Its id is 0.
 */
struct record_change {
    const char *zone, *record;
    ldns_rr_type type;
    const struct record_set *from, *to;
};
bool message_update(const struct record_change *change, struct buffer *out, struct error *error);

/* NULL: no proper message, or no answer to that question (name NULL: to an update). Freed with
 * ldns_pkt_free. */
ldns_pkt *message_read(const void *bytes, size_t length, const char *name, ldns_rr_type type);

/* What the answer has of that name and type; alias: where the name leads instead, if it is a CNAME
 * (NULL: it is none, or was asked for). follow: through CNAMEs in the same answer, as from a
 * resolver. */
void message_records(struct arena *arena, const ldns_pkt *answer, const char *name,
                     ldns_rr_type type, bool follow, struct record_set *set, const char **alias);

/* Whether two texts are the same name. */
bool same_name(const char *a, const char *b);

#endif
