#include "tests/sim/diary.h"

#include <cjson/cJSON.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/sha256.h"

bool diary_open(struct diary *diary, const char *path, struct error *error)
{
    diary->nodes = ARENA_ARRAY(diary->arena, struct diary_node, diary->graph->node_count + 1);
    for (size_t i = 0; i < diary->graph->node_count; i++) {
        diary->nodes[i].cause = NO_NODE;
    }
    if (sqlite3_open_v2(path, &diary->file, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        return error_set(error, "%s: %s", path, sqlite3_errmsg(diary->file));
    }
    sqlite3_busy_timeout(diary->file, 1000);
    return true;
}

void diary_close(struct diary *diary)
{
    sqlite3_close(diary->file);
    diary->file = NULL;
}

static int64_t number_of(const cJSON *record, const char *name, int64_t fallback)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(record, name);
    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : fallback;
}

static const char *text_of(struct diary *diary, const cJSON *record, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, name));
    return text ? arena_strdup(diary->arena, text) : NULL;
}

static void note_intent(struct diary *diary, struct diary_node *node, const cJSON *record)
{
    node->state = DIARY_BEGUN;
    node->intents++;
    node->generation = (int)number_of(record, "g", 0);
    const char *token = text_of(diary, record, "k");
    for (size_t i = 0; token && i < node->token_count; i++) {
        if (node->tokens[i].generation == node->generation &&
            strcmp(node->tokens[i].token, token) == 0) {
            return;
        }
    }
    if (token) {
        node->tokens = arena_grow(diary->arena, node->tokens, node->token_count,
                                  &node->token_capacity, sizeof *node->tokens);
        node->tokens[node->token_count++] = (struct diary_token){node->generation, token};
    }
}

bool diary_has_token(const struct diary *diary, uint32_t node, const char *token)
{
    for (size_t i = 0; i < diary->nodes[node].token_count; i++) {
        if (strcmp(diary->nodes[node].tokens[i].token, token) == 0) {
            return true;
        }
    }
    return false;
}

static void note_done(struct diary *diary, struct diary_node *node, const cJSON *record)
{
    const cJSON *outputs = cJSON_GetObjectItemCaseSensitive(record, "o"), *item;
    node->state = DIARY_DONE;
    node->outputs =
        ARENA_ARRAY(diary->arena, struct diary_output, (size_t)cJSON_GetArraySize(outputs) + 1);
    node->output_count = 0;
    cJSON_ArrayForEach(item, outputs)
    {
        node->outputs[node->output_count++] =
            (struct diary_output){arena_strdup(diary->arena, item->string),
                                  arena_strdup(diary->arena, cJSON_GetStringValue(item))};
    }
}

static void note_failed(struct diary *diary, struct diary_node *node, const cJSON *record)
{
    node->state = DIARY_FAILED;
    node->forgiven = number_of(record, "cont", 0) != 0;
    node->doubt = number_of(record, "doubt", 0) != 0;
    node->message = text_of(diary, record, "message");
    node->code = text_of(diary, record, "code");
}

static void note(struct diary *diary, const cJSON *record)
{
    const char *kind = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "r"));
    int64_t index = number_of(record, "n", -1);
    if (!kind || index < 0 || index >= (int64_t)diary->graph->node_count) {
        return;
    }
    struct diary_node *node = &diary->nodes[index];
    if (strcmp(kind, "intent") == 0) {
        note_intent(diary, node, record);
    } else if (strcmp(kind, "wait") == 0) {
        node->state = DIARY_BEGUN;
    } else if (strcmp(kind, "done") == 0) {
        note_done(diary, node, record);
    } else if (strcmp(kind, "fail") == 0) {
        note_failed(diary, node, record);
    } else if (strcmp(kind, "skip") == 0) {
        node->state = DIARY_SKIPPED;
        node->cause = (int32_t)number_of(record, "c", NO_NODE);
    } else if (strcmp(kind, "next") == 0 || strcmp(kind, "redo") == 0) {
        node->state = DIARY_NOTHING;
        node->generation = (int)number_of(record, "g", node->generation);
    } else {
        return;
    }
    node->was_done = node->was_done || node->state == DIARY_DONE;
    node->was_over = node->was_over || node->state >= DIARY_DONE;
    if (diary->told) {
        diary->told(diary->context, (uint32_t)index, kind);
    }
}

static void note_group(struct diary *diary, const char *records)
{
    for (const char *line = records; *line;) {
        size_t length = strcspn(line, "\n");
        cJSON *record = cJSON_ParseWithLength(line, length);
        note(diary, record);
        cJSON_Delete(record);
        if (diary->tell && !memmem(line, length, "\"tick\"", 6)) {
            buffer_printf(diary->tell, "    %.*s\n", (int)length, line);
        }
        line += length + (line[length] == '\n');
    }
}

static bool each_group(struct diary *diary, int64_t after, struct sha256 *hash, struct error *error)
{
    static const char sql[] =
        "SELECT number, at, records FROM groups WHERE number > ? ORDER BY number";
    sqlite3_stmt *rows = NULL;
    int step = sqlite3_prepare_v2(diary->file, sql, -1, &rows, NULL);
    sqlite3_bind_int64(rows, 1, after);
    while (rows && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        const char *records = (const char *)sqlite3_column_text(rows, 2);
        if (hash) {
            int64_t numbers[2] = {sqlite3_column_int64(rows, 0), sqlite3_column_int64(rows, 1)};
            sha256_update(hash, numbers, sizeof numbers);
            sha256_update(hash, records, strlen(records));
        } else {
            diary->number = sqlite3_column_int64(rows, 0);
            note_group(diary, records);
        }
    }
    sqlite3_finalize(rows);
    return step == SQLITE_DONE ||
           error_set(error, "reading the journal: %s", sqlite3_errmsg(diary->file));
}

bool diary_read(struct diary *diary, struct error *error)
{
    return each_group(diary, diary->number, NULL, error);
}

bool diary_hash(struct diary *diary, struct sha256 *hash, struct error *error)
{
    return each_group(diary, 0, hash, error);
}

const char *diary_output(const struct diary *diary, uint32_t node, const char *name)
{
    const struct diary_node *found = &diary->nodes[node];
    for (size_t i = 0; i < found->output_count; i++) {
        if (strcmp(found->outputs[i].name, name) == 0) {
            return found->outputs[i].value;
        }
    }
    return NULL;
}
