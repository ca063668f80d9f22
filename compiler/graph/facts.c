#include "compiler/graph/facts.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/base/sha256.h"

const char *fact_whole_reason(const char *word)
{
    static const char *const reasons[][2] = {
        {"first", "there is no copy yet"},
        {"map-missing", "the repository does not know what the last copy holds"},
        {"snapshot-gone", "the snapshot of the last copy is gone"},
        {"key-changed", "the KMS key has changed"},
        {"unencrypted-parent", "the last copy is not encrypted, and new ones are to be"},
        {"disk-shrank", "the disk is smaller than its last copy"},
    };
    for (size_t i = 0; word && i < sizeof reasons / sizeof *reasons; i++) {
        if (strcmp(reasons[i][0], word) == 0) {
            return reasons[i][1];
        }
    }
    return NULL;
}

struct facts *facts_create(struct arena *arena)
{
    struct facts *facts = ARENA_NEW(arena, struct facts);
    facts->vms = (struct map){.arena = arena};
    facts->instance_types = (struct map){.arena = arena};
    facts->images = (struct map){.arena = arena};
    facts->subnets = (struct map){.arena = arena};
    facts->conversions = (struct map){.arena = arena};
    facts->bindings = (struct map){.arena = arena};
    facts->durations = (struct map){.arena = arena};
    facts->blocks = (struct map){.arena = arena};
    return facts;
}

static void write_disk(struct json_writer *json, const struct fact_disk *disk)
{
    json_begin_object(json);
    if (disk->bytes > 0) {
        json_key_int(json, "bytes", disk->bytes);
    }
    json_key_int(json, "size_gib", disk->size_gib);
    json_key_string(json, "controller", disk->controller);
    if (disk->bootable) {
        json_key_bool(json, "bootable", true);
    }
    json_key_string(json, "whole", disk->whole);
    json_end_object(json);
}

static void write_vm(struct json_writer *json, const void *value)
{
    const struct fact_vm *vm = value;
    json_begin_object(json);
    if (vm->cpus > 0) {
        json_key_int(json, "cpus", vm->cpus);
    }
    if (vm->memory_mib > 0) {
        json_key_int(json, "memory_mib", vm->memory_mib);
    }
    json_key_string(json, "firmware", vm->firmware);
    json_key_string(json, "os", vm->os);
    json_key_string(json, "arch", vm->arch);
    json_key_string(json, "guest_id", vm->guest_id);
    json_key(json, "disks");
    json_begin_array(json);
    for (size_t i = 0; i < vm->disk_count; i++) {
        write_disk(json, &vm->disks[i]);
    }
    json_end_array(json);
    if (vm->copied) {
        json_key_bool(json, "copied", true);
    }
    if (vm->excess > 0) {
        json_key_int(json, "excess", vm->excess);
    }
    json_end_object(json);
}

static void write_instance_type(struct json_writer *json, const void *value)
{
    const struct fact_instance_type *type = value;
    json_begin_object(json);
    json_key_int(json, "vcpus", type->vcpus);
    json_key_int(json, "memory_mib", type->memory_mib);
    json_key_string(json, "arch", type->arch);
    json_key_bool(json, "bios", type->bios);
    json_key_bool(json, "uefi", type->uefi);
    json_key_int(json, "max_cards", type->max_cards);
    json_key_int(json, "max_volumes", type->max_volumes);
    json_key_bool(json, "shared_attachments", type->shared_attachments);
    if (type->zone_count > 0) {
        json_key(json, "zones");
        json_begin_array(json);
        for (size_t i = 0; i < type->zone_count; i++) {
            json_string(json, type->zones[i]);
        }
        json_end_array(json);
    }
    json_end_object(json);
}

static void write_image(struct json_writer *json, const void *value)
{
    const struct fact_image *image = value;
    json_begin_object(json);
    json_key_string(json, "id", image->id);
    json_key_string(json, "root_device", image->root_device);
    json_key_string(json, "boot_mode", image->boot_mode);
    json_key_string(json, "os", image->os);
    json_key_string(json, "arch", image->arch);
    json_end_object(json);
}

static void write_subnet(struct json_writer *json, const void *value)
{
    const struct fact_subnet *subnet = value;
    json_begin_object(json);
    json_key_string(json, "zone", subnet->zone);
    json_key_string(json, "cidr", subnet->cidr);
    json_key_string(json, "vpc", subnet->vpc);
    json_end_object(json);
}

static void write_conversion(struct json_writer *json, const void *value)
{
    const struct fact_conversion *conversion = value;
    json_begin_object(json);
    json_key_string(json, "zone", conversion->zone);
    json_key_string(json, "state", conversion->state);
    json_key_int(json, "cpus", conversion->cpus);
    json_key_int(json, "slots", conversion->slots);
    json_end_object(json);
}

static void write_text(struct json_writer *json, const void *value)
{
    json_string(json, value);
}

static void write_number(struct json_writer *json, const void *value)
{
    json_int(json, *(const int64_t *)value);
}

static int compare_keys(const void *a, const void *b)
{
    const struct map_entry *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

/* A map as an object, keys in byte order, so that equal facts give equal bytes. */
static void write_map(struct json_writer *json, const char *key, const struct map *map,
                      void (*write)(struct json_writer *json, const void *value))
{
    size_t count = map_count(map), i = 0;
    struct map_entry **entries = base_alloc((count + 1) * sizeof *entries);
    for (struct map_entry *entry = map_first(map); entry; entry = map_next(entry)) {
        entries[i++] = entry;
    }
    qsort(entries, count, sizeof *entries, compare_keys);
    json_key(json, key);
    json_begin_object(json);
    for (i = 0; i < count; i++) {
        json_key(json, entries[i]->key);
        write(json, entries[i]->value);
    }
    json_end_object(json);
    free(entries);
}

static void write_inventory(struct json_writer *json, const struct facts *facts)
{
    json_begin_object(json);
    json_key_string(json, "account", facts->account);
    json_key_string(json, "region", facts->region);
    write_map(json, "vms", &facts->vms, write_vm);
    write_map(json, "instance_types", &facts->instance_types, write_instance_type);
    write_map(json, "images", &facts->images, write_image);
    write_map(json, "subnets", &facts->subnets, write_subnet);
    write_map(json, "conversions", &facts->conversions, write_conversion);
    json_end_object(json);
}

static void write_throughput(struct json_writer *json, const struct facts *facts)
{
    int64_t copy = facts->throughput.copy_bytes_per_s, backup = facts->throughput.backup_bytes_per_s;
    if (copy <= 0 && backup <= 0) {
        return;
    }
    json_key(json, "throughput");
    json_begin_object(json);
    if (copy > 0) {
        json_key_int(json, "copy_bytes_per_s", copy);
    }
    if (backup > 0) {
        json_key_int(json, "backup_bytes_per_s", backup);
    }
    json_end_object(json);
}

void facts_write(const struct facts *facts, struct buffer *out)
{
    struct json_writer json = json_writer(out, 2);
    json.compact_from = 3; /* a line for each VM, type … */
    json_begin_object(&json);
    json_key_string(&json, "format", "drc-facts/1");
    json_key_string(&json, "observed_at", facts->observed_at);
    json_key_string(&json, "source", facts->source);
    json_key(&json, "inventory");
    write_inventory(&json, facts);
    write_map(&json, "bindings", &facts->bindings, write_text);
    write_map(&json, "durations", &facts->durations, write_number);
    if (map_count(&facts->blocks) > 0) {
        write_map(&json, "blocks", &facts->blocks, write_number);
    }
    write_throughput(&json, facts);
    if (facts->last_test.at) {
        json_key(&json, "last_test");
        json_begin_object(&json);
        json_key_string(&json, "at", facts->last_test.at);
        json_key_string(&json, "digest", facts->last_test.digest);
        json_key_bool(&json, "passed", facts->last_test.passed);
        json_end_object(&json);
    }
    json_end_object(&json);
}

void facts_inventory_digest(const struct facts *facts, char out[65])
{
    struct buffer text = {0};
    struct json_writer json = json_writer(&text, 0);
    write_inventory(&json, facts);
    sha256_hex(buffer_text(&text), text.length, out);
    buffer_free(&text);
}
