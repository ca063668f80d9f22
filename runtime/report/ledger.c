#include "runtime/report/ledger.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_reader.h"

const char *ledger_kind_name(enum ledger_kind kind)
{
    static const char *const names[] = {"instance", "volume", "image", "snapshot"};
    return names[kind];
}

struct ledger *ledger_create(struct arena *arena, const struct graph *graph)
{
    struct ledger *ledger = ARENA_NEW(arena, struct ledger);
    ledger->arena = arena;
    ledger->graph = graph;
    ledger->outputs = ARENA_ARRAY(arena, struct ledger_outputs, graph->node_count + 1);
    return ledger;
}

const char *ledger_output(const struct ledger *ledger, uint32_t node, const char *name)
{
    const struct ledger_outputs *outputs = &ledger->outputs[node];
    for (size_t i = 0; i < outputs->count; i++) {
        if (!strcmp(outputs->items[i].name, name)) {
            return outputs->items[i].value;
        }
    }
    return NULL;
}

static void keep_outputs(struct ledger *ledger, uint32_t node, const cJSON *json)
{
    struct ledger_outputs *outputs = &ledger->outputs[node];
    outputs->count = 0;
    outputs->items =
        ARENA_ARRAY(ledger->arena, struct call_output, (size_t)cJSON_GetArraySize(json) + 1);
    const cJSON *item;
    cJSON_ArrayForEach(item, json) {
        if (cJSON_IsString(item)) {
            outputs->items[outputs->count++] = (struct call_output){
                .name = arena_strdup(ledger->arena, item->string),
                .value = arena_strdup(ledger->arena, item->valuestring),
            };
        }
    }
}

/* A text input as it was when the node ran; NULL when it cannot be told. */
static const char *input_text(const struct ledger *ledger, const struct graph_node *node,
                              const char *name)
{
    const struct value *value = graph_input(node, name);
    if (!value) {
        return NULL;
    }
    if (value->kind == VALUE_OUTPUT) {
        return ledger_output(ledger, (uint32_t)value->node, value->text);
    }
    return value->kind == VALUE_TEXT ? value->text : NULL;
}

static struct ledger_thing *find(struct ledger *ledger, const char *id)
{
    for (size_t i = ledger->count; id && i-- > 0;) {
        if (!strcmp(ledger->things[i].id, id)) {
            return &ledger->things[i];
        }
    }
    return NULL;
}

static void add(struct ledger *ledger, enum ledger_kind kind, const char *id, uint32_t node)
{
    if (!id || find(ledger, id)) {
        return;
    }
    ledger->things = arena_grow(ledger->arena, ledger->things, ledger->count, &ledger->capacity,
                                sizeof *ledger->things);
    ledger->things[ledger->count++] =
        (struct ledger_thing){.kind = kind, .id = id, .node = (int32_t)node};
}

static void mark_gone(struct ledger *ledger, const char *id)
{
    struct ledger_thing *thing = find(ledger, id);
    if (thing) {
        thing->gone = true;
    }
}

static void mark_finished(struct ledger *ledger, const char *id)
{
    struct ledger_thing *thing = find(ledger, id);
    if (thing) {
        thing->finished = true;
    }
}

static void mark_attached(struct ledger *ledger, const char *volume, const char *instance)
{
    struct ledger_thing *thing = find(ledger, volume);
    if (thing) {
        thing->attached_to = instance;
        thing->with_instance = false;
    }
}

static void mark_with_instance(struct ledger *ledger, const char *instance)
{
    for (size_t i = 0; instance && i < ledger->count; i++) {
        struct ledger_thing *thing = &ledger->things[i];
        if (thing->attached_to && !strcmp(thing->attached_to, instance)) {
            thing->with_instance = true;
        }
    }
}

static void mark_terminated(struct ledger *ledger, const char *instance)
{
    mark_gone(ledger, instance);
    for (size_t i = 0; instance && i < ledger->count; i++) {
        struct ledger_thing *thing = &ledger->things[i];
        if (thing->with_instance && !strcmp(thing->attached_to, instance)) {
            thing->gone = true;
        }
    }
}

void ledger_done(struct ledger *ledger, uint32_t index, const cJSON *outputs)
{
    const struct graph_node *node = &ledger->graph->nodes[index];
    const char *instance = input_text(ledger, node, "instance_id");
    const char *volume = input_text(ledger, node, "volume_id");
    keep_outputs(ledger, index, outputs);
    switch (node->action) {
    case ACTION_CREATE_VOLUME:
        add(ledger, LEDGER_VOLUME, ledger_output(ledger, index, "volume_id"), index);
        break;
    case ACTION_RUN_INSTANCE:
        add(ledger, LEDGER_INSTANCE, ledger_output(ledger, index, "instance_id"), index);
        break;
    case ACTION_REGISTER_IMAGE:
        add(ledger, LEDGER_IMAGE, ledger_output(ledger, index, "image_id"), index);
        break;
    case ACTION_START_SNAPSHOT:
    case ACTION_CREATE_SNAPSHOT:
        add(ledger, LEDGER_SNAPSHOT, ledger_output(ledger, index, "snapshot_id"), index);
        break;
    case ACTION_TAG_COPY:
        mark_finished(ledger, input_text(ledger, node, "snapshot_id"));
        break;
    case ACTION_DELETE_SNAPSHOT:
        mark_gone(ledger, input_text(ledger, node, "snapshot_id"));
        break;
    case ACTION_ATTACH_VOLUME:
        mark_attached(ledger, volume, instance);
        break;
    case ACTION_DETACH_VOLUME:
        mark_attached(ledger, volume, NULL);
        break;
    case ACTION_SET_DELETE_ON_TERMINATION:
        mark_with_instance(ledger, instance);
        break;
    case ACTION_DELETE_VOLUME:
        mark_gone(ledger, volume);
        break;
    case ACTION_TERMINATE_INSTANCE:
        mark_terminated(ledger, instance);
        break;
    case ACTION_DEREGISTER_IMAGE:
        mark_gone(ledger, input_text(ledger, node, "image_id"));
        break;
    default:
        break;
    }
}

bool ledger_replay(void *context, int64_t number, const char *text)
{
    struct ledger *ledger = context;
    cJSON *record = cJSON_ParseWithOpts(text, NULL, 1);
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(record, "n");
    const char *kind = json_text_of(record, "r");
    if (kind && !strcmp(kind, "done") && cJSON_IsNumber(node) && node->valuedouble >= 0 &&
        node->valuedouble < (double)ledger->graph->node_count) {
        ledger_done(ledger, (uint32_t)node->valuedouble,
                    cJSON_GetObjectItemCaseSensitive(record, "o"));
    }
    cJSON_Delete(record);
    (void)number;
    return true;
}
