/* From a request to the nodes that ask for it: by the tag of what it makes, else by the ids in it.
 */
#include <string.h>

#include "compiler/base/arena.h"
#include "tests/sim/witness.h"

const char *witness_input(const struct witness *witness, uint32_t node, const char *name)
{
    const struct value *value = graph_input(&witness->graph->nodes[node], name);
    if (!value) {
        return NULL;
    }
    if (value->kind == VALUE_OUTPUT) {
        return diary_output(&witness->diary, (uint32_t)value->node, value->text);
    }
    if (value->kind == VALUE_BIND) {
        return witness->facts ? map_get(&witness->facts->bindings, value->text) : NULL;
    }
    return value->kind == VALUE_TEXT ? value->text : NULL;
}

static bool input_is(const struct witness *witness, uint32_t node, const char *name,
                     const char *text)
{
    const char *value = witness_input(witness, node, name);
    return value && text && strcmp(value, text) == 0;
}

struct matching {
    const struct witness *witness;
    uint32_t *nodes;
    size_t count;
};

/* All nodes of an action whose inputs are these (NULL: any). */
static void match(struct matching *matching, enum action action, const char *one_name,
                  const char *one, const char *other_name, const char *other)
{
    const struct graph *graph = matching->witness->graph;
    for (uint32_t i = 0; i < graph->node_count && matching->count < WITNESS_TARGETS_MAX; i++) {
        if (graph->nodes[i].action == action && input_is(matching->witness, i, one_name, one) &&
            (!other_name || input_is(matching->witness, i, other_name, other))) {
            matching->nodes[matching->count++] = i;
        }
    }
}

static void match_tag(struct matching *matching, const struct exchange_seen *seen)
{
    const char *id = cloud_tag(seen, "drc:node");
    const struct graph_node *node = id ? graph_node_by_id(matching->witness->graph, id) : NULL;
    if (node) {
        matching->nodes[matching->count++] = node->index;
    }
}

static void match_instances(struct matching *matching, const struct exchange_seen *seen,
                            enum action action)
{
    const char *id;
    for (int i = 0; (id = cloud_nth(seen, "InstanceId", i)); i++) {
        match(matching, action, "instance_id", id, NULL, NULL);
    }
}

/* A hold on DR copies set, or taken off. */
static void match_hold(struct matching *matching, const struct exchange_seen *seen, enum action action)
{
    const char *id, *key = cloud_parameter(seen, "Tag.1.Key");
    bool own = key && strncmp(key, "drc:hold:", 9) == 0 && strcmp(key + 9, matching->witness->run_id) == 0;
    for (int i = 0; own && (id = cloud_nth(seen, "ResourceId", i)); i++) {
        match(matching, action, "snapshot_id", id, NULL, NULL);
    }
}

static void match_command(struct matching *matching, const struct exchange_seen *seen)
{
    const struct graph *graph = matching->witness->graph;
    const cJSON *parameters = cJSON_GetObjectItemCaseSensitive(seen->json, "Parameters");
    const cJSON *commands = cJSON_GetObjectItemCaseSensitive(parameters, "commands");
    const char *command = cJSON_GetStringValue(cJSON_GetArrayItem(commands, 0));
    for (uint32_t i = 0; command && i < graph->node_count; i++) {
        const char *volume = graph->nodes[i].action == ACTION_INJECT
                                 ? witness_input(matching->witness, i, "volume_id")
                                 : NULL;
        if (volume && strstr(command, volume)) {
            matching->nodes[matching->count++] = i;
        }
    }
}

static void match_attribute(struct matching *matching, const struct exchange_seen *seen)
{
    const char *instance = cloud_parameter(seen, "InstanceId");
    bool type = cloud_parameter(seen, "InstanceType.Value") != NULL;
    match(matching, type ? ACTION_START_INSTANCE : ACTION_SET_DELETE_ON_TERMINATION, "instance_id",
          instance, NULL, NULL);
}

size_t witness_targets(const struct witness *witness, const struct exchange_seen *seen,
                       uint32_t nodes[WITNESS_TARGETS_MAX])
{
    struct matching matching = {witness, nodes, 0};
    const char *operation = seen->operation, *volume = cloud_parameter(seen, "VolumeId");
    if (strcmp(operation, "AttachVolume") == 0) {
        match(&matching, ACTION_ATTACH_VOLUME, "volume_id", volume, "instance_id",
              cloud_parameter(seen, "InstanceId"));
    } else if (strcmp(operation, "DetachVolume") == 0) {
        match(&matching, ACTION_DETACH_VOLUME, "volume_id", volume, "instance_id",
              cloud_parameter(seen, "InstanceId"));
    } else if (strcmp(operation, "DeleteVolume") == 0) {
        match(&matching, ACTION_DELETE_VOLUME, "volume_id", volume, NULL, NULL);
    } else if (strcmp(operation, "StartInstances") == 0) {
        match_instances(&matching, seen, ACTION_START_INSTANCE);
    } else if (strcmp(operation, "StopInstances") == 0) {
        match_instances(&matching, seen, ACTION_STOP_INSTANCE);
    } else if (strcmp(operation, "TerminateInstances") == 0) {
        match_instances(&matching, seen, ACTION_TERMINATE_INSTANCE);
    } else if (strcmp(operation, "ModifyInstanceAttribute") == 0) {
        match_attribute(&matching, seen);
    } else if (strcmp(operation, "AssociateAddress") == 0) {
        match(&matching, ACTION_ASSOCIATE_ADDRESS, "instance_id",
              cloud_parameter(seen, "InstanceId"), "allocation_id",
              cloud_parameter(seen, "AllocationId"));
    } else if (strcmp(operation, "DeregisterImage") == 0) {
        match(&matching, ACTION_DEREGISTER_IMAGE, "image_id", cloud_parameter(seen, "ImageId"),
              NULL, NULL);
    } else if (strcmp(operation, "CreateTags") == 0) {
        match_hold(&matching, seen, ACTION_HOLD_COPY);
    } else if (strcmp(operation, "DeleteTags") == 0) {
        match_hold(&matching, seen, ACTION_RELEASE_COPY);
    } else if (strcmp(operation, "SendCommand") == 0) {
        match_command(&matching, seen);
    } else {
        match_tag(&matching, seen);
    }
    return matching.count;
}
