#include "compiler/permissions/names.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

void names_add(struct arena *arena, struct names *names, const char *text)
{
    for (size_t i = 0; text && i < names->count; i++) {
        if (strcmp(names->items[i], text) == 0) {
            return;
        }
    }
    if (text) {
        names->items =
            arena_grow(arena, names->items, names->count, &names->capacity, sizeof *names->items);
        names->items[names->count++] = text;
    }
}

static size_t holder_of(struct holders *holders, const char *role)
{
    for (size_t i = 0; i < holders->count; i++) {
        const char *other = holders->items[i].role;
        if (role == other || (role && other && strcmp(role, other) == 0)) {
            return i;
        }
    }
    holders->items = arena_grow(holders->arena, holders->items, holders->count, &holders->capacity,
                                sizeof *holders->items);
    holders->items[holders->count] = (struct holder){.role = role};
    return holders->count++;
}

static void add(struct holders *holders, enum resource_kind kind, const char *text)
{
    names_add(holders->arena, &holders->items[holders->recovery].resources[kind], text);
}

/* ---- what the graph's nodes name ---- */

static const char *literal(const struct value *value)
{
    return value && value->kind == VALUE_TEXT ? value->text : NULL;
}

static const struct value *member(const struct value *map, const char *key)
{
    for (uint32_t i = 0; map && map->kind == VALUE_MAP && i < map->count; i++) {
        if (strcmp(map->keys[i], key) == 0) {
            return &map->items[i];
        }
    }
    return NULL;
}

static void add_cards(struct holders *holders, const struct plan *plan, const struct graph *graph,
                      const struct value *cards)
{
    enum site_network network =
        graph->workflow == WORKFLOW_TEST ? NETWORK_TEST : NETWORK_PRODUCTION;
    for (uint32_t i = 0; cards && cards->kind == VALUE_LIST && i < cards->count; i++) {
        const struct value *groups = member(&cards->items[i], "group_ids");
        add(holders, RESOURCE_SUBNETS, literal(member(&cards->items[i], "subnet_id")));
        add(holders, RESOURCE_FIXED_ADDRESSES, literal(member(&cards->items[i], "private_ip")));
        for (uint32_t k = 0; groups && groups->kind == VALUE_LIST && k < groups->count; k++) {
            add(holders, RESOURCE_GROUPS, literal(&groups->items[k]));
        }
        if (!groups || groups->count == 0) {
            add(holders, RESOURCE_DEFAULT_GROUP_VPCS, plan->networks[network].vpc.value);
        }
    }
}

static const struct {
    const char *input;
    enum resource_kind kind;
} inputs[] = {
    {"key_name", RESOURCE_KEY_PAIRS},
    {"iam_profile", RESOURCE_PROFILES},
    {"capacity_reservation", RESOURCE_RESERVATIONS},
    {"allocation_id", RESOURCE_ADDRESSES},
    {"conversion_instance", RESOURCE_CONVERSIONS},
    {"target_group", RESOURCE_TARGET_GROUPS},
};

static const char *last_part(const char *text)
{
    const char *slash = strrchr(text, '/');
    return slash ? slash + 1 : text;
}

static void add_zone(struct holders *holders, const struct graph_node *node)
{
    const char *role = literal(graph_input(node, "role_arn"));
    const char *zone_id = literal(graph_input(node, "zone_id"));
    size_t index = role ? holder_of(holders, role) : holders->recovery;
    struct holder *holder = &holders->items[index];
    struct arena *arena = holders->arena;
    add(holders, RESOURCE_ZONE_ROLES, role);
    names_add(arena, &holder->resources[RESOURCE_HOSTED_ZONES], zone_id ? last_part(zone_id) : "*");
    if (!zone_id) {
        names_add(arena, &holder->resources[RESOURCE_ZONE_NAMES],
                  literal(graph_input(node, "zone")));
    }
    names_add(arena, &holder->record_names, literal(graph_input(node, "record")));
    names_add(arena, &holder->record_types, literal(graph_input(node, "type")));
}

static void add_node(struct holders *holders, const struct plan *plan, const struct graph *graph,
                     const struct graph_node *node)
{
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        add(holders, inputs[i].kind, literal(graph_input(node, inputs[i].input)));
    }
    add_cards(holders, plan, graph, graph_input(node, "cards"));
    if (node->action == ACTION_GET_RECORD_SET) {
        add_zone(holders, node);
    }
    bool attaches = node->action == ACTION_ATTACH_VOLUME;
    add(holders, RESOURCE_CONVERSIONS, attaches ? literal(graph_input(node, "instance_id")) : NULL);
    if (action_info(node->action)->permission &&
        strcmp(action_info(node->action)->permission, "ssm:SendCommand") == 0) {
        const char *os = literal(graph_input(node, "os"));
        bool windows = node->action != ACTION_INJECT && os && strcmp(os, "windows") == 0;
        add(holders, RESOURCE_DOCUMENTS,
            windows ? "AWS-RunPowerShellScript" : "AWS-RunShellScript");
    }
}

/* ---- what the plan names ---- */

/* EC2 passes the role of the instance profile; the two have one name, unless somebody made them
 * apart. */
static void add_passed_roles(struct holders *holders)
{
    const struct names *profiles = &holders->items[holders->recovery].resources[RESOURCE_PROFILES];
    for (size_t i = 0; i < profiles->count; i++) {
        add(holders, RESOURCE_PASSED_ROLES, last_part(profiles->items[i]));
    }
}

static void add_image(struct holders *holders, const char *image)
{
    static const char parameter[] = "ssm:";
    if (!image || strncmp(image, parameter, sizeof parameter - 1) != 0) {
        add(holders, RESOURCE_PLACEHOLDERS, image);
        return;
    }
    const char *name = image + sizeof parameter - 1;
    name += *name == '/';
    add(holders, RESOURCE_PLACEHOLDERS, "*"); /* what the parameter says when the time comes */
    bool public = strncmp(name, "aws/service/", strlen("aws/service/")) == 0;
    add(holders, public ? RESOURCE_PUBLIC_PARAMETERS : RESOURCE_PARAMETERS, name);
}

static void add_key(struct holders *holders, const char *key)
{
    const char *alias = key ? strstr(key, "alias/") : NULL;
    add(holders, RESOURCE_KMS_KEYS, alias ? "*" : key);
}

static void add_bucket(struct holders *holders, enum resource_kind bucket,
                       enum resource_kind objects, const char *url)
{
    static const char scheme[] = "s3://";
    if (!url || strncmp(url, scheme, sizeof scheme - 1) != 0) {
        return;
    }
    struct arena *arena = holders->arena;
    const char *path = url + sizeof scheme - 1;
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/') {
        length--;
    }
    path = arena_strndup(arena, path, length);
    names_add(arena, &holders->items[0].resources[bucket],
              arena_strndup(arena, path, strcspn(path, "/")));
    names_add(arena, &holders->items[0].resources[objects], path);
}

static int compare(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

static void sort(struct names *names)
{
    if (names->count > 1) {
        qsort(names->items, names->count, sizeof *names->items, compare);
    }
}

void names_gather(struct holders *holders, const struct plan *plan, const struct graph *graph,
                  enum workflow workflow, const char *state)
{
    holder_of(holders, NULL);
    holders->recovery =
        graph && plan->aws.role_arn.value ? holder_of(holders, plan->aws.role_arn.value) : 0;
    if (holders->recovery) {
        names_add(holders->arena, &holders->items[0].resources[RESOURCE_RECOVERY_ROLE],
                  plan->aws.role_arn.value);
    }
    for (size_t i = 0; graph && i < graph->node_count; i++) {
        add_node(holders, plan, graph, &graph->nodes[i]);
    }
    if (graph && workflow != WORKFLOW_REPLICATE && plan->aws.boot == BOOT_ATTACH) {
        add_image(holders, plan->aws.image_bios.value);
        add_image(holders, plan->aws.image_uefi.value);
        add_image(holders, plan->aws.image_windows.value);
    }
    add_passed_roles(holders);
    add_key(holders, graph ? plan->aws.kms_key.value : NULL);
    add_bucket(holders, RESOURCE_STATE_BUCKET, RESOURCE_STATE_OBJECTS, state);
    if (workflow == WORKFLOW_REPLICATE || workflow == WORKFLOW_BACKUP) {
        add_bucket(holders, RESOURCE_REPOSITORY_BUCKET, RESOURCE_REPOSITORY_OBJECTS,
                   plan->backup.repository.value);
    }
    for (size_t i = 0; i < holders->count; i++) {
        for (int kind = 0; kind < RESOURCE_COUNT; kind++) {
            sort(&holders->items[i].resources[kind]);
        }
        sort(&holders->items[i].record_names);
        sort(&holders->items[i].record_types);
    }
}

bool holder_has(const struct holders *holders, size_t holder, enum permission_holder kind)
{
    switch (kind) {
    case HOLDER_RUNNER:
        return holder == 0;
    case HOLDER_RECOVERY:
        return holder == holders->recovery;
    case HOLDER_ZONES:
        return holders->items[holder].resources[RESOURCE_HOSTED_ZONES].count > 0;
    }
    return false;
}
