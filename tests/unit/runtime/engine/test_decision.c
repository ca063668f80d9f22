/* What people decide about a run: to go on without an action, to try one again, to end it.
 * Covers: decide.c again.c */
#include "runtime/engine/decision.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/world/world.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/graph_maker.h"

struct scene {
    struct arena *arena;
    struct graph *graph;
    struct bench bench;
    /* what is asked when the first event of `type` comes for `node` */
    enum executor_event_type type;
    const char *node;
    const char *verb, *target;
    bool asked, too_late;
    int decisions, refusals;
    char words[300];
};

static enum node_state state_of(const struct scene *scene, const char *id)
{
    return bench_status(&scene->bench, id)->state;
}

static struct decision make(const char *verb, const char *target)
{
    return (struct decision){.verb = verb,
                             .id = "0001-ab",
                             .target = target,
                             .who = "ada",
                             .comment = "it serves all the same",
                             .at_utc_ms = 1767225600000};
}

static void ask(void *context)
{
    struct scene *scene = context;
    struct decision decision = make(scene->verb, scene->target);
    struct executor *executor = scene->bench.executor;
    bool taken = !strcmp(scene->verb, "skip")     ? executor_skip(executor, &decision)
                 : !strcmp(scene->verb, "cancel") ? executor_cancel(executor, &decision)
                                                  : executor_approve(executor, &decision);
    scene->too_late = !taken;
}

static void observe(void *context, const struct executor_event *event)
{
    struct scene *scene = context;
    if (event->type == EVENT_DECISION) {
        struct buffer words = {0};
        decision_put(event->decision, &words);
        snprintf(scene->words, sizeof scene->words, "%s", buffer_text(&words));
        buffer_free(&words);
        scene->decisions++;
        scene->refusals += event->decision->refused != NULL;
    }
    if (scene->verb && !scene->asked && event->type == scene->type &&
        (!scene->node || (event->node && !strcmp(event->node->id, scene->node)))) {
        scene->asked = true;
        world_defer(scene->bench.world, ask, scene); /* as a message that comes in does */
    }
}

/* VM: create-volume → run-instance → check-tcp → recovered; run-instance comes after `before`. */
static uint32_t add_vm(struct scene *scene, const char *name, int64_t before)
{
    struct arena *arena = scene->arena;
    struct graph *graph = scene->graph;
    maker_vm(graph, name, true);
    uint32_t volume = maker_node(graph, arena_printf(arena, "%s/create-volume", name),
                                 ACTION_CREATE_VOLUME, 1000);
    uint32_t run =
        maker_node(graph, arena_printf(arena, "%s/run-instance", name), ACTION_RUN_INSTANCE, 1000);
    uint32_t check =
        maker_node(graph, arena_printf(arena, "%s/check-tcp", name), ACTION_CHECK_TCP, 1000);
    uint32_t recovered =
        maker_node(graph, arena_printf(arena, "%s/recovered", name), ACTION_RECOVERED, 0);
    maker_edge(graph, volume, run);
    if (before >= 0) {
        maker_edge(graph, (uint32_t)before, run);
    }
    maker_output(graph, check, "address", run, "instance_id");
    maker_edge(graph, run, check);
    maker_edge(graph, check, recovered);
    return recovered;
}

/* db ← app ← web, and a mail that stands alone. */
static void set_up(struct scene *scene)
{
    *scene = (struct scene){.arena = arena_create()};
    scene->graph = maker_graph(scene->arena, 20);
    uint32_t db = add_vm(scene, "db", -1);
    uint32_t app = add_vm(scene, "app", db);
    add_vm(scene, "web", app);
    add_vm(scene, "mail", -1);
    bench_open(&scene->bench, scene->graph, 1);
    scene->bench.observer = observe;
    scene->bench.observer_context = scene;
}

static void tear_down(struct scene *scene)
{
    assert_int_equal(scene->bench.fake.violations, 0);
    bench_close(&scene->bench);
    arena_destroy(scene->arena);
}

/* The checker of edges counts a node that a person went on without as done. */
static void forgive(struct scene *scene, const char *node)
{
    fake_thing(scene->bench.cloud, node)->ended_ok = true;
}

static void fail_app(struct scene *scene)
{
    fake_script(scene->bench.cloud, "app/check-tcp", OUTCOME_FATAL);
    bench_begin(&scene->bench);
}

/* --- skip --- */

static void test_skip_of_what_failed_frees_its_dependants(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene);
    fake_thing(scene.bench.cloud, "mail/check-tcp")->wait_ms = 30000; /* the run is still there */
    fail_app(&scene);
    forgive(&scene, "app/check-tcp");
    scene.type = EVENT_NODE_FAILED;
    scene.node = "app/check-tcp";
    scene.verb = "skip";
    scene.target = "app/check-tcp";
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(scene.decisions, 1);
    assert_string_equal(scene.words, "skip app/check-tcp, by ada: it serves all the same");
    assert_int_equal(state_of(&scene, "app/check-tcp"), NODE_DONE);
    assert_string_equal(bench_status(&scene.bench, "app/check-tcp")->waived->who, "ada");
    assert_int_equal(state_of(&scene, "app/recovered"), NODE_DONE);
    assert_int_equal(state_of(&scene, "web/recovered"), NODE_DONE);
    assert_int_equal(fake_thing(scene.bench.cloud, "web/create-volume")->applied, 1);
    struct executor_counters counters = executor_counters(scene.bench.executor);
    assert_int_equal(counters.done, counters.total);
    assert_int_equal(counters.skipped + counters.failed, 0);
    assert_string_equal(scene.words, "skip app/check-tcp, by ada: it serves all the same");
    tear_down(&scene);
}

static void test_skip_of_what_waits(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene);
    fake_thing(scene.bench.cloud, "db/check-tcp")->wait_ms = -1; /* would never hold */
    forgive(&scene, "db/check-tcp");
    bench_begin(&scene.bench);
    scene.type = EVENT_NODE_STARTED;
    scene.node = "db/check-tcp";
    scene.verb = "skip";
    scene.target = "db/check-tcp";
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(state_of(&scene, "web/recovered"), NODE_DONE);
    tear_down(&scene);
}

/* Asked for at the start of mail; why it is refused, in words that hold `why`. */
static void refused(const char *target, const char *why)
{
    struct scene scene;
    set_up(&scene);
    bench_begin(&scene.bench);
    scene.bench.fake.latency_ms = 500;
    scene.type = EVENT_NODE_STARTED;
    scene.node = "mail/create-volume";
    scene.verb = "skip";
    scene.target = target;
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(scene.decisions, 1);
    assert_int_equal(scene.refusals, 1);
    if (!strstr(scene.words, why)) {
        fail_msg("\"%s\" is not in \"%s\"", why, scene.words);
    }
    tear_down(&scene);
}

static void test_skip_is_refused(void **state)
{
    (void)state;
    refused("web/run-instance", "web/check-tcp needs its instance_id");
    refused("web/recovered", "is a milestone");
    refused("web/check-tcp", "cannot be skipped yet: it waits for web/run-instance, without");
    refused("mail/create-volume", "is being carried out right now");
    refused("web/chek-tcp", "did you mean web/check-tcp?");
    refused(NULL, "no action is named");
}

static void test_a_skipped_node_stays_skipped_in_the_next_session(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene);
    fail_app(&scene);
    forgive(&scene, "app/check-tcp");
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    struct decision decision = make("skip", "app/check-tcp");
    int32_t node = -1;
    for (uint32_t i = 0; i < scene.graph->node_count; i++) {
        node = !strcmp(scene.graph->nodes[i].id, "app/check-tcp") ? (int32_t)i : node;
    }
    struct error error = {0};
    decision_record(scene.bench.journal, &decision, node, -1); /* as a command does */
    assert_true(journal_commit(scene.bench.journal, &error));
    bench_finish(&scene.bench);
    fake_thing(scene.bench.cloud, "app/check-tcp")->wait_ms = -1; /* it would not hold now either */
    bench_begin(&scene.bench);
    assert_string_equal(bench_status(&scene.bench, "app/check-tcp")->waived->comment,
                        "it serves all the same");
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(state_of(&scene, "web/recovered"), NODE_DONE);
    tear_down(&scene);
}

/* --- retry --- */

/* Two VMs failed; one of them is named. */
static void two_failed(struct scene *scene)
{
    set_up(scene);
    fake_script(scene->bench.cloud, "app/check-tcp", OUTCOME_FATAL);
    fake_script(scene->bench.cloud, "mail/check-tcp", OUTCOME_FATAL);
    bench_begin(&scene->bench);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_FAILED);
    bench_finish(&scene->bench);
}

static void test_retry_takes_up_what_is_named_and_its_dependants(void **state)
{
    (void)state;
    static const char *const names[][1] = {{"app"}, {"app/check-tcp"}};
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        two_failed(&scene);
        scene.bench.again = names[i];
        scene.bench.again_count = 1;
        bench_begin(&scene.bench);
        assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED); /* mail stays as it is */
        assert_int_equal(state_of(&scene, "web/recovered"), NODE_DONE);
        assert_int_equal(state_of(&scene, "mail/check-tcp"), NODE_FAILED);
        assert_int_equal(state_of(&scene, "mail/recovered"), NODE_SKIPPED);
        assert_int_equal(fake_thing(scene.bench.cloud, "db/run-instance")->applied, 1);
        bench_finish(&scene.bench);
        scene.bench.again_count = 0; /* a resume takes up the rest */
        assert_int_equal(bench_session(&scene.bench), EXECUTOR_SUCCEEDED);
        assert_int_equal(fake_thing(scene.bench.cloud, "web/run-instance")->applied, 1);
        tear_down(&scene);
    }
}

/* What a guard has undone after the failure is done anew, for the VM that is named only. */
static void test_retry_redoes_what_a_guard_has_undone(void **state)
{
    (void)state;
    static const char *const name[] = {"db"};
    struct scene scene = {.arena = arena_create()};
    struct graph *graph = scene.graph = maker_graph(scene.arena, 12);
    static const char *const vms[] = {"db", "web"};
    for (int i = 0; i < 2; i++) {
        maker_vm(graph, vms[i], true);
        uint32_t attach = maker_node(graph, arena_printf(scene.arena, "%s/attach-volume", vms[i]),
                                     ACTION_ATTACH_VOLUME, 1000);
        uint32_t check = maker_node(graph, arena_printf(scene.arena, "%s/check-tcp", vms[i]),
                                    ACTION_CHECK_TCP, 1000);
        uint32_t detach = maker_node(graph, arena_printf(scene.arena, "%s/detach-volume", vms[i]),
                                     ACTION_DETACH_VOLUME, 1000);
        maker_edge(graph, attach, check);
        maker_edge(graph, check, detach);
        graph->nodes[detach].after[0].when = WHEN_ENDED;
        graph->nodes[detach].guards = (int32_t)attach;
    }
    bench_open(&scene.bench, graph, 1);
    fake_script(scene.bench.cloud, "db/check-tcp", OUTCOME_FATAL);
    fake_script(scene.bench.cloud, "web/check-tcp", OUTCOME_FATAL);
    assert_int_equal(bench_session(&scene.bench), EXECUTOR_FAILED);
    assert_int_equal(fake_thing(scene.bench.cloud, "db/detach-volume")->applied, 1);
    scene.bench.again = name;
    scene.bench.again_count = 1;
    assert_int_equal(bench_session(&scene.bench), EXECUTOR_FAILED); /* web did, still */
    assert_int_equal(fake_thing(scene.bench.cloud, "db/attach-volume")->applied, 2);
    assert_int_equal(fake_thing(scene.bench.cloud, "db/detach-volume")->applied, 2);
    assert_int_equal(fake_thing(scene.bench.cloud, "web/attach-volume")->applied, 1);
    assert_int_equal(fake_thing(scene.bench.cloud, "web/detach-volume")->applied, 1);
    tear_down(&scene);
}

static void cannot_retry(const char *name, const char *why, const char *help)
{
    struct scene scene;
    two_failed(&scene);
    scene.bench.again = &name;
    scene.bench.again_count = 1;
    struct error error = {0};
    assert_false(bench_try(&scene.bench, &error));
    if (!strstr(error.message, why) || (help && (!error.help || !strstr(error.help, help)))) {
        fail_msg("%s / %s", error.message, error.help ? error.help : "");
    }
    error_clear(&error);
    bench_close(&scene.bench);
    arena_destroy(scene.arena);
}

static void test_retry_is_refused(void **state)
{
    (void)state;
    cannot_retry("web", "web was skipped because app/check-tcp failed", "drc run retry app ");
    cannot_retry("web/run-instance", "was skipped because", "drc run retry app/check-tcp");
    cannot_retry("db", "nothing of db has failed", NULL);
    cannot_retry("db/check-tcp", "has not failed: it is done", NULL);
    cannot_retry("ap", "did you mean app?", "drc run show");
}

/* --- what has come to its end --- */

/* An instance that was terminated at its launch (no grant for the KMS key, say): waiting for it again
 * would be in vain. */
static void lost_instance(struct scene *scene, bool goes)
{
    *scene = (struct scene){.arena = arena_create()};
    struct graph *graph = scene->graph = maker_graph(scene->arena, 8);
    maker_vm(graph, "db", true);
    uint32_t run = maker_node(graph, "db/run-instance", ACTION_RUN_INSTANCE, 1000);
    uint32_t wait = maker_node(graph, "db/wait-running", ACTION_WAIT_RUNNING, 1000);
    maker_output(graph, wait, "instance_id", run, "instance_id");
    uint32_t recovered = maker_node(graph, "db/recovered", ACTION_RECOVERED, 0);
    maker_edge(graph, run, wait);
    maker_edge(graph, wait, recovered);
    bench_open(&scene->bench, graph, 1);
    fake_script(scene->bench.cloud, "db/wait-running", OUTCOME_FATAL);
    fake_thing(scene->bench.cloud, "db/wait-running")->goes = goes;
    assert_int_equal(bench_session(&scene->bench), EXECUTOR_FAILED);
}

static void test_what_has_come_to_its_end_is_made_anew(void **state)
{
    (void)state;
    for (int goes = 0; goes < 2; goes++) {
        struct scene scene;
        lost_instance(&scene, goes);
        assert_int_equal(bench_session(&scene.bench), EXECUTOR_SUCCEEDED);
        assert_int_equal(fake_thing(scene.bench.cloud, "db/run-instance")->made, 1 + goes);
        assert_int_equal(fake_thing(scene.bench.cloud, "db/run-instance")->token_count, 1 + goes);
        assert_int_equal(bench_session(&scene.bench), EXECUTOR_SUCCEEDED); /* and stays */
        assert_int_equal(fake_thing(scene.bench.cloud, "db/run-instance")->made, 1 + goes);
        tear_down(&scene);
    }
}

/* Its volumes are attached already: making only the instance anew would leave them behind. */
static void test_what_was_built_upon_is_not_made_anew(void **state)
{
    (void)state;
    struct scene scene = {.arena = arena_create()};
    struct graph *graph = scene.graph = maker_graph(scene.arena, 8);
    maker_vm(graph, "db", true);
    uint32_t run = maker_node(graph, "db/run-instance", ACTION_RUN_INSTANCE, 1000);
    uint32_t stop = maker_node(graph, "db/stop-instance", ACTION_STOP_INSTANCE, 1000);
    uint32_t wait = maker_node(graph, "db/wait-stopped", ACTION_WAIT_STOPPED, 1000);
    maker_output(graph, stop, "instance_id", run, "instance_id");
    maker_output(graph, wait, "instance_id", run, "instance_id");
    maker_edge(graph, run, stop);
    maker_edge(graph, run, wait);
    maker_edge(graph, stop, wait);
    bench_open(&scene.bench, graph, 1);
    fake_script(scene.bench.cloud, "db/wait-stopped", OUTCOME_FATAL);
    fake_thing(scene.bench.cloud, "db/wait-stopped")->goes = true;
    assert_int_equal(bench_session(&scene.bench), EXECUTOR_FAILED);
    assert_int_equal(bench_session(&scene.bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(fake_thing(scene.bench.cloud, "db/run-instance")->made, 1);
    tear_down(&scene);
}

/* --- cancel, approve --- */

static void test_cancel(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene);
    bench_begin(&scene.bench);
    scene.type = EVENT_NODE_STARTED;
    scene.node = "db/check-tcp";
    scene.verb = "cancel";
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_CANCELLED);
    assert_int_equal(scene.decisions, 1);
    assert_int_equal(fake_thing(scene.bench.cloud, "app/run-instance")->applied, 0);
    assert_int_equal(scene.bench.fake.tasks != NULL, 0); /* nothing was left on its way */
    tear_down(&scene);
}

static void test_nothing_waits_for_approval(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene);
    bench_begin(&scene.bench);
    scene.type = EVENT_NODE_STARTED;
    scene.verb = "approve";
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(scene.refusals, 1);
    assert_non_null(strstr(scene.words, "nothing waits for approval"));
    tear_down(&scene);
}

static void test_too_late(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene);
    bench_begin(&scene.bench);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
    struct decision decision = make("skip", "web/check-tcp");
    assert_false(executor_skip(scene.bench.executor, &decision));
    assert_false(executor_cancel(scene.bench.executor, &decision));
    assert_false(executor_approve(scene.bench.executor, &decision));
    assert_false(executor_refuse(scene.bench.executor, &decision));
    assert_false(journal_is_dirty(scene.bench.journal));
    tear_down(&scene);
}

/* --- records --- */

static void test_hostile_words_are_kept_within_bounds(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene);
    char *words = test_malloc(100001);
    memset(words, 'x', 100000);
    words[0] = '\xff';
    words[1] = '\n';
    words[100000] = '\0';
    struct decision decision = {.verb = "skip", .comment = words, .refused = "no"};
    struct error error = {0};
    decision_record(scene.bench.journal, &decision, NO_NODE, 5);
    assert_true(journal_commit(scene.bench.journal, &error));
    bench_begin(&scene.bench); /* reads it back */
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
    cJSON *record = cJSON_Parse("{\"verb\":7,\"who\":{},\"at\":\"soon\"}");
    struct decision read = decision_read(scene.arena, record);
    assert_string_equal(read.verb, "");
    assert_null(read.who);
    assert_int_equal(read.at_utc_ms, 0);
    cJSON_Delete(record);
    test_free(words);
    tear_down(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_skip_of_what_failed_frees_its_dependants),
        cmocka_unit_test(test_skip_of_what_waits),
        cmocka_unit_test(test_skip_is_refused),
        cmocka_unit_test(test_a_skipped_node_stays_skipped_in_the_next_session),
        cmocka_unit_test(test_retry_takes_up_what_is_named_and_its_dependants),
        cmocka_unit_test(test_retry_redoes_what_a_guard_has_undone),
        cmocka_unit_test(test_retry_is_refused),
        cmocka_unit_test(test_what_has_come_to_its_end_is_made_anew),
        cmocka_unit_test(test_what_was_built_upon_is_not_made_anew),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_nothing_waits_for_approval),
        cmocka_unit_test(test_too_late),
        cmocka_unit_test(test_hostile_words_are_kept_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
