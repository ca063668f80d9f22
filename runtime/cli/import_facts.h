/* Import facts: what is known of a VM whose disks are imported: what flags say, and what its boot disk
 * shows. */
#ifndef DRC_CLI_IMPORT_FACTS_H
#define DRC_CLI_IMPORT_FACTS_H

#include "runtime/cli/command.h"
#include "runtime/mover/disk_facts.h"
#include "runtime/mover/repository.h"

struct buffer;

/* --cpus, --memory, --firmware, --os, --arch, --guest-id and --controller into the point, whose disks
 * (without bytes and maps yet) are made here. Texts are argv's or the arena's. */
bool import_facts_from_flags(const struct invocation *invocation, size_t disk_count,
                             struct repository_point *point, struct error *error);

/* Adds what the flags leave open, and appends a line for each fact: what, and why it is believed. Where a
 * flag says something else, the flag holds, and the line says so. */
void import_facts_add_detected(const struct disk_facts *found, struct repository_point *point,
                               struct buffer *told);

#endif
