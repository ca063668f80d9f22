/* Instances: loaded as they are at the request's time, described, and what becomes of them. */
#include <stdlib.h>
#include <string.h>

#include "runtime/sandbox/ec2.h"

static const struct {
    const char *transition, *settled;
    int64_t code, settled_code;
} states[] = {
    {"pending", "running", 0, 16},
    {"stopping", "stopped", 64, 80},
    {"shutting-down", "terminated", 32, 48},
};

static void set_state(struct request *r, struct instance *instance, const char *transition)
{
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (strcmp(states[i].transition, transition) == 0) {
            bool settled = r->now_ms >= instance->settle_ms;
            instance->state = settled ? states[i].settled : states[i].transition;
            instance->state_code = settled ? states[i].settled_code : states[i].code;
        }
    }
}

static void load_volumes(struct request *r, struct instance *instance)
{
    struct objects ids = {0};
    struct sqlite3_stmt *rows =
        state_query(r->state, "SELECT id FROM volumes WHERE instance = ? ORDER BY attach_ms, rowid",
                    "s", instance->resource.id);
    while (state_next(r->state, rows)) {
        objects_add(r->arena, &ids, (void *)state_text(r->arena, rows, 0));
    }
    instance->volumes = ARENA_ARRAY(r->arena, struct volume *, ids.count + 1);
    for (size_t i = 0; i < ids.count; i++) {
        struct volume *volume = volume_load(r, ids.items[i]);
        if (volume && volume->instance) {
            instance->volumes[instance->volume_count++] = volume;
        }
    }
}

static void load_interfaces(struct request *r, struct instance *instance)
{
    struct objects ids = {0};
    struct sqlite3_stmt *rows =
        state_query(r->state, "SELECT id FROM interfaces WHERE instance = ? ORDER BY device_index",
                    "s", instance->resource.id);
    while (state_next(r->state, rows)) {
        objects_add(r->arena, &ids, (void *)state_text(r->arena, rows, 0));
    }
    instance->interfaces = ARENA_ARRAY(r->arena, struct interface *, ids.count + 1);
    for (size_t i = 0; i < ids.count; i++) {
        struct interface *interface = interface_load(r, ids.items[i]);
        if (interface) {
            instance->interfaces[instance->interface_count++] = interface;
        }
    }
    if (instance->interface_count) {
        instance->private_ip = instance->interfaces[0]->private_ip;
        instance->public_ip = instance->interfaces[0]->public_ip;
    }
}

static struct instance *load_row(struct request *r, struct sqlite3_stmt *row, const char *id)
{
    struct instance *instance = ARENA_NEW(r->arena, struct instance);
    instance->resource.id = arena_strdup(r->arena, id);
    instance->resource.created_ms = state_int(row, 0);
    instance->reservation = state_text(r->arena, row, 1);
    instance->launch_index = state_int(row, 2);
    instance->launched_ms = state_int(row, 3);
    const char *transition = state_text(r->arena, row, 4);
    instance->transition_ms = state_int(row, 5);
    instance->settle_ms = state_int(row, 6);
    instance->image = state_text(r->arena, row, 7);
    instance->type = state_text(r->arena, row, 8);
    instance->subnet = state_text(r->arena, row, 9);
    instance->vpc = state_text(r->arena, row, 10);
    instance->zone = state_text(r->arena, row, 11);
    instance->architecture = state_text(r->arena, row, 12);
    instance->platform = state_text(r->arena, row, 13);
    instance->boot_mode = state_text(r->arena, row, 14);
    instance->root_device = state_text(r->arena, row, 15);
    instance->key_name = state_text(r->arena, row, 16);
    instance->profile = state_text(r->arena, row, 17);
    instance->tenancy = state_text(r->arena, row, 18);
    instance->capacity_reservation = state_text(r->arena, row, 19);
    instance->token = state_text(r->arena, row, 20);
    instance->is_protected = state_int(row, 21);
    instance->ssm = state_int(row, 22);
    instance->reason_code = state_text(r->arena, row, 23);
    instance->reason_message = state_text(r->arena, row, 24);
    set_state(r, instance, transition);
    return instance;
}

void *instance_load(struct request *r, const char *id)
{
    struct sqlite3_stmt *row = state_query(
        r->state,
        "SELECT created_ms, reservation, launch_index, launched_ms, transition, transition_ms, "
        "settle_ms, image, type, subnet, vpc, zone, architecture, platform, boot_mode, "
        "root_device, "
        "key_name, profile, tenancy, capacity_reservation, token, protected, ssm, reason_code, "
        "reason_message FROM instances WHERE id = ?",
        "s", id);
    if (!state_next(r->state, row)) {
        return NULL;
    }
    struct instance *instance = load_row(r, row, id);
    state_done(row);
    bool terminated = strcmp(instance->state, "terminated") == 0;
    if (terminated && r->now_ms > instance->settle_ms + INSTANCE_FORGOTTEN_MS) {
        return NULL;
    }
    load_volumes(r, instance);
    load_interfaces(r, instance);
    tags_load(r, &instance->resource);
    return instance;
}

size_t instance_volume_limit(const struct instance *instance)
{
    const struct fact_instance_type *type = catalogue_type(instance->type);
    if (!type || type->max_volumes <= 0) {
        return 0;
    }
    size_t limit = (size_t)type->max_volumes;
    size_t further = instance->interface_count > 1 ? instance->interface_count - 1 : 0;
    return type->shared_attachments && further < limit ? limit - further : limit;
}

struct volume *instance_root_volume(const struct instance *instance)
{
    for (size_t i = 0; i < instance->volume_count; i++) {
        if (strcmp(instance->volumes[i]->device, instance->root_device) == 0) {
            return instance->volumes[i];
        }
    }
    return NULL;
}

int64_t instance_boot_ms(struct request *r, const struct instance *instance)
{
    const struct resource *resource = &instance->resource;
    return instance->settle_ms + timing_of(r, TIMING_GUEST_BOOT,
                                           tag_value(&resource->tags, "drc:vm"), resource->id,
                                           instance->settle_ms);
}

/* It is there before the disaster, and no guest that is recovered. */
static bool is_conversion(const struct instance *instance)
{
    return instance->profile && strcmp(instance->profile, "drc-conversion") == 0;
}

bool instance_boots(struct request *r, const struct instance *instance, const char **why)
{
    const struct volume *root = instance_root_volume(instance);
    const char *mode = instance->boot_mode ? instance->boot_mode : "legacy-bios";
    double broken = fault(r, "boot");
    *why = NULL;
    if (!root) {
        *why = "there is no volume at the root device";
    } else if (strcmp(root->content, "bootable") != 0) {
        *why = strcmp(root->content, "vmware") == 0
                   ? "its boot disk has no drivers for EC2: it was never injected"
                   : "its boot disk holds no operating system";
    } else if (root->firmware &&
               strcmp(root->firmware, strcmp(mode, "uefi") == 0 ? "uefi" : "bios") != 0) {
        *why = "its boot disk's loader is for another firmware than the instance's boot mode";
    } else if (broken > 0 && !is_conversion(instance) &&
               (double)(mix_text(mix(r->seed, (uint64_t)instance->transition_ms),
                                 instance->resource.id) %
                        1000) < broken * 1000) {
        *why = "the guest hangs (fault injected)";
    }
    return !*why;
}

struct instance *instance_by_address(struct request *r, const char *address)
{
    const char *id = state_value_text(
        r->state, r->arena,
        "SELECT instance FROM interfaces WHERE (private_ip = ?1 OR public_ip = ?1) AND "
        "(deleted_ms IS NULL OR deleted_ms > ?2) UNION "
        "SELECT instance FROM addresses WHERE public_ip = ?1 AND instance IS NOT NULL",
        "si", address, r->now_ms);
    return id ? instance_load(r, id) : NULL;
}

static void write_devices(struct request *r, const struct instance *instance)
{
    xml_open(&r->xml, "blockDeviceMapping");
    for (size_t i = 0; i < instance->volume_count; i++) {
        const struct volume *volume = instance->volumes[i];
        xml_open(&r->xml, "item");
        xml_put(&r->xml, "deviceName", volume->device);
        xml_open(&r->xml, "ebs");
        xml_put(&r->xml, "volumeId", volume->resource.id);
        xml_put(&r->xml, "status", volume->attach_state);
        xml_time(&r->xml, "attachTime", volume->attach_ms);
        xml_bool(&r->xml, "deleteOnTermination", volume->delete_on_termination);
        xml_close(&r->xml, "ebs");
        xml_close(&r->xml, "item");
    }
    xml_close(&r->xml, "blockDeviceMapping");
}

static void write_network(struct request *r, const struct instance *instance)
{
    xml_put(&r->xml, "privateDnsName", "");
    xml_put(&r->xml, "dnsName", "");
    if (instance->interface_count) {
        xml_put(&r->xml, "subnetId", instance->subnet);
        xml_put(&r->xml, "vpcId", instance->vpc);
        xml_put(&r->xml, "privateIpAddress", instance->private_ip);
        xml_put(&r->xml, "ipAddress", instance->public_ip);
        interface_write_groups(r, instance->interfaces[0]);
    }
    xml_open(&r->xml, "networkInterfaceSet");
    for (size_t i = 0; i < instance->interface_count; i++) {
        xml_open(&r->xml, "item");
        interface_write(r, instance->interfaces[i], true);
        xml_close(&r->xml, "item");
    }
    xml_close(&r->xml, "networkInterfaceSet");
}

static void write_state(struct request *r, const char *element, int64_t code, const char *name)
{
    xml_open(&r->xml, element);
    xml_int(&r->xml, "code", code);
    xml_put(&r->xml, "name", name);
    xml_close(&r->xml, element);
}

static void write_reason(struct request *r, const struct instance *instance)
{
    if (!instance->reason_code) {
        xml_put(&r->xml, "reason", "");
        return;
    }
    char time[32];
    xml_put(&r->xml, "reason",
            arena_printf(r->arena, "User initiated (%s)", iso_time(time, instance->transition_ms)));
    xml_open(&r->xml, "stateReason");
    xml_put(&r->xml, "code", instance->reason_code);
    xml_put(&r->xml, "message", instance->reason_message);
    xml_close(&r->xml, "stateReason");
}

static void write_profile(struct request *r, const struct instance *instance)
{
    if (!instance->profile) {
        return;
    }
    xml_open(&r->xml, "iamInstanceProfile");
    xml_put(&r->xml, "arn",
            arena_printf(r->arena, "arn:aws:iam::%s:instance-profile/%s", r->caller.account,
                         instance->profile));
    xml_put(&r->xml, "id",
            state_value_text(r->state, r->arena, "SELECT id FROM instance_profiles WHERE name = ?",
                             "s", instance->profile));
    xml_close(&r->xml, "iamInstanceProfile");
}

void instance_write(struct request *r, const struct instance *instance)
{
    xml_put(&r->xml, "instanceId", instance->resource.id);
    xml_put(&r->xml, "imageId", instance->image);
    write_state(r, "instanceState", instance->state_code, instance->state);
    write_reason(r, instance);
    xml_put(&r->xml, "keyName", instance->key_name);
    xml_int(&r->xml, "amiLaunchIndex", instance->launch_index);
    xml_put(&r->xml, "instanceType", instance->type);
    xml_time(&r->xml, "launchTime", instance->launched_ms);
    xml_open(&r->xml, "placement");
    xml_put(&r->xml, "availabilityZone", instance->zone);
    xml_put(&r->xml, "tenancy", instance->tenancy);
    xml_close(&r->xml, "placement");
    xml_put(&r->xml, "platform", instance->platform);
    xml_put(&r->xml, "platformDetails", instance->platform ? "Windows" : "Linux/UNIX");
    xml_open(&r->xml, "monitoring");
    xml_put(&r->xml, "state", "disabled");
    xml_close(&r->xml, "monitoring");
    write_network(r, instance);
    xml_put(&r->xml, "architecture", instance->architecture);
    xml_put(&r->xml, "rootDeviceType", "ebs");
    xml_put(&r->xml, "rootDeviceName", instance->root_device);
    write_devices(r, instance);
    xml_put(&r->xml, "virtualizationType", "hvm");
    xml_put(&r->xml, "clientToken", instance->token ? instance->token : "");
    tags_write(r, &instance->resource.tags);
    xml_put(&r->xml, "hypervisor", "xen");
    xml_bool(&r->xml, "enaSupport", true);
    xml_bool(&r->xml, "sourceDestCheck", true);
    write_profile(r, instance);
    xml_put(&r->xml, "capacityReservationId", instance->capacity_reservation);
    xml_put(&r->xml, "bootMode", instance->boot_mode);
    xml_put(&r->xml, "currentInstanceBootMode",
            instance->boot_mode && strcmp(instance->boot_mode, "uefi") == 0 ? "uefi"
                                                                            : "legacy-bios");
}

static void offer_groups(const void *object, struct filter_values *values)
{
    const struct instance *instance = object;
    for (size_t i = 0; i < instance->interface_count; i++) {
        for (size_t g = 0; g < instance->interfaces[i]->group_count; g++) {
            filter_offer(values, instance->interfaces[i]->groups[g]);
        }
    }
}

static void offer_addresses(const void *object, struct filter_values *values)
{
    const struct instance *instance = object;
    for (size_t i = 0; i < instance->interface_count; i++) {
        filter_offer(values, instance->interfaces[i]->private_ip);
    }
}

static void offer_interfaces(const void *object, struct filter_values *values)
{
    const struct instance *instance = object;
    for (size_t i = 0; i < instance->interface_count; i++) {
        filter_offer(values, instance->interfaces[i]->resource.id);
    }
}

static void offer_volumes(const void *object, struct filter_values *values)
{
    const struct instance *instance = object;
    for (size_t i = 0; i < instance->volume_count; i++) {
        filter_offer(values, instance->volumes[i]->resource.id);
    }
}

static void offer_devices(const void *object, struct filter_values *values)
{
    const struct instance *instance = object;
    for (size_t i = 0; i < instance->volume_count; i++) {
        filter_offer(values, instance->volumes[i]->device);
    }
}

#define FIELD(name, type, member)                                                                  \
    {                                                                                              \
        name, FILTER_##type, offsetof(struct instance, member), NULL                               \
    }
static const struct filter_field instance_fields[] = {
    FIELD("instance-id", TEXT, resource.id),
    FIELD("instance-state-name", TEXT, state),
    FIELD("instance-state-code", INT, state_code),
    FIELD("instance-type", TEXT, type),
    FIELD("image-id", TEXT, image),
    FIELD("availability-zone", TEXT, zone),
    FIELD("subnet-id", TEXT, subnet),
    FIELD("vpc-id", TEXT, vpc),
    FIELD("key-name", TEXT, key_name),
    FIELD("client-token", TEXT, token),
    FIELD("reservation-id", TEXT, reservation),
    FIELD("architecture", TEXT, architecture),
    FIELD("platform", TEXT, platform),
    FIELD("boot-mode", TEXT, boot_mode),
    FIELD("tenancy", TEXT, tenancy),
    FIELD("root-device-name", TEXT, root_device),
    FIELD("private-ip-address", TEXT, private_ip),
    FIELD("ip-address", TEXT, public_ip),
    FIELD("launch-time", TIME, launched_ms),
    {"instance.group-id", FILTER_CALL, 0, offer_groups},
    {"network-interface.group-id", FILTER_CALL, 0, offer_groups},
    {"network-interface.network-interface-id", FILTER_CALL, 0, offer_interfaces},
    {"network-interface.addresses.private-ip-address", FILTER_CALL, 0, offer_addresses},
    {"block-device-mapping.volume-id", FILTER_CALL, 0, offer_volumes},
    {"block-device-mapping.device-name", FILTER_CALL, 0, offer_devices},
    {0},
};
#undef FIELD

const struct resource_kind instance_kind = {
    .ids = "InstanceId",
    .prefix = "i",
    .set = "reservationSet",
    .list = "SELECT id FROM instances ORDER BY rowid",
    .malformed = "InvalidInstanceID.Malformed",
    .not_found = "InvalidInstanceID.NotFound",
    .noun = "instance ID '%s'",
    .fields = instance_fields,
    .page_min = 5,
    .page_max = 1000,
    .page_excludes_ids = true,
    .load = instance_load,
};

void reservation_open(struct request *r, const struct instance *instance)
{
    xml_put(&r->xml, "reservationId", instance->reservation);
    xml_put(&r->xml, "ownerId", r->caller.account);
    xml_open(&r->xml, "groupSet");
    xml_close(&r->xml, "groupSet");
    xml_open(&r->xml, "instancesSet");
}

/* Instances of one reservation are told together; they follow one another. */
bool ec2_describe_instances(struct request *r)
{
    struct objects objects = {0};
    const char *next = NULL;
    if (!select_objects(r, &instance_kind, &objects) ||
        !page_objects(r, &instance_kind, &objects, &next)) {
        return false;
    }
    xml_open(&r->xml, "reservationSet");
    for (size_t i = 0; i < objects.count; i++) {
        const struct instance *instance = objects.items[i];
        const struct instance *last = i ? objects.items[i - 1] : NULL;
        const struct instance *after = i + 1 < objects.count ? objects.items[i + 1] : NULL;
        if (!last || strcmp(last->reservation, instance->reservation) != 0) {
            xml_open(&r->xml, "item");
            reservation_open(r, instance);
        }
        xml_open(&r->xml, "item");
        instance_write(r, instance);
        xml_close(&r->xml, "item");
        if (!after || strcmp(after->reservation, instance->reservation) != 0) {
            xml_close(&r->xml, "instancesSet");
            xml_close(&r->xml, "item");
        }
    }
    xml_close(&r->xml, "reservationSet");
    xml_put(&r->xml, "nextToken", next);
    return true;
}

/* What the checks say: initializing for a while, then whether the guest came up. */
static const char *guest_status(struct request *r, const struct instance *instance)
{
    const char *why;
    if (strcmp(instance->state, "running") != 0) {
        return "not-applicable";
    }
    const char *vm = tag_value(&instance->resource.tags, "drc:vm");
    int64_t check_ms =
        timing_of(r, TIMING_STATUS_CHECK, vm, instance->resource.id, instance->settle_ms);
    if (r->now_ms < instance->settle_ms + check_ms) {
        return "initializing";
    }
    return instance_boots(r, instance, &why) ? "ok" : "impaired";
}

static void write_summary(struct request *r, const char *element, const char *status)
{
    xml_open(&r->xml, element);
    xml_put(&r->xml, "status", status);
    if (strcmp(status, "not-applicable") != 0) {
        xml_open(&r->xml, "details");
        xml_open(&r->xml, "item");
        xml_put(&r->xml, "name", "reachability");
        xml_put(&r->xml, "status",
                strcmp(status, "ok") == 0         ? "passed"
                : strcmp(status, "impaired") == 0 ? "failed"
                                                  : "initializing");
        xml_close(&r->xml, "item");
        xml_close(&r->xml, "details");
    }
    xml_close(&r->xml, element);
}

static void write_status(struct request *r, const void *object)
{
    const struct instance *instance = object;
    const char *status = guest_status(r, instance);
    xml_put(&r->xml, "instanceId", instance->resource.id);
    xml_put(&r->xml, "availabilityZone", instance->zone);
    write_state(r, "instanceState", instance->state_code, instance->state);
    write_summary(r, "systemStatus", strcmp(status, "impaired") == 0 ? "ok" : status);
    write_summary(r, "instanceStatus", status);
}

bool ec2_describe_instance_status(struct request *r)
{
    static const struct filter_field fields[] = {
        {"instance-state-name", FILTER_TEXT, offsetof(struct instance, state), NULL},
        {"instance-state-code", FILTER_INT, offsetof(struct instance, state_code), NULL},
        {"availability-zone", FILTER_TEXT, offsetof(struct instance, zone), NULL},
        {0},
    };
    struct resource_kind kind = instance_kind;
    kind.set = "instanceStatusSet";
    kind.fields = fields;
    kind.write = write_status;
    bool all = false;
    struct objects found = {0}, shown = {0};
    const char *next = NULL;
    if (!optional_bool(r, "IncludeAllInstances", &all) || !select_objects(r, &kind, &found)) {
        return false;
    }
    for (size_t i = 0; i < found.count; i++) {
        const struct instance *instance = found.items[i];
        if (all || strcmp(instance->state, "running") == 0) {
            objects_add(r->arena, &shown, found.items[i]);
        }
    }
    if (!page_objects(r, &kind, &shown, &next)) {
        return false;
    }
    xml_open(&r->xml, kind.set);
    for (size_t i = 0; i < shown.count; i++) {
        xml_open(&r->xml, "item");
        write_status(r, shown.items[i]);
        xml_close(&r->xml, "item");
    }
    xml_close(&r->xml, kind.set);
    xml_put(&r->xml, "nextToken", next);
    return true;
}
