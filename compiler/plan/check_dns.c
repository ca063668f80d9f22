#include "compiler/plan/check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "compiler/base/arena.h"

/* DNS steps: records that are claimed once, names and values that records can have, and TTLs. */

struct record {
    const struct plan_vm *vm; /* whose step set it first; NULL: the plan's */
    const struct step *step;
    unsigned during;
};

/* A step about a name, and the one before it. */
struct named {
    const struct step *step;
    const struct named *earlier;
};

struct records {
    struct diagnostics *diagnostics;
    struct map by_key, by_name; /* -> struct record *, struct named * */
};

/* DNS does not tell cases apart. */
static const char *lower_case(char *text)
{
    for (char *at = text; *at; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
    return text;
}

/* "www.shop.example A". */
static const char *record_key(const struct plan *plan, const struct step *step)
{
    return lower_case(
        arena_printf(plan->arena, "%s.%s %s", step->record, step->zone->name, step->record_type));
}

static void check_claim(const struct plan *plan, const struct plan_vm *vm, const struct step *step,
                        struct records *records)
{
    const char *key = record_key(plan, step);
    struct record *earlier = map_get(&records->by_key, key);
    if (!earlier) {
        struct record *own = ARENA_NEW(plan->arena, struct record);
        *own = (struct record){vm, step, step->during};
        map_put(&records->by_key, key, own);
        return;
    }
    if (earlier->during & step->during) {
        struct diagnostic *found = diagnose(records->diagnostics, DIAG_DUPLICATE_DNS_RECORD,
                                            step->at, "the %s record %s of %s is set twice",
                                            step->record_type, step->record, step->zone->name);
        diagnostic_label(records->diagnostics, found, "%s", vm ? vm->name : "the plan's own");
        diagnostic_secondary(records->diagnostics, found, earlier->step->at, "%s",
                             earlier->vm ? earlier->vm->name : "the plan's own");
        diagnostic_help(records->diagnostics, found,
                        "give all values in one step, or run the two during different workflows");
    }
    earlier->during |= step->during;
}

static bool is_cname(const struct step *step)
{
    return strcmp(step->record_type, "CNAME") == 0;
}

/* In workflows that run both, a CNAME and another record would have the same name. */
static void check_alone(const struct plan *plan, const struct step *step, struct records *records)
{
    bool whole = strcmp(step->record, "@") == 0;
    const char *name = lower_case(whole ? arena_strdup(plan->arena, step->zone->name)
                                        : arena_printf(plan->arena, "%s.%s", step->record,
                                                       step->zone->name));
    const struct named *earlier = map_get(&records->by_name, name);
    for (const struct named *at = earlier; at; at = at->earlier) {
        if (is_cname(at->step) == is_cname(step) || !(at->step->during & step->during)) {
            continue;
        }
        struct diagnostic *found =
            diagnose(records->diagnostics, DIAG_CNAME_BESIDE_OTHERS, step->at,
                     "%s would have a CNAME and a record of type %s", name,
                     is_cname(step) ? at->step->record_type : step->record_type);
        diagnostic_secondary(records->diagnostics, found, at->step->at, "the %s record",
                             at->step->record_type);
        diagnostic_help(records->diagnostics, found,
                        "a CNAME stands alone: use A records, or another name for one of the two");
        break;
    }
    struct named *own = ARENA_NEW(plan->arena, struct named);
    *own = (struct named){step, earlier};
    map_put(&records->by_name, name, own);
}

/* ---- Names ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcasecmp(text + length - tail, end) == 0;
}

/* The record without the zone behind it, where somebody wrote both; NULL where not. */
static const char *without_zone(const struct plan *plan, const struct step *step)
{
    const char *record = step->record, *zone = step->zone->name;
    size_t length = strlen(record), tail = strlen(zone);
    if (strcasecmp(record, zone) == 0) {
        return "@";
    }
    if (length > tail + 1 && ends_with(record, zone) && record[length - tail - 1] == '.') {
        return arena_strndup(plan->arena, record, length - tail - 1);
    }
    return NULL;
}

static void check_name(const struct plan *plan, const struct step *step,
                       struct diagnostics *diagnostics)
{
    const char *relative = without_zone(plan, step);
    if (relative) {
        struct diagnostic *found =
            diagnose(diagnostics, DIAG_INVALID_DNS_RECORD, step->at,
                     "the record %s is named together with its zone", step->record);
        diagnostic_secondary(diagnostics, found, step->zone->at, "the zone");
        diagnostic_help(diagnostics, found, "record: \"%s\"", relative);
    } else if (is_cname(step) && strcmp(step->record, "@") == 0) {
        struct diagnostic *found = diagnose(diagnostics, DIAG_INVALID_DNS_RECORD, step->at,
                                            "a zone itself cannot be a CNAME");
        diagnostic_help(diagnostics, found, "use A records for @, or a name inside of the zone");
    }
}

/* ---- Values ---- */

static bool is_address(const char *type, const char *value)
{
    unsigned char bytes[16];
    return inet_pton(strcmp(type, "A") == 0 ? AF_INET : AF_INET6, value, bytes) == 1;
}

static bool takes_address(const char *type)
{
    return strcmp(type, "A") == 0 || strcmp(type, "AAAA") == 0;
}

/* Whether it is a reference to an address, all of which are IPv4. */
static bool yields_ipv4(const struct template *value)
{
    return value->part_count == 1 && value->parts[0].kind == REFERENCE_VM &&
           value->parts[0].field <= VM_FIELD_PUBLIC_IP;
}

static bool is_known(const struct template *value, const char **text)
{
    *text = value->part_count ? value->parts[0].text : "";
    return value->part_count <= 1 && *text &&
           (!value->part_count || value->parts[0].kind <= REFERENCE_VALUE);
}

static void report_value(const struct step *step, struct span at, const char *text,
                         struct diagnostics *diagnostics)
{
    struct diagnostic *found =
        diagnose(diagnostics, DIAG_INVALID_DNS_VALUE, at, "%s is no value of %s record", text,
                 is_cname(step) ? "a CNAME"
                 : strcmp(step->record_type, "A") == 0   ? "an A"
                                                         : "an AAAA");
    diagnostic_help(diagnostics, found,
                    "A records hold IPv4 addresses, AAAA records IPv6 "
                    "addresses, CNAME records names");
}

static void check_value(const struct step *step, const struct template *value,
                        struct diagnostics *diagnostics)
{
    const char *text, *type = step->record_type;
    bool cname = strcmp(type, "CNAME") == 0;
    if (yields_ipv4(value)) {
        if (cname || strcmp(type, "AAAA") == 0) {
            report_value(step, value->at, value->raw, diagnostics);
        }
    } else if (is_known(value, &text)) {
        if ((takes_address(type) && !is_address(type, text)) ||
            (cname && (is_address("A", text) || is_address("AAAA", text)))) {
            report_value(step, value->at, text, diagnostics);
        }
    }
}

static void check_all_values(const struct step *step, struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < step->value_count; i++) {
        check_value(step, &step->values[i], diagnostics);
    }
    for (size_t i = 0; takes_address(step->record_type) && i < step->expect.count; i++) {
        struct text expected = step->expect.items[i];
        if (!is_address(step->record_type, expected.value)) {
            report_value(step, expected.at, expected.value, diagnostics);
        }
    }
    if (is_cname(step) && step->value_count > 1) {
        struct diagnostic *found =
            diagnose(diagnostics, DIAG_INVALID_DNS_VALUE, step->values[1].at,
                     "a CNAME record has one value, and here are %zu", step->value_count);
        diagnostic_help(diagnostics, found, "keep one, or use A records");
    }
}

/* ---- When ---- */

static void check_test(const struct plan *plan, const struct step *step,
                       struct diagnostics *diagnostics)
{
    const struct network *test = &plan->networks[NETWORK_TEST];
    if (!test->given || !(step->during & 1U << WORKFLOW_TEST)) {
        return;
    }
    for (size_t i = 0; i < test->dns.count; i++) {
        if (strcmp(test->dns.items[i].value, step->zone->name) == 0) {
            return;
        }
    }
    struct diagnostic *found = diagnose(diagnostics, DIAG_DNS_NOT_FOR_TEST, step->at,
                                        "a test would change the zone %s", step->zone->name);
    diagnostic_secondary(diagnostics, found, test->dns.count ? test->dns.at : test->at,
                         "zones that a test may change are listed here, as dns");
    diagnostic_help(diagnostics, found,
                    "leave test out of during, or add the zone to "
                    "networks.test.dns");
}

static void check_ttl(const struct plan *plan, const struct step *step,
                      struct diagnostics *diagnostics)
{
    const struct duration *rto = &plan->objectives.rto;
    if (!rto->given || step->ttl_s * 1000 <= rto->ms || !(step->during & 1U << WORKFLOW_FAILOVER)) {
        return;
    }
    struct diagnostic *found =
        diagnose(diagnostics, DIAG_DNS_TTL_OVER_RTO, step->at,
                 "resolvers keep the old value for up to %s, longer than the rto of %s",
                 duration_text(plan, step->ttl_s * 1000), duration_text(plan, rto->ms));
    diagnostic_secondary(diagnostics, found, rto->at, "the objective");
    diagnostic_help(diagnostics, found,
                    "lower the ttl, here and well ahead of a disaster in the zone itself");
}

static void visit_step(const struct plan *plan, const struct plan_vm *vm, const struct step *step,
                       void *context)
{
    struct records *records = context;
    if (step->kind != STEP_DNS) {
        return;
    }
    check_claim(plan, vm, step, records);
    check_alone(plan, step, records);
    check_name(plan, step, records->diagnostics);
    check_all_values(step, records->diagnostics);
    check_test(plan, step, records->diagnostics);
    check_ttl(plan, step, records->diagnostics);
}

/* ---- Checks of names ---- */

/* The last step that changes the name in a failover, while none does in a test; NULL otherwise. */
static const struct step *changed_in_failover_alone(const struct records *records,
                                                    const char *name)
{
    const struct step *found = NULL;
    for (const struct named *at = map_get(&records->by_name, name); at; at = at->earlier) {
        if (at->step->during & 1U << WORKFLOW_TEST) {
            return NULL;
        }
        found = at->step->during & 1U << WORKFLOW_FAILOVER ? at->step : found;
    }
    return found;
}

/* It would wait for its whole timeout, and fail. */
static void check_check(const struct plan *plan, const struct check *check, bool ready,
                        struct records *records)
{
    if (check->kind != CHECK_DNS || !plan->networks[NETWORK_TEST].given) {
        return;
    }
    const char *name = lower_case(arena_strdup(plan->arena, check->dns_name));
    const struct step *change = changed_in_failover_alone(records, name);
    if (!change) {
        return;
    }
    struct diagnostic *found =
        diagnose(records->diagnostics, DIAG_DNS_CHECK_IN_TEST, check->at,
                 "a test would check %s, which it does not change", check->dns_name);
    diagnostic_secondary(records->diagnostics, found, change->at,
                         "changed here, but not in a test");
    diagnostic_help(records->diagnostics, found,
                    ready ? "make it a check of post_boot with during: [failover, failback]"
                          : "during: [failover, failback] leaves tests out");
}

static void visit_check(const struct plan *plan, const struct plan_vm *vm, const struct step *step,
                        void *context)
{
    (void)vm;
    if (step->kind == STEP_CHECK && step->during & 1U << WORKFLOW_TEST) {
        check_check(plan, &step->check, false, context);
    }
}

void check_dns(const struct plan *plan, struct diagnostics *diagnostics)
{
    struct records records = {.diagnostics = diagnostics, .by_key.arena = plan->arena,
                              .by_name.arena = plan->arena};
    plan_each_step(plan, visit_step, &records);
    plan_each_step(plan, visit_check, &records);
    for (size_t i = 0; i < plan->vm_count; i++) {
        for (size_t j = 0; j < plan->vms[i].ready_count; j++) {
            check_check(plan, &plan->vms[i].ready[j], true, &records);
        }
    }
}
