/* Rehearsal: a workflow of a plan carried out on a sandbox in memory under a virtual clock: plan,
 * facts, graph, executor, journal, providers and sandbox are the real ones, only world and cloud are
 * made; all of it follows from one seed. A rehearsal outlives its processes: one may be killed, and
 * the next resumes from the journal while the cloud has gone on. For `drc simulate`, tests/sim and
 * the crash sweep. */
#ifndef DRC_SIMULATION_REHEARSAL_H
#define DRC_SIMULATION_REHEARSAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/facts.h"
#include "compiler/graph/graph.h"
#include "compiler/plan/plan.h"
#include "runtime/engine/executor.h"
#include "runtime/engine/limits.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/state/run.h"
#include "runtime/world/simulated.h"
#include "runtime/world/store.h"

struct arena;
struct rehearsal;

/* A fault of the sandbox (runtime/sandbox/faults.h). */
struct rehearsal_fault {
    const char *name;
    double value;
};

struct rehearsal_options {
    const struct plan *plan;
    enum workflow workflow;
    /* What is known of the VMs, so that the cloud holds it: hardware, durations and the places of
     * conversion instances are taken from here, all else is as usual. NULL: hardware by the seed. */
    const struct facts *facts;
    struct store_memory *repository; /* of replicate: what the plan's lies in, whatever its URL; NULL: none */
    int64_t bandwidth;               /* of blocks that are sent, bytes a second; 0: no limit */
    uint64_t seed;
    int64_t utc_ms;              /* when it begins; 0: 2026-01-01T00:00:00Z */
    const char *directory;       /* for the journal; has to exist, and to be empty */
    enum limits_mode limits;
    bool throttle;               /* the sandbox keeps to bucket.def */
    /* From the first change on; preparing meets none of them. */
    struct simulated_faults link;
    double ghosts; /* probability that a request on its way arrives after its process was killed */
    const struct rehearsal_fault *faults;
    size_t fault_count;
    /* Sees every request that the cloud carries out or refuses, at the moment at which it does, also
     * while the run is prepared; NULL. The time is the cloud's; both are valid during the call. */
    void (*tap)(void *context, int64_t utc_ms, const struct http_request *request,
                const struct http_response *response);
    /* The same of dials; failure NULL: connected. */
    void (*dial_tap)(void *context, int64_t utc_ms, const char *host, int port,
                     const char *failure);
    void *tap_context;
    executor_observer observer; /* NULL */
    void *observer_context;
};

/* Makes world and cloud, populates it for the plan, gathers facts, compiles, makes the journal with
 * the graph in it. What it is given has to live as long as it does. */
struct rehearsal *rehearsal_create(const struct rehearsal_options *options, struct error *error);
void rehearsal_destroy(struct rehearsal *rehearsal); /* NULL is allowed */

enum rehearsal_end {
    REHEARSAL_SUCCEEDED,
    REHEARSAL_FAILED,
    REHEARSAL_INTERRUPTED,
    REHEARSAL_KILLED, /* after `events`; requests on their way may still arrive */
    REHEARSAL_BROKEN, /* `error` says why */
};
/* A process: begins the run or resumes it, until it ends or is killed after that many events of the
 * world (negative: never). SIGINT and SIGTERM (world_simulated_raise) interrupt it. */
enum rehearsal_end rehearsal_process(struct rehearsal *rehearsal, int64_t kill_after_events,
                                     struct error *error);
/* From now on it is about deleting what the run made: finds that (also when the network is bad: it
 * may fail, and be tried again), makes the cleanup's graph and, unless that is empty, its journal;
 * graph, journal path and processes are the cleanup's. A cleanup that was killed is not resumed: begin
 * it anew. */
bool rehearsal_begin_cleanup(struct rehearsal *rehearsal, struct error *error);
/* Another run of the same workflow in the same cloud, prepared without faults; processes are its own. */
bool rehearsal_begin_again(struct rehearsal *rehearsal, struct error *error);
/* Between processes: the cloud's time goes on. */
void rehearsal_pass(struct rehearsal *rehearsal, int64_t ms);

/* The cloud's clock, which does not jump. */
int64_t rehearsal_utc_ms(const struct rehearsal *rehearsal);
struct world *rehearsal_world(const struct rehearsal *rehearsal);
struct sandbox *rehearsal_sandbox(const struct rehearsal *rehearsal);
const struct graph *rehearsal_graph(const struct rehearsal *rehearsal);
const struct facts *rehearsal_facts(const struct rehearsal *rehearsal);
const struct schedule *rehearsal_schedule(const struct rehearsal *rehearsal);
const char *rehearsal_run_id(const struct rehearsal *rehearsal);
/* STATE/…/journal.db, or cleanup-N.db: complete between processes. */
const char *rehearsal_journal_path(const struct rehearsal *rehearsal);
const struct run_info *rehearsal_run(const struct rehearsal *rehearsal);
/* The executor of the process that ran last, and what became of its nodes: until the next one. NULL
 * when it was killed. */
const struct executor *rehearsal_executor(const struct rehearsal *rehearsal);

#endif
