/* Hosted zones, and lists of them and of their records. */
#include <inttypes.h>
#include <string.h>

#include "runtime/aws/xml.h"
#include "runtime/sandbox/arrival.h"
#include "runtime/sandbox/route53.h"

enum { ITEMS_MAX = 300, ZONES_MAX = 100 };

struct hosted_zone *hosted_zone_load(struct request *r, const char *id)
{
    struct sqlite3_stmt *row = state_query(
        r->state, "SELECT id, name, private, account, reference FROM hosted_zones WHERE id = ?",
        "s", id);
    if (!state_next(r->state, row)) {
        return NULL;
    }
    struct hosted_zone *zone = ARENA_NEW(r->arena, struct hosted_zone);
    *zone = (struct hosted_zone){.id = state_text(r->arena, row, 0),
                                 .name = state_text(r->arena, row, 1),
                                 .private = state_int(row, 2),
                                 .account = state_text(r->arena, row, 3),
                                 .reference = state_text(r->arena, row, 4)};
    state_done(row);
    return zone;
}

struct hosted_zone *hosted_zone_of_request(struct request *r)
{
    struct hosted_zone *zone = hosted_zone_load(r, r->of);
    if (!zone) {
        fail(r, 404, "NoSuchHostedZone", "No hosted zone found with ID: %s", r->of);
        return NULL;
    }
    if (strcmp(zone->account, r->caller.account) != 0) {
        fail(r, 403, "AccessDenied", "User: %s is not authorized to access this resource",
             r->caller.arn);
        return NULL;
    }
    return zone;
}

bool hosted_zone_make(struct request *r, const struct hosted_zone *zone)
{
    if (hosted_zone_load(r, zone->id)) {
        return false;
    }
    static const char *servers[] = {"ns-1.awsdns-00.com.", "ns-2.awsdns-00.net.",
                                    "ns-3.awsdns-00.org.", "ns-4.awsdns-00.co.uk."};
    static const char *soa[] = {
        "ns-1.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"};
    state_run(r->state, "INSERT INTO hosted_zones VALUES (?, ?, ?, ?, ?)", "ssdss", zone->id,
              zone->name, (int)zone->private, zone->account, zone->reference);
    record_put(r, zone->id,
               &(struct record){.identifier = "",
                                .weight = -1,
                                .name = zone->name,
                                .type = "NS",
                                .ttl_s = 172800,
                                .values = servers,
                                .count = 4});
    record_put(r, zone->id,
               &(struct record){.identifier = "",
                                .weight = -1,
                                .name = zone->name,
                                .type = "SOA",
                                .ttl_s = 900,
                                .values = soa,
                                .count = 1});
    return true;
}

static void write_zone(struct request *r, const struct hosted_zone *zone)
{
    xml_open(&r->xml, "HostedZone");
    xml_put(&r->xml, "Id", arena_printf(r->arena, "/hostedzone/%s", zone->id));
    xml_put(&r->xml, "Name", route53_name_told(r->arena, zone->name));
    xml_put(&r->xml, "CallerReference", zone->reference);
    xml_open(&r->xml, "Config");
    xml_bool(&r->xml, "PrivateZone", zone->private);
    xml_close(&r->xml, "Config");
    xml_int(
        &r->xml, "ResourceRecordSetCount",
        state_value(r->state, 0, "SELECT count(*) FROM record_sets WHERE zone = ?", "s", zone->id));
    xml_close(&r->xml, "HostedZone");
}

bool route53_get_zone(struct request *r)
{
    const struct hosted_zone *zone = hosted_zone_of_request(r);
    if (zone) {
        write_zone(r, zone);
    }
    return zone != NULL;
}

static const char *text_of(struct request *r, const struct xml *root, const char *name)
{
    const char *text = xml_text(root, name);
    return text ? arena_strdup(r->arena, text) : NULL;
}

bool route53_create_zone(struct request *r)
{
    struct error error = {0};
    const struct xml *root =
        xml_parse(r->arena, r->arrival->payload, r->arrival->payload_length, &error);
    const char *name = text_of(r, root, "Name"), *reference = text_of(r, root, "CallerReference");
    const char *private = xml_text(root, "HostedZoneConfig/PrivateZone");
    error_clear(&error);
    if (!name || !reference) {
        return fail(r, 400, "InvalidInput", "Name and CallerReference are needed");
    }
    if (state_value(r->state, 0, "SELECT 1 FROM hosted_zones WHERE account = ? AND reference = ?",
                    "ss", r->caller.account, reference)) {
        return fail(r, 409, "HostedZoneAlreadyExists",
                    "A hosted zone has already been created with the specified caller reference.");
    }
    struct hosted_zone zone = {.id = arena_printf(r->arena, "Z%016" PRIX64, draw(r)),
                               .name = route53_name(r->arena, name),
                               .account = r->caller.account,
                               .reference = reference,
                               .private = private && strcmp(private, "true") == 0};
    hosted_zone_make(r, &zone);
    write_zone(r, &zone);
    xml_open(&r->xml, "ChangeInfo");
    xml_put(&r->xml, "Id", arena_printf(r->arena, "/change/C%016" PRIX64, draw(r)));
    xml_put(&r->xml, "Status", "INSYNC");
    xml_time(&r->xml, "SubmittedAt", r->now_ms);
    xml_close(&r->xml, "ChangeInfo");
    xml_open(&r->xml, "DelegationSet");
    xml_open(&r->xml, "NameServers");
    xml_put(&r->xml, "NameServer", "ns-1.awsdns-00.com");
    xml_close(&r->xml, "NameServers");
    xml_close(&r->xml, "DelegationSet");
    answer_header(
        r, "Location",
        arena_printf(r->arena, "https://route53.amazonaws.com/2013-04-01/hostedzone/%s", zone.id));
    r->answer.status = 201;
    return true;
}

/* How many items a page may have; -1: refused. */
static int64_t page_size(struct request *r, int64_t most)
{
    const char *text = query_get(&r->query, "maxitems");
    int64_t size = most;
    if (text && (!parse_int(text, &size) || size < 1)) {
        fail(r, 400, "InvalidInput", "maxitems has to be a positive number");
        return -1;
    }
    return size < most ? size : most;
}

/* The caller's zones from `place` on. */
static bool list_zones(struct request *r, const char *place, int64_t size, bool by_name)
{
    struct sqlite3_stmt *rows = state_query(
        r->state, "SELECT id FROM hosted_zones WHERE account = ?", "s", r->caller.account);
    const struct hosted_zone *zones[ZONES_MAX];
    size_t count = 0, total = 0;
    while (state_next(r->state, rows)) {
        const struct hosted_zone *zone = hosted_zone_load(r, state_text(r->arena, rows, 0));
        size_t at = 0;
        if (strcmp(route53_place(r->arena, zone->name), place) < 0) {
            continue;
        }
        while (at < count &&
               strcmp(route53_place(r->arena, zones[at]->name), route53_place(r->arena, zone->name)) <= 0) {
            at++;
        }
        total++;
        if (at < ZONES_MAX) {
            count += count < ZONES_MAX;
            memmove(zones + at + 1, zones + at, (count - at - 1) * sizeof *zones);
            zones[at] = zone;
        }
    }
    xml_open(&r->xml, "HostedZones");
    for (size_t i = 0; i < count && i < (size_t)size; i++) {
        write_zone(r, zones[i]);
    }
    xml_close(&r->xml, "HostedZones");
    bool more = total > (size_t)size;
    xml_bool(&r->xml, "IsTruncated", more);
    if (more && by_name && (size_t)size < count) {
        xml_put(&r->xml, "NextDNSName", route53_name_told(r->arena, zones[size]->name));
        xml_put(&r->xml, "NextHostedZoneId", zones[size]->id);
    }
    xml_int(&r->xml, "MaxItems", size);
    return true;
}

bool route53_list_zones(struct request *r)
{
    int64_t size = page_size(r, ZONES_MAX);
    if (size < 0) {
        return false;
    }
    xml_put(&r->xml, "Marker",
            query_get(&r->query, "marker") ? query_get(&r->query, "marker") : "");
    return list_zones(r, "", size, false);
}

bool route53_list_zones_by_name(struct request *r)
{
    const char *name = query_get(&r->query, "dnsname");
    int64_t size = page_size(r, ZONES_MAX);
    if (size < 0) {
        return false;
    }
    xml_put(&r->xml, "DNSName", name);
    return list_zones(r, name ? route53_place(r->arena, route53_name(r->arena, name)) : "", size, true);
}

static void write_record(struct request *r, const struct record *record)
{
    xml_open(&r->xml, "ResourceRecordSet");
    xml_put(&r->xml, "Name", route53_name_told(r->arena, record->name));
    xml_put(&r->xml, "Type", record->type);
    if (*record->identifier) {
        xml_put(&r->xml, "SetIdentifier", record->identifier);
        xml_int(&r->xml, "Weight", record->weight < 0 ? 0 : record->weight);
    }
    if (record->alias_zone) {
        xml_open(&r->xml, "AliasTarget");
        xml_put(&r->xml, "HostedZoneId", record->alias_zone);
        xml_put(&r->xml, "DNSName", record->alias_name);
        xml_bool(&r->xml, "EvaluateTargetHealth", record->alias_evaluate);
        xml_close(&r->xml, "AliasTarget");
    } else {
        xml_int(&r->xml, "TTL", record->ttl_s);
        xml_open(&r->xml, "ResourceRecords");
        for (size_t i = 0; i < record->count; i++) {
            xml_open(&r->xml, "ResourceRecord");
            xml_put(&r->xml, "Value", record->values[i]);
            xml_close(&r->xml, "ResourceRecord");
        }
        xml_close(&r->xml, "ResourceRecords");
    }
    xml_close(&r->xml, "ResourceRecordSet");
}

static void write_next(struct request *r, const struct record *next)
{
    xml_put(&r->xml, "NextRecordName", route53_name_told(r->arena, next->name));
    xml_put(&r->xml, "NextRecordType", next->type);
    if (*next->identifier) {
        xml_put(&r->xml, "NextRecordIdentifier", next->identifier);
    }
}

bool route53_list_records(struct request *r)
{
    const struct hosted_zone *zone = hosted_zone_of_request(r);
    int64_t size = page_size(r, ITEMS_MAX), count = 0;
    const char *name = query_get(&r->query, "name"), *type = query_get(&r->query, "type");
    const char *identifier = query_get(&r->query, "identifier");
    if (!zone || size < 0) {
        return false;
    }
    if (type && !name) {
        return fail(r, 400, "InvalidInput", "If you specify type, you must also specify name.");
    }
    struct sqlite3_stmt *rows =
        state_query(r->state,
                    "SELECT " RECORD_COLUMNS
                    " FROM record_sets WHERE zone = ? AND (place, type, identifier) >= "
                    "(?, ?, ?) ORDER BY place, type, identifier LIMIT ?",
                    "ssssi", zone->id, name ? route53_place(r->arena, route53_name(r->arena, name)) : "",
                    type ? type : "", identifier ? identifier : "", size + 1);
    struct record next = {0};
    xml_open(&r->xml, "ResourceRecordSets");
    while (state_next(r->state, rows)) {
        struct record record = record_of_row(r, rows);
        if (count++ < size) {
            write_record(r, &record);
        } else {
            next = record;
        }
    }
    xml_close(&r->xml, "ResourceRecordSets");
    xml_bool(&r->xml, "IsTruncated", next.name);
    if (next.name) {
        write_next(r, &next);
    }
    xml_int(&r->xml, "MaxItems", size);
    return true;
}
