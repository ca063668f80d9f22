/* State: the sandbox's SQLite database and the statements on it. A request is one transaction, so
 * that a killed process leaves none half done. */
#ifndef DRC_SANDBOX_STATE_H
#define DRC_SANDBOX_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/error.h"

struct arena;
struct sqlite3_stmt;
struct state;

/* `path` may be ":memory:". create: makes the tables, and fails when the file is there already. */
struct state *state_open(const char *path, bool create, struct error *error);
void state_close(struct state *state);

/* Transactions, nested twice at most: the request, and in it the operation, which a failure (or a
 * dry run) takes back alone. False when the database refuses. */
bool state_begin(struct state *state);
bool state_end(struct state *state, bool commit);
bool state_begin_operation(struct state *state);
bool state_end_operation(struct state *state, bool keep);

/* A statement, kept prepared for the life of the state: `sql` has to be a literal. `types` has a
 * letter for each parameter: s const char * (NULL is SQL's), i int64_t, d int (or bool), f double,
 * h const uint8_t * (a SHA-256 digest).
 * Never NULL; errors show in state_failed. */
struct sqlite3_stmt *state_query(struct state *state, const char *sql, const char *types, ...);
/* The next row; false at the end (the statement is then free for its next use) or on failure. */
bool state_next(struct state *state, struct sqlite3_stmt *statement);
/* Gives up the remaining rows. */
void state_done(struct sqlite3_stmt *statement);

/* Columns of the row: copied into the arena, NULL for SQL's NULL; 0 for NULL. */
const char *state_text(struct arena *arena, struct sqlite3_stmt *statement, int column);
int64_t state_int(struct sqlite3_stmt *statement, int column);
double state_number(struct sqlite3_stmt *statement, int column);
bool state_is_null(struct sqlite3_stmt *statement, int column);
/* False when the column holds no digest. */
bool state_digest(struct sqlite3_stmt *statement, int column, uint8_t digest[32]);

/* Runs a statement without rows. */
bool state_run(struct state *state, const char *sql, const char *types, ...);
/* First column of the first row; the fallback when there is none. */
int64_t state_value(struct state *state, int64_t fallback, const char *sql, const char *types, ...);
const char *state_value_text(struct state *state, struct arena *arena, const char *sql,
                             const char *types, ...);

/* Whether any call since state_begin failed; the text of the last failure. */
bool state_failed(const struct state *state);
const char *state_failure(const struct state *state);

/* Named settings. */
const char *state_setting(struct state *state, struct arena *arena, const char *name);
int64_t state_setting_int(struct state *state, const char *name, int64_t fallback);
double state_setting_number(struct state *state, const char *name, double fallback);
bool state_set(struct state *state, const char *name, const char *value);
bool state_set_int(struct state *state, const char *name, int64_t value);

#endif
