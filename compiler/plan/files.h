/* Files: what a plan names on disk, and the digest over all of it. */
#ifndef DRC_PLAN_FILES_H
#define DRC_PLAN_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "compiler/plan/plan.h"

enum { PLAN_FILE_SIZE_MAX = 16 << 20 }; /* bytes of one script or certificate */

/* Bytes of what is sent of a script to an instance: compressed by gzip and in base64. SSM takes 64 KiB
 * in all with a command; the rest is for arguments, environment and the few lines around it. Who
 * sends scripts (runtime/aws) relies on what the compiler let pass (check_scripts.c). */
enum { SCRIPT_SENT_MAX = 48 << 10 };

/* Where a file that the plan names is: relative paths count from the plan's own folder. */
const char *plan_file_path(const struct plan *plan, const char *path);

/* Fills plan->file_digests and plan->digest, which is SHA-256 over the plan's bytes, the variables
 * given, and names and bytes of plan->files. Secrets' files, appliances and packages are not part of it.
 * False when a file could not be read, which is in `diagnostics`. */
bool plan_digest(struct plan *plan, const struct variable *variables, size_t variable_count,
                 struct diagnostics *diagnostics);

#endif
