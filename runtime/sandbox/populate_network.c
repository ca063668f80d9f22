#include <string.h>

#include "runtime/sandbox/populate.h"

/* The /16 around its first subnet. */
static void add_vpc(struct request *r, const struct network *network)
{
    uint32_t at = network->subnet_count ? network->subnets[0].network & 0xFFFF0000u : 10u << 24;
    const char *vpc = network->vpc.value;
    state_run(r->state, "INSERT OR IGNORE INTO vpcs VALUES (?, ?, ?)", "sis", vpc,
              r->now_ms - DAY_MS, arena_printf(r->arena, "%s/16", address_text(r, at)));
    if (!state_value(r->state, 0,
                     "SELECT 1 FROM security_groups WHERE vpc = ? AND name = 'default'", "s",
                     vpc)) {
        state_run(r->state,
                  "INSERT INTO security_groups VALUES (?, ?, ?, 'default', "
                  "'default VPC security group')",
                  "sis", new_id(r, "sg"), r->now_ms - DAY_MS, vpc);
    }
}

static void add_network(struct request *r, const struct network *network)
{
    const char *vpc = network->vpc.value;
    add_vpc(r, network);
    for (size_t i = 0; i < network->subnet_count; i++) {
        const struct subnet *subnet = &network->subnets[i];
        state_run(r->state, "INSERT OR IGNORE INTO subnets VALUES (?, ?, ?, ?, ?)", "sisss",
                  subnet->id.value, r->now_ms - DAY_MS, vpc, subnet->cidr.value,
                  subnet->zone.value);
        tag_put(r, subnet->id.value, "Name", subnet->name);
    }
    for (size_t i = 0; i < network->group_count; i++) {
        const struct security_group *group = &network->groups[i];
        state_run(r->state, "INSERT OR IGNORE INTO security_groups VALUES (?, ?, ?, ?, ?)", "sisss",
                  group->id.value, r->now_ms - DAY_MS, vpc, group->name,
                  arena_printf(r->arena, "group %s of the plan", group->name));
    }
}

static void add_for_vm(struct request *r, const struct plan_vm *vm)
{
    if (vm->key_name.value) {
        state_run(r->state, "INSERT OR IGNORE INTO key_pairs VALUES (?, ?, ?)", "ssi",
                  vm->key_name.value, new_id(r, "key"), r->now_ms - DAY_MS);
    }
    if (vm->capacity_reservation.value) {
        state_run(r->state, "INSERT OR IGNORE INTO capacity_reservations VALUES (?)", "s",
                  vm->capacity_reservation.value);
    }
    for (int network = 0; network < NETWORK_COUNT; network++) {
        if (vm->iam_profile[network].value) {
            state_run(r->state, "INSERT OR IGNORE INTO instance_profiles VALUES (?, ?)", "ss",
                      vm->iam_profile[network].value, new_id(r, "AIPA"));
        }
        if (vm->elastic_ip[network].value) {
            state_run(r->state,
                      "INSERT OR IGNORE INTO addresses (id, created_ms, public_ip) "
                      "VALUES (?, ?, ?)",
                      "sis", vm->elastic_ip[network].value, r->now_ms - DAY_MS, public_address(r));
        }
    }
}

void populate_networks(struct request *r, const struct plan *plan)
{
    for (int i = 0; i < NETWORK_COUNT; i++) {
        if (plan->networks[i].given) {
            add_network(r, &plan->networks[i]);
        }
    }
    for (size_t i = 0; i < plan->vm_count; i++) {
        add_for_vm(r, &plan->vms[i]);
    }
}
