/* Job supervisor: the process that stands between drc and a job. It is forked from a process with
 * threads and never executes another program, so that nothing here may take a lock that a thread may
 * have held: system calls, and memory that was made ready before the fork (POSIX, fork()). */
#ifndef DRC_WORLD_JOB_SUPERVISOR_H
#define DRC_WORLD_JOB_SUPERVISOR_H

#include <stddef.h>
#include <stdint.h>

enum {
    JOB_PATIENCE_MS = 5000, /* between SIGTERM and SIGKILL, of a job that is late */
    JOB_LINGER_MS = 2000,   /* what it started may take so long to end after it */
};

/* All of it is made before the fork. Descriptors are the supervisor's own copies afterwards. */
struct job_launch {
    const char *program;      /* absolute */
    char *const *words;       /* its name and arguments, NULL behind */
    char *const *environment; /* NULL behind */
    int64_t timeout_ms;
    size_t head_max, tail_max; /* bytes of its output that are kept: its beginning, its end */
    char *buffer;
    size_t buffer_size;
    int folder, work; /* directories */
    int nothing;      /* /dev/null, for reading and writing */
    int lock;         /* held by an OFD lock; let go of by the supervisor's end */
    int output;       /* read and written */
    int tail;         /* a file without a name; read and written */
    int result;       /* "result.new" in the folder, with room for the result */
    int lifeline;     /* -1: none */
};

_Noreturn void job_supervise(const struct job_launch *launch);

#endif
