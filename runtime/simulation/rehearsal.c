#include "runtime/simulation/rehearsal.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/map.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "compiler/lower/lower.h"
#include "runtime/aws/aws.h"
#include "runtime/mover/repository.h"
#include "runtime/site/run_scripts.h"
#include "runtime/site/leftovers.h"
#include "runtime/site/replicate_facts.h"
#include "runtime/site/site.h"
#include "runtime/state/journal.h"
#include "runtime/state/run_options.h"
#include "runtime/undo/cleanup.h"
#include "runtime/world/world.h"

static const int64_t begins_utc_ms = 1767225600000; /* 2026-01-01T00:00:00Z */

/* What the plan expects to find is no news to the cloud when the run begins. */
enum { SITE_AGE_MS = 60000 };

struct rehearsal {
    struct rehearsal_options options;
    struct run_options run_options;
    struct arena *arena;
    struct world *world;
    struct sandbox *sandbox;
    struct world_responder cloud; /* the sandbox's, behind the tap */
    struct facts *facts;
    struct graph *graph;
    struct schedule *schedule;
    struct run_info run;
    const struct graph *run_graph; /* during a cleanup: that of the run; NULL */
    bool ready; /* journal and site are open: made when the process was prepared */
    bool begun; /* the first change may have been made: the link is as bad as it was asked for */
    /* Of the process: */
    struct site site;
    struct journal *journal;
    struct executor *executor;
};

/* --- the cloud, and what is seen of it --- */

static void answer_http(void *context, int64_t utc_ms, const struct http_request *request,
                        struct http_response *response, int64_t *latency_ms)
{
    struct rehearsal *rehearsal = context;
    rehearsal->cloud.http(rehearsal->cloud.context, utc_ms, request, response, latency_ms);
    if (rehearsal->options.tap) {
        rehearsal->options.tap(rehearsal->options.tap_context, utc_ms, request, response);
    }
}

static void answer_dial(void *context, int64_t utc_ms, const char *host, int port,
                        const char **failure, int64_t *latency_ms)
{
    struct rehearsal *rehearsal = context;
    rehearsal->cloud.connect(rehearsal->cloud.context, utc_ms, host, port, failure, latency_ms);
    if (rehearsal->options.dial_tap) {
        rehearsal->options.dial_tap(rehearsal->options.tap_context, utc_ms, host, port, *failure);
    }
}

static void answer_message(void *context, int64_t utc_ms, const struct message_request *request,
                           const char **failure, const void **bytes, size_t *length,
                           int64_t *latency_ms)
{
    struct rehearsal *rehearsal = context;
    *failure = "no route to host";
    if (rehearsal->cloud.message) {
        *failure = NULL;
        rehearsal->cloud.message(rehearsal->cloud.context, utc_ms, request, failure, bytes, length,
                                 latency_ms);
    }
}

static bool make_cloud(struct rehearsal *rehearsal, struct error *error)
{
    const struct rehearsal_options *options = &rehearsal->options;
    struct sandbox_options sandbox = {
        .seed = options->seed,
        .speed = 1,
        .throttle = options->throttle,
        .utc_base_ms = options->utc_ms - SITE_AGE_MS,
    };
    rehearsal->sandbox = sandbox_init(":memory:", &sandbox, error);
    bool copies = options->workflow != WORKFLOW_REPLICATE;
    if (!rehearsal->sandbox ||
        !(copies ? sandbox_populate_as(rehearsal->sandbox, options->plan, options->facts, error)
                 : sandbox_populate_without_copies(rehearsal->sandbox, options->plan, error))) {
        return false;
    }
    rehearsal->cloud = sandbox_responder(rehearsal->sandbox);
    return true;
}

static struct store *open_repository(void *context, const char *url, bool lazy, struct error *error)
{
    struct rehearsal *rehearsal = context;
    (void)url, (void)lazy, (void)error;
    return store_memory_open(rehearsal->world, rehearsal->options.repository);
}

static void make_world(struct rehearsal *rehearsal)
{
    struct world_responder responder = {rehearsal, answer_http, answer_dial, answer_message};
    struct world *world =
        world_simulated_create(rehearsal->options.seed, rehearsal->options.utc_ms, responder);
    world_simulated_set_environment(world, "AWS_ACCESS_KEY_ID", "sandbox");
    world_simulated_set_environment(world, "AWS_SECRET_ACCESS_KEY", "sandbox");
    world_simulated_set_environment(world, "AWS_EC2_METADATA_DISABLED", "true");
    world_simulated_set_environment(world, "AWS_CONFIG_FILE", "/dev/null");
    world_simulated_set_environment(world, "AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    rehearsal->world = world;
    if (rehearsal->options.repository) {
        world_set_stores(world, (struct store_opener){rehearsal, open_repository});
    }
}

static bool set_faults(struct rehearsal *rehearsal, struct error *error)
{
    const struct rehearsal_options *options = &rehearsal->options;
    for (size_t i = 0; i < options->fault_count; i++) {
        if (!sandbox_set_fault(rehearsal->sandbox, options->faults[i].name,
                               options->faults[i].value, error)) {
            return false;
        }
    }
    world_simulated_set_faults(rehearsal->world, &options->link);
    return true;
}

/* --- preparing --- */

static void choose_run_options(struct rehearsal *rehearsal)
{
    const struct plan *plan = rehearsal->options.plan;
    rehearsal->run_options = (struct run_options){
        .plan_path = plan->source->path,
        .plan_digest = plan->digest,
        .plan_name = plan->name,
        .owner = plan->owner,
        .workflow = rehearsal->options.workflow,
        .limits = rehearsal->options.limits == LIMITS_AWS ? "aws" : "none",
        .region = plan->aws.region.value,
        .account = plan->aws.account.value,
        .approved = true,
        .bandwidth = rehearsal->options.bandwidth,
        .rto_ms = plan->objectives.rto.ms,
        .rpo_ms = plan->objectives.rpo.ms,
    };
}

static bool compile(struct rehearsal *rehearsal, struct error *error)
{
    struct diagnostics *diagnostics = diagnostics_create(rehearsal->arena);
    rehearsal->graph = compile_graph(rehearsal->arena, rehearsal->options.plan,
                                     rehearsal->options.workflow, rehearsal->facts, diagnostics);
    if (rehearsal->graph) {
        lower_approve_all(rehearsal->graph); /* how long people think does not count */
        rehearsal->schedule = estimate(rehearsal->arena, rehearsal->graph, rehearsal->facts, true);
        return true;
    }
    struct buffer text = {0};
    diagnostics_write(diagnostics, DIAGNOSTIC_FORMAT_HUMAN, false, &text);
    error_set(error, "the plan does not compile with what the sandbox holds: %s",
              buffer_text(&text));
    buffer_free(&text);
    return false;
}

static bool make_run(struct rehearsal *rehearsal, struct error *error)
{
    const struct plan *plan = rehearsal->options.plan;
    struct buffer options = {0};
    run_options_write(&rehearsal->run_options, &options);
    const struct run_blob own[] = {
        {"options", options.data, options.length},
        {"plan", plan->source->text, plan->source->length},
    };
    struct run_blob *blobs = NULL;
    size_t count = 0;
    if (run_scripts_blobs(rehearsal->arena, plan, own, 2, &blobs, &count, error)) {
        rehearsal->journal =
            run_create(rehearsal->arena, rehearsal->options.directory, rehearsal->world, plan->name,
                       rehearsal->options.workflow, blobs, count, &rehearsal->run, error);
    }
    buffer_free(&options);
    return rehearsal->journal != NULL;
}

/* What the sandbox cannot know: how long things took, and how many places there are to inject at.
 */
static void take_known_facts(struct rehearsal *rehearsal)
{
    const struct facts *known = rehearsal->options.facts;
    if (!known) {
        return;
    }
    rehearsal->facts->durations = known->durations;
    for (struct map_entry *entry = map_first(&known->conversions); entry; entry = map_next(entry)) {
        struct fact_conversion *held = map_get(&rehearsal->facts->conversions, entry->key);
        const struct fact_conversion *conversion = entry->value;
        if (held) {
            held->slots = conversion->slots;
            held->cpus = conversion->cpus;
        }
    }
}

static struct facts *look_at_repository(struct rehearsal *rehearsal, struct error *error)
{
    struct arena *arena = rehearsal->arena;
    const struct plan *plan = rehearsal->options.plan;
    const char *url = replicate_repository_url(arena, plan);
    struct replicate_wanted wanted = {.until_utc_ms = INT64_MAX};
    struct replicate_notes notes = {0};
    struct aws_replication seen = {0};
    if (!aws_look_at_replication(rehearsal->site.aws, arena, plan, &seen, error)) {
        return NULL;
    }
    struct store *store = store_open(rehearsal->world, url, true, error);
    struct repository *repository =
        store ? repository_open(store, rehearsal->world, url, false, error) : NULL;
    struct facts *facts =
        repository ? replicate_facts(repository, arena, plan, &seen, &wanted, &notes, error) : NULL;
    repository_close(repository);
    return facts;
}

static struct facts *gather(struct rehearsal *rehearsal, struct error *error)
{
    const struct rehearsal_options *options = &rehearsal->options;
    return options->workflow == WORKFLOW_REPLICATE
               ? look_at_repository(rehearsal, error)
               : aws_gather_facts(rehearsal->site.aws, rehearsal->arena, options->plan,
                                  options->workflow, "latest", error);
}

static bool prepare(struct rehearsal *rehearsal, struct error *error)
{
    rehearsal->site.world = rehearsal->world;
    rehearsal->site.tsig_secret = sandbox_tsig_secret();
    if (!make_run(rehearsal, error) ||
        !site_open_providers(&rehearsal->site, &rehearsal->run_options, error)) {
        return false;
    }
    rehearsal->ready = true; /* the first process goes on with them */
    rehearsal->facts = gather(rehearsal, error);
    if (!rehearsal->facts) {
        return false;
    }
    take_known_facts(rehearsal);
    return compile(rehearsal, error) &&
           run_store_graph(rehearsal->journal, rehearsal->graph, rehearsal->facts, error);
}

struct rehearsal *rehearsal_create(const struct rehearsal_options *options, struct error *error)
{
    struct rehearsal *rehearsal = base_alloc(sizeof *rehearsal);
    rehearsal->options = *options;
    if (rehearsal->options.utc_ms == 0) {
        rehearsal->options.utc_ms = begins_utc_ms;
    }
    rehearsal->arena = arena_create();
    choose_run_options(rehearsal);
    bool ok = make_cloud(rehearsal, error);
    if (ok) {
        make_world(rehearsal);
        ok = prepare(rehearsal, error);
    }
    if (!ok) {
        rehearsal_destroy(rehearsal);
        return NULL;
    }
    return rehearsal;
}

/* --- a process --- */

/* Providers first: what they have under way must not come back to an executor that is gone. */
static void close_site(struct rehearsal *rehearsal)
{
    rehearsal->site.world = NULL; /* outlives its processes */
    site_close(&rehearsal->site);
    journal_close(rehearsal->journal);
    rehearsal->journal = NULL;
    rehearsal->ready = false;
}

static void forget_process(struct rehearsal *rehearsal)
{
    executor_destroy(rehearsal->executor);
    rehearsal->executor = NULL;
}

static void interrupted(void *context, int signal)
{
    (void)signal;
    executor_interrupt(((struct rehearsal *)context)->executor);
}

/* What the first process has from preparing, and any other opens anew. */
static bool open_process(struct rehearsal *rehearsal, struct error *error)
{
    if (!rehearsal->begun && !set_faults(rehearsal, error)) {
        return false;
    }
    rehearsal->begun = true;
    if (rehearsal->ready) {
        rehearsal->ready = false;
        return true;
    }
    rehearsal->site.world = rehearsal->world;
    rehearsal->site.tsig_secret = sandbox_tsig_secret();
    rehearsal->journal = run_open(&rehearsal->run, rehearsal->world, false, error);
    return rehearsal->journal &&
           site_open_providers(&rehearsal->site, &rehearsal->run_options, error);
}

static bool make_executor(struct rehearsal *rehearsal, struct error *error)
{
    site_use_run(&rehearsal->site, run_scripts_of(rehearsal->journal), rehearsal->run.directory);
    struct executor_options options = {
        .world = rehearsal->world,
        .graph = rehearsal->graph,
        .schedule = rehearsal->schedule,
        .facts = rehearsal->run_graph ? NULL : rehearsal->facts,
        .journal = rehearsal->journal,
        .limits = rehearsal->site.limits,
        .run_id = rehearsal->run.id,
        .observer = rehearsal->options.observer,
        .observer_context = rehearsal->options.observer_context,
    };
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        options.providers[i] = rehearsal->site.providers[i];
    }
    if (!rehearsal->run_graph) {
        run_set_progress(rehearsal->journal, rehearsal->graph->vm_count, 0);
        if (!run_set_status(rehearsal->journal, rehearsal->world, RUN_RUNNING, error)) {
            return false;
        }
    }
    rehearsal->executor = executor_create(&options, error);
    return rehearsal->executor != NULL;
}

static enum rehearsal_end end_of(enum executor_result result)
{
    switch (result) {
    case EXECUTOR_SUCCEEDED:
        return REHEARSAL_SUCCEEDED;
    case EXECUTOR_FAILED:
        return REHEARSAL_FAILED;
    case EXECUTOR_CANCELLED:
    case EXECUTOR_INTERRUPTED:
    case EXECUTOR_WAITING:
        return REHEARSAL_INTERRUPTED;
    case EXECUTOR_BROKEN:
    case EXECUTOR_LOST:
    case EXECUTOR_DAMAGED:
        break;
    }
    return REHEARSAL_BROKEN;
}

static enum rehearsal_end run(struct rehearsal *rehearsal, int64_t kill_after_events,
                              struct error *error)
{
    struct world *world = rehearsal->world;
    struct world_task *on_interrupt = world_signal(world, SIGINT, interrupted, rehearsal);
    struct world_task *on_terminate = world_signal(world, SIGTERM, interrupted, rehearsal);
    world_simulated_stop_after(world, kill_after_events);
    enum executor_result result = executor_run(rehearsal->executor, error);
    bool killed = result == EXECUTOR_BROKEN && world_simulated_stopped(world);
    world_simulated_stop_after(world, -1);
    world_cancel(world, on_interrupt);
    world_cancel(world, on_terminate);
    if (killed) {
        error_clear(error);
        return REHEARSAL_KILLED;
    }
    if (rehearsal->run_graph) {
        return end_of(result);
    }
    if (result == EXECUTOR_BROKEN ||
        !run_set_status(rehearsal->journal, world, run_status_after(result), error)) {
        return REHEARSAL_BROKEN;
    }
    return end_of(result);
}

enum rehearsal_end rehearsal_process(struct rehearsal *rehearsal, int64_t kill_after_events,
                                     struct error *error)
{
    forget_process(rehearsal);
    enum rehearsal_end end = REHEARSAL_BROKEN;
    if (open_process(rehearsal, error) && make_executor(rehearsal, error)) {
        end = run(rehearsal, kill_after_events, error);
    }
    if (end == REHEARSAL_KILLED) {
        world_simulated_kill(rehearsal->world, rehearsal->options.ghosts);
        close_site(rehearsal);
        forget_process(rehearsal);
    } else {
        close_site(rehearsal);
    }
    return end;
}

/* --- cleaning up --- */

/* The journal of the last cleanup that was begun. */
static const char *cleanup_journal(const struct rehearsal *rehearsal)
{
    const char *last = NULL;
    for (int i = 1;; i++) {
        const char *path =
            arena_printf(rehearsal->arena, "%s/cleanup-%d.db", rehearsal->run.directory, i);
        if (access(path, F_OK) != 0) {
            return last;
        }
        last = path;
    }
}

static bool make_cleanup(struct rehearsal *rehearsal, struct error *error)
{
    struct arena *arena = rehearsal->arena;
    struct cleanup_thing *things = NULL;
    size_t count = 0;
    if (!site_open_providers(&rehearsal->site, &rehearsal->run_options, error) ||
        !leftovers_of_run(arena, rehearsal->site.aws, &rehearsal->run, &things, &count, error)) {
        return false;
    }
    struct graph *graph = cleanup_graph(arena, rehearsal->run_graph, things, count, error);
    if (!graph) {
        return false;
    }
    rehearsal->graph = graph;
    rehearsal->schedule = estimate(arena, graph, NULL, true);
    if (graph->node_count == 0) {
        return true;
    }
    rehearsal->journal = cleanup_create_journal(&rehearsal->run, rehearsal->world, graph, error);
    rehearsal->ready = rehearsal->journal != NULL;
    return rehearsal->ready;
}

bool rehearsal_begin_cleanup(struct rehearsal *rehearsal, struct error *error)
{
    forget_process(rehearsal);
    close_site(rehearsal);
    rehearsal->run_graph = rehearsal->run_graph ? rehearsal->run_graph : rehearsal->graph;
    rehearsal->site.world = rehearsal->world;
    rehearsal->site.tsig_secret = sandbox_tsig_secret();
    bool ok = make_cleanup(rehearsal, error);
    if (!ok || rehearsal->graph->node_count == 0) {
        close_site(rehearsal);
    }
    return ok;
}

bool rehearsal_begin_again(struct rehearsal *rehearsal, struct error *error)
{
    const struct rehearsal_options *options = &rehearsal->options;
    forget_process(rehearsal);
    close_site(rehearsal);
    world_simulated_set_faults(rehearsal->world, &(struct simulated_faults){0});
    for (size_t i = 0; i < options->fault_count; i++) {
        if (!sandbox_set_fault(rehearsal->sandbox, options->faults[i].name, 0, error)) {
            return false;
        }
    }
    rehearsal->begun = rehearsal->ready = false;
    rehearsal->run_graph = NULL;
    return prepare(rehearsal, error);
}

static void time_is_over(void *context)
{
    *(bool *)context = true;
}

void rehearsal_pass(struct rehearsal *rehearsal, int64_t ms)
{
    bool over = false;
    world_timer(rehearsal->world, ms, time_is_over, &over);
    world_run(rehearsal->world, &over);
}

void rehearsal_destroy(struct rehearsal *rehearsal)
{
    if (!rehearsal) {
        return;
    }
    close_site(rehearsal);
    forget_process(rehearsal);
    world_destroy(rehearsal->world);
    sandbox_close(rehearsal->sandbox);
    arena_destroy(rehearsal->arena);
    free(rehearsal);
}

/* --- what there is to see --- */

int64_t rehearsal_utc_ms(const struct rehearsal *rehearsal)
{
    return rehearsal->options.utc_ms + world_monotonic_ms(rehearsal->world);
}

struct world *rehearsal_world(const struct rehearsal *rehearsal)
{
    return rehearsal->world;
}

struct sandbox *rehearsal_sandbox(const struct rehearsal *rehearsal)
{
    return rehearsal->sandbox;
}

const struct graph *rehearsal_graph(const struct rehearsal *rehearsal)
{
    return rehearsal->graph;
}

const struct facts *rehearsal_facts(const struct rehearsal *rehearsal)
{
    return rehearsal->facts;
}

const struct schedule *rehearsal_schedule(const struct rehearsal *rehearsal)
{
    return rehearsal->schedule;
}

const char *rehearsal_run_id(const struct rehearsal *rehearsal)
{
    return rehearsal->run.id;
}

const char *rehearsal_journal_path(const struct rehearsal *rehearsal)
{
    return rehearsal->run_graph
               ? cleanup_journal(rehearsal)
               : arena_printf(rehearsal->arena, "%s/journal.db", rehearsal->run.directory);
}

const struct run_info *rehearsal_run(const struct rehearsal *rehearsal)
{
    return &rehearsal->run;
}

const struct executor *rehearsal_executor(const struct rehearsal *rehearsal)
{
    return rehearsal->executor;
}
