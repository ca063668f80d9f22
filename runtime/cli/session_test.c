/* What a test does otherwise than a failover: its lease is its network's, production stays where it is, and
 * once its cleanup is approved it has a verdict, which is recorded, and all of it is taken back. */
#include "runtime/cli/session.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/lower/lower.h"
#include "compiler/plan/test_due.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/cli/take_back.h"
#include "runtime/report/report.h"
#include "runtime/state/journal.h"
#include "runtime/state/lease.h"
#include "runtime/state/shared.h"
#include "runtime/state/tests.h"
#include "runtime/world/world.h"

enum { RECORD_TRIES = 50, RECORD_WAIT_MS = 100 };

bool session_is_test(const struct session *session)
{
    return session->options.workflow == WORKFLOW_TEST;
}

const char *session_lease_name(const struct session *session)
{
    if (session->run.lease) {
        return session->run.lease;
    }
    if (session_is_test(session) && session->plan) {
        return lease_of_test(session->invocation->arena,
                             session->plan->networks[NETWORK_TEST].vpc.value);
    }
    return lease_of(session->options.workflow);
}

void session_take_reviewed_cleanup(struct session *session)
{
    const struct graph *graph = session->reviewed;
    const struct value *after = graph && graph->node_count && graph->workflow == WORKFLOW_TEST
                                    ? graph_input(&graph->nodes[graph->node_count - 1], "approved_after_ms")
                                    : NULL;
    if (after && after->kind == VALUE_INT) {
        session->options.auto_cleanup_ms = after->integer;
    }
}

bool session_set_auto_cleanup(struct session *session, struct error *error)
{
    int64_t after_ms = session->options.auto_cleanup_ms;
    if (after_ms > 0 && !lower_auto_cleanup(session->graph, after_ms)) {
        return error_set(error, "the graph has no cleanup that could come by itself");
    }
    return true;
}

/* --- other tests in the same network --- */

bool session_check_test_network(struct session *session, struct error *error)
{
    struct arena *arena = session->invocation->arena;
    const char *lease = session_lease_name(session);
    struct run_info *runs = NULL;
    size_t count = 0;
    if (!run_list(arena, session->state, NULL, &runs, &count, error)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct run_info *run = &runs[i];
        bool same = run->lease && strcmp(run->lease, lease) == 0 && !run->problem;
        if (!same || run_status_is_final(run->status) || (!run->alive && run->vm_count == 0)) {
            continue;
        }
        error_set(error, "another test is in %s: run %s of %s (%s)",
                  session->plan->networks[NETWORK_TEST].vpc.value, run->id, run->plan,
                  run->alive ? "under way" : run_status_name(run->status));
        return error_help(error, "wait until it is cleaned up (drc run approve %s), or clean it up: drc run "
                                 "cleanup %s",
                          run->id, run->id);
    }
    return true;
}

/* --- what earlier ones came to --- */

void session_note_last_test(struct session *session)
{
    struct arena *arena = session->invocation->arena;
    struct error error = {0};
    char at[32];
    const char *state = session->state ? session->state
                                       : lookup_state_of_plan(session->invocation, session->plan, &error);
    const struct tests *tests =
        state ? tests_read(arena, state, session->plan->name, &error) : NULL;
    const struct test_record *last = tests ? tests_last(tests) : NULL;
    if (!tests) {
        tell_warning(arena_printf(arena, "when the plan was tested last is not known: %s",
                                  error.message));
        error_clear(&error);
    } else if (last) {
        session->facts->last_test.at = arena_strdup(arena, format_time(at, last->at_utc_ms));
        session->facts->last_test.digest = last->digest;
        session->facts->last_test.passed = last->passed;
    }
}

void session_judge_last_test(struct session *session)
{
    const struct facts *facts = session->facts;
    int64_t every_ms = session->plan->objectives.test_every.given
                           ? session->plan->objectives.test_every.ms
                           : 0;
    int64_t now = world_utc_ms(session->site.world);
    struct last_test last = {.at_utc_ms = facts->last_test.at ? parse_time(facts->last_test.at) : -1,
                             .digest = facts->last_test.digest,
                             .passed = facts->last_test.passed};
    enum test_due due = test_due(&last, every_ms, session->plan->digest, now);
    if (every_ms == 0) {
        return;
    }
    struct buffer text = {0};
    test_due_put(due, &last, every_ms, now, &text);
    findings_add(&session->findings, session->invocation->arena,
                 due == TEST_IN_TIME ? FINDING_PASSED : FINDING_WARNING, "test of the plan",
                 due == TEST_IN_TIME ? NULL : "test it before it is needed: drc plan apply PLAN test",
                 "%s", buffer_text(&text));
    buffer_free(&text);
}

/* --- its verdict --- */

static struct report *report_of(struct session *session, struct error *error)
{
    struct report_known known = {session->graph, session->facts, session->schedule};
    return report_load(session->invocation->arena, session->journal, &known, error);
}

static struct test_record record_of(const struct session *session, const struct report *report,
                                    bool cleaned)
{
    const char *lease = session->run.lease ? session->run.lease : "";
    return (struct test_record){
        .run = session->run.id,
        .digest = session->graph->plan_digest,
        .network = strncmp(lease, "test-", 5) == 0 ? lease + 5 : NULL,
        .at_utc_ms = report->started_utc_ms + report->verdict_ms,
        .duration_ms = report->verdict_ms,
        .rto_ms = report->rto_ms,
        .vms = (int64_t)report->graph->vm_count,
        .recovered = (int64_t)report->recovered,
        .passed = report->verdict == VERDICT_PASSED,
        .whole = session->options.only == NULL,
        .cleaned = cleaned,
    };
}

/* One attempt; tests of a plan in several networks may end in the same moment. */
static bool put_record(struct session *session, const struct test_record *record, bool *again,
                       struct error *error)
{
    struct arena *arena = session->invocation->arena;
    const char *plan = session->run.plan;
    struct lease *lock = lease_take(session->state, plan, "tests", record->run, session->site.world, error);
    struct tests *tests = lock ? tests_read(arena, session->state, plan, error) : NULL;
    bool ok = false;
    *again = !lock;
    if (tests) {
        tests_put(arena, tests, record);
        ok = tests_write(tests, session->state, plan, error) &&
             (!session->shared || shared_put_tests(session->shared, plan, again, error));
    }
    lease_release(lock);
    return ok;
}

static bool store_record(struct session *session, const struct test_record *record,
                         struct error *error)
{
    bool again = false;
    for (int i = 0; i < RECORD_TRIES; i++) {
        if (put_record(session, record, &again, error)) {
            return true;
        }
        if (!again || i + 1 == RECORD_TRIES) {
            break;
        }
        error_clear(error);
        world_pause(session->site.real ? session->site.real : session->site.world, RECORD_WAIT_MS);
        if (session->shared && !shared_refresh(session->shared, error)) {
            break;
        }
    }
    return false;
}

/* Of one that was broken off before, nothing is recorded: it says nothing of the plan. */
static bool note_verdict(struct session *session, bool cleaned, struct error *error)
{
    struct report *report = report_of(session, error);
    if (!report || report->verdict == VERDICT_NONE) {
        return report != NULL;
    }
    struct test_record record = record_of(session, report, cleaned);
    return store_record(session, &record, error);
}

bool session_note_test_cleaned(struct session *session, struct error *error)
{
    return !session->journal || !session->graph || note_verdict(session, true, error);
}

/* --- its end --- */

/* From here on a resume goes on with the cleanup. */
static bool begin_cleanup(struct session *session, struct error *error)
{
    if (!session->journal || !session->graph) {
        return true;
    }
    struct report *report = report_of(session, error);
    if (report && report->verdict != VERDICT_NONE) {
        journal_summarize(session->journal, "verdict", verdict_name(report->verdict));
    }
    return report && run_set_status(session->journal, session->site.world, RUN_CLEANING, error) &&
           note_verdict(session, false, error);
}

bool session_test_is_over(struct session *session, struct error *error)
{
    struct report *report = session_is_test(session) ? report_of(session, error) : NULL;
    return report &&
           (report->status == RUN_CLEANING || verdict_cleanup_approved(report->history));
}

enum exit_status session_take_back_test(struct session *session, bool agreed)
{
    const struct take_back way = {
        .doing = "cleanup",
        .done = "cleaned up",
        .ends = RUN_CLEANED,
        .undo = session->journal != NULL,
        .agreed = agreed,
        .verify = true,
        .begin = begin_cleanup,
    };
    return take_back(session, &way);
}
