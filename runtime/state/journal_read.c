/* Reading the journal back. */
#include "runtime/state/journal.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/state/journal_state.h"

bool journal_get_blob(struct journal *journal, const char *name, void **bytes, size_t *length,
                      struct error *error)
{
    sqlite3_stmt *statement = NULL;
    if (!journal_prepare(journal, "SELECT bytes FROM blobs WHERE name = ?", &statement, error)) {
        return false;
    }
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *length = (size_t)sqlite3_column_bytes(statement, 0);
        char *copy = base_alloc(*length + 1);
        if (*length) {
            memcpy(copy, sqlite3_column_blob(statement, 0), *length);
        }
        *bytes = copy;
    } else if (code != SQLITE_DONE) {
        journal_database_error(journal, "reading the journal", error);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_ROW;
}

const char *journal_summary(struct journal *journal, struct arena *arena, const char *name)
{
    sqlite3_stmt *statement = NULL;
    const char *value = NULL;
    if (!journal_prepare(journal, "SELECT value FROM summary WHERE name = ?", &statement, NULL)) {
        return NULL;
    }
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    if (sqlite3_step(statement) == SQLITE_ROW) {
        value = arena_strdup(arena, (const char *)sqlite3_column_text(statement, 0));
    }
    sqlite3_finalize(statement);
    return value;
}

/* Calls `each` for every line of one group. The text is copied because lines are cut by NULs. */
static bool replay_group(char *records, int64_t number,
                         bool (*each)(void *context, int64_t number, const char *record),
                         void *context)
{
    for (char *line = records, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        if (!end) {
            return each(context, number, line);
        }
        *end = '\0';
        if (!each(context, number, line)) {
            return false;
        }
    }
    return true;
}

bool journal_replay_after(struct journal *journal, int64_t after, bool (*each)(void *context,
                          int64_t number, const char *record), void *context, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    if (!journal_prepare(journal, "SELECT number, records FROM groups WHERE number > ? ORDER BY number",
                 &statement, error)) {
        return false;
    }
    sqlite3_bind_int64(statement, 1, after);
    int64_t expected = after + 1;
    int code;
    bool go_on = true;
    while (go_on && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t number = sqlite3_column_int64(statement, 0);
        if (number != expected++) {
            sqlite3_finalize(statement);
            error_set(error, "reading the journal %s: group %lld is missing", journal->path,
                      (long long)expected - 1);
            return journal_help_damaged(error);
        }
        char *records = base_strdup((const char *)sqlite3_column_text(statement, 1));
        go_on = replay_group(records, number, each, context);
        free(records);
    }
    bool ok = !go_on || code == SQLITE_DONE;
    if (!ok) {
        journal_database_error(journal, "reading the journal", error);
    }
    sqlite3_finalize(statement);
    return ok;
}

bool journal_replay(struct journal *journal, bool (*each)(void *context, int64_t number,
                    const char *record), void *context, struct error *error)
{
    return journal_replay_after(journal, 0, each, context, error);
}

bool journal_each_group(struct journal *journal,
                        bool (*each)(void *context, const struct journal_write *write),
                        void *context, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    if (!journal_prepare(journal, "SELECT number, at, records FROM groups ORDER BY number",
                         &statement, error)) {
        return false;
    }
    bool ok = true;
    while (ok && sqlite3_step(statement) == SQLITE_ROW) {
        struct journal_write write = {
            .number = sqlite3_column_int64(statement, 0),
            .at_utc_ms = sqlite3_column_int64(statement, 1),
            .text = (const char *)sqlite3_column_text(statement, 2),
            .length = (size_t)sqlite3_column_bytes(statement, 2),
        };
        ok = each(context, &write);
    }
    sqlite3_finalize(statement);
    return ok;
}

bool journal_each_blob(struct journal *journal,
                       bool (*each)(void *context, const char *name, const void *bytes,
                                    size_t length),
                       void *context, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    if (!journal_prepare(journal, "SELECT name, bytes FROM blobs ORDER BY name", &statement, error)) {
        return false;
    }
    bool ok = true;
    while (ok && sqlite3_step(statement) == SQLITE_ROW) {
        ok = each(context, (const char *)sqlite3_column_text(statement, 0),
                  sqlite3_column_blob(statement, 1), (size_t)sqlite3_column_bytes(statement, 1));
    }
    sqlite3_finalize(statement);
    return ok;
}

size_t journal_lines(struct journal *journal, struct arena *arena, struct journal_line **lines)
{
    sqlite3_stmt *statement = NULL;
    size_t count = 0, capacity = 0;
    *lines = NULL;
    if (!journal_prepare(journal, "SELECT name, value FROM summary ORDER BY name", &statement, NULL)) {
        return 0;
    }
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        if (strcmp(name, JOURNAL_CHAIN) != 0) {
            *lines = arena_grow(arena, *lines, count, &capacity, sizeof **lines);
            (*lines)[count++] = (struct journal_line){
                arena_strdup(arena, name),
                arena_strdup(arena, (const char *)sqlite3_column_text(statement, 1))};
        }
    }
    sqlite3_finalize(statement);
    return count;
}
