/* RunInstances: everything is checked before anything is made. */
#include <stdlib.h>
#include <string.h>

#include "runtime/sandbox/ec2.h"

enum { CARDS_MAX = 16, DEVICES_MAX = 40, GROUPS_MAX = 16, COUNT_MAX = 100 };

struct card_request {
    struct subnet_object *subnet;
    const char *private_ip, *description;
    int64_t device_index;
    bool wants_public, delete_on_termination;
    struct texts_list groups;
};

struct device_request {
    const char *device;
    struct volume_request volume;
    bool delete_on_termination, omitted;
};

struct launch {
    struct image *image;
    const struct fact_instance_type *type;
    struct card_request cards[CARDS_MAX];
    size_t card_count;
    struct device_request devices[DEVICES_MAX];
    size_t device_count;
    const char *key_name, *profile, *tenancy, *zone, *reservation_id, *boot_mode;
    int64_t count;
    bool is_protected;
};

/* resolve:ssm:PARAMETER stands for the image that the parameter names. */
static const char *resolve_image(struct request *r, const char *id)
{
    static const char prefix[] = "resolve:ssm:";
    if (strncmp(id, prefix, sizeof prefix - 1) != 0) {
        return id;
    }
    const char *value =
        state_value_text(r->state, r->arena, "SELECT value FROM parameters WHERE name = ?", "s",
                         id + sizeof prefix - 1);
    if (!value) {
        fail(r, 400, "InvalidParameterValue",
             "The parameter '%s' does not exist in SSM or cannot be resolved",
             id + sizeof prefix - 1);
    }
    return value;
}

static bool read_image(struct request *r, struct launch *launch)
{
    const char *id = NULL;
    if (!need(r, "ImageId", &id) || !(id = resolve_image(r, id))) {
        return false;
    }
    launch->image = find_object(r, &image_kind, id);
    if (launch->image && strcmp(launch->image->state, "available") != 0) {
        return fail(r, 400, "InvalidAMIID.Unavailable", "The image ID '%s' is not available", id);
    }
    return launch->image != NULL;
}

/* The boot mode that the instance gets from image and type (EC2 User Guide, "Boot modes"). */
static const char *boot_mode_of(const struct image *image, const struct fact_instance_type *type)
{
    const char *mode = image->boot_mode;
    if (!mode) {
        return strcmp(type->arch, "arm64") == 0 ? "uefi" : "legacy-bios";
    }
    return strcmp(mode, "uefi-preferred") == 0 ? (type->uefi ? "uefi" : "legacy-bios") : mode;
}

static bool check_fit(struct request *r, struct launch *launch)
{
    const struct image *image = launch->image;
    const struct fact_instance_type *type = launch->type;
    if (strcmp(image->architecture, type->arch) != 0) {
        return fail(
            r, 400, "InvalidParameterValue",
            "The architecture '%s' of the specified instance type does not match the "
            "architecture '%s' of the specified AMI. Specify an instance type and an AMI that "
            "have matching architectures, and try again.",
            type->arch, image->architecture);
    }
    launch->boot_mode = boot_mode_of(image, type);
    bool uefi = strcmp(launch->boot_mode, "uefi") == 0;
    if (uefi ? !type->uefi : !type->bios) {
        return fail(r, 400, "Unsupported",
                    "The instance type '%s' does not support the AMI's boot mode '%s'.", type->name,
                    launch->boot_mode);
    }
    if (strcmp(image->virtualization, "hvm") != 0) {
        return fail(r, 400, "InvalidParameterCombination",
                    "The instance type '%s' does not support the virtualization type '%s'.",
                    type->name, image->virtualization);
    }
    return image->ena ||
           fail(r, 400, "InvalidParameterCombination",
                "Enhanced networking with the Elastic Network Adapter (ENA) is required "
                "for the '%s' instance type. Ensure that you are using an AMI that is "
                "enabled for ENA.",
                type->name);
}

static bool read_type(struct request *r, struct launch *launch)
{
    const char *name = query_get(&r->query, "InstanceType");
    name = name ? name : "m1.small";
    launch->type = catalogue_type(name);
    if (!launch->type) {
        return fail(r, 400, "InvalidParameterValue", "Invalid value '%s' for InstanceType.", name);
    }
    return check_fit(r, launch);
}

static bool check_groups(struct request *r, struct card_request *card)
{
    if (card->groups.count > GROUPS_MAX) {
        return fail(r, 400, "SecurityGroupsPerInterfaceLimitExceeded",
                    "The maximum number of security groups per interface has been reached.");
    }
    for (size_t i = 0; i < card->groups.count; i++) {
        struct security_group_object *group = find_object(r, &group_kind, card->groups.items[i]);
        if (!group) {
            return false;
        }
        if (strcmp(group->vpc, card->subnet->vpc) != 0) {
            return fail(r, 400, "InvalidParameter",
                        "Security group %s and subnet %s belong to different networks.",
                        group->resource.id, card->subnet->resource.id);
        }
    }
    return true;
}

/* Without any, an interface gets the VPC's own group. */
static void default_groups(struct request *r, struct card_request *card)
{
    if (!card->groups.count) {
        const char *group = state_value_text(
            r->state, r->arena, "SELECT id FROM security_groups WHERE vpc = ? AND name = 'default'",
            "s", card->subnet->vpc);
        card->groups.items = ARENA_ARRAY(r->arena, const char *, 1);
        card->groups.items[0] = group;
        card->groups.count = group != NULL;
    }
}

static bool check_card(struct request *r, struct launch *launch, struct card_request *card,
                       const char *subnet_id)
{
    if (!subnet_id) {
        return fail(r, 400, "MissingInput",
                    "No subnets found for the default VPC. Please specify a subnet.");
    }
    card->subnet = find_object(r, &subnet_kind, subnet_id);
    if (!card->subnet || !check_groups(r, card)) {
        return false;
    }
    default_groups(r, card);
    if (launch->zone && strcmp(launch->zone, card->subnet->zone) != 0) {
        return fail(r, 400, "InvalidParameterValue",
                    "The subnet %s is in the zone %s, other than %s", subnet_id, card->subnet->zone,
                    launch->zone);
    }
    launch->zone = card->subnet->zone;
    if (card->private_ip && launch->count > 1) {
        return fail(r, 400, "InvalidParameterCombination",
                    "The parameter PrivateIpAddress cannot be used when several instances are "
                    "launched");
    }
    return !card->private_ip || address_choose(r, card->subnet, card->private_ip);
}

static bool read_interface(struct request *r, struct launch *launch, size_t n)
{
    const char *prefix = arena_printf(r->arena, "NetworkInterface.%zu", n);
    struct card_request *card = &launch->cards[launch->card_count++];
    card->delete_on_termination = true;
    card->device_index = -1;
    card->private_ip = query_get(&r->query, "%s.PrivateIpAddress", prefix);
    card->description = query_get(&r->query, "%s.Description", prefix);
    card->groups = query_list(&r->query, "%s.SecurityGroupId", prefix);
    if (query_get(&r->query, "%s.NetworkInterfaceId", prefix)) {
        return fail(r, 400, "UnsupportedOperation",
                    "The sandbox attaches no existing network interfaces at launch");
    }
    if (!optional_int(r, arena_printf(r->arena, "%s.DeviceIndex", prefix), &card->device_index) ||
        !optional_bool(r, arena_printf(r->arena, "%s.AssociatePublicIpAddress", prefix),
                       &card->wants_public) ||
        !optional_bool(r, arena_printf(r->arena, "%s.DeleteOnTermination", prefix),
                       &card->delete_on_termination)) {
        return false;
    }
    if (card->device_index < 0) {
        return fail(r, 400, "InvalidParameterValue",
                    "Each network interface requires a device index.");
    }
    return check_card(r, launch, card, query_get(&r->query, "%s.SubnetId", prefix));
}

static bool check_indexes(struct request *r, const struct launch *launch)
{
    for (size_t i = 0; i < launch->card_count; i++) {
        bool found = false;
        for (size_t j = 0; j < launch->card_count; j++) {
            found = found || launch->cards[j].device_index == (int64_t)i;
            if (i != j && launch->cards[i].private_ip && launch->cards[j].private_ip &&
                strcmp(launch->cards[i].private_ip, launch->cards[j].private_ip) == 0) {
                return fail(r, 400, "InvalidIPAddress.InUse", "Address %s is in use.",
                            launch->cards[i].private_ip);
            }
        }
        if (!found) {
            return fail(r, 400, "InvalidParameterValue",
                        "Network interfaces need the device indexes 0 to %zu, each once",
                        launch->card_count - 1);
        }
        if (launch->cards[i].wants_public && launch->card_count > 1) {
            return fail(r, 400, "InvalidParameterCombination",
                        "The associatePublicIPAddress parameter cannot be specified when launching "
                        "with multiple network interfaces.");
        }
    }
    return true;
}

static bool read_cards(struct request *r, struct launch *launch)
{
    bool interfaces = query_has(&r->query, "NetworkInterface");
    if (interfaces &&
        (query_has(&r->query, "SecurityGroupId") || query_has(&r->query, "SubnetId") ||
         query_has(&r->query, "PrivateIpAddress"))) {
        return fail(
            r, 400, "InvalidParameterCombination",
            "Network interfaces and an instance-level subnet ID, security groups or private "
            "address may not be specified on the same request");
    }
    if (!interfaces) {
        struct card_request *card = &launch->cards[launch->card_count++];
        card->delete_on_termination = true;
        card->private_ip = query_get(&r->query, "PrivateIpAddress");
        card->groups = query_list(&r->query, "SecurityGroupId");
        return check_card(r, launch, card, query_get(&r->query, "SubnetId"));
    }
    for (size_t n = 1; query_has(&r->query, "NetworkInterface.%zu", n); n++) {
        if (n > CARDS_MAX || n > (size_t)launch->type->max_cards) {
            return fail(r, 400, "AttachmentLimitExceeded",
                        "Interface count %zu exceeds the limit for %s", n, launch->type->name);
        }
        if (!read_interface(r, launch, n)) {
            return false;
        }
    }
    return check_indexes(r, launch);
}

static struct device_request *device_named(struct launch *launch, const char *device)
{
    for (size_t i = 0; i < launch->device_count; i++) {
        if (strcmp(launch->devices[i].device, device) == 0) {
            return &launch->devices[i];
        }
    }
    if (launch->device_count == DEVICES_MAX) {
        return NULL;
    }
    struct device_request *added = &launch->devices[launch->device_count++];
    *added = (struct device_request){.device = device, .delete_on_termination = true};
    return added;
}

static void devices_of_image(struct launch *launch)
{
    for (size_t i = 0; i < launch->image->device_count; i++) {
        const struct image_device *mapped = &launch->image->devices[i];
        struct device_request *device = device_named(launch, mapped->device);
        if (device) {
            device->volume = (struct volume_request){.type = mapped->type,
                                                     .snapshot = mapped->snapshot,
                                                     .size_gib = mapped->size_gib,
                                                     .iops = mapped->iops,
                                                     .throughput = mapped->throughput};
            device->delete_on_termination = mapped->delete_on_termination;
        }
    }
}

/* BlockDeviceMapping.N overrides what the image maps there, or adds to it. */
static bool read_device(struct request *r, struct launch *launch, size_t n)
{
    const char *prefix = arena_printf(r->arena, "BlockDeviceMapping.%zu.Ebs", n);
    const char *name = query_get(&r->query, "BlockDeviceMapping.%zu.DeviceName", n);
    struct device_request *device = name ? device_named(launch, name) : NULL;
    if (!device) {
        return name ? fail(r, 400, "InvalidBlockDeviceMapping", "Too many devices")
                    : fail(r, 400, "MissingParameter",
                           "The request must contain the parameter deviceName");
    }
    if (query_get(&r->query, "BlockDeviceMapping.%zu.NoDevice", n)) {
        device->omitted = true;
        return true;
    }
    const char *type = query_get(&r->query, "%s.VolumeType", prefix);
    const char *snapshot = query_get(&r->query, "%s.SnapshotId", prefix);
    struct volume_request *volume = &device->volume;
    if (type && (!volume->type || strcmp(type, volume->type) != 0)) {
        volume->iops = volume->throughput = 0;
    }
    volume->type = type ? type : volume->type ? volume->type : "gp2";
    if (snapshot) {
        volume->snapshot = snapshot;
        volume->size_gib = 0;
    }
    volume->kms_key = query_get(&r->query, "%s.KmsKeyId", prefix);
    return optional_int(r, arena_printf(r->arena, "%s.VolumeSize", prefix), &volume->size_gib) &&
           optional_int(r, arena_printf(r->arena, "%s.Iops", prefix), &volume->iops) &&
           optional_int(r, arena_printf(r->arena, "%s.Throughput", prefix), &volume->throughput) &&
           optional_int(r, arena_printf(r->arena, "%s.VolumeInitializationRate", prefix),
                        &volume->initialization_rate) &&
           optional_bool(r, arena_printf(r->arena, "%s.Encrypted", prefix), &volume->encrypted) &&
           optional_bool(r, arena_printf(r->arena, "%s.DeleteOnTermination", prefix),
                         &device->delete_on_termination);
}

static bool read_devices(struct request *r, struct launch *launch)
{
    devices_of_image(launch);
    for (size_t n = 1; query_has(&r->query, "BlockDeviceMapping.%zu", n); n++) {
        if (!read_device(r, launch, n)) {
            return false;
        }
    }
    for (size_t i = 0; i < launch->device_count; i++) {
        struct device_request *device = &launch->devices[i];
        device->volume.zone = launch->zone;
        if (device->omitted && strcmp(device->device, launch->image->root_device) == 0) {
            return fail(r, 400, "InvalidBlockDeviceMapping", "The root device cannot be left out");
        }
        if (!device->omitted && !volume_check(r, &device->volume)) {
            return false;
        }
    }
    return true;
}

static bool read_profile(struct request *r, struct launch *launch)
{
    const char *name = query_get(&r->query, "IamInstanceProfile.Name");
    const char *arn = query_get(&r->query, "IamInstanceProfile.Arn");
    const char *slash = arn ? strrchr(arn, '/') : NULL;
    launch->profile = name ? name : slash ? slash + 1 : arn;
    if (launch->profile &&
        !state_value(r->state, 0, "SELECT 1 FROM instance_profiles WHERE name = ?", "s",
                     launch->profile)) {
        return fail(r, 400, "InvalidParameterValue",
                    "Value (%s) for parameter iamInstanceProfile.name is invalid. Invalid IAM "
                    "Instance Profile name",
                    launch->profile);
    }
    return true;
}

static bool read_placement(struct request *r, struct launch *launch)
{
    static const char target[] =
        "CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId";
    launch->tenancy = query_get(&r->query, "Placement.Tenancy");
    launch->tenancy = launch->tenancy ? launch->tenancy : "default";
    launch->zone = query_get(&r->query, "Placement.AvailabilityZone");
    launch->reservation_id = query_get(&r->query, "%s", target);
    if (strcmp(launch->tenancy, "default") != 0 && strcmp(launch->tenancy, "dedicated") != 0 &&
        strcmp(launch->tenancy, "host") != 0) {
        return fail(r, 400, "InvalidParameterValue", "Value (%s) for parameter tenancy is invalid.",
                    launch->tenancy);
    }
    if (launch->reservation_id &&
        !state_value(r->state, 0, "SELECT 1 FROM capacity_reservations WHERE id = ?", "s",
                     launch->reservation_id)) {
        return fail(r, 400, "InvalidCapacityReservationId.NotFound",
                    "The capacity reservation '%s' does not exist", launch->reservation_id);
    }
    return true;
}

static bool read_key(struct request *r, struct launch *launch)
{
    launch->key_name = query_get(&r->query, "KeyName");
    return !launch->key_name ||
           state_value(r->state, 0, "SELECT 1 FROM key_pairs WHERE name = ?", "s",
                       launch->key_name) ||
           fail(r, 400, "InvalidKeyPair.NotFound", "The key pair '%s' does not exist",
                launch->key_name);
}

static bool read_count(struct request *r, struct launch *launch)
{
    int64_t least = 0, most = 0;
    const char *text;
    if (!need(r, "MinCount", &text) || !need(r, "MaxCount", &text) ||
        !optional_int(r, "MinCount", &least) || !optional_int(r, "MaxCount", &most)) {
        return false;
    }
    if (least < 1 || most < least || least > COUNT_MAX) {
        return fail(r, 400, "InvalidParameterValue",
                    "Value (%lld) for parameter minCount is invalid: 1 to maxCount, at most %d",
                    (long long)least, COUNT_MAX);
    }
    launch->count = most > COUNT_MAX ? COUNT_MAX : most;
    return true;
}

static void make_interface(struct request *r, const struct card_request *card, const char *instance)
{
    const char *id = new_id(r, "eni");
    const char *address = address_choose(r, card->subnet, card->private_ip);
    uint64_t mac = draw(r);
    if (!address) {
        return;
    }
    state_run(r->state,
              "INSERT INTO interfaces (id, created_ms, subnet, instance, device_index, attachment, "
              "private_ip, public_ip, wants_public, mac, description, delete_on_termination) "
              "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
              "sississsdssd", id, r->now_ms, card->subnet->resource.id, instance,
              card->device_index, new_id(r, "eni-attach"), address,
              card->wants_public ? public_address(r) : NULL, (int)card->wants_public,
              arena_printf(r->arena, "02:%02x:%02x:%02x:%02x:%02x", (unsigned)mac & 255,
                           (unsigned)(mac >> 8) & 255, (unsigned)(mac >> 16) & 255,
                           (unsigned)(mac >> 24) & 255, (unsigned)(mac >> 32) & 255),
              card->description ? card->description : "", (int)card->delete_on_termination);
    for (size_t i = 0; i < card->groups.count; i++) {
        state_run(r->state, "INSERT INTO interface_groups VALUES (?, ?, ?)", "sds", id, (int)i,
                  card->groups.items[i]);
    }
    tags_put(r, "network-interface", id);
}

static void make_instance(struct request *r, const struct launch *launch, const char *reservation,
                          int64_t index)
{
    const char *id = new_id(r, "i");
    int64_t running_ms = r->now_ms + timing_draw(r, TIMING_PENDING, NULL);
    const struct card_request *primary = &launch->cards[0];
    for (size_t i = 0; i < launch->card_count; i++) {
        primary = launch->cards[i].device_index == 0 ? &launch->cards[i] : primary;
        make_interface(r, &launch->cards[i], id);
    }
    state_run(
        r->state,
        "INSERT INTO instances (id, created_ms, reservation, launch_index, launched_ms, "
        "transition, transition_ms, settle_ms, image, type, subnet, vpc, zone, architecture, "
        "platform, boot_mode, root_device, key_name, profile, tenancy, capacity_reservation, "
        "token, protected, ssm) VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "?, ?, ?, ?, ?, ?, ?, ?)",
        "sisiiiissssssssssssssdd", id, r->now_ms, reservation, index, r->now_ms, r->now_ms,
        running_ms, launch->image->resource.id, launch->type->name, primary->subnet->resource.id,
        primary->subnet->vpc, launch->zone, launch->type->arch, launch->image->platform,
        launch->boot_mode, launch->image->root_device, launch->key_name, launch->profile,
        launch->tenancy, launch->reservation_id, query_get(&r->query, "ClientToken"),
        (int)launch->is_protected, (int)(launch->profile != NULL));
    tags_put(r, "instance", id);
    for (size_t i = 0; i < launch->device_count; i++) {
        const struct device_request *device = &launch->devices[i];
        if (!device->omitted) {
            tags_put(r, "volume",
                     volume_make(r, &device->volume, id, device->device,
                                 device->delete_on_termination,
                                 r->now_ms + timing_draw(r, TIMING_VOLUME_ATTACH, NULL)));
        }
    }
}

/* The reservation's instances as they are now. */
static void write_reservation(struct request *r, const char *reservation)
{
    struct objects ids = {0};
    struct sqlite3_stmt *rows = state_query(
        r->state, "SELECT id FROM instances WHERE reservation = ? ORDER BY launch_index", "s",
        reservation);
    while (state_next(r->state, rows)) {
        objects_add(r->arena, &ids, (void *)state_text(r->arena, rows, 0));
    }
    for (size_t i = 0; i < ids.count; i++) {
        struct instance *instance = instance_load(r, ids.items[i]);
        if (!instance) {
            continue;
        }
        if (i == 0) {
            reservation_open(r, instance);
        }
        xml_open(&r->xml, "item");
        instance_write(r, instance);
        xml_close(&r->xml, "item");
    }
    if (r->xml.depth && strcmp(r->xml.open[r->xml.depth - 1], "instancesSet") == 0) {
        xml_close(&r->xml, "instancesSet");
    }
}

static bool check_repeated(struct request *r, const char *reservation)
{
    int64_t alive = state_value(
        r->state, 0,
        "SELECT count(*) FROM instances WHERE reservation = ? AND transition != 'shutting-down'",
        "s", reservation);
    return alive > 0 || fail(r, 400, "IdempotentInstanceTerminated",
                             "The client token you have provided is associated with a terminated "
                             "instance. Please use a different client token.");
}

bool ec2_run_instances(struct request *r)
{
    static const char *const taggable[] = {"instance", "volume", "network-interface", NULL};
    struct launch *launch = ARENA_NEW(r->arena, struct launch);
    const char *reservation = NULL;
    if (!tags_check(r, taggable) || !token_check(r, &reservation)) {
        return false;
    }
    if (reservation) {
        if (!check_repeated(r, reservation)) {
            return false;
        }
        write_reservation(r, reservation);
        return true;
    }
    if (!read_count(r, launch) || !read_image(r, launch) || !read_type(r, launch) ||
        !read_placement(r, launch) || !read_cards(r, launch) || !read_devices(r, launch) ||
        !read_key(r, launch) || !read_profile(r, launch) ||
        !optional_bool(r, "DisableApiTermination", &launch->is_protected) ||
        !capacity_check(r, launch->type->name, launch->zone)) {
        return false;
    }
    reservation = new_id(r, "r");
    for (int64_t i = 0; i < launch->count && !r->failure.code; i++) {
        make_instance(r, launch, reservation, i);
    }
    if (r->failure.code) {
        return false;
    }
    token_keep(r, reservation);
    write_reservation(r, reservation);
    return true;
}
