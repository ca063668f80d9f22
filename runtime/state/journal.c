#include "runtime/state/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/embedded.h"
#include "runtime/state/journal_state.h"
#include "runtime/state/records.h"
#include "runtime/world/files.h"
#include "runtime/world/world.h"

enum {
    JOURNAL_APPLICATION_ID = 0x6472636a, /* "drcj" */
    JOURNAL_VERSION = 1,
    JOURNAL_BUSY_MS = 5000,
    JOURNAL_CACHE_KIB = 256, /* it is written from front to back, and seldom read */
};

#define DAMAGED_HELP                                                                               \
    "put back a good copy of it; without one, move the run's folder away and delete what carries " \
    "the run's tag drc:run"

bool journal_help_damaged(struct error *error)
{
    return error_help(error, "%s", DAMAGED_HELP);
}

/* What a person can do about an answer of SQLite. */
static const char *help_for(int code)
{
    switch (code & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_ERROR: /* a table is missing */
        return DAMAGED_HELP;
    case SQLITE_FULL:
        return "free some disk space there, then: drc run resume";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
    case SQLITE_AUTH:
        return "make the state directory writable for this user, or give another one with --state";
    case SQLITE_IOERR:
        return "look at the disk under the state directory (space, quota, health)";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "another drc writes this run: see drc run list";
    default:
        return NULL;
    }
}

bool journal_database_error(struct journal *journal, const char *doing, struct error *error)
{
    int code = sqlite3_extended_errcode(journal->database);
    error_set(error, "%s %s: %s", doing, journal->path, sqlite3_errmsg(journal->database));
    const char *help = help_for(code);
    if (help) {
        error_help(error, "%s", help);
    }
    return false;
}

static bool execute(struct journal *journal, const char *doing, const char *sql, struct error *error)
{
    return sqlite3_exec(journal->database, sql, NULL, NULL, NULL) == SQLITE_OK ||
           journal_database_error(journal, doing, error);
}

bool journal_prepare(struct journal *journal, const char *sql, sqlite3_stmt **statement,
                     struct error *error)
{
    return sqlite3_prepare_v2(journal->database, sql, -1, statement, NULL) == SQLITE_OK ||
           journal_database_error(journal, "preparing the journal", error);
}

static bool connect_database(struct journal *journal, int flags, struct error *error)
{
    if (sqlite3_open_v2(journal->path, &journal->database, flags, NULL) != SQLITE_OK) {
        return journal_database_error(journal, "opening the journal", error);
    }
    sqlite3_extended_result_codes(journal->database, 1);
    sqlite3_busy_timeout(journal->database, JOURNAL_BUSY_MS);
    char cache[64];
    snprintf(cache, sizeof cache, "PRAGMA cache_size = -%d", JOURNAL_CACHE_KIB);
    return execute(journal, "opening the journal", cache, error);
}

static bool read_integer(struct journal *journal, const char *sql, int64_t *value,
                         struct error *error)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(journal->database, sql, -1, &statement, NULL) != SQLITE_OK) {
        return journal_database_error(journal, "reading the journal", error);
    }
    bool ok = sqlite3_step(statement) == SQLITE_ROW;
    if (ok) {
        *value = sqlite3_column_int64(statement, 0);
    } else {
        journal_database_error(journal, "reading the journal", error);
    }
    sqlite3_finalize(statement);
    return ok;
}

/* Refuses what is no journal: any other file, or one of a later version. */
static bool check_identity(struct journal *journal, struct error *error)
{
    int64_t id = 0, version = 0;
    if (!read_integer(journal, "PRAGMA application_id", &id, error) ||
        !read_integer(journal, "PRAGMA user_version", &version, error)) {
        return false;
    }
    if (id != JOURNAL_APPLICATION_ID) {
        error_set(error, "opening the journal %s: this file is not a journal of drc", journal->path);
        return journal_help_damaged(error);
    }
    if (version != JOURNAL_VERSION) {
        error_set(error, "opening the journal %s: it is of version %lld, this drc knows version %d",
                  journal->path, (long long)version, JOURNAL_VERSION);
        return error_help(error, "use the drc that made it");
    }
    return true;
}

/* FULL: every commit is on the disk when it returns, which is what the protocol stands on. */
static bool set_up_writer(struct journal *journal, struct error *error)
{
    return execute(journal, "opening the journal",
                   "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;", error) &&
           journal_prepare(journal, "INSERT INTO groups VALUES (?, ?, ?)", &journal->insert, error) &&
           journal_prepare(journal, "INSERT OR IGNORE INTO groups VALUES (?, ?, ?)", &journal->copy,
                           error) &&
           journal_prepare(journal, "INSERT OR REPLACE INTO summary VALUES (?, ?)", &journal->summarize,
                   error);
}

static struct journal *allocate(const char *path, bool read_only)
{
    struct journal *journal = base_alloc(sizeof *journal);
    journal->path = base_strdup(path);
    journal->read_only = read_only;
    return journal;
}

static struct journal *give_up(struct journal *journal)
{
    journal_close(journal);
    return NULL;
}

static bool creation_failed(const char *path, int reason, struct error *error)
{
    error_set(error, "creating the journal %s: %s", path, strerror(reason));
    if (reason == ENOSPC || reason == EDQUOT) {
        error_help(error, "free some disk space there, or give another directory with --state");
    } else if (reason != EEXIST) {
        error_help(error, "%s", help_for(SQLITE_READONLY));
    }
    return false;
}

static bool create_file(const char *path, struct error *error)
{
    int file = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0) {
        return creation_failed(path, errno, error);
    }
    close(file);
    return true;
}

/* WAL comes last, and holds nothing then: what is in the file when this returns is all there is, so
 * that it can be renamed. (What a WAL holds comes into the file when that is closed, and a disk that is
 * full then tells nobody.) */
static bool create_tables(const char *path, struct error *error)
{
    struct journal *journal = allocate(path, false);
    struct buffer sql = {0};
    buffer_printf(&sql, "PRAGMA synchronous = FULL; BEGIN IMMEDIATE; PRAGMA application_id = %d; "
                        "PRAGMA user_version = %d; %s; COMMIT; PRAGMA journal_mode = WAL",
                  JOURNAL_APPLICATION_ID, JOURNAL_VERSION, embedded_journal_sql);
    bool ok = connect_database(journal, SQLITE_OPEN_READWRITE, error) &&
              execute(journal, "creating the journal", buffer_text(&sql), error);
    buffer_free(&sql);
    journal_close(journal);
    return ok;
}

/* There is nothing to resume yet. */
static bool elsewhere(struct error *error)
{
    return error_help(error, "free some disk space there, or give another directory with --state");
}

/* A half journal and what SQLite keeps beside it: rolled back into a new one, it would spoil that. */
static void remove_half(const char *making)
{
    static const char *const suffixes[] = {"-journal", "-wal", "-shm", ""};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        struct buffer name = {0};
        buffer_printf(&name, "%s%s", making, suffixes[i]);
        unlink(name.data);
        buffer_free(&name);
    }
}

/* Made under another name first: a process killed on the way leaves no half journal, and what it left
 * under that name is nobody's (who makes journals here holds the lease, or has just made the directory).
 */
struct journal *journal_create(const char *path, struct error *error)
{
    struct buffer name = {0};
    buffer_printf(&name, "%s.new", path);
    const char *making = buffer_text(&name);
    bool ok = access(path, F_OK) != 0 || creation_failed(path, EEXIST, error);
    if (ok) {
        remove_half(making);
        ok = create_file(making, error) && (create_tables(making, error) || elsewhere(error)) &&
             ((rename(making, path) == 0 && files_sync_parent(path)) ||
              creation_failed(path, errno, error));
        if (!ok) {
            remove_half(making);
        }
    }
    buffer_free(&name);
    return ok ? journal_open(path, false, error) : NULL;
}

/* Neither the file nor its directory may be another's to write. One that others may read (a copy that
 * was put back) is closed again before it grows. */
static bool check_owner(const char *path, bool read_only, struct error *error)
{
    struct stat info;
    if (lstat(path, &info) != 0) {
        return error_set(error, "opening the journal %s: %s", path, strerror(errno));
    }
    char *directory = base_strdup(path);
    char *slash = strrchr(directory, '/');
    if (slash) {
        *slash = '\0';
    }
    bool ok = files_check_private(slash && slash != directory ? directory : ".", false, error) &&
              files_check_private(path, false, error);
    free(directory);
    if (ok && !read_only && info.st_uid == geteuid() && info.st_mode & 077) {
        ok = chmod(path, 0600) == 0 || files_error(error, errno, "closing to others", path);
    }
    return ok || error_prefix(error, "opening the journal");
}

struct journal *journal_open(const char *path, bool read_only, struct error *error)
{
    if (!check_owner(path, read_only, error)) {
        return NULL;
    }
    struct journal *journal = allocate(path, read_only);
    if (!connect_database(journal, read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, error) ||
        !check_identity(journal, error) || (!read_only && !set_up_writer(journal, error)) ||
        !read_integer(journal, "SELECT coalesce(max(number), 0) FROM groups", &journal->number,
                      error)) {
        return give_up(journal);
    }
    return journal;
}

static void batch_clear(struct journal_batch *batch)
{
    for (size_t i = 0; i < batch->line_count; i++) {
        free(batch->lines[i].name);
        free(batch->lines[i].value);
    }
    batch->line_count = 0;
    buffer_clear(&batch->group);
}

static void batch_free(struct journal_batch *batch)
{
    batch_clear(batch);
    free(batch->lines);
    buffer_free(&batch->group);
}

void journal_close(struct journal *journal)
{
    if (!journal) {
        return;
    }
    records_close(journal->records);
    sqlite3_finalize(journal->insert);
    sqlite3_finalize(journal->copy);
    sqlite3_finalize(journal->summarize);
    sqlite3_close(journal->database);
    batch_free(&journal->open);
    batch_free(&journal->sending);
    free(journal->path);
    free(journal);
}

void journal_use_clock(struct journal *journal, struct world *world)
{
    journal->world = world;
}

static bool refuse_when_broken(const struct journal *journal, struct error *error)
{
    if (journal->read_only) {
        return error_set(error, "writing the journal %s: it was opened for reading only",
                         journal->path);
    }
    if (journal->broken) {
        return error_set(error, "writing the journal %s: an earlier write failed, so nothing is "
                         "written any more", journal->path);
    }
    return true;
}

bool journal_put_blob(struct journal *journal, const char *name, const void *bytes, size_t length,
                      struct error *error)
{
    if (!refuse_when_broken(journal, error) ||
        (journal->records && !records_put_blob(journal->records, name, bytes, length, error))) {
        return false;
    }
    return journal_write_blob(journal, name, bytes, length, error);
}

bool journal_write_blob(struct journal *journal, const char *name, const void *bytes, size_t length,
                        struct error *error)
{
    sqlite3_stmt *statement = NULL;
    if (!journal_prepare(journal, "INSERT OR REPLACE INTO blobs VALUES (?, ?)", &statement, error)) {
        return false;
    }
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(statement, 2, length ? bytes : "", length, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    if (code != SQLITE_DONE) {
        journal_database_error(journal, "writing the journal", error);
        /* A second blob of one name is the caller's slip and harms nothing. */
        journal->broken = (sqlite3_errcode(journal->database) & 0xff) != SQLITE_CONSTRAINT;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE;
}

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

void journal_append(struct journal *journal, const char *record)
{
    buffer_puts(&journal->open.group, record);
    buffer_putc(&journal->open.group, '\n');
}

struct buffer *journal_group(struct journal *journal)
{
    return &journal->open.group;
}

void journal_summarize(struct journal *journal, const char *name, const char *value)
{
    struct journal_batch *batch = &journal->open;
    if (batch->line_count == batch->line_capacity) {
        batch->line_capacity = batch->line_capacity ? batch->line_capacity * 2 : 8;
        batch->lines = base_realloc(batch->lines, batch->line_capacity * sizeof *batch->lines);
    }
    batch->lines[batch->line_count++] =
        (struct journal_line){.name = base_strdup(name), .value = base_strdup(value)};
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

bool journal_is_dirty(const struct journal *journal)
{
    return journal->open.group.length > 0 || journal->open.line_count > 0;
}

int64_t journal_number(const struct journal *journal)
{
    return journal->number;
}

static bool step_and_reset(sqlite3_stmt *statement)
{
    bool ok = sqlite3_step(statement) == SQLITE_DONE;
    return sqlite3_reset(statement) == SQLITE_OK && ok;
}

static bool write_line(struct journal *journal, const char *name, const char *value)
{
    sqlite3_bind_text(journal->summarize, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(journal->summarize, 2, value, -1, SQLITE_STATIC);
    return step_and_reset(journal->summarize);
}

/* A copy of shared records may have this one already: another process on this host has read it from
 * there first. */
static bool write_rows(struct journal *journal, const struct journal_write *write)
{
    sqlite3_stmt *insert = write->chain ? journal->copy : journal->insert;
    sqlite3_bind_int64(insert, 1, write->number);
    sqlite3_bind_int64(insert, 2, write->at_utc_ms);
    sqlite3_bind_text64(insert, 3, write->length ? write->text : "", write->length, SQLITE_STATIC,
                        SQLITE_UTF8);
    bool ok = step_and_reset(insert);
    if (ok && sqlite3_changes(journal->database) == 0) {
        return true;
    }
    for (size_t i = 0; ok && i < write->line_count; i++) {
        ok = write_line(journal, write->lines[i].name, write->lines[i].value);
    }
    return ok && (!write->chain || write_line(journal, JOURNAL_CHAIN, write->chain));
}

bool journal_write(struct journal *journal, const struct journal_write *write, struct error *error)
{
    bool one_row = write->line_count == 0 && !write->chain; /* SQLite's own transaction does */
    bool ok = (one_row || execute(journal, "writing the journal", "BEGIN IMMEDIATE", error)) &&
              write_rows(journal, write) &&
              (one_row || sqlite3_exec(journal->database, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
    if (!ok) {
        journal_database_error(journal, "writing the journal", error);
        journal->broken = true;
        sqlite3_exec(journal->database, "ROLLBACK", NULL, NULL, NULL);
        return false;
    }
    journal->number = write->number;
    return true;
}

/* The group under way becomes the one that is sent; what comes from now on is the next. */
static struct journal_write seal(struct journal *journal)
{
    struct journal_batch sealed = journal->open;
    journal->open = journal->sending;
    journal->sending = sealed;
    return (struct journal_write){
        .number = journal->number + 1,
        .at_utc_ms = journal->world ? world_utc_ms(journal->world) : 0,
        .text = sealed.group.data,
        .length = sealed.group.length,
        .lines = sealed.lines,
        .line_count = sealed.line_count,
    };
}

bool journal_commit(struct journal *journal, struct error *error)
{
    if (!journal_is_dirty(journal)) {
        return true;
    }
    if (!refuse_when_broken(journal, error)) {
        return false;
    }
    struct journal_write write = seal(journal);
    bool ok = !journal->records || records_put_now(journal->records, &write, error);
    journal->broken = !ok;
    write.chain = ok && journal->records ? records_chain(journal->records) : NULL;
    ok = ok && journal_write(journal, &write, error);
    batch_clear(&journal->sending);
    return ok;
}

static void accepted(void *context, const struct error *error)
{
    struct journal *journal = context;
    struct error own = {0};
    journal->under_way = false;
    journal->write.chain = error ? NULL : records_chain(journal->records);
    if (error) {
        journal->broken = true;
    } else if (!journal_write(journal, &journal->write, &own)) {
        error = &own;
    }
    batch_clear(&journal->sending);
    journal->committed(journal->committed_context, error);
    error_clear(&own);
}

static void waits(void *context, const char *why)
{
    struct journal *journal = context;
    journal->waiting(journal->committed_context, why);
}

bool journal_commit_begin(struct journal *journal, journal_committed committed,
                          journal_waiting waiting, void *context, struct error *error)
{
    if (!refuse_when_broken(journal, error)) {
        return false;
    }
    journal->committed = committed;
    journal->waiting = waiting;
    journal->committed_context = context;
    journal->write = seal(journal);
    journal->under_way = true;
    records_put(journal->records, &journal->write, accepted, waits, journal);
    return true;
}

void journal_abandon(struct journal *journal)
{
    if (journal->under_way) {
        journal->under_way = false;
        journal->broken = true;
        records_abandon(journal->records);
    }
}

bool journal_is_shared(const struct journal *journal)
{
    return journal->records != NULL;
}

bool journal_is_lost(const struct journal *journal)
{
    return journal->records && records_are_lost(journal->records);
}

void journal_attach(struct journal *journal, struct records *records)
{
    journal->records = records;
    /* What is durable are the records: the file may lag behind them. */
    sqlite3_exec(journal->database, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
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

bool journal_set_chain(struct journal *journal, const char *chain, struct error *error)
{
    return write_line(journal, JOURNAL_CHAIN, chain) ||
           journal_database_error(journal, "writing the journal", error);
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
