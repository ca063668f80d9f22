/* Instance types and where they are offered, from the compiler's catalogue. */
#include <string.h>

#include "runtime/sandbox/ec2.h"

struct type_object {
    struct resource resource; /* id is the name */
    const struct fact_instance_type *info;
    int64_t vcpus, memory_mib;
    const char *arch;
    bool current, metal;
};

static void *type_load(struct request *r, const char *name)
{
    const struct fact_instance_type *info = catalogue_type(name);
    if (!info) {
        return NULL;
    }
    struct type_object *type = ARENA_NEW(r->arena, struct type_object);
    type->resource.id = info->name;
    type->info = info;
    type->vcpus = info->vcpus;
    type->memory_mib = info->memory_mib;
    type->arch = info->arch;
    type->current = true;
    type->metal = strstr(info->name, ".metal") != NULL;
    return type;
}

static void write_list(struct request *r, const char *element, const char *const *items)
{
    xml_open(&r->xml, element);
    for (; *items; items++) {
        xml_put(&r->xml, "item", *items);
    }
    xml_close(&r->xml, element);
}

static void write_sizes(struct request *r, const struct fact_instance_type *info)
{
    xml_open(&r->xml, "processorInfo");
    write_list(r, "supportedArchitectures", (const char *const[]){info->arch, NULL});
    xml_close(&r->xml, "processorInfo");
    xml_open(&r->xml, "vCpuInfo");
    xml_int(&r->xml, "defaultVCpus", info->vcpus);
    xml_close(&r->xml, "vCpuInfo");
    xml_open(&r->xml, "memoryInfo");
    xml_int(&r->xml, "sizeInMiB", info->memory_mib);
    xml_close(&r->xml, "memoryInfo");
    xml_open(&r->xml, "ebsInfo");
    xml_put(&r->xml, "ebsOptimizedSupport", "default");
    xml_put(&r->xml, "encryptionSupport", "supported");
    xml_put(&r->xml, "nvmeSupport", "required");
    xml_int(&r->xml, "maximumEbsAttachments", info->max_volumes);
    xml_put(&r->xml, "attachmentLimitType", info->shared_attachments ? "shared" : "dedicated");
    xml_close(&r->xml, "ebsInfo");
    xml_open(&r->xml, "networkInfo");
    xml_int(&r->xml, "maximumNetworkInterfaces", info->max_cards);
    xml_put(&r->xml, "enaSupport", "required");
    xml_close(&r->xml, "networkInfo");
}

static void write_type(struct request *r, const void *object)
{
    const struct type_object *type = object;
    const struct fact_instance_type *info = type->info;
    const char *modes[3] = {0};
    size_t count = 0;
    if (info->bios) {
        modes[count++] = "legacy-bios";
    }
    if (info->uefi) {
        modes[count++] = "uefi";
    }
    xml_put(&r->xml, "instanceType", info->name);
    xml_bool(&r->xml, "currentGeneration", type->current);
    xml_bool(&r->xml, "bareMetal", type->metal);
    xml_put(&r->xml, "hypervisor", type->metal ? NULL : "nitro");
    write_list(r, "supportedUsageClasses", (const char *const[]){"on-demand", NULL});
    write_list(r, "supportedRootDeviceTypes", (const char *const[]){"ebs", NULL});
    write_list(r, "supportedVirtualizationTypes", (const char *const[]){"hvm", NULL});
    write_sizes(r, info);
    write_list(r, "supportedBootModes", modes);
}

static void offer_modes(const void *object, struct filter_values *values)
{
    const struct type_object *type = object;
    filter_offer(values, type->info->bios ? "legacy-bios" : NULL);
    filter_offer(values, type->info->uefi ? "uefi" : NULL);
}

static const struct filter_field type_fields[] = {
    {"instance-type", FILTER_TEXT, offsetof(struct type_object, resource.id), NULL},
    {"vcpu-info.default-vcpus", FILTER_INT, offsetof(struct type_object, vcpus), NULL},
    {"memory-info.size-in-mib", FILTER_INT, offsetof(struct type_object, memory_mib), NULL},
    {"processor-info.supported-architecture", FILTER_TEXT, offsetof(struct type_object, arch),
     NULL},
    {"current-generation", FILTER_BOOL, offsetof(struct type_object, current), NULL},
    {"bare-metal", FILTER_BOOL, offsetof(struct type_object, metal), NULL},
    {"supported-boot-mode", FILTER_CALL, 0, offer_modes},
    {0},
};

static const struct resource_kind type_kind = {
    .ids = "InstanceType",
    .set = "instanceTypeSet",
    .fields = type_fields,
    .page_min = 5,
    .page_max = 100,
    .load = type_load,
    .write = write_type,
};

bool ec2_describe_instance_types(struct request *r)
{
    struct filters *filters = NULL;
    struct objects found = {0};
    const char *next = NULL;
    struct texts_list names = query_list(&r->query, "InstanceType");
    if (names.count > 100) {
        return fail(r, 400, "InvalidParameterValue",
                    "The request names more than 100 instance types");
    }
    if (names.count && query_get(&r->query, "MaxResults")) {
        return fail(r, 400, "InvalidParameterCombination",
                    "The parameter InstanceTypes cannot be used with the parameter MaxResults");
    }
    if (!filters_parse(r, type_fields, &filters)) {
        return false;
    }
    size_t count = names.count ? names.count : catalogue_count();
    for (size_t i = 0; i < count; i++) {
        const char *name = names.count ? names.items[i] : catalogue_at(i)->name;
        struct type_object *type = type_load(r, name);
        if (!type) {
            return fail(r, 400, "InvalidInstanceType",
                        "The following supplied instance types do not exist: [%s]", name);
        }
        if (filters_match(filters, &type->resource)) {
            objects_add(r->arena, &found, type);
        }
    }
    if (!page_objects(r, &type_kind, &found, &next)) {
        return false;
    }
    xml_open(&r->xml, "instanceTypeSet");
    for (size_t i = 0; i < found.count; i++) {
        xml_open(&r->xml, "item");
        write_type(r, found.items[i]);
        xml_close(&r->xml, "item");
    }
    xml_close(&r->xml, "instanceTypeSet");
    xml_put(&r->xml, "nextToken", next);
    return true;
}

struct offering {
    struct resource resource; /* id "TYPE@LOCATION" */
    const char *type, *location, *location_type;
};

static const struct filter_field offering_fields[] = {
    {"instance-type", FILTER_TEXT, offsetof(struct offering, type), NULL},
    {"location", FILTER_TEXT, offsetof(struct offering, location), NULL},
    {0},
};
static const struct resource_kind offering_kind = {
    .ids = "NoId",
    .page_min = 5,
    .page_max = 1000,
};

static void add_offering(struct request *r, const struct filters *filters, const char *type,
                         const char *location, const char *location_type, struct objects *found)
{
    struct offering *offering = ARENA_NEW(r->arena, struct offering);
    offering->resource.id = arena_printf(r->arena, "%s@%s", type, location);
    offering->type = type;
    offering->location = location;
    offering->location_type = location_type;
    if (filters_match(filters, &offering->resource)) {
        objects_add(r->arena, found, offering);
    }
}

/* Zones of the subnets, and a to c of the region; `offered:TYPE/ZONE` -1 in faults takes one away.
 */
static void add_zones(struct request *r, struct objects *zones)
{
    for (int letter = 'a'; letter <= 'c'; letter++) {
        objects_add(r->arena, zones, arena_printf(r->arena, "%s%c", r->region, letter));
    }
    struct sqlite3_stmt *rows = state_query(
        r->state, "SELECT DISTINCT zone FROM subnets WHERE zone NOT GLOB ? ORDER BY zone", "s",
        arena_printf(r->arena, "%s[abc]", r->region));
    while (state_next(r->state, rows)) {
        objects_add(r->arena, zones, (void *)state_text(r->arena, rows, 0));
    }
}

bool ec2_describe_instance_type_offerings(struct request *r)
{
    struct filters *filters = NULL;
    struct objects found = {0}, places = {0};
    const char *next = NULL;
    const char *kind = query_get(&r->query, "LocationType");
    kind = kind ? kind : "region";
    if (strcmp(kind, "availability-zone") == 0) {
        add_zones(r, &places);
    } else if (strcmp(kind, "region") == 0) {
        objects_add(r->arena, &places, (void *)r->region);
    } else {
        return fail(r, 400, "InvalidParameterValue",
                    "Value (%s) for parameter LocationType is invalid: region or availability-zone "
                    "in the sandbox",
                    kind);
    }
    if (!filters_parse(r, offering_fields, &filters)) {
        return false;
    }
    for (size_t i = 0; i < catalogue_count(); i++) {
        for (size_t p = 0; p < places.count; p++) {
            if (fault(r, "offered:%s/%s", catalogue_at(i)->name, (char *)places.items[p]) >= 0) {
                add_offering(r, filters, catalogue_at(i)->name, places.items[p], kind, &found);
            }
        }
    }
    if (!page_objects(r, &offering_kind, &found, &next)) {
        return false;
    }
    xml_open(&r->xml, "instanceTypeOfferingSet");
    for (size_t i = 0; i < found.count; i++) {
        const struct offering *offering = found.items[i];
        xml_open(&r->xml, "item");
        xml_put(&r->xml, "instanceType", offering->type);
        xml_put(&r->xml, "locationType", offering->location_type);
        xml_put(&r->xml, "location", offering->location);
        xml_close(&r->xml, "item");
    }
    xml_close(&r->xml, "instanceTypeOfferingSet");
    xml_put(&r->xml, "nextToken", next);
    return true;
}
