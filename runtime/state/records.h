/* Records: a journal in a store that more than one runner sees. Below PREFIX (PLAN/runs/RUN, or
 * PLAN/runs/RUN/cleanup-N):
 *   log/NNNNNNNN  one group commit, put with If-None-Match: *, numbered from 1 without gaps
 *   blob/DIGEST   bytes that a record names: graph, facts, options, plan …
 * and the SQLite file of journal.h is a copy that can be deleted and is made again from them.
 *
 * A record is one line of JSON and behind it the group's lines as they are in the file:
 *   {"format":"drc-record/1","of":PREFIX,"number":N,"epoch":E,"writer":W,"host":…,"pid":…,"at":UTC ms,
 *    "previous":SHA-256 of the record before,"summary":{…},"blobs":{NAME:[DIGEST,…]},
 *    "sha256":of the lines,"bytes":their length}
 *
 * Who may write: an epoch is one process's time as the run's holder, and `writer` is random. One that
 * takes the run over first puts a record of the next epoch (records_claim). From then on whatever the
 * holder before it sends conflicts, because that number is taken: it can still try, it cannot be
 * accepted. A record whose epoch and writer do not follow from the one before is damage. */
#ifndef DRC_STATE_RECORDS_H
#define DRC_STATE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"

struct journal;
struct journal_write;
struct records;
struct store;
struct world;

enum {
    RECORDS_PATIENCE_MS = 300000, /* until a store that takes nothing ends the run, resumably */
    RECORDS_SETUP_PATIENCE_MS = 50000, /* the same before anything was begun */
    RECORDS_BLOB_PART = 16 << 20,      /* bytes; longer blobs lie in parts */
    RECORDS_BLOB_MAX = 512 << 20,      /* bytes of one that is read: a part may be named many times */
};

/* Store and world are borrowed. */
struct records *records_open(struct store *store, struct world *world, const char *prefix);
/* Gives up what is under way. NULL is allowed. */
void records_close(struct records *records);

/* Brings the file up to what the records say. A record that is missing, damaged or of another run is an
 * error; the good ones before it are in the file then. */
bool records_sync(struct records *records, struct journal *journal, struct error *error);

/* Puts all that a new journal holds, blobs first, as epoch 1, and attaches (journal_attach; the records
 * are the journal's then). Until its first record is there nobody sees the run. */
bool records_publish(struct records *records, struct journal *journal, struct error *error);
/* Takes an existing one over: reads what is new, and puts a record of the next epoch; attaches. */
bool records_claim(struct records *records, struct journal *journal, struct error *error);

/* Another process has put a record where ours would be: it holds the run now. */
bool records_are_lost(const struct records *records);

/* --- for the journal --- */
typedef void (*records_done)(void *context, const struct error *error); /* NULL: accepted */
typedef void (*records_waiting)(void *context, const char *why);
/* Asks until the store takes it or RECORDS_PATIENCE_MS have passed. `write` has to live until then. */
void records_put(struct records *records, const struct journal_write *write, records_done done,
                 records_waiting waiting, void *context);
void records_abandon(struct records *records);
/* The same, running the loop. */
bool records_put_now(struct records *records, const struct journal_write *write,
                     struct error *error);
/* Its bytes are in the store when this returns; the next record names it. */
bool records_put_blob(struct records *records, const char *name, const void *bytes, size_t length,
                      struct error *error);
/* Where the file is when the last accepted record is in it. */
const char *records_chain(struct records *records);

#endif
