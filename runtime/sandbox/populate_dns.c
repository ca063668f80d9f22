/* The zones that a plan's steps change, with what they find there: what the plan expects, else an
 * address that is nobody's (RFC 5737, RFC 3849). */
#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/dns/record_set.h"
#include "runtime/sandbox/dns.h"
#include "runtime/sandbox/populate.h"

enum { TTL_S = 60 };

static const char *old_value(struct request *r, const struct step *step)
{
    unsigned sum = 0;
    for (const char *c = step->record; *c; c++) {
        sum = sum * 31 + (unsigned char)*c;
    }
    switch (record_type(step->record_type)) {
    case LDNS_RR_TYPE_A:
        return arena_printf(r->arena, "192.0.2.%u", 1 + sum % 254);
    case LDNS_RR_TYPE_AAAA:
        return arena_printf(r->arena, "2001:db8::%x", 1 + sum % 65534);
    case LDNS_RR_TYPE_CNAME:
        return arena_printf(r->arena, "before.%s", step->zone->name);
    default:
        return "before";
    }
}

static void put_value(struct request *r, const struct dns_zone *zone, const struct step *step,
                      const char *name, const char *value)
{
    ldns_rdf *owner = ldns_dname_new_frm_str(name);
    ldns_rr *rr =
        owner ? record_rr(owner, record_type(step->record_type), TTL_S, value, NULL) : NULL;
    if (rr) {
        dns_record_put(
            r, zone, &(struct dns_record){name, step->record_type, dns_data(r->arena, rr), TTL_S});
    }
    ldns_rr_free(rr);
    ldns_rdf_deep_free(owner);
}

static void populate_step(struct request *r, const struct step *step)
{
    struct dns_zone zone;
    struct dns_record *there;
    if (step->kind != STEP_DNS || !step->zone || !step->zone->rfc2136) {
        return;
    }
    const char *origin = dns_name_of(r->arena, step->zone->name);
    bool apex = strcmp(step->record, "@") == 0;
    const char *name =
        apex || !origin
            ? origin
            : dns_name_of(r->arena, arena_printf(r->arena, "%s.%s", step->record, origin));
    if (!name || !dns_zone_named(r, origin, &zone) ||
        dns_records(r, &zone, name, step->record_type, &there) > 0) {
        return;
    }
    for (size_t i = 0; i < step->expect.count; i++) {
        put_value(r, &zone, step, name, step->expect.items[i].value);
    }
    if (step->expect.count == 0) {
        put_value(r, &zone, step, name, old_value(r, step));
    }
}

static void populate_steps(struct request *r, const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        populate_step(r, &steps[i]);
    }
}

void populate_dns(struct request *r, const struct plan *plan)
{
    for (size_t i = 0; i < plan->zone_count; i++) {
        const struct zone *zone = &plan->zones[i];
        const char *name = zone->rfc2136 ? dns_name_of(r->arena, zone->name) : NULL;
        if (name) {
            dns_zone_make(r, &(struct dns_zone){.name = name,
                                                .serial = 1,
                                                .key_name = zone->tsig_name.value,
                                                .key_algorithm = zone->tsig_algorithm.value});
        }
    }
    populate_steps(r, plan->before, plan->before_count);
    for (size_t i = 0; i < plan->vm_count; i++) {
        populate_steps(r, plan->vms[i].post_boot, plan->vms[i].post_boot_count);
    }
    populate_steps(r, plan->after, plan->after_count);
}
