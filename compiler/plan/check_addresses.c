#include "compiler/plan/check.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/plan/address.h"
#include "compiler/plan/bind.h"

/* Cards and their addresses, in both networks. */

struct address_use {
    const struct plan_vm *vm;
    struct span at;
};

static void help_free(const struct subnet *subnet, struct diagnostic *found,
                      struct diagnostics *diagnostics)
{
    char first[ADDRESS_TEXT_SIZE], last[ADDRESS_TEXT_SIZE];
    diagnostic_help(diagnostics, found,
                    "free addresses there: %s to %s, or leave private_ip out for an automatic one",
                    address_format(subnet->network + 4, first),
                    address_format((subnet->network | ~subnet->mask) - 1, last));
}

static void point_to_subnet(const struct subnet *subnet, enum site_network which,
                            struct diagnostic *found, struct diagnostics *diagnostics)
{
    diagnostic_secondary(diagnostics, found, subnet->at,
                         "subnet \"%s\" of networks.%s is defined here", subnet->name,
                         network_name(which));
}

static void report_outside(const struct card *card, enum site_network which,
                           struct diagnostics *diagnostics)
{
    const struct subnet *subnet = card->subnet[which];
    struct diagnostic *found = diagnose(
        diagnostics, DIAG_ADDRESS_OUTSIDE_SUBNET, card->private_ip[which].at,
        "private_ip %s is outside of subnet \"%s\"", card->private_ip[which].value, subnet->name);
    diagnostic_label(diagnostics, found, "not in %s", subnet->cidr.value);
    point_to_subnet(subnet, which, found, diagnostics);
    help_free(subnet, found, diagnostics);
}

static void report_reserved(const struct card *card, enum site_network which,
                            struct diagnostics *diagnostics)
{
    const struct subnet *subnet = card->subnet[which];
    struct diagnostic *found =
        diagnose(diagnostics, DIAG_ADDRESS_RESERVED, card->private_ip[which].at,
                 "AWS keeps %s for itself", card->private_ip[which].value);
    diagnostic_label(diagnostics, found, "one of the first four, or the last, of %s",
                     subnet->cidr.value);
    point_to_subnet(subnet, which, found, diagnostics);
    help_free(subnet, found, diagnostics);
}

/* Two cards of a network cannot have one address: its subnets do not overlap. */
static void claim_address(const struct plan *plan, struct map *used, const struct plan_vm *vm,
                          struct text address, struct diagnostics *diagnostics)
{
    const struct address_use *earlier = map_get(used, address.value);
    if (!earlier) {
        struct address_use *use = ARENA_NEW(plan->arena, struct address_use);
        *use = (struct address_use){vm, address.at};
        map_put(used, address.value, use);
        return;
    }
    struct diagnostic *found = diagnose(diagnostics, DIAG_DUPLICATE_ADDRESS, address.at,
                                        "private_ip %s is claimed twice", address.value);
    diagnostic_label(diagnostics, found, "by %s here", vm->name);
    diagnostic_secondary(diagnostics, found, earlier->at, "by %s here", earlier->vm->name);
    diagnostic_help(diagnostics, found,
                    "give one of the two another address, or leave it out for an automatic one");
}

/* A single address counts where the subnet holds it; it has to be held somewhere. */
static bool held_elsewhere(const struct card *card, uint32_t address)
{
    for (int n = 0; n < NETWORK_COUNT; n++) {
        if (card->private_ip_shared && card->subnet[n] && subnet_holds(card->subnet[n], address)) {
            return true;
        }
    }
    return false;
}

static void check_card(const struct plan *plan, struct map used[NETWORK_COUNT],
                       const struct plan_vm *vm, const struct card *card,
                       struct diagnostics *diagnostics)
{
    for (int i = 0; i < NETWORK_COUNT; i++) {
        enum site_network which = (enum site_network)i;
        struct text text = card->private_ip[which];
        const struct subnet *subnet = card->subnet[which];
        uint32_t address;
        if (!text.value || (which == NETWORK_TEST && !subnet && !card->private_ip_shared)) {
            continue;
        }
        if (!address_parse(text.value, &address)) {
            diagnose(diagnostics, DIAG_INVALID_ADDRESS, text.at, "%s is no IPv4 address",
                     text.value);
            if (card->private_ip_shared) {
                return;
            }
        } else if (!subnet || !subnet_is_known(subnet)) {
            continue;
        } else if (!subnet_holds(subnet, address)) {
            if (!held_elsewhere(card, address)) {
                report_outside(card, which, diagnostics);
                if (card->private_ip_shared) {
                    return;
                }
            }
        } else if (subnet_reserves(subnet, address)) {
            report_reserved(card, which, diagnostics);
        } else {
            claim_address(plan, &used[which], vm, text, diagnostics);
        }
    }
}

static void check_zones(const struct plan_vm *vm, struct diagnostics *diagnostics)
{
    for (int n = 0; n < NETWORK_COUNT; n++) {
        const struct subnet *first = vm->cards[0].subnet[n];
        for (size_t i = 1; first && i < vm->card_count; i++) {
            const struct subnet *other = vm->cards[i].subnet[n];
            if (!other || strcmp(first->zone.value, other->zone.value) == 0) {
                continue;
            }
            struct diagnostic *found =
                diagnose(diagnostics, DIAG_CARDS_IN_SEVERAL_ZONES, vm->cards[i].subnet_name.at,
                         "the cards of %s are in different zones", vm->name);
            diagnostic_label(diagnostics, found, "in %s", other->zone.value);
            diagnostic_secondary(diagnostics, found, vm->cards[0].subnet_name.at,
                                 "the first card is in %s", first->zone.value);
            diagnostic_help(diagnostics, found, "choose subnets of one zone");
            return;
        }
    }
}

static void check_public(const struct plan_vm *vm, struct diagnostics *diagnostics)
{
    if (vm->card_count < 2 || (!vm->public_ip[0] && !vm->public_ip[1])) {
        return;
    }
    struct diagnostic *found =
        diagnose(diagnostics, DIAG_PUBLIC_IP_WITH_SEVERAL_CARDS, vm->subnet_at,
                 "%s has public_ip: true and %zu cards", vm->name, vm->card_count);
    diagnostic_label(diagnostics, found, "EC2 gives a public address to single cards only");
    diagnostic_help(diagnostics, found, "use elastic_ip instead of public_ip");
}

/* Whether the plan's VMs find room in each subnet; what else is in it, only AWS knows. */
static void check_room(const struct plan *plan, struct diagnostics *diagnostics)
{
    for (int n = 0; n < NETWORK_COUNT; n++) {
        const struct network *network = &plan->networks[n];
        uint32_t *cards = ARENA_ARRAY(plan->arena, uint32_t, network->subnet_count);
        for (size_t i = 0; i < plan->vm_count; i++) {
            for (size_t j = 0; j < plan->vms[i].card_count; j++) {
                const struct subnet *subnet = plan->vms[i].cards[j].subnet[n];
                if (subnet) {
                    cards[subnet - network->subnets]++;
                }
            }
        }
        for (size_t i = 0; i < network->subnet_count; i++) {
            const struct subnet *subnet = &network->subnets[i];
            if (!subnet_is_known(subnet) || cards[i] <= subnet_room(subnet)) {
                continue;
            }
            struct diagnostic *found =
                diagnose(diagnostics, DIAG_SUBNET_TOO_SMALL, subnet->cidr.at,
                         "subnet \"%s\" of networks.%s is too small for %u cards", subnet->name,
                         network_name((enum site_network)n), cards[i]);
            diagnostic_label(diagnostics, found, "room for %u", subnet_room(subnet));
            diagnostic_help(diagnostics, found,
                            "use a larger subnet, or spread the VMs over several");
        }
    }
}

void check_addresses(const struct plan *plan, struct diagnostics *diagnostics)
{
    struct map used[NETWORK_COUNT] = {{.arena = plan->arena}, {.arena = plan->arena}};
    for (size_t i = 0; i < plan->vm_count; i++) {
        const struct plan_vm *vm = &plan->vms[i];
        for (size_t j = 0; j < vm->card_count; j++) {
            check_card(plan, used, vm, &vm->cards[j], diagnostics);
        }
        check_zones(vm, diagnostics);
        check_public(vm, diagnostics);
    }
    check_room(plan, diagnostics);
}
