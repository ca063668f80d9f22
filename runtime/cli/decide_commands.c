/* drc run skip, retry, approve, cancel: what people decide about a run that is there already. A run
 * under way is told through its inbox; of another one it is journalled here. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "runtime/cli/ask_run.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/report/report.h"
#include "runtime/state/journal.h"
#include "runtime/world/world.h"

/* --- telling --- */

/* What became of one decision, as JSON or in words. */
static void tell(const struct session *session, const struct decision *decision, const char *state,
                 const char *words)
{
    if (!session->invocation->given[FLAG_JSON]) {
        printf("%s\n", words);
        return;
    }
    struct buffer out = {0};
    struct json_writer json = json_writer(&out, 0);
    json_begin_object(&json);
    json_key_string(&json, "run", session->run.id);
    json_key_string(&json, "verb", decision->verb);
    json_key_string(&json, "target", decision->target);
    json_key_string(&json, "state", state);
    json_key_string(&json, "refused", decision->refused);
    json_end_object(&json);
    puts(buffer_text(&out));
    buffer_free(&out);
}

static enum exit_status refused_by_run(struct session *session, const struct decision *decision)
{
    struct error error = {0};
    if (session->invocation->given[FLAG_JSON]) {
        tell(session, decision, "refused", "");
    }
    error_set(&error, "run %s, which is under way, refuses to %s%s%s: %s", session->run.id,
              decision->verb, decision->target ? " " : "",
              decision->target ? decision->target : "", decision->refused);
    return tell_error(&error);
}

/* The answer of a run under way, where there is one. */
static enum exit_status tell_answer(struct session *session, enum ask_answer answer,
                                    const struct decision *decision, const char *done,
                                    struct error *error)
{
    switch (answer) {
    case ASK_DONE:
        tell(session, decision, "done", done);
        return EXIT_DONE;
    case ASK_REFUSED:
        return refused_by_run(session, decision);
    case ASK_UNANSWERED:
        tell(session, decision, "asked",
             arena_printf(session->invocation->arena,
                          "run %s is told and has not answered yet; drc run show %s says what "
                          "becomes of it",
                          session->run.id, session->run.id));
        return EXIT_DONE;
    case ASK_NOBODY:
    case ASK_FAILED:
        break;
    }
    return tell_error(error);
}

/* --- states --- */

static const struct node_status *status_of(const void *context, uint32_t node)
{
    const struct report *report = context;
    return &report->nodes[node];
}

static bool refuse_ended(const struct session *session, const char *verb, struct error *error)
{
    error_set(error, "run %s has ended (%s): there is nothing to %s", session->run.id,
              run_status_name(session->run.status), verb);
    return error_help(error, "drc run list shows the runs");
}

/* What failed, as a help for those who named nothing. */
static bool name_something(const struct session *session, const struct report *report,
                           const char *verb, struct error *error)
{
    error_set(error, "run %s: %s what?", session->run.id, verb);
    if (report->cause_count) {
        const char *cause = report->graph->nodes[report->causes[0]].id;
        return error_help(error, "drc run %s %s %s, for what failed first", verb, session->run.id,
                          cause);
    }
    return error_help(error, "drc run show %s lists its actions", session->run.id);
}

static bool open_lookup(struct session *session, const char *const **names, size_t *count,
                        struct report **report, struct error *error)
{
    return lookup_run_and_names(session, names, count, report, error) &&
           session_open_world(session, error);
}

/* --- skip --- */

struct skipping {
    struct session *session;
    struct report *report;
    uint32_t *nodes; /* dependants first: what they would have needed can then go too */
    size_t count;
};

static int latest_first(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a > b ? -1 : a < b;
}

static bool find_nodes(struct skipping *skipping, const char *const *names, size_t count,
                       struct error *error)
{
    const struct graph *graph = skipping->report->graph;
    skipping->nodes = ARENA_ARRAY(skipping->session->invocation->arena, uint32_t, count + 1);
    for (size_t i = 0; i < count; i++) {
        const struct graph_node *node = decision_find_node(graph, names[i], error);
        if (!node) {
            return false;
        }
        skipping->nodes[skipping->count++] = node->index;
    }
    qsort(skipping->nodes, skipping->count, sizeof *skipping->nodes, latest_first);
    return true;
}

static enum exit_status skip_alive(struct skipping *skipping, bool *nobody)
{
    struct session *session = skipping->session;
    enum exit_status status = EXIT_DONE;
    for (size_t i = 0; i < skipping->count && status == EXIT_DONE; i++) {
        struct error error = {0};
        const char *id = skipping->report->graph->nodes[skipping->nodes[i]].id;
        struct decision decision = ask_decision(session, "skip", id);
        enum ask_answer answer = ask_run(session, INBOX_SKIP, &decision, &error);
        if (answer == ASK_NOBODY) {
            *nobody = true;
            return EXIT_DONE;
        }
        status = tell_answer(session, answer, &decision,
                             arena_printf(session->invocation->arena,
                                          "run %s is under way and goes on without %s",
                                          session->run.id, id),
                             &error);
    }
    return status;
}

/* All or none of them. */
static bool skip_dead(struct skipping *skipping, struct error *error)
{
    struct session *session = skipping->session;
    for (size_t i = 0; i < skipping->count; i++) {
        uint32_t node = skipping->nodes[i];
        struct report *report = skipping->report;
        if (!decision_may_skip(report->graph, status_of, report, node, error)) {
            return false;
        }
        struct decision decision = ask_decision(session, "skip", report->graph->nodes[node].id);
        report->nodes[node].state = NODE_DONE;
        report->nodes[node].waived = decision_copy(session->invocation->arena, &decision);
        decision_record(session->journal, &decision, (int32_t)node, -1);
    }
    return journal_commit(session->journal, error);
}

static enum exit_status tell_skipped(const struct skipping *skipping)
{
    const struct session *session = skipping->session;
    bool json = session->invocation->given[FLAG_JSON];
    for (size_t i = 0; i < skipping->count; i++) {
        const char *id = skipping->report->graph->nodes[skipping->nodes[i]].id;
        struct decision decision = {.verb = "skip", .target = id};
        tell(session, &decision, "done",
             arena_printf(session->invocation->arena, "%s counts as done", id));
    }
    if (!json) {
        printf("drc run resume %s goes on with run %s\n", session->run.id, session->run.id);
    }
    return EXIT_DONE;
}

static enum exit_status skip(struct session *session)
{
    struct error error = {0};
    struct skipping skipping = {.session = session};
    const char *const *names = NULL;
    size_t count = 0;
    if (!open_lookup(session, &names, &count, &skipping.report, &error) ||
        (count == 0 && !name_something(session, skipping.report, "skip", &error)) ||
        error.message || !find_nodes(&skipping, names, count, &error) ||
        (run_status_is_final(session->run.status) && !refuse_ended(session, "skip", &error))) {
        return tell_error(&error);
    }
    bool nobody = false;
    enum exit_status status = skip_alive(&skipping, &nobody);
    if (!nobody) {
        return status;
    }
    if (!lookup_take_open(session, &error) || !skip_dead(&skipping, &error)) {
        return tell_error(&error);
    }
    return tell_skipped(&skipping);
}

enum exit_status command_run_skip(const struct invocation *invocation)
{
    struct session session = {.invocation = invocation};
    enum exit_status status = skip(&session);
    session_close(&session);
    return status;
}

/* --- retry --- */

static bool may_retry(struct session *session, const struct report *report,
                      const char *const *names, size_t count, struct error *error)
{
    bool failed = report->cause_count > 0;
    if (count == 0) {
        return name_something(session, report, "retry", error);
    }
    if (session->run.alive) {
        error_set(error, "run %s is under way: what has failed in it cannot be tried again yet",
                  session->run.id);
        return error_help(error, "wait until it has ended, or go on without: drc run skip %s",
                          session->run.id);
    }
    if (run_status_is_final(session->run.status) &&
        !(session->run.status == RUN_SUCCEEDED && failed)) {
        return refuse_ended(session, "retry", error);
    }
    for (size_t i = 0; i < count; i++) {
        struct decision_target target;
        if (!decision_may_retry(report->graph, status_of, report, names[i], &target, error)) {
            return false;
        }
    }
    return true;
}

static enum exit_status retry(struct session *session)
{
    struct error error = {0};
    struct report *report = NULL;
    const char *const *names = NULL;
    size_t count = 0;
    if (!open_lookup(session, &names, &count, &report, &error) ||
        !may_retry(session, report, names, count, &error) ||
        !lookup_take_open(session, &error) || !session_load_graph(session, &error) ||
        !site_open_providers(&session->site, &session->options, &error) ||
        !aws_identify(session->site.aws, session->invocation->arena, &session->identity, &error)) {
        return tell_error(&error);
    }
    lookup_tell_changed_plan(session);
    for (size_t i = 0; i < count; i++) {
        struct decision decision = ask_decision(session, "retry", names[i]);
        decision_record(session->journal, &decision, NO_NODE, -1);
    }
    return session_execute_named(session, names, count);
}

enum exit_status command_run_retry(const struct invocation *invocation)
{
    struct session session = {.invocation = invocation};
    enum exit_status status = retry(&session);
    session_close(&session);
    return status;
}

/* --- approve --- */

/* Those of a run that nobody carries out just now, as its journal has them. */
static const struct graph_node *find_waiting(const struct report *report, const char *name,
                                             struct error *error)
{
    const struct graph_node *found = NULL;
    size_t count = 0;
    if (name) {
        found = decision_find_node(report->graph, name, error);
    }
    for (uint32_t i = 0; !name && i < report->graph->node_count; i++) {
        const struct graph_node *node = &report->graph->nodes[i];
        if (node->action == ACTION_APPROVE && report->nodes[i].state == NODE_RUNNING) {
            found = node;
            count++;
        }
    }
    if (count > 1) {
        error_set(error, "%zu steps wait for approval: name one of them (%s)", count, found->id);
        return NULL;
    }
    if (found && (found->action != ACTION_APPROVE ||
                  report->nodes[found->index].state != NODE_RUNNING)) {
        error_set(error, "%s does not wait for approval: it is %s", found->id,
                  node_state_name(report->nodes[found->index].state));
        return NULL;
    }
    if (!found && !error->message) {
        error_set(error, "nothing waits for approval");
    }
    return found;
}

static enum exit_status approve_dead(struct session *session, const struct report *report,
                                     const char *name, struct error *error)
{
    if (run_status_is_final(session->run.status) && !refuse_ended(session, "approve", error)) {
        return tell_error(error);
    }
    const struct graph_node *node = find_waiting(report, name, error);
    if (!node) {
        error_prefix(error, "run %s", session->run.id);
        return tell_error(error);
    }
    struct decision decision = ask_decision(session, "approve", node->id);
    if (!lookup_take_open(session, error)) {
        return tell_error(error);
    }
    decision_record(session->journal, &decision, (int32_t)node->index, -1);
    if (!journal_commit(session->journal, error)) {
        return tell_error(error);
    }
    tell(session, &decision, "done",
         arena_printf(session->invocation->arena,
                      "%s is approved; drc run resume %s goes on with the run", node->id,
                      session->run.id));
    return EXIT_DONE;
}

static enum exit_status approve(struct session *session)
{
    struct error error = {0};
    struct report *report = NULL;
    const char *const *names = NULL;
    size_t count = 0;
    if (!open_lookup(session, &names, &count, &report, &error)) {
        return tell_error(&error);
    }
    if (count > 0 && !decision_find_node(report->graph, names[0], &error)) {
        return tell_error(&error);
    }
    struct decision decision = ask_decision(session, "approve", count ? names[0] : NULL);
    enum ask_answer answer = ask_run(session, INBOX_APPROVE, &decision, &error);
    if (answer == ASK_NOBODY) {
        return approve_dead(session, report, count ? names[0] : NULL, &error);
    }
    return tell_answer(session, answer, &decision,
                       arena_printf(session->invocation->arena, "run %s goes on", session->run.id),
                       &error);
}

enum exit_status command_run_approve(const struct invocation *invocation)
{
    struct session session = {.invocation = invocation};
    enum exit_status status = approve(&session);
    session_close(&session);
    return status;
}

/* --- cancel --- */

static bool approved(const struct session *session, struct error *error)
{
    if (session->invocation->given[FLAG_YES]) {
        return true;
    }
    fprintf(stderr, "run %s of %s %s (%s) ends for good and cannot be resumed; what it made stays\n",
            session->run.id, session->run.plan, session->run.workflow,
            lookup_status_word(&session->run));
    if (isatty(STDIN_FILENO) && ask_yes()) {
        return true;
    }
    error_set(error, "not approved: run %s was not cancelled", session->run.id);
    return error_help(error, "answer yes on a terminal, or give --yes");
}

static bool cancel_dead(struct session *session, const struct decision *decision,
                        struct error *error)
{
    if (!lookup_take_open(session, error)) {
        return false;
    }
    bool has_graph = session_load_graph(session, error);
    if (!has_graph && error->message) {
        return false;
    }
    decision_record(session->journal, decision, NO_NODE, -1);
    return (!has_graph || session_note_cancelled(session, error)) &&
           run_set_status(session->journal, session->site.world, RUN_CANCELLED, error);
}

static enum exit_status cancel(struct session *session)
{
    struct error error = {0};
    if (!lookup_run(session, LOOKUP_NEWEST_UNFINISHED, &error) ||
        (run_status_is_final(session->run.status) && !refuse_ended(session, "cancel", &error)) ||
        !approved(session, &error) ||
        !session_open_world(session, &error)) {
        return tell_error(&error);
    }
    struct decision decision = ask_decision(session, "cancel", NULL);
    enum ask_answer answer = ask_run(session, INBOX_CANCEL, &decision, &error);
    const char *id = session->run.id;
    if (answer != ASK_NOBODY) {
        const char *words = arena_printf(
            session->invocation->arena,
            "run %s starts nothing new, waits for what is under way and ends as cancelled", id);
        return tell_answer(session, answer, &decision, words, &error);
    }
    if (!cancel_dead(session, &decision, &error)) {
        return tell_error(&error);
    }
    tell(session, &decision, "done",
         arena_printf(session->invocation->arena,
                      "run %s is cancelled; what it made is still there: drc run rollback %s "
                      "deletes it",
                      id, id));
    return EXIT_DONE;
}

enum exit_status command_run_cancel(const struct invocation *invocation)
{
    struct session session = {.invocation = invocation};
    enum exit_status status = cancel(&session);
    session_close(&session);
    return status;
}
