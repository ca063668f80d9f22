/* Networks: VPCs, subnets, security groups, addresses of both kinds, network interfaces, zones. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sandbox/ec2.h"

bool parse_address(const char *text, uint32_t *address)
{
    struct in_addr parsed;
    if (inet_pton(AF_INET, text, &parsed) != 1) {
        return false;
    }
    *address = ntohl(parsed.s_addr);
    return true;
}

bool parse_cidr(const char *text, uint32_t *network, uint32_t *mask)
{
    char address[16];
    const char *slash = strchr(text, '/');
    int64_t bits = -1;
    if (!slash || slash - text >= (long)sizeof address || !parse_int(slash + 1, &bits) ||
        bits < 0 || bits > 32) {
        return false;
    }
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    *mask = bits ? ~(uint32_t)0 << (32 - bits) : 0;
    if (!parse_address(address, network)) {
        return false;
    }
    *network &= *mask;
    return true;
}

const char *address_text(struct request *r, uint32_t address)
{
    return arena_printf(r->arena, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
                        address >> 8 & 255, address & 255);
}

static bool address_in_use(struct request *r, const char *subnet, const char *address)
{
    return state_value(r->state, 0,
                       "SELECT 1 FROM interfaces WHERE private_ip = ? AND subnet = ? AND "
                       "(deleted_ms IS NULL OR deleted_ms > ?)",
                       "ssi", address, subnet, r->now_ms);
}

/* AWS keeps the first four addresses of a subnet and the last. */
static bool is_reserved(const struct subnet_object *subnet, uint32_t address)
{
    uint32_t host = address & ~subnet->mask;
    return host < 4 || host == ~subnet->mask;
}

static const char *check_wanted(struct request *r, const struct subnet_object *subnet,
                                const char *wanted)
{
    uint32_t address = 0;
    if (!parse_address(wanted, &address)) {
        fail(r, 400, "InvalidParameterValue",
             "Value (%s) for parameter privateIpAddress is invalid. Invalid IP address.", wanted);
    } else if ((address & subnet->mask) != subnet->network) {
        fail(r, 400, "InvalidParameterValue",
             "Address %s does not fall within the subnet's address range", wanted);
    } else if (is_reserved(subnet, address)) {
        fail(r, 400, "InvalidParameterValue", "Address %s is in subnet's reserved address range",
             wanted);
    } else if (address_in_use(r, subnet->resource.id, wanted)) {
        fail(r, 400, "InvalidIPAddress.InUse", "Address %s is in use.", wanted);
    } else {
        return wanted;
    }
    return NULL;
}

const char *address_choose(struct request *r, const struct subnet_object *subnet,
                           const char *wanted)
{
    if (wanted) {
        return check_wanted(r, subnet, wanted);
    }
    /* Somewhere in the subnet, as EC2 does, then the next ones. */
    uint32_t size = ~subnet->mask;
    uint32_t start = size > 8 ? (uint32_t)draw_between(r, 4, size - 1) : 4;
    for (uint32_t i = 0; i < size && i < 70000; i++) {
        uint32_t address = subnet->network | ((start + i) % (size ? size : 1));
        const char *text = address_text(r, address);
        if (!is_reserved(subnet, address) && !address_in_use(r, subnet->resource.id, text)) {
            return text;
        }
    }
    fail(r, 400, "InsufficientFreeAddressesInSubnet",
         "The specified subnet does not have enough free addresses to satisfy the request.");
    return NULL;
}

/* 198.18.0.0/15 is for tests (RFC 2544) and nobody's. */
const char *public_address(struct request *r)
{
    int64_t next = state_setting_int(r->state, "public_addresses", 10);
    state_set_int(r->state, "public_addresses", next + 1);
    return address_text(r, (198u << 24 | 18u << 16) + (uint32_t)(next % 131000));
}

struct vpc {
    struct resource resource;
    const char *cidr, *state, *owner;
    bool is_default;
};

static void *vpc_load(struct request *r, const char *id)
{
    struct sqlite3_stmt *row =
        state_query(r->state, "SELECT created_ms, cidr FROM vpcs WHERE id = ?", "s", id);
    if (!state_next(r->state, row)) {
        return NULL;
    }
    struct vpc *vpc = ARENA_NEW(r->arena, struct vpc);
    vpc->resource.id = arena_strdup(r->arena, id);
    vpc->resource.created_ms = state_int(row, 0);
    vpc->cidr = state_text(r->arena, row, 1);
    vpc->state = "available";
    vpc->owner = r->caller.account;
    state_done(row);
    tags_load(r, &vpc->resource);
    return vpc;
}

static void write_vpc(struct request *r, const void *object)
{
    const struct vpc *vpc = object;
    xml_put(&r->xml, "vpcId", vpc->resource.id);
    xml_put(&r->xml, "ownerId", vpc->owner);
    xml_put(&r->xml, "state", vpc->state);
    xml_put(&r->xml, "cidrBlock", vpc->cidr);
    xml_put(&r->xml, "instanceTenancy", "default");
    xml_bool(&r->xml, "isDefault", false);
    tags_write(r, &vpc->resource.tags);
}

bool ec2_describe_vpcs(struct request *r)
{
    static const struct filter_field fields[] = {
        {"vpc-id", FILTER_TEXT, offsetof(struct vpc, resource.id), NULL},
        {"state", FILTER_TEXT, offsetof(struct vpc, state), NULL},
        {"cidr", FILTER_TEXT, offsetof(struct vpc, cidr), NULL},
        {"cidr-block-association.cidr-block", FILTER_TEXT, offsetof(struct vpc, cidr), NULL},
        {"owner-id", FILTER_TEXT, offsetof(struct vpc, owner), NULL},
        {"is-default", FILTER_BOOL, offsetof(struct vpc, is_default), NULL},
        {0},
    };
    static const struct resource_kind kind = {
        .ids = "VpcId",
        .prefix = "vpc",
        .set = "vpcSet",
        .list = "SELECT id FROM vpcs ORDER BY rowid",
        .malformed = "InvalidVpcID.Malformed",
        .not_found = "InvalidVpcID.NotFound",
        .noun = "vpc ID '%s'",
        .fields = fields,
        .page_min = 5,
        .page_max = 1000,
        .page_excludes_ids = true,
        .load = vpc_load,
        .write = write_vpc,
    };
    return describe(r, &kind);
}

/* In a sandbox nothing is peered, and VPCs have no routes but their own. */
bool ec2_describe_peerings(struct request *r)
{
    xml_open(&r->xml, "vpcPeeringConnectionSet");
    xml_close(&r->xml, "vpcPeeringConnectionSet");
    return true;
}

bool ec2_describe_route_tables(struct request *r)
{
    xml_open(&r->xml, "routeTableSet");
    xml_close(&r->xml, "routeTableSet");
    return true;
}

void *subnet_load(struct request *r, const char *id)
{
    struct sqlite3_stmt *row = state_query(
        r->state, "SELECT created_ms, vpc, cidr, zone FROM subnets WHERE id = ?", "s", id);
    if (!state_next(r->state, row)) {
        return NULL;
    }
    struct subnet_object *subnet = ARENA_NEW(r->arena, struct subnet_object);
    subnet->resource.id = arena_strdup(r->arena, id);
    subnet->resource.created_ms = state_int(row, 0);
    subnet->vpc = state_text(r->arena, row, 1);
    subnet->cidr = state_text(r->arena, row, 2);
    subnet->zone = state_text(r->arena, row, 3);
    state_done(row);
    parse_cidr(subnet->cidr, &subnet->network, &subnet->mask);
    int64_t used = state_value(r->state, 0,
                               "SELECT count(*) FROM interfaces WHERE subnet = ? AND "
                               "(deleted_ms IS NULL OR deleted_ms > ?)",
                               "si", id, r->now_ms);
    subnet->free_addresses = (int64_t)~subnet->mask + 1 - 5 - used;
    tags_load(r, &subnet->resource);
    return subnet;
}

static void write_subnet(struct request *r, const void *object)
{
    const struct subnet_object *subnet = object;
    xml_put(&r->xml, "subnetId", subnet->resource.id);
    xml_put(&r->xml, "subnetArn",
            arena_printf(r->arena, "arn:aws:ec2:%s:%s:subnet/%s", r->region, r->caller.account,
                         subnet->resource.id));
    xml_put(&r->xml, "state", "available");
    xml_put(&r->xml, "ownerId", r->caller.account);
    xml_put(&r->xml, "vpcId", subnet->vpc);
    xml_put(&r->xml, "cidrBlock", subnet->cidr);
    xml_int(&r->xml, "availableIpAddressCount", subnet->free_addresses);
    xml_put(&r->xml, "availabilityZone", subnet->zone);
    xml_bool(&r->xml, "defaultForAz", false);
    xml_bool(&r->xml, "mapPublicIpOnLaunch", false);
    tags_write(r, &subnet->resource.tags);
}

static const struct filter_field subnet_fields[] = {
    {"subnet-id", FILTER_TEXT, offsetof(struct subnet_object, resource.id), NULL},
    {"vpc-id", FILTER_TEXT, offsetof(struct subnet_object, vpc), NULL},
    {"cidr-block", FILTER_TEXT, offsetof(struct subnet_object, cidr), NULL},
    {"cidr", FILTER_TEXT, offsetof(struct subnet_object, cidr), NULL},
    {"availability-zone", FILTER_TEXT, offsetof(struct subnet_object, zone), NULL},
    {"availabilityZone", FILTER_TEXT, offsetof(struct subnet_object, zone), NULL},
    {"available-ip-address-count", FILTER_INT, offsetof(struct subnet_object, free_addresses),
     NULL},
    {0},
};
const struct resource_kind subnet_kind = {
    .ids = "SubnetId",
    .prefix = "subnet",
    .set = "subnetSet",
    .list = "SELECT id FROM subnets ORDER BY rowid",
    .malformed = "InvalidSubnetID.Malformed",
    .not_found = "InvalidSubnetID.NotFound",
    .noun = "subnet ID '%s'",
    .fields = subnet_fields,
    .page_min = 5,
    .page_max = 1000,
    .page_excludes_ids = true,
    .load = subnet_load,
    .write = write_subnet,
};

bool ec2_describe_subnets(struct request *r)
{
    return describe(r, &subnet_kind);
}

void *group_load(struct request *r, const char *id)
{
    struct sqlite3_stmt *row = state_query(
        r->state, "SELECT created_ms, vpc, name, description FROM security_groups WHERE id = ?",
        "s", id);
    if (!state_next(r->state, row)) {
        return NULL;
    }
    struct security_group_object *group = ARENA_NEW(r->arena, struct security_group_object);
    group->resource.id = arena_strdup(r->arena, id);
    group->resource.created_ms = state_int(row, 0);
    group->vpc = state_text(r->arena, row, 1);
    group->name = state_text(r->arena, row, 2);
    group->description = state_text(r->arena, row, 3);
    state_done(row);
    tags_load(r, &group->resource);
    return group;
}

static void write_group(struct request *r, const void *object)
{
    const struct security_group_object *group = object;
    xml_put(&r->xml, "groupId", group->resource.id);
    xml_put(&r->xml, "groupName", group->name);
    xml_put(&r->xml, "groupDescription", group->description);
    xml_put(&r->xml, "ownerId", r->caller.account);
    xml_put(&r->xml, "vpcId", group->vpc);
    xml_open(&r->xml, "ipPermissions");
    xml_close(&r->xml, "ipPermissions");
    xml_open(&r->xml, "ipPermissionsEgress");
    xml_close(&r->xml, "ipPermissionsEgress");
    tags_write(r, &group->resource.tags);
}

static const struct filter_field group_fields[] = {
    {"group-id", FILTER_TEXT, offsetof(struct security_group_object, resource.id), NULL},
    {"group-name", FILTER_TEXT, offsetof(struct security_group_object, name), NULL},
    {"vpc-id", FILTER_TEXT, offsetof(struct security_group_object, vpc), NULL},
    {"description", FILTER_TEXT, offsetof(struct security_group_object, description), NULL},
    {0},
};
const struct resource_kind group_kind = {
    .ids = "GroupId",
    .prefix = "sg",
    .set = "securityGroupInfo",
    .list = "SELECT id FROM security_groups ORDER BY rowid",
    .malformed = "InvalidGroupId.Malformed",
    .not_found = "InvalidGroup.NotFound",
    .noun = "security group '%s'",
    .fields = group_fields,
    .page_min = 5,
    .page_max = 1000,
    .page_excludes_ids = true,
    .load = group_load,
    .write = write_group,
};

bool ec2_describe_security_groups(struct request *r)
{
    return describe(r, &group_kind);
}

struct key_pair {
    struct resource resource; /* id is the name */
    const char *key_id;
};

static void *key_load(struct request *r, const char *name)
{
    struct sqlite3_stmt *row =
        state_query(r->state, "SELECT id, created_ms FROM key_pairs WHERE name = ?", "s", name);
    if (!state_next(r->state, row)) {
        return NULL;
    }
    struct key_pair *key = ARENA_NEW(r->arena, struct key_pair);
    key->resource.id = arena_strdup(r->arena, name);
    key->key_id = state_text(r->arena, row, 0);
    key->resource.created_ms = state_int(row, 1);
    state_done(row);
    return key;
}

static void write_key(struct request *r, const void *object)
{
    const struct key_pair *key = object;
    xml_put(&r->xml, "keyPairId", key->key_id);
    xml_put(&r->xml, "keyName", key->resource.id);
    xml_put(&r->xml, "keyType", "ed25519");
    xml_put(
        &r->xml, "keyFingerprint",
        arena_printf(r->arena, "%016llx", (unsigned long long)mix_text(r->seed, key->resource.id)));
    xml_time(&r->xml, "createTime", key->resource.created_ms);
}

bool ec2_describe_key_pairs(struct request *r)
{
    static const struct filter_field fields[] = {
        {"key-name", FILTER_TEXT, offsetof(struct key_pair, resource.id), NULL},
        {"key-pair-id", FILTER_TEXT, offsetof(struct key_pair, key_id), NULL},
        {0},
    };
    static const struct resource_kind kind = {
        .ids = "KeyName",
        .set = "keySet",
        .list = "SELECT name FROM key_pairs ORDER BY rowid",
        .malformed = "InvalidKeyPair.NotFound",
        .not_found = "InvalidKeyPair.NotFound",
        .noun = "key pair '%s'",
        .fields = fields,
        .load = key_load,
        .write = write_key,
    };
    return describe(r, &kind);
}

struct zone_object {
    struct resource resource; /* id is the name */
    const char *region, *state;
};

static void *hosted_zone_load(struct request *r, const char *name)
{
    size_t length = strlen(r->region);
    bool built_in = strncmp(name, r->region, length) == 0 && name[length] >= 'a' &&
                    name[length] <= 'c' && !name[length + 1];
    if (!built_in &&
        !state_value(r->state, 0, "SELECT 1 FROM subnets WHERE zone = ? LIMIT 1", "s", name)) {
        return NULL;
    }
    struct zone_object *zone = ARENA_NEW(r->arena, struct zone_object);
    zone->resource.id = arena_strdup(r->arena, name);
    zone->region = r->region;
    zone->state = "available";
    return zone;
}

static void write_zone(struct request *r, const void *object)
{
    const struct zone_object *zone = object;
    const char *name = zone->resource.id;
    xml_put(&r->xml, "zoneName", name);
    xml_put(&r->xml, "zoneState", zone->state);
    xml_put(&r->xml, "regionName", zone->region);
    xml_put(&r->xml, "zoneId",
            arena_printf(r->arena, "sbx1-az%d", name[strlen(name) - 1] - 'a' + 1));
    xml_put(&r->xml, "zoneType", "availability-zone");
    xml_put(&r->xml, "optInStatus", "opt-in-not-required");
    xml_put(&r->xml, "groupName", zone->region);
    xml_put(&r->xml, "networkBorderGroup", zone->region);
}

bool ec2_describe_availability_zones(struct request *r)
{
    static const struct filter_field fields[] = {
        {"zone-name", FILTER_TEXT, offsetof(struct zone_object, resource.id), NULL},
        {"region-name", FILTER_TEXT, offsetof(struct zone_object, region), NULL},
        {"state", FILTER_TEXT, offsetof(struct zone_object, state), NULL},
        {0},
    };
    struct resource_kind kind = {
        .ids = "ZoneName",
        .set = "availabilityZoneInfo",
        .malformed = "InvalidParameterValue",
        .not_found = "InvalidParameterValue",
        .noun = "availability zone '%s'",
        .fields = fields,
        .load = hosted_zone_load,
        .write = write_zone,
    };
    kind.list =
        "SELECT value || suffix FROM settings, (SELECT 'a' AS suffix UNION SELECT 'b' UNION "
        "SELECT 'c') WHERE name = 'region' UNION SELECT zone FROM subnets ORDER BY 1";
    return describe(r, &kind);
}

bool ec2_describe_regions(struct request *r)
{
    xml_open(&r->xml, "regionInfo");
    xml_open(&r->xml, "item");
    xml_put(&r->xml, "regionName", r->region);
    xml_put(&r->xml, "regionEndpoint", arena_printf(r->arena, "ec2.%s.amazonaws.com", r->region));
    xml_put(&r->xml, "optInStatus", "opt-in-not-required");
    xml_close(&r->xml, "item");
    xml_close(&r->xml, "regionInfo");
    return true;
}
