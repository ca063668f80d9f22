#include "runtime/cli/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/compile.h"
#include "runtime/cli/carry_out.h"
#include "runtime/cli/load.h"
#include "runtime/cli/notify.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/cli/run_outputs.h"
#include "runtime/cli/summary.h"
#include "runtime/report/report.h"
#include "runtime/site/dns_findings.h"
#include "runtime/site/ownership.h"
#include "runtime/site/run_scripts.h"
#include "runtime/state/journal.h"
#include "runtime/state/lease.h"
#include "runtime/state/place.h"
#include "runtime/state/production.h"
#include "runtime/state/shared.h"
#include "runtime/world/world.h"

bool session_open_providers(struct session *session, struct error *error)
{
    if (!site_open_providers(&session->site, &session->options, error)) {
        return false;
    }
    const char *clear = session->site.sandbox ? NULL : aws_unencrypted_endpoint(session->site.aws);
    if (clear) {
        fprintf(stderr, "warning: %s is asked without TLS: who is on the way reads the session's token "
                        "and can answer in its place\n", clear);
    }
    return true;
}

bool session_open_world(struct session *session, struct error *error)
{
    lookup_set_account(session->invocation, session->options.region, session->options.profile,
                       &session->site);
    const char *url = session->invocation->values[FLAG_NOTIFY];
    return site_open_world(&session->site, session->options.sandbox, error) &&
           (!url || notify_check(url, session->site.real, error));
}

bool session_open_site(struct session *session, struct error *error)
{
    return session_open_world(session, error) && session_open_providers(session, error);
}

void session_give_up(struct session *session, enum run_status status)
{
    struct error ignored = {0};
    if (session->journal) {
        run_set_status(session->journal, session->site.world, status, &ignored);
    }
    error_clear(&ignored);
}

void session_close(struct session *session)
{
    journal_close(session->journal);
    lease_release(session->lease);
    shared_close(session->shared);
    site_close(&session->site);
}

/* The shape of a graph is its text without what only the facts' digest says, and how long it takes. */
static void shape(const struct graph *graph, struct buffer *out)
{
    struct graph copy = *graph;
    copy.inventory_digest = "";
    copy.assumptions = NULL;
    copy.assumption_count = 0;
    copy.nodes = base_alloc((graph->node_count + 1) * sizeof *copy.nodes);
    for (size_t i = 0; i < graph->node_count; i++) {
        copy.nodes[i] = graph->nodes[i];
        copy.nodes[i].expected_ms = 0;
    }
    graph_write_json(&copy, out);
    free(copy.nodes);
}

static const char *first_difference(struct arena *arena, const struct graph *reviewed,
                                    const struct graph *now)
{
    struct map ids = {.arena = arena};
    for (uint32_t i = 0; i < reviewed->node_count; i++) {
        map_put(&ids, reviewed->nodes[i].id, &reviewed->nodes[i]);
    }
    for (uint32_t i = 0; i < now->node_count; i++) {
        if (!map_get(&ids, now->nodes[i].id)) {
            return arena_printf(arena, "%s would be new", now->nodes[i].id);
        }
    }
    struct map now_ids = {.arena = arena};
    for (uint32_t i = 0; i < now->node_count; i++) {
        map_put(&now_ids, now->nodes[i].id, &now->nodes[i]);
    }
    for (uint32_t i = 0; i < reviewed->node_count; i++) {
        if (!map_get(&now_ids, reviewed->nodes[i].id)) {
            return arena_printf(arena, "%s would be missing", reviewed->nodes[i].id);
        }
    }
    return "the actions are the same, their inputs are not";
}

static bool same_as_reviewed(struct session *session, struct error *error)
{
    struct buffer reviewed = {0};
    struct buffer now = {0};
    shape(session->reviewed, &reviewed);
    shape(session->graph, &now);
    bool same = strcmp(buffer_text(&reviewed), buffer_text(&now)) == 0;
    buffer_free(&reviewed);
    buffer_free(&now);
    if (same) {
        return true;
    }
    error_set(error, "what the sites hold has changed since the graph was compiled: %s",
              first_difference(session->invocation->arena, session->reviewed, session->graph));
    return error_help(error,
                      "gather facts again (drc plan facts), compile with --facts, and review "
                      "what comes of it");
}

/* --facts at apply: what was reviewed; facts are gathered again and held against it. */
static bool same_inventory(const struct facts *given, const struct facts *now, struct error *error)
{
    char reviewed[65];
    char found[65];
    facts_inventory_digest(given, reviewed);
    facts_inventory_digest(now, found);
    if (strcmp(reviewed, found) == 0) {
        return true;
    }
    error_set(error, "the inventory is no longer that of the facts given (%.7s, now %.7s)",
              reviewed, found);
    return error_help(error, "gather them again with drc plan facts, and review the difference");
}

bool session_gather_facts(struct session *session, struct error *error)
{
    struct arena *arena = session->invocation->arena;
    const char *point = session->options.recovery_point;
    session->facts =
        session_is_replicate(session)
            ? session_replicate_facts(session, false, error)
            : aws_gather_facts(session->site.aws, arena, session->plan, session->options.workflow,
                               point ? point : "latest", error);
    if (session->facts && session->plan->objectives.test_every.given) {
        session_note_last_test(session);
    }
    return session->facts != NULL;
}

static bool gather(struct session *session, struct error *error)
{
    struct facts *given = NULL;
    return session_gather_facts(session, error) && load_facts(session->invocation, &given, error) &&
           (!given || same_inventory(given, session->facts, error));
}

/* Fencing needs vCenter, which this version does not ask: that has to be said before a source VM
 * and its recovered copy run at the same time. */
static void warn_of_sources(struct session *session)
{
    findings_add(&session->findings, session->invocation->arena, FINDING_WARNING, "source VMs",
                 "make sure that they are off before the recovered ones serve anybody",
                 "vCenter is not asked by this version: whether they still run cannot be seen");
}

bool session_prepare(struct session *session, struct error *error)
{
    struct arena *arena = session->invocation->arena;
    if (!gather(session, error)) {
        return false;
    }
    session->graph = load_compiled(session->invocation, session->plan, session->options.workflow,
                                   session->facts);
    if (!session->graph) {
        return error_set(error, "the plan does not compile with what the sites hold");
    }
    if (!session_set_auto_cleanup(session, error) ||
        (session->reviewed && !same_as_reviewed(session, error))) {
        return false;
    }
    session->schedule = estimate(arena, session->graph, session->facts, true);
    if (session_is_replicate(session)) {
        return session_replicate_preflight(session, error);
    }
    struct loss_terms terms = {session->options.disaster_utc_ms,
                               session->options.data_loss_accepted};
    if (!aws_preflight(session->site.aws, arena, session->plan, session->graph, session->facts,
                       &terms, &session->findings, error)) {
        return false;
    }
    dns_findings(&(struct dns_findings_options){.world = session->site.world,
                                                .dns = session->site.dns,
                                                .aws = aws_provider(session->site.aws),
                                                .own_secrets = session->site.sandbox != NULL},
                 session->graph, arena, &session->findings);
    if (!session_is_test(session)) { /* its VMs are apart from those at home */
        session_judge_last_test(session);
        warn_of_sources(session);
    }
    return true;
}

bool session_store_graph(struct session *session, struct error *error)
{
    return run_store_graph(session->journal, session->graph, session->facts, error);
}

struct graph *session_read_graph(struct session *session, const char *blob, struct error *error)
{
    void *bytes = NULL;
    size_t length = 0;
    if (!journal_get_blob(session->journal, blob, &bytes, &length, error)) {
        return NULL;
    }
    struct graph *graph =
        graph_read(session->invocation->arena, "the journal's graph", bytes, length, error);
    free(bytes);
    if (!graph) {
        journal_help_damaged(error);
    }
    return graph;
}

bool session_load_graph(struct session *session, struct error *error)
{
    struct arena *arena = session->invocation->arena;
    void *bytes = NULL;
    size_t length = 0;
    session->graph = session_read_graph(session, "graph", error);
    if (!session->graph || !journal_get_blob(session->journal, "facts", &bytes, &length, error)) {
        return false;
    }
    session->facts = facts_read(arena, "the journal's facts", bytes, length, error);
    free(bytes);
    if (!session->facts) {
        return journal_help_damaged(error);
    }
    session->schedule = estimate(arena, session->graph, session->facts, true);
    return true;
}

enum moment { RUN_BEGINS, RUN_HAS_ENDED, RUN_IS_CANCELLED, RUN_IS_UNDONE };

static enum production_place place_at(enum moment moment, bool recovered)
{
    switch (moment) {
    case RUN_IS_UNDONE:
        return PRODUCTION_PRIMARY;
    case RUN_IS_CANCELLED:
        return recovered ? PRODUCTION_RECOVERY : PRODUCTION_PRIMARY;
    case RUN_BEGINS:
    case RUN_HAS_ENDED:
        break;
    }
    return recovered ? PRODUCTION_RECOVERY : PRODUCTION_FAILING_OVER;
}

static bool set_places(struct session *session, const struct report *report, enum moment moment,
                       struct error *error)
{
    struct arena *arena = session->invocation->arena;
    const char *plan = session->run.plan;
    if (session_is_replicate(session) || session_is_test(session)) {
        return true; /* it moves nothing */
    }
    struct production *production = production_read(arena, session->state, plan, error);
    if (!production) {
        return false;
    }
    size_t count = session->graph ? session->graph->vm_count : 0;
    for (size_t i = 0; i < count; i++) {
        struct production_vm now = production_of(production, session->graph->vms[i].name);
        bool ours = now.run && strcmp(now.run, session->run.id) == 0;
        if (now.committed ||
            ((moment == RUN_IS_UNDONE || moment == RUN_IS_CANCELLED) && !ours)) {
            continue; /* another run has brought it where it is */
        }
        const struct report_vm *vm = report ? &report->vms[i] : NULL;
        bool recovered = vm && vm->outcome == VM_RECOVERED;
        enum production_place place = place_at(moment, recovered);
        struct production_vm entry = {
            .name = session->graph->vms[i].name,
            .place = place,
            .run = place == PRODUCTION_PRIMARY ? NULL : session->run.id,
            .instance_id = vm && place != PRODUCTION_PRIMARY ? vm->instance_id : NULL,
            .since_utc_ms = world_utc_ms(session->site.world),
        };
        production_set(arena, production, &entry);
    }
    return production_write(production, session->state, plan, error) &&
           session_share_production(session, error);
}

bool session_note_cleaned(struct session *session, struct error *error)
{
    return session_is_test(session) ? session_note_test_cleaned(session, error)
                                    : set_places(session, NULL, RUN_IS_UNDONE, error);
}

bool session_note_cancelled(struct session *session, struct error *error)
{
    struct report_known known = {session->graph, session->facts, session->schedule};
    struct report *report =
        report_load(session->invocation->arena, session->journal, &known, error);
    return report && set_places(session, report, RUN_IS_CANCELLED, error);
}

static void tell_report(const struct session *session, const struct report *report)
{
    struct buffer text = {0};
    if (session->invocation->given[FLAG_JSON]) {
        report_write_json(report, &text);
    } else {
        report_write_text(report, output_width(stdout), wants_colour(stdout), &text);
    }
    const char *events = session->invocation->values[FLAG_EVENTS];
    bool taken = events && strcmp(events, "-") == 0;
    fputs(buffer_text(&text), taken ? stderr : stdout);
    buffer_free(&text);
}

/* Where production is comes before the status: a process killed between them leaves a run that can be
 * resumed, not one that is final beside a record that is wrong. NULL on failure. */
static struct report *end_run(struct session *session, enum run_status status, struct error *error)
{
    struct report_known known = {session->graph, session->facts, session->schedule};
    struct report *report =
        report_load(session->invocation->arena, session->journal, &known, error);
    enum moment moment = status == RUN_CANCELLED ? RUN_IS_CANCELLED : RUN_HAS_ENDED;
    if (!report || !set_places(session, report, moment, error) ||
        !run_set_status(session->journal, session->site.world, status, error)) {
        return NULL;
    }
    report->folder = session->run.directory;
    report->status = status;
    return report;
}

static enum exit_status tell_resumable(const struct session *session, struct error *error)
{
    error_prefix(error, "run %s", session->run.id);
    tell_error(error);
    fprintf(stderr, "drc run resume %s goes on from there\n", session->run.id);
    return EXIT_RESUMABLE;
}

/* The report comes at the end, so that it tells of the cleanup too. */
static enum exit_status end_test(struct session *session, struct run_outputs *outputs)
{
    struct error error = {0};
    struct report_known known = {session->graph, session->facts, session->schedule};
    enum exit_status status = session_take_back_test(session, true);
    struct report *report =
        report_load(session->invocation->arena, session->journal, &known, &error);
    if (!report) {
        run_outputs_end(outputs, NULL);
        return tell_error(&error);
    }
    tell_report(session, report);
    run_outputs_end(outputs, report);
    return status == EXIT_DONE && report->verdict != VERDICT_PASSED ? EXIT_ERROR : status;
}

enum exit_status session_end_test(struct session *session)
{
    struct run_outputs outputs = {0};
    run_outputs_begin(&outputs, session);
    return end_test(session, &outputs);
}

enum exit_status session_execute(struct session *session)
{
    return session_execute_named(session, NULL, 0);
}

enum exit_status session_execute_named(struct session *session, const char *const *names,
                                       size_t count)
{
    struct error error = {0};
    struct carriage carriage = {
        .invocation = session->invocation,
        .site = &session->site,
        .journal = session->journal,
        .graph = session->graph,
        .schedule = session->schedule,
        .facts = session->facts,
        .run_id = session->run.id,
        .folder = session->run.directory,
        .state = session->state,
        .lease = session->lease,
        .again = names,
        .again_count = count,
    };
    if (!ownership_check(session->invocation->arena, session->site.aws, session->graph,
                         session->journal, &error)) {
        error_prefix(&error, "run %s", session->run.id);
        return tell_error(&error);
    }
    run_set_progress(session->journal, session->graph->vm_count, 0);
    if (!set_places(session, NULL, RUN_BEGINS, &error) ||
        !run_set_status(session->journal, session->site.world, RUN_RUNNING, &error)) {
        return tell_error(&error);
    }
    carriage.place = place_of(session->invocation->arena, session->site.world, session->run.directory,
                              &error);
    if (!carriage.place) {
        error_prefix(&error, "run %s", session->run.id);
        return tell_error(&error);
    }
    site_use_run(&session->site, run_scripts_of(session->journal), session->run.directory);
    base_trim(); /* what preparing took is free now, and a run may be long */
    struct run_outputs outputs = {0};
    run_outputs_begin(&outputs, session);
    enum executor_result result = carry_out(&carriage, &error);
    base_trim();
    if (result == EXECUTOR_DAMAGED || result == EXECUTOR_LOST) {
        error_prefix(&error, "run %s", session->run.id);
        run_outputs_end(&outputs, NULL);
        return tell_error(&error);
    }
    bool ended = result == EXECUTOR_SUCCEEDED || result == EXECUTOR_FAILED;
    if (ended && session_test_is_over(session, &error)) {
        return end_test(session, &outputs);
    }
    bool broken = result == EXECUTOR_BROKEN || error.message;
    struct report *report = broken ? NULL : end_run(session, run_status_after(result), &error);
    if (!report) {
        enum exit_status status = tell_resumable(session, &error);
        run_outputs_end(&outputs, NULL);
        return status;
    }
    tell_report(session, report);
    run_outputs_end(&outputs, report);
    if (result == EXECUTOR_WAITING) {
        fprintf(stderr,
                "waits for approval: drc run approve %s, then drc run resume %s goes on\n",
                session->run.id, session->run.id);
        return EXIT_RESUMABLE;
    }
    if (result == EXECUTOR_INTERRUPTED) {
        if (session->invocation->given[FLAG_JSON] || !isatty(STDOUT_FILENO)) {
            /* A report on the terminal ends with it. */
            fprintf(stderr, "stopped; drc run resume %s goes on\n", session->run.id);
        }
        return EXIT_RESUMABLE;
    }
    return result == EXECUTOR_SUCCEEDED ? EXIT_DONE : EXIT_ERROR;
}
