#include "runtime/sandbox/state.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/base/arena.h"
#include "compiler/base/hash.h"
#include "compiler/base/embedded.h"
#include "compiler/base/sha256.h"

enum { STATE_VERSION = 3, BUSY_TIMEOUT_MS = 20000 };

struct prepared {
    const char *sql;
    sqlite3_stmt *statement;
    UT_hash_handle hh;
};

struct state {
    sqlite3 *database;
    struct prepared *statements; /* by their text */
    bool failed;
    char *failure;
    bool open; /* a transaction of state_begin */
};

static void note_failure(struct state *state)
{
    state->failed = true;
    free(state->failure);
    state->failure = base_strdup(sqlite3_errmsg(state->database));
}

static bool execute(struct state *state, const char *sql)
{
    if (sqlite3_exec(state->database, sql, NULL, NULL, NULL) != SQLITE_OK) {
        note_failure(state);
        return false;
    }
    return true;
}

/* Two processes may make the same one: the exclusive transaction lets only one through. */
static bool make_tables(struct state *state)
{
    if (!execute(state, "BEGIN EXCLUSIVE")) {
        return false;
    }
    if (!execute(state, embedded_sandbox_sql)) {
        sqlite3_exec(state->database, "ROLLBACK", NULL, NULL, NULL);
        return false;
    }
    return execute(state, "COMMIT");
}

static bool check_version(struct state *state, struct error *error)
{
    int64_t version = state_value(state, -1, "PRAGMA user_version", "");
    if (state_failed(state)) {
        return error_set(error, "the sandbox's database cannot be read: %s", state_failure(state));
    }
    if (version != STATE_VERSION) {
        error_set(error, "not a sandbox that this drc knows: its database has version %lld, not %d",
                  (long long)version, STATE_VERSION);
        return error_help(error, "make a new one in another directory: drc sandbox init DIR PLAN");
    }
    return true;
}

static bool prepare_file(struct state *state, bool create, struct error *error)
{
    /* A killed process must not lose what it has committed, a power cut may: no fsync. */
    bool ready = execute(state, "PRAGMA journal_mode = WAL") &&
                 execute(state, "PRAGMA synchronous = OFF") && (!create || make_tables(state));
    if (!ready) {
        return error_set(error, "the sandbox's database cannot be %s: %s",
                         create ? "made" : "opened", state_failure(state));
    }
    return check_version(state, error);
}

struct state *state_open(const char *path, bool create, struct error *error)
{
    struct stat found;
    bool memory = strcmp(path, ":memory:") == 0;
    if (!memory && create && stat(path, &found) == 0) {
        error_set(error, "%s is there already", path);
        error_help(error, "use it with --sandbox, delete the directory, or name another one");
        return NULL;
    }
    struct state *state = base_alloc(sizeof *state);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(path, &state->database, flags, NULL) != SQLITE_OK) {
        error_set(error, "%s: %s", path, sqlite3_errmsg(state->database));
        error_help(error, "is it a sandbox? One is made by: drc sandbox init DIR; one that was "
                          "moved is named by --sandbox DIR");
        state_close(state);
        return NULL;
    }
    sqlite3_busy_timeout(state->database, BUSY_TIMEOUT_MS);
    if (!prepare_file(state, create, error)) {
        error_prefix(error, "%s", path);
        state_close(state);
        return NULL;
    }
    return state;
}

void state_close(struct state *state)
{
    if (!state) {
        return;
    }
    struct prepared *entry = state->statements;
    HASH_CLEAR(hh, state->statements); /* frees the table alone */
    while (entry) {
        struct prepared *next = entry->hh.next;
        sqlite3_finalize(entry->statement);
        free(entry);
        entry = next;
    }
    sqlite3_close(state->database);
    free(state->failure);
    free(state);
}

bool state_begin(struct state *state)
{
    state->failed = false;
    state->open = execute(state, "BEGIN IMMEDIATE");
    return state->open;
}

/* A statement left in the middle of its rows would keep the transaction open. */
static void reset_statements(struct state *state)
{
    for (struct prepared *entry = state->statements; entry; entry = entry->hh.next) {
        sqlite3_reset(entry->statement);
    }
}

bool state_end(struct state *state, bool commit)
{
    state->open = false;
    reset_statements(state);
    if (commit && !state->failed && execute(state, "COMMIT")) {
        return true;
    }
    sqlite3_exec(state->database, "ROLLBACK", NULL, NULL, NULL);
    return !commit;
}

bool state_begin_operation(struct state *state)
{
    return execute(state, "SAVEPOINT operation");
}

bool state_end_operation(struct state *state, bool keep)
{
    reset_statements(state);
    if (!keep && !execute(state, "ROLLBACK TO operation")) {
        return false;
    }
    return execute(state, "RELEASE operation");
}

/* Without memory or room SQLite takes the whole transaction back by itself ("Response To Errors Within A
 * Transaction"): what an operation has still to write would stay, alone. */
static bool has_lost_transaction(const struct state *state)
{
    return state->open && sqlite3_get_autocommit(state->database);
}

static sqlite3_stmt *prepare(struct state *state, const char *sql)
{
    if (has_lost_transaction(state)) {
        state->failed = true;
        return NULL;
    }
    struct prepared *entry = NULL;
    HASH_FIND_STR(state->statements, sql, entry);
    if (entry) {
        sqlite3_reset(entry->statement);
        sqlite3_clear_bindings(entry->statement);
        return entry->statement;
    }
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v3(state->database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) !=
        SQLITE_OK) {
        note_failure(state);
        return NULL;
    }
    entry = base_alloc(sizeof *entry);
    entry->sql = sql;
    entry->statement = statement;
    HASH_ADD_KEYPTR(hh, state->statements, entry->sql, strlen(entry->sql), entry);
    return statement;
}

static void bind(sqlite3_stmt *statement, const char *types, va_list values)
{
    for (int i = 0; types[i]; i++) {
        switch (types[i]) {
        case 's': {
            const char *text = va_arg(values, const char *);
            sqlite3_bind_text(statement, i + 1, text, -1, SQLITE_TRANSIENT);
            break;
        }
        case 'i':
            sqlite3_bind_int64(statement, i + 1, va_arg(values, int64_t));
            break;
        case 'd':
            sqlite3_bind_int(statement, i + 1, va_arg(values, int));
            break;
        case 'f':
            sqlite3_bind_double(statement, i + 1, va_arg(values, double));
            break;
        case 'h': {
            const uint8_t *digest = va_arg(values, const uint8_t *);
            sqlite3_bind_blob(statement, i + 1, digest, SHA256_SIZE, SQLITE_TRANSIENT);
            break;
        }
        default:
            abort(); /* A wrong letter is a bug in the caller. */
        }
    }
}

static sqlite3_stmt *query_values(struct state *state, const char *sql, const char *types,
                                  va_list values)
{
    sqlite3_stmt *statement = prepare(state, sql);
    if (statement) {
        assert((size_t)sqlite3_bind_parameter_count(statement) == strlen(types));
        bind(statement, types, values);
    }
    return statement;
}

struct sqlite3_stmt *state_query(struct state *state, const char *sql, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    sqlite3_stmt *statement = query_values(state, sql, types, values);
    va_end(values);
    return statement;
}

bool state_next(struct state *state, struct sqlite3_stmt *statement)
{
    if (!statement) {
        return false;
    }
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW) {
        return true;
    }
    if (result != SQLITE_DONE) {
        note_failure(state);
    }
    sqlite3_reset(statement);
    return false;
}

void state_done(struct sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
}

const char *state_text(struct arena *arena, struct sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? arena_strdup(arena, text) : NULL;
}

int64_t state_int(struct sqlite3_stmt *statement, int column)
{
    return sqlite3_column_int64(statement, column);
}

double state_number(struct sqlite3_stmt *statement, int column)
{
    return sqlite3_column_double(statement, column);
}

bool state_digest(struct sqlite3_stmt *statement, int column, uint8_t digest[32])
{
    const void *bytes = sqlite3_column_blob(statement, column);
    if (!bytes || sqlite3_column_bytes(statement, column) != SHA256_SIZE) {
        return false;
    }
    memcpy(digest, bytes, SHA256_SIZE);
    return true;
}

bool state_is_null(struct sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL;
}

bool state_run(struct state *state, const char *sql, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    sqlite3_stmt *statement = query_values(state, sql, types, values);
    va_end(values);
    while (state_next(state, statement)) {
    }
    return !state->failed;
}

int64_t state_value(struct state *state, int64_t fallback, const char *sql, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    sqlite3_stmt *statement = query_values(state, sql, types, values);
    va_end(values);
    int64_t value = fallback;
    if (state_next(state, statement)) {
        value = state_is_null(statement, 0) ? fallback : state_int(statement, 0);
        state_done(statement);
    }
    return value;
}

const char *state_value_text(struct state *state, struct arena *arena, const char *sql,
                             const char *types, ...)
{
    va_list values;
    va_start(values, types);
    sqlite3_stmt *statement = query_values(state, sql, types, values);
    va_end(values);
    const char *text = NULL;
    if (state_next(state, statement)) {
        text = state_text(arena, statement, 0);
        state_done(statement);
    }
    return text;
}

bool state_failed(const struct state *state)
{
    return state->failed;
}

const char *state_failure(const struct state *state)
{
    return state->failure ? state->failure : "";
}

const char *state_setting(struct state *state, struct arena *arena, const char *name)
{
    return state_value_text(state, arena, "SELECT value FROM settings WHERE name = ?", "s", name);
}

int64_t state_setting_int(struct state *state, const char *name, int64_t fallback)
{
    return state_value(state, fallback, "SELECT value FROM settings WHERE name = ?", "s", name);
}

double state_setting_number(struct state *state, const char *name, double fallback)
{
    sqlite3_stmt *row = state_query(state, "SELECT value FROM settings WHERE name = ?", "s", name);
    double value = fallback;
    if (state_next(state, row)) {
        value = state_number(row, 0);
        state_done(row);
    }
    return value;
}

bool state_set(struct state *state, const char *name, const char *value)
{
    return state_run(state, "INSERT OR REPLACE INTO settings VALUES (?, ?)", "ss", name, value);
}

bool state_set_int(struct state *state, const char *name, int64_t value)
{
    return state_run(state, "INSERT OR REPLACE INTO settings VALUES (?1, ?2)", "si", name, value);
}
