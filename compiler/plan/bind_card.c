#include "compiler/plan/bind.h"

#include <string.h>

#include "compiler/base/arena.h"

/* Network cards: names of subnets and groups resolved in both networks. */

static void bind_subnet(struct binder *binder, struct card *card)
{
    const char *name = card->subnet_name.value;
    card->subnet[NETWORK_PRODUCTION] = map_get(&binder->subnets[NETWORK_PRODUCTION], name);
    card->subnet[NETWORK_TEST] = map_get(&binder->subnets[NETWORK_TEST], name);
    if (!card->subnet[NETWORK_PRODUCTION]) {
        struct diagnostic *found =
            diagnose(binder->diagnostics, DIAG_UNKNOWN_SUBNET, card->subnet_name.at,
                     "there is no subnet \"%s\" in networks.production", name);
        bind_suggest(binder, found, name, &binder->subnets[NETWORK_PRODUCTION]);
    } else if (binder->plan->networks[NETWORK_TEST].given && !card->subnet[NETWORK_TEST]) {
        struct diagnostic *found =
            diagnose(binder->diagnostics, DIAG_SUBNET_MISSING_IN_TEST, card->subnet_name.at,
                     "subnet \"%s\" is not in networks.test", name);
        diagnostic_secondary(binder->diagnostics, found, binder->plan->networks[NETWORK_TEST].at,
                             "a test runs this VM here");
        bind_suggest(binder, found, name, &binder->subnets[NETWORK_TEST]);
    }
}

static void report_group(struct binder *binder, struct text name, bool in_production)
{
    enum site_network where = in_production ? NETWORK_TEST : NETWORK_PRODUCTION;
    struct diagnostic *found = diagnose(
        binder->diagnostics,
        in_production ? DIAG_SECURITY_GROUP_MISSING_IN_TEST : DIAG_UNKNOWN_SECURITY_GROUP, name.at,
        "there is no security group \"%s\" in networks.%s", name.value, network_name(where));
    if (in_production) {
        diagnostic_secondary(binder->diagnostics, found, binder->plan->networks[NETWORK_TEST].at,
                             "a test runs this VM here");
    }
    bind_suggest(binder, found, name.value, &binder->groups[where]);
}

static void bind_card_groups(struct binder *binder, struct card *card)
{
    size_t count = card->group_names.count;
    for (int n = 0; n < NETWORK_COUNT && count; n++) {
        card->groups[n] = ARENA_ARRAY(binder->arena, const struct security_group *, count);
    }
    for (size_t i = 0; i < count; i++) {
        struct text name = card->group_names.items[i];
        for (int n = 0; n < NETWORK_COUNT; n++) {
            card->groups[n][i] = map_get(&binder->groups[n], name.value);
        }
        bool in_production = card->groups[NETWORK_PRODUCTION][i] != NULL;
        bool wanted_in_test = binder->plan->networks[NETWORK_TEST].given;
        if (!in_production || (wanted_in_test && !card->groups[NETWORK_TEST][i])) {
            report_group(binder, name, in_production);
        }
    }
}

static void bind_address(struct binder *binder, struct card *card, const struct tree *tree)
{
    if (!tree) {
        return;
    }
    card->private_ip_shared = tree->kind != TREE_MAPPING;
    for (int n = 0; n < NETWORK_COUNT; n++) {
        const struct tree *own = tree_get(tree, network_name((enum site_network)n));
        card->private_ip[n] = bind_text(binder, card->private_ip_shared ? tree : own);
    }
}

static void bind_card(struct binder *binder, struct card *card, const struct tree *subnet,
                      const struct tree *groups, const struct tree *address)
{
    card->subnet_name = bind_text(binder, subnet);
    if (card->subnet_name.value) {
        bind_subnet(binder, card);
    }
    card->group_names = bind_texts(binder, groups);
    bind_card_groups(binder, card);
    bind_address(binder, card, address);
}

void bind_cards(struct binder *binder, struct plan_vm *vm, const struct tree *nics,
                const struct tree *subnet, const struct tree *groups, const struct tree *address)
{
    if (!nics && !subnet) {
        struct diagnostic *found = diagnose(binder->diagnostics, DIAG_MISSING_KEY, vm->at,
                                            "VM %s has neither subnet nor nics", vm->name);
        diagnostic_help(binder->diagnostics, found,
                        "subnet: NAME says where its network card is, here or in defaults");
    }
    vm->card_count = nics ? nics->item_count : 1;
    vm->cards = ARENA_ARRAY(binder->arena, struct card, vm->card_count);
    vm->subnet_at = bind_span(nics ? nics : subnet, vm->at);
    if (!nics) {
        vm->cards[0].at = vm->subnet_at;
        bind_card(binder, &vm->cards[0], subnet, groups, address);
        return;
    }
    for (size_t i = 0; i < nics->item_count; i++) {
        const struct tree *nic = nics->items[i];
        vm->cards[i].at = nic->span;
        bind_card(binder, &vm->cards[i], tree_get(nic, "subnet"), tree_get(nic, "security_groups"),
                  tree_get(nic, "private_ip"));
    }
}
