#include "runtime/mover/point_form.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_reader.h"
#include "compiler/base/json_writer.h"
#include "runtime/mover/sealed.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

#define POINT_FORMAT "drc-point/1"
#define COPY_FORMAT  "drc-copy/1"

enum { CARDS_MAX = 64, CPUS_MAX = 4096 };

const char *point_stamp(char out[32], int64_t utc_ms)
{
    char text[32];
    size_t length = 0;
    format_time(text, utc_ms);
    for (const char *at = text; *at; at++) {
        if (*at != '-' && *at != ':') {
            out[length++] = *at;
        }
    }
    out[length] = '\0';
    return out;
}

void point_key(char key[POINT_KEY_MAX], const struct repository_point *point)
{
    char stamp[32];
    snprintf(key, POINT_KEY_MAX, "points/%s/%s/%s", point->plan, point->vm,
             point_stamp(stamp, point->utc_ms));
}

/* --- checking --- */

static bool check_name(const char *kind, const char *name, struct error *error)
{
    if (name && !strchr(name, '/') && store_key_is_valid(name)) {
        return true;
    }
    error_set(error, "\"%.64s\" cannot be the name of a %s in a repository", name ? name : "",
              kind);
    return error_help(error, "letters, digits, '.', '_' and '-' can");
}

static bool check_disk(const struct repository_point *point, size_t i, struct error *error)
{
    const struct repository_disk *disk = &point->disks[i];
    if (disk->bytes <= 0 || disk->bytes > DISK_BYTES_MAX) {
        return error_set(error, "disk %zu has %" PRId64 " bytes, and a disk has 1 byte to 64 TiB",
                         i, disk->bytes);
    }
    return disk->blocks <= block_count_of(disk->bytes) ||
           error_set(error, "disk %zu of %" PRId64 " bytes cannot have %" PRIu64 " blocks", i,
                     disk->bytes, disk->blocks);
}

bool point_check(const struct repository_point *point, struct error *error)
{
    if (!check_name("plan", point->plan, error) || !check_name("VM", point->vm, error)) {
        return false;
    }
    if (point->utc_ms < 0 || point->utc_ms % 1000 != 0 || !point->time ||
        parse_time(point->time) != point->utc_ms) {
        return error_set(error, "\"%.40s\" is no time of a recovery point",
                         point->time ? point->time : "");
    }
    if (point->disk_count == 0 || point->disk_count > REPOSITORY_DISKS_MAX ||
        point->card_count > CARDS_MAX) {
        return error_set(error, "%zu disks, %zu cards: a VM has 1 to %d disks and at most %d cards",
                         point->disk_count, point->card_count, REPOSITORY_DISKS_MAX, CARDS_MAX);
    }
    for (size_t i = 0; i < point->disk_count; i++) {
        if (!check_disk(point, i, error)) {
            return false;
        }
    }
    return true;
}

/* --- writing --- */

static void key_number(struct json_writer *json, const char *key, int64_t value)
{
    if (value > 0) {
        json_key_int(json, key, value);
    }
}

static void key_digest(struct json_writer *json, const char *key, const struct block_digest *digest)
{
    char hex[65];
    block_digest_hex(digest, hex);
    json_key_string(json, key, hex);
}

static void write_disks(struct json_writer *json, const struct repository_point *point)
{
    json_key(json, "disks");
    json_begin_array(json);
    for (size_t i = 0; i < point->disk_count; i++) {
        const struct repository_disk *disk = &point->disks[i];
        json_begin_object(json);
        json_key_int(json, "bytes", disk->bytes);
        json_key_string(json, "controller", disk->controller);
        json_key_int(json, "blocks", (int64_t)disk->blocks);
        key_digest(json, "map", &disk->map);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_cards(struct json_writer *json, const struct repository_point *point)
{
    json_key(json, "cards");
    json_begin_array(json);
    for (size_t i = 0; i < point->card_count; i++) {
        json_begin_object(json);
        json_key_string(json, "network", point->cards[i].network);
        json_key_string(json, "mac", point->cards[i].mac);
        json_end_object(json);
    }
    json_end_array(json);
}

/* Texts come from outside: what is no UTF-8 may not get in, because nobody could read it again. */
static bool seal(struct buffer *out, struct error *error)
{
    sealed_finish(out);
    return json_check(out->data, out->length, error);
}

bool point_write(const struct repository_point *point, struct buffer *out, struct error *error)
{
    struct json_writer json = json_writer(out, 0);
    json_begin_object(&json);
    json_key_string(&json, "format", POINT_FORMAT);
    json_key_string(&json, "plan", point->plan);
    json_key_string(&json, "vm", point->vm);
    json_key_string(&json, "time", point->time);
    json_key_string(&json, "made_by", point->made_by);
    json_key_bool(&json, "quiesced", point->quiesced);
    key_number(&json, "cpus", point->cpus);
    key_number(&json, "memory_mib", point->memory_mib);
    json_key_string(&json, "firmware", point->firmware);
    json_key_string(&json, "os", point->os);
    json_key_string(&json, "arch", point->arch);
    json_key_string(&json, "guest_id", point->guest_id);
    write_disks(&json, point);
    write_cards(&json, point);
    json_end_object(&json);
    return seal(out, error);
}

bool copy_write(const struct repository_copy *copy, struct buffer *out, struct error *error)
{
    struct json_writer json = json_writer(out, 0);
    if (!check_name("snapshot", copy->snapshot_id, error)) {
        return false;
    }
    json_begin_object(&json);
    json_key_string(&json, "format", COPY_FORMAT);
    json_key_string(&json, "snapshot", copy->snapshot_id);
    json_key_string(&json, "plan", copy->plan);
    json_key_string(&json, "vm", copy->vm);
    json_key_string(&json, "recovery_point", copy->recovery_point);
    json_key_int(&json, "disk", copy->disk);
    json_key_int(&json, "disk_bytes", copy->disk_bytes);
    key_digest(&json, "map", &copy->map);
    json_end_object(&json);
    return seal(out, error);
}

/* --- reading --- */

static bool read_digest(const cJSON *tree, const char *key, struct arena *arena,
                        struct block_digest *digest, const struct json_at *at, struct error *error)
{
    const char *hex = NULL;
    return json_get_text(tree, key, JSON_NEEDED, arena, &hex, at, error) &&
           (block_digest_parse(hex, digest) ||
            json_fail(JSON_MEMBER(at, key), error, "no SHA-256 in hex"));
}

static bool read_disk(const cJSON *tree, struct arena *arena, struct repository_disk *disk,
                      const struct json_at *at, struct error *error)
{
    int64_t blocks = 0;
    if (!json_expect_object(tree, NULL, at, error) ||
        !json_get_int(tree, "bytes", JSON_NEEDED, 1, DISK_BYTES_MAX, &disk->bytes, at, error) ||
        !json_get_int(tree, "blocks", JSON_NEEDED, 0, JSON_INT_MAX, &blocks, at, error) ||
        !json_get_text(tree, "controller", JSON_OPTIONAL, arena, &disk->controller, at, error)) {
        return false;
    }
    disk->blocks = (uint64_t)blocks;
    return read_digest(tree, "map", arena, &disk->map, at, error);
}

static bool read_disks(const cJSON *tree, struct arena *arena, struct repository_point *point,
                       struct error *error)
{
    const cJSON *disks = cJSON_GetObjectItemCaseSensitive(tree, "disks"), *item;
    const struct json_at at = {.key = "disks"};
    if (!json_expect_array(disks, &at, error)) {
        return false;
    }
    size_t count = (size_t)cJSON_GetArraySize(disks);
    if (count > REPOSITORY_DISKS_MAX) {
        return json_fail(&at, error, "%zu disks, at most %d", count, REPOSITORY_DISKS_MAX);
    }
    point->disks = ARENA_ARRAY(arena, struct repository_disk, count + 1);
    cJSON_ArrayForEach(item, disks)
    {
        if (!read_disk(item, arena, &point->disks[point->disk_count],
                       JSON_ELEMENT(&at, point->disk_count), error)) {
            return false;
        }
        point->disk_count++;
    }
    return true;
}

static bool read_cards(const cJSON *tree, struct arena *arena, struct repository_point *point,
                       struct error *error)
{
    const cJSON *cards = cJSON_GetObjectItemCaseSensitive(tree, "cards"), *item;
    const struct json_at at = {.key = "cards"};
    if (!cards) {
        return true;
    }
    if (!json_expect_array(cards, &at, error)) {
        return false;
    }
    size_t count = (size_t)cJSON_GetArraySize(cards);
    if (count > CARDS_MAX) {
        return json_fail(&at, error, "%zu cards, at most %d", count, CARDS_MAX);
    }
    point->cards = ARENA_ARRAY(arena, struct repository_card, count + 1);
    cJSON_ArrayForEach(item, cards)
    {
        struct repository_card *card = &point->cards[point->card_count];
        const struct json_at *here = JSON_ELEMENT(&at, point->card_count++);
        if (!json_expect_object(item, NULL, here, error) ||
            !json_get_text(item, "network", JSON_OPTIONAL, arena, &card->network, here, error) ||
            !json_get_text(item, "mac", JSON_OPTIONAL, arena, &card->mac, here, error)) {
            return false;
        }
    }
    return true;
}

static bool read_facts(const cJSON *tree, struct arena *arena, struct repository_point *point,
                       struct error *error)
{
    const struct {
        const char *key;
        enum json_presence presence;
        const char **out;
    } texts[] = {
        {"plan", JSON_NEEDED, &point->plan},
        {"vm", JSON_NEEDED, &point->vm},
        {"time", JSON_NEEDED, &point->time},
        {"made_by", JSON_OPTIONAL, &point->made_by},
        {"firmware", JSON_OPTIONAL, &point->firmware},
        {"os", JSON_OPTIONAL, &point->os},
        {"arch", JSON_OPTIONAL, &point->arch},
        {"guest_id", JSON_OPTIONAL, &point->guest_id},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!json_get_text(tree, texts[i].key, texts[i].presence, arena, texts[i].out, NULL,
                           error)) {
            return false;
        }
    }
    point->utc_ms = parse_time(point->time);
    return json_get_int(tree, "cpus", JSON_OPTIONAL, 1, CPUS_MAX, &point->cpus, NULL, error) &&
           json_get_int(tree, "memory_mib", JSON_OPTIONAL, 1, INT32_MAX, &point->memory_mib, NULL,
                        error) &&
           json_get_bool(tree, "quiesced", JSON_OPTIONAL, &point->quiesced, NULL, error);
}

bool point_read(struct arena *arena, const char *text, size_t length,
                struct repository_point *point, struct error *error)
{
    *point = (struct repository_point){0};
    cJSON *tree = sealed_read(text, length, POINT_FORMAT, error);
    bool ok = tree && read_facts(tree, arena, point, error) &&
              read_disks(tree, arena, point, error) && read_cards(tree, arena, point, error) &&
              point_check(point, error);
    cJSON_Delete(tree);
    return ok;
}

bool copy_read(struct arena *arena, const char *text, size_t length, struct repository_copy *copy,
               struct error *error)
{
    *copy = (struct repository_copy){0};
    cJSON *tree = sealed_read(text, length, COPY_FORMAT, error);
    bool ok =
        tree &&
        json_get_text(tree, "snapshot", JSON_NEEDED, arena, &copy->snapshot_id, NULL, error) &&
        json_get_text(tree, "plan", JSON_NEEDED, arena, &copy->plan, NULL, error) &&
        json_get_text(tree, "vm", JSON_NEEDED, arena, &copy->vm, NULL, error) &&
        json_get_text(tree, "recovery_point", JSON_NEEDED, arena, &copy->recovery_point, NULL,
                      error) &&
        json_get_int(tree, "disk", JSON_NEEDED, 0, REPOSITORY_DISKS_MAX - 1, &copy->disk, NULL,
                     error) &&
        json_get_int(tree, "disk_bytes", JSON_NEEDED, 1, DISK_BYTES_MAX, &copy->disk_bytes, NULL,
                     error) &&
        read_digest(tree, "map", arena, &copy->map, NULL, error);
    cJSON_Delete(tree);
    return ok;
}
