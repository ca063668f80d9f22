/* What tests may do to a simulated world beside asking it (world.h): faults, environment, signals.
 * The world has to be one of world_simulated_create (or one that wraps it: pass the inner one). */
#ifndef DRC_WORLD_SIMULATED_H
#define DRC_WORLD_SIMULATED_H

#include "runtime/world/world.h"

/* Probabilities for each HTTP request, drawn from the seed in this order; the first that hits
 * decides. Zero-initialised: no faults. */
struct simulated_faults {
    double unreachable;  /* refused: HTTP_UNREACHABLE at once, nothing was sent */
    double lost_request; /* never arrives; one half times out, the other is HTTP_BROKEN */
    double error_before; /* a 500 page, not carried out */
    double lost_answer;  /* carried out; then as lost_request */
    double error_after;  /* carried out, and yet a 500 page */
    double refused_dial; /* for each dial */
    int64_t latency_min_ms, latency_max_ms; /* each way, beside the responder's own */
    /* Each way, on top of that: log-normal, so that a few take very long. 0: none. */
    double latency_median_ms, latency_sigma;
    double duplicated; /* arrives once more, up to duplicated_within_ms later; nobody gets that answer */
    int64_t duplicated_within_ms;
    double failed_job; /* ends with a status other than 0 */
};
void world_simulated_set_faults(struct world *world, const struct simulated_faults *faults);

/* How often each of them has struck, and what else has gone wrong, since the world was made. */
struct simulated_counts {
    int64_t requests, unreachable, lost_requests, errors_before, lost_answers, errors_after;
    int64_t refused_dials, duplicated, silenced, ghosts;
    int64_t jobs, failed_jobs; /* programs that were begun; that ended with another status than 0 */
};
struct simulated_counts world_simulated_counts(const struct world *world);

/* From `from_ms` (monotonic) until before `until_ms` no server whose name begins with `host` (NULL:
 * none at all) answers, nor carries anything out: requests and dials time out. */
void world_simulated_silence(struct world *world, const char *host, int64_t from_ms,
                             int64_t until_ms);

/* From `at_ms` (monotonic) on the UTC clock is off by that much more. The responder's time, which
 * is the servers', is not. */
void world_simulated_jump(struct world *world, int64_t at_ms, int64_t by_ms);

/* NULL unsets. Nothing of the real environment is to be seen in a simulated world. */
void world_simulated_set_environment(struct world *world, const char *name, const char *value);

/* As if the process had got it: every world_signal task for it is called in the next turn. */
void world_simulated_raise(struct world *world, int signal);

/* Tasks that are under way, signals apart: 0 when nothing is left to wait for. */
size_t world_simulated_pending(struct world *world);

/* World's runs return once that many more events have happened, whether or not their `until` is
 * true: for sweeps over every moment at which a process can die. Negative: never (the default). */
void world_simulated_stop_after(struct world *world, int64_t events);

/* Whether the world stands still because of world_simulated_stop_after. */
bool world_simulated_stopped(struct world *world);

/* As if the process had been killed: no task of the world calls back any more, and each request that
 * is still on its way arrives all the same with that probability; nobody gets its answer. What is
 * left of the process may be destroyed then, cancelling its tasks as ever. Not from within a callback.
 * A stop (world_simulated_stop_after) is over with it. */
void world_simulated_kill(struct world *world, double arrives);

/* As if the machine went down, with all jobs that are under way on it. */
void world_simulated_power_cut(struct world *world);

#endif
