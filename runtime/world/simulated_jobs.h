/* Simulated jobs: what became of the programs of a simulated machine. Nothing is executed: how long each
 * takes and how it ends is drawn. They go on when drc's process is killed, as the real ones do. */
#ifndef DRC_WORLD_SIMULATED_JOBS_H
#define DRC_WORLD_SIMULATED_JOBS_H

#include "runtime/world/prng.h"
#include "runtime/world/world.h"

/* What each of them writes. */
#define SIMULATED_JOB_SAID "a simulated script\n"

struct simulated_job {
    char *folder;
    int64_t ends_ms;  /* monotonic */
    struct job_status status; /* what is told then */
    struct simulated_job *next;
};

/* Zero-initialise; release with simulated_jobs_free. */
struct simulated_jobs {
    struct simulated_job *first;
    int64_t begun, failed;
};

/* The job of the folder: that which was begun there, or a new one; NULL: there is none, and the request
 * is only to await one. `fails`: how likely it ends with a status other than 0. */
struct simulated_job *simulated_jobs_take(struct simulated_jobs *jobs, struct prng *fate,
                                          const struct job_request *request, double fails,
                                          int64_t now_ms);
/* The machine goes down: what has not ended has no result. */
void simulated_jobs_die(struct simulated_jobs *jobs, int64_t now_ms);
void simulated_jobs_free(struct simulated_jobs *jobs);

#endif
