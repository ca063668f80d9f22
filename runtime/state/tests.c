#include "runtime/state/tests.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_reader.h"
#include "compiler/base/json_writer.h"
#include "runtime/world/files.h"
#include "runtime/world/world.h"

#define TESTS_FORMAT "drc-tests/1"
enum { TESTS_FILE_MAX = 1 << 20 };

static bool is_true(const cJSON *json, const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, name));
}

static bool read_record(struct arena *arena, const cJSON *item, struct tests *tests)
{
    const char *at = json_text_of(item, "at"), *verdict = json_text_of(item, "verdict");
    struct test_record record = {
        .run = json_text_of(item, "run"),
        .digest = json_text_of(item, "plan_digest"),
        .network = json_text_of(item, "network"),
        .at_utc_ms = at ? parse_time(at) : -1,
        .duration_ms = json_int_of(item, "duration_ms", 0),
        .rto_ms = json_int_of(item, "rto_ms", -1),
        .vms = json_int_of(item, "vms", 0),
        .recovered = json_int_of(item, "recovered", 0),
        .passed = verdict && strcmp(verdict, "passed") == 0,
        .whole = is_true(item, "whole"),
        .cleaned = is_true(item, "cleaned"),
    };
    bool sound = record.run && record.digest && record.at_utc_ms >= 0 &&
                 (record.passed || (verdict && strcmp(verdict, "failed") == 0));
    if (sound) {
        tests_put(arena, tests, &record);
    }
    return sound;
}

static bool read_records(struct arena *arena, const cJSON *json, struct tests *tests)
{
    const char *format = json_text_of(json, "format");
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "tests");
    if (!format || strcmp(format, TESTS_FORMAT) != 0 || !cJSON_IsArray(list)) {
        return false;
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        if (!read_record(arena, item, tests)) {
            return false;
        }
    }
    return true;
}

static char *file_of(struct arena *arena, const char *state, const char *plan)
{
    return arena_printf(arena, "%s/%s/tests.json", state, plan);
}

struct tests *tests_read(struct arena *arena, const char *state, const char *plan,
                         struct error *error)
{
    struct tests *tests = ARENA_NEW(arena, struct tests);
    const char *path = file_of(arena, state, plan);
    struct error failure = {0};
    size_t length = 0;
    char *text = files_read(arena, path, TESTS_FILE_MAX, &length, &failure);
    if (!text) {
        if (!failure.message) {
            return tests;
        }
        error_move(error, &failure);
        return NULL;
    }
    cJSON *json = cJSON_ParseWithLengthOpts(text, length + 1, NULL, 1);
    bool ok = json && read_records(arena, json, tests);
    cJSON_Delete(json);
    if (!ok) {
        error_set(error, "reading %s: it is damaged or of another version", path);
        error_help(error, "it says what tests of the plan came to: put back a good copy, or move it "
                          "away: then the plan counts as never tested");
        return NULL;
    }
    return tests;
}

static const char *copy(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

static void take_out(struct tests *tests, const char *run)
{
    size_t kept = 0;
    for (size_t i = 0; i < tests->count; i++) {
        if (strcmp(tests->items[i].run, run) != 0) {
            tests->items[kept++] = tests->items[i];
        }
    }
    tests->count = kept;
}

void tests_put(struct arena *arena, struct tests *tests, const struct test_record *record)
{
    struct test_record own = *record;
    size_t at = 0;
    own.run = copy(arena, record->run);
    own.digest = copy(arena, record->digest);
    own.network = copy(arena, record->network);
    take_out(tests, own.run);
    tests->items =
        arena_grow(arena, tests->items, tests->count, &tests->capacity, sizeof *tests->items);
    while (at < tests->count && tests->items[at].at_utc_ms > own.at_utc_ms) {
        at++;
    }
    memmove(tests->items + at + 1, tests->items + at, (tests->count - at) * sizeof *tests->items);
    tests->items[at] = own;
    tests->count++;
    tests->count = tests->count > TESTS_KEPT ? TESTS_KEPT : tests->count;
}

static void put_record(struct json_writer *json, const struct test_record *record)
{
    char time[32];
    json_begin_object(json);
    json_key_string(json, "run", record->run);
    json_key_string(json, "at", format_time(time, record->at_utc_ms));
    json_key_string(json, "plan_digest", record->digest);
    json_key_string(json, "verdict", record->passed ? "passed" : "failed");
    json_key_bool(json, "whole", record->whole);
    json_key_string(json, "network", record->network);
    json_key_int(json, "duration_ms", record->duration_ms);
    if (record->rto_ms >= 0) {
        json_key_int(json, "rto_ms", record->rto_ms);
    }
    json_key_int(json, "vms", record->vms);
    json_key_int(json, "recovered", record->recovered);
    json_key_bool(json, "cleaned", record->cleaned);
    json_end_object(json);
}

bool tests_write(const struct tests *tests, const char *state, const char *plan,
                 struct error *error)
{
    struct buffer text = {0};
    struct json_writer json = json_writer(&text, 2);
    json_begin_object(&json);
    json_key_string(&json, "format", TESTS_FORMAT);
    json_key(&json, "tests");
    json_begin_array(&json);
    for (size_t i = 0; i < tests->count; i++) {
        put_record(&json, &tests->items[i]);
    }
    json_end_array(&json);
    json_end_object(&json);
    struct arena *arena = arena_create();
    const char *path = file_of(arena, state, plan);
    bool ok = files_make_parents(path, error) &&
              files_write_atomically(path, text.data, text.length, error);
    arena_destroy(arena);
    buffer_free(&text);
    return ok;
}

const struct test_record *tests_last_passed(const struct tests *tests)
{
    for (size_t i = 0; i < tests->count; i++) {
        if (tests->items[i].whole && tests->items[i].passed) {
            return &tests->items[i];
        }
    }
    return NULL;
}

const struct test_record *tests_last(const struct tests *tests)
{
    for (size_t i = 0; i < tests->count; i++) {
        if (tests->items[i].whole) {
            return &tests->items[i];
        }
    }
    return NULL;
}
