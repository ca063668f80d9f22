/* Rehearsals in processes: what comes back is whole, the same for any number of processes, and none
 * is left.
 * Covers: runtime/simulation/sample.c runtime/simulation/sample_bytes.c
 * runtime/simulation/scratch.c */
#include "runtime/simulation/workers.h"

#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/simulation/rehearsal.h"

enum { RUNS = 6 };

struct stage {
    struct arena *arena;
    struct scenario *scenario;
    struct workers_options options;
    struct sample *samples[RUNS];
    bool interrupted;
    size_t told; /* by progress */
};

static void note(void *context, size_t done, size_t failed)
{
    struct stage *stage = context;
    assert_true(done >= stage->told && failed <= done);
    stage->told = done;
}

static struct stage *set_stage(const char *profile, int64_t outage_ms)
{
    struct arena *arena = arena_create();
    struct stage *stage = ARENA_NEW(arena, struct stage);
    struct error error = {0};
    struct scenario_options asked = {
        .plan = client_plan_bound(arena),
        .workflow = WORKFLOW_FAILOVER,
        .profile = fault_profile_by_name(profile),
        .outage_ms = outage_ms,
    };
    stage->arena = arena;
    stage->scenario = scenario_make(arena, &asked);
    const char *scratch = scratch_make(arena, &error);
    assert_non_null(scratch);
    struct rehearsal *reference = scenario_rehearse(stage->scenario, 1, scratch, &error);
    assert_non_null(reference);
    stage->options = (struct workers_options){
        .scenario = stage->scenario,
        .first_seed = 1,
        .runs = RUNS,
        .jobs = 1,
        .scratch = scratch,
        .node_count = rehearsal_graph(reference)->node_count,
        .vm_count = rehearsal_graph(reference)->vm_count,
        .progress = note,
        .progress_context = stage,
    };
    rehearsal_destroy(reference);
    return stage;
}

static bool run(struct stage *stage, struct error *error)
{
    memset(stage->samples, 0, sizeof stage->samples);
    stage->told = 0;
    bool ok =
        workers_run(stage->arena, &stage->options, stage->samples, &stage->interrupted, error);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
    assert_int_equal(errno, ECHILD);
    return ok;
}

static void strike(struct stage *stage)
{
    scratch_destroy(stage->options.scratch);
    assert_int_equal(access(stage->options.scratch, F_OK), -1);
    arena_destroy(stage->arena);
}

static void write_all(const struct stage *stage, struct buffer *out)
{
    for (int i = 0; i < RUNS; i++) {
        assert_non_null(stage->samples[i]);
        sample_write(stage->samples[i], out);
    }
}

static void test_any_number_of_processes(void **state)
{
    (void)state;
    struct error error = {0};
    struct stage *stage = set_stage("usual", -1);
    struct buffer one = {0}, three = {0};
    assert_true(run(stage, &error));
    write_all(stage, &one);
    stage->options.jobs = 3;
    assert_true(run(stage, &error));
    write_all(stage, &three);
    assert_int_equal(one.length, three.length);
    assert_memory_equal(one.data, three.data, one.length);
    bool differ = false;
    for (int i = 0; i < RUNS; i++) {
        const struct sample *sample = stage->samples[i];
        assert_int_equal(sample->seed, 1 + i);
        assert_true(sample->succeeded && sample->rto_ms > 60000);
        int64_t sum = 0;
        for (size_t p = 0; p < sample->piece_count; p++) {
            sum += sample->pieces[p].ms;
        }
        assert_int_equal(sum, sample->rto_ms); /* the path has no gap */
        differ |= sample->rto_ms != stage->samples[0]->rto_ms;
    }
    assert_true(differ);
    assert_int_equal(stage->told, RUNS);
    buffer_free(&one);
    buffer_free(&three);
    strike(stage);
}

static void test_killed_runners(void **state)
{
    (void)state;
    enum { OUTAGE_MS = 1800000 };
    struct error error = {0};
    struct stage *stage = set_stage("none", OUTAGE_MS);
    assert_true(run(stage, &error));
    for (int i = 0; i < RUNS; i++) {
        const struct sample *sample = stage->samples[i];
        int64_t away_ms = 0;
        for (size_t p = 0; p < sample->piece_count; p++) {
            away_ms += sample->pieces[p].kind == PIECE_AWAY ? sample->pieces[p].ms : 0;
        }
        assert_true(sample->succeeded);
        assert_in_range(sample->sessions, 1, 2); /* it may be through before it is killed */
        bool killed = sample->sessions == 2;
        assert_int_equal(sample->rto_ms > OUTAGE_MS, killed);
        assert_int_equal(away_ms > OUTAGE_MS / 2, killed);
    }
    strike(stage);
}

static void test_another_graph_is_an_error(void **state)
{
    (void)state;
    struct error error = {0};
    struct stage *stage = set_stage("none", -1);
    stage->options.node_count++;
    assert_false(run(stage, &error));
    assert_string_equal(error.message,
                        "simulating with seed 1: the graph is another one than that of the other "
                        "runs");
    error_clear(&error);
    strike(stage);
}

static void test_nowhere_to_write(void **state)
{
    (void)state;
    struct error error = {0};
    struct stage *stage = set_stage("none", -1);
    const char *scratch = stage->options.scratch;
    stage->options.scratch = "/dev/null";
    assert_false(run(stage, &error));
    assert_non_null(strstr(error.message, "simulating with seed 1: making /dev/null/0"));
    error_clear(&error);
    stage->options.scratch = scratch;
    strike(stage);
}

static void interrupt(void *context, size_t done, size_t failed)
{
    note(context, done, failed);
    if (done >= 1) {
        raise(SIGINT);
    }
}

static void test_interrupted(void **state)
{
    (void)state;
    struct error error = {0};
    struct stage *stage = set_stage("none", -1);
    stage->options.runs = RUNS;
    stage->options.progress = interrupt;
    assert_true(run(stage, &error));
    assert_true(stage->interrupted);
    assert_non_null(stage->samples[0]);
    strike(stage);
}

static void test_bytes_that_are_not_whole(void **state)
{
    (void)state;
    struct error error = {0};
    struct stage *stage = set_stage("none", -1);
    assert_true(run(stage, &error));
    struct sample_cause cause = {1, NULL, "a text"};
    struct sample *sample = stage->samples[0];
    sample->causes = &cause;
    sample->cause_count = 1;
    struct buffer bytes = {0};
    sample_write(sample, &bytes);
    size_t nodes = stage->options.node_count, vms = stage->options.vm_count;
    struct sample *back = sample_read(stage->arena, bytes.data, bytes.length, nodes, vms, &error);
    assert_non_null(back);
    assert_string_equal(back->causes[0].text, "a text");
    assert_null(back->causes[0].code);
    for (size_t length = 0; length < bytes.length; length++) {
        assert_null(sample_read(stage->arena, bytes.data, length, nodes, vms, &error));
        error_clear(&error);
    }
    assert_null(sample_read(stage->arena, bytes.data, bytes.length, nodes, vms + 1, &error));
    error_clear(&error);
    assert_null(sample_read(stage->arena, bytes.data, bytes.length, 1, vms, &error));
    error_clear(&error);
    buffer_free(&bytes);
    strike(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_number_of_processes),
        cmocka_unit_test(test_killed_runners),
        cmocka_unit_test(test_another_graph_is_an_error),
        cmocka_unit_test(test_nowhere_to_write),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_bytes_that_are_not_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
