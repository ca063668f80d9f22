#include "compiler/plan/bind.h"

#include "compiler/base/arena.h"
#include "compiler/plan/address.h"

/* networks and dns: what VMs and steps refer to by name. */

static void bind_subnets(struct binder *binder, enum site_network which, const struct tree *tree)
{
    struct network *network = &binder->plan->networks[which];
    if (!tree) {
        return;
    }
    network->subnets = ARENA_ARRAY(binder->arena, struct subnet, tree->pair_count);
    for (size_t i = 0; i < tree->pair_count; i++) {
        const struct tree_pair *pair = &tree->pairs[i];
        struct subnet *subnet = &network->subnets[network->subnet_count++];
        subnet->name = pair->key->text;
        subnet->at = pair->key->span;
        subnet->id = bind_text(binder, tree_get(pair->value, "id"));
        subnet->cidr = bind_text(binder, tree_get(pair->value, "cidr"));
        subnet->zone = bind_text(binder, tree_get(pair->value, "zone"));
        /* check_network.c tells of one that cannot be read. */
        if (subnet->cidr.value &&
            !cidr_parse(subnet->cidr.value, &subnet->network, &subnet->mask)) {
            subnet->network = subnet->mask = 0;
        }
        map_put(&binder->subnets[which], subnet->name, subnet);
    }
}

static void bind_groups(struct binder *binder, enum site_network which, const struct tree *tree)
{
    struct network *network = &binder->plan->networks[which];
    if (!tree) {
        return;
    }
    network->groups = ARENA_ARRAY(binder->arena, struct security_group, tree->pair_count);
    for (size_t i = 0; i < tree->pair_count; i++) {
        const struct tree_pair *pair = &tree->pairs[i];
        struct security_group *group = &network->groups[network->group_count++];
        group->name = pair->key->text;
        group->at = pair->key->span;
        group->id = bind_text(binder, pair->value);
        map_put(&binder->groups[which], group->name, group);
    }
}

void bind_networks(struct binder *binder, const struct tree *networks)
{
    for (int i = 0; i < NETWORK_COUNT; i++) {
        enum site_network which = (enum site_network)i;
        const struct tree_pair *pair = networks ? tree_pair(networks, network_name(which)) : NULL;
        if (!pair || pair->value->kind != TREE_MAPPING) {
            continue;
        }
        struct network *network = &binder->plan->networks[which];
        network->given = true;
        network->at = pair->key->span;
        network->vpc = bind_text(binder, tree_get(pair->value, "vpc"));
        bind_subnets(binder, which, tree_get(pair->value, "subnets"));
        bind_groups(binder, which, tree_get(pair->value, "security_groups"));
        network->dns = bind_texts(binder, tree_get(pair->value, "dns"));
    }
}

static void bind_zone(struct binder *binder, struct zone *zone, const struct tree *tree)
{
    const struct tree *tsig = tree_get(tree, "tsig");
    zone->rfc2136 = bind_is(tree_get(tree, "provider"), "rfc2136");
    zone->zone_id = bind_text(binder, tree_get(tree, "zone_id"));
    zone->role_arn = bind_text(binder, tree_get(tree, "role_arn"));
    zone->server = bind_text(binder, tree_get(tree, "server"));
    zone->tsig_name = bind_text(binder, tree_get(tsig, "name"));
    zone->tsig_algorithm = bind_text(binder, tree_get(tsig, "algorithm"));
    zone->tsig_secret = bind_secret(binder, tree_get(tsig, "secret"));
}

/* Each zone that a test may change has to be one of the plan's. */
static void check_test_zones(struct binder *binder)
{
    const struct texts *names = &binder->plan->networks[NETWORK_TEST].dns;
    for (size_t i = 0; i < names->count; i++) {
        if (names->items[i].value && !map_get(&binder->zones, names->items[i].value)) {
            struct diagnostic *found =
                diagnose(binder->diagnostics, DIAG_UNKNOWN_DNS_ZONE, names->items[i].at,
                         "there is no DNS zone \"%s\" in this plan", names->items[i].value);
            bind_suggest(binder, found, names->items[i].value, &binder->zones);
        }
    }
}

void bind_zones(struct binder *binder, const struct tree *dns)
{
    struct plan *plan = binder->plan;
    if (dns && dns->kind == TREE_MAPPING) {
        plan->zones = ARENA_ARRAY(binder->arena, struct zone, dns->pair_count);
        for (size_t i = 0; i < dns->pair_count; i++) {
            struct zone *zone = &plan->zones[plan->zone_count++];
            zone->name = dns->pairs[i].key->text;
            zone->at = dns->pairs[i].key->span;
            bind_zone(binder, zone, dns->pairs[i].value);
            map_put(&binder->zones, zone->name, zone);
        }
    }
    check_test_zones(binder);
}
