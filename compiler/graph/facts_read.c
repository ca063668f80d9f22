/* Reads facts, drc-facts/1: the inverse of facts_write, and as strict as schemas/facts.schema.json.
 * Walked by cursors, so that memory stays with the facts' own. */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_reader.h"
#include "compiler/graph/facts.h"

enum { TEXT_BYTES_MAX = 256 << 20, ENTRIES_MAX = 200000, DISKS_MAX = 128, ZONES_MAX = 64,
       EXCESS_MAX = 100000 };
#define MEMORY_MIB_MAX (INT64_C(1) << 30)

struct reader {
    struct arena *arena;
    struct facts *facts;
    struct error *error;
};

/* A word out of a few, or absent. */
static bool get_word(struct reader *r, const cJSON *json, const char *key, const char *const *words,
                     const char **out, const struct json_at *at)
{
    const char *text = NULL;
    if (!json_get_text(json, key, JSON_OPTIONAL, r->arena, &text, at, r->error) || !text) {
        return text || !cJSON_GetObjectItemCaseSensitive(json, key);
    }
    for (; *words; words++) {
        if (strcmp(text, *words) == 0) {
            *out = *words;
            return true;
        }
    }
    return json_fail(JSON_MEMBER(at, key), r->error, "\"%.40s\" is not one of its values", text);
}

static const char *const firmwares[] = {"bios", "uefi", NULL};
static const char *const systems[] = {"linux", "windows", NULL};
static const char *const architectures[] = {"x86_64", "arm64", NULL};
static const char *const boot_modes[] = {"legacy-bios", "uefi", "uefi-preferred", NULL};

static bool read_disk(struct reader *r, const cJSON *json, struct fact_disk *disk,
                      const struct json_at *at)
{
    static const char *const keys[] = {"bytes",    "size_gib", "controller",
                                       "bootable", "whole",    NULL};
    return json_expect_object(json, keys, at, r->error) &&
           json_get_int(json, "bytes", JSON_OPTIONAL, 0, JSON_INT_MAX, &disk->bytes, at,
                        r->error) &&
           json_get_int(json, "size_gib", JSON_NEEDED, 1, 65536, &disk->size_gib, at, r->error) &&
           json_get_text(json, "controller", JSON_OPTIONAL, r->arena, &disk->controller, at,
                         r->error) &&
           json_get_bool(json, "bootable", JSON_OPTIONAL, &disk->bootable, at, r->error) &&
           json_get_text(json, "whole", JSON_OPTIONAL, r->arena, &disk->whole, at, r->error) &&
           (!disk->whole || fact_whole_reason(disk->whole) ||
            json_fail(JSON_MEMBER(at, "whole"), r->error, "\"%.40s\" is not one of its values",
                      disk->whole));
}

static bool read_disks(struct reader *r, const cJSON *json, struct fact_vm *vm,
                       const struct json_at *parent)
{
    const struct json_at *at = JSON_MEMBER(parent, "disks");
    const cJSON *disks = cJSON_GetObjectItemCaseSensitive(json, "disks");
    if (!disks) {
        return json_fail(parent, r->error, "\"disks\" is missing");
    }
    if (!json_expect_array(disks, at, r->error)) {
        return false;
    }
    size_t count = (size_t)cJSON_GetArraySize(disks), i = 0;
    if (count < 1 || count > DISKS_MAX) {
        return json_fail(at, r->error, "a VM has from 1 to %d disks", DISKS_MAX);
    }
    vm->disks = ARENA_ARRAY(r->arena, struct fact_disk, count);
    vm->disk_count = count;
    for (const cJSON *disk = disks->child; disk; disk = disk->next, i++) {
        if (!read_disk(r, disk, &vm->disks[i], JSON_ELEMENT(at, i))) {
            return false;
        }
    }
    return true;
}

static void *read_vm(struct reader *r, const char *name, const cJSON *json,
                     const struct json_at *at)
{
    static const char *const keys[] = {"cpus", "memory_mib", "firmware", "os",
                                       "arch", "guest_id",   "disks",    "copied",
                                       "excess", NULL};
    struct fact_vm *vm = ARENA_NEW(r->arena, struct fact_vm);
    vm->name = name;
    bool ok =
        json_expect_object(json, keys, at, r->error) &&
        json_get_int(json, "cpus", JSON_OPTIONAL, 1, 4096, &vm->cpus, at, r->error) &&
        json_get_int(json, "memory_mib", JSON_OPTIONAL, 1, MEMORY_MIB_MAX, &vm->memory_mib, at,
                     r->error) &&
        get_word(r, json, "firmware", firmwares, &vm->firmware, at) &&
        get_word(r, json, "os", systems, &vm->os, at) &&
        get_word(r, json, "arch", architectures, &vm->arch, at) &&
        json_get_text(json, "guest_id", JSON_OPTIONAL, r->arena, &vm->guest_id, at, r->error) &&
        json_get_bool(json, "copied", JSON_OPTIONAL, &vm->copied, at, r->error) &&
        json_get_int(json, "excess", JSON_OPTIONAL, 0, EXCESS_MAX, &vm->excess, at, r->error) &&
        read_disks(r, json, vm, at);
    return ok ? vm : NULL;
}

static bool read_zones(struct reader *r, const cJSON *json, struct fact_instance_type *type,
                       const struct json_at *parent)
{
    const struct json_at *at = JSON_MEMBER(parent, "zones");
    const cJSON *zones = cJSON_GetObjectItemCaseSensitive(json, "zones");
    if (!zones) {
        return true;
    }
    if (!json_expect_array(zones, at, r->error)) {
        return false;
    }
    size_t count = (size_t)cJSON_GetArraySize(zones);
    if (count > ZONES_MAX) {
        return json_fail(at, r->error, "there are more than %d zones", ZONES_MAX);
    }
    type->zones = ARENA_ARRAY(r->arena, const char *, count);
    for (const cJSON *zone = zones->child; zone; zone = zone->next) {
        if (!cJSON_IsString(zone)) {
            return json_fail(JSON_ELEMENT(at, type->zone_count), r->error, "a text is expected");
        }
        type->zones[type->zone_count++] = arena_strdup(r->arena, zone->valuestring);
    }
    return true;
}

static void *read_instance_type(struct reader *r, const char *name, const cJSON *json,
                                const struct json_at *at)
{
    static const char *const keys[] = {
        "vcpus", "memory_mib",         "arch", "bios", "uefi", "max_cards", "max_volumes",
        "zones", "shared_attachments", NULL};
    struct fact_instance_type *type = ARENA_NEW(r->arena, struct fact_instance_type);
    type->name = name;
    int64_t cards = 0, volumes = 0;
    bool ok = json_expect_object(json, keys, at, r->error) &&
              json_get_int(json, "vcpus", JSON_NEEDED, 1, 4096, &type->vcpus, at, r->error) &&
              json_get_int(json, "memory_mib", JSON_NEEDED, 1, MEMORY_MIB_MAX, &type->memory_mib,
                           at, r->error) &&
              get_word(r, json, "arch", architectures, &type->arch, at) &&
              json_get_bool(json, "bios", JSON_NEEDED, &type->bios, at, r->error) &&
              json_get_bool(json, "uefi", JSON_NEEDED, &type->uefi, at, r->error) &&
              json_get_int(json, "max_cards", JSON_NEEDED, 1, 1000, &cards, at, r->error) &&
              json_get_int(json, "max_volumes", JSON_NEEDED, 1, 1000, &volumes, at, r->error) &&
              json_get_bool(json, "shared_attachments", JSON_OPTIONAL, &type->shared_attachments,
                            at, r->error) &&
              read_zones(r, json, type, at);
    type->max_cards = (int)cards;
    type->max_volumes = (int)volumes;
    return ok ? type : NULL;
}

static void *read_image(struct reader *r, const char *name, const cJSON *json,
                        const struct json_at *at)
{
    static const char *const keys[] = {"id", "root_device", "boot_mode", "os", "arch", NULL};
    (void)name;
    struct fact_image *image = ARENA_NEW(r->arena, struct fact_image);
    bool ok = json_expect_object(json, keys, at, r->error) &&
              json_get_text(json, "id", JSON_NEEDED, r->arena, &image->id, at, r->error) &&
              json_get_text(json, "root_device", JSON_OPTIONAL, r->arena, &image->root_device, at,
                            r->error) &&
              get_word(r, json, "boot_mode", boot_modes, &image->boot_mode, at) &&
              get_word(r, json, "os", systems, &image->os, at) &&
              get_word(r, json, "arch", architectures, &image->arch, at);
    return ok ? image : NULL;
}

static void *read_subnet(struct reader *r, const char *name, const cJSON *json,
                         const struct json_at *at)
{
    static const char *const keys[] = {"zone", "cidr", "vpc", NULL};
    struct fact_subnet *subnet = ARENA_NEW(r->arena, struct fact_subnet);
    subnet->id = name;
    bool ok = json_expect_object(json, keys, at, r->error) &&
              json_get_text(json, "zone", JSON_OPTIONAL, r->arena, &subnet->zone, at, r->error) &&
              json_get_text(json, "cidr", JSON_OPTIONAL, r->arena, &subnet->cidr, at, r->error) &&
              json_get_text(json, "vpc", JSON_OPTIONAL, r->arena, &subnet->vpc, at, r->error);
    return ok ? subnet : NULL;
}

static void *read_conversion(struct reader *r, const char *name, const cJSON *json,
                             const struct json_at *at)
{
    static const char *const keys[] = {"zone", "state", "cpus", "slots", NULL};
    struct fact_conversion *conversion = ARENA_NEW(r->arena, struct fact_conversion);
    conversion->id = name;
    int64_t cpus = 0, slots = 0;
    bool ok =
        json_expect_object(json, keys, at, r->error) &&
        json_get_text(json, "zone", JSON_OPTIONAL, r->arena, &conversion->zone, at, r->error) &&
        json_get_text(json, "state", JSON_OPTIONAL, r->arena, &conversion->state, at, r->error) &&
        json_get_int(json, "cpus", JSON_NEEDED, 0, 4096, &cpus, at, r->error) &&
        json_get_int(json, "slots", JSON_NEEDED, 0, 128, &slots, at, r->error);
    conversion->cpus = (int)cpus;
    conversion->slots = (int)slots;
    return ok ? conversion : NULL;
}

static void *read_binding(struct reader *r, const char *name, const cJSON *json,
                          const struct json_at *at)
{
    (void)name;
    if (!cJSON_IsString(json)) {
        json_fail(at, r->error, "a text is expected");
        return NULL;
    }
    return arena_strdup(r->arena, json->valuestring);
}

static void *read_blocks(struct reader *r, const char *name, const cJSON *json,
                         const struct json_at *at)
{
    (void)name;
    int64_t *blocks = ARENA_NEW(r->arena, int64_t);
    if (!json_is_int(json, blocks) || *blocks < 0) {
        json_fail(at, r->error, "a number of blocks is expected");
        return NULL;
    }
    return blocks;
}

static void *read_duration(struct reader *r, const char *name, const cJSON *json,
                           const struct json_at *at)
{
    (void)name;
    int64_t *ms = ARENA_NEW(r->arena, int64_t);
    if (!json_is_int(json, ms) || *ms < 0) {
        json_fail(at, r->error, "a duration in whole milliseconds is expected");
        return NULL;
    }
    return ms;
}

/* An object whose keys are names: each value is read into the map. */
static bool read_map(struct reader *r, struct json_text object, struct map *map,
                     void *(*read)(struct reader *r, const char *name, const cJSON *json,
                                   const struct json_at *at),
                     const struct json_at *at)
{
    struct json_cursor cursor;
    if (!json_open(&cursor, object, '{')) {
        return json_fail(at, r->error, "an object is expected");
    }
    struct json_text key, value;
    while (json_next(&cursor, &key, &value)) {
        const char *name = json_key_text(r->arena, key);
        const struct json_at *here = JSON_MEMBER(at, name);
        if (map_get(map, name)) {
            return json_fail(here, r->error, "the key is given twice");
        }
        if (map_count(map) == ENTRIES_MAX) {
            return json_fail(at, r->error, "there are more than %d entries", ENTRIES_MAX);
        }
        cJSON *json = json_tree(value, here, r->error);
        void *entry = json ? read(r, name, json, here) : NULL;
        cJSON_Delete(json);
        if (!entry) {
            return false;
        }
        map_put(map, name, entry);
    }
    return true;
}

static bool read_text(struct reader *r, struct json_text value, const char **out,
                      const struct json_at *at)
{
    cJSON *json = json_tree(value, at, r->error);
    bool ok = json && (cJSON_IsString(json) || json_fail(at, r->error, "a text is expected"));
    if (ok) {
        *out = arena_strdup(r->arena, json->valuestring);
    }
    cJSON_Delete(json);
    return ok;
}

/* One member of an object that was already found: reads it. */
typedef bool (*member_reader)(struct reader *r, const char *key, struct json_text value,
                              const struct json_at *at);

/* Each member once, of those that `read` knows (which fails for others). */
static bool read_members(struct reader *r, struct json_text object, member_reader read,
                         const struct json_at *at)
{
    enum { MEMBERS_MAX = 16 };
    const char *names[MEMBERS_MAX];
    size_t count = 0;
    struct json_cursor cursor;
    if (!json_open(&cursor, object, '{')) {
        return json_fail(at, r->error, "an object is expected");
    }
    struct json_text key, value;
    while (json_next(&cursor, &key, &value)) {
        const char *name = json_key_text(r->arena, key);
        for (size_t i = 0; i < count; i++) {
            if (strcmp(names[i], name) == 0) {
                return json_fail(JSON_MEMBER(at, name), r->error, "the key is given twice");
            }
        }
        if (!read(r, name, value, at)) {
            return false;
        }
        if (count < MEMBERS_MAX) { /* There are fewer known ones. */
            names[count++] = name;
        }
    }
    return true;
}

static bool read_inventory_member(struct reader *r, const char *key, struct json_text value,
                                  const struct json_at *parent)
{
    const struct json_at *at = JSON_MEMBER(parent, key);
    struct facts *facts = r->facts;
    if (strcmp(key, "account") == 0) {
        return read_text(r, value, &facts->account, at);
    }
    if (strcmp(key, "region") == 0) {
        return read_text(r, value, &facts->region, at);
    }
    if (strcmp(key, "vms") == 0) {
        return read_map(r, value, &facts->vms, read_vm, at);
    }
    if (strcmp(key, "instance_types") == 0) {
        return read_map(r, value, &facts->instance_types, read_instance_type, at);
    }
    if (strcmp(key, "images") == 0) {
        return read_map(r, value, &facts->images, read_image, at);
    }
    if (strcmp(key, "subnets") == 0) {
        return read_map(r, value, &facts->subnets, read_subnet, at);
    }
    if (strcmp(key, "conversions") == 0) {
        return read_map(r, value, &facts->conversions, read_conversion, at);
    }
    return json_fail(at, r->error, "there is no such key here");
}

static bool read_last_test(struct reader *r, struct json_text value, const struct json_at *at)
{
    static const char *const keys[] = {"at", "digest", "passed", NULL};
    cJSON *json = json_tree(value, at, r->error);
    bool ok =
        json && json_expect_object(json, keys, at, r->error) &&
        json_get_text(json, "at", JSON_NEEDED, r->arena, &r->facts->last_test.at, at, r->error) &&
        json_get_text(json, "digest", JSON_OPTIONAL, r->arena, &r->facts->last_test.digest, at,
                      r->error) &&
        json_get_bool(json, "passed", JSON_NEEDED, &r->facts->last_test.passed, at, r->error);
    cJSON_Delete(json);
    return ok;
}

static bool read_throughput(struct reader *r, struct json_text value, const struct json_at *at)
{
    static const char *const keys[] = {"copy_bytes_per_s", "backup_bytes_per_s", NULL};
    struct facts *facts = r->facts;
    cJSON *json = json_tree(value, at, r->error);
    bool ok = json && json_expect_object(json, keys, at, r->error) &&
              json_get_int(json, keys[0], JSON_OPTIONAL, 0, JSON_INT_MAX,
                           &facts->throughput.copy_bytes_per_s, at, r->error) &&
              json_get_int(json, keys[1], JSON_OPTIONAL, 0, JSON_INT_MAX,
                           &facts->throughput.backup_bytes_per_s, at, r->error);
    cJSON_Delete(json);
    return ok;
}

static bool read_format(struct reader *r, struct json_text value, const struct json_at *at)
{
    const char *format = NULL;
    return read_text(r, value, &format, at) &&
           (strcmp(format, "drc-facts/1") == 0 ||
            json_fail(at, r->error, "\"%.40s\" is no format that this version of drc reads",
                      format));
}

static bool read_member(struct reader *r, const char *key, struct json_text value,
                        const struct json_at *parent)
{
    const struct json_at *at = JSON_MEMBER(parent, key);
    struct facts *facts = r->facts;
    if (strcmp(key, "format") == 0) {
        return read_format(r, value, at);
    }
    if (strcmp(key, "observed_at") == 0) {
        return read_text(r, value, &facts->observed_at, at);
    }
    if (strcmp(key, "source") == 0) {
        return read_text(r, value, &facts->source, at);
    }
    if (strcmp(key, "inventory") == 0) {
        return read_members(r, value, read_inventory_member, at);
    }
    if (strcmp(key, "bindings") == 0) {
        return read_map(r, value, &facts->bindings, read_binding, at);
    }
    if (strcmp(key, "durations") == 0) {
        return read_map(r, value, &facts->durations, read_duration, at);
    }
    if (strcmp(key, "blocks") == 0) {
        return read_map(r, value, &facts->blocks, read_blocks, at);
    }
    if (strcmp(key, "throughput") == 0) {
        return read_throughput(r, value, at);
    }
    if (strcmp(key, "last_test") == 0) {
        return read_last_test(r, value, at);
    }
    return json_fail(at, r->error, "there is no such key here");
}

/* The members that have to be there. */
static bool has_member(struct json_text document, const char *name)
{
    struct json_cursor cursor;
    struct json_text key, value;
    if (json_open(&cursor, document, '{')) {
        while (json_next(&cursor, &key, &value)) {
            if (key.length == strlen(name) + 2 && memcmp(key.at + 1, name, strlen(name)) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool read_document(struct reader *r, const char *text, size_t length)
{
    static const char *const needed[] = {"format", "observed_at", "inventory"};
    struct json_text document = {.at = text, .length = length};
    if (length > TEXT_BYTES_MAX) {
        return error_set(r->error, "%zu bytes are more than drc reads (256 MiB)", length);
    }
    if (!json_check(text, length, r->error) || !read_members(r, document, read_member, NULL)) {
        return false;
    }
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (!has_member(document, needed[i])) {
            return error_set(r->error, "\"%s\" is missing", needed[i]);
        }
    }
    return true;
}

struct facts *facts_read(struct arena *arena, const char *path, const char *text, size_t length,
                         struct error *error)
{
    struct reader r = {.arena = arena, .facts = facts_create(arena), .error = error};
    if (!read_document(&r, text, length)) {
        error_prefix(error, "%s", path);
        error_help(error, "gather the facts again: drc plan facts PLAN WORKFLOW -o FILE");
        return NULL;
    }
    return r.facts;
}
