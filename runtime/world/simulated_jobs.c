#include "runtime/world/simulated_jobs.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

enum { LASTS_MIN_MS = 200, LASTS_MAX_MS = 20000, CODE_MAX = 125 };

static struct simulated_job *find(const struct simulated_jobs *jobs, const char *folder)
{
    struct simulated_job *job = jobs->first;
    while (job && strcmp(job->folder, folder) != 0) {
        job = job->next;
    }
    return job;
}

static struct simulated_job *begin(struct simulated_jobs *jobs, struct prng *fate,
                                   const struct job_request *request, double fails, int64_t now_ms)
{
    struct simulated_job *job = base_alloc(sizeof *job);
    int64_t lasts_ms = prng_range(fate, LASTS_MIN_MS, LASTS_MAX_MS);
    bool late = lasts_ms > request->timeout_ms;
    bool failed = prng_chance(fate, fails);
    lasts_ms = late ? request->timeout_ms : lasts_ms;
    job->folder = base_strdup(request->folder);
    job->ends_ms = now_ms + lasts_ms;
    job->status = (struct job_status){
        .state = JOB_ENDED,
        .end = late ? JOB_END_LATE : JOB_END_EXIT,
        .code = !late && failed ? (int)prng_range(fate, 1, CODE_MAX) : 0,
        .took_ms = lasts_ms,
        .output_bytes = sizeof SIMULATED_JOB_SAID - 1,
    };
    jobs->begun++;
    jobs->failed += late || failed;
    job->next = jobs->first;
    jobs->first = job;
    return job;
}

struct simulated_job *simulated_jobs_take(struct simulated_jobs *jobs, struct prng *fate,
                                          const struct job_request *request, double fails,
                                          int64_t now_ms)
{
    struct simulated_job *job = find(jobs, request->folder);
    return job || !request->bytes ? job : begin(jobs, fate, request, fails, now_ms);
}

void simulated_jobs_die(struct simulated_jobs *jobs, int64_t now_ms)
{
    for (struct simulated_job *job = jobs->first; job; job = job->next) {
        if (job->ends_ms > now_ms) {
            job->ends_ms = now_ms;
            job->status = (struct job_status){.state = JOB_DIED};
        }
    }
}

void simulated_jobs_free(struct simulated_jobs *jobs)
{
    for (struct simulated_job *job = jobs->first, *next; job; job = next) {
        next = job->next;
        free(job->folder);
        free(job);
    }
    *jobs = (struct simulated_jobs){0};
}
