/* Machines: instance types in their zones, images, and the quota of vCPUs. */
#include <inttypes.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_writer.h"
#include "runtime/aws/preflight.h"

static const struct fact_instance_type *type_of(const struct preflight *preflight, const char *name)
{
    const struct fact_instance_type *known =
        preflight->facts ? map_get(&preflight->facts->instance_types, name) : NULL;
    return known ? known : catalogue_type(name);
}

static bool offered(const struct fact_instance_type *type, const char *zone)
{
    for (size_t i = 0; i < type->zone_count; i++) {
        if (strcmp(type->zones[i], zone) == 0) {
            return true;
        }
    }
    return false;
}

static const char *zone_of(const struct preflight *preflight, const struct graph_node *node)
{
    const struct value *cards = graph_input(node, "cards");
    bool some = cards && cards->kind == VALUE_LIST && cards->count > 0;
    const char *id = some ? value_text(value_member(&cards->items[0], "subnet_id")) : NULL;
    for (size_t i = 0; id && i < preflight->network->subnet_count; i++) {
        const struct subnet *subnet = &preflight->network->subnets[i];
        if (strcmp(subnet->id.value, id) == 0) {
            return subnet->zone.value;
        }
    }
    return NULL;
}

/* Of a VM's types: how many are offered in its zone, not offered, unknown. */
struct offer {
    size_t offered, missing, unknown;
    const char *first_missing;
};

static struct offer offer_of(const struct preflight *preflight, const struct value *types,
                             const char *zone)
{
    struct offer offer = {0};
    for (uint32_t i = 0; i < types->count; i++) {
        const char *name = value_text(&types->items[i]);
        const struct fact_instance_type *type = name ? type_of(preflight, name) : NULL;
        if (!type || type->zone_count == 0) {
            offer.unknown++;
        } else if (offered(type, zone)) {
            offer.offered++;
        } else {
            offer.missing++;
            offer.first_missing = offer.first_missing ? offer.first_missing : name;
        }
    }
    return offer;
}

static void judge_types(struct preflight *preflight, const struct graph_node *node, const char *vm)
{
    const struct value *types = graph_input(node, "instance_types");
    const char *zone = zone_of(preflight, node);
    if (!types || types->kind != VALUE_LIST || !zone) {
        return;
    }
    const char *subject = arena_printf(preflight->arena, "instance types of %s", vm);
    struct offer offer = offer_of(preflight, types, zone);
    const char *help = "name types that the zone offers in instance_type";
    if (offer.missing > 0 && offer.offered == 0 && offer.unknown == 0) {
        preflight_find(preflight, FINDING_FATAL, subject, help, "%s offers none of them, not %s",
                       zone, offer.first_missing);
    } else if (offer.missing > 0) {
        preflight_find(preflight, FINDING_WARNING, subject, help, "%s does not offer %s", zone,
                       offer.first_missing);
    } else if (offer.unknown > 0) {
        preflight_find(preflight, FINDING_UNKNOWN, subject, NULL,
                       "the facts do not tell whether %s offers them", zone);
    } else {
        preflight_find(preflight, FINDING_PASSED, subject, NULL, "%s offers %s", zone,
                       offer.offered == 1 ? "it" : "all of them");
    }
}

static const struct fact_image *image_with_id(const struct preflight *preflight, const char *id)
{
    const struct map *images = &preflight->facts->images;
    for (struct map_entry *entry = map_first(images); entry; entry = map_next(entry)) {
        const struct fact_image *image = entry->value;
        if (strcmp(entry->key, id) == 0 || (image->id && strcmp(image->id, id) == 0)) {
            return image;
        }
    }
    return NULL;
}

/* Boot mode and architecture were held against the VMs when the graph was compiled. */
static void judge_image(struct preflight *preflight, struct map *judged,
                        const struct graph_node *node)
{
    const char *id = value_text(graph_input(node, "image_id"));
    if (!id || !preflight->facts || !map_put(judged, id, preflight)) {
        return;
    }
    const struct fact_image *image = image_with_id(preflight, id);
    const char *subject = arena_printf(preflight->arena, "placeholder image %s", id);
    if (!image) {
        preflight_find(preflight, FINDING_FATAL, subject,
                       "check placeholder_image in the plan, and the region", "is not there");
    } else {
        preflight_find(preflight, FINDING_PASSED, subject, NULL, "%s, %s",
                       image->boot_mode ? image->boot_mode : "no boot mode of its own",
                       image->arch ? image->arch : "no architecture told");
    }
}

/* ---- Quota ---- */

struct quota {
    struct preflight_topic topic;
    int64_t needed;
};

static void on_quota(void *context, const struct aws_answer *answer)
{
    struct quota *quota = context;
    struct preflight *preflight = quota->topic.preflight;
    const cJSON *body = cJSON_GetObjectItemCaseSensitive(answer->json, "Quota");
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(body, "Value");
    if (!cJSON_IsNumber(value)) {
        preflight_find(preflight, FINDING_UNKNOWN, quota->topic.subject, NULL,
                       "the answer tells no value");
    } else if (value->valuedouble < (double)quota->needed) {
        preflight_find(preflight, FINDING_FATAL, quota->topic.subject,
                       "ask for a higher quota in Service Quotas (L-1216C47A)",
                       "%" PRId64 " vCPUs are needed, and %.0f allowed", quota->needed,
                       value->valuedouble);
    } else {
        preflight_find(preflight, FINDING_PASSED, quota->topic.subject, NULL,
                       "%" PRId64 " vCPUs are needed, and %.0f allowed beside what runs already",
                       quota->needed, value->valuedouble);
    }
}

/* Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances. */
static void ask_quota(struct preflight *preflight, int64_t needed)
{
    struct quota *quota = ARENA_NEW(preflight->arena, struct quota);
    *quota = (struct quota){{preflight, "quota of vCPUs"}, needed};
    struct buffer body = {0};
    struct json_writer json = json_writer(&body, 0);
    json_begin_object(&json);
    json_key_string(&json, "ServiceCode", "ec2");
    json_key_string(&json, "QuotaCode", "L-1216C47A");
    json_end_object(&json);
    struct question question = {.service = AWS_SERVICE_QUOTAS,
                                .operation = "GetServiceQuota",
                                .body = buffer_text(&body),
                                .brief = true,
                                .page = on_quota,
                                .refused = preflight_unknown,
                                .context = quota};
    asks_add(preflight->asks, &question);
    buffer_free(&body);
}

static int64_t vcpus_of(const struct preflight *preflight, const struct graph_node *node)
{
    const struct value *types = graph_input(node, "instance_types");
    bool some = types && types->kind == VALUE_LIST && types->count > 0;
    const char *name = some ? value_text(&types->items[0]) : NULL;
    const struct fact_instance_type *type = name ? type_of(preflight, name) : NULL;
    return type && strchr("acdhimrtz", name[0]) ? type->vcpus : 0;
}

void preflight_machines(struct preflight *preflight)
{
    const struct graph *graph = preflight->graph;
    struct map images = {.arena = preflight->arena};
    int64_t vcpus = 0;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        if (node->action == ACTION_RUN_INSTANCE && node->vm != NO_VM) {
            judge_types(preflight, node, graph->vms[node->vm].name);
            judge_image(preflight, &images, node);
            vcpus += vcpus_of(preflight, node);
        }
    }
    if (vcpus > 0) {
        ask_quota(preflight, vcpus);
    }
}
