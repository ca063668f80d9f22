/* Journal: what a run intended and what came of it, in numbered group commits in one SQLite file
 * (WAL, synchronous=FULL; schemas/journal.sql). An intent is durable before its request goes out, a
 * result before its dependants are released. Everything that a resume needs is in here and nowhere
 * else: graph, bindings, options, the bytes of the plan and its scripts. */
#ifndef DRC_STATE_JOURNAL_H
#define DRC_STATE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"

struct arena;
struct buffer;
struct journal;
struct world;

/* Creates the file (0600, fails when it exists) or opens one. Files that are no journal of this
 * version are refused. Disk full and read-only directories are errors here, before any change. */
struct journal *journal_create(const char *path, struct error *error);
struct journal *journal_open(const char *path, bool read_only, struct error *error);
void journal_close(struct journal *journal);

/* Whose clock stamps the groups from now on (borrowed); without one their time is 0. */
void journal_use_clock(struct journal *journal, struct world *world);

/* Named blobs ("graph", "plan", "facts", "options", "file:scripts/x.sh"), written before the run
 * begins; again only by a resume that prepares it anew. Durable when this returns. */
bool journal_put_blob(struct journal *journal, const char *name, const void *bytes, size_t length,
                      struct error *error);
/* The caller frees *bytes (a NUL stands behind them). False with an empty error when there is none
 * of that name. */
bool journal_get_blob(struct journal *journal, const char *name, void **bytes, size_t *length,
                      struct error *error);

/* Adds a record (one line of JSON, without its newline) to the group under way. */
void journal_append(struct journal *journal, const char *record);
/* The group under way, to write a record into without a copy: call, append to the buffer a line of
 * JSON and its newline. */
struct buffer *journal_group(struct journal *journal);
/* Sets a line of the summary, together with the group under way. */
void journal_summarize(struct journal *journal, const char *name, const char *value);
/* A line of the summary as of the last group, in the arena; NULL when there is none. */
const char *journal_summary(struct journal *journal, struct arena *arena, const char *name);

/* Makes the group durable as number N+1; without one, nothing happens. After a failure (disk full)
 * the journal refuses all. */
bool journal_commit(struct journal *journal, struct error *error);
/* Where the state is shared (records.h), a group counts once it is among the records: that may take
 * its time, and this file is only a copy of them. */
struct records;
/* From now on; the journal owns it. Its groups are among the records already. */
void journal_attach(struct journal *journal, struct records *records);
bool journal_is_shared(const struct journal *journal);
/* Another process has the run now: a commit found that process's record in its place. */
bool journal_is_lost(const struct journal *journal);
/* Of a shared one, with something to commit: begins to. What is appended meanwhile belongs to the next
 * group. `committed` comes once, from the loop, `error` NULL when the group is durable; `waiting`
 * before it, each time that the store did not take it and is asked again. False: refused. */
typedef void (*journal_committed)(void *context, const struct error *error);
typedef void (*journal_waiting)(void *context, const char *why);
bool journal_commit_begin(struct journal *journal, journal_committed committed,
                          journal_waiting waiting, void *context, struct error *error);
/* Gives a commit up that is under way: whether it has happened will be seen when the records are read
 * again, so nothing is written any more. `committed` never comes. */
void journal_abandon(struct journal *journal);
bool journal_is_dirty(const struct journal *journal);
/* Number of the last group that is durable; 0: none. */
int64_t journal_number(const struct journal *journal);

/* Every record in order. Stops when `each` returns false (then this returns true). */
bool journal_replay(struct journal *journal, bool (*each)(void *context, int64_t number,
                    const char *record), void *context, struct error *error);

/* The same from the groups behind number `after` on: what has come since. */
bool journal_replay_after(struct journal *journal, int64_t after, bool (*each)(void *context,
                          int64_t number, const char *record), void *context, struct error *error);

/* Adds to an error what to do about a journal that cannot be read back. Returns false. */
bool journal_help_damaged(struct error *error);

#endif
