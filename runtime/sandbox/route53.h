/* Route 53: hosted zones and their records, changed in batches. */
#ifndef DRC_SANDBOX_ROUTE53_H
#define DRC_SANDBOX_ROUTE53_H

#include "runtime/sandbox/request.h"

struct hosted_zone {
    const char *id, *name, *account, *reference;
    bool private;
};
/* NULL: there is none. */
struct hosted_zone *hosted_zone_load(struct request *r, const char *id);
/* Of the request's path, for its caller; NULL: refused. */
struct hosted_zone *hosted_zone_of_request(struct request *r);
/* Makes one with its NS and SOA records; false when the id is there already. */
bool hosted_zone_make(struct request *r, const struct hosted_zone *zone);

/* The usual form of a name: small letters, no dot at its end, printable escapes resolved (\052 is
 * *); and as Route 53 tells it. */
const char *route53_name(struct arena *arena, const char *name);
const char *route53_name_told(struct arena *arena, const char *name);
/* "example.shop.www.": lists are sorted by it. */
const char *route53_place(struct arena *arena, const char *name);
/* A value of a plan as Route 53 wants it: quoted (TXT), with a dot behind it (CNAME). */
const char *route53_value(struct arena *arena, const char *type, const char *value);

/* identifier "" and weight -1: no routing policy. alias_zone NULL: no alias. */
struct record {
    const char *name, *type, *identifier; /* the name in its usual form */
    int64_t ttl_s, weight;
    const char **values;
    size_t count;
    const char *alias_zone, *alias_name;
    bool alias_evaluate;
};
bool record_find(struct request *r, const char *zone, const char *name, const char *type,
                 const char *identifier, struct record *record);
void record_put(struct request *r, const char *zone, const struct record *record);
void record_delete(struct request *r, const char *zone, const struct record *record);
/* The row of a SELECT of RECORD_COLUMNS. */
#define RECORD_COLUMNS                                                                             \
    "name, type, identifier, ttl, records, alias_zone, alias_name, alias_evaluate, weight"
struct record record_of_row(struct request *r, struct sqlite3_stmt *row);
/* "192.0.2.1, 192.0.2.2", "alias of lb.example." */
const char *record_text(struct arena *arena, const struct record *record);

#endif
