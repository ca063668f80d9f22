/* A test's network: whether what is in it can reach production, as far as EC2 tells. Warnings only: security
 * groups and network ACLs may keep the two apart all the same. */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/plan/address.h"
#include "runtime/aws/preflight.h"

static const struct network *production_of_plan(const struct preflight *preflight)
{
    return &preflight->plan->networks[NETWORK_PRODUCTION];
}

static const char *subject_of_test(struct preflight *preflight, const char *what)
{
    return arena_printf(preflight->arena, "test network %s: %s", preflight->network->vpc.value, what);
}

static bool is(const char *text, const char *wanted)
{
    return text && strcmp(text, wanted) == 0;
}

/* --- peered --- */

static void on_peerings(void *context, const struct aws_answer *answer)
{
    struct preflight *preflight = ((const struct preflight_topic *)context)->preflight;
    const char *production = production_of_plan(preflight)->vpc.value;
    const char *subject = subject_of_test(preflight, "peering");
    const struct xml *item = xml_first(answer->xml, "vpcPeeringConnectionSet");
    bool peered = false;
    for (; item; item = item->next) {
        const char *one = xml_text(item, "requesterVpcInfo/vpcId");
        const char *other = xml_text(item, "accepterVpcInfo/vpcId");
        const char *state = xml_text(item, "status/code");
        if ((is(one, production) || is(other, production)) && is(state, "active")) {
            const char *id = xml_text(item, "vpcPeeringConnectionId");
            preflight_find(preflight, FINDING_WARNING, subject,
                           "a VM of the test could reach production: take the peering away, or see that no "
                           "route and no security group lets it",
                           "it is peered with production's %s (%s)", production, id ? id : "?");
            peered = true;
        }
    }
    if (!peered) {
        preflight_find(preflight, FINDING_PASSED, subject, NULL, "not with production's %s", production);
    }
}

/* --- routed --- */

/* What a route leads to when it is not this VPC's own, the internet's or a NAT's; NULL: one of these. */
static const char *way_out(const struct xml *route)
{
    static const char *const ways[] = {"vpcPeeringConnectionId", "transitGatewayId", "networkInterfaceId",
                                       "instanceId"};
    const char *gateway = xml_text(route, "gatewayId");
    if (gateway && strncmp(gateway, "vgw-", 4) == 0) {
        return gateway;
    }
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const char *id = xml_text(route, ways[i]);
        if (id && *id) {
            return id;
        }
    }
    return NULL;
}

/* Production's subnet that is reached by the destination; NULL: none. */
static const struct subnet *reached(const struct preflight *preflight, const char *destination)
{
    const struct network *production = production_of_plan(preflight);
    uint32_t address, mask;
    if (!destination || !cidr_read(destination, &address, &mask)) {
        return NULL;
    }
    for (size_t i = 0; i < production->subnet_count; i++) {
        const struct subnet *subnet = &production->subnets[i];
        uint32_t common = mask & subnet->mask;
        if (subnet_is_known(subnet) && (address & common) == (subnet->network & common)) {
            return subnet;
        }
    }
    return NULL;
}

static bool judge_route(struct preflight *preflight, const struct xml *table,
                        const struct xml *route)
{
    const char *destination = xml_text(route, "destinationCidrBlock"), *way = way_out(route);
    const struct subnet *subnet = way ? reached(preflight, destination) : NULL;
    if (!subnet || is(xml_text(route, "state"), "blackhole")) {
        return false;
    }
    const char *id = xml_text(table, "routeTableId");
    preflight_find(preflight, FINDING_WARNING, subject_of_test(preflight, "routes"),
                   "a VM of the test could reach production: take the route away, or see that no security "
                   "group lets it",
                   "%s leads %s, which is production's subnet %s too, to %s", id ? id : "a table",
                   destination, subnet->name, way);
    return true;
}

static void on_tables(void *context, const struct aws_answer *answer)
{
    struct preflight *preflight = ((const struct preflight_topic *)context)->preflight;
    const struct xml *table = xml_first(answer->xml, "routeTableSet");
    bool routed = false;
    for (; table; table = table->next) {
        for (const struct xml *route = xml_first(table, "routeSet"); route; route = route->next) {
            routed = judge_route(preflight, table, route) || routed;
        }
    }
    if (!routed) {
        preflight_find(preflight, FINDING_PASSED, subject_of_test(preflight, "routes"), NULL,
                       "none leads to production's subnets");
    }
}

/* --- all of it --- */

/* Where it may not be asked, that is told as unknown. */
static void ask(struct preflight *preflight, const char *operation, struct form *form, const char *what,
                void (*page)(void *context, const struct aws_answer *answer))
{
    struct preflight_topic *topic = ARENA_NEW(preflight->arena, struct preflight_topic);
    *topic = (struct preflight_topic){preflight, subject_of_test(preflight, what)};
    struct question question = {.service = AWS_SERVICE_EC2,
                                .operation = operation,
                                .body = buffer_text(&form->body),
                                .bucket = BUCKET_EC2_DESCRIBE,
                                .page = page,
                                .refused = preflight_unknown,
                                .context = topic};
    asks_add(preflight->asks, &question);
    buffer_free(&form->body);
}

static void filter_pair(struct form *form, int number, const char *name, const char *one,
                        const char *other)
{
    form_filter(form, number, name, one);
    form_add(form, other, "Filter.%d.Value.2", number);
}

void preflight_isolation(struct preflight *preflight)
{
    const char *own = preflight->network->vpc.value;
    const char *production = production_of_plan(preflight)->vpc.value;
    struct form form = {{0}};
    if (preflight->which != NETWORK_TEST || !preflight->network->given) {
        return;
    }
    if (is(own, production)) {
        preflight_find(preflight, FINDING_WARNING, subject_of_test(preflight, "VPC"),
                       "another VPC is safer; see that security groups keep the two apart",
                       "it is production's VPC too");
        return;
    }
    form_begin(&form, AWS_SERVICE_EC2, "DescribeVpcPeeringConnections");
    filter_pair(&form, 1, "requester-vpc-info.vpc-id", own, production);
    filter_pair(&form, 2, "accepter-vpc-info.vpc-id", own, production);
    ask(preflight, "DescribeVpcPeeringConnections", &form, "peering", on_peerings);
    form_begin(&form, AWS_SERVICE_EC2, "DescribeRouteTables");
    form_filter(&form, 1, "vpc-id", own);
    ask(preflight, "DescribeRouteTables", &form, "routes", on_tables);
}
