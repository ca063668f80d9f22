/* Mover: the provider of put-blocks and record-copy: moves blocks between repositories and snapshots
 * (later disks), in pipelines of bounded memory over all cores. */
#ifndef DRC_MOVER_MOVER_H
#define DRC_MOVER_MOVER_H

#include "compiler/base/error.h"
#include "runtime/world/provider.h"
#include "runtime/world/store.h"

struct block_target;
struct world;

enum { MOVER_MEMORY_MIB = 128 }; /* of blocks on their way, by default */

struct mover_options {
    struct world *world;
    struct store_opener stores;
    struct block_target *target; /* borrowed */
    int64_t bandwidth;           /* bytes a second over all copies; 0: no limit */
    int64_t memory_bytes;        /* of blocks on their way; 0: MOVER_MEMORY_MIB */
};
struct provider *mover_provider_create(const struct mover_options *options);

#endif
