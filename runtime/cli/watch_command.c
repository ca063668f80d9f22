/* drc run watch: follows a run that another process carries out, from its journal, read-only. */
#include "runtime/cli/command.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/cli/events_file.h"
#include "runtime/cli/output.h"
#include "runtime/cli/progress.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/cli/session.h"
#include "runtime/report/events.h"
#include "runtime/report/history.h"
#include "runtime/report/report.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/state/journal.h"
#include "runtime/state/run_source.h"
#include "runtime/state/shared.h"
#include "runtime/world/world.h"

enum { LOOK_MS = 200, ALIVE_EVERY = 5, QUIET_MS = 10000 }; /* of the watcher's time */

struct watch {
    struct session *session;
    struct run_source *source;
    struct history *history; /* NULL until the run has a graph */
    struct progress *progress;
    struct events *events; /* --json */
    struct events_file *events_file;
    struct world_task *timer;
    double speed; /* of the run's clock against the watcher's */
    int64_t told_ms; /* of the world's clock: when something was last told */
    int looks;
    bool caught_up, waits_told, stopped, finished;
    enum exit_status status;
    struct error error;
};

static void finish(struct watch *watch, enum exit_status status)
{
    watch->finished = true;
    watch->status = status;
}

static void observe(void *context, const struct executor_event *event)
{
    struct watch *watch = context;
    watch->told_ms = world_monotonic_ms(watch->session->site.world);
    if (watch->events) {
        events_observe(watch->events, event);
    } else if (watch->caught_up) {
        progress_observe(watch->progress, event);
    } else {
        progress_catch_up(watch->progress, event);
    }
}

static void tell_alive(struct watch *watch)
{
    struct executor_event event = {.type = EVENT_HEARTBEAT,
                                   .utc_ms = world_utc_ms(watch->session->site.world)};
    observe(watch, &event);
}

static bool open_view(struct watch *watch)
{
    struct session *session = watch->session;
    struct world *world = session->site.world;
    struct arena *arena = session->invocation->arena;
    watch->history = history_create(arena, session->graph, false);
    watch->history->observer = observe;
    watch->history->observer_context = watch;
    if (session->invocation->given[FLAG_JSON]) {
        int64_t first = 0;
        watch->events_file = events_file_open("-", session->run.id, &first, &watch->error);
        if (!watch->events_file) {
            return false;
        }
        watch->events = events_create(events_file_write, watch->events_file, session->graph,
                                      session->run.id, first);
        events_follow(watch->events, watch->history);
        return true;
    }
    struct progress_options options = {.out = stderr,
                                       .world = world,
                                       .graph = session->graph,
                                       .schedule = session->schedule,
                                       .speed = watch->speed};
    watch->progress = progress_create(&options);
    progress_attach_history(watch->progress, watch->history);
    return true;
}

/* The graph comes once the run is prepared. False: not yet, or (with an error) never. */
static bool load_graph(struct watch *watch)
{
    struct session *session = watch->session;
    struct arena *arena = session->invocation->arena;
    struct report_known known = {0};
    if (!report_known_read(arena, watch->source, &known, &watch->error)) {
        return false;
    }
    session->graph = (struct graph *)known.graph;
    session->facts = (struct facts *)known.facts;
    session->schedule = (struct schedule *)known.schedule;
    return open_view(watch);
}

/* --- what the journal says now --- */

static bool take_status(void *context, int64_t number, const char *record)
{
    struct run_info *run = context;
    (void)number;
    for (int i = RUN_PREPARING; i < RUN_STATUS_COUNT; i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"r\":\"status\",\"status\":\"%s\"",
                 run_status_name((enum run_status)i));
        if (!strncmp(record, text, strlen(text))) {
            run->status = (enum run_status)i;
        }
    }
    return true;
}

static bool read_on(struct watch *watch)
{
    struct history *history = watch->history;
    struct run_source *source = watch->source;
    if (!history) {
        return source->read(source, 0, take_status, &watch->session->run, &watch->error);
    }
    if (!source->read(source, history->number, history_take, history, &watch->error)) {
        return false;
    }
    if (history->damaged) {
        error_set(&watch->error, "reading the journal: group %" PRId64 " does not fit its graph",
                  history->damaged);
        return journal_help_damaged(&watch->error);
    }
    watch->session->run.status = history->status;
    return true;
}

static bool has_ended(enum run_status status)
{
    return run_status_is_final(status) || status == RUN_FAILED || status == RUN_INTERRUPTED;
}

static enum exit_status status_for(enum run_status status)
{
    return status == RUN_FAILED || status == RUN_CANCELLED ? EXIT_ERROR
           : run_status_is_final(status)                   ? EXIT_DONE
                                                           : EXIT_RESUMABLE;
}

static void tell_dead(const struct watch *watch)
{
    const char *id = watch->session->run.id;
    if (watch->progress) {
        progress_clear(watch->progress);
    }
    fprintf(stderr, "no process works on run %s any more; drc run resume %s goes on with it\n", id, id);
}

/* Whose end is not in the journal and whose lease nobody holds was killed. What it wrote last may
 * have come between the two looks. */
static void check_alive(struct watch *watch)
{
    struct run_info *run = &watch->session->run;
    if (watch->source->is_alive(watch->source)) {
        return;
    }
    if (!read_on(watch)) {
        finish(watch, EXIT_ERROR);
    } else if (has_ended(run->status)) {
        finish(watch, status_for(run->status));
    } else {
        tell_dead(watch);
        finish(watch, EXIT_RESUMABLE);
    }
}

static void catch_up(struct watch *watch)
{
    struct world *world = watch->session->site.world;
    struct history *history = watch->history;
    if (!watch->caught_up) {
        watch->caught_up = true;
        watch->told_ms = world_monotonic_ms(world);
        if (watch->progress) {
            bool alive = !history_is_over(history) && watch->source->is_alive(watch->source);
            progress_caught_up(watch->progress,
                               alive ? history_moment(history, world_utc_ms(world))
                                     : history->elapsed_ms);
        }
    }
}

static void look(struct watch *watch)
{
    struct run_info *run = &watch->session->run;
    enum run_status before = run->status;
    int64_t quiet_ms = (int64_t)(QUIET_MS * watch->speed);
    if (watch->session->shared && watch->looks % ALIVE_EVERY == 0) {
        shared_refresh(watch->session->shared, NULL); /* or with the next look */
    }
    if (!watch->history && !load_graph(watch) && watch->error.message) {
        finish(watch, EXIT_ERROR);
        return;
    }
    if (!read_on(watch)) {
        finish(watch, EXIT_ERROR);
        return;
    }
    bool first = watch->looks++ == 0;
    if (watch->history) {
        catch_up(watch);
    } else if (!watch->waits_told && !has_ended(run->status)) {
        watch->waits_told = true;
        fprintf(stderr, "run %s is being prepared: facts, preflight, approval\n", run->id);
    }
    if (has_ended(run->status) && !first && before != run->status) {
        finish(watch, status_for(run->status));
    } else if ((watch->looks - 1) % ALIVE_EVERY == 0) {
        check_alive(watch);
    }
    bool quiet = world_monotonic_ms(watch->session->site.world) - watch->told_ms >= quiet_ms;
    if (watch->history && !watch->finished && quiet) {
        tell_alive(watch);
    }
    if (watch->events && events_failed(watch->events)) {
        finish(watch, EXIT_ERROR); /* nobody reads any more */
    }
}

static void set_timer(struct watch *watch);

static void on_timer(void *context)
{
    struct watch *watch = context;
    watch->timer = NULL;
    look(watch);
    if (!watch->finished) {
        set_timer(watch);
    }
}

static void set_timer(struct watch *watch)
{
    watch->timer = world_timer(watch->session->site.world, (int64_t)(LOOK_MS * watch->speed),
                               on_timer, watch);
}

static void on_signal(void *context, int number)
{
    struct watch *watch = context;
    (void)number;
    watch->stopped = true;
    finish(watch, EXIT_RESUMABLE);
}

/* --- from beginning to end --- */

static void tell_end(struct watch *watch)
{
    struct session *session = watch->session;
    if (!watch->history || watch->events || !has_ended(session->run.status)) {
        return;
    }
    struct report_known known = {session->graph, session->facts, session->schedule};
    struct journal *journal = run_open(&session->run, NULL, true, &watch->error);
    struct report *report =
        journal ? report_load(session->invocation->arena, journal, &known, &watch->error) : NULL;
    journal_close(journal);
    if (report) {
        struct buffer text = {0};
        report_write_text(report, output_width(stdout), wants_colour(stdout), &text);
        fputs(buffer_text(&text), stdout);
        buffer_free(&text);
    }
}

static void run_loop(struct watch *watch)
{
    struct world *world = watch->session->site.world;
    struct world_task *on_interrupt = world_signal(world, SIGINT, on_signal, watch);
    look(watch);
    if (!watch->finished) {
        set_timer(watch);
        world_run(world, &watch->finished);
    }
    world_cancel(world, on_interrupt);
    if (watch->timer) {
        world_cancel(world, watch->timer);
    }
}

static enum exit_status follow(struct watch *watch)
{
    struct session *session = watch->session;
    run_loop(watch);
    progress_finish(watch->progress);
    events_destroy(watch->events);
    events_file_close(watch->events_file);
    if (!watch->stopped && !watch->error.message) {
        tell_end(watch);
    }
    run_source_close(watch->source);
    if (!watch->stopped && !watch->history && !watch->error.message &&
        watch->status == EXIT_ERROR) {
        error_set(&watch->error, "run %s failed before its plan was compiled", session->run.id);
        error_help(&watch->error, "drc run resume %s begins again, and says why", session->run.id);
    }
    return watch->error.message ? tell_error(&watch->error) : watch->status;
}

enum exit_status command_run_watch(const struct invocation *invocation)
{
    struct session session = {.invocation = invocation};
    struct watch watch = {.session = &session, .speed = 1, .status = EXIT_DONE};
    struct error error = {0};
    if (!lookup_run(&session, LOOKUP_NEWEST_UNFINISHED, &error) || !lookup_open_clock(&session, &error) ||
        !session_open_shared(&session, &error)) {
        session_close(&session);
        return tell_error(&error);
    }
    watch.source = run_source_journal(session.site.real, session.state, &session.run, &error);
    if (!watch.source) {
        session_close(&session);
        return tell_error(&error);
    }
    if (session.site.sandbox) {
        watch.speed = sandbox_options(session.site.sandbox)->speed;
    }
    enum exit_status status = follow(&watch);
    session_close(&session);
    if (watch.stopped) {
        fprintf(stderr, "run %s goes on; drc run watch %s follows it again\n", session.run.id,
                session.run.id);
        signal(SIGINT, SIG_DFL);
        raise(SIGINT); /* ends as one that was interrupted does */
    }
    return status;
}
