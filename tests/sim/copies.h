/* Copies: EBS as its own answers tell it, off the wire: which snapshot holds which blocks, what is completed,
 * tagged, deleted. Speaks up when what is called a DR copy does not hold the recovery point, bit for bit; when
 * the newest complete copy of a VM is deleted; when a block is sent that has not changed, or one that the
 * journal knows to be there. Shares nothing with the executor but the journal's format. */
#ifndef DRC_TESTS_SIM_COPIES_H
#define DRC_TESTS_SIM_COPIES_H

#include "compiler/base/error.h"
#include "compiler/graph/graph.h"
#include "tests/sim/disks.h"

struct http_request;
struct http_response;
struct sandbox;
struct trial;

enum { SNAPSHOTS_MAX = 64 };

struct snapshot {
    const char *id, *run;
    const struct disk *disk;
    const struct snapshot *parent;
    int generation; /* of the run that began it */
    bool completed, deleted, tagged;
    bool put[DISK_BLOCKS_MAX], kept[DISK_BLOCKS_MAX]; /* kept: by the journal, when a process died */
    struct block_digest digests[DISK_BLOCKS_MAX];     /* of those that were put */
};

struct copies {
    struct trial *trial;
    const struct disks *disks;
    struct sandbox *sandbox; /* asked for nothing but the state of what is tagged; NULL: not yet there */
    struct snapshot items[SNAPSHOTS_MAX];
    size_t count;
    const char *run;
    int generation;
    bool repeats;      /* requests may arrive twice, or late: what is put again says nothing */
    int64_t put_again; /* blocks that were there already */
    int64_t puts;
};

void copies_begin(struct copies *copies, const char *run, int generation);
void copies_exchange(struct copies *copies, int64_t utc_ms, const struct http_request *request,
                     const struct http_response *response);
/* A process has died: what its journal says is put may not be sent again. */
void copies_read_journal(struct copies *copies, const struct graph *graph, const char *path);
/* The newest generation of which all disks of the VM are tagged copies; -1: none. */
int copies_newest(const struct copies *copies, const char *vm);
/* Of a generation's copies of the disk. */
size_t copies_of(const struct copies *copies, const struct disk *disk, int generation);

#endif
