/* Disks: what the VMs of tests/sim/plans/replicate.yaml hold, from recovery point to recovery point, by the
 * seed; put into a repository in memory by the product's own writer. */
#ifndef DRC_TESTS_SIM_DISKS_H
#define DRC_TESTS_SIM_DISKS_H

#include "runtime/mover/block.h"
#include "runtime/world/store.h"

enum { DISKS = 3, DISK_BLOCKS_MAX = 14, GENERATIONS = 3 };

struct disk {
    const char *vm;
    int number;
    int64_t bytes;
    size_t count; /* blocks that ever hold something; all others are zero */
    uint64_t indexes[DISK_BLOCKS_MAX];
    uint32_t values[GENERATIONS][DISK_BLOCKS_MAX]; /* 0: zeros */
    struct block_digest digests[GENERATIONS][DISK_BLOCKS_MAX];
};

struct disks {
    struct disk disks[DISKS];
    struct store_memory *memory; /* what the repository is kept in */
};

struct disks *disks_create(uint64_t seed);
void disks_destroy(struct disks *disks);
/* The time of a generation's recovery points. */
const char *disks_time(int generation);
/* A recovery point of each VM. */
bool disks_import(struct disks *disks, const char *plan, int generation, struct error *error);
/* Of a VM; NULL. */
const struct disk *disks_find(const struct disks *disks, const char *vm, int number);

#endif
