/* Writing the journal: what becomes durable together. (The file: journal_file.c; reading it:
 * journal_read.c.) */
#include "runtime/state/journal.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/state/journal_state.h"
#include "runtime/state/records.h"
#include "runtime/world/world.h"

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

/* What is written to a file that has no name any more is lost with this process, and nobody else hears
 * of an error: so each commit looks. (Of shared records it is a copy that is made again.) */
static bool check_there(struct journal *journal, struct error *error)
{
    struct stat info;
    if (journal->records || (stat(journal->path, &info) == 0 && info.st_dev == journal->device &&
                             info.st_ino == journal->inode)) {
        return true;
    }
    journal->broken = true;
    error_set(error, "writing the journal %s: it was removed or moved away", journal->path);
    return error_help(error, "put its folder back as it was, then: drc run resume; without it, drc run "
                             "orphans PLAN lists what the run made");
}

bool journal_write(struct journal *journal, const struct journal_write *write, struct error *error)
{
    bool one_row = write->line_count == 0 && !write->chain; /* SQLite's own transaction does */
    bool ok = (one_row || journal_execute(journal, "writing the journal", "BEGIN IMMEDIATE", error)) &&
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
    bool ok = check_there(journal, error) &&
              (!journal->records || records_put_now(journal->records, &write, error));
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

bool journal_set_chain(struct journal *journal, const char *chain, struct error *error)
{
    return write_line(journal, JOURNAL_CHAIN, chain) ||
           journal_database_error(journal, "writing the journal", error);
}
