/* Who is launched first where addresses could be taken: EC2 gives a card without a fixed address any
 * free one of its subnet, also the very one that another VM of the plan is to have. So where a subnet
 * has both kinds, VMs with a fixed address are launched before those without; whether that succeeds
 * is nothing to wait for. One milestone for each such subnet, because there can be thousands of both.
 *
 * Two cases are left to the subnet (an explicit CIDR reservation keeps an address free for who asks
 * for it). A VM that is launched late (boot: image, after what it depends on) is not waited for, as
 * others would start later by all that it waits for; this is told. And a VM with a fixed address here
 * and an automatic one there is among the first in both places. */
#include "compiler/base/arena.h"
#include "compiler/lower/lowering.h"
#include "compiler/plan/address.h"

struct fixed_vm {
    const struct vm_lowering *v;
    struct fixed_vm *next;
};

struct subnet_launches {
    bool automatic;                 /* there is a card without an address */
    struct fixed_vm *fixed;         /* VMs with an address here that are launched at once */
    const struct vm_lowering *late; /* one with an address here that waits for others; NULL */
    const char *late_address;
    uint32_t milestone;
};

const char *lowering_card_address(const struct lowering *l, const struct card *card)
{
    const char *text = card->private_ip[l->network].value;
    uint32_t address;
    if (!text || !card->private_ip_shared) {
        return text;
    }
    const struct subnet *subnet = card->subnet[l->network];
    return address_parse(text, &address) && subnet_holds(subnet, address) ? text : NULL;
}

static struct subnet_launches *launches_of(const struct lowering *l, const struct card *card)
{
    return &l->launches[card->subnet[l->network] - l->plan->networks[l->network].subnets];
}

static bool is_mixed(const struct subnet_launches *subnet)
{
    return subnet->fixed && subnet->automatic;
}

static bool waits_for_others(const struct lowering *l, const struct plan_vm *vm)
{
    bool delayed = vm->delay.given && vm->delay.ms > 0;
    return l->plan->aws.boot == BOOT_IMAGE && (vm->dependency_count > 0 || delayed);
}

static void count_cards(struct lowering *l, const struct vm_lowering *v)
{
    bool late = waits_for_others(l, v->vm);
    for (size_t i = 0; i < v->vm->card_count; i++) {
        struct subnet_launches *subnet = launches_of(l, &v->vm->cards[i]);
        const char *address = lowering_card_address(l, &v->vm->cards[i]);
        if (!address) {
            subnet->automatic = true;
        } else if (late) {
            subnet->late = v;
            subnet->late_address = address;
        } else {
            struct fixed_vm *fixed = ARENA_NEW(l->arena, struct fixed_vm);
            *fixed = (struct fixed_vm){.v = v, .next = subnet->fixed};
            subnet->fixed = fixed;
        }
    }
}

static enum launch_place place_of(const struct lowering *l, const struct vm_lowering *v)
{
    bool late = waits_for_others(l, v->vm);
    enum launch_place place = LAUNCHED_ANY_TIME;
    for (size_t i = 0; i < v->vm->card_count; i++) {
        const struct card *card = &v->vm->cards[i];
        if (is_mixed(launches_of(l, card)) && place != LAUNCHED_FIRST) {
            place = lowering_card_address(l, card) ? late ? place : LAUNCHED_FIRST : LAUNCHED_LAST;
        }
    }
    return place;
}

void lowering_place_launches(struct lowering *l)
{
    const struct network *network = &l->plan->networks[l->network];
    l->launches = ARENA_ARRAY(l->arena, struct subnet_launches, network->subnet_count);
    for (size_t i = l->plan->vm_count; i > 0; i--) { /* backwards, as each goes before the others */
        count_cards(l, &l->vms[i - 1]);
    }
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        l->vms[i].launched = place_of(l, &l->vms[i]);
    }
    for (size_t i = 0; i < network->subnet_count; i++) {
        const struct subnet_launches *subnet = &l->launches[i];
        if (subnet->late && subnet->automatic) {
            lowering_assume(l,
                            "subnet %s: %s (%s) is still free when %s is launched, though cards "
                            "without an address are given one before: keep it free with aws ec2 "
                            "create-subnet-cidr-reservation --reservation-type explicit",
                            network->subnets[i].name, subnet->late_address,
                            subnet->late->vm->name, subnet->late->vm->name);
        }
    }
}

void lower_launched(struct lowering *l)
{
    const struct network *network = &l->plan->networks[l->network];
    for (size_t s = 0; s < network->subnet_count; s++) {
        struct subnet_launches *subnet = &l->launches[s];
        if (!is_mixed(subnet)) {
            continue;
        }
        subnet->milestone = lowering_node(
            l, NULL, ACTION_LAUNCHED, lowering_join(l, "subnets", network->subnets[s].name),
            network->subnets[s].at, "private_ip: an address that is asked for is taken first");
        for (const struct fixed_vm *fixed = subnet->fixed; fixed; fixed = fixed->next) {
            builder_after(l->builder, fixed->v->instance, WHEN_ENDED);
        }
    }
}

void lower_after_launched(struct lowering *l, const struct vm_lowering *v)
{
    for (size_t i = 0; v->launched == LAUNCHED_LAST && i < v->vm->card_count; i++) {
        const struct subnet_launches *subnet = launches_of(l, &v->vm->cards[i]);
        if (is_mixed(subnet) && !lowering_card_address(l, &v->vm->cards[i])) {
            builder_after(l->builder, subnet->milestone, WHEN_OK);
        }
    }
}
