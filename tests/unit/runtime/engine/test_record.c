/* Record: the journal's lines, to the byte, because resume.c and later versions read them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/engine/executor_state.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/graph_maker.h"

struct fixture {
    struct arena *arena;
    struct bench bench;
    struct executor *executor;
    struct buffer *group;
};

static int set_up(void **state)
{
    struct fixture *f = base_alloc(sizeof *f);
    f->arena = arena_create();
    struct graph *graph = maker_graph(f->arena, 2);
    maker_vm(graph, "db", true);
    maker_node(graph, "db/create-volume", ACTION_CREATE_VOLUME, 0);
    maker_node(graph, "db/attach-volume", ACTION_ATTACH_VOLUME, 0);
    bench_open(&f->bench, graph, 1);
    bench_begin(&f->bench);
    f->executor = f->bench.executor;
    f->group = journal_group(f->bench.journal);
    buffer_clear(f->group);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    buffer_clear(f->group);
    bench_close(&f->bench);
    arena_destroy(f->arena);
    free(f);
    return 0;
}

/* What was written since the last time. */
static void expect(struct fixture *f, const char *line)
{
    assert_string_equal(buffer_text(f->group), line);
    buffer_clear(f->group);
}

static void sessions_say_when_and_how_old(void **state)
{
    struct fixture *f = *state;
    record_session(f->executor);
    expect(f, "{\"r\":\"start\",\"at\":1763805600000,\"t\":0}\n");
    f->executor->resumed = true;
    f->executor->base_ms = 61000;
    record_session(f->executor);
    expect(f, "{\"r\":\"resume\",\"at\":1763805600000,\"t\":61000}\n");
    record_end(f->executor, "succeeded");
    expect(f, "{\"r\":\"end\",\"result\":\"succeeded\",\"t\":61000,\"at\":1763805600000}\n");
}

static void an_intent_has_all_that_a_repeat_needs(void **state)
{
    struct fixture *f = *state;
    struct node_run *run = &f->executor->nodes[1];
    run->status.generation = 2;
    run->status.choice = 1;
    run->status.attempts = 3;
    run->sent_utc_ms = 1000000000007;
    run->digest = 0x0123456789abcdefu;
    run->slot = -1;
    struct flight flight = {.node = 1, .token = "t0"};
    record_intent(f->executor, &flight);
    expect(f, "{\"r\":\"intent\",\"n\":1,\"g\":2,\"c\":1,\"a\":3,\"t\":0,\"at\":1000000000007,"
              "\"k\":\"t0\",\"d\":\"0123456789abcdef\"}\n");
    run->slot = 0; /* the first slot is one, too */
    record_intent(f->executor, &flight);
    expect(f, "{\"r\":\"intent\",\"n\":1,\"g\":2,\"c\":1,\"a\":3,\"t\":0,\"at\":1000000000007,"
              "\"s\":0,\"k\":\"t0\",\"d\":\"0123456789abcdef\"}\n");
}

static void ends_of_nodes(void **state)
{
    struct fixture *f = *state;
    struct node_run *run = &f->executor->nodes[0];
    record_wait(f->executor, 0);
    expect(f, "{\"r\":\"wait\",\"n\":0,\"t\":0}\n");
    record_done(f->executor, 0);
    expect(f, "{\"r\":\"done\",\"n\":0,\"t\":0}\n");
    struct call_output outputs[] = {{"volume_id", "vol-1"}, {"note", "a \"b\"\n"}};
    run->outputs = outputs;
    run->output_count = 2;
    record_done(f->executor, 0);
    expect(f, "{\"r\":\"done\",\"n\":0,\"t\":0,\"o\":{\"volume_id\":\"vol-1\","
              "\"note\":\"a \\\"b\\\"\\n\"}}\n");
    run->output_count = 0;
    f->executor->nodes[1].status.cause = 0;
    record_skipped(f->executor, 1);
    expect(f, "{\"r\":\"skip\",\"n\":1,\"t\":0,\"c\":0}\n");
    run->status.generation = 1;
    run->status.choice = 2;
    record_next(f->executor, 0, "next");
    expect(f, "{\"r\":\"next\",\"n\":0,\"t\":0,\"g\":1,\"c\":2}\n");
}

static void a_failure_says_what_is_known_of_it(void **state)
{
    struct fixture *f = *state;
    struct node_run *run = &f->executor->nodes[0];
    record_failed(f->executor, 0);
    expect(f, "{\"r\":\"fail\",\"n\":0,\"t\":0}\n");
    run->detail = base_strdup("no \"room\"");
    run->code = base_strdup("Full");
    run->in_doubt = run->forgiven = run->exhausted = true;
    record_failed(f->executor, 0);
    expect(f, "{\"r\":\"fail\",\"n\":0,\"t\":0,\"message\":\"no \\\"room\\\"\",\"code\":\"Full\","
              "\"doubt\":1,\"cont\":1,\"exhausted\":1}\n");
}

static void a_retry_says_when_and_a_wait_what_it_saw(void **state)
{
    struct fixture *f = *state;
    struct node_run *run = &f->executor->nodes[0];
    run->detail = base_strdup("slow down");
    run->code = base_strdup("RequestLimitExceeded");
    run->request_id = base_strdup("r-1");
    run->status.state = NODE_RETRYING;
    run->due_ms = world_monotonic_ms(f->bench.world) + 1500;
    record_retry(f->executor, 0, OUTCOME_THROTTLED);
    expect(f, "{\"r\":\"retry\",\"n\":0,\"t\":0,\"o\":\"throttled\",\"w\":1500,"
              "\"message\":\"slow down\",\"code\":\"RequestLimitExceeded\",\"request_id\":\"r-1\"}\n");
    run->status.state = NODE_RUNNING;
    record_retry(f->executor, 0, OUTCOME_RETRY); /* halved: at once, and not by a clock */
    assert_null(strstr(buffer_text(f->group), "\"w\""));
    buffer_clear(f->group);
    run->status.attempts = 12;
    record_seen(f->executor, 0);
    expect(f, "{\"r\":\"seen\",\"n\":0,\"t\":0,\"a\":12,\"message\":\"slow down\","
              "\"code\":\"RequestLimitExceeded\",\"request_id\":\"r-1\"}\n");
}

/* Digits by hand are digits by printf. */
static void numbers_of_every_size(void **state)
{
    struct fixture *f = *state;
    static const int64_t numbers[] = {0, 9, 10, -1, -10, 1234567890123, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        f->executor->counters.requests = numbers[i];
        record_tick(f->executor);
        expect(f, arena_printf(f->arena,
                               "{\"r\":\"tick\",\"t\":0,\"q\":%" PRId64
                               ",\"th\":0,\"re\":0,\"lo\":0}\n",
                               numbers[i]));
    }
}

static void texts_of_services_are_made_harmless(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"plain", "plain"},
        {"a\nb\x1b[31m\x7f", "a b [31m "},
        {"é … 漢 😀", "é … 漢 😀"},
        {"bad\xff\xc3", "bad??"},
        {"\xed\xa0\x80", "???"}, /* half a surrogate pair */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *clean = text_clean(cases[i][0]);
        assert_string_equal(clean, cases[i][1]);
        free(clean);
    }
    assert_null(text_clean(NULL));
}

/* Cut at DETAIL_MAX, also in the middle of a character: what is left is valid UTF-8. */
static void texts_of_services_are_cut(void **state)
{
    (void)state;
    for (int before = 0; before < 3; before++) {
        char text[DETAIL_MAX + 100];
        memset(text, 'x', (size_t)before);
        for (size_t i = (size_t)before; i + 3 < sizeof text; i += 3) {
            memcpy(text + i, "漢", 4);
        }
        char *clean = text_clean(text);
        size_t length = strlen(clean);
        assert_true(length <= DETAIL_MAX);
        assert_true(length > DETAIL_MAX - 3);
        char *again = text_clean(clean);
        assert_string_equal(again, clean);
        free(again);
        free(clean);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sessions_say_when_and_how_old),
        TEST(an_intent_has_all_that_a_repeat_needs),
        TEST(ends_of_nodes),
        TEST(a_failure_says_what_is_known_of_it),
        TEST(a_retry_says_when_and_a_wait_what_it_saw),
        TEST(numbers_of_every_size),
        cmocka_unit_test(texts_of_services_are_made_harmless),
        cmocka_unit_test(texts_of_services_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
