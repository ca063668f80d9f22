/* The journal's inside: what journal.c, journal_file.c and journal_read.c share with records.c, for
 * which the file is a copy that can be made again. */
#ifndef DRC_STATE_JOURNAL_STATE_H
#define DRC_STATE_JOURNAL_STATE_H

#include <sqlite3.h>
#include <sys/types.h>

#include "compiler/base/buffer.h"
#include "runtime/state/journal.h"

/* The line of the summary that says up to which record the file is a copy (records.c writes it). */
#define JOURNAL_CHAIN "chain"

struct journal_line {
    char *name, *value;
};

/* What becomes durable at once. */
struct journal_batch {
    struct buffer group;
    struct journal_line *lines;
    size_t line_count, line_capacity;
};

struct journal_write {
    int64_t number, at_utc_ms;
    const char *text; /* the records, lines of JSON */
    size_t length;
    const struct journal_line *lines; /* of the summary */
    size_t line_count;
    const char *chain; /* NULL: not shared */
};

struct journal {
    sqlite3 *database;
    sqlite3_stmt *insert, *copy, *summarize;
    char *path;
    struct world *world;
    struct journal_batch open, sending;
    struct records *records; /* NULL: not shared */
    struct journal_write write; /* under way: points into `sending` */
    journal_committed committed;
    journal_waiting waiting;
    void *committed_context;
    int64_t number;
    dev_t device; /* of the file, and which it is there */
    ino_t inode;
    bool read_only, broken, under_way;
};

bool journal_database_error(struct journal *journal, const char *doing, struct error *error);
bool journal_execute(struct journal *journal, const char *doing, const char *sql, struct error *error);
bool journal_prepare(struct journal *journal, const char *sql, sqlite3_stmt **statement,
                     struct error *error);

/* One group, into the file alone. A failure breaks the journal. */
bool journal_write(struct journal *journal, const struct journal_write *write, struct error *error);
bool journal_write_blob(struct journal *journal, const char *name, const void *bytes, size_t length,
                        struct error *error);
bool journal_set_chain(struct journal *journal, const char *chain, struct error *error);

/* All that is in the file, in order; texts are valid during the call. Stops, false, when `each` returns
 * false. */
bool journal_each_group(struct journal *journal,
                        bool (*each)(void *context, const struct journal_write *write),
                        void *context, struct error *error);
bool journal_each_blob(struct journal *journal,
                       bool (*each)(void *context, const char *name, const void *bytes,
                                    size_t length),
                       void *context, struct error *error);
size_t journal_lines(struct journal *journal, struct arena *arena, struct journal_line **lines);

#endif
