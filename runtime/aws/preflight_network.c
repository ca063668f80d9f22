/* Networks: VPC, subnets, security groups, and addresses that are free. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/preflight.h"

static const char *subject_of(struct preflight *preflight, const char *what, const char *name,
                              const char *id)
{
    return arena_printf(preflight->arena, "%s %s%s%s", what, name, *name ? " " : "", id);
}

static const struct xml *find(const struct aws_answer *answer, const char *set, const char *element,
                              const char *id)
{
    const struct xml *item = xml_first(answer->xml, set);
    for (; item; item = item->next) {
        const char *found = xml_text(item, element);
        if (found && strcmp(found, id) == 0) {
            return item;
        }
    }
    return NULL;
}

static void on_vpc(void *context, const struct aws_answer *answer)
{
    struct preflight *preflight = context;
    const char *id = preflight->network->vpc.value;
    const char *subject = subject_of(preflight, "VPC", "", id);
    if (find(answer, "vpcSet", "vpcId", id)) {
        preflight_find(preflight, FINDING_PASSED, subject, NULL, "is there");
    } else {
        preflight_find(preflight, FINDING_FATAL, subject, "check networks and region in the plan",
                       "is not there");
    }
}

/* Whether both are given and differ. */
static bool differs(const char *text, const char *wanted)
{
    return text && wanted && strcmp(text, wanted) != 0;
}

static size_t cards_in(const struct preflight *preflight, const struct subnet *subnet)
{
    size_t count = 0;
    for (size_t i = 0; i < preflight->graph->vm_count; i++) {
        const struct plan_vm *vm = preflight_vm(preflight, i);
        for (size_t j = 0; vm && j < vm->card_count; j++) {
            count += vm->cards[j].subnet[preflight->which] == subnet;
        }
    }
    return count;
}

static void judge_subnet(struct preflight *preflight, const struct subnet *subnet,
                         const struct xml *found)
{
    const char *subject = subject_of(preflight, "subnet", subnet->name, subnet->id.value);
    const char *zone = xml_text(found, "availabilityZone"), *vpc = xml_text(found, "vpcId");
    const char *cidr = xml_text(found, "cidrBlock");
    const char *free_text = xml_text(found, "availableIpAddressCount");
    long needed = (long)cards_in(preflight, subnet);
    long left = free_text ? strtol(free_text, NULL, 10) : needed;
    const char *help = "correct networks in the plan";
    if (!found) {
        preflight_find(preflight, FINDING_FATAL, subject, help, "is not there");
    } else if (differs(vpc, preflight->network->vpc.value)) {
        preflight_find(preflight, FINDING_FATAL, subject, help, "is in %s, not in %s", vpc,
                       preflight->network->vpc.value);
    } else if (differs(zone, subnet->zone.value)) {
        preflight_find(preflight, FINDING_FATAL, subject, help, "is in %s, not in %s", zone,
                       subnet->zone.value);
    } else if (differs(cidr, subnet->cidr.value)) {
        preflight_find(preflight, FINDING_FATAL, subject, help, "has %s, not %s", cidr,
                       subnet->cidr.value);
    } else if (left < needed) {
        preflight_find(preflight, FINDING_FATAL, subject, "free addresses, or use another subnet",
                       "has %ld addresses left, and %ld are needed", left, needed);
    } else {
        preflight_find(preflight, FINDING_PASSED, subject, NULL, "in %s, %ld addresses left",
                       zone ? zone : "its zone", left);
    }
}

static void on_subnets(void *context, const struct aws_answer *answer)
{
    struct preflight *preflight = context;
    for (size_t i = 0; i < preflight->network->subnet_count; i++) {
        const struct subnet *subnet = &preflight->network->subnets[i];
        judge_subnet(preflight, subnet, find(answer, "subnetSet", "subnetId", subnet->id.value));
    }
}

static void on_groups(void *context, const struct aws_answer *answer)
{
    struct preflight *preflight = context;
    const struct network *network = preflight->network;
    for (size_t i = 0; i < network->group_count; i++) {
        const struct security_group *group = &network->groups[i];
        const struct xml *found = find(answer, "securityGroupInfo", "groupId", group->id.value);
        const char *vpc = xml_text(found, "vpcId");
        const char *subject = subject_of(preflight, "security group", group->name, group->id.value);
        if (!found || differs(vpc, network->vpc.value)) {
            preflight_find(preflight, FINDING_FATAL, subject, "correct networks in the plan",
                           "is not %s%s", found ? "in " : "there", found ? network->vpc.value : "");
        } else {
            preflight_find(preflight, FINDING_PASSED, subject, NULL, "is there");
        }
    }
}

/* An address that a card of the graph asks for. */
struct wanted_address {
    const char *vm, *subnet, *address;
};
struct addresses {
    struct preflight *preflight;
    struct wanted_address *items;
    size_t count, capacity;
};

static void judge_address(struct addresses *addresses, const struct wanted_address *wanted,
                          const struct aws_answer *answer)
{
    struct preflight *preflight = addresses->preflight;
    const char *subject =
        arena_printf(preflight->arena, "address %s of %s", wanted->address, wanted->vm);
    const struct xml *item = xml_first(answer->xml, "networkInterfaceSet");
    for (; item; item = item->next) {
        const char *subnet = xml_text(item, "subnetId"), *ip = xml_text(item, "privateIpAddress");
        if (subnet && ip && strcmp(subnet, wanted->subnet) == 0 &&
            strcmp(ip, wanted->address) == 0) {
            const char *holder = xml_text(item, "attachment/instanceId");
            const char *card = xml_text(item, "networkInterfaceId");
            preflight_find(preflight, FINDING_FATAL, subject,
                           "free it, or give the VM another private_ip", "is taken by %s",
                           holder ? holder
                           : card ? card
                                  : "another network card");
            return;
        }
    }
    preflight_find(preflight, FINDING_PASSED, subject, NULL, "is free");
}

static void on_interfaces(void *context, const struct aws_answer *answer)
{
    struct addresses *addresses = context;
    for (size_t i = 0; i < addresses->count; i++) {
        judge_address(addresses, &addresses->items[i], answer);
    }
}

static void collect_addresses(struct preflight *preflight, struct addresses *addresses,
                              const struct graph_node *node)
{
    const struct value *cards = graph_input(node, "cards");
    for (uint32_t i = 0; cards && cards->kind == VALUE_LIST && i < cards->count; i++) {
        const char *address = value_text(value_member(&cards->items[i], "private_ip"));
        const char *subnet = value_text(value_member(&cards->items[i], "subnet_id"));
        if (!address || !subnet || node->vm == NO_VM) {
            continue;
        }
        addresses->items = arena_grow(preflight->arena, addresses->items, addresses->count,
                                      &addresses->capacity, sizeof *addresses->items);
        addresses->items[addresses->count++] =
            (struct wanted_address){preflight->graph->vms[node->vm].name, subnet, address};
    }
}

static void ask_addresses(struct preflight *preflight)
{
    enum { VALUES_MAX = 200 };
    struct addresses *addresses = NULL;
    for (uint32_t i = 0; i <= preflight->graph->node_count; i++) {
        bool last = i == preflight->graph->node_count;
        if (!addresses) {
            addresses = ARENA_NEW(preflight->arena, struct addresses);
            addresses->preflight = preflight;
        }
        if (!last && preflight->graph->nodes[i].action == ACTION_RUN_INSTANCE) {
            collect_addresses(preflight, addresses, &preflight->graph->nodes[i]);
        }
        if (addresses->count == 0 || (!last && addresses->count < VALUES_MAX - 16)) {
            continue;
        }
        struct form form = {{0}};
        form_begin(&form, AWS_SERVICE_EC2, "DescribeNetworkInterfaces");
        form_add(&form, "addresses.private-ip-address", "Filter.1.Name");
        for (size_t j = 0; j < addresses->count; j++) {
            form_add(&form, addresses->items[j].address, "Filter.1.Value.%zu", j + 1);
        }
        asks_add_form(preflight->asks, "DescribeNetworkInterfaces", &form, false, on_interfaces,
                      addresses);
        addresses = NULL;
    }
}

void preflight_network(struct preflight *preflight)
{
    const struct network *network = preflight->network;
    struct form form = {{0}};
    if (!network->given) {
        return;
    }
    form_begin(&form, AWS_SERVICE_EC2, "DescribeVpcs");
    form_filter(&form, 1, "vpc-id", network->vpc.value);
    asks_add_form(preflight->asks, "DescribeVpcs", &form, false, on_vpc, preflight);
    form_begin(&form, AWS_SERVICE_EC2, "DescribeSubnets");
    form_filter(&form, 1, "vpc-id", network->vpc.value);
    asks_add_form(preflight->asks, "DescribeSubnets", &form, false, on_subnets, preflight);
    if (network->group_count > 0) {
        form_begin(&form, AWS_SERVICE_EC2, "DescribeSecurityGroups");
        form_filter(&form, 1, "vpc-id", network->vpc.value);
        asks_add_form(preflight->asks, "DescribeSecurityGroups", &form, false, on_groups,
                      preflight);
    }
    ask_addresses(preflight);
}
