/* Hosted zones with the records that a plan's steps change, and target groups. */
#include <inttypes.h>
#include <string.h>

#include "runtime/sandbox/route53.h"
#include "runtime/sandbox/populate.h"

enum { OLD_TTL_S = 300 };

/* "arn:aws:iam::444455556666:role/dns": the zone is of that account. */
static const char *account_of(struct request *r, const struct zone *zone)
{
    static const char prefix[] = "arn:aws:iam::";
    const char *arn = zone->role_arn.value;
    return arn && strncmp(arn, prefix, sizeof prefix - 1) == 0
               ? arena_strndup(r->arena, arn + sizeof prefix - 1,
                               strcspn(arn + sizeof prefix - 1, ":"))
               : r->caller.account;
}

static const char *id_of(struct request *r, const struct zone *zone)
{
    const char *name = route53_name(r->arena, zone->name);
    const char *held = state_value_text(
        r->state, r->arena, "SELECT id FROM hosted_zones WHERE name = ? AND account = ?", "ss",
        name, account_of(r, zone));
    return zone->zone_id.value ? zone->zone_id.value
           : held              ? held
                               : arena_printf(r->arena, "Z%016" PRIX64, mix_text(r->seed, name));
}

/* What stands there from the time at home: addresses for documentation (RFC 5737, RFC 3849). */
static const char *old_value(struct request *r, const struct step *step, const char *name)
{
    unsigned last = 1 + (unsigned)(mix_text(r->seed, name) % 250);
    if (strcmp(step->record_type, "A") == 0) {
        return arena_printf(r->arena, "192.0.2.%u", last);
    }
    if (strcmp(step->record_type, "AAAA") == 0) {
        return arena_printf(r->arena, "2001:db8::%x", last);
    }
    return strcmp(step->record_type, "CNAME") == 0
               ? arena_printf(r->arena, "home.%s", step->zone->name)
               : "home";
}

static void add_record(struct request *r, const struct step *step)
{
    const struct zone *zone = step->zone;
    const char *full = strcmp(step->record, "@") == 0
                           ? zone->name
                           : arena_printf(r->arena, "%s.%s", step->record, zone->name);
    struct record record = {.name = route53_name(r->arena, full),
                            .type = step->record_type,
                            .ttl_s = OLD_TTL_S,
                            .identifier = "",
                            .weight = -1};
    struct record there;
    const char *id = id_of(r, zone);
    record.values = ARENA_ARRAY(r->arena, const char *, step->expect.count + 1);
    for (size_t i = 0; i < step->expect.count; i++) {
        record.values[record.count++] =
            route53_value(r->arena, step->record_type, step->expect.items[i].value);
    }
    if (step->expect.count == 0) {
        record.values[record.count++] =
            route53_value(r->arena, step->record_type, old_value(r, step, record.name));
    }
    if (!record_find(r, id, record.name, record.type, "", &there)) {
        record_put(r, id, &record);
    }
}

static void add_steps(struct request *r, const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (steps[i].kind == STEP_DNS && steps[i].zone && !steps[i].zone->rfc2136) {
            add_record(r, &steps[i]);
        }
    }
}

/* "arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID" */
static void add_group(struct request *r, const char *arn, const char *vpc)
{
    const char *slash = strchr(arn, '/');
    const char *name = slash ? arena_strndup(r->arena, slash + 1, strcspn(slash + 1, "/")) : arn;
    state_run(
        r->state, "INSERT OR IGNORE INTO target_groups VALUES (?, ?, 'instance', ?, 'HTTP', 80, ?)",
        "ssss", arn, name, vpc,
        arena_printf(r->arena, "arn:aws:elasticloadbalancing:%s:%s:loadbalancer/app/%s/%016" PRIx64,
                     r->region, r->caller.account, name, mix_text(r->seed, arn)));
}

void populate_route53(struct request *r, const struct plan *plan)
{
    for (size_t i = 0; i < plan->zone_count; i++) {
        const struct zone *zone = &plan->zones[i];
        if (!zone->rfc2136) {
            hosted_zone_make(r, &(struct hosted_zone){.id = id_of(r, zone),
                                               .name = route53_name(r->arena, zone->name),
                                               .account = account_of(r, zone),
                                               .reference = id_of(r, zone)});
        }
    }
    add_steps(r, plan->before, plan->before_count);
    add_steps(r, plan->after, plan->after_count);
    for (size_t i = 0; i < plan->vm_count; i++) {
        add_steps(r, plan->vms[i].post_boot, plan->vms[i].post_boot_count);
    }
}

void populate_target_groups(struct request *r, const struct plan *plan)
{
    for (size_t i = 0; i < plan->vm_count; i++) {
        for (int network = 0; network < NETWORK_COUNT; network++) {
            const struct texts *groups = &plan->vms[i].target_groups[network];
            const char *vpc = plan->networks[network].vpc.value;
            for (size_t g = 0; vpc && g < groups->count; g++) {
                add_group(r, groups->items[g].value, vpc);
            }
        }
    }
}
