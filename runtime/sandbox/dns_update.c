/* Dynamic updates (RFC 2136, section 3), in BIND's ways. */
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/sandbox/dns.h"
#include "runtime/sandbox/state.h"

enum { YXDOMAIN = 6, YXRRSET = 7, NXRRSET = 8, NOTAUTH = 9, NOTZONE = 10 };

/* One record of the message. */
struct entry {
    const char *name, *type, *data; /* type NULL: ANY */
    ldns_rr_class class;
    int64_t ttl;
    bool empty;
};

static struct entry entry_of(struct request *r, const ldns_rr *rr)
{
    ldns_rr_type type = ldns_rr_get_type(rr);
    bool empty = ldns_rr_rd_count(rr) == 0;
    return (struct entry){
        .name = dns_name(r->arena, ldns_rr_owner(rr)),
        .type = type == LDNS_RR_TYPE_ANY ? NULL : dns_type(r->arena, type),
        .data = empty ? NULL : dns_data(r->arena, rr),
        .class = ldns_rr_get_class(rr),
        .ttl = ldns_rr_ttl(rr),
        .empty = empty,
    };
}

static bool is_in(const struct dns_zone *zone, const char *name)
{
    size_t length = strlen(name), tail = strlen(zone->name);
    return length >= tail && strcmp(name + length - tail, zone->name) == 0 &&
           (length == tail || name[length - tail - 1] == '.');
}

/* --- prerequisites (3.2) --- */

static bool has(struct request *r, const struct dns_zone *zone, const struct entry *entry)
{
    struct dns_record *records;
    return dns_records(r, zone, entry->name, entry->type, &records) > 0;
}

static int check_one(struct request *r, const struct dns_zone *zone, const struct entry *entry)
{
    if (entry->ttl != 0) {
        return LDNS_RCODE_FORMERR;
    }
    if (!is_in(zone, entry->name)) {
        return NOTZONE;
    }
    if (entry->class == LDNS_RR_CLASS_IN) {
        return entry->empty || !entry->type ? LDNS_RCODE_FORMERR : LDNS_RCODE_NOERROR;
    }
    if (!entry->empty) {
        return LDNS_RCODE_FORMERR;
    }
    if (entry->class == LDNS_RR_CLASS_ANY) {
        return has(r, zone, entry) ? LDNS_RCODE_NOERROR
               : entry->type       ? NXRRSET
                                   : LDNS_RCODE_NXDOMAIN;
    }
    if (entry->class == LDNS_RR_CLASS_NONE) {
        return !has(r, zone, entry) ? LDNS_RCODE_NOERROR : entry->type ? YXRRSET : YXDOMAIN;
    }
    return LDNS_RCODE_FORMERR;
}

static bool same_set(const struct entry *a, const struct entry *b)
{
    return b->class == LDNS_RR_CLASS_IN && strcmp(a->name, b->name) == 0 &&
           strcmp(a->type, b->type) == 0;
}

/* All the values of one record, and no other. */
static bool holds_exactly(struct request *r, const struct dns_zone *zone,
                          const struct entry *entries, size_t count, const struct entry *of)
{
    struct dns_record *records;
    size_t there = dns_records(r, zone, of->name, of->type, &records), wanted = 0;
    for (size_t i = 0; i < count; i++) {
        if (!same_set(of, &entries[i])) {
            continue;
        }
        bool found = false, again = false;
        for (size_t k = 0; k < i; k++) {
            again = again ||
                    (same_set(of, &entries[k]) && strcmp(entries[k].data, entries[i].data) == 0);
        }
        for (size_t k = 0; k < there; k++) {
            found = found || strcmp(records[k].data, entries[i].data) == 0;
        }
        if (!found) {
            return false;
        }
        wanted += !again;
    }
    return wanted == there;
}

static struct entry *entries_of(struct request *r, const ldns_rr_list *list)
{
    struct entry *entries = ARENA_ARRAY(r->arena, struct entry, ldns_rr_list_rr_count(list) + 1);
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        entries[i] = entry_of(r, ldns_rr_list_rr(list, i));
    }
    return entries;
}

static int check_prerequisites(struct request *r, const struct dns_zone *zone,
                               const ldns_rr_list *list)
{
    size_t count = ldns_rr_list_rr_count(list);
    struct entry *entries = entries_of(r, list);
    for (size_t i = 0; i < count; i++) {
        int code = check_one(r, zone, &entries[i]);
        if (code != LDNS_RCODE_NOERROR) {
            return code;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (entries[i].class == LDNS_RR_CLASS_IN &&
            !holds_exactly(r, zone, entries, count, &entries[i])) {
            return NXRRSET;
        }
    }
    return LDNS_RCODE_NOERROR;
}

/* --- the change (3.4) --- */

static int check_change(const struct dns_zone *zone, const struct entry *entry)
{
    if (!is_in(zone, entry->name)) {
        return NOTZONE;
    }
    switch (entry->class) {
    case LDNS_RR_CLASS_IN:
        return entry->type && !entry->empty ? LDNS_RCODE_NOERROR : LDNS_RCODE_FORMERR;
    case LDNS_RR_CLASS_ANY:
        return entry->ttl == 0 && entry->empty ? LDNS_RCODE_NOERROR : LDNS_RCODE_FORMERR;
    case LDNS_RR_CLASS_NONE:
        return entry->ttl == 0 && entry->type && !entry->empty ? LDNS_RCODE_NOERROR
                                                               : LDNS_RCODE_FORMERR;
    default:
        return LDNS_RCODE_FORMERR;
    }
}

static bool is(const char *type, const char *wanted)
{
    return strcmp(type, wanted) == 0;
}

/* Nothing stands beside a CNAME: what would is left out, and a new CNAME takes the old one's place.
 */
static bool add(struct request *r, const struct dns_zone *zone, const struct entry *entry)
{
    struct dns_record *there;
    size_t count = dns_records(r, zone, entry->name, NULL, &there);
    bool cname = is(entry->type, "CNAME");
    if (is(entry->type, "SOA")) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (is(there[i].type, "CNAME") != cname) {
            return false;
        }
    }
    if (cname) {
        dns_record_delete(r, zone, entry->name, "CNAME", NULL);
    }
    dns_record_put(r, zone,
                   &(struct dns_record){entry->name, entry->type, entry->data, entry->ttl});
    return true;
}

/* The zone's own servers stay. */
static bool take_away(struct request *r, const struct dns_zone *zone, const struct entry *entry)
{
    bool apex = strcmp(entry->name, zone->name) == 0;
    if (!entry->type && apex) {
        struct dns_record *there;
        bool any = false;
        for (size_t i = dns_records(r, zone, entry->name, NULL, &there); i > 0; i--) {
            const char *type = there[i - 1].type;
            any |= !is(type, "NS") && !is(type, "SOA") &&
                   dns_record_delete(r, zone, entry->name, type, NULL);
        }
        return any;
    }
    if (apex && (is(entry->type, "NS") || is(entry->type, "SOA"))) {
        return false;
    }
    return dns_record_delete(r, zone, entry->name, entry->type, entry->data);
}

static int apply(struct request *r, const struct dns_zone *zone, const ldns_rr_list *list)
{
    size_t count = ldns_rr_list_rr_count(list);
    struct entry *entries = entries_of(r, list);
    bool changed = false;
    for (size_t i = 0; i < count; i++) {
        int code = check_change(zone, &entries[i]);
        if (code != LDNS_RCODE_NOERROR) {
            return code;
        }
    }
    for (size_t i = 0; i < count; i++) {
        changed |= entries[i].class == LDNS_RR_CLASS_IN ? add(r, zone, &entries[i])
                                                        : take_away(r, zone, &entries[i]);
    }
    if (changed) {
        state_run(r->state, "UPDATE dns_zones SET serial = serial + 1 WHERE name = ?", "s",
                  zone->name);
    }
    return LDNS_RCODE_NOERROR;
}

/* Whether the message is signed with the zone's key, or it has none. */
static bool may_change(const struct dns_zone *zone, const struct tsig_key *signer)
{
    struct tsig_key own;
    if (!zone->key_name) {
        return true;
    }
    return signer && tsig_key_set(&own, zone->key_name, zone->key_algorithm, "YQ==", NULL) &&
           own.name_length == signer->name_length &&
           memcmp(own.name, signer->name, own.name_length) == 0;
}

int dns_update_zone(struct request *r, const ldns_pkt *update, const struct tsig_key *signer)
{
    const ldns_rr_list *zones = ldns_pkt_question(update);
    struct dns_zone zone;
    if (ldns_rr_list_rr_count(zones) != 1 ||
        ldns_rr_get_type(ldns_rr_list_rr(zones, 0)) != LDNS_RR_TYPE_SOA) {
        return LDNS_RCODE_FORMERR;
    }
    if (!dns_zone_named(r, dns_name(r->arena, ldns_rr_owner(ldns_rr_list_rr(zones, 0))), &zone)) {
        return NOTAUTH;
    }
    if (zone.hosted) {
        return LDNS_RCODE_NOTIMPL;
    }
    if (!may_change(&zone, signer)) {
        return LDNS_RCODE_REFUSED;
    }
    int code = check_prerequisites(r, &zone, ldns_pkt_answer(update));
    return code == LDNS_RCODE_NOERROR ? apply(r, &zone, ldns_pkt_authority(update)) : code;
}
