/* Block target: where the blocks of a DR copy go: an EBS snapshot under way (aws/ebs_target.c), a sink
 * in tests and benchmarks. */
#ifndef DRC_MOVER_BLOCK_TARGET_H
#define DRC_MOVER_BLOCK_TARGET_H

#include "runtime/mover/block.h"
#include "runtime/world/provider.h"

struct block_target;

/* `result` as a provider's: OK, RETRY, THROTTLED, UNKNOWN (put it again: the same block twice is once),
 * ABSENT (the snapshot is gone), FATAL. Valid during the callback. */
typedef void (*block_put_done)(void *context, const struct call_result *result);

struct block_target {
    /* Sends BLOCK_BYTES that live until the callback, which never comes from within. `digest` is their
     * SHA-256. Passes the rate gate by itself, by `priority` (smaller first). */
    void (*put)(struct block_target *target, const char *snapshot_id, uint64_t index,
                const void *bytes, const struct block_digest *digest, double priority,
                block_put_done done, void *context);
    /* What is under way with that context never calls back; `bytes` are free when this returns. */
    void (*forget)(struct block_target *target, void *context);
};

#endif
