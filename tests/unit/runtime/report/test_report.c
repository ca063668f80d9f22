/* What is told of a run from its journal alone.
 * Covers: report_json.c report_markdown.c report_svg.c report_text.c */
#include "runtime/report/report.h"

#include <cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/report/history.h"
#include "runtime/report/report_parts.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/failover_maker.h"

struct told {
    struct arena *arena;
    struct bench bench;
    struct report *report;
    struct buffer text;
};

static struct value something(enum value_type type)
{
    switch (type) {
    case TYPE_INT:
        return (struct value){.kind = VALUE_INT, .integer = 1};
    case TYPE_BOOL:
        return (struct value){.kind = VALUE_BOOL};
    case TYPE_LIST:
        return (struct value){.kind = VALUE_LIST};
    case TYPE_MAP:
        return (struct value){.kind = VALUE_MAP};
    default:
        return (struct value){.kind = VALUE_TEXT, .text = "something"};
    }
}

static void comes_after(struct graph *graph, struct graph_node *node, int32_t before)
{
    for (uint32_t e = 0; e < node->after_count; e++) {
        if (node->after[e].node == (uint32_t)before) {
            return;
        }
    }
    maker_edge(graph, (uint32_t)before, node->index);
}

/* The shop's nodes lack inputs and edges that a graph has to have when it is read back. */
static struct graph *completed(struct graph *graph)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        struct graph_node *node = &graph->nodes[i];
        const struct action_info *info = action_info(node->action);
        struct input *inputs = ARENA_ARRAY(graph->arena, struct input, info->input_count + 1);
        uint32_t count = 0;
        for (size_t p = 0; p < info->input_count; p++) {
            const struct value *value = graph_input(node, info->inputs[p].name);
            if (value && value->kind == VALUE_OUTPUT) {
                comes_after(graph, node, value->node);
            }
            if (value || !info->inputs[p].optional) {
                inputs[count++] =
                    (struct input){.name = info->inputs[p].name,
                                   .value = value ? *value : something(info->inputs[p].type)};
            }
        }
        if (node->guards != NO_NODE) {
            comes_after(graph, node, node->guards);
        }
        node->inputs = inputs;
        node->input_count = count;
    }
    return graph;
}

enum { AN_HOUR_MS = 3600000 };

static void rang(void *context)
{
    *(bool *)context = true;
}

static void pass_time(struct world *world, int64_t ms)
{
    bool over = false;
    world_timer(world, ms, rang, &over);
    world_run(world, &over);
}

/* Runs the shop with its graph in the journal, db/… failing when `fail` names a node. */
static void tell(struct told *told, const char *fail, bool resume)
{
    told->arena = arena_create();
    told->text = (struct buffer){0};
    bench_open(&told->bench, completed(maker_shop(told->arena)), 1);
    struct bench *bench = &told->bench;
    for (size_t i = 0; i < bench->graph->node_count; i++) {
        bench->cloud->things[i].wait_ms = 15000;
    }
    struct buffer graph = {0};
    graph_write_json(bench->graph, &graph);
    assert_true(journal_put_blob(bench->journal, "graph", graph.data, graph.length, NULL));
    buffer_free(&graph);
    struct run_options options = {.plan_path = "/plans/shop.yaml",
                                  .owner = "platform",
                                  .workflow = WORKFLOW_FAILOVER,
                                  .rto_ms = 1200000,
                                  .rpo_ms = 1800000};
    struct buffer text = {0};
    run_options_write(&options, &text);
    assert_true(journal_put_blob(bench->journal, "options", text.data, text.length, NULL));
    buffer_free(&text);
    if (fail) {
        fake_script(bench->cloud, fail, OUTCOME_FATAL);
    }
    enum executor_result result = bench_session(bench);
    assert_int_equal(result, fail ? EXECUTOR_FAILED : EXECUTOR_SUCCEEDED);
    if (resume) {
        pass_time(bench->world, AN_HOUR_MS);
        assert_int_equal(bench_session(bench), EXECUTOR_SUCCEEDED);
    }
    bench->journal = journal_open(bench->path, false, NULL);
    journal_use_clock(bench->journal, bench->world);
    bool failed = fail && !resume;
    assert_true(
        run_set_status(bench->journal, bench->world, failed ? RUN_FAILED : RUN_SUCCEEDED, NULL));
    struct error error = {0};
    told->report = report_load(told->arena, bench->journal, NULL, &error);
    if (!told->report) {
        fail_msg("%s", error.message);
    }
}

static void forget(struct told *told)
{
    buffer_free(&told->text);
    bench_close(&told->bench);
    arena_destroy(told->arena);
}

static void says(const struct told *told, const char *text)
{
    if (!strstr(buffer_text(&told->text), text)) {
        fail_msg("\"%s\" is not in:\n%s", text, buffer_text(&told->text));
    }
}

static void test_success(void **state)
{
    (void)state;
    struct told told;
    tell(&told, NULL, false);
    const struct report *report = told.report;
    assert_int_equal(report->recovered, 3);
    assert_int_equal(report->cause_count, 0);
    assert_true(report->rto_ms > 0 && report->rto_ms <= report->elapsed_ms);
    assert_int_equal(report->counters.done, report->counters.total);
    assert_true(report->vms[0].recovered_ms < report->vms[1].recovered_ms);
    assert_int_equal(report->vms[1].waited_for, 0);
    assert_int_equal(report->path->total_ms, report->rto_ms);
    assert_true(report->path->count > 3);
    report_write_text(report, 100, false, &told.text);
    says(&told, "failover of shop succeeded");
    says(&told, "3 of 3 VMs recovered");
    says(&told, " of 20m (predicted ");
    says(&told, "for db");
    says(&told, "░ waiting for another VM\n");
    assert_null(strstr(told.text.data, "What now"));
    assert_null(strstr(told.text.data, "\033"));
    forget(&told);
}

static void test_failure(void **state)
{
    (void)state;
    struct told told;
    tell(&told, "app/run-instance", false);
    const struct report *report = told.report;
    assert_int_equal(report->cause_count, 1);
    assert_string_equal(report->graph->nodes[report->causes[0]].id, "app/run-instance");
    assert_int_equal(report->vms[0].outcome, VM_RECOVERED);
    assert_int_equal(report->vms[1].outcome, VM_FAILED);
    assert_int_equal(report->vms[2].outcome, VM_SKIPPED);
    assert_int_equal(report->rto_ms, -1);
    report_write_text(report, 100, true, &told.text);
    says(&told, "failed");
    says(&told, "1 of 3 VMs recovered");
    says(&told, "node app/run-instance");
    says(&told, "fake Fake.Code (request req-1)");
    says(&told, "help: do something");
    says(&told, "skipped: depends on app");
    says(&told, "RTO not reached, objective 20m");
    for (size_t i = 1; i < report->thing_count; i++) { /* by VM, its instance first */
        bool same = strcmp(report->things[i].vm, report->things[i - 1].vm) == 0;
        assert_true(!same || strcmp(report->things[i].kind, "instance") != 0);
    }
    says(&told, "drc run resume");
    says(&told, "drc run retry ");
    says(&told, "drc run rollback");
    says(&told, "drc run cleanup");
    assert_null(strstr(buffer_text(&told.text), "drc run skip")); /* others need its instance */
    forget(&told);
}

/* What the first session failed on is no cause any more once a second one got through. */
static void test_resumed(void **state)
{
    (void)state;
    struct told told;
    tell(&told, "app/run-instance", true);
    assert_int_equal(told.report->cause_count, 0);
    assert_int_equal(told.report->sessions, 2);
    assert_int_equal(told.report->recovered, 3);
    assert_true(told.report->rto_ms > AN_HOUR_MS); /* nobody worked on it, and the outage went on */
    assert_true(told.report->vms[0].recovered_ms < AN_HOUR_MS);
    const struct actual_outage *outage = &told.report->history->outages[0];
    assert_in_range(outage->until_ms - outage->from_ms, AN_HOUR_MS, AN_HOUR_MS + 60000);
    int64_t away_ms = 0;
    for (size_t i = 0; i < told.report->path->count; i++) {
        away_ms += told.report->path->links[i].away_ms;
    }
    assert_int_equal(away_ms, outage->until_ms - outage->from_ms);
    report_write_text(told.report, 80, false, &told.text);
    says(&told, "resumed 1 time after 1h");
    says(&told, " without drc");
    says(&told, "· no drc at work");
    forget(&told);
}

static void test_json(void **state)
{
    (void)state;
    struct told told;
    tell(&told, "app/run-instance", false);
    report_write_json(told.report, &told.text);
    cJSON *json = cJSON_ParseWithOpts(told.text.data, NULL, 1);
    assert_non_null(json);
    assert_string_equal(cJSON_GetObjectItem(json, "format")->valuestring, "drc-report/1");
    assert_string_equal(cJSON_GetObjectItem(json, "status")->valuestring, "failed");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "vms")), 3);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "nodes")),
                     told.report->graph->node_count);
    const cJSON *cause = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "causes"), 0);
    assert_string_equal(cause->valuestring, "app/run-instance");
    cJSON_Delete(json);
    forget(&told);
}

static void test_markdown(void **state)
{
    (void)state;
    struct told told;
    tell(&told, "app/run-instance", false);
    report_write_markdown(told.report, &told.text);
    says(&told, "### drc: shop · failover — failed");
    says(&told, "| db | recovered |");
    says(&told, "- **app/run-instance**: fatal — fake Fake.Code");
    says(&told, "```mermaid\ngantt\n    dateFormat x\n");
    says(&told, "    section db\n    prepare :0, ");
    says(&told, " API calls (floor ");
    says(&told, "    section app\n    failed :crit, ");
    forget(&told);
}

static void test_svg(void **state)
{
    (void)state;
    struct told told;
    tell(&told, "app/run-instance", false);
    ((struct graph *)told.report->graph)->plan_name = "<shop> & \"more\"";
    report_write_svg(told.report, &told.text);
    says(&told, "<svg xmlns=\"http://www.w3.org/2000/svg\"");
    says(&told, "&lt;shop&gt; &amp; &quot;more&quot; · failover · failed");
    says(&told, "<rect class=\"failed\"");
    says(&told, ">app</text>");
    says(&told, "</svg>\n");
    forget(&told);
}

/* One request each where the service takes no batches, else one for each full batch. */
static void test_floor(void **state)
{
    (void)state;
    struct told told;
    tell(&told, NULL, false);
    int64_t floor = report_calls_floor(told.report);
    int64_t most = 0, single = 0;
    for (uint32_t i = 0; i < told.report->graph->node_count; i++) {
        const struct action_info *info = action_info(told.report->graph->nodes[i].action);
        most += info->provider == PROVIDER_AWS;
        single += info->provider == PROVIDER_AWS && info->batch_max <= 1;
    }
    assert_true(floor > single && floor < most);
    told.report->nodes[0].state = NODE_BLOCKED; /* what was not done takes no request */
    assert_true(report_calls_floor(told.report) < floor);
    forget(&told);
}

/* Stopped before there was a graph: told, with what to do. */
static void test_no_graph(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, maker_graph(arena, 0), 1);
    struct error error = {0};
    assert_null(report_load(arena, bench.journal, NULL, &error));
    assert_non_null(strstr(error.message, "before it had compiled"));
    assert_non_null(error.help);
    error_clear(&error);
    bench_close(&bench);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success),  cmocka_unit_test(test_failure),
        cmocka_unit_test(test_resumed),  cmocka_unit_test(test_json),
        cmocka_unit_test(test_markdown),
        cmocka_unit_test(test_svg),
        cmocka_unit_test(test_floor), cmocka_unit_test(test_no_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
