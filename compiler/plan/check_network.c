#include "compiler/plan/check.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/plan/address.h"
#include "compiler/plan/bind.h"

/* Networks: blocks, zones, and that a test is apart from production. */

enum { PREFIX_WIDEST = 16, PREFIX_NARROWEST = 28 };

static void check_cidr(const struct subnet *subnet, struct diagnostics *diagnostics)
{
    uint32_t address, mask;
    char text[ADDRESS_TEXT_SIZE];
    bool readable = cidr_read(subnet->cidr.value, &address, &mask);
    int prefix = readable ? cidr_prefix(mask) : 0;
    bool aligned = readable && (address & ~mask) == 0;
    if (aligned && prefix >= PREFIX_WIDEST && prefix <= PREFIX_NARROWEST) {
        return;
    }
    struct diagnostic *found =
        diagnose(diagnostics, DIAG_INVALID_CIDR, subnet->cidr.at,
                 "%s is no block that a subnet can have", subnet->cidr.value);
    if (aligned) {
        diagnostic_help(diagnostics, found, "subnets of a VPC are from /%d to /%d", PREFIX_WIDEST,
                        PREFIX_NARROWEST);
    } else if (readable) {
        diagnostic_help(diagnostics, found, "the block that this address is in is %s/%d",
                        address_format(address & mask, text), prefix);
    } else {
        diagnostic_help(diagnostics, found, "a block is written like 10.20.2.0/24");
    }
}

static int compare_networks(const void *a, const void *b)
{
    const struct subnet *left = *(const struct subnet *const *)a;
    const struct subnet *right = *(const struct subnet *const *)b;
    if (left->network != right->network) {
        return left->network < right->network ? -1 : 1;
    }
    return (left->at.line > right->at.line) - (left->at.line < right->at.line);
}

/* In the order of their addresses, a block that overlaps any before overlaps the widest so far. */
static void check_overlaps(const struct plan *plan, enum site_network which,
                           struct diagnostics *diagnostics)
{
    const struct network *network = &plan->networks[which];
    const struct subnet **sorted =
        ARENA_ARRAY(plan->arena, const struct subnet *, network->subnet_count);
    for (size_t i = 0; i < network->subnet_count; i++) {
        sorted[i] = &network->subnets[i];
    }
    if (network->subnet_count) {
        qsort(sorted, network->subnet_count, sizeof(const struct subnet *), compare_networks);
    }
    const struct subnet *widest = NULL;
    for (size_t i = 0; i < network->subnet_count; i++) {
        const struct subnet *subnet = sorted[i];
        if (widest && subnets_overlap(widest, subnet)) {
            bool later = subnet->at.line >= widest->at.line;
            const struct subnet *here = later ? subnet : widest, *there = later ? widest : subnet;
            struct diagnostic *found = diagnose(diagnostics, DIAG_SUBNETS_OVERLAP, here->cidr.at,
                                                "subnets \"%s\" and \"%s\" of networks.%s overlap",
                                                there->name, here->name, network_name(which));
            diagnostic_secondary(diagnostics, found, there->cidr.at, "has the same addresses");
            diagnostic_help(diagnostics, found,
                            "copy both blocks from the VPC: there they cannot overlap");
        }
        if (subnet_is_known(subnet) &&
            (!widest || (subnet->network | ~subnet->mask) >= (widest->network | ~widest->mask))) {
            widest = subnet;
        }
    }
}

static void check_ids(const struct plan *plan, struct diagnostics *diagnostics)
{
    struct map seen[NETWORK_COUNT] = {{.arena = plan->arena}, {.arena = plan->arena}};
    for (int n = 0; n < NETWORK_COUNT; n++) {
        for (size_t i = 0; i < plan->networks[n].subnet_count; i++) {
            struct subnet *subnet = &plan->networks[n].subnets[i];
            const struct subnet *same = map_get(&seen[n], subnet->id.value);
            const struct subnet *other =
                n == NETWORK_TEST ? map_get(&seen[NETWORK_PRODUCTION], subnet->id.value) : NULL;
            if (same) {
                struct diagnostic *found = diagnose(
                    diagnostics, DIAG_DUPLICATE_SUBNET_ID, subnet->id.at,
                    "subnets \"%s\" and \"%s\" have the same id", same->name, subnet->name);
                diagnostic_secondary(diagnostics, found, same->id.at, "used here already");
                diagnostic_help(diagnostics, found,
                                "correct the id of one, or use one name for both");
            } else if (other) {
                struct diagnostic *found =
                    diagnose(diagnostics, DIAG_NETWORKS_SHARE_SUBNET, subnet->id.at,
                             "production and test share subnet %s", subnet->id.value);
                diagnostic_secondary(diagnostics, found, other->id.at, "production's is here");
                diagnostic_help(diagnostics, found,
                                "give networks.test subnets of its own, best in another VPC");
            }
            map_put(&seen[n], subnet->id.value, subnet);
        }
    }
}

static void check_vpcs(const struct plan *plan, struct diagnostics *diagnostics)
{
    struct text production = plan->networks[NETWORK_PRODUCTION].vpc;
    struct text test = plan->networks[NETWORK_TEST].vpc;
    if (!production.value || !test.value || strcmp(production.value, test.value) != 0) {
        return;
    }
    struct diagnostic *found = diagnose(diagnostics, DIAG_NETWORKS_SHARE_VPC, test.at,
                                        "production and test share VPC %s", test.value);
    diagnostic_secondary(diagnostics, found, production.at, "production's is here");
    diagnostic_help(diagnostics, found,
                    "use another VPC, or see that security groups keep the two apart");
}

static void check_groups(const struct plan *plan, struct diagnostics *diagnostics)
{
    const struct network *production = &plan->networks[NETWORK_PRODUCTION];
    const struct network *test = &plan->networks[NETWORK_TEST];
    struct map seen = {.arena = plan->arena};
    for (size_t i = 0; i < production->group_count; i++) {
        map_put(&seen, production->groups[i].id.value, &production->groups[i]);
    }
    for (size_t i = 0; i < test->group_count; i++) {
        const struct security_group *group = &test->groups[i];
        const struct security_group *other = map_get(&seen, group->id.value);
        if (other) {
            struct diagnostic *found =
                diagnose(diagnostics, DIAG_NETWORKS_SHARE_GROUP, group->id.at,
                         "production and test share security group %s", group->id.value);
            diagnostic_secondary(diagnostics, found, other->id.at, "production's is here");
            diagnostic_help(diagnostics, found, "give networks.test groups of its own");
        }
    }
}

/* eu-west-1a and us-west-2-lax-1a begin with their region, and go on with no digit. */
static bool zone_in_region(const char *zone, const char *region)
{
    size_t length = strlen(region);
    char next = strncmp(zone, region, length) == 0 ? zone[length] : '\0';
    return (next >= 'a' && next <= 'z') || next == '-';
}

static void check_zone(const struct plan *plan, struct text zone, struct diagnostics *diagnostics)
{
    struct text region = plan->aws.region;
    if (!zone.value || !region.value || zone_in_region(zone.value, region.value)) {
        return;
    }
    struct diagnostic *found = diagnose(diagnostics, DIAG_ZONE_OUTSIDE_REGION, zone.at,
                                        "%s is no zone of %s", zone.value, region.value);
    diagnostic_secondary(diagnostics, found, region.at, "the recovery region");
    diagnostic_help(diagnostics, found, "its zones are named %sa, %sb …", region.value,
                    region.value);
}

static bool test_is_like_failover(const struct plan *plan, int n)
{
    return n == NETWORK_PRODUCTION || plan->networks[n].given;
}

/* Injection ahead of a failover works on volumes of its own, in whatever zone. */
static void check_conversion_ahead(const struct plan *plan, struct diagnostics *diagnostics)
{
    if (plan->aws.conversion_count > 0) {
        return;
    }
    struct diagnostic *found =
        diagnose(diagnostics, DIAG_NO_CONVERSION_INSTANCE_AHEAD, plan->replication.prepare_at,
                 "replicate has no conversion instance to inject drivers on");
    diagnostic_help(diagnostics, found,
                    "add one under sites.recovery.aws.conversion.instances, in any zone; or inject: never "
                    "for guests that have their drivers");
}

/* Injection during a failover happens beside the boot volume, whose zone is the first card's. */
static void check_conversions(const struct plan *plan, struct diagnostics *diagnostics)
{
    struct map asked = {.arena = plan->arena};
    if (plan->aws.inject && plan->replication.prepare) {
        check_conversion_ahead(plan, diagnostics);
        return;
    }
    if (!plan->aws.inject || plan->aws.boot == BOOT_IMAGE) {
        return;
    }
    for (size_t i = 0; i < plan->vm_count; i++) {
        for (int n = 0; n < NETWORK_COUNT && test_is_like_failover(plan, n); n++) {
            const struct subnet *subnet = plan->vms[i].cards[0].subnet[n];
            if (!subnet || plan_conversion_in(plan, subnet->zone.value) ||
                !map_put(&asked, subnet->zone.value, (void *)subnet)) {
                continue;
            }
            struct diagnostic *found =
                diagnose(diagnostics, DIAG_NO_CONVERSION_INSTANCE, subnet->zone.at,
                         "zone %s has no conversion instance", subnet->zone.value);
            diagnostic_label(diagnostics, found, "%s starts here", plan->vms[i].name);
            diagnostic_secondary(diagnostics, found, plan->aws.inject_at,
                                 "drivers are to be injected");
            diagnostic_help(diagnostics, found,
                            "add one under conversion.instances, or set replication.prepare: "
                            "replication, or inject: never");
        }
    }
}

/* An instance is in one zone. */
static void check_conversion_zones(const struct plan *plan, struct diagnostics *diagnostics)
{
    struct map seen = {.arena = plan->arena};
    for (size_t i = 0; i < plan->aws.conversion_count; i++) {
        struct conversion_instance *conversion = &plan->aws.conversions[i];
        const struct conversion_instance *earlier = map_get(&seen, conversion->id.value);
        check_zone(plan, conversion->zone, diagnostics);
        if (earlier) {
            struct diagnostic *found =
                diagnose(diagnostics, DIAG_CONVERSION_IN_TWO_ZONES, conversion->id.at,
                         "conversion instance %s cannot be in two zones", conversion->id.value);
            diagnostic_secondary(diagnostics, found, earlier->id.at, "given for %s here",
                                 earlier->zone.value);
            diagnostic_help(diagnostics, found, "each zone needs an instance of its own");
        }
        map_put(&seen, conversion->id.value, conversion);
    }
}

void check_network(const struct plan *plan, struct diagnostics *diagnostics)
{
    for (int n = 0; n < NETWORK_COUNT; n++) {
        const struct network *network = &plan->networks[n];
        for (size_t i = 0; i < network->subnet_count; i++) {
            check_cidr(&network->subnets[i], diagnostics);
            check_zone(plan, network->subnets[i].zone, diagnostics);
        }
        check_overlaps(plan, (enum site_network)n, diagnostics);
    }
    check_ids(plan, diagnostics);
    check_vpcs(plan, diagnostics);
    check_groups(plan, diagnostics);
    check_conversion_zones(plan, diagnostics);
    check_conversions(plan, diagnostics);
}
