/* Images. */
#include <ctype.h>
#include <string.h>

#include "runtime/sandbox/ec2.h"

static void load_devices(struct request *r, struct image *image)
{
    struct sqlite3_stmt *rows = state_query(
        r->state,
        "SELECT device, snapshot, size_gib, type, iops, throughput, delete_on_termination FROM "
        "image_devices WHERE image = ? ORDER BY position",
        "s", image->resource.id);
    while (state_next(r->state, rows)) {
        image->devices = arena_grow(r->arena, image->devices, image->device_count,
                                    &image->device_capacity, sizeof *image->devices);
        image->devices[image->device_count++] = (struct image_device){
            .device = state_text(r->arena, rows, 0),
            .snapshot = state_text(r->arena, rows, 1),
            .size_gib = state_int(rows, 2),
            .type = state_text(r->arena, rows, 3),
            .iops = state_int(rows, 4),
            .throughput = state_int(rows, 5),
            .delete_on_termination = state_int(rows, 6),
        };
    }
}

void *image_load(struct request *r, const char *id)
{
    struct sqlite3_stmt *row = state_query(r->state,
                                           "SELECT created_ms, available_ms, name, description, "
                                           "owner, public, architecture, platform, "
                                           "boot_mode, virtualization, ena, root_device FROM "
                                           "images WHERE id = ? AND deleted_ms IS NULL",
                                           "s", id);
    if (!state_next(r->state, row)) {
        return NULL;
    }
    struct image *image = ARENA_NEW(r->arena, struct image);
    image->resource.id = arena_strdup(r->arena, id);
    image->resource.created_ms = state_int(row, 0);
    image->state = r->now_ms >= state_int(row, 1) ? "available" : "pending";
    image->name = state_text(r->arena, row, 2);
    image->description = state_text(r->arena, row, 3);
    image->owner = state_text(r->arena, row, 4);
    image->is_public = state_int(row, 5);
    image->architecture = state_text(r->arena, row, 6);
    image->platform = state_text(r->arena, row, 7);
    image->boot_mode = state_text(r->arena, row, 8);
    image->virtualization = state_text(r->arena, row, 9);
    image->ena = state_int(row, 10);
    image->root_device = state_text(r->arena, row, 11);
    state_done(row);
    load_devices(r, image);
    tags_load(r, &image->resource);
    return image;
}

static void write_device(struct request *r, const struct image_device *device)
{
    xml_open(&r->xml, "item");
    xml_put(&r->xml, "deviceName", device->device);
    xml_open(&r->xml, "ebs");
    xml_put(&r->xml, "snapshotId", device->snapshot);
    xml_int(&r->xml, "volumeSize", device->size_gib);
    xml_put(&r->xml, "volumeType", device->type);
    if (device->iops) {
        xml_int(&r->xml, "iops", device->iops);
    }
    if (device->throughput) {
        xml_int(&r->xml, "throughput", device->throughput);
    }
    xml_bool(&r->xml, "deleteOnTermination", device->delete_on_termination);
    xml_bool(&r->xml, "encrypted", false);
    xml_close(&r->xml, "ebs");
    xml_close(&r->xml, "item");
}

static void write_image(struct request *r, const void *object)
{
    const struct image *image = object;
    xml_put(&r->xml, "imageId", image->resource.id);
    xml_put(&r->xml, "imageLocation", arena_printf(r->arena, "%s/%s", image->owner, image->name));
    xml_put(&r->xml, "imageState", image->state);
    xml_put(&r->xml, "imageOwnerId", image->owner);
    xml_put(&r->xml, "creationDate",
            iso_time(arena_alloc(r->arena, 32), image->resource.created_ms));
    xml_bool(&r->xml, "isPublic", image->is_public);
    xml_put(&r->xml, "architecture", image->architecture);
    xml_put(&r->xml, "imageType", "machine");
    xml_put(&r->xml, "platform", image->platform);
    xml_put(&r->xml, "platformDetails", image->platform ? "Windows" : "Linux/UNIX");
    xml_put(&r->xml, "usageOperation", image->platform ? "RunInstances:0002" : "RunInstances");
    xml_put(&r->xml, "name", image->name);
    xml_put(&r->xml, "description", image->description);
    xml_put(&r->xml, "rootDeviceType", "ebs");
    xml_put(&r->xml, "rootDeviceName", image->root_device);
    xml_open(&r->xml, "blockDeviceMapping");
    for (size_t i = 0; i < image->device_count; i++) {
        write_device(r, &image->devices[i]);
    }
    xml_close(&r->xml, "blockDeviceMapping");
    xml_put(&r->xml, "virtualizationType", image->virtualization);
    xml_put(&r->xml, "hypervisor", "xen");
    xml_bool(&r->xml, "enaSupport", image->ena);
    xml_put(&r->xml, "bootMode", image->boot_mode);
    tags_write(r, &image->resource.tags);
}

static void offer_snapshots(const void *object, struct filter_values *values)
{
    const struct image *image = object;
    for (size_t i = 0; i < image->device_count; i++) {
        filter_offer(values, image->devices[i].snapshot);
    }
}

#define FIELD(name, type, member)                                                                  \
    {                                                                                              \
        name, FILTER_##type, offsetof(struct image, member), NULL                                  \
    }
static const struct filter_field fields[] = {
    FIELD("image-id", TEXT, resource.id),
    FIELD("name", TEXT, name),
    FIELD("description", TEXT, description),
    FIELD("state", TEXT, state),
    FIELD("architecture", TEXT, architecture),
    FIELD("platform", TEXT, platform),
    FIELD("boot-mode", TEXT, boot_mode),
    FIELD("owner-id", TEXT, owner),
    FIELD("is-public", BOOL, is_public),
    FIELD("ena-support", BOOL, ena),
    FIELD("root-device-name", TEXT, root_device),
    FIELD("virtualization-type", TEXT, virtualization),
    FIELD("creation-date", TIME, resource.created_ms),
    {"block-device-mapping.snapshot-id", FILTER_CALL, 0, offer_snapshots},
    {0},
};
#undef FIELD

static bool owned(struct request *r, const void *object)
{
    const struct image *image = object;
    struct texts_list owners = query_list(&r->query, "Owner");
    for (size_t i = 0; i < owners.count; i++) {
        const char *owner = owners.items[i];
        if (strcmp(owner, image->owner) == 0 ||
            (strcmp(owner, "self") == 0 && strcmp(image->owner, r->caller.account) == 0)) {
            return true;
        }
    }
    return owners.count == 0;
}

const struct resource_kind image_kind = {
    .ids = "ImageId",
    .prefix = "ami",
    .set = "imagesSet",
    .list = "SELECT id FROM images ORDER BY rowid",
    .malformed = "InvalidAMIID.Malformed",
    .not_found = "InvalidAMIID.NotFound",
    .noun = "image id '[%s]'",
    .fields = fields,
    .page_min = 1,
    .page_max = 1000,
    .page_excludes_ids = true,
    .load = image_load,
    .write = write_image,
    .listed = owned,
};

bool ec2_describe_images(struct request *r)
{
    return describe(r, &image_kind);
}

/* 3 to 128 characters (EC2 API Reference, RegisterImage). */
static bool check_name(struct request *r, const char *name)
{
    size_t length = strlen(name);
    bool valid = length >= 3 && length <= 128;
    for (size_t i = 0; i < length; i++) {
        valid = valid && (isalnum((unsigned char)name[i]) || strchr("()[] ./-'@_", name[i]));
    }
    if (!valid) {
        return fail(r, 400, "InvalidAMIName.Malformed",
                    "AMI names must be between 3 and 128 characters long, and may contain letters, "
                    "numbers, '(', ')', '.', '-', '/' and '_'");
    }
    const char *other = state_value_text(
        r->state, r->arena,
        "SELECT id FROM images WHERE name = ? AND owner = ? AND deleted_ms IS NULL", "ss", name,
        r->caller.account);
    return !other || fail(r, 400, "InvalidAMIName.Duplicate",
                          "AMI name %s is already in use by AMI %s", name, other);
}

static const char *one_of(struct request *r, const char *name, const char *const *allowed)
{
    const char *value = query_get(&r->query, "%s", name);
    for (size_t i = 0; allowed[i]; i++) {
        if (!value || strcmp(value, allowed[i]) == 0) {
            return allowed[i];
        }
    }
    fail(r, 400, "InvalidParameterValue", "Value (%s) for parameter %s is invalid.", value, name);
    return NULL;
}

static bool read_numbers(struct request *r, const char *prefix, struct image_device *device)
{
    device->delete_on_termination = true;
    return optional_int(r, arena_printf(r->arena, "%s.VolumeSize", prefix), &device->size_gib) &&
           optional_int(r, arena_printf(r->arena, "%s.Iops", prefix), &device->iops) &&
           optional_int(r, arena_printf(r->arena, "%s.Throughput", prefix), &device->throughput) &&
           optional_bool(r, arena_printf(r->arena, "%s.DeleteOnTermination", prefix),
                         &device->delete_on_termination);
}

/* BlockDeviceMapping.N of RegisterImage. */
static bool read_device(struct request *r, size_t n, struct image_device *device)
{
    const char *prefix = arena_printf(r->arena, "BlockDeviceMapping.%zu.Ebs", n);
    device->device = query_get(&r->query, "BlockDeviceMapping.%zu.DeviceName", n);
    device->snapshot = query_get(&r->query, "%s.SnapshotId", prefix);
    device->type = query_get(&r->query, "%s.VolumeType", prefix);
    device->type = device->type ? device->type : "gp2";
    if (!device->device) {
        return fail(r, 400, "MissingParameter",
                    "The request must contain the parameter deviceName");
    }
    if (!read_numbers(r, prefix, device)) {
        return false;
    }
    if (!device->snapshot && !device->size_gib) {
        return fail(r, 400, "InvalidBlockDeviceMapping",
                    "Device %s has neither a snapshot nor a size", device->device);
    }
    struct volume_request volume = {.type = device->type,
                                    .snapshot = device->snapshot,
                                    .size_gib = device->size_gib,
                                    .iops = device->iops,
                                    .throughput = device->throughput};
    if (!volume_check(r, &volume)) {
        return false;
    }
    device->size_gib = volume.size_gib;
    device->iops = volume.iops;
    device->throughput = volume.throughput;
    return true;
}

static bool read_devices(struct request *r, const char *image, const char *root_device)
{
    bool has_root = false;
    struct map seen = {.arena = r->arena};
    for (size_t n = 1; query_has(&r->query, "BlockDeviceMapping.%zu", n); n++) {
        struct image_device device = {0};
        if (!read_device(r, n, &device)) {
            return false;
        }
        if (!map_put(&seen, device.device, (void *)device.device)) {
            return fail(r, 400, "InvalidBlockDeviceMapping", "Device %s is mapped twice",
                        device.device);
        }
        has_root = has_root || (strcmp(device.device, root_device) == 0 && device.snapshot);
        state_run(r->state, "INSERT INTO image_devices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                  "sdssisiid", image, (int)n, device.device, device.snapshot, device.size_gib,
                  device.type, device.iops, device.throughput, (int)device.delete_on_termination);
    }
    return has_root || fail(r, 400, "InvalidBlockDeviceMapping",
                            "A snapshot has to be mapped to the root device %s", root_device);
}

bool ec2_register_image(struct request *r)
{
    static const char *const architectures[] = {"i386", "x86_64", "arm64", NULL};
    static const char *const virtualizations[] = {"paravirtual", "hvm", NULL};
    static const char *const boot_modes[] = {"legacy-bios", "uefi", "uefi-preferred", NULL};
    static const char *const taggable[] = {"image", "snapshot", NULL};
    const char *name, *root;
    bool ena = false;
    if (!need(r, "Name", &name) || !check_name(r, name) || !need(r, "RootDeviceName", &root) ||
        !tags_check(r, taggable) || !optional_bool(r, "EnaSupport", &ena)) {
        return false;
    }
    const char *architecture = one_of(r, "Architecture", architectures);
    const char *virtualization = one_of(r, "VirtualizationType", virtualizations);
    const char *boot_mode =
        query_get(&r->query, "BootMode") ? one_of(r, "BootMode", boot_modes) : NULL;
    if (r->failure.code) {
        return false;
    }
    const char *id = new_id(r, "ami");
    const char *description = query_get(&r->query, "Description");
    if (!read_devices(r, id, root)) {
        return false;
    }
    state_run(r->state,
              "INSERT INTO images (id, created_ms, available_ms, name, description, owner, public, "
              "architecture, boot_mode, virtualization, ena, root_device) "
              "VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?)",
              "siissssssds", id, r->now_ms, r->now_ms + timing_draw(r, TIMING_IMAGE, NULL), name,
              description ? description : "", r->caller.account, architecture, boot_mode,
              virtualization, (int)ena, root);
    tags_put(r, "image", id);
    xml_put(&r->xml, "imageId", id);
    return true;
}

bool ec2_deregister_image(struct request *r)
{
    const char *id;
    struct image *image = need(r, "ImageId", &id) ? find_object(r, &image_kind, id) : NULL;
    if (!image) {
        return false;
    }
    if (strcmp(image->owner, r->caller.account) != 0) {
        return fail(r, 400, "AuthFailure", "Not authorized for image:%s", id);
    }
    state_run(r->state, "UPDATE images SET deleted_ms = ? WHERE id = ?", "is", r->now_ms, id);
    xml_bool(&r->xml, "return", true);
    return true;
}
