#include <ctype.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/sandbox/dns.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/sandbox/state.h"

const char *dns_name(struct arena *arena, const ldns_rdf *name)
{
    char *text = ldns_rdf2str(name);
    char *copy = arena_strdup(arena, text ? text : ".");
    for (char *c = copy; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    LDNS_FREE(text);
    return copy;
}

const char *dns_name_of(struct arena *arena, const char *text)
{
    ldns_rdf *name = ldns_dname_new_frm_str(text);
    const char *of = name ? dns_name(arena, name) : NULL;
    ldns_rdf_deep_free(name);
    return of;
}

const char *dns_type(struct arena *arena, ldns_rr_type type)
{
    char *text = ldns_rr_type2str(type);
    const char *copy = arena_strdup(arena, text ? text : "");
    LDNS_FREE(text);
    return copy;
}

const char *dns_data(struct arena *arena, const ldns_rr *rr)
{
    struct buffer out = {0};
    ldns_rr *canonical = ldns_rr_clone(rr);
    ldns_rr2canonical(canonical);
    for (size_t i = 0; i < ldns_rr_rd_count(canonical); i++) {
        char *text = ldns_rdf2str(ldns_rr_rdf(canonical, i));
        buffer_printf(&out, "%s%s", i ? " " : "", text ? text : "");
        LDNS_FREE(text);
    }
    const char *data = arena_strdup(arena, buffer_text(&out));
    ldns_rr_free(canonical);
    buffer_free(&out);
    return data;
}

/* --- zones --- */

static bool take_zone(struct request *r, struct sqlite3_stmt *rows, struct dns_zone *zone)
{
    if (!state_next(r->state, rows)) {
        return false;
    }
    *zone = (struct dns_zone){
        .name = state_text(r->arena, rows, 0),
        .serial = state_int(rows, 1),
        .key_name = state_text(r->arena, rows, 2),
        .key_algorithm = state_text(r->arena, rows, 3),
    };
    state_done(rows);
    return true;
}

/* Names in Route 53's tables have no dot at their end. */
static const char *without_dot(struct arena *arena, const char *name)
{
    size_t length = strlen(name);
    return arena_strndup(arena, name, length - (length > 0 && name[length - 1] == '.'));
}

static bool is_hosted(struct request *r, const char *name, struct dns_zone *zone)
{
    const char *id =
        state_value_text(r->state, r->arena,
                         "SELECT id FROM hosted_zones WHERE name = ? AND private = 0 ORDER BY id",
                         "s", without_dot(r->arena, name));
    *zone = (struct dns_zone){.name = name, .hosted = id};
    return id != NULL;
}

bool dns_zone_named(struct request *r, const char *name, struct dns_zone *zone)
{
    struct sqlite3_stmt *rows = state_query(
        r->state, "SELECT name, serial, key_name, key_algorithm FROM dns_zones WHERE name = ?", "s",
        name);
    return take_zone(r, rows, zone) || is_hosted(r, name, zone);
}

bool dns_zone_find(struct request *r, const char *name, struct dns_zone *zone)
{
    while (*name) {
        if (dns_zone_named(r, name, zone)) {
            return true;
        }
        const char *dot = strchr(name, '.');
        name = dot ? dot + 1 : "";
    }
    return false;
}

void dns_zone_make(struct request *r, const struct dns_zone *zone)
{
    struct dns_zone there;
    if (dns_zone_named(r, zone->name, &there)) {
        return;
    }
    const char *server = arena_printf(r->arena, "ns.%s", zone->name);
    state_run(r->state, "INSERT INTO dns_zones VALUES (?, ?, ?, ?)", "siss", zone->name,
              zone->serial, zone->key_name, zone->key_algorithm);
    dns_record_put(r, zone, &(struct dns_record){zone->name, "NS", server, 3600});
    dns_record_put(r, zone, &(struct dns_record){server, "A", "127.0.0.1", 3600});
}

bool dns_key_find(struct request *r, const struct tsig_record *record, struct tsig_key *key)
{
    struct sqlite3_stmt *rows = state_query(
        r->state,
        "SELECT DISTINCT key_name, key_algorithm FROM dns_zones WHERE key_name IS NOT NULL", "");
    bool found = false;
    while (!found && state_next(r->state, rows)) {
        const char *name = state_text(r->arena, rows, 0),
                   *algorithm = state_text(r->arena, rows, 1);
        found = tsig_key_set(key, name, algorithm, sandbox_tsig_secret(), NULL) &&
                key->name_length == record->name_length &&
                memcmp(key->name, record->name, key->name_length) == 0 &&
                key->algorithm_length == record->algorithm_length &&
                memcmp(key->algorithm, record->algorithm, key->algorithm_length) == 0;
    }
    state_done(rows);
    return found;
}

/* --- records --- */

/* The SOA follows from the zone. */
static bool take_soa(struct request *r, const struct dns_zone *zone, const char *name,
                     const char *type, struct dns_record *record)
{
    if (strcmp(name, zone->name) != 0 || (type && strcmp(type, "SOA") != 0)) {
        return false;
    }
    *record = (struct dns_record){
        .name = zone->name,
        .type = "SOA",
        .data = arena_printf(r->arena, "ns.%s hostmaster.%s %lld 3600 600 86400 60", zone->name,
                             zone->name, (long long)zone->serial),
        .ttl = 60,
    };
    return true;
}

/* Those of Route 53 that are no aliases, of every routing policy. */
static struct sqlite3_stmt *query_hosted(struct request *r, const struct dns_zone *zone,
                                         const char *name, const char *type)
{
    return state_query(
        r->state,
        "SELECT record_sets.type, json_each.value, ttl FROM record_sets, "
        "json_each(record_sets.records) WHERE zone = ?1 AND name = ?2 AND (?3 IS NULL OR "
        "record_sets.type = ?3) ORDER BY record_sets.type, json_each.value",
        "sss", zone->hosted, without_dot(r->arena, name), type);
}

static struct sqlite3_stmt *query_own(struct request *r, const struct dns_zone *zone,
                                      const char *name, const char *type)
{
    return state_query(r->state,
                       "SELECT type, data, ttl FROM dns_records WHERE zone = ?1 AND name = ?2 AND "
                       "(?3 IS NULL OR type = ?3) "
                       "ORDER BY type, data",
                       "sss", zone->name, name, type);
}

size_t dns_records(struct request *r, const struct dns_zone *zone, const char *name,
                   const char *type, struct dns_record **records)
{
    struct sqlite3_stmt *rows =
        zone->hosted ? query_hosted(r, zone, name, type) : query_own(r, zone, name, type);
    size_t capacity = 0, count = 0;
    *records = NULL;
    while (state_next(r->state, rows)) {
        *records = arena_grow(r->arena, *records, count, &capacity, sizeof **records);
        (*records)[count++] = (struct dns_record){.name = name,
                                                  .type = state_text(r->arena, rows, 0),
                                                  .data = state_text(r->arena, rows, 1),
                                                  .ttl = state_int(rows, 2)};
    }
    *records = arena_grow(r->arena, *records, count, &capacity, sizeof **records);
    return count + (!zone->hosted && take_soa(r, zone, name, type, &(*records)[count]));
}

bool dns_name_exists(struct request *r, const struct dns_zone *zone, const char *name)
{
    if (strcmp(name, zone->name) == 0) {
        return true;
    }
    if (zone->hosted) {
        return state_value(
                   r->state, 0,
                   "SELECT EXISTS (SELECT 1 FROM record_sets WHERE zone = ?1 AND (name = ?2 OR "
                   "substr(name, -length(?2) - 1) = '.' || ?2))",
                   "ss", zone->hosted, without_dot(r->arena, name)) != 0;
    }
    return state_value(r->state, 0,
                       "SELECT EXISTS (SELECT 1 FROM dns_records WHERE zone = ?1 AND (name = ?2 OR "
                       "substr(name, -length(?2) - 1) = '.' || ?2))",
                       "ss", zone->name, name) != 0;
}

void dns_record_put(struct request *r, const struct dns_zone *zone, const struct dns_record *record)
{
    state_run(r->state, "INSERT OR REPLACE INTO dns_records VALUES (?, ?, ?, ?, ?)", "ssssi",
              zone->name, record->name, record->type, record->data, record->ttl);
    state_run(r->state, "UPDATE dns_records SET ttl = ? WHERE zone = ? AND name = ? AND type = ?",
              "isss", record->ttl, zone->name, record->name, record->type);
}

bool dns_record_delete(struct request *r, const struct dns_zone *zone, const char *name,
                       const char *type, const char *data)
{
    int64_t count = state_value(r->state, 0,
                                "SELECT count(*) FROM dns_records WHERE zone = ?1 AND name = ?2 "
                                "AND (?3 IS NULL OR type = ?3) AND "
                                "(?4 IS NULL OR data = ?4)",
                                "ssss", zone->name, name, type, data);
    state_run(
        r->state,
        "DELETE FROM dns_records WHERE zone = ?1 AND name = ?2 AND (?3 IS NULL OR type = ?3) AND "
        "(?4 IS NULL OR data = ?4)",
        "ssss", zone->name, name, type, data);
    return count > 0;
}
