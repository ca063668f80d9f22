/* Records as the state has them. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/json_writer.h"
#include "runtime/sandbox/route53.h"

static void read_values(struct request *r, const char *text, struct record *record)
{
    cJSON *items = cJSON_Parse(text), *item;
    record->values = ARENA_ARRAY(r->arena, const char *, (size_t)cJSON_GetArraySize(items));
    cJSON_ArrayForEach(item, items)
    {
        record->values[record->count++] = arena_strdup(r->arena, cJSON_GetStringValue(item));
    }
    cJSON_Delete(items);
}

struct record record_of_row(struct request *r, struct sqlite3_stmt *row)
{
    struct record record = {.name = state_text(r->arena, row, 0),
                            .type = state_text(r->arena, row, 1),
                            .identifier = state_text(r->arena, row, 2),
                            .ttl_s = state_int(row, 3),
                            .alias_zone = state_text(r->arena, row, 5),
                            .alias_name = state_text(r->arena, row, 6),
                            .alias_evaluate = state_int(row, 7),
                            .weight = state_is_null(row, 8) ? -1 : state_int(row, 8)};
    if (!state_is_null(row, 4)) {
        read_values(r, state_text(r->arena, row, 4), &record);
    }
    return record;
}

bool record_find(struct request *r, const char *zone, const char *name, const char *type,
                 const char *identifier, struct record *record)
{
    struct sqlite3_stmt *row =
        state_query(r->state,
                    "SELECT " RECORD_COLUMNS " FROM record_sets WHERE zone = ? AND place = ? AND "
                    "type = ? AND identifier = ?",
                    "ssss", zone, route53_place(r->arena, name), type, identifier);
    if (!state_next(r->state, row)) {
        return false;
    }
    *record = record_of_row(r, row);
    state_done(row);
    return true;
}

static const char *values_json(struct request *r, const struct record *record)
{
    struct buffer out = {0};
    struct json_writer json = json_writer(&out, 0);
    json_begin_array(&json);
    for (size_t i = 0; i < record->count; i++) {
        json_string(&json, record->values[i]);
    }
    json_end_array(&json);
    const char *text = arena_strdup(r->arena, buffer_text(&out));
    buffer_free(&out);
    return text;
}

void record_put(struct request *r, const char *zone, const struct record *record)
{
    bool alias = record->alias_zone != NULL;
    state_run(r->state,
              "INSERT OR REPLACE INTO record_sets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
              "nullif(?, -1))",
              "sssssisssdi", zone, route53_place(r->arena, record->name), record->type,
              record->identifier, record->name, record->ttl_s,
              alias ? NULL : values_json(r, record), record->alias_zone, record->alias_name,
              (int)record->alias_evaluate, record->weight);
}

void record_delete(struct request *r, const char *zone, const struct record *record)
{
    state_run(
        r->state,
        "DELETE FROM record_sets WHERE zone = ? AND place = ? AND type = ? AND identifier = ?",
        "ssss", zone, route53_place(r->arena, record->name), record->type, record->identifier);
}
