/* Target groups of load balancers: targets and their health, by the state of their instances.
 * Source: TargetHealth, Elastic Load Balancing API Reference (2015-12-01). */
#include <inttypes.h>
#include <string.h>

#include "runtime/sandbox/ec2.h"
#include "runtime/sandbox/elb.h"
#include "runtime/sandbox/request.h"

enum { DRAINING_MS = 30000, REGISTERING_MS = 2000 };

struct target_group {
    const char *arn, *name, *type, *vpc, *protocol, *load_balancer;
    int64_t port;
};

static struct target_group *group_find(struct request *r, const char *arn)
{
    struct sqlite3_stmt *row = state_query(r->state,
                                           "SELECT arn, name, type, vpc, protocol, load_balancer, "
                                           "port FROM target_groups WHERE arn = ?",
                                           "s", arn);
    if (!state_next(r->state, row)) {
        fail(r, 400, "TargetGroupNotFound", "Target groups '%s' not found", arn);
        return NULL;
    }
    struct target_group *group = ARENA_NEW(r->arena, struct target_group);
    *group = (struct target_group){.arn = state_text(r->arena, row, 0),
                                   .name = state_text(r->arena, row, 1),
                                   .type = state_text(r->arena, row, 2),
                                   .vpc = state_text(r->arena, row, 3),
                                   .protocol = state_text(r->arena, row, 4),
                                   .load_balancer = state_text(r->arena, row, 5),
                                   .port = state_int(row, 6)};
    state_done(row);
    return group;
}

static struct target_group *group_of_request(struct request *r)
{
    const char *arn = query_get(&r->query, "TargetGroupArn");
    if (!arn) {
        fail(r, 400, "ValidationError", "TargetGroupArn is required");
        return NULL;
    }
    return group_find(r, arn);
}

/* --- groups --- */

static void write_group(struct request *r, const struct target_group *group)
{
    xml_open(&r->xml, "member");
    xml_put(&r->xml, "TargetGroupArn", group->arn);
    xml_put(&r->xml, "TargetGroupName", group->name);
    xml_put(&r->xml, "Protocol", group->protocol);
    xml_int(&r->xml, "Port", group->port);
    xml_put(&r->xml, "VpcId", group->vpc);
    xml_put(&r->xml, "TargetType", group->type);
    xml_open(&r->xml, "LoadBalancerArns");
    xml_put(&r->xml, "member", group->load_balancer);
    xml_close(&r->xml, "LoadBalancerArns");
    xml_close(&r->xml, "member");
}

bool elb_describe_groups(struct request *r)
{
    struct texts_list arns = query_list(&r->query, "TargetGroupArns.member");
    xml_open(&r->xml, "TargetGroups");
    for (size_t i = 0; i < arns.count; i++) {
        const struct target_group *group = group_find(r, arns.items[i]);
        if (!group) {
            return false;
        }
        write_group(r, group);
    }
    if (arns.count == 0) {
        struct sqlite3_stmt *rows =
            state_query(r->state, "SELECT arn FROM target_groups ORDER BY arn", "");
        struct objects all = {0};
        while (state_next(r->state, rows)) {
            objects_add(r->arena, &all, (void *)state_text(r->arena, rows, 0));
        }
        for (size_t i = 0; i < all.count; i++) {
            write_group(r, group_find(r, all.items[i]));
        }
    }
    xml_close(&r->xml, "TargetGroups");
    return true;
}

/* --- targets --- */

static struct instance *instance_of(struct request *r, const struct target_group *group,
                                    const char *id)
{
    return strcmp(group->type, "ip") == 0 ? instance_by_address(r, id) : instance_load(r, id);
}

static bool check_target(struct request *r, const struct target_group *group, const char *id)
{
    uint32_t address;
    if (strcmp(group->type, "ip") == 0) {
        return parse_address(id, &address) ||
               fail(r, 400, "ValidationError", "The IP address '%s' is not a valid IPv4 address",
                    id);
    }
    const struct instance *instance = strncmp(id, "i-", 2) == 0 ? instance_load(r, id) : NULL;
    if (!instance) {
        return fail(r, 400, "InvalidTarget", "The following targets are not valid instances: '%s'",
                    id);
    }
    if (strcmp(instance->state, "running") != 0) {
        return fail(
            r, 400, "InvalidTarget",
            "The following targets are not in a running state and cannot be registered: '%s'", id);
    }
    return strcmp(instance->vpc, group->vpc) == 0 ||
           fail(r, 400, "InvalidTarget",
                "The following targets are not in the target group VPC '%s': '%s'", group->vpc, id);
}

/* The i-th target of the request; false: there is none. */
static bool target_at(struct request *r, size_t i, const struct target_group *group,
                      const char **id, int64_t *port)
{
    const char *text = query_get(&r->query, "Targets.member.%zu.Port", i);
    *id = query_get(&r->query, "Targets.member.%zu.Id", i);
    *port = group->port;
    return *id && (!text || parse_int(text, port));
}

bool elb_register(struct request *r)
{
    const struct target_group *group = group_of_request(r);
    const char *id;
    int64_t port;
    for (size_t i = 1; group && target_at(r, i, group, &id, &port); i++) {
        if (!check_target(r, group, id)) {
            return false;
        }
        state_run(r->state,
                  "INSERT INTO targets VALUES (?, ?, ?, ?, ?, NULL) ON CONFLICT DO UPDATE SET "
                  "registered_ms = CASE WHEN drained_ms IS NULL THEN registered_ms ELSE "
                  "excluded.registered_ms END, drained_ms = NULL",
                  "ssiii", group->arn, id, port, r->now_ms,
                  timing_draw(r, TIMING_TARGET_HEALTH, NULL));
    }
    return group != NULL;
}

bool elb_deregister(struct request *r)
{
    const struct target_group *group = group_of_request(r);
    const char *id;
    int64_t port;
    for (size_t i = 1; group && target_at(r, i, group, &id, &port); i++) {
        state_run(
            r->state,
            "UPDATE targets SET drained_ms = ? WHERE target_group = ? AND id = ? AND port = ? "
            "AND drained_ms IS NULL",
            "issi", r->now_ms + DRAINING_MS, group->arn, id, port);
    }
    return group != NULL;
}

/* --- health --- */

static bool is_unhealthy(struct request *r, const struct instance *instance)
{
    const char *vm = tag_value(&instance->resource.tags, "drc:vm");
    return fault(r, "unhealthy") > 0 || (vm && fault(r, "unhealthy/%s", vm) > 0);
}

static struct target_health health_of(struct request *r, const struct target_group *group,
                                      const char *id, int64_t registered_ms, int64_t health_ms)
{
    const struct instance *instance = instance_of(r, group, id);
    const char *why;
    if (!group->load_balancer) {
        return (struct target_health){
            .state = "unused",
            .reason = "Target.NotInUse",
            .description = "Target group is not configured to receive traffic from the load "
                           "balancer"};
    }
    if (!instance || strcmp(instance->state, "running") != 0) {
        return (struct target_health){
            .state = "unused",
            .reason = "Target.InvalidState",
            .description =
                instance ? arena_printf(r->arena, "Target is in the %s state", instance->state)
                         : "Target is in the terminated state"};
    }
    if (r->now_ms < registered_ms + REGISTERING_MS) {
        return (struct target_health){.state = "initial",
                                      .reason = "Elb.RegistrationInProgress",
                                      .description = "Target registration is in progress"};
    }
    bool boots = instance_boots(r, instance, &why);
    int64_t up_ms = boots ? instance_boot_ms(r, instance) : INT64_MAX;
    int64_t since_ms = up_ms > registered_ms ? up_ms : registered_ms;
    if (boots && r->now_ms >= up_ms && r->now_ms >= since_ms + health_ms) {
        return is_unhealthy(r, instance)
                   ? (struct target_health){.state = "unhealthy",
                                            .reason = "Target.ResponseCodeMismatch",
                                            .description =
                                                "Health checks failed with these codes: [503]"}
                   : (struct target_health){
                         .state = "healthy", .reason = NULL, .description = NULL};
    }
    if (r->now_ms < registered_ms + 2 * health_ms) {
        return (struct target_health){.state = "initial",
                                      .reason = "Elb.InitialHealthChecking",
                                      .description = "Initial health checks in progress"};
    }
    return (struct target_health){.state = "unhealthy",
                                  .reason = boots ? "Target.FailedHealthChecks" : "Target.Timeout",
                                  .description =
                                      boots ? "Health checks failed" : "Request timed out"};
}

/* Those of a group that are there, or still draining. */
static size_t list_group(struct request *r, const struct target_group *group,
                         struct target_health *targets, size_t most)
{
    size_t count = 0;
    struct sqlite3_stmt *rows =
        state_query(r->state,
                    "SELECT id, port, registered_ms, health_ms, drained_ms FROM targets WHERE "
                    "target_group = ? AND (drained_ms IS NULL OR drained_ms > ?) ORDER BY id, port",
                    "si", group->arn, r->now_ms);
    while (count < most && state_next(r->state, rows)) {
        struct target_health *target = &targets[count++];
        const char *id = state_text(r->arena, rows, 0);
        *target = (struct target_health){.state = "draining",
                                         .reason = "Target.DeregistrationInProgress",
                                         .description = "Target deregistration is in progress"};
        if (state_is_null(rows, 4)) {
            *target = health_of(r, group, id, state_int(rows, 2), state_int(rows, 3));
        }
        target->group = group->name;
        target->id = id;
        target->port = state_int(rows, 1);
    }
    return count;
}

static size_t target_count(struct request *r)
{
    return (size_t)state_value(r->state, 0, "SELECT count(*) FROM targets", "");
}

size_t targets_list(struct request *r, struct target_health **targets)
{
    size_t most = target_count(r), count = 0;
    struct objects groups = {0};
    struct sqlite3_stmt *rows =
        state_query(r->state, "SELECT arn FROM target_groups ORDER BY arn", "");
    while (state_next(r->state, rows)) {
        objects_add(r->arena, &groups, (void *)state_text(r->arena, rows, 0));
    }
    *targets = ARENA_ARRAY(r->arena, struct target_health, most);
    for (size_t i = 0; i < groups.count; i++) {
        count += list_group(r, group_find(r, groups.items[i]), *targets + count, most - count);
    }
    return count;
}

static void write_health(struct request *r, const struct target_health *health)
{
    xml_open(&r->xml, "member");
    xml_open(&r->xml, "Target");
    xml_put(&r->xml, "Id", health->id);
    xml_int(&r->xml, "Port", health->port);
    xml_close(&r->xml, "Target");
    xml_put(&r->xml, "HealthCheckPort", arena_printf(r->arena, "%" PRId64, health->port));
    xml_open(&r->xml, "TargetHealth");
    xml_put(&r->xml, "State", health->state);
    xml_put(&r->xml, "Reason", health->reason);
    xml_put(&r->xml, "Description", health->description);
    xml_close(&r->xml, "TargetHealth");
    xml_close(&r->xml, "member");
}

/* A target that is asked for and is not in the group is told so. */
static void write_asked(struct request *r, const struct target_group *group,
                        const struct target_health *targets, size_t count)
{
    const char *id;
    int64_t port;
    for (size_t i = 1; target_at(r, i, group, &id, &port); i++) {
        struct target_health health = {.id = id,
                                       .port = port,
                                       .state = "unused",
                                       .reason = "Target.NotRegistered",
                                       .description =
                                           "Target is not registered to the target group"};
        for (size_t t = 0; t < count; t++) {
            health =
                strcmp(targets[t].id, id) == 0 && targets[t].port == port ? targets[t] : health;
        }
        write_health(r, &health);
    }
}

bool elb_describe_health(struct request *r)
{
    const struct target_group *group = group_of_request(r);
    if (!group) {
        return false;
    }
    size_t most = target_count(r);
    struct target_health *targets = ARENA_ARRAY(r->arena, struct target_health, most);
    size_t count = list_group(r, group, targets, most);
    xml_open(&r->xml, "TargetHealthDescriptions");
    if (query_has(&r->query, "Targets.member")) {
        write_asked(r, group, targets, count);
    } else {
        for (size_t i = 0; i < count; i++) {
            write_health(r, &targets[i]);
        }
    }
    xml_close(&r->xml, "TargetHealthDescriptions");
    return true;
}
