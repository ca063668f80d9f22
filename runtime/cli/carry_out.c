#include "runtime/cli/carry_out.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/text.h"
#include "runtime/cli/ask_approval.h"
#include "runtime/cli/events_file.h"
#include "runtime/cli/notify.h"
#include "runtime/cli/progress.h"
#include "runtime/engine/decision.h"
#include "runtime/report/events.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/site/site.h"
#include "runtime/state/inbox.h"
#include "runtime/state/script_outputs.h"
#include "runtime/state/shared.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

/* Who gets the executor's events. */
struct watchers {
    struct progress *progress;
    struct ask_approval *ask;
    struct notify *notify;
    struct events *events;
    struct events_file *events_file;
    struct executor *executor;
    struct inbox *inbox;
    struct script_outputs *outputs;
    int64_t began_utc_ms;
    int interrupts;
};

static void observe(void *context, const struct executor_event *event)
{
    struct watchers *watchers = context;
    progress_observe(watchers->progress, event);
    if (watchers->events) {
        events_observe(watchers->events, event);
    }
    notify_observe(watchers->notify, event);
    ask_approval_observe(watchers->ask, event);
    if (event->type == EVENT_DECISION && event->decision->id) {
        inbox_done(watchers->inbox, event->decision->id);
    }
}

static void keep_output(void *context, const struct graph_node *node, int generation, bool first,
                        const void *bytes, size_t length)
{
    struct watchers *watchers = context;
    script_outputs_take(watchers->outputs, node->id, generation, first, bytes, length);
}

static void close_outputs(struct watchers *watchers)
{
    const char *failed = watchers->outputs ? script_outputs_failed(watchers->outputs) : NULL;
    if (failed) {
        fprintf(stderr, "warning: what a script wrote could not be kept in %s\n", failed);
    }
    script_outputs_close(watchers->outputs);
}

/* --- what people ask from elsewhere --- */

static void tell_cancelled(const char *who)
{
    struct buffer line = {0};
    buffer_puts(&line, "cancelled by ");
    text_put(&line, who);
    fprintf(stderr, "%s: nothing new is started, what is under way is awaited\n", buffer_text(&line));
    buffer_free(&line);
}

static bool act(struct watchers *watchers, const struct inbox_message *message,
                struct decision *decision)
{
    struct executor *executor = watchers->executor;
    decision->refused = message->problem;
    if (message->problem) {
        return executor_refuse(executor, decision);
    }
    switch (message->verb) {
    case INBOX_SKIP:
        return executor_skip(executor, decision);
    case INBOX_APPROVE:
        return executor_approve(executor, decision);
    case INBOX_CANCEL:
        if (message->at_utc_ms < watchers->began_utc_ms) {
            decision->refused = "the run was resumed after that";
            return executor_refuse(executor, decision);
        }
        progress_clear(watchers->progress);
        tell_cancelled(message->who ? message->who : "somebody");
        return executor_cancel(executor, decision);
    }
    return false;
}

/* One that comes too late stays: who asked sees that the run has ended. */
static void asked(void *context, const struct inbox_message *message)
{
    struct decision decision = {
        .verb = message->problem ? "message" : inbox_verb_name(message->verb),
        .id = message->id,
        .target = message->target,
        .who = message->who,
        .comment = message->comment,
        .at_utc_ms = message->at_utc_ms,
    };
    act(context, message, &decision);
}

static bool open_inbox(const struct carriage *carriage, struct watchers *watchers, double speed,
                       struct error *error)
{
    struct world *world = carriage->site->world;
    if (!carriage->state) {
        return true;
    }
    struct store *store = shared_store_of(world, carriage->state, error);
    if (!store) {
        return false;
    }
    watchers->began_utc_ms = world_utc_ms(world);
    watchers->inbox = inbox_watch(store, world, carriage->graph->plan_name, carriage->run_id,
                                  (int64_t)(INBOX_INTERVAL_MS * (speed > 1 ? speed : 1)), asked,
                                  watchers);
    return true;
}

static void interrupted(void *context, int signal)
{
    struct watchers *watchers = context;
    (void)signal;
    progress_clear(watchers->progress);
    if (watchers->interrupts++ == 0) {
        fputs("interrupted: nothing new is started, what is under way is awaited; once more stops "
              "at once\n",
              stderr);
    }
    executor_interrupt(watchers->executor);
}

/* The terminal is gone: a run ends as by Ctrl-C. A shell may say so beside the kernel, which is not
 * "once more". */
static void hung_up(void *context, int signal)
{
    struct watchers *watchers = context;
    if (watchers->interrupts == 0) {
        interrupted(watchers, signal);
    }
}

/* nohup stays what it is. */
static struct world_task *watch_hang_up(struct world *world, struct watchers *watchers)
{
    struct sigaction now;
    bool ignored = sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
    return ignored ? NULL : world_signal(world, SIGHUP, hung_up, watchers);
}

static bool open_events(const struct carriage *carriage, struct watchers *watchers,
                        struct error *error)
{
    const char *path = carriage->invocation->values[FLAG_EVENTS];
    int64_t first = 0;
    if (!path) {
        return true;
    }
    watchers->events_file = events_file_open(path, carriage->run_id, &first, error);
    if (!watchers->events_file) {
        return false;
    }
    watchers->events = events_create(events_file_write, watchers->events_file, carriage->graph,
                                     carriage->run_id, first);
    return true;
}

static void close_events(const struct carriage *carriage, struct watchers *watchers)
{
    bool failed = watchers->events && events_failed(watchers->events);
    events_destroy(watchers->events);
    if (!events_file_close(watchers->events_file) || failed) {
        fprintf(stderr, "warning: not all events could be written to %s\n",
                carriage->invocation->values[FLAG_EVENTS]);
    }
}

/* Of cleanup and rollback nobody is told: they are somebody's own commands, or a test's end. */
static void start_notify(const struct carriage *carriage, struct watchers *watchers)
{
    const char *url = carriage->invocation->values[FLAG_NOTIFY];
    if (url && carriage->site->real && !carriage->doing) {
        watchers->notify = notify_start(&(struct notify_options){.url = url,
                                                                 .world = carriage->site->real,
                                                                 .graph = carriage->graph,
                                                                 .run_id = carriage->run_id});
    }
}

static void finish_notify(struct watchers *watchers)
{
    struct buffer problem = {0};
    notify_finish(watchers->notify, &problem);
    if (problem.length > 0) {
        fprintf(stderr, "warning: %s\n", buffer_text(&problem));
    }
    buffer_free(&problem);
}

static enum executor_result run(const struct carriage *carriage, struct watchers *watchers,
                                struct error *error)
{
    struct world *world = carriage->site->world;
    struct world_task *on_interrupt = world_signal(world, SIGINT, interrupted, watchers);
    struct world_task *on_terminate = world_signal(world, SIGTERM, interrupted, watchers);
    struct world_task *on_hang_up = watch_hang_up(world, watchers);
    enum executor_result result = executor_run(watchers->executor, error);
    world_cancel(world, on_hang_up);
    world_cancel(world, on_interrupt);
    world_cancel(world, on_terminate);
    return result;
}

enum executor_result carry_out(const struct carriage *carriage, struct error *error)
{
    struct watchers watchers = {0};
    if (!open_events(carriage, &watchers, error)) {
        return EXECUTOR_BROKEN;
    }
    struct progress_options progress = {
        .out = stderr,
        .world = carriage->site->world,
        .graph = carriage->graph,
        .schedule = carriage->schedule,
        .doing = carriage->doing,
        .speed = carriage->site->sandbox ? sandbox_options(carriage->site->sandbox)->speed : 1,
    };
    struct executor_options options = {
        .world = carriage->site->world,
        .graph = carriage->graph,
        .schedule = carriage->schedule,
        .facts = carriage->facts,
        .journal = carriage->journal,
        .limits = carriage->site->limits,
        .run_id = carriage->run_id,
        .place = carriage->place,
        .lease = carriage->lease,
        .again = carriage->again,
        .again_count = carriage->again_count,
        .no_wait = carriage->invocation->given[FLAG_NO_WAIT],
        .observer = observe,
        .observer_context = &watchers,
        .output = carriage->folder ? keep_output : NULL,
        .output_context = &watchers,
    };
    memcpy(options.providers, carriage->site->providers, sizeof options.providers);
    if (carriage->folder) {
        watchers.outputs =
            script_outputs_open(carriage->folder, world_redactor(carriage->site->world));
    }
    watchers.progress = progress_create(&progress);
    watchers.ask = options.no_wait ? NULL
                                   : ask_approval_create(carriage->site->world, watchers.progress,
                                                         carriage->run_id);
    start_notify(carriage, &watchers);
    watchers.executor = executor_create(&options, error);
    ask_approval_attach(watchers.ask, watchers.executor);
    enum executor_result result = EXECUTOR_DAMAGED;
    if (watchers.executor && open_inbox(carriage, &watchers, progress.speed, error)) {
        progress_attach(watchers.progress, watchers.executor);
        if (watchers.events) {
            events_attach(watchers.events, watchers.executor);
        }
        result = run(carriage, &watchers, error);
    }
    ask_approval_destroy(watchers.ask);
    progress_finish(watchers.progress);
    finish_notify(&watchers);
    inbox_close(watchers.inbox);
    /* A run that was broken off leaves requests on their way, and what comes now (the lease's end, the
     * last traces) runs the loop: their answers must not find the executor gone. */
    site_close_providers(carriage->site);
    executor_destroy(watchers.executor);
    close_outputs(&watchers);
    close_events(carriage, &watchers);
    return result;
}
