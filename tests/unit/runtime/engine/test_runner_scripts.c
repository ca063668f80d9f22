/* A script on the runner outlives drc: whatever moment a process is killed at, the next one awaits the
 * script or finds what came of it, and begins another only where the plan, or a person, says so. The host
 * over a simulated machine: world/simulated_jobs.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/sha256.h"
#include "runtime/engine/executor.h"
#include "runtime/host/host.h"
#include "runtime/world/simulated.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/graph_maker.h"

static const char script[] = "app/post-boot-1/run-script";
static const char bytes[] = "#!/bin/sh\n";

struct scene {
    struct arena *arena;
    struct graph *graph;
    struct bench bench;
    uint32_t script;
};

static bool read_script(void *context, const char *digest, struct buffer *out, struct error *error)
{
    (void)context, (void)digest, (void)error;
    buffer_puts(out, bytes);
    return true;
}

static struct scene *open_scene(uint64_t seed)
{
    struct scene *scene = calloc(1, sizeof *scene);
    char digest[SHA256_HEX_SIZE];
    scene->arena = arena_create();
    struct graph *graph = scene->graph = maker_graph(scene->arena, 4);
    maker_vm(graph, "app", true);
    sha256_hex(bytes, strlen(bytes), digest);
    scene->script = maker_node(graph, script, ACTION_RUN_SCRIPT, 1000);
    maker_text(graph, scene->script, "script", "x.sh");
    maker_text(graph, scene->script, "digest", arena_strdup(scene->arena, digest));
    maker_int(graph, scene->script, "timeout_ms", 60000);
    maker_edge(graph, scene->script, maker_node(graph, "app/recovered", ACTION_RECOVERED, 0));
    bench_open(&scene->bench, graph, seed);
    return scene;
}

static void close_scene(struct scene *scene)
{
    bench_close(&scene->bench);
    arena_destroy(scene->arena);
    free(scene);
}

static void begin(struct scene *scene)
{
    scene->bench.host = host_provider_create(scene->bench.world);
    host_use_run(scene->bench.host, (struct script_source){NULL, read_script}, "/run");
    bench_begin(&scene->bench);
}

static void finish(struct scene *scene)
{
    scene->bench.host->destroy(scene->bench.host);
    bench_finish(&scene->bench);
}

static enum executor_result session(struct scene *scene)
{
    begin(scene);
    enum executor_result result = bench_run(&scene->bench);
    finish(scene);
    return result;
}

static int64_t begun(const struct scene *scene)
{
    return world_simulated_counts(scene->bench.world).jobs;
}

static void fail_scripts(struct scene *scene, double probability)
{
    world_simulated_set_faults(scene->bench.world,
                               &(struct simulated_faults){.failed_job = probability});
}

static void test_it_is_run(void **state)
{
    (void)state;
    struct scene *scene = open_scene(1);
    assert_int_equal(session(scene), EXECUTOR_SUCCEEDED);
    assert_int_equal(begun(scene), 1);
    close_scene(scene);
}

/* A process that dies at every moment of it in turn, and one that dies at two. */
static void test_killed_on_the_way_it_is_run_once(void **state)
{
    (void)state;
    bool ended = false;
    for (int64_t event = 1; !ended; event++) {
        struct scene *scene = open_scene(1);
        for (int64_t again = 0; again < 2 && !ended; again++) {
            world_simulated_stop_after(scene->bench.world, event + again);
            begin(scene);
            bench_run(&scene->bench);
            ended = !world_simulated_stopped(scene->bench.world);
            world_simulated_kill(scene->bench.world, 0);
            finish(scene);
        }
        assert_true(ended || session(scene) == EXECUTOR_SUCCEEDED);
        assert_int_equal(begun(scene), 1);
        assert_true(event < 1000);
        close_scene(scene);
    }
}

static void test_it_is_retried_as_often_as_the_plan_says(void **state)
{
    (void)state;
    struct scene *scene = open_scene(2);
    scene->graph->nodes[scene->script].retries = 2;
    fail_scripts(scene, 1);
    assert_int_equal(session(scene), EXECUTOR_FAILED);
    assert_int_equal(begun(scene), 3);
    fail_scripts(scene, 0);
    assert_int_equal(session(scene), EXECUTOR_SUCCEEDED); /* a person says so */
    assert_int_equal(begun(scene), 4);
    close_scene(scene);
}

/* That it failed is known: nobody asks for it again by itself, killed or not. */
static void test_one_that_failed_is_begun_again_by_a_resume_only(void **state)
{
    (void)state;
    for (int64_t event = 1; event < 60; event++) {
        struct scene *scene = open_scene(3);
        fail_scripts(scene, 1);
        assert_int_equal(session(scene), EXECUTOR_FAILED);
        fail_scripts(scene, 0);
        world_simulated_stop_after(scene->bench.world, event); /* the second one, killed */
        begin(scene);
        bench_run(&scene->bench);
        bool ended = !world_simulated_stopped(scene->bench.world);
        world_simulated_kill(scene->bench.world, 0);
        finish(scene);
        if (!ended) {
            assert_int_equal(session(scene), EXECUTOR_SUCCEEDED);
        }
        assert_int_equal(begun(scene), 2);
        close_scene(scene);
    }
}

static void kill_with_the_machine(struct scene *scene)
{
    world_simulated_stop_after(scene->bench.world, 1); /* it is on its way */
    begin(scene);
    bench_run(&scene->bench);
    assert_true(world_simulated_stopped(scene->bench.world));
    world_simulated_kill(scene->bench.world, 0);
    assert_int_equal(begun(scene), 1);
    world_simulated_power_cut(scene->bench.world);
    finish(scene);
}

static void test_it_died_with_its_machine(void **state)
{
    (void)state;
    struct scene *scene = open_scene(4);
    kill_with_the_machine(scene);
    begin(scene);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_FAILED);
    const struct node_status *status = bench_status(&scene->bench, script);
    assert_non_null(strstr(status->detail, "how far it came is not known"));
    assert_non_null(strstr(status->help, "drc run retry run00001 app/post-boot-1/run-script"));
    finish(scene);
    assert_int_equal(begun(scene), 1);
    static const char *const again[] = {script};
    scene->bench.again = again;
    scene->bench.again_count = 1;
    assert_int_equal(session(scene), EXECUTOR_SUCCEEDED);
    assert_int_equal(begun(scene), 2);
    close_scene(scene);
}

static void test_with_retries_it_is_begun_again(void **state)
{
    (void)state;
    struct scene *scene = open_scene(4);
    scene->graph->nodes[scene->script].retries = 1;
    kill_with_the_machine(scene);
    assert_int_equal(session(scene), EXECUTOR_SUCCEEDED);
    assert_int_equal(begun(scene), 2);
    close_scene(scene);
}

/* A state that is shared: another runner takes over, and sees nothing of the script. */
static void test_begun_on_another_machine(void **state)
{
    (void)state;
    struct scene *scene = open_scene(4);
    scene->bench.place = "a";
    kill_with_the_machine(scene);
    struct provider *host = host_provider_create(scene->bench.world);
    host_use_run(host, (struct script_source){NULL, read_script}, "/another-machine/run");
    scene->bench.place = "b";
    scene->bench.host = host;
    bench_begin(&scene->bench);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_FAILED);
    const struct node_status *status = bench_status(&scene->bench, script);
    assert_non_null(strstr(status->detail, "on another machine"));
    assert_non_null(strstr(status->help, "drc run retry run00001"));
    finish(scene);
    assert_int_equal(begun(scene), 1);
    close_scene(scene);
}

struct heard {
    struct buffer text;
    int begun, ended;
};

static void hear(void *context, const struct graph_node *node, int generation, bool first,
                 const void *piece, size_t length)
{
    struct heard *heard = context;
    assert_string_equal(node->id, script);
    assert_int_equal(generation, 0);
    buffer_append(&heard->text, piece, length);
    heard->begun += first && length > 0;
    heard->ended += length == 0;
}

static void test_what_it_writes_is_told(void **state)
{
    (void)state;
    struct scene *scene = open_scene(1);
    struct heard heard = {0};
    scene->bench.output = hear;
    scene->bench.output_context = &heard;
    assert_int_equal(session(scene), EXECUTOR_SUCCEEDED);
    assert_string_equal(buffer_text(&heard.text), "a simulated script\n");
    assert_int_equal(heard.begun, 1);
    assert_int_equal(heard.ended, 1);
    buffer_free(&heard.text);
    close_scene(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_run),
        cmocka_unit_test(test_killed_on_the_way_it_is_run_once),
        cmocka_unit_test(test_it_is_retried_as_often_as_the_plan_says),
        cmocka_unit_test(test_one_that_failed_is_begun_again_by_a_resume_only),
        cmocka_unit_test(test_it_died_with_its_machine),
        cmocka_unit_test(test_with_retries_it_is_begun_again),
        cmocka_unit_test(test_begun_on_another_machine),
        cmocka_unit_test(test_what_it_writes_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
