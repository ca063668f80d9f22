/* What many runs say together, from samples made by hand.
 * Covers: runtime/simulation/forecast_advice.c runtime/simulation/forecast_json.c
 * runtime/simulation/forecast_markdown.c runtime/simulation/forecast_text.c */
#include "runtime/simulation/forecast.h"

#include "tests/unit/support/cmocka_all.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/emit/text.h"
#include "tests/unit/support/graph_maker.h"

enum { RUNS = 20, INJECT = 0, WAIT_INJECTED, ATTACH, RUN, DB_BACK, APP_BACK };

struct fixture {
    struct arena *arena;
    struct graph *graph;
    struct plan plan;
    struct scenario scenario;
    struct sample *samples[RUNS];
    struct buffer text;
};

static int make(void **state)
{
    struct arena *arena = arena_create();
    struct fixture *f = ARENA_NEW(arena, struct fixture);
    f->arena = arena;
    f->graph = maker_graph(arena, 8);
    maker_vm(f->graph, "db", true);
    maker_vm(f->graph, "app", true);
    int32_t pool = maker_pool(f->graph, "conversion/i-1", 1);
    uint32_t inject = maker_node(f->graph, "db/disk-0/inject", ACTION_INJECT, 1000);
    uint32_t wait = maker_node(f->graph, "db/disk-0/wait-injected", ACTION_WAIT_INJECTED, 60000);
    maker_output(f->graph, wait, "command_id", inject, "command_id");
    maker_edge(f->graph, inject, wait);
    uint32_t attach = maker_node(f->graph, "app/attach-volume", ACTION_ATTACH_VOLUME, 1000);
    f->graph->nodes[attach].acquire = pool;
    maker_node(f->graph, "app/run-instance", ACTION_RUN_INSTANCE, 3000);
    maker_node(f->graph, "db/recovered", ACTION_RECOVERED, 0);
    maker_node(f->graph, "app/recovered", ACTION_RECOVERED, 0);
    f->plan.objectives.rto.ms = 150000;
    f->scenario = (struct scenario){
        .plan = &f->plan, .profile = fault_profile_by_name("usual"), .outage_ms = -1};
    *state = f;
    return 0;
}

static int take_apart(void **state)
{
    struct fixture *f = *state;
    buffer_free(&f->text);
    arena_destroy(f->arena);
    return 0;
}

/* Run n takes 100 + 3 n seconds: an injection of 60 s, the rest a place that has to get free. */
static void fill(struct fixture *f)
{
    for (int n = 0; n < RUNS; n++) {
        struct sample *sample = f->samples[n] = ARENA_NEW(f->arena, struct sample);
        int64_t rto_ms = 100000 + 3000 * n;
        *sample = (struct sample){
            .seed = 40 + (uint64_t)n, .succeeded = true, .rto_ms = rto_ms, .vm_count = 2};
        sample->recovered_ms = ARENA_ARRAY(f->arena, int64_t, 2);
        sample->recovered_ms[0] = rto_ms / 2;
        sample->recovered_ms[1] = rto_ms;
        sample->pieces = ARENA_ARRAY(f->arena, struct sample_piece, 3);
        sample->pieces[0] = (struct sample_piece){INJECT, PIECE_WORK, 1000};
        sample->pieces[1] = (struct sample_piece){WAIT_INJECTED, PIECE_WORK, 59000};
        sample->pieces[2] = (struct sample_piece){ATTACH, PIECE_POOL, rto_ms - 60000};
        sample->piece_count = 3;
        sample->requests = 100 + n;
    }
}

static void fail_run(struct fixture *f, int n, const char *code, const char *text)
{
    struct sample *sample = f->samples[n];
    sample->succeeded = false;
    sample->rto_ms = sample->recovered_ms[1] = -1;
    sample->piece_count = 0;
    sample->causes = ARENA_ARRAY(f->arena, struct sample_cause, 1);
    sample->causes[0] = (struct sample_cause){RUN, code, text};
    sample->cause_count = 1;
}

static struct forecast *forecast(struct fixture *f)
{
    struct forecast_input input = {
        .graph = f->graph,
        .schedule = estimate(f->arena, f->graph, NULL, true),
        .scenario = &f->scenario,
        .first_seed = 40,
        .samples = f->samples,
        .asked = RUNS,
    };
    return forecast_make(f->arena, &input);
}

static void says(const struct fixture *f, const char *text)
{
    if (!strstr(buffer_text(&f->text), text)) {
        fail_msg("\"%s\" is not in:\n%s", text, buffer_text(&f->text));
    }
}

static void test_spreads(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct forecast *told = forecast(f);
    assert_int_equal(told->runs, RUNS);
    assert_int_equal(told->recovered, RUNS);
    assert_int_equal(told->within, 17); /* 100 s to 148 s */
    assert_int_equal(told->rto.p50_ms, 127000);
    assert_int_equal(told->rto.p95_ms, 154000);
    assert_int_equal(told->rto.p99_ms, 157000);
    assert_int_equal(told->vms[0].spread.p95_ms, 77000);
    assert_int_equal(told->slow->seed, 58);
    assert_int_equal(told->requests, 109);
}

static void test_what_binds(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct forecast *told = forecast(f);
    assert_int_equal(told->binding_count, 2); /* an action and its wait are one */
    assert_string_equal(told->bindings[0].what, "a place at conversion/i-1");
    assert_int_equal(told->bindings[0].p95_ms, 94000);
    assert_string_equal(told->bindings[1].what, "db inject");
    assert_int_equal(told->bindings[1].runs, RUNS);
    assert_int_equal(told->bindings[1].median_ms, 60000);
    assert_int_equal(told->bindings[0].p95_ms + told->bindings[1].p95_ms, told->rto.p95_ms);
    /* Less than a second is not what binds a run. */
    f->samples[3]->pieces[2].ms = 999;
    told = forecast(f);
    assert_int_equal(told->bindings[0].runs, RUNS - 1);
}

/* Of many VMs it is told what they do, not which one of them did. */
static void test_many_vms(void **state)
{
    struct fixture *f = *state;
    f->graph = maker_graph(f->arena, 32);
    f->graph->workflow = WORKFLOW_FAILOVER;
    for (int i = 0; i < 13; i++) {
        maker_vm(f->graph, arena_printf(f->arena, "vm%d", i), true);
    }
    uint32_t first = maker_node(f->graph, "vm0/run-instance", ACTION_RUN_INSTANCE, 1000);
    uint32_t second = maker_node(f->graph, "vm1/run-instance", ACTION_RUN_INSTANCE, 1000);
    for (int n = 0; n < RUNS; n++) {
        struct sample *sample = f->samples[n] = ARENA_NEW(f->arena, struct sample);
        *sample = (struct sample){.succeeded = true, .rto_ms = 70000, .vm_count = 13};
        sample->recovered_ms = ARENA_ARRAY(f->arena, int64_t, 13);
        sample->pieces = ARENA_ARRAY(f->arena, struct sample_piece, 1);
        sample->pieces[0] = (struct sample_piece){n % 2 ? first : second, PIECE_WORK, 70000};
        sample->piece_count = 1;
    }
    struct forecast *told = forecast(f);
    assert_int_equal(told->binding_count, 1);
    assert_string_equal(told->bindings[0].what, "run-instance of a VM");
    assert_int_equal(told->bindings[0].runs, RUNS);
    assert_int_equal(told->bindings[0].vm, NO_VM);
    forecast_write_text(told, 100, false, &f->text);
    says(f, "… and 1 VM that is back earlier");
}

static void test_what_helps(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct forecast *told = forecast(f);
    assert_int_equal(told->suggestion_count, 1); /* no pool of the graph injects: nothing gained */
    assert_non_null(strstr(told->suggestions[0], "conversion.instances"));
    for (int n = 0; n < RUNS; n++) {
        f->samples[n]->pieces[2].kind = PIECE_LIMIT;
    }
    told = forecast(f);
    assert_string_equal(told->bindings[0].what, "ec2:AttachVolume rate limit");
    assert_non_null(strstr(told->suggestions[0], "request rate for ec2:AttachVolume"));
    for (int n = 0; n < RUNS; n++) {
        f->samples[n]->pieces[2].kind = PIECE_AWAY;
    }
    told = forecast(f);
    assert_string_equal(told->bindings[0].what, "no runner at work");
    assert_non_null(strstr(told->suggestions[0], "second runner"));
}

static void test_failures(void **state)
{
    struct fixture *f = *state;
    fill(f);
    fail_run(f, 2, "InsufficientInstanceCapacity", "no r6i.xlarge for i-1");
    fail_run(f, 5, "InsufficientInstanceCapacity", "no r6i.xlarge for i-2");
    fail_run(f, 7, "InternalError", "sorry");
    struct forecast *told = forecast(f);
    assert_int_equal(told->failed, 3);
    assert_int_equal(told->recovered, 17);
    assert_int_equal(told->rto.p95_ms, -1); /* more than one in twenty never got there */
    assert_int_equal(told->vms[0].recovered, RUNS);
    assert_int_equal(told->slow->seed, 59); /* the slowest of those that did */
    assert_int_equal(told->cause_count, 2);
    assert_int_equal(told->causes[0].runs, 2); /* texts differ, node and code do not */
    assert_int_equal(told->causes[0].seeds[1], 45);
    assert_string_equal(told->causes[0].node->id, "app/run-instance");
    struct sample_cause late = {WAIT_INJECTED, NULL, "did not hold within 15m"};
    f->samples[7]->causes = &late;
    struct forecast *slow = forecast(f);
    const char *last = slow->suggestions[slow->suggestion_count - 1];
    assert_non_null(strstr(last, "more time in vms.db.timeouts.inject"));
    forecast_write_text(told, 80, false, &f->text);
    says(f, "3 runs failed");
    says(f, "never");
    says(f, "why runs fail\n      2  app/run-instance: InsufficientInstanceCapacity");
    says(f, "(seeds 42, 45)");
    says(f, "vms.app.instance_type");
    for (const char *line = f->text.data; *line;) {
        size_t length = strcspn(line, "\n");
        char *copy = arena_strndup(f->arena, line, length);
        assert_in_range(text_columns(copy), 0, 80);
        line += length + (line[length] == '\n');
    }
}

static void test_text(void **state)
{
    struct fixture *f = *state;
    fill(f);
    f->scenario.outage_ms = 900000;
    forecast_write_text(forecast(f), 100, false, &f->text);
    says(f, "shop · failover · 2 VMs · 6 actions · 20 runs from seed 40 · faults: usual");
    says(f, "runner killed, back\n  after 15m\n");
    says(f, "RTO objective 2m 30s: held in 17 of 20 runs (p95 is 4s too long)");
    says(f, "  db inject");
    says(f, "too late\n");
    says(f, "20 of 20        1m        1m\n");
    assert_null(strstr(f->text.data, "\033"));
    forecast_write_text(forecast(f), 100, true, &f->text);
    says(f, "\033[1;31mheld in 17 of 20 runs\033[0m");
}

static void test_interrupted(void **state)
{
    struct fixture *f = *state;
    fill(f);
    for (int n = 4; n < RUNS; n++) {
        f->samples[n] = NULL;
    }
    struct forecast *told = forecast(f);
    assert_int_equal(told->runs, 4);
    assert_int_equal(told->rto.worst_ms, 109000);
    forecast_write_text(told, 100, false, &f->text);
    says(f, "interrupted: 4 of 20 runs were made");
    memset(f->samples, 0, sizeof f->samples);
    buffer_clear(&f->text);
    told = forecast(f);
    forecast_write_text(told, 100, false, &f->text);
    forecast_write_json(told, &f->text);
    forecast_write_markdown(told, &f->text);
    says(f, "interrupted: 0 of 20 runs were made");
}

static void test_json(void **state)
{
    struct fixture *f = *state;
    fill(f);
    fail_run(f, 5, NULL, "a \"quoted\" text");
    forecast_write_json(forecast(f), &f->text);
    cJSON *json = cJSON_Parse(f->text.data);
    assert_non_null(json);
    const cJSON *rto = cJSON_GetObjectItem(json, "rto");
    assert_int_equal(cJSON_GetObjectItem(rto, "p50_ms")->valuedouble, 130000);
    assert_int_equal(cJSON_GetObjectItem(rto, "recovered")->valuedouble, 19);
    assert_null(cJSON_GetObjectItem(rto, "worst_ms")); /* never */
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "samples")), RUNS);
    const cJSON *cause = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "causes"), 0);
    assert_null(cJSON_GetObjectItem(cause, "code"));
    assert_string_equal(cJSON_GetObjectItem(cause, "message")->valuestring, "a \"quoted\" text");
    int64_t binned = 0;
    const cJSON *bin;
    cJSON_ArrayForEach(bin, cJSON_GetObjectItem(rto, "histogram"))
    {
        binned += (int64_t)cJSON_GetObjectItem(bin, "runs")->valuedouble;
    }
    assert_int_equal(binned, 19);
    cJSON_Delete(json);
}

static void test_markdown(void **state)
{
    struct fixture *f = *state;
    fill(f);
    fail_run(f, 5, "Bad|Code", "a | b");
    forecast_write_markdown(forecast(f), &f->text);
    says(f, "### drc: shop · failover — simulated RTO p95 2m 37s of 2m 30s\n");
    says(f, "⚠ objective held in 16 of 20 runs, **1 failed** (seed 40, faults: usual)");
    says(f, "| RTO | 2m 10s | 2m 37s | not reached | not reached |");
    says(f, "| app/run-instance: Bad\\|Code: a \\| b | 1 |");
    says(f, "<details><summary>What binds it</summary>");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make, take_apart)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_spreads),     TEST(test_many_vms), TEST(test_what_binds),
        TEST(test_what_helps),  TEST(test_failures), TEST(test_text),
        TEST(test_interrupted), TEST(test_json),     TEST(test_markdown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
