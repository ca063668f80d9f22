#include "runtime/state/production.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_reader.h"
#include "compiler/base/json_writer.h"
#include "runtime/world/files.h"

#define PRODUCTION_FORMAT "drc-production/1"
enum { PRODUCTION_FILE_MAX = 16 << 20 };

static const char *const place_names[] = {
    [PRODUCTION_PRIMARY] = "primary",
    [PRODUCTION_FAILING_OVER] = "failing-over",
    [PRODUCTION_RECOVERY] = "recovery",
    [PRODUCTION_FAILING_BACK] = "failing-back",
};

const char *production_place_name(enum production_place place)
{
    return place_names[place];
}

static bool place_by_name(const char *name, enum production_place *place)
{
    for (size_t i = 0; name && i < sizeof place_names / sizeof *place_names; i++) {
        if (!strcmp(name, place_names[i])) {
            *place = (enum production_place)i;
            return true;
        }
    }
    return false;
}

static bool read_vms(struct arena *arena, const cJSON *json, struct production *production)
{
    const char *format = json_text_of(json, "format");
    const cJSON *vms = cJSON_GetObjectItemCaseSensitive(json, "vms");
    if (!format || strcmp(format, PRODUCTION_FORMAT) != 0 || !cJSON_IsArray(vms)) {
        return false;
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, vms) {
        struct production_vm vm = {
            .name = json_text_of(item, "name"),
            .run = json_text_of(item, "run"),
            .instance_id = json_text_of(item, "instance_id"),
            .since_utc_ms = json_int_of(item, "since", 0),
            .committed = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "committed")),
        };
        if (!vm.name || !place_by_name(json_text_of(item, "place"), &vm.place)) {
            return false;
        }
        production_set(arena, production, &vm);
    }
    return true;
}

static char *file_of(struct arena *arena, const char *state, const char *plan)
{
    return arena_printf(arena, "%s/%s/production.json", state, plan);
}

struct production *production_read(struct arena *arena, const char *state, const char *plan,
                                   struct error *error)
{
    struct production *production = ARENA_NEW(arena, struct production);
    const char *path = file_of(arena, state, plan);
    struct error failure = {0};
    size_t length = 0;
    char *text = files_read(arena, path, PRODUCTION_FILE_MAX, &length, &failure);
    if (!text) {
        if (!failure.message) {
            return production;
        }
        error_move(error, &failure);
        return NULL;
    }
    cJSON *json = cJSON_ParseWithLengthOpts(text, length + 1, NULL, 1);
    bool ok = json && read_vms(arena, json, production);
    cJSON_Delete(json);
    if (!ok) {
        error_set(error, "reading %s: it is damaged or of another version", path);
        error_help(error, "it says where production runs: put back a good copy, or remove it when "
                          "every VM runs at the primary site");
        return NULL;
    }
    return production;
}

static struct production_vm *find(const struct production *production, const char *name)
{
    for (size_t i = 0; i < production->count; i++) {
        if (!strcmp(production->vms[i].name, name)) {
            return &production->vms[i];
        }
    }
    return NULL;
}

struct production_vm production_of(const struct production *production, const char *vm)
{
    const struct production_vm *found = find(production, vm);
    return found ? *found : (struct production_vm){.name = vm, .place = PRODUCTION_PRIMARY};
}

void production_set(struct arena *arena, struct production *production,
                    const struct production_vm *vm)
{
    struct production_vm *slot = find(production, vm->name);
    if (!slot) {
        production->vms = arena_grow(arena, production->vms, production->count,
                                     &production->capacity, sizeof *production->vms);
        slot = &production->vms[production->count++];
    }
    *slot = (struct production_vm){
        .name = arena_strdup(arena, vm->name),
        .place = vm->place,
        .run = vm->run ? arena_strdup(arena, vm->run) : NULL,
        .instance_id = vm->instance_id ? arena_strdup(arena, vm->instance_id) : NULL,
        .since_utc_ms = vm->since_utc_ms,
        .committed = vm->committed,
    };
}

bool production_write(const struct production *production, const char *state, const char *plan,
                      struct error *error)
{
    struct buffer text = {0};
    struct json_writer json = json_writer(&text, 2);
    json_begin_object(&json);
    json_key_string(&json, "format", PRODUCTION_FORMAT);
    json_key(&json, "vms");
    json_begin_array(&json);
    for (size_t i = 0; i < production->count; i++) {
        const struct production_vm *vm = &production->vms[i];
        json_begin_object(&json);
        json_key_string(&json, "name", vm->name);
        json_key_string(&json, "place", production_place_name(vm->place));
        json_key_string(&json, "run", vm->run);
        json_key_string(&json, "instance_id", vm->instance_id);
        json_key_int(&json, "since", vm->since_utc_ms);
        if (vm->committed) {
            json_key_bool(&json, "committed", true);
        }
        json_end_object(&json);
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
