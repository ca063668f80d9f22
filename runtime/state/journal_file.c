/* The journal's file: making one, opening it, refusing what is none. */
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
#include "runtime/world/files.h"

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

bool journal_execute(struct journal *journal, const char *doing, const char *sql, struct error *error)
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
    return journal_execute(journal, "opening the journal", cache, error);
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
    return journal_execute(journal, "opening the journal",
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
              journal_execute(journal, "creating the journal", buffer_text(&sql), error);
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
static bool check_owner(const char *path, bool read_only, struct stat *info, struct error *error)
{
    if (lstat(path, info) != 0) {
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
    if (ok && !read_only && info->st_uid == geteuid() && info->st_mode & 077) {
        ok = chmod(path, 0600) == 0 || files_error(error, errno, "closing to others", path);
    }
    return ok || error_prefix(error, "opening the journal");
}

struct journal *journal_open(const char *path, bool read_only, struct error *error)
{
    struct stat info;
    if (!check_owner(path, read_only, &info, error)) {
        return NULL;
    }
    struct journal *journal = allocate(path, read_only);
    journal->device = info.st_dev;
    journal->inode = info.st_ino;
    if (!connect_database(journal, read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, error) ||
        !check_identity(journal, error) || (!read_only && !set_up_writer(journal, error)) ||
        !read_integer(journal, "SELECT coalesce(max(number), 0) FROM groups", &journal->number,
                      error)) {
        return give_up(journal);
    }
    return journal;
}
