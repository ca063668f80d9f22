/* Block target: where the blocks of a DR copy go: an EBS snapshot under way (aws/ebs_target.c), a sink
 * in tests and benchmarks. */
#ifndef DRC_MOVER_BLOCK_TARGET_H
#define DRC_MOVER_BLOCK_TARGET_H

#include "runtime/mover/block.h"
#include "runtime/world/provider.h"

struct block_target;

/* One block on its way. */
struct block_put {
    const char *snapshot_id; /* these three live until the callback */
    const void *bytes;       /* BLOCK_BYTES */
    const struct block_digest *digest; /* their SHA-256 */
    uint64_t index;
    double priority; /* at the rate gate; smaller first */
    int percent;     /* of the whole, for whoever watches the snapshot */
};

/* `result` as a provider's: OK, RETRY, THROTTLED, UNKNOWN (put it again: the same block twice is once),
 * ABSENT (the snapshot is gone), FATAL. Valid during the callback. */
typedef void (*block_put_done)(void *context, const struct call_result *result);

struct block_target {
    /* The callback never comes from within. Passes the rate gate by itself. `put` is copied. */
    void (*put)(struct block_target *target, const struct block_put *put, block_put_done done,
                void *context);
    /* What is under way with that context never calls back; `bytes` are free when this returns. */
    void (*forget)(struct block_target *target, void *context);
};

#endif
