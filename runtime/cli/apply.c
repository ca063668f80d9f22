/* drc plan apply and facts: from a plan (or a reviewed graph) to a run. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/compile.h"
#include "compiler/emit/emit.h"
#include "compiler/front/diagnostic.h"
#include "compiler/plan/select.h"
#include "runtime/cli/apply.h"
#include "runtime/cli/events_file.h"
#include "runtime/cli/load.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/cli/session.h"
#include "runtime/cli/summary.h"
#include "runtime/site/run_scripts.h"
#include "runtime/state/published.h"
#include "runtime/state/journal.h"
#include "runtime/state/lease.h"
#include "runtime/state/production.h"
#include "runtime/world/files.h"
#include "runtime/world/world.h"

/* Flags of the design that later work brings: refused, never ignored. */
static bool refuse_unbuilt(const struct invocation *invocation, struct error *error)
{
    static const enum flag unbuilt[] = {FLAG_PLANNED, FLAG_FENCE};
    for (size_t i = 0; i < sizeof unbuilt / sizeof *unbuilt; i++) {
        if (invocation->given[unbuilt[i]]) {
            return error_set(error, "--%s is not built yet in this version",
                             flag_infos[unbuilt[i]].name);
        }
    }
    return true;
}

/* A graph that was compiled with --only is of these VMs only. */
static bool restrict_to_graph(struct session *session, struct error *error)
{
    const struct graph *graph = session->reviewed;
    struct buffer text = {0};
    for (size_t i = 0; i < graph->vm_count; i++) {
        buffer_printf(&text, "%s%s", i ? "," : "", graph->vms[i].name);
    }
    if (graph->vm_count > 0 && graph->vm_count < session->plan->vm_count) {
        session->plan =
            plan_restrict_to(session->invocation->arena, session->plan, buffer_text(&text), error);
    }
    buffer_free(&text);
    return session->plan != NULL;
}

/* The plan of a compiled graph is where it was compiled from, or where --plan says; it has to be
 * what was reviewed. */
static bool load_plan_of_graph(struct session *session, struct error *error)
{
    const struct graph *graph = session->reviewed;
    const char *path = session->invocation->values[FLAG_PLAN];
    path = path ? path : graph->plan_file;
    if (!path || (!published_is_url(path) && access(path, R_OK) != 0)) {
        error_set(error, "the plan %s, from which the graph was compiled, cannot be read here",
                  path ? path : "");
        error_help(error, "run from the same folder, or say where it is: --plan PLAN");
        return false;
    }
    if (!load_plan(session->invocation, path, &session->plan)) {
        return error_set(error, "the graph's plan has errors");
    }
    if (strcmp(session->plan->digest, graph->plan_digest) != 0) {
        error_set(error, "%s is no longer what the graph was compiled from (%.7s, now %.7s)", path,
                  graph->plan_digest, session->plan->digest);
        return error_help(error, "compile it again and review it; variables (--var) count too");
    }
    return restrict_to_graph(session, error);
}

/* PLAN WORKFLOW, or GRAPH: fills plan and reviewed, and *workflow. */
static bool load_subject(struct session *session, enum workflow *workflow, struct error *error)
{
    const struct invocation *invocation = session->invocation;
    const struct source *source = load_source(invocation, invocation->arguments[0], error);
    if (!source) {
        return false;
    }
    if (is_graph(source)) {
        session->reviewed = load_graph_text(invocation, source, error);
        if (!session->reviewed) {
            return false;
        }
        *workflow = session->reviewed->workflow;
        if (invocation->given[FLAG_AUTO_CLEANUP]) {
            error_set(error, "%s is a compiled graph, which says already what its cleanup waits for",
                      source->path);
            error_help(error, "give --auto-cleanup when it is compiled");
            return false;
        }
        return load_plan_of_graph(session, error);
    }
    const char *word = invocation->argument_count > 1 ? invocation->arguments[1] : NULL;
    return load_workflow(word, workflow, error) &&
           load_plan_text(invocation, source, &session->plan);
}

/* --only, with what the state says of where VMs run. Opens no socket. */
static bool select_vms(struct session *session, struct error *error)
{
    const struct invocation *invocation = session->invocation;
    const struct plan *plan = session->plan;
    if (!invocation->given[FLAG_ONLY] || session->reviewed) {
        return true;
    }
    const char *state = lookup_state_of_plan(invocation, plan, error);
    const struct production *production =
        state ? production_read(invocation->arena, state, plan->name, error) : NULL;
    bool *there = ARENA_ARRAY(invocation->arena, bool, plan->vm_count + 1);
    for (size_t i = 0; production && i < plan->vm_count; i++) {
        there[i] = production_of(production, plan->vms[i].name).place == PRODUCTION_RECOVERY;
    }
    return production && load_selection(invocation, there, &session->plan, error);
}

static void table_options(const struct session *session, struct table_options *options)
{
    *options = (struct table_options){
        .colour = wants_colour(stdout),
        .all = true,
        .width = output_width(stdout),
        .rto_objective_ms = session->plan->objectives.rto.ms,
        .facts = session->facts,
    };
}

static void print_dry_run(const struct session *session)
{
    struct table_options options;
    table_options(session, &options);
    struct buffer text = {0};
    if (session->invocation->given[FLAG_JSON]) {
        emit_table_json(session->graph, session->schedule, &options, &text);
    } else {
        emit_dry_run(session->graph, session->schedule, &options, &text);
    }
    fputs(buffer_text(&text), stdout);
    buffer_free(&text);
}

/* Opens no socket: facts are those given, or none. */
static enum exit_status dry_run_offline(struct session *session, enum workflow workflow)
{
    struct error error = {0};
    if (!load_facts_of(session->invocation, session->plan->source->path, &session->facts, &error)) {
        return tell_error(&error);
    }
    session->graph = load_compiled(session->invocation, session->plan, workflow, session->facts);
    if (!session->graph) {
        return EXIT_ERROR;
    }
    session->schedule = estimate(session->invocation->arena, session->graph, session->facts, true);
    print_dry_run(session);
    return EXIT_DONE;
}

/* By the site's clock. */
static bool check_disaster(const struct session *session, struct error *error)
{
    char now[32];
    int64_t now_utc_ms = world_utc_ms(session->site.world);
    if (session->options.disaster_utc_ms <= now_utc_ms) {
        return true;
    }
    error_set(error, "--disaster-at %s is in the future: it is %s",
              session->invocation->values[FLAG_DISASTER_AT], format_time(now, now_utc_ms));
    return error_help(error,
                      "leave it out for a disaster that is now; times are UTC unless they say "
                      "otherwise (+01:00)");
}

static void print_findings(const struct session *session)
{
    struct buffer text = {0};
    findings_write(&session->findings, output_width(stderr), wants_colour(stderr), &text);
    fputs(buffer_text(&text), stderr);
    buffer_free(&text);
}

static enum exit_status dry_run_live(struct session *session)
{
    struct error error = {0};
    if (!session_open_site(session, &error) || !check_disaster(session, &error) ||
        !aws_identify(session->site.aws, session->invocation->arena, &session->identity, &error) ||
        !session_prepare(session, &error)) {
        return tell_error(&error);
    }
    print_dry_run(session);
    print_findings(session);
    if (session->findings.fatal) {
        return EXIT_ERROR;
    }
    return session->findings.warnings || session->findings.unknown ? EXIT_LOOK : EXIT_DONE;
}

static enum exit_status dry_run(struct session *session, enum workflow workflow)
{
    struct error error = {0};
    const char *kind = session->invocation->values[FLAG_DRY_RUN];
    if (!kind || strcmp(kind, "offline") == 0) {
        return dry_run_offline(session, workflow);
    }
    if (strcmp(kind, "live") == 0) {
        return dry_run_live(session);
    }
    error_set(&error, "there is no dry run \"%s\"", kind);
    error_help(&error, "--dry-run, --dry-run=offline and --dry-run=live are known");
    return tell_error(&error);
}

static bool refuse_beside(struct session *session, const struct run_info *run, struct error *error)
{
    struct lease_holder holder = {.host = ""};
    lease_holder(session->invocation->arena, session->state, run->plan,
                 session_lease_name(session), &holder);
    error_set(error, "run %s of %s %s is under way (process %lld%s%s)", run->id, run->plan,
              run->workflow, (long long)holder.pid, *holder.host ? " on " : "", holder.host);
    if (holder.expires_utc_ms > 0) {
        char until[32];
        return error_help(
            error,
            "drc run show %s says what it does; when that process is gone or hangs: drc "
            "run resume %s, after %s or with --take-over",
            run->id, run->id, format_time(until, holder.expires_utc_ms));
    }
    return error_help(error, "drc run show %s says what it does", run->id);
}

/* Only one run of a plan and workflow at a time, and none beside one that left things behind; of tests one
 * in each network. */
static bool refuse_unfinished(struct session *session, struct error *error)
{
    const char *lease = session_lease_name(session);
    struct run_info *runs = NULL;
    size_t count = 0;
    const char *plan = session->plan->name;
    const char *workflow = workflow_name(session->options.workflow);
    if (!run_list(session->invocation->arena, session->state, plan, &runs, &count, error)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct run_info *run = &runs[i];
        if (run->problem) {
            error_set(error, "what run %s of %s did is not known: %s", run->id, plan, run->problem);
            if (access(run->directory, W_OK) != 0) { /* nothing is lost: it only cannot be opened */
                return error_help(error, "make %s and what is in it writable for this user",
                                  run->directory);
            }
            return error_help(error,
                              "put back a good copy of its journal, or delete what carries the tag "
                              "drc:run=%s and move %s away",
                              run->id, run->directory);
        }
        bool same = strcmp(run->workflow, workflow) == 0 && run->lease && strcmp(run->lease, lease) == 0;
        if (!same || run_status_is_final(run->status)) {
            continue;
        }
        if (run->alive) {
            return refuse_beside(session, run, error);
        }
        if (run->vm_count == 0) {
            continue; /* failed before anything was changed: a new run takes its place */
        }
        error_set(error, "run %s of %s %s is unfinished (%s)", run->id, plan, workflow,
                  lookup_status_word(run));
        return error_help(
            error, "drc run resume %s goes on with it; drc run cleanup %s deletes what it made",
            run->id, run->id);
    }
    return !session_is_test(session) || session_check_test_network(session, error);
}

/* What a resume needs, also one before the run's own graph was made: the reviewed one has to be
 * held against it again. */
static bool create_run(struct session *session, struct error *error)
{
    struct buffer options = {0};
    struct buffer reviewed = {0};
    session->options.approved |= session->reviewed != NULL;
    run_options_write(&session->options, &options);
    if (session->reviewed) {
        graph_write_json(session->reviewed, &reviewed);
    }
    const struct source *source = session->plan->source;
    const struct run_blob own[] = {
        {"options", options.data, options.length},
        {"plan", source->text, source->length},
        {"reviewed", reviewed.data, reviewed.length},
    };
    size_t own_count = session->reviewed ? 3 : 2, count = 0;
    struct run_blob *blobs = NULL;
    if (run_scripts_blobs(session->invocation->arena, session->plan, own, own_count, &blobs, &count,
                          error)) {
        session->journal =
            run_create_with(session->invocation->arena, session->state, session->site.world,
                            session->plan->name, session->options.workflow,
                            session_lease_name(session), blobs, count, &session->run, error);
    }
    buffer_free(&options);
    buffer_free(&reviewed);
    return session->journal && session_publish(session, session->journal, error);
}

static bool open_run(struct session *session, struct error *error)
{
    if (!create_run(session, error)) {
        return false;
    }
    if (!session_take_lease(session, error)) {
        session_give_up(session, RUN_CANCELLED);
    }
    return session->lease != NULL;
}

static void print_summary(const struct session *session)
{
    struct summary summary = {
        .plan = session->plan,
        .graph = session->graph,
        .schedule = session->schedule,
        .facts = session->facts,
        .findings = &session->findings,
        .account = session->identity.account,
        .now_utc_ms = session->options.disaster_utc_ms > 0 ? session->options.disaster_utc_ms
                                                           : world_utc_ms(session->site.world),
        .width = output_width(stderr),
        .colour = wants_colour(stderr),
    };
    struct buffer text = {0};
    summary_write(&summary, &text);
    fputs(buffer_text(&text), stderr);
    buffer_free(&text);
}

/* Shows what will happen; true when it may. */
static bool approved(struct session *session, enum exit_status *status)
{
    print_summary(session);
    if (session->findings.fatal) {
        struct error error = {0};
        error_set(&error, "preflight found %zu error%s; nothing was changed",
                  session->findings.fatal, session->findings.fatal == 1 ? "" : "s");
        *status = tell_error(&error);
        session_give_up(session, RUN_CANCELLED);
        return false;
    }
    if (session->options.approved || session->invocation->given[FLAG_YES]) {
        return true;
    }
    if (isatty(STDIN_FILENO) && ask_yes()) {
        return true;
    }
    fputs("not approved: nothing was changed\n", stderr);
    session_give_up(session, RUN_CANCELLED);
    *status = EXIT_ERROR;
    return false;
}

/* The site did not answer as it has to, before the first change. */
static enum exit_status failed_unchanged(struct session *session, struct error *error)
{
    session_give_up(session, RUN_FAILED);
    tell_error(error);
    if (session->journal) {
        fprintf(stderr, "nothing was changed; apply again, or drc run resume %s\n",
                session->run.id);
    }
    return EXIT_ERROR;
}

/* Who is asked, and whether there is anything to do. False: *status says how the command ends. */
static bool go_ahead(struct session *session, enum exit_status *status)
{
    struct error error = {0};
    struct arena *arena = session->invocation->arena;
    if (!session_open_providers(session, &error) ||
        !aws_identify(session->site.aws, arena, &session->identity, &error)) {
        *status = failed_unchanged(session, &error);
        return false;
    }
    if (session_is_test(session)) {
        return true; /* wherever production is */
    }
    switch (session_check_production(session, &error)) {
    case PRODUCTION_GO:
        return true;
    case PRODUCTION_NOTHING_TO_DO:
        *status = EXIT_DONE;
        break;
    case PRODUCTION_REFUSED:
        *status = tell_error(&error);
        break;
    }
    session_give_up(session, RUN_CANCELLED);
    return false;
}

enum exit_status apply_prepared(struct session *session)
{
    struct error error = {0};
    enum exit_status status = EXIT_DONE;
    if (!session->site.aws && !go_ahead(session, &status)) {
        return status;
    }
    if (!session_prepare(session, &error)) {
        return failed_unchanged(session, &error);
    }
    if (!approved(session, &status)) {
        return status;
    }
    if (!session_store_graph(session, &error)) {
        return tell_error(&error);
    }
    return session_replicate_end(session, session_execute(session));
}

/* The run's record is made before the first request, so that a failure after it can be resumed;
 * but where there may be nothing to do (the VMs are over by the state; replicate), that is looked
 * at without a record. */
static enum exit_status apply(struct session *session)
{
    struct error error = {0};
    enum exit_status status = EXIT_DONE;
    bool over = !session_is_test(session) && session_is_over(session, &error);
    if (error.message) {
        return tell_error(&error);
    }
    if ((over || session_is_replicate(session)) && !go_ahead(session, &status)) {
        return status;
    }
    if (session_is_replicate(session) && !session_replicate_has_work(session, &status)) {
        return status;
    }
    if (open_run(session, &error)) {
        return apply_prepared(session);
    }
    return scheduled_is_done(session, &error) ? EXIT_DONE : tell_error(&error);
}

static bool find_state(struct session *session, struct error *error)
{
    const struct plan *plan = session->plan;
    session->state = run_state_directory(session->invocation->arena, session->site.world,
                                         load_state_option(session->invocation), plan->state.value,
                                         plan->directory, error);
    return session->state && files_check_private(session->state, true, error);
}

/* Without facts: tells only what makes it impossible. */
static bool can_compile(const struct plan *plan, enum workflow workflow)
{
    struct arena *arena = arena_create(); /* the graph that counts is made with the facts */
    struct diagnostics *diagnostics = diagnostics_create(arena);
    bool can = compile_graph(arena, plan, workflow, NULL, diagnostics) != NULL;
    if (!can) {
        tell_diagnostics(diagnostics);
    }
    arena_destroy(arena);
    return can;
}

enum exit_status command_plan_apply(const struct invocation *invocation)
{
    struct session session = {.invocation = invocation};
    struct error error = {0};
    enum workflow workflow = WORKFLOW_FAILOVER;
    if (!refuse_unbuilt(invocation, &error) || !load_subject(&session, &workflow, &error)) {
        return error.message ? tell_error(&error) : EXIT_ERROR;
    }
    size_t all = session.plan->vm_count;
    if (!select_vms(&session, &error) ||
        !options_from(invocation, session.plan, workflow, &session.options, &error) ||
        !events_file_check(invocation->values[FLAG_EVENTS], &error)) {
        return tell_error(&error);
    }
    if (session.plan->vm_count == 0) {
        printf("%s: nothing to do\n", session.plan->name);
        return EXIT_DONE;
    }
    session_take_reviewed_cleanup(&session);
    if (session.plan->vm_count < all || session.reviewed) {
        session.options.only = plan_vm_names(invocation->arena, session.plan);
    }
    enum exit_status status;
    if (invocation->given[FLAG_DRY_RUN]) {
        status = dry_run(&session, workflow);
    } else if (!can_compile(session.plan, workflow)) {
        status = EXIT_ERROR; /* what cannot be compiled at all is refused before any record */
    } else if (!session.options.approved && !session.reviewed && !isatty(STDIN_FILENO)) {
        error_set(&error, "nobody can be asked: standard input is no terminal");
        error_help(&error, "give --yes, or a compiled graph (drc plan compile) that was reviewed");
        status = tell_error(&error);
    } else {
        bool ok = session_open_world(&session, &error) && check_disaster(&session, &error) &&
                  find_state(&session, &error) && session_open_shared(&session, &error) &&
                  (invocation->given[FLAG_SCHEDULED] || refuse_unfinished(&session, &error));
        if (!ok) {
            status = tell_error(&error);
        } else if (!invocation->given[FLAG_SCHEDULED] || scheduled_go(&session, &status)) {
            status = apply(&session);
        }
    }
    session_close(&session);
    return status;
}

enum exit_status command_plan_facts(const struct invocation *invocation)
{
    struct session session = {.invocation = invocation};
    struct error error = {0};
    enum workflow workflow = WORKFLOW_FAILOVER;
    if (!load_subject(&session, &workflow, &error)) {
        return error.message ? tell_error(&error) : EXIT_ERROR;
    }
    bool ok = load_selection(invocation, NULL, &session.plan, &error) &&
              options_from(invocation, session.plan, workflow, &session.options, &error) &&
              session_open_site(&session, &error) &&
              aws_identify(session.site.aws, invocation->arena, &session.identity, &error) &&
              session_gather_facts(&session, &error);
    if (ok) {
        struct buffer text = {0};
        facts_write(session.facts, &text);
        ok = write_result(invocation, &text, &error);
        buffer_free(&text);
    }
    session_close(&session);
    return ok ? EXIT_DONE : tell_error(&error);
}
