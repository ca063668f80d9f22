/* Repository: recovery points of VMs, in a store (a directory, S3). Objects:
 *   repository             JSON: {"format":"drc-repository/1","id":…}
 *   blocks/ab/HEX          a block, by the SHA-256 of its 512 KiB (magic, version, codec, bytes)
 *   maps/ab/HEX            block maps (block_map.h), by the SHA-256 of the object
 *   points/PLAN/VM/TIME    a recovery point (JSON): put last, if absent; then it is there, whole
 *   copies/SNAPSHOT        which block map a DR copy holds (JSON)
 *   locks/…                leases of writers and of prune
 * docs/reference/repository-format.md tells all of it. What lies there is foreign input: bounded,
 * checked, named in errors by recovery point, disk and object.
 *
 * Asynchronous calls follow the store's rules: the callback comes once, from the loop, never from
 * within. Calls that say "runs the loop" are for commands. */
#ifndef DRC_MOVER_REPOSITORY_H
#define DRC_MOVER_REPOSITORY_H

#include "compiler/base/error.h"
#include "runtime/mover/block.h"

struct arena;
struct repository;
struct repository_writer;
struct store;
struct world;

/* Runs the loop. Owns the store from then on, also when it fails. `name` is for people
 * ("dir:backup", copied). create: makes it where it is missing; otherwise that is an error, as is a
 * store that holds something else or a later version. */
struct repository *repository_open(struct store *store, struct world *world, const char *name,
                                   bool create, struct error *error);
/* What is under way never calls back. NULL is allowed. */
void repository_close(struct repository *repository);
const char *repository_name(const struct repository *repository);
const char *repository_id(const struct repository *repository);
struct store *repository_store(struct repository *repository);
struct world *repository_world(struct repository *repository);
/* Whether blocks are read on threads of this process, and not awaited from another machine. */
bool repository_is_near(const struct repository *repository);

/* ---- blocks ---- */

/* `error` NULL: done. Valid during the callback. */
typedef void (*repository_done)(void *context, const struct error *error);

/* Reads, unpacks and verifies a block (on threads) into `into`, BLOCK_BYTES that live until the
 * callback. Missing, truncated or altered blocks are errors that say so. */
void repository_get_block(struct repository *repository, const struct block_digest *digest,
                          void *into, repository_done done, void *context);
/* The same, with fewer copies, into room for an object: the block stands behind its first
 * REPOSITORY_ROOM_AHEAD bytes then. */
enum { REPOSITORY_ROOM_AHEAD = 12, REPOSITORY_ROOM = REPOSITORY_ROOM_AHEAD + BLOCK_BYTES };
void repository_get_block_within(struct repository *repository, const struct block_digest *digest,
                                 void *room, repository_done done, void *context);
/* Callbacks with that context never come; the reads may still write into `into` until
 * repository_close unless this has returned. */
void repository_forget(struct repository *repository, void *context);

/* ---- writing: all that is written belongs to a writer, which keeps prune away ---- */

/* Runs the loop; waits for a prune under way (says so on the way by `waiting`, NULL: silently).
 * `what` tells people who it is ("import of shop/db"). */
struct repository_writer *repository_write(struct repository *repository, const char *what,
                                           void (*waiting)(void *context, const char *why),
                                           void *context, struct error *error);
/* Packs and puts a block (on threads; zstd, or as it is where that is not smaller). `bytes` live
 * until the callback. The caller knows the digest, and does not put zero blocks. Putting what is
 * there already does no harm. */
void repository_put_block(struct repository_writer *writer, const struct block_digest *digest,
                          const void *bytes, repository_done done, void *context);
/* NULL is allowed. Ends without a commit: what was put is garbage for prune. Runs the loop. */
void repository_writer_close(struct repository_writer *writer);

/* ---- recovery points ---- */

enum { REPOSITORY_DISKS_MAX = 60 };

struct repository_disk {
    int64_t bytes;
    const char *controller;  /* pvscsi, lsilogic, sata, ide, nvme; NULL: unknown */
    struct block_digest map; /* root of its block map */
    uint64_t blocks;         /* non-zero ones */
};

struct repository_card {
    const char *network, *mac; /* NULL: unknown */
};

/* Lies in an arena. Unknown texts are NULL, unknown numbers 0. */
struct repository_point {
    const char *plan, *vm;
    const char *time; /* RFC 3339, UTC, to the second: identifies it within the VM */
    int64_t utc_ms;
    const char *firmware, *os, *arch,
        *guest_id; /* as in DESIGN's tags: bios|uefi, linux|windows … */
    int64_t cpus, memory_mib;
    struct repository_disk *disks;
    size_t disk_count;
    struct repository_card *cards;
    size_t card_count;
    const char *made_by; /* "drc 0.1.0" */
    bool quiesced;
};

/* Makes all that the writer put durable, makes sure that it still holds its lease, then puts the
 * point. A point of that plan, VM and time that is there already is an error. Runs the loop. */
bool repository_commit(struct repository_writer *writer, const struct repository_point *point,
                       struct error *error);

/* All points of the plan (NULL: of any) and VM (NULL: any), by plan and VM, oldest first. A point
 * that cannot be read is not an error for the others: what is wrong with it is among `damaged`.
 * Runs the loop. */
struct repository_points {
    struct repository_point *items;
    size_t count;
    const char **damaged;
    size_t damaged_count;
};
bool repository_list(struct repository *repository, struct arena *arena, const char *plan,
                     const char *vm, struct repository_points *points, struct error *error);
/* The newest of the VM at or before until_utc_ms (INT64_MAX: any). NULL with an empty error: none.
 */
const struct repository_point *repository_newest(struct repository *repository, struct arena *arena,
                                                 const char *plan, const char *vm,
                                                 int64_t until_utc_ms, struct error *error);

/* ---- DR copies: which map an EBS snapshot holds ---- */

struct repository_copy {
    const char *snapshot_id, *plan, *vm, *recovery_point;
    int64_t disk, disk_bytes;
    struct block_digest map;
};
/* Asynchronous. Needs no writer: prune counts copies' maps as in use while they are listed. */
void repository_put_copy(struct repository *repository, const struct repository_copy *copy,
                         repository_done done, void *context);
/* All of them, in the arena (of a plan; NULL: of any). One that is damaged is no error for the others:
 * what is wrong with it is among `damaged`, of whatever plan it is. Runs the loop. */
struct repository_copies {
    struct repository_copy *copies;
    const char **damaged;
    size_t count, damaged_count;
};
bool repository_list_copies(struct repository *repository, struct arena *arena, const char *plan,
                            struct repository_copies *found, struct error *error);
/* Forgets those whose snapshot is gone. Runs the loop. */
bool repository_remove_copy(struct repository *repository, const char *snapshot_id,
                            struct error *error);

/* ---- block maps, beside block_map.h ---- */

/* How many blocks differ: what is in `root` and not the same in `old` (NULL: all non-zero ones), as a cursor
 * over them (block_map.h) would yield them. Runs the loop. */
bool map_difference_count(struct repository *repository, const struct block_digest *root,
                          const struct block_digest *old, uint64_t *count, struct error *error);

#endif
