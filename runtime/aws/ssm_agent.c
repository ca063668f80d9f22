/* wait-agent: until the SSM agent of the recovered system has registered. An instance that was launched
 * from a placeholder is known to SSM from before, and is told Online for minutes after it was stopped: what
 * counts is a sign of life since it was started with its own disks. */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_reader.h"
#include "compiler/base/json_writer.h"
#include "runtime/aws/describe.h"
#include "runtime/aws/ssm_command.h"
#include "runtime/world/world.h"

enum { IDS_MAX = 50 };

static const char HELP[] =
    "the system needs an SSM agent, the instance an iam_profile with AmazonSSMManagedInstanceCore, and its "
    "subnet a way to the endpoints of ssm, ssmmessages and ec2messages";

struct agents {
    size_t from;        /* those asked about now begin here */
    int64_t *pinged_ms; /* UTC, by call; 0: no sign of life */
    const char **status;
    int64_t *started_ms; /* UTC; 0: not told */
};

static size_t chunk_end(const struct operation *op, size_t from)
{
    return op->n - from < IDS_MAX ? op->n : from + IDS_MAX;
}

static void see_agent(struct operation *op, const cJSON *item)
{
    struct agents *agents = op->state;
    const char *id = json_text(item, "InstanceId"), *status = json_text(item, "PingStatus");
    const cJSON *pinged = cJSON_GetObjectItemCaseSensitive(item, "LastPingDateTime");
    for (size_t i = 0; id && status && i < op->n; i++) {
        if (strcmp(ssm_instance(op->calls[i]), id) == 0) {
            agents->status[i] = arena_strdup(op->arena, status);
            agents->pinged_ms[i] =
                cJSON_IsNumber(pinged) ? (int64_t)(pinged->valuedouble * 1000) : INT64_MAX;
        }
    }
}

/* --- what is told --- */

static void tell_one(struct operation *op, size_t i)
{
    const struct agents *agents = op->state;
    struct call_result ok = {.outcome = OUTCOME_OK};
    const char *id = ssm_instance(op->calls[i]);
    if (!agents->status[i]) {
        operation_tell(op, i, OUTCOME_PENDING, HELP, "the SSM agent of %s has not registered", id);
    } else if (strcmp(agents->status[i], "Online") != 0) {
        operation_tell(op, i, OUTCOME_PENDING, HELP, "the SSM agent of %s is told %s", id,
                       agents->status[i]);
    } else if (agents->pinged_ms[i] < agents->started_ms[i]) {
        operation_tell(op, i, OUTCOME_PENDING, HELP,
                       "the SSM agent of %s has not registered since its start", id);
    } else {
        operation_result(op, i, &ok);
    }
}

static void tell_all(struct operation *op)
{
    for (size_t i = 0, n = op->n; i < n; i++) {
        tell_one(op, i); /* the last one may take the operation with it */
    }
}

/* --- since when they run --- */

static void see_instance(void *context, const struct xml *instance)
{
    struct operation *op = context;
    struct agents *agents = op->state;
    const char *id = xml_text(instance, "instanceId");
    const char *text = xml_text(instance, "launchTime"); /* of the last start */
    int64_t started_ms = text ? parse_time(text) : -1;
    for (size_t i = 0; id && i < op->n; i++) {
        if (started_ms > 0 && strcmp(ssm_instance(op->calls[i]), id) == 0) {
            agents->started_ms[i] = started_ms;
        }
    }
}

static void ask_starts(struct operation *op, size_t from);

/* Where that may not be read, what SSM tells has to do. */
static void on_starts(struct operation *op, const struct aws_answer *answer)
{
    struct agents *agents = op->state;
    if (answer->outcome == OUTCOME_THROTTLED) {
        operation_refused(op, answer);
        return;
    }
    if (answer->outcome == OUTCOME_OK) {
        describe_each(answer->xml, "reservationSet", true, see_instance, op);
    }
    ask_starts(op, chunk_end(op, agents->from));
}

static void ask_starts(struct operation *op, size_t from)
{
    struct agents *agents = op->state;
    while (from < op->n) {
        size_t end = chunk_end(op, from), count = 0;
        struct form form = {{0}};
        form_begin(&form, AWS_SERVICE_EC2, "DescribeInstances");
        for (size_t i = from; i < end; i++) {
            if (agents->status[i] && strcmp(agents->status[i], "Online") == 0) {
                form_add(&form, ssm_instance(op->calls[i]), "InstanceId.%zu", ++count);
            }
        }
        agents->from = from;
        if (count > 0) {
            operation_send(op, "DescribeInstances", &form, false, BUCKET_EC2_DESCRIBE_INSTANCES,
                           on_starts);
            return;
        }
        buffer_free(&form.body);
        from = end;
    }
    tell_all(op);
}

/* --- which are there --- */

static void ask_agents(struct operation *op, size_t from, const char *next_token);

static void on_agents(struct operation *op, const struct aws_answer *answer)
{
    struct agents *agents = op->state;
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
        return;
    }
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item,
                       cJSON_GetObjectItemCaseSensitive(answer->json, "InstanceInformationList"))
    {
        see_agent(op, item);
    }
    const char *next = json_text(answer->json, "NextToken");
    size_t end = chunk_end(op, agents->from);
    if (next && *next) {
        ask_agents(op, agents->from, next);
    } else if (end < op->n) {
        ask_agents(op, end, NULL);
    } else {
        ask_starts(op, 0);
    }
}

static void ask_agents(struct operation *op, size_t from, const char *next_token)
{
    struct agents *agents = op->state;
    struct buffer body = {0};
    struct json_writer json = json_writer(&body, 0);
    agents->from = from;
    json_begin_object(&json);
    json_key(&json, "Filters");
    json_begin_array(&json);
    json_begin_object(&json);
    json_key_string(&json, "Key", "InstanceIds");
    json_key(&json, "Values");
    json_begin_array(&json);
    for (size_t i = from; i < chunk_end(op, from); i++) {
        json_string(&json, ssm_instance(op->calls[i]));
    }
    json_end_array(&json);
    json_end_object(&json);
    json_end_array(&json);
    json_key_int(&json, "MaxResults", IDS_MAX);
    json_key_string(&json, "NextToken", next_token);
    json_end_object(&json);
    operation_send_json(op, AWS_SERVICE_SSM, "DescribeInstanceInformation", buffer_text(&body), false,
                        BUCKET_SSM_INVENTORY, on_agents);
    buffer_free(&body);
}

static void poll_agents(struct operation *op)
{
    struct agents *agents = ARENA_NEW(op->arena, struct agents);
    op->state = agents;
    agents->pinged_ms = ARENA_ARRAY(op->arena, int64_t, op->n);
    agents->started_ms = ARENA_ARRAY(op->arena, int64_t, op->n);
    agents->status = ARENA_ARRAY(op->arena, const char *, op->n);
    ask_agents(op, 0, NULL);
}

const struct aws_action wait_agent_action = {.poll = poll_agents};
