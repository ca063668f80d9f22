#include "compiler/emit/words.h"

#include <inttypes.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "compiler/emit/words_parts.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"

bool words_is_milestone(const struct graph_node *node)
{
    return node->action == ACTION_RUNNING || node->action == ACTION_READY ||
           node->action == ACTION_LAUNCHED || graph_is_goal(node);
}

const char *words_vm(const struct graph *graph, const struct graph_node *node)
{
    return node->vm == NO_VM ? "" : graph->vms[node->vm].name;
}

const char *words_short_id(const struct graph *graph, const struct graph_node *node)
{
    const char *vm = words_vm(graph, node);
    size_t length = strlen(vm);
    bool prefixed = length > 0 && strncmp(node->id, vm, length) == 0 && node->id[length] == '/';
    return prefixed ? node->id + length + 1 : node->id;
}

static void put_members(const struct graph *graph, const struct value *value, struct buffer *out)
{
    for (uint32_t i = 0; i < value->count; i++) {
        buffer_puts(out, i > 0 ? ", " : "");
        if (value->kind == VALUE_MAP) {
            text_put(out, value->keys[i]);
            buffer_puts(out, ": ");
        }
        words_value(graph, &value->items[i], out);
    }
}

void words_value(const struct graph *graph, const struct value *value, struct buffer *out)
{
    switch (value->kind) {
    case VALUE_TEXT:
        text_put(out, *value->text ? value->text : "\"\"");
        break;
    case VALUE_INT:
        buffer_printf(out, "%" PRId64, value->integer);
        break;
    case VALUE_BOOL:
        buffer_puts(out, value->boolean ? "true" : "false");
        break;
    case VALUE_LIST:
        buffer_putc(out, '[');
        put_members(graph, value, out);
        buffer_putc(out, ']');
        break;
    case VALUE_MAP:
        buffer_putc(out, '{');
        put_members(graph, value, out);
        buffer_putc(out, '}');
        break;
    case VALUE_OUTPUT:
        buffer_puts(out, "${");
        text_put(out, graph->nodes[value->node].id);
        buffer_putc(out, '.');
        text_put(out, value->text);
        buffer_putc(out, '}');
        break;
    case VALUE_BIND:
        buffer_puts(out, "${");
        text_put(out, value->text);
        buffer_putc(out, '}');
        break;
    case VALUE_SLOT:
        buffer_puts(out, "${");
        text_put(out, graph->pools[value->node].id);
        buffer_puts(out, "/slot}");
        break;
    case VALUE_SECRET:
        buffer_puts(out, "(secret ");
        text_put(out, value->text);
        buffer_putc(out, ')');
        break;
    case VALUE_TEMPLATE:
        for (uint32_t i = 0; i < value->count; i++) {
            words_value(graph, &value->items[i], out);
        }
        break;
    }
}

void words_part(struct sentence *to, const char *text)
{
    buffer_puts(to->out, to->out->length > to->from ? ", " : "");
    buffer_puts(to->out, text);
}

bool words_part_input(struct sentence *to, const char *before, const char *name, const char *after)
{
    const struct value *value = graph_input(to->node, name);
    if (!value) {
        return false;
    }
    words_part(to, before);
    words_value(to->graph, value, to->out);
    buffer_puts(to->out, after);
    return true;
}

/* The VM whose instance the input names, else the value itself. */
static void put_instance(struct sentence *to, const char *name)
{
    const struct value *value = graph_input(to->node, name);
    if (value && value->kind == VALUE_OUTPUT && to->graph->nodes[value->node].vm != NO_VM) {
        text_put(to->out, to->graph->vms[to->graph->nodes[value->node].vm].name);
    } else if (value) {
        words_value(to->graph, value, to->out);
    }
}

/* Where a check goes: the VM, when it is asked by the address that EC2 gave it. */
static void put_address(struct sentence *to)
{
    const struct value *address = graph_input(to->node, "address");
    if (address && address->kind == VALUE_OUTPUT && to->graph->nodes[address->node].vm != NO_VM) {
        text_put(to->out, to->graph->vms[to->graph->nodes[address->node].vm].name);
    } else if (address) {
        words_value(to->graph, address, to->out);
    }
}

void words_part_list(struct sentence *to, const struct value *list, const char *between)
{
    for (uint32_t i = 0; i < list->count; i++) {
        buffer_puts(to->out, i > 0 ? between : "");
        words_value(to->graph, &list->items[i], to->out);
    }
}

static const struct value *member(const struct value *map, const char *key)
{
    for (uint32_t i = 0; map->kind == VALUE_MAP && i < map->count; i++) {
        if (strcmp(map->keys[i], key) == 0) {
            return &map->items[i];
        }
    }
    return NULL;
}

static void tell_create_volume(struct sentence *to)
{
    words_part_input(to, "", "type", "");
    words_part_input(to, "", "size_gib", " GiB");
    words_part_input(to, "", "iops", " IOPS");
    words_part_input(to, "", "throughput", " MiB/s");
    const struct value *snapshot = graph_input(to->node, "snapshot_id");
    if (snapshot && snapshot->kind == VALUE_BIND) {
        words_part(to, "from its DR copy"); /* which one is known when the run starts */
    } else {
        words_part_input(to, "from ", "snapshot_id", "");
    }
}

static void tell_card(struct sentence *to, const struct value *card)
{
    const struct value *subnet = member(card, "subnet"), *address = member(card, "private_ip");
    subnet = subnet ? subnet : member(card, "subnet_id");
    if (subnet) {
        words_part(to, member(card, "subnet") ? "subnet " : "");
        words_value(to->graph, subnet, to->out);
    }
    if (address) {
        buffer_putc(to->out, ' ');
        words_value(to->graph, address, to->out);
    }
}

static void tell_run_instance(struct sentence *to)
{
    const struct value *types = graph_input(to->node, "instance_types");
    if (types && types->kind == VALUE_LIST) {
        words_part(to, "");
        words_part_list(to, types, " or ");
    }
    const struct value *cards = graph_input(to->node, "cards");
    for (uint32_t i = 0; cards && cards->kind == VALUE_LIST && i < cards->count; i++) {
        tell_card(to, &cards->items[i]);
    }
    const struct value *image = graph_input(to->node, "image_id");
    if (image && image->kind == VALUE_OUTPUT) {
        words_part(to, "its own image");
    } else {
        words_part_input(to, "placeholder ", "image_id", "");
    }
}

/* "at /dev/sdp", or that it will be one of a pool's slots. */
static void tell_device(struct sentence *to, const char *before)
{
    const struct value *device = graph_input(to->node, "device");
    if (device && device->kind == VALUE_SLOT) {
        int slots = to->graph->pools[device->node].capacity;
        words_part(to, "");
        buffer_printf(to->out, "in one of its %d slot%s", slots, slots == 1 ? "" : "s");
    } else {
        words_part_input(to, before, "device", "");
    }
}

static void tell_inject(struct sentence *to)
{
    words_part_input(to, "drivers for ", "os", "");
    words_part_input(to, "", "firmware", "");
    words_part_input(to, "on ", "conversion_instance", "");
    tell_device(to, "at ");
}

static void tell_http(struct sentence *to)
{
    const struct value *tls = graph_input(to->node, "tls");
    bool secure = tls && tls->kind == VALUE_BOOL && tls->boolean;
    words_part(to, secure ? "https://" : "http://");
    put_address(to);
    const struct value *port = graph_input(to->node, "port"), *path = graph_input(to->node, "path");
    if (port) {
        buffer_putc(to->out, ':');
        words_value(to->graph, port, to->out);
    }
    if (path) {
        words_value(to->graph, path, to->out);
    }
    if (graph_input(to->node, "status")) {
        buffer_puts(to->out, " answers ");
        words_value(to->graph, graph_input(to->node, "status"), to->out);
    }
    words_part_input(to, "body matches ", "match", "");
}

static void tell_tcp(struct sentence *to)
{
    words_part_input(to, "port ", "port", "");
    if (graph_input(to->node, "address")) {
        buffer_puts(to->out, " of ");
        put_address(to);
    }
    buffer_puts(to->out, " accepts connections");
}

static void tell_delay(struct sentence *to)
{
    const struct value *delay = graph_input(to->node, "delay_ms");
    char text[32];
    if (delay && delay->kind == VALUE_INT) {
        words_part(to, format_duration(text, delay->integer));
        buffer_puts(to->out, ", as the plan says");
    }
}

static void tell_instance(struct sentence *to, const char *before, const char *after)
{
    words_part(to, before);
    put_instance(to, "instance_id");
    buffer_puts(to->out, after);
}

static void tell_attach(struct sentence *to)
{
    tell_instance(to, "to ", "");
    tell_device(to, "as ");
}

static void tell_detach(struct sentence *to)
{
    tell_instance(to, "from ", "");
}

static void tell_devices(struct sentence *to)
{
    const struct value *devices = graph_input(to->node, "devices");
    if (devices && devices->kind == VALUE_LIST) {
        words_part(to, "");
        words_part_list(to, devices, ", ");
    }
    bool one = devices && devices->kind == VALUE_LIST && devices->count == 1;
    buffer_puts(to->out, one ? " goes with the instance" : " go with the instance");
}

static void tell_register_image(struct sentence *to)
{
    words_part_input(to, "", "name", "");
    words_part_input(to, "", "architecture", "");
    words_part_input(to, "", "boot_mode", "");
    const struct value *devices = graph_input(to->node, "block_devices");
    if (devices && devices->kind == VALUE_LIST) {
        words_part(to, "");
        buffer_printf(to->out, "%" PRIu32 " disk%s", devices->count,
                      devices->count == 1 ? "" : "s");
    }
}

static void tell_recovered(struct sentence *to)
{
    bool critical = to->node->vm == NO_VM || to->graph->vms[to->node->vm].critical;
    words_part(to, critical ? "ready, and its post-boot steps done"
                      : "ready, and its post-boot steps done (not critical)");
}

static void tell_volume(struct sentence *to)
{
    words_part_input(to, "", "volume_id", "");
}

static void tell_address(struct sentence *to)
{
    words_part_input(to, "", "allocation_id", "");
}

static void tell_image(struct sentence *to)
{
    words_part_input(to, "", "image_id", "");
}

static void tell_start(struct sentence *to)
{
    tell_instance(to, "", " boots from its recovered disks");
}

static void tell_stop(struct sentence *to)
{
    tell_instance(to, "", ", to get its recovered disks");
}

static void tell_instance_alone(struct sentence *to)
{
    tell_instance(to, "", "");
}

static void tell_start_snapshot(struct sentence *to)
{
    words_part_input(to, "", "size_gib", " GiB");
    if (!words_part_input(to, "a change of ", "parent_snapshot_id", "")) {
        words_part(to, "whole");
    }
    words_part_input(to, "key ", "kms_key", "");
}

static void tell_put_blocks(struct sentence *to)
{
    words_part(to, graph_input(to->node, "parent_map") ? "what differs from its last copy"
                                                 : "all blocks that are not zero");
    const struct value *repository = graph_input(to->node, "repository");
    if (repository && repository->kind != VALUE_BIND) {
        buffer_puts(to->out, ", from ");
        words_value(to->graph, repository, to->out);
    }
}

static void tell_tag_copy(struct sentence *to)
{
    const struct value *tags = graph_input(to->node, "tags");
    const struct value *time = tags ? member(tags, "drc:recovery-point") : NULL;
    const struct value *role = tags ? member(tags, "drc:role") : NULL;
    bool bootable = role && role->kind == VALUE_TEXT && strcmp(role->text, "dr-copy-bootable") == 0;
    if (!time || time->kind == VALUE_BIND) { /* of which point is known when the run starts */
        words_part(to, bootable ? "from now on a bootable copy" : "from now on a DR copy");
    } else {
        words_part(to, bootable ? "from now on the bootable copy of " : "from now on the DR copy of ");
        words_value(to->graph, time, to->out);
    }
}

static void tell_snapshot(struct sentence *to)
{
    const struct value *snapshot = graph_input(to->node, "snapshot_id");
    if (snapshot && snapshot->kind != VALUE_BIND) {
        words_part_input(to, "", "snapshot_id", "");
    }
}

static void tell_hold(struct sentence *to)
{
    tell_snapshot(to);
    words_part(to, "not pruned while this run needs it");
}

/* For each kind of action a fixed text, or a function of its inputs. */
static const struct telling {
    const char *text;
    void (*tell)(struct sentence *to);
} tellings[ACTION_COUNT] = {
    [ACTION_RUNNING] = {.text = "runs at its recovery site"},
    [ACTION_READY] = {.text = "runs, and its checks held"},
    [ACTION_LAUNCHED] = {.text = "those with fixed addresses are launched, the others may follow"},
    [ACTION_RECOVERED] = {.tell = tell_recovered},
    [ACTION_DELAY] = {.tell = tell_delay},
    [ACTION_CREATE_VOLUME] = {.tell = tell_create_volume},
    [ACTION_WAIT_VOLUME_AVAILABLE] = {.text = "until the volume is available"},
    [ACTION_ATTACH_VOLUME] = {.tell = tell_attach},
    [ACTION_WAIT_VOLUME_ATTACHED] = {.text = "until the volume is attached"},
    [ACTION_DETACH_VOLUME] = {.tell = tell_detach},
    [ACTION_DELETE_VOLUME] = {.tell = tell_volume},
    [ACTION_RUN_INSTANCE] = {.tell = tell_run_instance},
    [ACTION_WAIT_RUNNING] = {.text = "until the instance is running"},
    [ACTION_STOP_INSTANCE] = {.tell = tell_stop},
    [ACTION_WAIT_STOPPED] = {.text = "until the instance is stopped"},
    [ACTION_SET_DELETE_ON_TERMINATION] = {.tell = tell_devices},
    [ACTION_START_INSTANCE] = {.tell = tell_start},
    [ACTION_ASSOCIATE_ADDRESS] = {.tell = tell_address},
    [ACTION_CHECK_INSTANCE_STATUS] = {.text = "both EC2 status checks pass"},
    [ACTION_TERMINATE_INSTANCE] = {.tell = tell_instance_alone},
    [ACTION_WAIT_TERMINATED] = {.text = "until the instance is terminated"},
    [ACTION_REGISTER_IMAGE] = {.tell = tell_register_image},
    [ACTION_WAIT_IMAGE_AVAILABLE] = {.text = "until the image is available"},
    [ACTION_DEREGISTER_IMAGE] = {.tell = tell_image},
    [ACTION_COPIED] = {.text = "all of its disks are DR copies"},
    [ACTION_RELEASE_PLACE] = {.text = "the next disk may begin"},
    [ACTION_START_SNAPSHOT] = {.tell = tell_start_snapshot},
    [ACTION_PUT_BLOCKS] = {.tell = tell_put_blocks},
    [ACTION_COMPLETE_SNAPSHOT] = {.text = "number and checksum of its blocks"},
    [ACTION_WAIT_SNAPSHOT_COMPLETED] = {.text = "until the snapshot is completed"},
    [ACTION_RECORD_COPY] = {.text = "which blocks it holds, in the repository"},
    [ACTION_CREATE_SNAPSHOT] = {.text = "with its drivers injected"},
    [ACTION_TAG_COPY] = {.tell = tell_tag_copy},
    [ACTION_HOLD_COPY] = {.tell = tell_hold},
    [ACTION_RELEASE_COPY] = {.tell = tell_snapshot},
    [ACTION_DELETE_SNAPSHOT] = {.tell = tell_snapshot},
    [ACTION_INJECT] = {.tell = tell_inject},
    [ACTION_WAIT_INJECTED] = {.text = "until drc inject has ended"},
    [ACTION_CHECK_TCP] = {.tell = tell_tcp},
    [ACTION_CHECK_HTTP] = {.tell = tell_http},
    [ACTION_REGISTER_TARGET] = {.tell = words_target_group},
    [ACTION_WAIT_TARGET_HEALTHY] = {.text = "until the target group finds it healthy"},
    [ACTION_DEREGISTER_TARGET] = {.tell = words_target_group},
    [ACTION_RUN_SCRIPT] = {.tell = words_script},
    [ACTION_CHECK_SCRIPT] = {.tell = words_script},
    [ACTION_WAIT_AGENT] = {.text = "until its SSM agent has registered"},
    [ACTION_SEND_SCRIPT] = {.tell = words_script},
    [ACTION_SEND_CHECK] = {.tell = words_check_on_instance},
    [ACTION_WAIT_SCRIPT] = {.text = "until it has ended on the instance"},
    [ACTION_GET_RECORD_SET] = {.tell = words_record},
    [ACTION_CHANGE_RECORD_SET] = {.tell = words_change_record},
    [ACTION_RESTORE_RECORD_SET] = {.tell = words_restore_record},
    [ACTION_WAIT_RECORD_SET] = {.text = "until all servers of Route 53 answer with it"},
    [ACTION_QUERY_RECORD] = {.tell = words_record},
    [ACTION_UPDATE_RECORD] = {.tell = words_change_record},
    [ACTION_RESTORE_RECORD] = {.tell = words_restore_record},
    [ACTION_WAIT_RECORD] = {.text = "until every server of the zone answers with it"},
    [ACTION_CHECK_DNS] = {.tell = words_check_dns},
    [ACTION_APPROVE] = {.tell = words_approve},
};

void words_what(const struct graph *graph, const struct graph_node *node, struct buffer *out)
{
    const struct telling *telling = &tellings[node->action];
    struct sentence to = {.graph = graph, .node = node, .out = out, .from = out->length};
    if (telling->text) {
        words_part(&to, telling->text);
    } else if (telling->tell) {
        telling->tell(&to);
    }
}

void words_waits_for(const struct graph *graph, const struct schedule *schedule,
                     const struct graph_node *node, struct buffer *out)
{
    const struct schedule_entry *entry = &schedule->entries[node->index];
    if (entry->binding_node == NO_NODE) {
        return;
    }
    const struct graph_node *binding = &graph->nodes[entry->binding_node];
    const struct action_info *info = action_info(node->action);
    switch (entry->bound_by) {
    case BOUND_BY_NOTHING:
        break;
    case BOUND_BY_NODE:
        if (binding->vm != node->vm && binding->vm != NO_VM) {
            buffer_puts(out, "waits for ");
            text_put(out, binding->id);
        }
        break;
    case BOUND_BY_POOL:
        buffer_puts(out, "waits for a place in ");
        text_put(out, graph->pools[node->acquire].id);
        buffer_puts(out, ", until ");
        text_put(out, binding->id);
        break;
    case BOUND_BY_BUCKET:
        buffer_printf(out, "waits for the rate limit %s", bucket_info(info->bucket)->name);
        break;
    }
}
