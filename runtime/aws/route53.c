/* Route 53: records read before their change, and changes awaited. */
#include "runtime/aws/route53.h"

#include <string.h>

#include "compiler/base/arena.h"

enum { PAGE_MAX = 300, ZONES_MAX = 100 };

/* --- requests --- */

const char *route53_input(const struct operation *op, size_t i, const char *name)
{
    const char *text = call_text(op->calls[i], name);
    return text ? text : "";
}

static const char *encoded(struct arena *arena, const char *text)
{
    struct buffer out = {0};
    uri_encode(&out, text, false);
    const char *copy = arena_strdup(arena, buffer_text(&out));
    buffer_free(&out);
    return copy;
}

void route53_send(struct operation *op, const struct route53_request *request, operation_step next)
{
    struct http_header type = {"Content-Type", "application/xml"};
    struct aws_client_request sent = {
        .service = AWS_SERVICE_ROUTE53,
        .operation = request->operation,
        .changes = request->body != NULL,
        .role_arn = call_text(op->calls[0], "role_arn"),
        .rest = {.method = request->method,
                 .path =
                     arena_printf(op->arena, "/%s/%s",
                                  aws_service_info(AWS_SERVICE_ROUTE53)->version, request->path),
                 .query = request->query,
                 .headers = &type,
                 .header_count = request->body ? 1 : 0},
        .body = request->body,
        .body_length = request->body ? strlen(request->body) : 0,
        .bucket = request->first ? BUCKET_NONE : BUCKET_ROUTE53};
    operation_send_rest(op, &sent, next);
}

void route53_list(struct operation *op, const char *zone_id, const char *name, const char *type,
                  int most, bool first, operation_step next)
{
    const char *of_type = type ? arena_printf(op->arena, "&type=%s", type) : "";
    route53_send(
        op,
        &(struct route53_request){
            .operation = "ListResourceRecordSets",
            .path = arena_printf(op->arena, "hostedzone/%s/rrset", encoded(op->arena, zone_id)),
            .query = arena_printf(op->arena, "maxitems=%d&name=%s%s", most,
                                  encoded(op->arena, rrset_name_to_wire(op->arena, name)), of_type),
            .first = first},
        next);
}

struct rrset route53_find(struct arena *arena, const struct aws_answer *answer, const char *name,
                          const char *type)
{
    const char *wanted = rrset_name(arena, name);
    for (const struct xml *one = xml_first(answer->xml, "ResourceRecordSets"); one;
         one = one->next) {
        const char *of_type = xml_text(one, "Type"), *of_name = xml_text(one, "Name");
        if (of_type && of_name && strcmp(of_type, type) == 0 &&
            strcmp(rrset_name(arena, of_name), wanted) == 0) {
            return rrset_of_xml(arena, one);
        }
    }
    return (struct rrset){.name = wanted, .type = type};
}

static bool same_input(const struct call *a, const struct call *b, const char *name)
{
    const char *of_a = call_text(a, name), *of_b = call_text(b, name);
    return of_a && of_b ? strcmp(of_a, of_b) == 0 : of_a == of_b;
}

bool route53_same_zone(const struct call *a, const struct call *b)
{
    return same_input(a, b, "zone") && same_input(a, b, "zone_id") && same_input(a, b, "role_arn");
}

/* --- read --- */

struct reading {
    const char *zone_id;
    size_t asked; /* the call that the page begins with */
};

/* Why it cannot be switched; NULL: it can. */
static const char *objection(struct operation *op, size_t i, const struct rrset *now,
                             const char **help)
{
    const struct value *expect = call_input(op->calls[i], "expect");
    *help = NULL;
    if (now->special) {
        *help =
            "drc changes simple records only: take it out of the plan, or switch it by a script";
        return arena_printf(op->arena, "has %s", now->special);
    }
    if (expect && expect->count > 0) {
        struct rrset wanted = rrset_wanted(op->arena, now->name, now->type, 0, expect);
        if (!rrset_same_values(op->arena, now, &wanted)) {
            const char *text = rrset_text(op->arena, &wanted);
            *help =
                "somebody else has changed it: see that it may be switched, then correct expect "
                "in the plan or the record";
            return arena_printf(op->arena, "is %s, and the plan expects %.*s",
                                rrset_text(op->arena, now), (int)(strstr(text, " (TTL") - text), text);
        }
    }
    return NULL;
}

static void tell_record(struct operation *op, size_t i, const struct rrset *now)
{
    struct reading *reading = op->state;
    const char *help, *why = objection(op, i, now, &help);
    if (why) {
        operation_tell(op, i, OUTCOME_FATAL, help, "%s %s %s", route53_input(op, i, "record"),
                       route53_input(op, i, "type"), why);
        return;
    }
    struct call_result result = {
        .outcome = OUTCOME_OK,
        .outputs = {{"zone_id", reading->zone_id}, {"old", rrset_to_json(op->arena, now)}},
        .output_count = 2};
    operation_result(op, i, &result);
}

static void on_records(struct operation *op, const struct aws_answer *answer);

/* The first by Route 53's order of those without a result: a page from there on has the next ones,
 * too, as far as they lie together. */
static void list_next(struct operation *op, bool first)
{
    struct reading *reading = op->state;
    size_t best = op->n;
    for (size_t i = 0; i < op->n; i++) {
        if (!op->answered[i] &&
            (best == op->n ||
             rrset_name_compare(rrset_name(op->arena, route53_input(op, i, "record")),
                                rrset_name(op->arena, route53_input(op, best, "record"))) < 0)) {
            best = i;
        }
    }
    reading->asked = best;
    route53_list(op, reading->zone_id, route53_input(op, best, "record"),
                 route53_input(op, best, "type"), op->open > 1 ? PAGE_MAX : 1, first, on_records);
}

/* That a record is not there is sure only of the one that the page begins with. */
static void on_records(struct operation *op, const struct aws_answer *answer)
{
    struct reading *reading = op->state;
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
        return;
    }
    for (size_t i = 0; i < op->n; i++) {
        if (op->answered[i]) {
            continue;
        }
        struct rrset now = route53_find(op->arena, answer, route53_input(op, i, "record"),
                                        route53_input(op, i, "type"));
        if (now.there || i == reading->asked) {
            tell_record(op, i, &now);
        }
    }
    if (op->open > 0) {
        list_next(op, false);
    }
}

static const char *id_of_zone(struct arena *arena, const struct xml *zone)
{
    const char *id = xml_text(zone, "Id"), *slash = id ? strrchr(id, '/') : NULL;
    return id ? arena_strdup(arena, slash ? slash + 1 : id) : "";
}

/* Tells all calls the same. */
static void tell_all(struct operation *op, const char *help, const char *message)
{
    for (size_t i = 0; i < op->n; i++) {
        operation_tell(op, i, OUTCOME_FATAL, help, "%s", message);
    }
}

static void on_zones(struct operation *op, const struct aws_answer *answer)
{
    struct reading *reading = op->state;
    const char *zone = route53_input(op, 0, "zone"), *wanted = rrset_name(op->arena, zone);
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
        return;
    }
    const char *found = "";
    size_t count = 0;
    for (const struct xml *one = xml_first(answer->xml, "HostedZones"); one; one = one->next) {
        const char *name = xml_text(one, "Name"), *private = xml_text(one, "Config/PrivateZone");
        if (name && strcmp(rrset_name(op->arena, name), wanted) == 0) {
            reading->zone_id = id_of_zone(op->arena, one);
            found =
                arena_printf(op->arena, "%s%s%s (%s)", found, count++ ? ", " : "", reading->zone_id,
                             private && strcmp(private, "true") == 0 ? "private" : "public");
        }
    }
    if (count == 1) {
        list_next(op, false);
    } else if (count == 0) {
        tell_all(
            op,
            "check dns in the plan: the zone's name, and role_arn where it is in another account",
            arena_printf(op->arena, "there is no hosted zone %s in the account", zone));
    } else {
        tell_all(op, "name the one that is meant by zone_id, under dns in the plan",
                 arena_printf(op->arena, "there are %zu hosted zones %s: %s", count, zone, found));
    }
}

static void get_record_sets(struct operation *op)
{
    struct reading *reading = ARENA_NEW(op->arena, struct reading);
    reading->zone_id = call_text(op->calls[0], "zone_id");
    op->state = reading;
    if (reading->zone_id) {
        list_next(op, true);
        return;
    }
    const char *name = rrset_name_to_wire(op->arena, route53_input(op, 0, "zone"));
    route53_send(
        op,
        &(struct route53_request){.operation = "ListHostedZonesByName",
                                  .path = "hostedzonesbyname",
                                  .query = arena_printf(op->arena, "dnsname=%s&maxitems=%d",
                                                        encoded(op->arena, name), ZONES_MAX),
                                  .first = true},
        on_zones);
}

const struct aws_action get_record_set_action = {.start = get_record_sets,
                                                 .together = route53_same_zone};

/* --- awaited --- */

static bool same_change(const struct call *a, const struct call *b)
{
    return same_input(a, b, "change_id") && same_input(a, b, "role_arn");
}

static void on_change(struct operation *op, const struct aws_answer *answer)
{
    const char *status =
        answer->outcome == OUTCOME_OK ? xml_text(answer->xml, "ChangeInfo/Status") : NULL;
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
    } else if (status && strcmp(status, "INSYNC") == 0) {
        operation_ok(op);
    } else {
        for (size_t i = 0; i < op->n; i++) {
            operation_tell(op, i, OUTCOME_PENDING, NULL,
                           "change %s is %s: not all of Route 53's servers answer with it yet",
                           route53_input(op, 0, "change_id"), status ? status : "in no state");
        }
    }
}

static void on_nothing(void *context)
{
    struct operation *op = context;
    op->task = NULL;
    operation_ok(op);
    operation_destroy(op);
}

/* Without an id there was nothing to change. */
static void poll_change(struct operation *op)
{
    const char *id = route53_input(op, 0, "change_id");
    if (!*id) {
        op->task = world_timer(aws_client_world(op->client), 0, on_nothing, op);
        return;
    }
    route53_send(op,
                 &(struct route53_request){
                     .operation = "GetChange",
                     .path = arena_printf(op->arena, "change/%s", encoded(op->arena, id))},
                 on_change);
}

const struct aws_action wait_record_set_action = {.poll = poll_change, .together = same_change};
