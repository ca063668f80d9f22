/* Volumes: created from the DR copies, and attached to the instance. */
#include "compiler/base/arena.h"
#include "compiler/lower/lowering.h"

const char *lowering_device_name(struct lowering *l, const char *root_device, size_t disk)
{
    /* The names that EC2 recommends for data volumes, then those that it also takes (EC2 User
     * Guide, "Device names for volumes"). */
    static const char *const recommended[] = {"/dev/sdf", "/dev/sdg", "/dev/sdh", "/dev/sdi",
                                              "/dev/sdj", "/dev/sdk", "/dev/sdl", "/dev/sdm",
                                              "/dev/sdn", "/dev/sdo", "/dev/sdp"};
    const size_t recommended_count = sizeof recommended / sizeof *recommended;
    if (disk == 0) {
        return root_device;
    }
    size_t data = disk - 1;
    if (data < recommended_count) {
        return recommended[data];
    }
    data -= recommended_count;
    return arena_printf(l->arena, "/dev/xvd%c%c", (char)('b' + data / 26), (char)('a' + data % 26));
}

static const char *volume_type(const struct lowering *l, const struct disk_lowering *disk)
{
    if (disk->settings && disk->settings->type.value) {
        return disk->settings->type.value;
    }
    return l->plan->aws.volume_type.value ? l->plan->aws.volume_type.value : "gp3";
}

/* The settings that are numbers, 0 where not given. */
static int64_t iops(const struct disk_lowering *disk)
{
    return disk->settings ? disk->settings->iops : 0;
}
static int64_t throughput(const struct disk_lowering *disk)
{
    return disk->settings ? disk->settings->throughput : 0;
}
static int64_t initialization_rate(const struct disk_lowering *disk)
{
    return disk->settings ? disk->settings->initialization_rate : 0;
}
static int64_t size_gib(const struct vm_lowering *v, size_t disk)
{
    return v->hardware.disks ? v->hardware.disks[disk].size_gib : 0;
}

static void input_number(struct lowering *l, const char *name, int64_t number)
{
    if (number > 0) {
        builder_input(l->builder, name, int_value(number));
    }
}

/* In a disaster a hold that cannot be set stops nothing: it guards against a replication that prunes in
 * these minutes. */
static uint32_t hold(struct lowering *l, struct vm_lowering *v, const char *prefix, const char *snapshot)
{
    uint32_t held = lowering_node(l, v, ACTION_HOLD_COPY, prefix, v->vm->at,
                                  "a replication beside the run does not prune what it uses");
    builder_current(l->builder)->continue_on_failure = true;
    lowering_after_before(l);
    builder_input(l->builder, "snapshot_id", bind_value(snapshot));
    return held;
}

/* Beside the bootable copy the DR copy is held: without it there is no recovery point any more. */
void lower_hold_copies(struct lowering *l, struct vm_lowering *v)
{
    for (size_t i = 0; i < v->hardware.disk_count; i++) {
        struct disk_lowering *disk = &v->disks[i];
        disk->held = hold(l, v, disk->prefix, lowering_join(l, disk->prefix, "snapshot"));
        if (i == 0 && lowering_prepares(l->plan)) {
            disk->held = hold(l, v, lowering_join(l, disk->prefix, "bootable"), disk->snapshot);
        }
    }
}

static void create_volume(struct lowering *l, struct vm_lowering *v, size_t number)
{
    struct disk_lowering *disk = &v->disks[number];
    struct span at = disk->settings ? disk->settings->at : v->vm->at;
    disk->created = lowering_node(l, v, ACTION_CREATE_VOLUME, disk->prefix, at,
                                  "each disk becomes a volume of its DR copy");
    lowering_after_before(l);
    builder_after(l->builder, disk->held, WHEN_ENDED);
    builder_input(l->builder, "snapshot_id", bind_value(disk->snapshot));
    builder_input(l->builder, "zone", text_value(v->zone));
    input_number(l, "size_gib", size_gib(v, number));
    builder_input(l->builder, "type", text_value(volume_type(l, disk)));
    input_number(l, "iops", iops(disk));
    input_number(l, "throughput", throughput(disk));
    input_number(l, "initialization_rate", initialization_rate(disk));
    builder_input_text(l->builder, "kms_key", l->plan->aws.kms_key.value);
    builder_input(l->builder, "disk", int_value((int64_t)number));
    builder_input(l->builder, "tags", v->tags);

    disk->available = lowering_node(l, v, ACTION_WAIT_VOLUME_AVAILABLE, disk->prefix, at,
                                    "a volume can be attached once it is available");
    builder_input(l->builder, "volume_id", output_value(disk->created, "volume_id"));
}

void lower_create_volumes(struct lowering *l, struct vm_lowering *v)
{
    for (size_t i = 0; i < v->hardware.disk_count; i++) {
        create_volume(l, v, i);
    }
}

static void attach_volume(struct lowering *l, struct vm_lowering *v, size_t number)
{
    struct disk_lowering *disk = &v->disks[number];
    const char *rule = number == 0 ? "boot: attach puts the VM's boot disk in the root's place"
                                   : "data disks follow as /dev/sdf to /dev/sdp, then /dev/xvdba";
    lowering_node(l, v, ACTION_ATTACH_VOLUME, disk->prefix, v->vm->at, rule);
    builder_input(l->builder, "volume_id", output_value(disk->created, "volume_id"));
    builder_input(l->builder, "instance_id", output_value(v->instance, "instance_id"));
    builder_input(l->builder, "device", text_value(disk->device));
    builder_after(l->builder, disk->available, WHEN_OK);
    builder_after(l->builder, v->stopped, WHEN_OK);
    if (number == 0) {
        builder_after(l->builder, v->root_freed, WHEN_OK);
        if (v->injected != NO_NODE) {
            /* The disk comes back also after a failed injection. */
            builder_after(l->builder, (uint32_t)v->injected, WHEN_OK);
        }
    }
    uint32_t attach = builder_current(l->builder)->index;

    disk->attached = lowering_node(l, v, ACTION_WAIT_VOLUME_ATTACHED, disk->prefix, v->vm->at,
                                   "the instance starts with all of its disks");
    builder_input(l->builder, "volume_id", output_value(disk->created, "volume_id"));
    builder_input(l->builder, "instance_id", output_value(v->instance, "instance_id"));
    builder_after(l->builder, attach, WHEN_OK);
}

void lower_attach_volumes(struct lowering *l, struct vm_lowering *v)
{
    size_t count = v->hardware.disk_count;
    struct value *devices = ARENA_ARRAY(l->arena, struct value, count);
    for (size_t i = 0; i < count; i++) {
        attach_volume(l, v, i);
        devices[i] = text_value(v->disks[i].device);
    }
    v->prepared = lowering_node(l, v, ACTION_SET_DELETE_ON_TERMINATION, v->vm->name, v->vm->at,
                                "the volumes go with their instance when it is terminated");
    builder_input(l->builder, "instance_id", output_value(v->instance, "instance_id"));
    builder_input(l->builder, "devices", list_value(devices, count));
    for (size_t i = 0; i < count; i++) {
        builder_after(l->builder, v->disks[i].attached, WHEN_OK);
    }
}

/* ---- boot: image ---- */

static struct value block_device(struct lowering *l, const struct vm_lowering *v, size_t number,
                                 bool with_snapshot)
{
    enum { MEMBERS_MAX = 7 };
    const struct disk_lowering *disk = &v->disks[number];
    const char **keys = ARENA_ARRAY(l->arena, const char *, MEMBERS_MAX);
    struct value *items = ARENA_ARRAY(l->arena, struct value, MEMBERS_MAX);
    const struct {
        const char *key;
        int64_t number;
    } numbers[] = {{"size_gib", size_gib(v, number)},
                   {"iops", iops(disk)},
                   {"throughput", throughput(disk)},
                   {"initialization_rate", initialization_rate(disk)}};
    size_t count = 0;
    keys[count] = "device";
    items[count++] = text_value(disk->device);
    if (with_snapshot) {
        keys[count] = "snapshot_id";
        items[count++] = bind_value(disk->snapshot);
    }
    keys[count] = "type";
    items[count++] = text_value(volume_type(l, disk));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        bool for_launch_only = i == 3; /* RegisterImage knows no initialization rate. */
        if (numbers[i].number > 0 && !(for_launch_only && with_snapshot)) {
            keys[count] = numbers[i].key;
            items[count++] = int_value(numbers[i].number);
        }
    }
    return map_value(keys, items, count);
}

struct value lowering_block_devices(struct lowering *l, const struct vm_lowering *v,
                                    bool with_snapshots)
{
    size_t count = v->hardware.disk_count;
    struct value *items = ARENA_ARRAY(l->arena, struct value, count);
    for (size_t i = 0; i < count; i++) {
        items[i] = block_device(l, v, i, with_snapshots);
    }
    return list_value(items, count);
}
