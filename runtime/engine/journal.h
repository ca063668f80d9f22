/* Journal: what a run intended and what came of it, in numbered group commits in one SQLite file
 * (WAL, synchronous=FULL; schemas/journal.sql). An intent is durable before its request goes out, a
 * result before its dependants are released. Everything that a resume needs is in here and nowhere
 * else: graph, bindings, options, the bytes of the plan and its scripts. */
#ifndef DRC_ENGINE_JOURNAL_H
#define DRC_ENGINE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"

struct journal;

/* Creates the file (0600, fails when it exists) or opens one. Files that are no journal of this
 * version are refused. Disk full and read-only directories are errors here, before any change. */
struct journal *journal_create(const char *path, struct error *error);
struct journal *journal_open(const char *path, bool read_only, struct error *error);
void journal_close(struct journal *journal);

/* Named blobs written once: "graph", "plan", "facts", "options", "file:scripts/x.sh". Durable when
 * this returns. */
bool journal_put_blob(struct journal *journal, const char *name, const void *bytes, size_t length,
                      struct error *error);
/* The caller frees *bytes. False with an empty error when there is none of that name. */
bool journal_get_blob(struct journal *journal, const char *name, void **bytes, size_t *length,
                      struct error *error);

/* Adds a record (one line of JSON, without its newline) to the group under way. */
void journal_append(struct journal *journal, const char *record);
/* Makes the group durable as number N+1. After a failure (disk full) the journal refuses all. */
bool journal_commit(struct journal *journal, struct error *error);
bool journal_is_dirty(const struct journal *journal);

/* Every record in order. Stops when `each` returns false. */
bool journal_replay(struct journal *journal, bool (*each)(void *context, int64_t number,
                    const char *record), void *context, struct error *error);

#endif
