#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/text.h"
#include "runtime/cli/progress_screen.h"
#include "runtime/cli/progress_state.h"
#include "tests/unit/support/small_run.h"

struct fixture {
    struct small_run run;
    struct progress_state *state;
    struct buffer out;
    struct executor_counters counters;
    struct screen screen;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    small_run_fill(&f->run);
    f->state = progress_state_create(&f->run.graph, &f->run.schedule);
    f->counters = (struct executor_counters){.requests = 61, .throttled = 2};
    f->screen = (struct screen){.width = 100, .rows = 24, .counters = &f->counters};
    progress_state_take(f->state, &(struct executor_event){.type = EVENT_RUN_STARTED}, 5000);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    progress_state_destroy(f->state);
    buffer_free(&f->out);
    free(f);
    return 0;
}

static void happen(struct fixture *f, enum executor_event_type type, uint32_t node, int64_t at_ms,
                   const char *detail)
{
    struct executor_event event = small_run_event(&f->run, type, node, at_ms, detail);
    progress_state_take(f->state, &event, 5000 + at_ms);
}

static void carry_out(struct fixture *f, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last; i++) {
        happen(f, EVENT_NODE_STARTED, i, i * 10000, NULL);
        happen(f, EVENT_NODE_DONE, i, i * 10000 + 10000, NULL);
    }
}

static const char *draw(struct fixture *f, int64_t now_ms)
{
    buffer_clear(&f->out);
    f->screen.alive_ms = progress_state_alive(f->state, 5000 + now_ms);
    int lines = progress_screen_draw(f->state, &f->screen, &f->out);
    for (const char *at = f->out.data; (at = strchr(at, '\n')); at++) {
        lines--;
    }
    assert_int_equal(lines, 0);
    return f->out.data;
}

static void in_the_middle(void **state)
{
    struct fixture *f = *state;
    carry_out(f, DB_VOLUME, APP_START);
    happen(f, EVENT_NODE_STARTED, APP_READY, 60000, NULL);
    happen(f, EVENT_NODE_DETAIL, APP_READY, 60000, "http :8080/healthz answers 503");
    f->screen.width = 90;
    assert_string_equal(
        draw(f, 75000),
        "shop · failover · 01:15 of about 01:40 ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╸───────────\n"
        "  ✓ db   recovered    0:40\n"
        "  ▸ app  ready?       0:15   http :8080/healthz answers 503 (4:45 left)\n"
        "  · web                      waits for app\n"
        "  6 of 10 actions · 61 calls · throttled 2 times · critical path: app ready? → …\n");
}

static void transfers(void **state)
{
    struct fixture *f = *state;
    f->run.nodes[DB_VOLUME].action = f->run.nodes[DB_START].action = ACTION_PUT_BLOCKS;
    happen(f, EVENT_NODE_STARTED, DB_VOLUME, 0, NULL);
    f->run.statuses[DB_VOLUME].done_bytes = 50;
    f->run.statuses[DB_VOLUME].total_bytes = 100;
    happen(f, EVENT_NODE_PROGRESS, DB_VOLUME, 5000, "1.0 GiB of 2.0 GiB, 200 MiB/s");
    assert_non_null(strstr(draw(f, 5000), "  ▸ db   copying      0:05   ━━━━━━╸───── 50% "
                                          "1.0 GiB of 2.0 GiB, 200 MiB/s\n"));
    happen(f, EVENT_NODE_PROGRESS, DB_VOLUME, 5000, "1.0 GiB of 2.0 GiB, 200 MiB/s, 1m 12s left");
    f->screen.width = 80; /* the bar makes room for what is left */
    assert_non_null(strstr(draw(f, 5000), "0:05   50% 1.0 GiB of 2.0 GiB, 200 MiB/s, 1m 12s left\n"));
    f->screen.width = 84;
    assert_non_null(strstr(draw(f, 5000), "0:05   ━━━╸─── 50% 1.0 GiB of 2.0 GiB, 200 MiB/s, 1m 12s left\n"));
    f->screen.width = 100;
    happen(f, EVENT_NODE_STARTED, DB_START, 6000, NULL);
    f->run.statuses[DB_START].total_bytes = 300;
    happen(f, EVENT_NODE_PROGRESS, DB_START, 7000, "0 MiB of 3.0 GiB");
    assert_non_null(strstr(draw(f, 7000), "━╸────────── 12% of 2 disks\n"));
    happen(f, EVENT_NODE_DONE, DB_VOLUME, 8000, NULL);
    assert_non_null(strstr(draw(f, 8000), "──────────── 0% 0 MiB of 3.0 GiB\n"));
}

static void at_the_beginning_and_the_end(void **state)
{
    struct fixture *f = *state;
    f->screen.counters = NULL;
    happen(f, EVENT_NODE_STARTED, DB_VOLUME, 0, NULL);
    const char *text = draw(f, 0);
    assert_non_null(strstr(text, "shop · failover · 00:00 of about 01:40 ───"));
    assert_non_null(strstr(text, "  ▸ db   volumes      0:00\n"));
    assert_non_null(strstr(text, "  · app\n"));
    carry_out(f, DB_VOLUME, WEB_RECOVERED);
    progress_state_take(f->state, &(struct executor_event){.type = EVENT_RUN_ENDED}, 5000 + 101000);
    text = draw(f, 999000); /* the clock stands still */
    assert_non_null(strstr(text, "01:41 of about 01:40 ━━━"));
    assert_null(strstr(text, "─"));
    assert_non_null(strstr(text, "  ✓ web  recovered    1:40\n"));
    assert_non_null(strstr(text, "  10 of 10 actions\n"));
}

/* In a cleanup nothing is recovered: a VM is done when all of its actions are. */
static void lanes_without_a_milestone_end_too(void **state)
{
    struct fixture *f = *state;
    f->run.nodes[DB_RECOVERED].action = ACTION_TERMINATE_INSTANCE;
    carry_out(f, DB_VOLUME, DB_RECOVERED);
    assert_non_null(strstr(draw(f, 50000), "  ✓ db   done "));
}

static void prepared_ones_wait(void **state)
{
    struct fixture *f = *state;
    carry_out(f, APP_VOLUME, APP_VOLUME);
    assert_non_null(strstr(draw(f, 50000), "  · app  prepared            waits for db\n"));
}

static void failures(void **state)
{
    struct fixture *f = *state;
    carry_out(f, DB_VOLUME, APP_START);
    happen(f, EVENT_NODE_STARTED, APP_READY, 60000, NULL);
    happen(f, EVENT_NODE_FAILED, APP_READY, 70000, "did not hold within 5m");
    happen(f, EVENT_VM_FAILED, APP_READY, 70000, NULL);
    f->run.statuses[APP_RECOVERED].cause = APP_READY;
    happen(f, EVENT_NODE_SKIPPED, APP_RECOVERED, 70000, NULL);
    f->run.statuses[WEB_START].cause = APP_READY;
    happen(f, EVENT_NODE_SKIPPED, WEB_START, 70000, NULL);
    happen(f, EVENT_VM_FAILED, WEB_START, 70000, NULL);
    const char *text = draw(f, 70000);
    assert_non_null(strstr(text, "  ✗ app  failed              did not hold within 5m\n"));
    assert_non_null(strstr(text, "  – web  skipped             depends on app\n"));
    assert_non_null(strstr(text, " · 1 failed · "));
}

static void colours_do_not_count(void **state)
{
    struct fixture *f = *state;
    happen(f, EVENT_NODE_STARTED, DB_VOLUME, 0, NULL);
    f->screen.colour = true;
    const char *text = draw(f, 10000);
    assert_non_null(strstr(text, "\033[36m▸\033[0m db"));
    assert_non_null(strstr(text, "\033[2m·\033[0m app"));
    assert_null(strstr(text, "─"));
}

/* Every line fits, whatever comes from outside. */
static void no_line_is_too_wide(void **state)
{
    struct fixture *f = *state;
    f->run.vms[0].name = "a-name-that-is-longer-than-anyone-would-like";
    f->state->lanes[0].name = f->run.vms[0].name;
    happen(f, EVENT_NODE_STARTED, APP_READY, 0,
           "全角文字全角文字全角文字全角文字\033["
           "2J\xff\xe2\x80\xae全角文字全角文字全角文字全角文字全角文字");
    for (int width = 20; width < 160; width++) {
        f->screen.width = width;
        char *copy = strdup(draw(f, 1000));
        assert_null(strchr(copy, '\033'));
        assert_null(strstr(copy, "\xe2\x80\xae"));
        for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n")) {
            assert_true(text_columns(line) < width);
        }
        free(copy);
    }
}

/* More VMs than rows: those that go on are shown, the rest is counted. */
static void more_vms_than_rows(void **state)
{
    (void)state;
    enum { VMS = 50 };
    struct graph_vm vms[VMS] = {{0}};
    struct graph_node nodes[VMS] = {{0}};
    char names[VMS][16];
    for (uint32_t i = 0; i < VMS; i++) {
        snprintf(names[i], sizeof names[i], "vm%u", i);
        vms[i].name = names[i];
        nodes[i] = (struct graph_node){.id = names[i],
                                       .action = ACTION_RECOVERED,
                                       .index = i,
                                       .vm = (int32_t)i,
                                       .guards = NO_NODE,
                                       .acquire = NO_POOL};
    }
    struct graph graph = {
        .plan_name = "many", .vms = vms, .vm_count = VMS, .nodes = nodes, .node_count = VMS};
    struct progress_state *progress = progress_state_create(&graph, NULL);
    for (uint32_t i = 0; i < 30; i++) {
        bool done = i < 28;
        struct node_status status = {.state = done ? NODE_DONE : NODE_RUNNING, .cause = NO_NODE};
        struct executor_event event = {.type = done ? EVENT_NODE_DONE : EVENT_NODE_STARTED,
                                       .node = &nodes[i],
                                       .status = &status};
        progress_state_take(progress, &event, 0);
    }
    struct buffer out = {0};
    struct screen screen = {.width = 80, .rows = 10};
    assert_int_equal(progress_screen_draw(progress, &screen, &out), 9);
    assert_non_null(strstr(out.data, "▸ vm28"));
    assert_non_null(strstr(out.data, "▸ vm29"));
    assert_non_null(strstr(out.data, "· vm30"));
    assert_null(strstr(out.data, "vm0"));
    assert_non_null(strstr(out.data, "    and 44 more: 16 waiting, 28 recovered\n"));
    buffer_clear(&out);
    screen.rows = 0;
    assert_int_equal(progress_screen_draw(progress, &screen, &out), 3);
    buffer_free(&out);
    progress_state_destroy(progress);
}

/* A resumed run begins where it was. */
static void time_goes_on_after_a_resume(void **state)
{
    (void)state;
    struct small_run run;
    small_run_fill(&run);
    struct progress_state *progress = progress_state_create(&run.graph, &run.schedule);
    assert_int_equal(progress_state_alive(progress, 77), 0);
    progress_state_take(progress, &(struct executor_event){.type = EVENT_RUN_RESUMED}, 1000);
    struct executor_event event = small_run_event(&run, EVENT_NODE_STARTED, APP_START, 50000, NULL);
    progress_state_take(progress, &event, 1010);
    assert_int_equal(progress_state_alive(progress, 1010), 50000);
    assert_int_equal(progress_state_alive(progress, 3010), 52000);
    progress_state_destroy(progress);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(in_the_middle),
        TEST(transfers),
        TEST(at_the_beginning_and_the_end),
        TEST(prepared_ones_wait),
        TEST(lanes_without_a_milestone_end_too),
        TEST(failures),
        TEST(colours_do_not_count),
        TEST(no_line_is_too_wide),
        cmocka_unit_test(more_vms_than_rows),
        cmocka_unit_test(time_goes_on_after_a_resume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
