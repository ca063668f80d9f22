/* Batches of changes: carried out whole or not at all; every change that is wrong is told.
 * Source: ChangeResourceRecordSets, Amazon Route 53 API Reference; its messages as users report
 * them. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/aws/xml.h"
#include "runtime/sandbox/arrival.h"
#include "runtime/sandbox/route53.h"
#include "runtime/sandbox/timing.h"

enum { CHANGES_MAX = 1000, VALUE_CHARACTERS_MAX = 32000 };

struct batch {
    struct request *r;
    const struct hosted_zone *zone;
    struct buffer wrong; /* messages, separated by ", " */
};

static bool is(const char *text, const char *other)
{
    return strcmp(text, other) == 0;
}

static void object(struct batch *batch, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void object(struct batch *batch, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buffer_puts(&batch->wrong, batch->wrong.length ? ", " : "");
    buffer_vprintf(&batch->wrong, format, args);
    va_end(args);
}

static const char *named(struct batch *batch, const struct record *record)
{
    const char *name = route53_name_told(batch->r->arena, record->name);
    return *record->identifier
               ? arena_printf(batch->r->arena, "[name='%s', type='%s', set-identifier='%s']", name,
                              record->type, record->identifier)
               : arena_printf(batch->r->arena, "[name='%s', type='%s']", name, record->type);
}

static bool is_in_zone(const struct batch *batch, const char *name)
{
    size_t length = strlen(name), of_zone = strlen(batch->zone->name);
    return length >= of_zone && is(name + length - of_zone, batch->zone->name) &&
           (length == of_zone || name[length - of_zone - 1] == '.');
}

static void check_value(struct batch *batch, const char *type, const char *value)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    const char *problem = NULL;
    if (is(type, "A") && inet_pton(AF_INET, value, bytes) != 1) {
        problem = "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)";
    } else if (is(type, "AAAA") && inet_pton(AF_INET6, value, bytes) != 1) {
        problem = "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)";
    } else if (is(type, "TXT") && value[0] != '"') {
        problem = "InvalidCharacterString (Value should be enclosed in quotation marks)";
    }
    if (problem) {
        object(batch, "Invalid Resource Record: 'FATAL problem: %s encountered with '%s''", problem,
               value);
    }
}

static bool conflicts(struct batch *batch, const struct record *record)
{
    static const char others[] = "SELECT 1 FROM record_sets WHERE zone = ?1 AND place = ?2 AND "
                                 "type <> ?3 AND (?3 = 'CNAME' OR type = 'CNAME')";
    const char *place = route53_place(batch->r->arena, record->name);
    return state_value(batch->r->state, 0, others, "sss", batch->zone->id, place, record->type);
}

/* Whether it may be there, whatever else is. */
static void check_new(struct batch *batch, const struct record *record)
{
    const char *name = route53_name_told(batch->r->arena, record->name);
    const char *zone = route53_name_told(batch->r->arena, batch->zone->name);
    const char *type = record->type;
    if (!is_in_zone(batch, record->name)) {
        object(batch, "RRSet with DNS name %s is not permitted in zone %s", name, zone);
    } else if (is(type, "CNAME") && is(record->name, batch->zone->name)) {
        object(batch, "RRSet of type CNAME with DNS name %s is not permitted at apex in zone %s",
               name, zone);
    } else if (conflicts(batch, record)) {
        object(
            batch,
            "RRSet of type %s with DNS name %s is not permitted as it conflicts with other records "
            "with the same DNS name in zone %s",
            type, name, zone);
    }
    for (size_t i = 0; i < record->count; i++) {
        check_value(batch, type, record->values[i]);
    }
}

/* Exactly: values, TTL or alias, and routing. */
static bool is_same(const struct record *a, const struct record *b)
{
    if (!a->alias_zone != !b->alias_zone || a->count != b->count || a->weight != b->weight) {
        return false;
    }
    if (a->alias_zone) {
        return is(a->alias_zone, b->alias_zone) && is(a->alias_name, b->alias_name) &&
               a->alias_evaluate == b->alias_evaluate;
    }
    size_t found = 0;
    for (size_t i = 0; i < a->count; i++) {
        for (size_t j = 0; j < b->count; j++) {
            if (is(a->values[i], b->values[j])) {
                found++;
                break;
            }
        }
    }
    return found == a->count && a->ttl_s == b->ttl_s;
}

static void change(struct batch *batch, const char *action, const struct record *record)
{
    struct record there;
    bool found = record_find(batch->r, batch->zone->id, record->name, record->type,
                             record->identifier, &there);
    if (is(action, "DELETE")) {
        if (!found) {
            object(batch, "Tried to delete resource record set %s but it was not found",
                   named(batch, record));
        } else if (!is_same(&there, record)) {
            object(
                batch,
                "Tried to delete resource record set %s but the values provided do not match the "
                "current values",
                named(batch, record));
        } else {
            record_delete(batch->r, batch->zone->id, record);
        }
        return;
    }
    check_new(batch, record);
    if (found && is(action, "CREATE")) {
        object(batch, "Tried to create resource record set %s but it already exists",
               named(batch, record));
    } else {
        record_put(batch->r, batch->zone->id, record);
    }
}

static void read_values(struct request *r, const struct xml *element, struct record *record)
{
    const struct xml *first = xml_first(element, "ResourceRecords");
    size_t count = 0;
    for (const struct xml *one = first; one; one = one->next) {
        count++;
    }
    record->values = ARENA_ARRAY(r->arena, const char *, count);
    for (const struct xml *one = first; one; one = one->next) {
        const char *value = xml_text(one, "Value");
        record->values[record->count++] = value ? value : "";
    }
}

/* False: refused. */
static bool read_record(struct request *r, const struct xml *element, struct record *record)
{
    const char *identifier = xml_text(element, "SetIdentifier"),
               *weight = xml_text(element, "Weight");
    const char *name = xml_text(element, "Name"), *type = xml_text(element, "Type");
    const char *ttl = xml_text(element, "TTL");
    const char *evaluate = xml_text(element, "AliasTarget/EvaluateTargetHealth");
    *record = (struct record){.name = route53_name(r->arena, name ? name : ""),
                              .type = type ? type : "",
                              .ttl_s = ttl ? strtoll(ttl, NULL, 10) : 0,
                              .identifier = identifier ? identifier : "",
                              .weight = weight ? strtoll(weight, NULL, 10) : -1,
                              .alias_zone = xml_text(element, "AliasTarget/HostedZoneId"),
                              .alias_name = xml_text(element, "AliasTarget/DNSName"),
                              .alias_evaluate = evaluate && is(evaluate, "true")};
    read_values(r, element, record);
    if (!*record->name || !*record->type) {
        return fail(r, 400, "InvalidInput", "Name and Type of a ResourceRecordSet are needed");
    }
    if (record->alias_zone ? xml_text(element, "TTL") != NULL
                           : record->count == 0 || !xml_text(element, "TTL")) {
        return fail(r, 400, "InvalidInput",
                    "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and "
                    "ResourceRecords], or TrafficPolicyInstanceId], but found none in Change with "
                    "[Name=%s, Type=%s]",
                    record->name, record->type);
    }
    return true;
}

static bool read_changes(struct batch *batch, const struct xml *changes)
{
    size_t count = 0, elements = 0, characters = 0;
    for (const struct xml *one = changes; one; one = one->next) {
        const char *action = xml_text(one, "Action");
        struct record record;
        if (!action || !(is(action, "CREATE") || is(action, "DELETE") || is(action, "UPSERT"))) {
            return fail(batch->r, 400, "InvalidInput", "Action is CREATE, DELETE or UPSERT");
        }
        if (!read_record(batch->r, xml_child(one, "ResourceRecordSet"), &record)) {
            return false;
        }
        count++;
        elements += record.count * (is(action, "UPSERT") ? 2 : 1);
        for (size_t i = 0; i < record.count; i++) {
            characters += strlen(record.values[i]);
        }
        if (count <= CHANGES_MAX) {
            change(batch, action, &record);
        }
    }
    if (count > CHANGES_MAX || elements > CHANGES_MAX) {
        object(batch, "Number of records limit of %d exceeded.", CHANGES_MAX);
    } else if (characters > VALUE_CHARACTERS_MAX) {
        object(batch, "RDATA character limit of %d exceeded.", VALUE_CHARACTERS_MAX);
    }
    return count > 0 || fail(batch->r, 400, "InvalidInput", "A batch has one change at least");
}

static void write_change(struct request *r, const char *id, int64_t submitted_ms, bool in_sync,
                         const char *comment)
{
    xml_open(&r->xml, "ChangeInfo");
    xml_put(&r->xml, "Id", arena_printf(r->arena, "/change/%s", id));
    xml_put(&r->xml, "Status", in_sync ? "INSYNC" : "PENDING");
    xml_time(&r->xml, "SubmittedAt", submitted_ms);
    xml_put(&r->xml, "Comment", comment);
    xml_close(&r->xml, "ChangeInfo");
}

bool route53_change_records(struct request *r)
{
    struct batch batch = {.r = r, .zone = hosted_zone_of_request(r)};
    struct error error = {0};
    const struct xml *root =
        batch.zone ? xml_parse(r->arena, r->arrival->payload, r->arrival->payload_length, &error)
                   : NULL;
    error_clear(&error);
    if (!batch.zone) {
        return false;
    }
    if (!root || !is(root->name, "ChangeResourceRecordSetsRequest")) {
        return fail(r, 400, "InvalidInput", "The request is no ChangeResourceRecordSetsRequest");
    }
    if (fault_strikes(r, "prior")) {
        return fail(
            r, 400, "PriorRequestNotComplete",
            "The request was rejected because Route 53 was still processing a prior request.");
    }
    bool read = read_changes(&batch, xml_first(root, "ChangeBatch/Changes"));
    if (read && batch.wrong.length) {
        read = fail(r, 400, "InvalidChangeBatch", "[%s]", buffer_text(&batch.wrong));
    }
    buffer_free(&batch.wrong);
    if (!read) {
        return false;
    }
    const char *id = arena_printf(r->arena, "C%016" PRIX64, draw(r));
    const char *comment = xml_text(root, "ChangeBatch/Comment");
    state_run(r->state, "INSERT INTO dns_changes VALUES (?, ?, ?, ?, ?)", "ssiis", id,
              r->caller.account, r->now_ms, r->now_ms + timing_draw(r, TIMING_DNS_SYNC, NULL),
              comment);
    write_change(r, id, r->now_ms, false, comment);
    return true;
}

bool route53_get_change(struct request *r)
{
    struct sqlite3_stmt *row =
        state_query(r->state,
                    "SELECT submitted_ms, insync_ms, comment FROM dns_changes WHERE id = ? AND "
                    "account = ?",
                    "ss", r->of, r->caller.account);
    if (!state_next(r->state, row)) {
        return fail(r, 404, "NoSuchChange", "Could not find resource with ID: %s", r->of);
    }
    write_change(r, r->of, state_int(row, 0), r->now_ms >= state_int(row, 1),
                 state_text(r->arena, row, 2));
    state_done(row);
    return true;
}
