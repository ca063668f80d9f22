/* EC2: the objects that more than one of the ec2_*.c files works on, loaded from the state as they
 * are at the request's time. */
#ifndef DRC_SANDBOX_EC2_H
#define DRC_SANDBOX_EC2_H

#include "compiler/graph/facts.h"
#include "runtime/sandbox/resource.h"
#include "runtime/sandbox/timing.h"

/* How long things take that always take as long, by the sandbox's clock; the others: timing.def. */
enum {
    VOLUME_DELETE_MS = 2000,
    VOLUME_DETACH_MS = 3000,
    VOLUME_MODIFY_MS = 20000,
    SNAPSHOT_MS = 12000,
    INSTANCE_FORGOTTEN_MS = 3600000, /* terminated instances are shown for about an hour */
    COMMAND_PICKUP_MS = 800,
};

/* "blank", "data", "vmware", "bootable": see schemas/sandbox.sql. */
struct volume {
    struct resource resource;
    int64_t size_gib, iops, throughput, initialization_rate; /* 0: none */
    const char *type, *zone, *snapshot, *kms_key, *content, *firmware;
    bool encrypted;
    const char *state; /* creating, available, in-use, deleting */
    /* The attachment; instance NULL: none. */
    const char *instance, *device, *attach_state; /* attaching, attached, detaching */
    int64_t attach_ms;
    bool delete_on_termination;
    int64_t map;         /* of its blocks; 0: none are known */
    const char *lineage; /* as its snapshot's */
    int64_t modified_ms, original_size_gib, original_iops, original_throughput;
    const char *original_type;
};

struct snapshot {
    struct resource resource;
    const char *state, *volume, *description, *content, *firmware, *owner, *progress, *kms_key,
        *parent, *lineage;
    int64_t size_gib, completed_ms;
    int64_t map;                    /* of its blocks; 0: none are known */
    int64_t expires_ms, timeout_ms; /* while EBS direct writes it; 0: it does not */
    bool encrypted;
};

struct image_device {
    const char *device, *snapshot, *type;
    int64_t size_gib, iops, throughput;
    bool delete_on_termination;
};
struct image {
    struct resource resource;
    const char *name, *description, *owner, *architecture, *platform, *boot_mode, *virtualization,
        *root_device, *state;
    bool is_public, ena;
    struct image_device *devices;
    size_t device_count, device_capacity;
};

struct subnet_object {
    struct resource resource;
    const char *vpc, *cidr, *zone;
    uint32_t network, mask; /* host byte order */
    int64_t free_addresses;
};

struct security_group_object {
    struct resource resource;
    const char *vpc, *name, *description;
};

struct interface {
    struct resource resource;
    const char *subnet, *vpc, *zone, *instance, *attachment, *private_ip, *public_ip, *mac,
        *description, *status;
    int64_t device_index, attached_ms;
    const char *allocation, *association; /* of an elastic address; NULL */
    bool delete_on_termination;
    const char **groups, **group_names;
    size_t group_count;
};

struct instance {
    struct resource resource;
    const char *reservation, *state, *image, *type, *subnet, *vpc, *zone, *architecture, *platform,
        *boot_mode, *root_device, *key_name, *profile, *tenancy, *capacity_reservation, *token,
        *reason_code, *reason_message, *transition_reason;
    int64_t state_code, launch_index, launched_ms, transition_ms, settle_ms;
    bool is_protected, ssm;
    struct volume **volumes; /* attached ones, by attach time */
    size_t volume_count;
    struct interface **interfaces; /* by device index; none once terminated */
    size_t interface_count;
    const char *private_ip, *public_ip;
};

extern const struct resource_kind volume_kind, snapshot_kind, image_kind, instance_kind,
    interface_kind, subnet_kind, group_kind, address_kind;

void *volume_load(struct request *r, const char *id);
void *snapshot_load(struct request *r, const char *id);
void *image_load(struct request *r, const char *id);
void *instance_load(struct request *r, const char *id);
void *interface_load(struct request *r, const char *id);
void *subnet_load(struct request *r, const char *id);
void *group_load(struct request *r, const char *id);

/* What a new volume is to be. */
struct volume_request {
    const char *type, *zone, *snapshot, *kms_key; /* snapshot NULL: blank */
    int64_t size_gib;                             /* 0: the snapshot's */
    int64_t iops, throughput, initialization_rate;
    bool encrypted;
};
/* Checks it against the snapshot and EC2's limits (filling in defaults). */
bool volume_check(struct request *r, struct volume_request *wanted);
/* Makes it, attached to `instance` from attached_ms on unless NULL. */
const char *volume_make(struct request *r, const struct volume_request *wanted,
                        const char *instance, const char *device, bool delete_on_termination,
                        int64_t ready_ms);

/* Whether the instance's guest comes up: its root volume is there, boots on EC2, and its loader
 * fits the boot mode. Otherwise *why says what is wrong. */
bool instance_boots(struct request *r, const struct instance *instance, const char **why);
/* When its guest is (or was) up after its last start: its ports answer, its agent is online. */
int64_t instance_boot_ms(struct request *r, const struct instance *instance);
struct volume *instance_root_volume(const struct instance *instance);
/* By private or public address; NULL. */
struct instance *instance_by_address(struct request *r, const char *address);
void instance_write(struct request *r, const struct instance *instance);
/* What stands before the instances of a reservation; leaves instancesSet open. */
void reservation_open(struct request *r, const struct instance *instance);
/* Refuses types and zones for which a fault says that there is no capacity. */
bool capacity_check(struct request *r, const char *type, const char *zone);

/* How many volumes the instance takes, the root one counted; 0: not known. */
size_t instance_volume_limit(const struct instance *instance);

/* Addresses. False when malformed. */
bool parse_cidr(const char *text, uint32_t *network, uint32_t *mask);
bool parse_address(const char *text, uint32_t *address);
const char *address_text(struct request *r, uint32_t address);
/* A free address of the subnet: `wanted` checked, or the next one. NULL: refused. */
const char *address_choose(struct request *r, const struct subnet_object *subnet,
                           const char *wanted);
const char *public_address(struct request *r);

void interface_write(struct request *r, const struct interface *interface, bool in_instance);
void interface_write_groups(struct request *r, const struct interface *interface);

/* Injections under way on a volume fail when it leaves its instance. */
void commands_volume_detached(struct request *r, const char *volume);
void commands_instance_gone(struct request *r, const char *instance);

#endif
