/* How progress writes: in place, at its pace, and only there where a terminal is.
 * Covers: progress_line.c progress_state.c */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/cli/progress.h"
#include "runtime/world/simulated.h"
#include "tests/unit/support/small_run.h"

struct fixture {
    struct small_run run;
    struct world *world;
    char *text;
    size_t length;
    struct progress_options options;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    small_run_fill(&f->run);
    f->world = world_simulated_create(1, 0, (struct world_responder){0});
    world_simulated_set_environment(f->world, "COLUMNS", "60");
    world_simulated_set_environment(f->world, "NO_COLOR", "1");
    f->options = (struct progress_options){.out = open_memstream(&f->text, &f->length),
                                           .world = f->world,
                                           .graph = &f->run.graph,
                                           .schedule = &f->run.schedule};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(world_simulated_pending(f->world), 0);
    world_destroy(f->world);
    fclose(f->options.out);
    free(f->text);
    free(f);
    return 0;
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static void pass(struct world *world, int64_t ms)
{
    bool over = false;
    world_timer(world, ms, set_flag, &over);
    world_run(world, &over);
}

/* What was written since the last time. */
static const char *fresh(struct fixture *f)
{
    static size_t seen; /* of this test program alone */
    fflush(f->options.out);
    seen = f->length < seen ? 0 : seen;
    const char *text = f->text + seen;
    seen = f->length;
    return text;
}

static void happen(struct fixture *f, struct progress *progress, enum executor_event_type type,
                   uint32_t node)
{
    struct executor_event event =
        small_run_event(&f->run, type, node, world_monotonic_ms(f->world), NULL);
    progress_observe(progress, &event);
}

static void in_place(void **state)
{
    struct fixture *f = *state;
    f->options.style = PROGRESS_TERMINAL;
    fresh(f);
    struct progress *progress = progress_create(&f->options);
    assert_string_equal(fresh(f), ""); /* nothing before the run begins */
    progress_observe(progress, &(struct executor_event){.type = EVENT_RUN_STARTED});
    const char *text = fresh(f);
    assert_memory_equal(text, "\rshop · failover · 00:00 of about 01:40 ", 41);
    assert_non_null(strstr(text, "\033[K\n  · db\033[K\n"));
    assert_string_equal(text + strlen(text) - 4, "\n\033[J");
    happen(f, progress, EVENT_NODE_STARTED, DB_VOLUME); /* drawn with the next refresh */
    assert_string_equal(fresh(f), "");
    pass(f->world, 150);
    text = fresh(f);
    assert_memory_equal(text, "\r\033[5A", 5);
    assert_non_null(strstr(text, "▸ db  "));
    pass(f->world, 500); /* nothing has changed: nothing is written */
    assert_string_equal(fresh(f), "");
    pass(f->world, 1000);
    assert_non_null(strstr(fresh(f), "00:01 of about"));
    progress_observe(progress, &(struct executor_event){.type = EVENT_RUN_ENDED});
    progress_finish(progress);
}

static void makes_room(void **state)
{
    struct fixture *f = *state;
    f->options.style = PROGRESS_TERMINAL;
    struct progress *progress = progress_create(&f->options);
    progress_clear(progress); /* nothing is there */
    progress_observe(progress, &(struct executor_event){.type = EVENT_RUN_STARTED});
    fresh(f);
    progress_clear(progress);
    assert_string_equal(fresh(f), "\r\033[5A\033[J");
    progress_clear(progress);
    assert_string_equal(fresh(f), "");
    pass(f->world, 150);
    const char *text = fresh(f);
    assert_memory_equal(text, "\rshop", 5); /* back, below what was printed */
    progress_finish(progress);
}

static void follows_the_terminal(void **state)
{
    struct fixture *f = *state;
    f->options.style = PROGRESS_TERMINAL;
    struct progress *progress = progress_create(&f->options);
    progress_observe(progress, &(struct executor_event){.type = EVENT_RUN_STARTED});
    fresh(f);
    world_simulated_set_environment(f->world, "COLUMNS", "31");
    world_simulated_raise(f->world, SIGWINCH);
    pass(f->world, 1);
    /* The lines of the bar, of web (which waits) and of the status were broken in two. */
    assert_memory_equal(fresh(f), "\r\033[8Ashop", 9);
    pass(f->world, 2000);
    assert_memory_equal(fresh(f), "\r\033[5A", 5);
    progress_finish(progress);
}

static void refreshes_at_a_persons_pace(void **state)
{
    struct fixture *f = *state;
    f->options.style = PROGRESS_TERMINAL;
    f->options.speed = 100; /* ten seconds there are a tenth here */
    struct progress *progress = progress_create(&f->options);
    progress_observe(progress, &(struct executor_event){.type = EVENT_RUN_STARTED});
    fresh(f);
    pass(f->world, 9000);
    assert_string_equal(fresh(f), "");
    pass(f->world, 2000);
    assert_non_null(strstr(fresh(f), "00:10 of about"));
    progress_finish(progress);
}

static void plain_where_there_is_no_terminal(void **state)
{
    struct fixture *f = *state;
    world_simulated_set_environment(f->world, "TERM", "xterm");
    fresh(f);
    struct progress *progress = progress_create(&f->options);
    progress_observe(progress, &(struct executor_event){.type = EVENT_RUN_STARTED});
    happen(f, progress, EVENT_NODE_DONE, DB_RECOVERED);
    assert_string_equal(fresh(f),
                        "00:00:00 failover of shop: 10 actions for 3 VMs, predicted RTO 1m 40s\n"
                        "00:00:00 db recovered (0s, predicted 40s)\n");
    progress_clear(progress);
    progress_finish(progress);
    assert_string_equal(fresh(f), "");
    progress_finish(NULL);
}

static void colours(void **state)
{
    struct fixture *f = *state;
    world_simulated_set_environment(f->world, "NO_COLOR", NULL);
    world_simulated_set_environment(f->world, "CLICOLOR_FORCE", "1");
    struct progress *progress = progress_create(&f->options);
    fresh(f);
    happen(f, progress, EVENT_NODE_DONE, DB_RECOVERED);
    assert_non_null(strstr(fresh(f), "\033[32mrecovered"));
    progress_finish(progress);
    world_simulated_set_environment(f->world, "NO_COLOR", "1"); /* wins */
    progress = progress_create(&f->options);
    happen(f, progress, EVENT_NODE_DONE, DB_RECOVERED);
    assert_null(strchr(fresh(f), '\033'));
    progress_finish(progress);
}

/* One that is looked at late: what matters of what was, then where it stands, then as ever. */
static void late_to_a_run(void **state)
{
    struct fixture *f = *state;
    f->options.style = PROGRESS_PLAIN;
    struct progress *progress = progress_create(&f->options);
    static const struct executor_event began = {.type = EVENT_RUN_STARTED};
    progress_catch_up(progress, &began);
    struct executor_event events[] = {
        small_run_event(&f->run, EVENT_NODE_DONE, DB_VOLUME, 5000, NULL),
        small_run_event(&f->run, EVENT_NODE_DONE, DB_RECOVERED, 40000, NULL),
        small_run_event(&f->run, EVENT_NODE_STARTED, APP_START, 41000, NULL),
    };
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        progress_catch_up(progress, &events[i]);
    }
    progress_caught_up(progress, 70000);
    pass(f->world, 5000);
    struct executor_event next =
        small_run_event(&f->run, EVENT_NODE_FAILED, APP_START, 75000, "no room");
    progress_observe(progress, &next);
    fflush(f->options.out);
    assert_string_equal(f->text, "00:00:00 failover of shop: 10 actions for 3 VMs, predicted RTO 1m 40s\n"
                                 "00:00:40 db recovered (40s, predicted 40s)\n"
                                 "00:01:10 2 of 10 actions done; under way: app starting\n"
                                 "00:01:15 app start-instance failed: no room\n");
    progress_finish(progress);
}

/* A transfer tells each second; a log has a line in ten. */
static void transfers_in_a_log(void **state)
{
    struct fixture *f = *state;
    f->options.style = PROGRESS_PLAIN;
    f->run.nodes[DB_VOLUME].action = ACTION_PUT_BLOCKS;
    struct progress *progress = progress_create(&f->options);
    static const struct executor_event began = {.type = EVENT_RUN_STARTED};
    progress_observe(progress, &began);
    struct executor_event started =
        small_run_event(&f->run, EVENT_NODE_STARTED, DB_VOLUME, 0, NULL);
    progress_observe(progress, &started);
    fresh(f);
    for (int second = 1; second <= 45; second++) {
        pass(f->world, 1000);
        struct executor_event event =
            small_run_event(&f->run, EVENT_NODE_PROGRESS, DB_VOLUME, second * 1000, "some of it");
        progress_observe(progress, &event);
    }
    assert_string_equal(fresh(f), "00:00:10 db disk-0/create-volume: some of it\n"
                                  "00:00:20 db disk-0/create-volume: some of it\n"
                                  "00:00:30 db disk-0/create-volume: some of it\n"
                                  "00:00:40 db disk-0/create-volume: some of it\n");
    progress_finish(progress);
}

/* What had failed is taken up again by a resume: it is no failure any more. */
static void a_resume_in_the_middle(void **state)
{
    struct fixture *f = *state;
    f->options.style = PROGRESS_TERMINAL;
    struct progress *progress = progress_create(&f->options);
    struct executor_event failed = small_run_event(&f->run, EVENT_NODE_FAILED, DB_START, 5000, "no");
    struct executor_event vm = small_run_event(&f->run, EVENT_VM_FAILED, DB_START, 5000, NULL);
    struct executor_event ended = {.type = EVENT_RUN_ENDED}, resumed = {.type = EVENT_RUN_RESUMED};
    progress_catch_up(progress, &failed);
    progress_catch_up(progress, &vm);
    progress_catch_up(progress, &ended);
    progress_catch_up(progress, &resumed);
    progress_caught_up(progress, 6000);
    fflush(f->options.out);
    assert_null(strstr(f->text, "✗"));
    assert_non_null(strstr(f->text, "· db"));
    assert_non_null(strstr(f->text, "00:06"));
    progress_finish(progress);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(late_to_a_run),
        TEST(transfers_in_a_log),
        TEST(a_resume_in_the_middle),
        TEST(in_place),
        TEST(makes_room),
        TEST(follows_the_terminal),
        TEST(refreshes_at_a_persons_pace),
        TEST(plain_where_there_is_no_terminal),
        TEST(colours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
