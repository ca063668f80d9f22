/* Record set: what a name has of one type: values in the form that they have in a plan, and how
 * long they may be kept. A TXT value is its text; one that was split in another way than every 255
 * bytes, or that has bytes which are no text, is written as in a zone file: "one" "two\000". */
#ifndef DRC_DNS_RECORD_SET_H
#define DRC_DNS_RECORD_SET_H

#include <ldns/ldns.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/graph/graph.h"

struct arena;
struct buffer;

enum { RECORD_VALUES_MAX = 1000 };

struct record_set {
    int64_t ttl; /* seconds; -1: nobody's concern */
    const char **values;
    size_t count; /* 0: there is no such record */
};

/* A, AAAA, CNAME, TXT; 0 for any other text. */
ldns_rr_type record_type(const char *text);

/* The list of a plan's values: TEXT each. */
bool record_set_of_values(struct arena *arena, const struct value *list, int64_t ttl,
                          struct record_set *set, struct error *error);
/* `old` of action.def: "" is no record. */
bool record_set_read(struct arena *arena, const char *old, struct record_set *set,
                     struct error *error);
const char *record_set_write(struct arena *arena, const struct record_set *set);

/* The same values, whatever their order, spelling (of addresses and names) and time to live. */
bool record_set_same(struct arena *arena, ldns_rr_type type, const struct record_set *a,
                     const struct record_set *b);
/* "192.0.2.10, 192.0.2.11 (ttl 60)" (without a ttl of -1), "no A record". */
const char *record_set_text(struct arena *arena, ldns_rr_type type, const struct record_set *set);

/* One value as a record of `owner`, which is copied; the caller frees it with ldns_rr_free. NULL:
 * the value is none of that type. */
ldns_rr *record_rr(const ldns_rdf *owner, ldns_rr_type type, int64_t ttl, const char *value,
                   struct error *error);
/* And back; NULL: the record is malformed. */
const char *record_value(struct arena *arena, const ldns_rr *rr);

#endif
