/* Network interfaces and elastic addresses. */
#include <stdlib.h>
#include <string.h>

#include "runtime/sandbox/ec2.h"

static void load_groups(struct request *r, struct interface *interface)
{
    size_t group_capacity = 0, name_capacity = 0;
    struct sqlite3_stmt *rows =
        state_query(r->state,
                    "SELECT security_group, name FROM interface_groups JOIN security_groups ON "
                    "id = security_group WHERE interface = ? ORDER BY position",
                    "s", interface->resource.id);
    while (state_next(r->state, rows)) {
        size_t count = interface->group_count;
        interface->groups =
            arena_grow(r->arena, interface->groups, count, &group_capacity, sizeof(char *));
        interface->group_names =
            arena_grow(r->arena, interface->group_names, count, &name_capacity, sizeof(char *));
        interface->groups[count] = state_text(r->arena, rows, 0);
        interface->group_names[count] = state_text(r->arena, rows, 1);
        interface->group_count++;
    }
}

static void load_address(struct request *r, struct interface *interface)
{
    struct sqlite3_stmt *row = state_query(
        r->state, "SELECT id, public_ip, association FROM addresses WHERE interface = ?", "s",
        interface->resource.id);
    if (state_next(r->state, row)) {
        interface->allocation = state_text(r->arena, row, 0);
        interface->public_ip = state_text(r->arena, row, 1);
        interface->association = state_text(r->arena, row, 2);
        state_done(row);
    }
}

void *interface_load(struct request *r, const char *id)
{
    struct sqlite3_stmt *row = state_query(
        r->state,
        "SELECT interfaces.created_ms, subnet, vpc, zone, instance, device_index, attachment, "
        "private_ip, public_ip, mac, description, delete_on_termination FROM interfaces JOIN "
        "subnets "
        "ON subnets.id = subnet WHERE interfaces.id = ? AND (deleted_ms IS NULL OR deleted_ms > ?)",
        "si", id, r->now_ms);
    if (!state_next(r->state, row)) {
        return NULL;
    }
    struct interface *interface = ARENA_NEW(r->arena, struct interface);
    interface->resource.id = arena_strdup(r->arena, id);
    interface->resource.created_ms = interface->attached_ms = state_int(row, 0);
    interface->subnet = state_text(r->arena, row, 1);
    interface->vpc = state_text(r->arena, row, 2);
    interface->zone = state_text(r->arena, row, 3);
    interface->instance = state_text(r->arena, row, 4);
    interface->device_index = state_int(row, 5);
    interface->attachment = state_text(r->arena, row, 6);
    interface->private_ip = state_text(r->arena, row, 7);
    interface->public_ip = state_text(r->arena, row, 8);
    interface->mac = state_text(r->arena, row, 9);
    interface->description = state_text(r->arena, row, 10);
    interface->delete_on_termination = state_int(row, 11);
    interface->status = "in-use";
    state_done(row);
    load_groups(r, interface);
    load_address(r, interface);
    tags_load(r, &interface->resource);
    return interface;
}

static void write_association(struct request *r, const struct interface *interface)
{
    if (!interface->public_ip) {
        return;
    }
    xml_open(&r->xml, "association");
    xml_put(&r->xml, "publicIp", interface->public_ip);
    xml_put(&r->xml, "ipOwnerId", interface->allocation ? r->caller.account : "amazon");
    xml_put(&r->xml, "allocationId", interface->allocation);
    xml_put(&r->xml, "associationId", interface->association);
    xml_close(&r->xml, "association");
}

void interface_write_groups(struct request *r, const struct interface *interface)
{
    xml_open(&r->xml, "groupSet");
    for (size_t i = 0; i < interface->group_count; i++) {
        xml_open(&r->xml, "item");
        xml_put(&r->xml, "groupId", interface->groups[i]);
        xml_put(&r->xml, "groupName", interface->group_names[i]);
        xml_close(&r->xml, "item");
    }
    xml_close(&r->xml, "groupSet");
}

void interface_write(struct request *r, const struct interface *interface, bool in_instance)
{
    xml_put(&r->xml, "networkInterfaceId", interface->resource.id);
    xml_put(&r->xml, "subnetId", interface->subnet);
    xml_put(&r->xml, "vpcId", interface->vpc);
    if (!in_instance) {
        xml_put(&r->xml, "availabilityZone", interface->zone);
    }
    xml_put(&r->xml, "description", interface->description);
    xml_put(&r->xml, "ownerId", r->caller.account);
    xml_put(&r->xml, "status", interface->status);
    xml_put(&r->xml, "macAddress", interface->mac);
    xml_put(&r->xml, "privateIpAddress", interface->private_ip);
    xml_bool(&r->xml, "sourceDestCheck", true);
    interface_write_groups(r, interface);
    xml_open(&r->xml, "attachment");
    xml_put(&r->xml, "attachmentId", interface->attachment);
    if (!in_instance) {
        xml_put(&r->xml, "instanceId", interface->instance);
    }
    xml_int(&r->xml, "deviceIndex", interface->device_index);
    xml_put(&r->xml, "status", "attached");
    xml_time(&r->xml, "attachTime", interface->attached_ms);
    xml_bool(&r->xml, "deleteOnTermination", interface->delete_on_termination);
    xml_close(&r->xml, "attachment");
    write_association(r, interface);
    xml_open(&r->xml, "privateIpAddressesSet");
    xml_open(&r->xml, "item");
    xml_put(&r->xml, "privateIpAddress", interface->private_ip);
    xml_bool(&r->xml, "primary", true);
    write_association(r, interface);
    xml_close(&r->xml, "item");
    xml_close(&r->xml, "privateIpAddressesSet");
    xml_put(&r->xml, "interfaceType", "interface");
    if (!in_instance) {
        tags_write(r, &interface->resource.tags);
    }
}

static void write_listed(struct request *r, const void *object)
{
    interface_write(r, object, false);
}

static void offer_groups(const void *object, struct filter_values *values)
{
    const struct interface *interface = object;
    for (size_t i = 0; i < interface->group_count; i++) {
        filter_offer(values, interface->groups[i]);
    }
}

#define FIELD(name, type, member)                                                                  \
    {                                                                                              \
        name, FILTER_##type, offsetof(struct interface, member), NULL                              \
    }
static const struct filter_field fields[] = {
    FIELD("network-interface-id", TEXT, resource.id),
    FIELD("subnet-id", TEXT, subnet),
    FIELD("vpc-id", TEXT, vpc),
    FIELD("availability-zone", TEXT, zone),
    FIELD("status", TEXT, status),
    FIELD("private-ip-address", TEXT, private_ip),
    FIELD("addresses.private-ip-address", TEXT, private_ip),
    FIELD("association.public-ip", TEXT, public_ip),
    FIELD("association.allocation-id", TEXT, allocation),
    FIELD("association.association-id", TEXT, association),
    FIELD("attachment.instance-id", TEXT, instance),
    FIELD("attachment.attachment-id", TEXT, attachment),
    FIELD("attachment.device-index", INT, device_index),
    FIELD("attachment.delete-on-termination", BOOL, delete_on_termination),
    FIELD("description", TEXT, description),
    FIELD("mac-address", TEXT, mac),
    {"group-id", FILTER_CALL, 0, offer_groups},
    {0},
};
#undef FIELD

const struct resource_kind interface_kind = {
    .ids = "NetworkInterfaceId",
    .prefix = "eni",
    .set = "networkInterfaceSet",
    .list = "SELECT id FROM interfaces ORDER BY rowid",
    .malformed = "InvalidNetworkInterfaceID.Malformed",
    .not_found = "InvalidNetworkInterfaceID.NotFound",
    .noun = "networkInterface ID '%s'",
    .fields = fields,
    .page_min = 5,
    .page_max = 1000,
    .page_excludes_ids = true,
    .load = interface_load,
    .write = write_listed,
};

bool ec2_describe_network_interfaces(struct request *r)
{
    return describe(r, &interface_kind);
}

struct address {
    struct resource resource;
    const char *public_ip, *association, *instance, *interface, *private_ip, *domain;
};

static void *address_load(struct request *r, const char *id)
{
    struct sqlite3_stmt *row =
        state_query(r->state,
                    "SELECT addresses.created_ms, addresses.public_ip, association, "
                    "addresses.instance, interface, "
                    "private_ip FROM addresses LEFT JOIN interfaces ON interfaces.id = interface "
                    "WHERE addresses.id = ?",
                    "s", id);
    if (!state_next(r->state, row)) {
        return NULL;
    }
    struct address *address = ARENA_NEW(r->arena, struct address);
    address->resource.id = arena_strdup(r->arena, id);
    address->resource.created_ms = state_int(row, 0);
    address->public_ip = state_text(r->arena, row, 1);
    address->association = state_text(r->arena, row, 2);
    address->instance = state_text(r->arena, row, 3);
    address->interface = state_text(r->arena, row, 4);
    address->private_ip = state_text(r->arena, row, 5);
    address->domain = "vpc";
    state_done(row);
    tags_load(r, &address->resource);
    return address;
}

static void write_address(struct request *r, const void *object)
{
    const struct address *address = object;
    xml_put(&r->xml, "publicIp", address->public_ip);
    xml_put(&r->xml, "allocationId", address->resource.id);
    xml_put(&r->xml, "domain", address->domain);
    xml_put(&r->xml, "associationId", address->association);
    xml_put(&r->xml, "instanceId", address->instance);
    xml_put(&r->xml, "networkInterfaceId", address->interface);
    xml_put(&r->xml, "privateIpAddress", address->private_ip);
    xml_put(&r->xml, "networkBorderGroup", r->region);
    tags_write(r, &address->resource.tags);
}

static const struct filter_field address_fields[] = {
    {"allocation-id", FILTER_TEXT, offsetof(struct address, resource.id), NULL},
    {"association-id", FILTER_TEXT, offsetof(struct address, association), NULL},
    {"domain", FILTER_TEXT, offsetof(struct address, domain), NULL},
    {"instance-id", FILTER_TEXT, offsetof(struct address, instance), NULL},
    {"network-interface-id", FILTER_TEXT, offsetof(struct address, interface), NULL},
    {"private-ip-address", FILTER_TEXT, offsetof(struct address, private_ip), NULL},
    {"public-ip", FILTER_TEXT, offsetof(struct address, public_ip), NULL},
    {0},
};
const struct resource_kind address_kind = {
    .ids = "AllocationId",
    .prefix = "eipalloc",
    .set = "addressesSet",
    .list = "SELECT id FROM addresses ORDER BY rowid",
    .malformed = "InvalidAllocationID.NotFound",
    .not_found = "InvalidAllocationID.NotFound",
    .noun = "allocation ID '%s'",
    .fields = address_fields,
    .load = address_load,
    .write = write_address,
};

bool ec2_describe_addresses(struct request *r)
{
    return describe(r, &address_kind);
}

static struct interface *chosen_interface(struct request *r)
{
    const char *interface_id = query_get(&r->query, "NetworkInterfaceId");
    const char *instance_id = query_get(&r->query, "InstanceId");
    if (interface_id) {
        return find_object(r, &interface_kind, interface_id);
    }
    if (!instance_id) {
        fail(r, 400, "MissingParameter",
             "Either 'InstanceId' or 'NetworkInterfaceId' must be specified");
        return NULL;
    }
    struct instance *instance = find_object(r, &instance_kind, instance_id);
    if (!instance) {
        return NULL;
    }
    bool usable = strcmp(instance->state, "running") == 0 ||
                  strcmp(instance->state, "stopped") == 0 ||
                  strcmp(instance->state, "stopping") == 0;
    if (!usable || !instance->interface_count) {
        fail(r, 400, "IncorrectInstanceState",
             "The instance '%s' is not in a valid state for this operation.", instance_id);
        return NULL;
    }
    if (instance->interface_count > 1) {
        fail(r, 400, "InvalidInstanceID",
             "There are multiple interfaces attached to instance '%s'. Please specify an interface "
             "ID "
             "for the operation instead.",
             instance_id);
        return NULL;
    }
    return instance->interfaces[0];
}

static bool check_association(struct request *r, const struct address *address,
                              const struct interface *interface)
{
    bool again = false;
    if (!optional_bool(r, "AllowReassociation", &again)) {
        return false;
    }
    bool elsewhere = address->interface && strcmp(address->interface, interface->resource.id) != 0;
    bool forbidden = query_get(&r->query, "AllowReassociation") && !again;
    if (elsewhere && forbidden) {
        return fail(r, 400, "Resource.AlreadyAssociated",
                    "resource %s is already associated with associate-id %s", address->resource.id,
                    address->association);
    }
    return true;
}

bool ec2_associate_address(struct request *r)
{
    const char *allocation;
    struct address *address =
        need(r, "AllocationId", &allocation) ? find_object(r, &address_kind, allocation) : NULL;
    struct interface *interface = address ? chosen_interface(r) : NULL;
    if (!interface || !check_association(r, address, interface)) {
        return false;
    }
    bool same = address->interface && strcmp(address->interface, interface->resource.id) == 0;
    const char *association = same ? address->association : new_id(r, "eipassoc");
    state_run(r->state,
              "UPDATE addresses SET association = NULL, instance = NULL, interface = NULL "
              "WHERE interface = ?",
              "s", interface->resource.id);
    state_run(r->state, "UPDATE interfaces SET public_ip = NULL WHERE id = ?", "s",
              interface->resource.id);
    state_run(r->state,
              "UPDATE addresses SET association = ?, instance = ?, interface = ? WHERE id = ?",
              "ssss", association, interface->instance, interface->resource.id, allocation);
    xml_bool(&r->xml, "return", true);
    xml_put(&r->xml, "associationId", association);
    return true;
}

bool ec2_disassociate_address(struct request *r)
{
    const char *association;
    if (!need(r, "AssociationId", &association)) {
        return false;
    }
    if (!state_value(r->state, 0, "SELECT 1 FROM addresses WHERE association = ?", "s",
                     association)) {
        return fail(r, 400, "InvalidAssociationID.NotFound",
                    "The association ID '%s' does not exist", association);
    }
    state_run(r->state,
              "UPDATE addresses SET association = NULL, instance = NULL, interface = NULL "
              "WHERE association = ?",
              "s", association);
    xml_bool(&r->xml, "return", true);
    return true;
}
