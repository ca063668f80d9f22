/* Export: a disk of a recovery point out of a repository, onto a sink. Every block is held against its
 * digest. Bounded memory; blocks are read and written side by side. */
#ifndef DRC_MOVER_EXPORT_H
#define DRC_MOVER_EXPORT_H

#include "runtime/mover/repository.h"

struct export;
struct sink;

struct export_counts {
    uint64_t blocks; /* of the disk that are not zero */
    uint64_t read, written;
    int64_t bytes_written;
};

struct export_options {
    struct repository *repository;
    const struct repository_disk *disk; /* borrowed */
    struct sink *sink;                  /* open; borrowed */
    int cores;                          /* 0: those that there are */
};

struct export *export_create(const struct export_options *options);
void export_destroy(struct export *export);
/* Runs the loop. True: all is written; sink_finish is the caller's. */
bool export_run(struct export *export, struct error *error);
void export_stop(struct export *export);
const struct export_counts *export_counts(const struct export *export);

#endif
