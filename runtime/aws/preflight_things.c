/* What the plan names beside the networks: key pairs, elastic addresses, conversion instances. */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_writer.h"
#include "runtime/aws/preflight.h"

/* Names (or ids) asked for in one filter, and which of them an answer had. */
struct names {
    struct preflight *preflight;
    struct map missing; /* name -> something while it is missing */
};

static struct names *names_create(struct preflight *preflight)
{
    struct names *names = ARENA_NEW(preflight->arena, struct names);
    names->preflight = preflight;
    names->missing.arena = preflight->arena;
    return names;
}

static void ask_names(struct preflight *preflight, struct names *names, const char *operation,
                      const char *filter,
                      void (*page)(void *context, const struct aws_answer *answer))
{
    struct form form = {{0}};
    size_t count = 0;
    if (map_count(&names->missing) == 0) {
        return;
    }
    form_begin(&form, AWS_SERVICE_EC2, operation);
    form_add(&form, filter, "Filter.1.Name");
    for (struct map_entry *entry = map_first(&names->missing); entry; entry = map_next(entry)) {
        form_add(&form, entry->key, "Filter.1.Value.%zu", ++count);
    }
    asks_add_form(preflight->asks, operation, &form, false, page, names);
}

/* ---- Key pairs ---- */

static bool has_key(const struct aws_answer *answer, const char *name)
{
    const struct xml *item = xml_first(answer->xml, "keySet");
    for (; item; item = item->next) {
        const char *found = xml_text(item, "keyName");
        if (found && strcmp(found, name) == 0) {
            return true;
        }
    }
    return false;
}

static void on_keys(void *context, const struct aws_answer *answer)
{
    struct names *names = context;
    struct preflight *preflight = names->preflight;
    for (struct map_entry *entry = map_first(&names->missing); entry; entry = map_next(entry)) {
        const char *subject = arena_printf(preflight->arena, "key pair %s", entry->key);
        if (has_key(answer, entry->key)) {
            preflight_find(preflight, FINDING_PASSED, subject, NULL, "is there");
        } else {
            preflight_find(preflight, FINDING_FATAL, subject,
                           "import it into the recovery region, or correct key_name",
                           "is not there");
        }
    }
}

void preflight_keys(struct preflight *preflight)
{
    struct names *names = names_create(preflight);
    for (size_t i = 0; i < preflight->graph->vm_count; i++) {
        const struct plan_vm *vm = preflight_vm(preflight, i);
        if (vm && vm->key_name.value) {
            map_put(&names->missing, vm->key_name.value, preflight);
        }
    }
    ask_names(preflight, names, "DescribeKeyPairs", "key-name", on_keys);
}

/* ---- Elastic addresses ---- */

static void judge_elastic(struct preflight *preflight, const char *id, const struct xml *found)
{
    const char *subject = arena_printf(preflight->arena, "elastic address %s", id);
    const char *ip = xml_text(found, "publicIp"), *holder = xml_text(found, "instanceId");
    if (!found) {
        preflight_find(preflight, FINDING_FATAL, subject, "check elastic_ip in the plan",
                       "is not there");
    } else if (xml_text(found, "associationId")) {
        preflight_find(preflight, FINDING_FATAL, subject,
                       "disassociate it: drc takes no address away from an instance",
                       "%s belongs to %s", ip ? ip : "it", holder ? holder : "a network card");
    } else {
        preflight_find(preflight, FINDING_PASSED, subject, NULL, "%s is free", ip ? ip : "it");
    }
}

static void on_addresses(void *context, const struct aws_answer *answer)
{
    struct names *names = context;
    for (struct map_entry *entry = map_first(&names->missing); entry; entry = map_next(entry)) {
        const struct xml *item = xml_first(answer->xml, "addressesSet");
        const char *id = NULL;
        while (item && !((id = xml_text(item, "allocationId")) && strcmp(id, entry->key) == 0)) {
            item = item->next;
        }
        judge_elastic(names->preflight, entry->key, item);
    }
}

void preflight_addresses(struct preflight *preflight)
{
    struct names *names = names_create(preflight);
    for (uint32_t i = 0; i < preflight->graph->node_count; i++) {
        const struct graph_node *node = &preflight->graph->nodes[i];
        const char *id = node->action == ACTION_ASSOCIATE_ADDRESS
                             ? value_text(graph_input(node, "allocation_id"))
                             : NULL;
        if (id) {
            map_put(&names->missing, id, preflight);
        }
    }
    ask_names(preflight, names, "DescribeAddresses", "allocation-id", on_addresses);
}

/* ---- Conversion instances ---- */

/* A failover stands and falls with it; of a replicate the DR copies are made all the same. */
static enum finding_severity severity_of(const struct preflight *preflight)
{
    return preflight->graph->workflow == WORKFLOW_REPLICATE ? FINDING_WARNING : FINDING_FATAL;
}

static void judge_state(struct preflight *preflight, const char *id)
{
    const struct fact_conversion *known =
        preflight->facts ? map_get(&preflight->facts->conversions, id) : NULL;
    const char *subject = arena_printf(preflight->arena, "conversion instance %s", id);
    if (!known) {
        preflight_find(preflight, severity_of(preflight), subject,
                       "check conversion.instances in the plan, and the region", "is not there");
    } else if (!known->state || strcmp(known->state, "running") != 0) {
        preflight_find(preflight, severity_of(preflight), subject, "start it", "is %s, not running",
                       known->state ? known->state : "in no state that was told");
    } else if (known->slots == 0) {
        preflight_find(preflight, severity_of(preflight), subject, "detach what is at /dev/sdp",
                       "has no device free for a boot disk");
    } else {
        preflight_find(preflight, FINDING_PASSED, subject, NULL, "runs in %s, %d devices free",
                       known->zone ? known->zone : "its zone", known->slots);
    }
}

struct agent {
    struct preflight_topic topic;
    const char *id;
};

static void on_agent(void *context, const struct aws_answer *answer)
{
    struct agent *agent = context;
    struct preflight *preflight = agent->topic.preflight;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(answer->json, "InstanceInformationList");
    const cJSON *item = NULL;
    const char *ping = NULL;
    cJSON_ArrayForEach(item, list)
    {
        const char *id = json_text(item, "InstanceId");
        ping = id && strcmp(id, agent->id) == 0 ? json_text(item, "PingStatus") : ping;
    }
    if (ping && strcmp(ping, "Online") == 0) {
        preflight_find(preflight, FINDING_PASSED, agent->topic.subject, NULL, "is online");
    } else {
        preflight_find(preflight, severity_of(preflight), agent->topic.subject,
                       "it needs the agent, a role with AmazonSSMManagedInstanceCore, and a route "
                       "to SSM",
                       "%s", ping ? "has lost its connection" : "is not known to SSM");
    }
}

static void ask_agent(struct preflight *preflight, const char *id)
{
    struct agent *agent = ARENA_NEW(preflight->arena, struct agent);
    *agent = (struct agent){{preflight, arena_printf(preflight->arena, "SSM agent of %s", id)}, id};
    struct buffer body = {0};
    struct json_writer json = json_writer(&body, 0);
    json_begin_object(&json);
    json_key(&json, "Filters");
    json_begin_array(&json);
    json_begin_object(&json);
    json_key_string(&json, "Key", "InstanceIds");
    json_key(&json, "Values");
    json_begin_array(&json);
    json_string(&json, id);
    json_end_array(&json);
    json_end_object(&json);
    json_end_array(&json);
    json_end_object(&json);
    struct question question = {.service = AWS_SERVICE_SSM,
                                .operation = "DescribeInstanceInformation",
                                .body = buffer_text(&body),
                                .brief = true,
                                .bucket = BUCKET_SSM_READ,
                                .page = on_agent,
                                .refused = preflight_unknown,
                                .context = agent};
    asks_add(preflight->asks, &question);
    buffer_free(&body);
}

void preflight_conversions(struct preflight *preflight)
{
    struct map judged = {.arena = preflight->arena};
    for (uint32_t i = 0; i < preflight->graph->node_count; i++) {
        const struct graph_node *node = &preflight->graph->nodes[i];
        const char *id = node->action == ACTION_INJECT
                             ? value_text(graph_input(node, "conversion_instance"))
                             : NULL;
        if (id && map_put(&judged, id, preflight)) {
            judge_state(preflight, id);
            ask_agent(preflight, id);
        }
    }
}
