/* ModifyVolume, and how far it is. */
#include <string.h>

#include "runtime/sandbox/ec2.h"

static void write_modification(struct request *r, const struct volume *volume)
{
    bool done = r->now_ms >= volume->modified_ms + VOLUME_MODIFY_MS;
    xml_put(&r->xml, "volumeId", volume->resource.id);
    xml_put(&r->xml, "modificationState", done ? "completed" : "modifying");
    xml_int(&r->xml, "targetSize", volume->size_gib);
    xml_put(&r->xml, "targetVolumeType", volume->type);
    xml_int(&r->xml, "targetIops", volume->iops);
    xml_int(&r->xml, "targetThroughput", volume->throughput);
    xml_int(&r->xml, "originalSize", volume->original_size_gib);
    xml_put(&r->xml, "originalVolumeType", volume->original_type);
    xml_int(&r->xml, "originalIops", volume->original_iops);
    xml_int(&r->xml, "originalThroughput", volume->original_throughput);
    xml_int(&r->xml, "progress", done ? 100 : 0);
    xml_time(&r->xml, "startTime", volume->modified_ms);
    if (done) {
        xml_time(&r->xml, "endTime", volume->modified_ms + VOLUME_MODIFY_MS);
    }
}

bool ec2_modify_volume(struct request *r)
{
    const char *id;
    struct volume *volume = need(r, "VolumeId", &id) ? find_object(r, &volume_kind, id) : NULL;
    if (!volume) {
        return false;
    }
    if (volume->modified_ms && r->now_ms < volume->modified_ms + VOLUME_MODIFY_MS) {
        return fail(r, 400, "IncorrectModificationState", "Volume %s is already being modified",
                    id);
    }
    struct volume_request wanted = {.type = query_get(&r->query, "VolumeType"),
                                    .size_gib = volume->size_gib};
    wanted.type = wanted.type ? wanted.type : volume->type;
    if (strcmp(wanted.type, volume->type) == 0) {
        wanted.iops = volume->iops;
        wanted.throughput = volume->throughput;
    }
    if (!optional_int(r, "Size", &wanted.size_gib) || !optional_int(r, "Iops", &wanted.iops) ||
        !optional_int(r, "Throughput", &wanted.throughput)) {
        return false;
    }
    if (wanted.size_gib < volume->size_gib) {
        return fail(r, 400, "InvalidParameterValue",
                    "New size cannot be smaller than existing size");
    }
    if (!volume_check(r, &wanted)) {
        return false;
    }
    state_run(r->state,
              "UPDATE volumes SET modified_ms = ?, original_size_gib = size_gib, "
              "original_type = type, original_iops = iops, original_throughput = throughput, "
              "size_gib = ?, type = ?, iops = ?, throughput = ? WHERE id = ?",
              "iisiis", r->now_ms, wanted.size_gib, wanted.type, wanted.iops, wanted.throughput,
              id);
    xml_open(&r->xml, "volumeModification");
    write_modification(r, volume_load(r, id));
    xml_close(&r->xml, "volumeModification");
    return true;
}

static void write_modification_item(struct request *r, const void *object)
{
    write_modification(r, object);
}

static bool was_modified(struct request *r, const void *object)
{
    (void)r;
    return ((const struct volume *)object)->modified_ms != 0;
}

bool ec2_describe_volumes_modifications(struct request *r)
{
    struct resource_kind kind = volume_kind;
    kind.set = "volumeModificationSet";
    kind.write = write_modification_item;
    kind.listed = was_modified;
    kind.page_max = 500;
    return describe(r, &kind);
}
