/* Load: what PLAN, GRAPH, WORKFLOW and --facts name, and what is told when it is not there.
 * Covers: options_from.c: a run's options from them. */
#include "runtime/cli/load.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/front/source.h"
#include "runtime/cli/session.h"
#include "tests/unit/support/captured.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/scratch_folder.h"

static const char sound[] =
    "version: 1\nname: shop\nobjectives: {rpo: 30m, rto: 20m}\n"
    "backup: {every: 10m, repository: \"s3://acme-dr/shop\"}\n"
    "sites: {recovery: {aws: {region: eu-west-1, account: \"111122223333\",\n"
    "  placeholder_image: ami-0c000000000000001, conversion: {inject: never}}}}\n"
    "networks: {production: {vpc: vpc-0a000000000000001, subnets: {app:\n"
    "  {id: subnet-0a00000000000000a, cidr: 10.20.1.0/24, zone: eu-west-1a}}}}\n"
    "vms: {db: {source: /DC0/vm/db, subnet: app}}\n";

struct fixture {
    struct scratch_folder folder;
    struct invocation invocation;
    struct captured captured;
    const char *arguments[3];
};

static int set_up(void **state)
{
    struct fixture *f = base_alloc(sizeof *f);
    f->folder = scratch_create();
    f->invocation.arena = arena_create();
    f->invocation.arguments = f->arguments;
    scratch_write(&f->folder, "plan.yaml", sound, 0600);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    captured_free(&f->captured);
    scratch_remove(&f->folder);
    arena_destroy(f->invocation.arena);
    free(f);
    return 0;
}

static const char *in(struct fixture *f, const char *name)
{
    return arena_printf(f->invocation.arena, "%s/%s", f->folder.path, name);
}

/* What is told is in f->captured. */
static bool graph_of(struct fixture *f, const char *path, const char *workflow,
                     struct loaded *loaded)
{
    f->arguments[0] = path;
    f->arguments[1] = workflow;
    f->invocation.argument_count = workflow ? 2 : 1;
    *loaded = (struct loaded){0};
    captured_free(&f->captured);
    captured_begin(&f->captured);
    bool ok = load_graph(&f->invocation, loaded);
    captured_end(&f->captured);
    return ok;
}

static void a_folder_stands_for_its_plan(void **state)
{
    struct fixture *f = *state;
    struct arena *arena = f->invocation.arena;
    assert_string_equal(plan_file(arena, f->folder.path), in(f, "plan.yaml"));
    assert_string_equal(plan_file(arena, in(f, "")), in(f, "plan.yaml"));
    assert_string_equal(plan_file(arena, in(f, "plan.yaml")), in(f, "plan.yaml"));
    assert_string_equal(plan_file(arena, "/nonexistent"), "/nonexistent");
}

static void a_plan_is_compiled(void **state)
{
    struct fixture *f = *state;
    struct loaded loaded;
    assert_true(graph_of(f, f->folder.path, "failover", &loaded));
    assert_string_equal(loaded.plan->name, "shop");
    assert_null(loaded.facts);
    assert_string_equal(loaded.graph->nodes[loaded.graph->node_count - 1].id, "db/recovered");
    assert_true(loaded.schedule->rto_ms > 0);
    assert_null(strstr(f->captured.err, "error"));
}

/* A compiled graph is known by what it says of itself, and needs no workflow. */
static void a_graph_is_read(void **state)
{
    struct fixture *f = *state;
    struct loaded loaded;
    assert_true(graph_of(f, f->folder.path, "failover", &loaded));
    struct buffer json = {0};
    graph_write_json(loaded.graph, &json);
    size_t count = loaded.graph->node_count;
    scratch_write(&f->folder, "graph.json", buffer_text(&json), 0600);
    buffer_free(&json);
    assert_true(graph_of(f, in(f, "graph.json"), NULL, &loaded));
    assert_null(loaded.plan);
    assert_int_equal(loaded.graph->node_count, count);
    assert_false(graph_of(f, in(f, "graph.json"), "failover", &loaded));
    assert_non_null(strstr(f->captured.err, "has its workflow already"));
    assert_non_null(strstr(f->captured.err, "leave \"failover\" out"));
}

static void what_is_wrong_is_told(void **state)
{
    struct fixture *f = *state;
    struct loaded loaded;
    scratch_write(&f->folder, "bad.yaml", "version: 1\nname: [\n", 0600);
    const struct {
        const char *path, *workflow, *error;
    } cases[] = {
        {in(f, "none.yaml"), "failover", "none.yaml"},
        {"/tmp", "failover", "a folder stands for the plan.yaml in it"},
        {f->folder.path, NULL, "which workflow?"},
        {f->folder.path, "failovr", "did you mean failover?"},
        {f->folder.path, "qqqqqqq", "there is no workflow \"qqqqqqq\"\n"},
        {f->folder.path, "backup", "cannot compile the workflow backup yet"},
        {in(f, "bad.yaml"), "failover", "bad.yaml:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (graph_of(f, cases[i].path, cases[i].workflow, &loaded) ||
            !strstr(f->captured.err, cases[i].error) || *f->captured.out) {
            fail_msg("%s %s: %s", cases[i].path, cases[i].workflow, f->captured.err);
        }
    }
}

static void facts_are_read_or_refused(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};
    struct facts *facts = NULL;
    assert_true(load_facts(&f->invocation, &facts, &error));
    assert_null(facts);
    f->invocation.values[FLAG_FACTS] = in(f, "facts.json");
    assert_false(load_facts(&f->invocation, &facts, &error));
    assert_non_null(strstr(error.message, "facts.json"));
    error_clear(&error);
    scratch_write(&f->folder, "facts.json", "{\"format\":\"drc-facts/2\"}", 0600);
    assert_false(load_facts(&f->invocation, &facts, &error));
    assert_non_null(error.message);
    error_clear(&error);
    scratch_write(&f->folder, "facts.json",
                  "{\"format\":\"drc-facts/1\",\"observed_at\":\"2026-11-22T10:00:00Z\","
                  "\"inventory\":{\"account\":\"111122223333\",\"region\":\"eu-west-1\"},"
                  "\"bindings\":{\"db/disk-0/snapshot\":\"snap-1\"}}",
                  0600);
    if (!load_facts(&f->invocation, &facts, &error)) {
        fail_msg("%s", error.message);
    }
    assert_string_equal(map_get(&facts->bindings, "db/disk-0/snapshot"), "snap-1");
}

static void graphs_and_plans_are_told_apart(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        bool graph;
    } cases[] = {
        {"{\"format\": \"drc-graph/1\"}", true}, {" \n\t{\"format\":\"drc-graph/2\"}", true},
        {"{\"format\": \"drc-facts/1\"}", false}, {"version: 1 # \"drc-graph/1\"", false},
        {"", false},                              {"{", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct source *source = source_from_text(f->invocation.arena, "x", cases[i].text,
                                                       strlen(cases[i].text));
        assert_int_equal(is_graph(source), cases[i].graph);
    }
}

static void a_runs_options_are_complete(void **state)
{
    struct fixture *f = *state;
    struct run_options options;
    struct error error = {0};
    struct loaded loaded;
    assert_true(graph_of(f, f->folder.path, "failover", &loaded));
    f->invocation.given[FLAG_YES] = true;
    f->invocation.values[FLAG_SANDBOX] = f->folder.path;
    f->invocation.values[FLAG_RECOVERY_POINT] = "2026-11-22T10:00:00Z";
    assert_true(options_from(&f->invocation, loaded.plan, WORKFLOW_FAILOVER, &options, &error));
    assert_string_equal(options.plan_name, "shop");
    assert_int_equal(options.plan_path[0], '/');
    assert_int_equal(options.sandbox[0], '/');
    assert_string_equal(options.region, "eu-west-1");
    assert_int_equal(options.rto_ms, 20 * 60000);
    assert_true(options.approved);
    f->invocation.values[FLAG_RECOVERY_POINT] = "yesterday";
    assert_false(options_from(&f->invocation, loaded.plan, WORKFLOW_FAILOVER, &options, &error));
    assert_non_null(strstr(error.message, "wants latest or a time, not \"yesterday\""));
    error_clear(&error);
    f->invocation.values[FLAG_RECOVERY_POINT] = "latest";
    f->invocation.values[FLAG_SANDBOX] = in(f, "none");
    assert_false(options_from(&f->invocation, loaded.plan, WORKFLOW_FAILOVER, &options, &error));
    assert_non_null(strstr(error.message, "cannot find "));
    error_clear(&error);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    unsetenv("CLICOLOR_FORCE");
    const struct CMUnitTest tests[] = {
        TEST(a_folder_stands_for_its_plan), TEST(a_plan_is_compiled),
        TEST(a_graph_is_read),              TEST(what_is_wrong_is_told),
        TEST(facts_are_read_or_refused),    TEST(graphs_and_plans_are_told_apart),
        TEST(a_runs_options_are_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
