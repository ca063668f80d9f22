#include "runtime/aws/site_facts.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_writer.h"
#include "runtime/aws/describe.h"

static const char *kept(struct site_facts *site, const char *text)
{
    return text ? one_line(site->arena, text, strlen(text), 512) : NULL;
}

static int64_t number(const char *text)
{
    return text && strlen(text) < 18 ? strtoll(text, NULL, 10) : 0;
}

/* Values of one filter: at most 200 (EC2 API Reference), each once. */
enum { FILTER_VALUES_MAX = 200 };

struct filter {
    struct form form;
    struct map values;
    size_t count;
    const char *operation, *extra, *name;
    bool paged;
    void (*page)(void *context, const struct aws_answer *answer);
};

static struct filter filter_begin(struct site_facts *site, const char *operation, const char *name)
{
    return (struct filter){.values = {.arena = site->arena}, .operation = operation, .name = name};
}

static void filter_send(struct site_facts *site, struct filter *filter)
{
    if (filter->count > 0) {
        asks_add_form(site->asks, filter->operation, &filter->form, filter->paged, filter->page,
                      site);
        filter->count = 0;
    }
}

static void filter_add(struct site_facts *site, struct filter *filter, const char *value)
{
    if (!value || !map_put(&filter->values, value, filter)) {
        return;
    }
    if (filter->count == 0) {
        form_begin(&filter->form, AWS_SERVICE_EC2, filter->operation);
        buffer_puts(&filter->form.body, filter->extra ? filter->extra : "");
        form_add(&filter->form, filter->name, "Filter.1.Name");
    }
    form_add(&filter->form, value, "Filter.1.Value.%zu", ++filter->count);
    if (filter->count == FILTER_VALUES_MAX) {
        filter_send(site, filter);
    }
}

/* ---- Instance types ---- */

static bool has_item(const struct xml *parent, const char *path, const char *text)
{
    for (const struct xml *item = xml_first(parent, path); item; item = item->next) {
        if (strcmp(item->text, text) == 0) {
            return true;
        }
    }
    return false;
}

/* What EC2 does not tell, the catalogue knows. */
static void fill_attachments(struct fact_instance_type *type, const struct xml *from)
{
    const struct fact_instance_type *known = catalogue_type(type->name);
    const char *limit = xml_text(from, "ebsInfo/attachmentLimitType");
    type->max_volumes = (int)number(xml_text(from, "ebsInfo/maximumEbsAttachments"));
    type->shared_attachments =
        limit ? strcmp(limit, "shared") == 0 : known && known->shared_attachments;
    if (type->max_volumes <= 0) {
        type->max_volumes = known ? known->max_volumes : 27;
    }
}

static void see_type(struct site_facts *site, const struct xml *from)
{
    const char *name = xml_text(from, "instanceType");
    if (!name) {
        return;
    }
    struct fact_instance_type *type = ARENA_NEW(site->arena, struct fact_instance_type);
    type->name = kept(site, name);
    map_put(&site->facts->instance_types, type->name, type);
    type->vcpus = number(xml_text(from, "vCpuInfo/defaultVCpus"));
    type->memory_mib = number(xml_text(from, "memoryInfo/sizeInMiB"));
    bool x86_64 = has_item(from, "processorInfo/supportedArchitectures", "x86_64");
    type->arch = x86_64 ? "x86_64" : "arm64";
    type->bios = has_item(from, "supportedBootModes", "legacy-bios");
    type->uefi = has_item(from, "supportedBootModes", "uefi");
    type->max_cards = (int)number(xml_text(from, "networkInfo/maximumNetworkInterfaces"));
    fill_attachments(type, from);
}

/* Sorted, so that equal facts are equal bytes whatever the order of the answer. */
static void add_zone(struct site_facts *site, struct fact_instance_type *type, const char *zone)
{
    const char **zones = ARENA_ARRAY(site->arena, const char *, type->zone_count + 1);
    size_t at = 0;
    while (at < type->zone_count && strcmp(type->zones[at], zone) < 0) {
        zones[at] = type->zones[at];
        at++;
    }
    zones[at] = kept(site, zone);
    for (size_t i = at; i < type->zone_count; i++) {
        zones[i + 1] = type->zones[i];
    }
    type->zones = zones;
    type->zone_count++;
}

static void on_offerings(void *context, const struct aws_answer *answer)
{
    struct site_facts *site = context;
    const struct xml *item = xml_first(answer->xml, "instanceTypeOfferingSet");
    for (; item; item = item->next) {
        const char *name = xml_text(item, "instanceType"), *zone = xml_text(item, "location");
        struct fact_instance_type *type = name ? map_get(&site->facts->instance_types, name) : NULL;
        if (type && zone) {
            add_zone(site, type, zone);
        }
    }
}

/* Where the types of a page are offered is asked for by their names. */
static void on_types(void *context, const struct aws_answer *answer)
{
    struct site_facts *site = context;
    struct filter offerings = filter_begin(site, "DescribeInstanceTypeOfferings", "instance-type");
    offerings.page = on_offerings;
    offerings.extra = "&MaxResults=1000&LocationType=availability-zone";
    offerings.paged = true;
    const struct xml *item = xml_first(answer->xml, "instanceTypeSet");
    for (; item; item = item->next) {
        see_type(site, item);
        filter_add(site, &offerings, kept(site, xml_text(item, "instanceType")));
    }
    filter_send(site, &offerings);
}

static void ask_types(struct site_facts *site)
{
    const struct plan *plan = site->plan;
    struct filter types = filter_begin(site, "DescribeInstanceTypes", "instance-type");
    types.page = on_types;
    types.extra = "&MaxResults=100";
    types.paged = true;
    for (size_t i = 0; i < plan->vm_count; i++) {
        const struct plan_vm *vm = &plan->vms[i];
        const struct texts *names = vm->type_auto ? &vm->instance_families : &vm->instance_types;
        for (size_t j = 0; j < names->count; j++) {
            const char *name = names->items[j].value;
            filter_add(site, &types,
                       vm->type_auto ? arena_printf(site->arena, "%s.*", name) : name);
        }
    }
    filter_send(site, &types);
}

/* ---- Images ---- */

struct image_wanted { /* the plan's text, and the id that it stands for */
    struct site_facts *site;
    const char *text;
};

static void see_image(struct image_wanted *wanted, const struct xml *from)
{
    struct site_facts *site = wanted->site;
    struct fact_image *image = ARENA_NEW(site->arena, struct fact_image);
    const char *platform = xml_text(from, "platform");
    const char *mode = xml_text(from, "bootMode");
    image->id = kept(site, xml_text(from, "imageId"));
    image->root_device = kept(site, xml_text(from, "rootDeviceName"));
    image->os = platform && strcmp(platform, "windows") == 0 ? "windows" : "linux";
    image->arch = kept(site, xml_text(from, "architecture"));
    /* Without one, the types decide: Intel and AMD boot by BIOS, Graviton by UEFI (EC2 User Guide,
     * "Instance launch behavior with EC2 boot modes"). */
    bool arm = image->arch && strcmp(image->arch, "arm64") == 0;
    image->boot_mode = mode ? kept(site, mode) : arm ? "uefi" : "legacy-bios";
    map_put(&site->facts->images, wanted->text, image);
}

static void on_image(void *context, const struct aws_answer *answer)
{
    const struct xml *image = xml_first(answer->xml, "imagesSet");
    if (xml_text(image, "imageId")) {
        see_image(context, image);
    }
}

static void ask_image(struct image_wanted *wanted, const char *id)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "DescribeImages");
    form_filter(&form, 1, "image-id", id);
    asks_add_form(wanted->site->asks, "DescribeImages", &form, false, on_image, wanted);
}

static void on_parameter(void *context, const struct aws_answer *answer)
{
    struct image_wanted *wanted = context;
    const char *id =
        json_text(cJSON_GetObjectItemCaseSensitive(answer->json, "Parameter"), "Value");
    if (id) {
        ask_image(wanted, kept(wanted->site, id));
    }
}

/* An image that is not there is left out. */
static bool no_such_parameter(void *context, const struct aws_answer *answer)
{
    (void)context;
    return answer->error.code && strcmp(answer->error.code, "ParameterNotFound") == 0;
}

static void ask_parameter(struct image_wanted *wanted, const char *name)
{
    struct buffer body = {0};
    struct json_writer json = json_writer(&body, 0);
    json_begin_object(&json);
    json_key_string(&json, "Name", name);
    json_end_object(&json);
    struct question question = {.service = AWS_SERVICE_SSM,
                                .operation = "GetParameter",
                                .body = buffer_text(&body),
                                .bucket = BUCKET_SSM_READ,
                                .page = on_parameter,
                                .refused = no_such_parameter,
                                .context = wanted};
    asks_add(wanted->site->asks, &question);
    buffer_free(&body);
}

static void ask_images(struct site_facts *site)
{
    const struct text texts[] = {site->plan->aws.image_bios, site->plan->aws.image_uefi,
                                 site->plan->aws.image_windows};
    struct map asked = {.arena = site->arena};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *text = texts[i].value;
        if (!text || !map_put(&asked, text, site)) {
            continue;
        }
        struct image_wanted *wanted = ARENA_NEW(site->arena, struct image_wanted);
        *wanted = (struct image_wanted){site, text};
        if (strncmp(text, "ssm:", 4) == 0) {
            ask_parameter(wanted, text + 4);
        } else {
            ask_image(wanted, text);
        }
    }
}

/* ---- Subnets ---- */

static void on_subnets(void *context, const struct aws_answer *answer)
{
    struct site_facts *site = context;
    const struct xml *item = xml_first(answer->xml, "subnetSet");
    for (; item; item = item->next) {
        struct fact_subnet *subnet = ARENA_NEW(site->arena, struct fact_subnet);
        subnet->id = kept(site, xml_text(item, "subnetId"));
        subnet->zone = kept(site, xml_text(item, "availabilityZone"));
        subnet->cidr = kept(site, xml_text(item, "cidrBlock"));
        subnet->vpc = kept(site, xml_text(item, "vpcId"));
        if (subnet->id) {
            map_put(&site->facts->subnets, subnet->id, subnet);
        }
    }
}

static void ask_subnets(struct site_facts *site)
{
    const struct network *network = &site->plan->networks[site->network];
    struct filter subnets = filter_begin(site, "DescribeSubnets", "subnet-id");
    subnets.page = on_subnets;
    subnets.paged = true;
    for (size_t i = 0; i < network->subnet_count; i++) {
        filter_add(site, &subnets, network->subnets[i].id.value);
    }
    filter_send(site, &subnets);
}

/* ---- Conversion instances ---- */

/* Devices from /dev/sdp down to /dev/sdf until the first that is taken: injection uses them in this
 * order, because people attach their own volumes from /dev/sdf upwards. */
static int free_slots(const struct xml *instance)
{
    enum { FIRST = 'f', LAST = 'p' };
    bool taken[LAST + 1] = {false};
    const struct xml *item = xml_first(instance, "blockDeviceMapping");
    for (; item; item = item->next) {
        const char *name = xml_text(item, "deviceName");
        bool data = name && (strncmp(name, "/dev/sd", 7) == 0 || strncmp(name, "/dev/xvd", 8) == 0);
        unsigned char letter = data ? (unsigned char)name[strlen(name) - 1] : 0;
        if (letter >= FIRST && letter <= LAST) {
            taken[letter] = true;
        }
    }
    int slots = 0;
    while (slots <= LAST - FIRST && !taken[LAST - slots]) {
        slots++;
    }
    return slots;
}

static int cpus_of(const struct xml *instance)
{
    int64_t cores = number(xml_text(instance, "cpuOptions/coreCount"));
    int64_t threads = number(xml_text(instance, "cpuOptions/threadsPerCore"));
    const char *type = xml_text(instance, "instanceType");
    const struct fact_instance_type *known = type ? catalogue_type(type) : NULL;
    if (cores > 0 && cores < 4096 && threads > 0 && threads < 16) {
        return (int)(cores * threads);
    }
    return known ? (int)known->vcpus : 2;
}

static void see_conversion(void *context, const struct xml *instance)
{
    struct site_facts *site = context;
    struct fact_conversion *conversion = ARENA_NEW(site->arena, struct fact_conversion);
    conversion->id = kept(site, xml_text(instance, "instanceId"));
    conversion->zone = kept(site, xml_text(instance, "placement/availabilityZone"));
    conversion->state = kept(site, xml_text(instance, "instanceState/name"));
    conversion->cpus = cpus_of(instance);
    conversion->slots = free_slots(instance);
    if (conversion->id) {
        map_put(&site->facts->conversions, conversion->id, conversion);
    }
}

static void on_conversions(void *context, const struct aws_answer *answer)
{
    describe_each(answer->xml, NULL, true, see_conversion, context);
}

void site_facts_ask_conversions(struct site_facts *site)
{
    struct filter instances = filter_begin(site, "DescribeInstances", "instance-id");
    instances.page = on_conversions;
    instances.paged = true;
    for (size_t i = 0; i < site->plan->aws.conversion_count; i++) {
        filter_add(site, &instances, site->plan->aws.conversions[i].id.value);
    }
    filter_send(site, &instances);
}

void site_facts_ask(struct site_facts *site)
{
    ask_types(site);
    ask_images(site);
    ask_subnets(site);
    site_facts_ask_conversions(site);
}
