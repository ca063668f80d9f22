/* Job: a program that outlives drc: started once, in a folder of its own, watched over by a supervisor
 * (job_supervisor.h) that needs nothing of drc any more, so that a run which is killed and resumed finds
 * it running, or what came of it. In the folder:
 *   script     the program, 0700       work/     its working directory and TMPDIR, empty at first
 *   lock       held (OFD) by the supervisor as long as it lives
 *   started    from before the program's first instruction on; without it nothing has happened
 *   output     what it wrote to standard output and error: whole up to a limit, else its beginning, a
 *              line that says how much was left out, and its end
 *   result     written last, and durably
 * Everything here blocks for milliseconds at most. */
#ifndef DRC_WORLD_JOB_H
#define DRC_WORLD_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "compiler/base/error.h"
#include "runtime/world/world.h"

enum { JOB_OUTPUT_MAX = 16 << 20 }; /* bytes that are kept of what a job writes */

/* The line between beginning and end of an output that was cut: how many bytes are missing there. */
#define JOB_CUT_BEFORE "\n[drc: "
#define JOB_CUT_BEHIND " bytes left out here]\n"

/* Begins it; false: `error` says why, and nothing has run. The folder may be there already, as long as
 * nothing was started in it. *pid is the supervisor, this process's child: to be reaped with job_reap.
 * lifeline: a pipe's reading end; when all of its writing ends are closed the job is killed (what is
 * not to outlive drc); -1: none. Stays the caller's. */
bool job_start(const struct job_request *request, int lifeline, pid_t *pid, struct error *error);
/* has_ended: the result is there, so that it ends at once. */
void job_reap(pid_t *pid, bool has_ended);

/* What is there now. RUNNING, NONE and the final ones. False: the folder cannot be read. */
bool job_look(const char *folder, struct job_status *status, struct error *error);

/* What nobody needs any more of one that has ended and whose output was read: its program, its working
 * directory, and its output if it succeeded. */
void job_tidy(const char *folder, const struct job_status *status);
/* All of it; false: somebody still works there. */
bool job_remove(const char *folder);

/* The result file's text; false: it is none. For job_look and tests. */
bool job_result_read(const char *text, struct job_status *status);

#endif
