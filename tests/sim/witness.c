#include "tests/sim/witness.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

enum { COMPLAINTS_MAX = 12, PARAMETERS_SHOWN = 9 };

/* --- complaining --- */

static void show_request(const struct exchange_seen *seen, struct buffer *out)
{
    buffer_printf(out, "\n      request: %s %s", seen->service, seen->operation);
    for (size_t i = 0; i < seen->parameter_count && i < PARAMETERS_SHOWN; i++) {
        buffer_printf(out, " %s=%s", seen->parameters[i].name, seen->parameters[i].value);
    }
    if (seen->json) {
        char *text = cJSON_PrintUnformatted(seen->json);
        buffer_printf(out, " %.300s", text);
        free(text);
    }
    buffer_printf(out, " -> %d %s", seen->status, seen->code ? seen->code : "");
}

void witness_complain(struct witness *witness, int64_t utc_ms, int32_t node,
                      const struct exchange_seen *seen, const char *format, ...)
{
    if (witness->violation_count++ >= COMPLAINTS_MAX) {
        return;
    }
    char time[32];
    struct buffer *out = &witness->violations;
    buffer_printf(out, "  %s.%03d ", format_time(time, utc_ms), (int)(utc_ms % 1000));
    if (node != NO_NODE) {
        buffer_printf(out, "%s: ", witness->graph->nodes[node].id);
    }
    va_list args;
    va_start(args, format);
    buffer_vprintf(out, format, args);
    va_end(args);
    if (seen) {
        show_request(seen, out);
    }
    buffer_puts(out, "\n");
}

/* --- what is this run's own --- */

bool witness_owns(const struct witness *witness, const char *id)
{
    for (size_t i = 0; i < witness->own_count; i++) {
        if (strcmp(witness->own[i], id) == 0) {
            return true;
        }
    }
    return false;
}

void witness_own(struct witness *witness, const char *id)
{
    if (!witness_owns(witness, id)) {
        witness->own = arena_grow(witness->arena, witness->own, witness->own_count,
                                  &witness->own_capacity, sizeof *witness->own);
        witness->own[witness->own_count++] = arena_strdup(witness->arena, id);
    }
}

/* --- what has happened --- */

static int64_t happened_ms(const struct witness *witness, uint32_t index);

/* When the last of them had; -1: not all have. Ended without success counts as no time at all. */
static int64_t before_ms(const struct witness *witness, uint32_t index)
{
    const struct graph_node *node = &witness->graph->nodes[index];
    int64_t last = 0;
    for (uint32_t i = 0; i < node->after_count; i++) {
        const struct edge *edge = &node->after[i];
        const struct diary_node *diary = &witness->diary.nodes[edge->node];
        int64_t at = happened_ms(witness, edge->node);
        bool excused = edge->when == WHEN_ENDED
                           ? diary->state == DIARY_FAILED || diary->state == DIARY_SKIPPED
                           : diary->state == DIARY_FAILED && diary->forgiven;
        if (at < 0 && !excused) {
            return -1;
        }
        last = at > last ? at : last;
    }
    return last;
}

static int64_t happened_ms(const struct witness *witness, uint32_t index)
{
    const struct graph_node *node = &witness->graph->nodes[index];
    if (action_info(node->action)->provider != PROVIDER_ENGINE) {
        return witness->nodes[index].happened_ms;
    }
    int64_t before = before_ms(witness, index);
    const struct value *delay = graph_input(node, "delay_ms");
    return before < 0 ? -1 : before + (delay ? delay->integer : 0);
}

/* The cloud has said that what the wait is for is so; it counts when it is after what comes before.
 */
static void now_holds(struct witness *witness, int64_t utc_ms, uint32_t index)
{
    struct witness_node *node = &witness->nodes[index];
    int64_t before = before_ms(witness, index);
    if (node->happened_ms < 0 && before >= 0 && before <= utc_ms) {
        node->happened_ms = utc_ms;
    }
}

static void holds_for(struct witness *witness, int64_t utc_ms, enum action action,
                      const char *input, const char *id, const char *other, const char *other_id)
{
    const struct graph *graph = witness->graph;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].action == action && witness->nodes[i].happened_ms < 0 &&
            is(witness_input(witness, i, input), id) &&
            (!other || is(witness_input(witness, i, other), other_id))) {
            now_holds(witness, utc_ms, i);
        }
    }
}

static void hear_volumes(struct witness *witness, const struct exchange_seen *seen)
{
    for (const struct xml *volume = xml_first(seen->xml, "volumeSet"); volume;
         volume = volume->next) {
        const char *id = xml_text(volume, "volumeId");
        if (is(xml_text(volume, "status"), "available")) {
            holds_for(witness, seen->utc_ms, ACTION_WAIT_VOLUME_AVAILABLE, "volume_id", id, NULL,
                      NULL);
        }
        for (const struct xml *at = xml_first(volume, "attachmentSet"); at; at = at->next) {
            if (is(xml_text(at, "status"), "attached")) {
                holds_for(witness, seen->utc_ms, ACTION_WAIT_VOLUME_ATTACHED, "volume_id", id,
                          "instance_id", xml_text(at, "instanceId"));
            }
        }
    }
}

static void hear_instance(struct witness *witness, const struct exchange_seen *seen,
                          const struct xml *instance)
{
    static const struct {
        const char *state;
        enum action action;
    } waits[] = {{"running", ACTION_WAIT_RUNNING},
                 {"stopped", ACTION_WAIT_STOPPED},
                 {"terminated", ACTION_WAIT_TERMINATED}};
    const char *id = xml_text(instance, "instanceId");
    for (size_t i = 0; id && i < sizeof waits / sizeof *waits; i++) {
        if (is(xml_text(instance, "instanceState/name"), waits[i].state)) {
            holds_for(witness, seen->utc_ms, waits[i].action, "instance_id", id, NULL, NULL);
        }
    }
    for (const struct xml *device = xml_first(instance, "blockDeviceMapping");
         id && witness_owns(witness, id) && device; device = device->next) {
        const char *volume = xml_text(device, "ebs/volumeId");
        if (volume) {
            witness_own(witness, volume);
        }
    }
}

static void hear_statuses(struct witness *witness, const struct exchange_seen *seen)
{
    for (const struct xml *item = xml_first(seen->xml, "instanceStatusSet"); item;
         item = item->next) {
        if (is(xml_text(item, "instanceStatus/status"), "ok") &&
            is(xml_text(item, "systemStatus/status"), "ok")) {
            holds_for(witness, seen->utc_ms, ACTION_CHECK_INSTANCE_STATUS, "instance_id",
                      xml_text(item, "instanceId"), NULL, NULL);
        }
    }
}

static void hear_images(struct witness *witness, const struct exchange_seen *seen)
{
    for (const struct xml *image = xml_first(seen->xml, "imagesSet"); image; image = image->next) {
        if (is(xml_text(image, "imageState"), "available")) {
            holds_for(witness, seen->utc_ms, ACTION_WAIT_IMAGE_AVAILABLE, "image_id",
                      xml_text(image, "imageId"), NULL, NULL);
        }
    }
}

static void hear_command(struct witness *witness, const struct exchange_seen *seen,
                         const cJSON *invocation)
{
    const char *status = cloud_json_text(invocation, "Status");
    const char *id = cloud_json_text(invocation, "CommandId");
    if (is(status, "Success")) {
        holds_for(witness, seen->utc_ms, ACTION_WAIT_INJECTED, "command_id", id, NULL, NULL);
    }
    for (uint32_t i = 0; i < witness->graph->node_count; i++) {
        bool its = is(witness->nodes[i].id, id) || is(witness->nodes[i].twin, id);
        if (its && (is(status, "Failed") || is(status, "TimedOut"))) {
            witness->nodes[i].command_failed = true;
        }
    }
}

static void hear_commands(struct witness *witness, const struct exchange_seen *seen)
{
    const cJSON *invocation;
    hear_command(witness, seen, seen->answer_json);
    cJSON_ArrayForEach(invocation,
                       cJSON_GetObjectItemCaseSensitive(seen->answer_json, "CommandInvocations"))
    {
        hear_command(witness, seen, invocation);
    }
}

static void hear_guest(struct witness *witness, const struct exchange_seen *seen)
{
    const struct graph *graph = witness->graph;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        if (node->action == ACTION_CHECK_HTTP &&
            is(witness_input(witness, i, "address"), seen->host) &&
            graph_input(node, "port")->integer == seen->port &&
            graph_input(node, "status")->integer == seen->status) {
            now_holds(witness, seen->utc_ms, i);
        }
    }
}

static void hear(struct witness *witness, const struct exchange_seen *seen)
{
    if (is(seen->service, "guest")) {
        hear_guest(witness, seen);
    } else if (is(seen->operation, "DescribeVolumes")) {
        hear_volumes(witness, seen);
    } else if (is(seen->operation, "DescribeInstances")) {
        for (const struct xml *set = xml_first(seen->xml, "reservationSet"); set; set = set->next) {
            for (const struct xml *item = xml_first(set, "instancesSet"); item; item = item->next) {
                hear_instance(witness, seen, item);
            }
        }
    } else if (is(seen->operation, "DescribeInstanceStatus")) {
        hear_statuses(witness, seen);
    } else if (is(seen->operation, "DescribeImages")) {
        hear_images(witness, seen);
    } else if (is(seen->service, "ssm")) {
        hear_commands(witness, seen);
    }
}

void witness_dial(struct witness *witness, int64_t utc_ms, const char *host, int port,
                  const char *failure)
{
    const struct graph *graph = witness->graph;
    struct error ignored = {0};
    diary_read(&witness->diary, &ignored);
    error_clear(&ignored);
    for (uint32_t i = 0; !failure && i < graph->node_count; i++) {
        if (graph->nodes[i].action == ACTION_CHECK_TCP &&
            is(witness_input(witness, i, "address"), host) &&
            graph_input(&graph->nodes[i], "port")->integer == port) {
            now_holds(witness, utc_ms, i);
        }
    }
}

/* --- requests that change something --- */

/* What is wrong with the moment at which it comes; NULL: nothing. Lies in the arena. */
static const char *too_early(const struct witness *witness, uint32_t index, int64_t utc_ms)
{
    const struct graph_node *node = &witness->graph->nodes[index];
    for (uint32_t i = 0; i < node->after_count; i++) {
        const struct edge *edge = &node->after[i];
        const struct diary_node *diary = &witness->diary.nodes[edge->node];
        const char *id = witness->graph->nodes[edge->node].id;
        bool done = diary->state == DIARY_DONE || (diary->state == DIARY_FAILED && diary->forgiven);
        bool ended = done || diary->state == DIARY_FAILED || diary->state == DIARY_SKIPPED;
        /* What a dead process had sent may come when a resume has taken that up again. */
        if (witness->killed && (edge->when == WHEN_OK ? diary->was_done : diary->was_over)) {
            continue;
        }
        if (edge->when == WHEN_OK ? !done : !ended) {
            return arena_printf(witness->arena,
                                "before %s, which the journal does not know to be %s", id,
                                edge->when == WHEN_OK ? "done" : "over");
        }
        int64_t at = happened_ms(witness, edge->node);
        if (diary->state == DIARY_DONE && (at < 0 || at > utc_ms)) {
            return arena_printf(witness->arena, "before %s has happened in the cloud", id);
        }
    }
    return witness->diary.nodes[index].intents == 0 ? "without an intent in the journal" : NULL;
}

/* A token stands for one generation of one node, in the journal and on the wire. */
static void check_token(struct witness *witness, uint32_t index, const struct exchange_seen *seen)
{
    const struct diary_node *diary = &witness->diary.nodes[index];
    const char *token = cloud_parameter(seen, "ClientToken");
    if (token && !diary_has_token(&witness->diary, index, token)) {
        witness_complain(witness, seen->utc_ms, (int32_t)index, seen,
                         "with a token that no intent has");
    }
    for (size_t i = 1; i < diary->token_count; i++) {
        if (diary->tokens[i].generation == diary->tokens[i - 1].generation) {
            witness_complain(witness, seen->utc_ms, (int32_t)index, seen,
                             "two tokens in the same generation %d", diary->tokens[i].generation);
        }
    }
}

static const char *made_by(const struct exchange_seen *seen)
{
    if (is(seen->operation, "CreateVolume")) {
        return xml_text(seen->xml, "volumeId");
    }
    if (is(seen->operation, "RunInstances")) {
        return xml_text(seen->xml, "instancesSet/item/instanceId");
    }
    if (is(seen->operation, "RegisterImage")) {
        return xml_text(seen->xml, "imageId");
    }
    return is(seen->operation, "SendCommand")
               ? cloud_json_text(cJSON_GetObjectItemCaseSensitive(seen->answer_json, "Command"),
                                 "CommandId")
               : NULL;
}

static void check_made(struct witness *witness, uint32_t index, const struct exchange_seen *seen)
{
    struct witness_node *node = &witness->nodes[index];
    const char *id = made_by(seen);
    if (!id || is(node->id, id)) {
        return;
    }
    bool command = is(seen->operation, "SendCommand");
    bool doubled_on_the_way = command && witness->duplicates;
    if (node->id && node->happened_ms >= 0 && !node->command_failed && !doubled_on_the_way) {
        witness_complain(witness, seen->utc_ms, (int32_t)index, seen,
                         "made a second time: %s is there already", node->id);
    }
    node->twin = node->id;
    node->id = arena_strdup(witness->arena, id);
    node->made++;
    witness_own(witness, id);
}

static void check_own(struct witness *witness, const struct exchange_seen *seen)
{
    static const char *const names[] = {"VolumeId", "ImageId"};
    bool creates = cloud_tag(seen, "drc:node") != NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !creates; i++) {
        const char *id = cloud_parameter(seen, names[i]);
        if (id && !witness_owns(witness, id)) {
            witness_complain(witness, seen->utc_ms, NO_NODE, seen,
                             "touches %s, which is not its own", id);
        }
    }
    const char *id;
    for (int i = 0; (id = cloud_nth(seen, "InstanceId", i)); i++) {
        if (!witness_owns(witness, id)) {
            witness_complain(witness, seen->utc_ms, NO_NODE, seen,
                             "touches %s, which is not its own", id);
        }
    }
    if (creates && !is(cloud_tag(seen, "drc:run"), witness->run_id)) {
        witness_complain(witness, seen->utc_ms, NO_NODE, seen, "makes something for another run");
    }
}

/* --- pools: boot disks that visit a conversion instance --- */

static const struct graph_pool *pool_of(const struct witness *witness, const char *instance)
{
    for (size_t i = 0; instance && i < witness->graph->pool_count; i++) {
        const char *slash = strrchr(witness->graph->pools[i].id, '/');
        if (slash && strcmp(slash + 1, instance) == 0) {
            return &witness->graph->pools[i];
        }
    }
    return NULL;
}

static void leave(struct witness *witness, const char *volume)
{
    for (size_t i = 0; i < witness->visitor_count; i++) {
        if (is(witness->visitors[i].volume, volume)) {
            witness->visitors[i--] = witness->visitors[--witness->visitor_count];
        }
    }
}

static void visit(struct witness *witness, const struct exchange_seen *seen)
{
    struct visitor visitor = {
        arena_strdup(witness->arena, cloud_parameter(seen, "VolumeId")),
        arena_strdup(witness->arena, cloud_parameter(seen, "InstanceId")),
        arena_strdup(witness->arena, cloud_parameter(seen, "Device")),
    };
    const struct graph_pool *pool = pool_of(witness, visitor.instance);
    if (!pool) {
        return;
    }
    leave(witness, visitor.volume);
    int there = 1;
    for (size_t i = 0; i < witness->visitor_count; i++) {
        there += is(witness->visitors[i].instance, visitor.instance);
    }
    if (there > pool->capacity) {
        witness_complain(witness, seen->utc_ms, NO_NODE, seen, "%d disks at %s, which takes %d",
                         there, visitor.instance, pool->capacity);
    }
    witness->visitors = arena_grow(witness->arena, witness->visitors, witness->visitor_count,
                                   &witness->visitor_capacity, sizeof *witness->visitors);
    witness->visitors[witness->visitor_count++] = visitor;
}

static void check_pools(struct witness *witness, const struct exchange_seen *seen)
{
    bool ok = seen->status == 200;
    if (is(seen->operation, "AttachVolume") && ok) {
        visit(witness, seen);
    } else if (is(seen->operation, "DetachVolume") && ok) {
        leave(witness, cloud_parameter(seen, "VolumeId"));
    } else if (is(seen->operation, "AttachVolume") && is(seen->code, "InvalidParameterValue") &&
               !witness->killed && !witness->duplicates &&
               pool_of(witness, cloud_parameter(seen, "InstanceId"))) {
        witness_complain(witness, seen->utc_ms, NO_NODE, seen, "a device that is in use");
    }
}

/* --- */

/* Refusals that say that it is as it should be already. */
static bool is_so_already(const struct exchange_seen *seen)
{
    static const struct {
        const char *operation, *code;
    } known[] = {
        {"DetachVolume", "IncorrectState"},
        {"DetachVolume", "InvalidVolume.NotFound"},
        {"DetachVolume", "InvalidAttachment.NotFound"},
        {"DeleteVolume", "InvalidVolume.NotFound"},
        {"TerminateInstances", "InvalidInstanceID.NotFound"},
        {"DeregisterImage", "InvalidAMIID.NotFound"},
        {"DeregisterImage", "InvalidAMIID.Unavailable"},
        {"DetachVolume", "InvalidInstanceID.NotFound"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (is(seen->operation, known[i].operation) && is(seen->code, known[i].code)) {
            return true;
        }
    }
    return false;
}

static void settle(struct witness *witness, uint32_t index, const struct exchange_seen *seen)
{
    struct witness_node *node = &witness->nodes[index];
    bool only_the_type = is(seen->operation, "ModifyInstanceAttribute") &&
                         cloud_parameter(seen, "InstanceType.Value");
    check_token(witness, index, seen);
    node->refused_for_capacity += is(seen->code, "InsufficientInstanceCapacity");
    node->refused_offline += is(seen->code, "InvalidInstanceId");
    if ((seen->status == 200 && !only_the_type) || is_so_already(seen)) {
        if (seen->status == 200) {
            check_made(witness, index, seen);
        }
        node->happened_ms = node->happened_ms < 0 ? seen->utc_ms : node->happened_ms;
    }
}

static void change(struct witness *witness, const struct exchange_seen *seen)
{
    uint32_t targets[WITNESS_TARGETS_MAX];
    size_t count = witness_targets(witness, seen, targets);
    const char *id, *why = NULL;
    int ids = 0;
    while ((id = cloud_nth(seen, "InstanceId", ids)) || (id = cloud_nth(seen, "ResourceId", ids))) {
        ids++;
    }
    check_own(witness, seen);
    check_pools(witness, seen);
    if (count == 0 || (ids > 1 && count < (size_t)ids)) {
        witness_complain(witness, seen->utc_ms, NO_NODE, seen, "no node asks for this");
        return;
    }
    /* Where several could have asked, one for which it was time is enough; a batch has one each. */
    bool timely = false;
    for (size_t i = 0; i < count; i++) {
        const char *early = too_early(witness, targets[i], seen->utc_ms);
        timely |= !early;
        why = early ? early : why;
        if (early && (ids > 1 || count == 1)) {
            witness_complain(witness, seen->utc_ms, (int32_t)targets[i], seen, "%s", early);
        }
        if (!early || count == 1 || ids > 1) {
            settle(witness, targets[i], seen);
        }
    }
    if (!timely && count > 1 && ids <= 1) {
        witness_complain(witness, seen->utc_ms, (int32_t)targets[0], seen, "%s", why);
    }
}

void witness_exchange(struct witness *witness, const struct exchange_seen *seen)
{
    struct error error = {0};
    if (!diary_read(&witness->diary, &error)) {
        witness_complain(witness, seen->utc_ms, NO_NODE, seen, "%s", error.message);
        error_clear(&error);
    }
    if (seen->changes) {
        change(witness, seen);
    } else if (seen->status == 200) {
        hear(witness, seen);
    }
}

/* --- results in the journal --- */

static void check_done(struct witness *witness, uint32_t index)
{
    static const char *const names[] = {"volume_id", "instance_id", "image_id", "command_id"};
    const struct graph_node *node = &witness->graph->nodes[index];
    const struct action_info *info = action_info(node->action);
    const struct witness_node *seen = &witness->nodes[index];
    if (info->provider == PROVIDER_ENGINE) {
        return;
    }
    if (seen->happened_ms < 0) {
        witness_complain(witness, 0, (int32_t)index, NULL,
                         "done by the journal, and has not happened in the cloud");
    }
    for (size_t i = 0; seen->id && i < sizeof names / sizeof *names; i++) {
        const char *value = action_output(node->action, names[i])
                                ? diary_output(&witness->diary, index, names[i])
                                : NULL;
        bool doubled = node->action == ACTION_INJECT && (witness->duplicates || witness->killed);
        if (value && !is(value, seen->id) && !doubled) {
            witness_complain(witness, 0, (int32_t)index, NULL,
                             "the journal has %s %s, the cloud made %s", names[i], value, seen->id);
        }
    }
}

static void told(void *context, uint32_t node, const char *record)
{
    struct witness *witness = context;
    if (strcmp(record, "done") == 0) {
        check_done(witness, node);
    } else if (strcmp(record, "redo") == 0) {
        witness->nodes[node].happened_ms = -1;
        if (witness->graph->nodes[node].action == ACTION_INJECT) {
            witness->nodes[node].id = witness->nodes[node].twin = NULL;
        }
    }
}

void witness_catch_up(struct witness *witness, int64_t utc_ms)
{
    struct error error = {0};
    if (!diary_read(&witness->diary, &error)) {
        witness_complain(witness, utc_ms, NO_NODE, NULL, "%s", error.message);
        error_clear(&error);
    }
}

bool witness_open(struct witness *witness, struct arena *arena, const struct graph *graph,
                  const char *run_id, const char *journal_path, struct error *error)
{
    *witness = (struct witness){.arena = arena, .graph = graph, .run_id = run_id};
    witness->nodes = ARENA_ARRAY(arena, struct witness_node, graph->node_count + 1);
    for (size_t i = 0; i < graph->node_count; i++) {
        witness->nodes[i].happened_ms = -1;
    }
    witness->diary =
        (struct diary){.arena = arena, .graph = graph, .told = told, .context = witness};
    return diary_open(&witness->diary, journal_path, error);
}

void witness_close(struct witness *witness)
{
    diary_close(&witness->diary);
    buffer_free(&witness->violations);
}
