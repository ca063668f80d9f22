/* The sandbox's DNS: zones that take dynamic updates (RFC 2136), signed with TSIG, as BIND does: an
 * addition beside a CNAME is left out without a word, the server's and zone's own records stay. Public
 * zones of Route 53 are answered for, too. */
#ifndef DRC_SANDBOX_DNS_H
#define DRC_SANDBOX_DNS_H

#include <ldns/ldns.h>

#include "compiler/base/buffer.h"
#include "runtime/dns/tsig.h"
#include "runtime/sandbox/request.h"

/* dns_server.c: what it answers to the bytes; nothing: silence. stream: by TCP, of any size. */
void dns_respond(struct request *r, const void *bytes, size_t length, bool stream,
                 struct buffer *out);

/* dns_zone.c. Names are lower case with their dot at the end, data as in a zone file. */
struct dns_zone {
    const char *name;
    int64_t serial;
    const char *key_name,
        *key_algorithm; /* of the TSIG key that may change it; NULL: everybody may */
    const char *hosted; /* the id of a zone of Route 53, which takes no updates; NULL: none */
};
struct dns_record {
    const char *name, *type, *data;
    int64_t ttl;
};
/* The text of a name. */
const char *dns_name(struct arena *arena, const ldns_rdf *name);
/* NULL when that is no name. */
const char *dns_name_of(struct arena *arena, const char *text);
const char *dns_type(struct arena *arena, ldns_rr_type type);
/* The data of a record, names in it in lower case: equal records have equal data. */
const char *dns_data(struct arena *arena, const ldns_rr *rr);

/* Does nothing where the zone is there already. */
void dns_zone_make(struct request *r, const struct dns_zone *zone);
/* The zone that a name lies in, the longest; false: none. */
bool dns_zone_find(struct request *r, const char *name, struct dns_zone *zone);
bool dns_zone_named(struct request *r, const char *name, struct dns_zone *zone);
/* The key of that name; false: there is none. */
bool dns_key_find(struct request *r, const struct tsig_record *record, struct tsig_key *key);

/* The records of a name, in the arena; type NULL: all. SOA among them. */
size_t dns_records(struct request *r, const struct dns_zone *zone, const char *name,
                   const char *type, struct dns_record **records);
/* Whether the name, or one below it, has any. */
bool dns_name_exists(struct request *r, const struct dns_zone *zone, const char *name);
void dns_record_put(struct request *r, const struct dns_zone *zone,
                    const struct dns_record *record);
/* type NULL: all of the name; data NULL: all of the type. Whether there was any. */
bool dns_record_delete(struct request *r, const struct dns_zone *zone, const char *name,
                       const char *type, const char *data);

/* dns_update.c: carries an update out, whole or not at all: its response code. */
int dns_update_zone(struct request *r, const ldns_pkt *update, const struct tsig_key *signer);

#endif
