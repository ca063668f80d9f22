/* What the parts of the mover share. Included by its own files only. */
#ifndef DRC_MOVER_MOVER_STATE_H
#define DRC_MOVER_MOVER_STATE_H

#include "runtime/mover/bandwidth.h"
#include "runtime/mover/block_map.h"
#include "runtime/mover/block_target.h"
#include "runtime/mover/mover.h"
#include "runtime/mover/reached.h"
#include "runtime/mover/width.h"

struct copy;
struct sha256;
struct world_task;

/* A call on its way. */
struct job {
    struct mover *mover;
    struct call *call;
    call_done done;
    void *context;
    struct world_task *task; /* until it begins, and of its end */
    struct repository *repository; /* NULL: not open yet */
    struct copy *copy;             /* of put-blocks */
    struct map_cursor *cursor;     /* of record-copy */
    struct job *prev, *next;
};

struct opened {
    char *url;
    struct repository *repository;
    struct opened *next;
};

enum slot_state {
    SLOT_READING,
    SLOT_QUEUED,  /* read: waits for its turn to be sent */
    SLOT_SENDING,
    SLOT_PAUSING, /* before it is tried again */
};

/* One block on its way. */
struct slot {
    struct copy *copy;
    enum slot_state state;
    uint64_t number; /* in the order of the map */
    uint64_t index;
    struct block_digest digest;
    void *bytes; /* a buffer of the mover's; NULL: zeros */
    int attempts;
    struct world_task *timer;
    struct slot *prev, *next;           /* of its copy */
    struct slot *queue_prev, *queue_next; /* of its copy's queue */
};

enum copy_phase { COPY_COUNTING, COPY_SENDING };

/* put-blocks of one disk. */
struct copy {
    struct job *job;
    struct mover *mover;
    enum copy_phase phase;
    struct block_digest map, parent;
    bool has_parent;
    const char *snapshot_id;
    struct map_cursor *cursor;
    uint64_t total; /* blocks to put, those that are there already included */
    uint64_t next;  /* number of the next one of the map */
    bool at_end;    /* of the map */
    struct reached reached;
    uint64_t before; /* blocks that earlier attempts have put */
    struct sha256 *checksum;
    struct slot *slots;
    struct slot *queue; /* read, and not sent */
    size_t slot_count;
    int64_t requests; /* that nobody was told of yet */
    int64_t moved_ms;     /* when a block was last put; monotonic */
    int64_t noted_ms;     /* the last note, and how many blocks there were then */
    uint64_t noted_count;
    double rate;          /* bytes a second, smoothed; 0: not known */
    char *trouble;        /* why the last attempt at a block failed; NULL: it went well */
    struct world_task *ending; /* interrupted: when patience is over */
    struct copy *prev_copy, *next_copy;
};

struct mover {
    struct provider provider; /* first */
    struct mover_options options;
    struct world *world;
    struct opened *repositories;
    struct job *jobs;
    struct copy *copies; /* the next to send is the first */
    size_t copy_count;
    bool opening;     /* a repository: the loop is run for it */
    bool interrupted;
    int64_t unread_since_ms; /* so long the repository could not be read, for a passing reason; -1: it can */
    struct bandwidth bandwidth;
    void **free_buffers;
    size_t free_count, buffers_made, buffers_max;
    void *zeros;
    struct block_digest zero_digest;
    size_t sending;
    size_t unsent; /* being read, or queued */
    struct width width; /* how many may be on their way at once */
    struct world_task *queue_timer, *note_timer;
    bool pumping, pump_again;
};

/* --- mover.c --- */
/* Tells the result; the job is gone then. */
void job_done(struct job *job, const struct call_result *result);
enum { MOVER_PATIENCE_MS = 600000 }; /* without a single block put, or read */
/* RETRY for a passing error; FATAL for any other, and when it does not pass. */
enum outcome mover_outcome(struct mover *mover, const struct error *error);
/* With the error. */
void job_failed(struct job *job, const struct error *error, bool gone);

/* --- copy.c --- */
void copy_begin(struct job *job);
/* Takes it off, without a result. */
void copy_destroy(struct copy *copy);
/* Goes on as far as it can. May end the copy. */
void copy_pump(struct copy *copy);
void copy_interrupt(struct copy *copy);
/* "recovery point … of shop/db, disk 0" before the error, then it has failed. Takes the error. */
void copy_failed(struct copy *copy, struct error *error, bool gone);
void copy_note_all(struct mover *mover);

/* --- copy_blocks.c --- */
/* Reads and sends one block. */
void slot_begin(struct copy *copy, const struct block_entry *entry, void *bytes);
void slot_destroy(struct slot *slot);
/* NULL: none is free. */
void *buffer_take(struct mover *mover);
void buffer_free_all(struct mover *mover);
void buffer_give(struct mover *mover, void *buffer);
/* All copies go on, in turn. */
void mover_pump(struct mover *mover);

/* --- record_copy.c --- */
void record_begin(struct job *job);

#endif
