/* Volumes: made, attached, detached, modified, deleted, described. */
#include <stdlib.h>
#include <string.h>

#include "runtime/sandbox/ec2.h"
#include "runtime/sandbox/kms.h"

static const char columns[] =
    "SELECT created_ms, available_ms, deleted_ms, size_gib, type, iops, throughput, "
    "initialization_rate, zone, snapshot, encrypted, kms_key, content, firmware, injected_ms, "
    "instance, device, attach_ms, attached_ms, detached_ms, delete_on_termination, modified_ms, "
    "original_size_gib, original_type, original_iops, original_throughput, map, lineage FROM "
    "volumes WHERE id = "
    "?";

static void load_attachment(struct request *r, struct sqlite3_stmt *row, struct volume *volume)
{
    bool detached = !state_is_null(row, 19) && r->now_ms >= state_int(row, 19);
    if (state_is_null(row, 15) || detached) {
        return;
    }
    volume->instance = state_text(r->arena, row, 15);
    volume->device = state_text(r->arena, row, 16);
    volume->attach_ms = state_int(row, 17);
    volume->delete_on_termination = state_int(row, 20);
    /* A time to come (the end of a termination) is no detaching yet. */
    bool detaching = !state_is_null(row, 19) && state_int(row, 19) - r->now_ms <= VOLUME_DETACH_MS;
    volume->attach_state = detaching                        ? "detaching"
                           : r->now_ms < state_int(row, 18) ? "attaching"
                                                            : "attached";
}

static void load_modification(struct request *r, struct sqlite3_stmt *row, struct volume *volume)
{
    volume->modified_ms = state_int(row, 21);
    volume->original_size_gib = state_int(row, 22);
    volume->original_type = state_text(r->arena, row, 23);
    volume->original_iops = state_int(row, 24);
    volume->original_throughput = state_int(row, 25);
}

static const char *state_of(struct request *r, struct sqlite3_stmt *row,
                            const struct volume *volume)
{
    if (!state_is_null(row, 2) && r->now_ms >= state_int(row, 2)) {
        return "deleting";
    }
    if (r->now_ms < state_int(row, 1)) {
        return "creating";
    }
    return volume->instance ? "in-use" : "available";
}

static struct volume *load_row(struct request *r, struct sqlite3_stmt *row, const char *id)
{
    struct volume *volume = ARENA_NEW(r->arena, struct volume);
    volume->resource.id = arena_strdup(r->arena, id);
    volume->resource.created_ms = state_int(row, 0);
    volume->size_gib = state_int(row, 3);
    volume->type = state_text(r->arena, row, 4);
    volume->iops = state_int(row, 5);
    volume->throughput = state_int(row, 6);
    volume->initialization_rate = state_int(row, 7);
    volume->zone = state_text(r->arena, row, 8);
    volume->snapshot = state_text(r->arena, row, 9);
    volume->encrypted = state_int(row, 10);
    volume->kms_key = state_text(r->arena, row, 11);
    volume->content = state_text(r->arena, row, 12);
    volume->firmware = state_text(r->arena, row, 13);
    volume->map = state_int(row, 26);
    volume->lineage = state_text(r->arena, row, 27);
    if (!state_is_null(row, 14) && r->now_ms >= state_int(row, 14)) {
        volume->content = "bootable";
    }
    load_attachment(r, row, volume);
    load_modification(r, row, volume);
    volume->state = state_of(r, row, volume);
    return volume;
}

void *volume_load(struct request *r, const char *id)
{
    struct sqlite3_stmt *row = state_query(r->state, columns, "s", id);
    if (!state_next(r->state, row)) {
        return NULL;
    }
    bool gone = !state_is_null(row, 2) && r->now_ms >= state_int(row, 2) + VOLUME_DELETE_MS;
    struct volume *volume = gone ? NULL : load_row(r, row, id);
    state_done(row);
    if (volume) {
        tags_load(r, &volume->resource);
    }
    return volume;
}

static void write_attachment(struct request *r, const struct volume *volume)
{
    xml_put(&r->xml, "volumeId", volume->resource.id);
    xml_put(&r->xml, "instanceId", volume->instance);
    xml_put(&r->xml, "device", volume->device);
    xml_put(&r->xml, "status", volume->attach_state);
    xml_time(&r->xml, "attachTime", volume->attach_ms);
    xml_bool(&r->xml, "deleteOnTermination", volume->delete_on_termination);
}

static void write_volume(struct request *r, const void *object)
{
    const struct volume *volume = object;
    xml_put(&r->xml, "volumeId", volume->resource.id);
    xml_int(&r->xml, "size", volume->size_gib);
    xml_put(&r->xml, "snapshotId", volume->snapshot ? volume->snapshot : "");
    xml_put(&r->xml, "availabilityZone", volume->zone);
    xml_put(&r->xml, "status", volume->state);
    xml_time(&r->xml, "createTime", volume->resource.created_ms);
    xml_open(&r->xml, "attachmentSet");
    if (volume->instance) {
        xml_open(&r->xml, "item");
        write_attachment(r, volume);
        xml_close(&r->xml, "item");
    }
    xml_close(&r->xml, "attachmentSet");
    tags_write(r, &volume->resource.tags);
    xml_put(&r->xml, "volumeType", volume->type);
    if (volume->iops) {
        xml_int(&r->xml, "iops", volume->iops);
    }
    if (volume->throughput) {
        xml_int(&r->xml, "throughput", volume->throughput);
    }
    if (volume->initialization_rate) {
        xml_int(&r->xml, "volumeInitializationRate", volume->initialization_rate);
    }
    xml_bool(&r->xml, "encrypted", volume->encrypted);
    xml_put(&r->xml, "kmsKeyId", volume->kms_key);
    xml_bool(&r->xml, "multiAttachEnabled", false);
}

static void offer_attachment_flag(const void *object, struct filter_values *values)
{
    const struct volume *volume = object;
    if (volume->instance) {
        filter_offer_bool(values, volume->delete_on_termination);
    }
}

static void offer_attach_time(const void *object, struct filter_values *values)
{
    const struct volume *volume = object;
    char time[32];
    if (volume->instance) {
        filter_offer(values, iso_time(time, volume->attach_ms));
    }
}

#define FIELD(name, type, member)                                                                  \
    {                                                                                              \
        name, FILTER_##type, offsetof(struct volume, member), NULL                                 \
    }
static const struct filter_field volume_fields[] = {
    FIELD("volume-id", TEXT, resource.id),
    FIELD("status", TEXT, state),
    FIELD("volume-type", TEXT, type),
    FIELD("availability-zone", TEXT, zone),
    FIELD("snapshot-id", TEXT, snapshot),
    FIELD("size", INT, size_gib),
    FIELD("encrypted", BOOL, encrypted),
    FIELD("create-time", TIME, resource.created_ms),
    FIELD("attachment.instance-id", TEXT, instance),
    FIELD("attachment.device", TEXT, device),
    FIELD("attachment.status", TEXT, attach_state),
    {"attachment.delete-on-termination", FILTER_CALL, 0, offer_attachment_flag},
    {"attachment.attach-time", FILTER_CALL, 0, offer_attach_time},
    {0},
};
#undef FIELD

const struct resource_kind volume_kind = {
    .ids = "VolumeId",
    .prefix = "vol",
    .set = "volumeSet",
    .list = "SELECT id FROM volumes ORDER BY rowid",
    .malformed = "InvalidParameterValue",
    .not_found = "InvalidVolume.NotFound",
    .noun = "volume '%s'",
    .fields = volume_fields,
    .page_min = 5,
    .page_max = 1000,
    .page_excludes_ids = true,
    .load = volume_load,
    .write = write_volume,
};

bool ec2_describe_volumes(struct request *r)
{
    return describe(r, &volume_kind);
}

/* Limits of the volume types (EBS User Guide, "Amazon EBS volume types"). */
static const struct volume_type {
    const char *name;
    int64_t size_min, size_max, iops_min, iops_max, iops_default, throughput_max;
} volume_types[] = {
    {"gp3", 1, 65536, 3000, 80000, 3000, 2000},
    {"gp2", 1, 16384, 0, 0, 0, 0},
    {"io1", 4, 16384, 100, 64000, 0, 0},
    {"io2", 4, 65536, 100, 256000, 0, 0},
    {"st1", 125, 16384, 0, 0, 0, 0},
    {"sc1", 125, 16384, 0, 0, 0, 0},
    {"standard", 1, 1024, 0, 0, 0, 0},
};

static const struct volume_type *find_type(const char *name)
{
    for (size_t i = 0; i < sizeof volume_types / sizeof *volume_types; i++) {
        if (strcmp(volume_types[i].name, name) == 0) {
            return &volume_types[i];
        }
    }
    return NULL;
}

static bool check_iops(struct request *r, const struct volume_type *type,
                       struct volume_request *wanted)
{
    if (!type->iops_max) {
        return !wanted->iops ||
               fail(r, 400, "InvalidParameterCombination",
                    "The parameter iops is not supported for %s volumes.", type->name);
    }
    if (!wanted->iops) {
        wanted->iops = type->iops_default;
    }
    if (!wanted->iops) {
        return fail(r, 400, "MissingParameter", "The request must contain the parameter iops");
    }
    if (wanted->iops < type->iops_min || wanted->iops > type->iops_max) {
        return fail(r, 400, "InvalidParameterValue",
                    "Volume iops of %lld is out of range; %s volumes take %lld to %lld",
                    (long long)wanted->iops, type->name, (long long)type->iops_min,
                    (long long)type->iops_max);
    }
    return true;
}

static bool check_throughput(struct request *r, const struct volume_type *type,
                             struct volume_request *wanted)
{
    if (!type->throughput_max) {
        return !wanted->throughput || fail(r, 400, "InvalidParameterCombination",
                                           "The parameter throughput is not supported for %s "
                                           "volumes.",
                                           type->name);
    }
    if (!wanted->throughput) {
        wanted->throughput = 125;
    }
    if (wanted->throughput < 125 || wanted->throughput > type->throughput_max ||
        wanted->throughput * 4 > wanted->iops) {
        return fail(r, 400, "InvalidParameterValue",
                    "Throughput of %lld MiBps is out of range for %lld iops: 125 to %lld, and at "
                    "most 0.25 MiBps for each provisioned iops",
                    (long long)wanted->throughput, (long long)wanted->iops,
                    (long long)type->throughput_max);
    }
    return true;
}

static bool check_snapshot(struct request *r, struct volume_request *wanted)
{
    if (!wanted->snapshot) {
        return wanted->initialization_rate == 0 ||
               fail(r, 400, "InvalidParameterCombination",
                    "VolumeInitializationRate needs a snapshot to initialize from");
    }
    struct snapshot *snapshot = find_object(r, &snapshot_kind, wanted->snapshot);
    if (!snapshot) {
        return false;
    }
    if (strcmp(snapshot->state, "completed") != 0) {
        return fail(r, 400, "IncorrectState", "Snapshot is in invalid state - %s", snapshot->state);
    }
    if (wanted->size_gib && wanted->size_gib < snapshot->size_gib) {
        return fail(r, 400, "InvalidParameterValue",
                    "Volume of %lldGiB is smaller than snapshot '%s', expect size >= %lldGiB",
                    (long long)wanted->size_gib, wanted->snapshot, (long long)snapshot->size_gib);
    }
    wanted->size_gib = wanted->size_gib ? wanted->size_gib : snapshot->size_gib;
    wanted->encrypted = wanted->encrypted || snapshot->encrypted;
    wanted->kms_key = wanted->kms_key ? wanted->kms_key : snapshot->kms_key;
    if (wanted->initialization_rate &&
        (wanted->initialization_rate < 100 || wanted->initialization_rate > 300)) {
        return fail(r, 400, "InvalidParameterValue",
                    "Value (%lld) for parameter volumeInitializationRate is invalid: 100 to 300",
                    (long long)wanted->initialization_rate);
    }
    return true;
}

/* What is asked for, or else the snapshot's or the account's way. */
static void encrypt(struct request *r, struct volume_request *wanted)
{
    wanted->encrypted = wanted->encrypted || ebs_encryption_by_default(r);
    if (wanted->encrypted && !wanted->kms_key) {
        wanted->kms_key = kms_default_key(r);
    }
    const char *arn = wanted->kms_key ? kms_find_key(r, wanted->kms_key) : NULL;
    wanted->kms_key = arn ? arn : wanted->kms_key;
}

bool volume_check(struct request *r, struct volume_request *wanted)
{
    const struct volume_type *type = find_type(wanted->type);
    if (!type) {
        return fail(r, 400, "UnknownVolumeType",
                    "Unsupported volume type '%s' for volume creation.", wanted->type);
    }
    if (!check_snapshot(r, wanted)) {
        return false;
    }
    encrypt(r, wanted);
    if (wanted->size_gib < type->size_min || wanted->size_gib > type->size_max) {
        return fail(r, 400, "InvalidParameterValue",
                    "Volume of %lldGiB is out of range for %s: %lld to %lldGiB",
                    (long long)wanted->size_gib, type->name, (long long)type->size_min,
                    (long long)type->size_max);
    }
    return check_iops(r, type, wanted) && check_throughput(r, type, wanted);
}

const char *volume_make(struct request *r, const struct volume_request *wanted,
                        const char *instance, const char *device, bool delete_on_termination,
                        int64_t ready_ms)
{
    const char *id = new_id(r, "vol");
    struct snapshot *snapshot = wanted->snapshot ? snapshot_load(r, wanted->snapshot) : NULL;
    state_run(
        r->state,
        "INSERT INTO volumes (id, created_ms, available_ms, size_gib, type, iops, throughput, "
        "initialization_rate, zone, snapshot, encrypted, kms_key, content, firmware, instance, "
        "device, attach_ms, attached_ms, delete_on_termination, map, lineage) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?)",
        "siiisiiissdsssssiidis", id, r->now_ms, instance ? r->now_ms : ready_ms, wanted->size_gib,
        wanted->type, wanted->iops, wanted->throughput, wanted->initialization_rate, wanted->zone,
        wanted->snapshot, (int)wanted->encrypted, wanted->kms_key,
        snapshot ? snapshot->content : "blank", snapshot ? snapshot->firmware : NULL, instance,
        device, r->now_ms, ready_ms, (int)delete_on_termination, snapshot ? snapshot->map : 0,
        snapshot && snapshot->lineage ? snapshot->lineage : id);
    return id;
}

static bool check_zone(struct request *r, const char *zone)
{
    if (state_value(r->state, 0, "SELECT 1 FROM subnets WHERE zone = ? LIMIT 1", "s", zone)) {
        return true;
    }
    size_t length = strlen(r->region);
    bool known = strncmp(zone, r->region, length) == 0 && zone[length] >= 'a' &&
                 zone[length] <= 'c' && !zone[length + 1];
    return known || fail(r, 400, "InvalidZone.NotFound", "The zone '%s' does not exist.", zone);
}

static bool read_volume_request(struct request *r, struct volume_request *wanted)
{
    *wanted = (struct volume_request){.type = query_get(&r->query, "VolumeType"),
                                      .snapshot = query_get(&r->query, "SnapshotId"),
                                      .kms_key = query_get(&r->query, "KmsKeyId")};
    wanted->type = wanted->type ? wanted->type : "gp2";
    if (!need(r, "AvailabilityZone", &wanted->zone) ||
        !optional_int(r, "Size", &wanted->size_gib) || !optional_int(r, "Iops", &wanted->iops) ||
        !optional_int(r, "Throughput", &wanted->throughput) ||
        !optional_int(r, "VolumeInitializationRate", &wanted->initialization_rate) ||
        !optional_bool(r, "Encrypted", &wanted->encrypted)) {
        return false;
    }
    if (wanted->snapshot && !*wanted->snapshot) {
        wanted->snapshot = NULL;
    }
    if (!wanted->snapshot && !query_get(&r->query, "Size")) {
        return fail(r, 400, "MissingParameter",
                    "The request must contain the parameter size/snapshot");
    }
    if (wanted->kms_key && !wanted->encrypted) {
        return fail(r, 400, "InvalidParameterDependency",
                    "The parameter KmsKeyId requires the parameter Encrypted to be set.");
    }
    return check_zone(r, wanted->zone);
}

bool ec2_create_volume(struct request *r)
{
    static const char *const taggable[] = {"volume", NULL};
    struct volume_request wanted;
    const char *id = NULL;
    if (!read_volume_request(r, &wanted) || !tags_check(r, taggable) || !token_check(r, &id)) {
        return false;
    }
    if (!id) {
        if (!volume_check(r, &wanted)) {
            return false;
        }
        id = volume_make(r, &wanted, NULL, NULL, false,
                         r->now_ms + timing_draw(r, TIMING_VOLUME_CREATE, NULL));
        tags_put(r, "volume", id);
        token_keep(r, id);
    }
    struct volume *volume = volume_load(r, id);
    if (!volume) {
        /* EC2 answers a repeated request also when the volume has gone since. */
        return fail(r, 400, "InvalidVolume.NotFound", "The volume '%s' does not exist.", id);
    }
    write_volume(r, volume);
    return true;
}

/* /dev/sd[a-z], /dev/sd[a-z][1-15], /dev/xvd[a-z], /dev/xvd[b-d][a-z] (EC2 User Guide, "Device
 * names for volumes"). */
static bool is_device_name(const char *device)
{
    const char *name = strncmp(device, "/dev/", 5) == 0 ? device + 5 : device;
    bool sd = strncmp(name, "sd", 2) == 0, xvd = strncmp(name, "xvd", 3) == 0;
    if (!sd && !xvd) {
        return false;
    }
    name += sd ? 2 : 3;
    if (*name < 'a' || *name > 'z') {
        return false;
    }
    if (!name[1]) {
        return true;
    }
    if (xvd && name[1] >= 'a' && name[1] <= 'z' && !name[2]) {
        return *name >= 'b' && *name <= 'd';
    }
    int64_t partition = 0;
    return parse_int(name + 1, &partition) && partition >= 1 && partition <= 15;
}

static bool check_attachable(struct request *r, const struct volume *volume,
                             const struct instance *instance)
{
    if (volume->instance) {
        return fail(r, 400, "VolumeInUse", "%s is already attached to an instance",
                    volume->resource.id);
    }
    if (strcmp(volume->state, "available") != 0) {
        return fail(r, 400, "IncorrectState", "Volume '%s' is '%s'; it has to be 'available'.",
                    volume->resource.id, volume->state);
    }
    if (strcmp(instance->state, "running") != 0 && strcmp(instance->state, "stopped") != 0) {
        return fail(r, 400, "IncorrectState", "Instance '%s' is not 'running'.",
                    instance->resource.id);
    }
    if (strcmp(volume->zone, instance->zone) != 0) {
        return fail(r, 400, "InvalidVolume.ZoneMismatch",
                    "The volume '%s' is not in the same availability zone as instance '%s'",
                    volume->resource.id, instance->resource.id);
    }
    return true;
}

static bool check_slot(struct request *r, const struct instance *instance, const char *device)
{
    if (!is_device_name(device)) {
        return fail(
            r, 400, "InvalidParameterValue",
            "Value (%s) for parameter device is invalid. %s is not a valid EBS device name.",
            device, device);
    }
    for (size_t i = 0; i < instance->volume_count; i++) {
        if (strcmp(instance->volumes[i]->device, device) == 0) {
            return fail(r, 400, "InvalidParameterValue",
                        "Invalid value '%s' for unixDevice. Attachment point %s is already in use",
                        device, device);
        }
    }
    return true;
}

bool ec2_attach_volume(struct request *r)
{
    const char *volume_id, *instance_id, *device;
    if (!need(r, "VolumeId", &volume_id) || !need(r, "InstanceId", &instance_id) ||
        !need(r, "Device", &device)) {
        return false;
    }
    struct volume *volume = find_object(r, &volume_kind, volume_id);
    struct instance *instance = volume ? find_object(r, &instance_kind, instance_id) : NULL;
    if (!instance || !check_attachable(r, volume, instance) || !check_slot(r, instance, device)) {
        return false;
    }
    size_t limit = instance_volume_limit(instance);
    if (limit && instance->volume_count >= limit) {
        return fail(r, 400, "AttachmentLimitExceeded",
                    "Volume count exceeds the limit of %zu for %s", limit, instance->type);
    }
    state_run(r->state,
              "UPDATE volumes SET instance = ?, device = ?, attach_ms = ?, attached_ms = ?, "
              "detached_ms = NULL, delete_on_termination = 0 WHERE id = ?",
              "ssiis", instance_id, device, r->now_ms,
              r->now_ms + timing_draw(r, TIMING_VOLUME_ATTACH, NULL), volume_id);
    write_attachment(r, volume_load(r, volume_id));
    return true;
}

static bool check_detachable(struct request *r, const struct volume *volume)
{
    const char *instance_id = query_get(&r->query, "InstanceId");
    const char *device = query_get(&r->query, "Device");
    if (!volume->instance) {
        return fail(r, 400, "IncorrectState", "Volume '%s' is in the '%s' state.",
                    volume->resource.id, volume->state);
    }
    if ((instance_id && strcmp(instance_id, volume->instance) != 0) ||
        (device && strcmp(device, volume->device) != 0)) {
        return fail(r, 400, "InvalidAttachment.NotFound",
                    "Volume '%s' is not attached to instance '%s'%s%s", volume->resource.id,
                    instance_id ? instance_id : volume->instance, device ? " as device " : "",
                    device ? device : "");
    }
    struct instance *instance = instance_load(r, volume->instance);
    if (instance && strcmp(instance->root_device, volume->device) == 0 &&
        strcmp(instance->state, "stopped") != 0 && strcmp(instance->state, "terminated") != 0) {
        return fail(r, 400, "OperationNotPermitted",
                    "Unable to detach root volume '%s' from instance '%s'", volume->resource.id,
                    volume->instance);
    }
    return true;
}

bool ec2_detach_volume(struct request *r)
{
    const char *volume_id;
    if (!need(r, "VolumeId", &volume_id)) {
        return false;
    }
    struct volume *volume = find_object(r, &volume_kind, volume_id);
    if (!volume || !check_detachable(r, volume)) {
        return false;
    }
    if (strcmp(volume->attach_state, "detaching") != 0) {
        state_run(r->state, "UPDATE volumes SET detached_ms = ? WHERE id = ?", "is",
                  r->now_ms + VOLUME_DETACH_MS, volume_id);
        commands_volume_detached(r, volume_id);
    }
    write_attachment(r, volume_load(r, volume_id));
    return true;
}

bool ec2_delete_volume(struct request *r)
{
    const char *volume_id;
    if (!need(r, "VolumeId", &volume_id)) {
        return false;
    }
    struct volume *volume = find_object(r, &volume_kind, volume_id);
    if (!volume) {
        return false;
    }
    if (volume->instance) {
        return fail(r, 400, "VolumeInUse", "Volume %s is currently attached to %s", volume_id,
                    volume->instance);
    }
    if (strcmp(volume->state, "available") != 0) {
        return strcmp(volume->state, "deleting") == 0
                   ? fail(r, 400, "InvalidVolume.NotFound", "The volume '%s' does not exist.",
                          volume_id)
                   : fail(r, 400, "IncorrectState",
                          "Volume '%s' is '%s'; it has to be 'available'.", volume_id,
                          volume->state);
    }
    state_run(r->state, "UPDATE volumes SET deleted_ms = ? WHERE id = ?", "is", r->now_ms,
              volume_id);
    xml_bool(&r->xml, "return", true);
    return true;
}
