/* Units and crontab lines of a schedule. That systemd takes them is held in
 * tests/e2e/test_schedule.py. Covers: schedule_cron.c schedule_systemd.c */
#include "runtime/cli/schedule.h"

#include <string.h>

#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/emitted.h"

enum { MINUTE = 60000, DAY = 1440 };

/* Every interval that a day is a whole number of, and no other: at its times, and at no others. */
static void exact_times(void **state)
{
    (void)state;
    struct schedule_time times[SCHEDULE_TIMES_MAX];
    for (int every = 1; every <= DAY + 10; every++) {
        size_t count = schedule_times((int64_t)every * MINUTE, times);
        if (DAY % every) {
            assert_int_equal(count, 0);
            continue;
        }
        bool runs[DAY] = {false};
        assert_true(count > 0 && count <= SCHEDULE_TIMES_MAX);
        for (size_t i = 0; i < count; i++) {
            for (int hour = times[i].hour; hour < 24; hour += times[i].step) {
                runs[hour * 60 + times[i].minute] = true;
            }
        }
        for (int at = 0; at < DAY; at++) {
            if (runs[at] != (at % every == 0)) {
                fail_msg("every %dm, at %d:%02d", every, at / 60, at % 60);
            }
        }
    }
    assert_int_equal(schedule_times(30000, times), 0);
    assert_int_equal(schedule_times(90000, times), 0);
}

static struct timetable table(int64_t every_ms)
{
    return (struct timetable){
        .plan = "shop",
        .plan_file = "/etc/drc/shop/plan.yaml",
        .drc = "/usr/bin/drc",
        .environment = "/etc/drc/shop.env",
        .jobs = {{.name = "replicate",
                  .title = "copies",
                  .every_ms = every_ms,
                  .words = {"plan", "apply", "/etc/drc/shop/plan.yaml", "replicate"},
                  .word_count = 4}},
        .job_count = 1,
    };
}

static bool collect(void *context, const char *name, const struct buffer *text, struct error *error)
{
    (void)error;
    buffer_printf(context, "[%s]\n%s", name, buffer_text(text));
    return true;
}

static void cron_is(int64_t every_ms, const char *const *lines)
{
    struct timetable schedule = table(every_ms);
    struct buffer out = {0};
    assert_true(schedule_cron(&schedule, collect, &out, NULL));
    const char *at = buffer_text(&out);
    size_t count = 0;
    for (; lines[count]; count++) {
        struct buffer line = {0};
        buffer_printf(&line, "\n%s * * * set -a;", lines[count]);
        at = strstr(at, buffer_text(&line));
        if (!at) {
            fail_msg("no %s in:\n%s", lines[count], buffer_text(&out));
        }
        buffer_free(&line);
    }
    assert_int_equal(occurrences(buffer_text(&out), " * * * set -a;"), (int)count);
    buffer_free(&out);
}

static void cron_says_what_it_can(void **state)
{
    (void)state;
    cron_is(MINUTE, (const char *const[]){"* *", NULL});
    cron_is(10 * MINUTE, (const char *const[]){"*/10 *", NULL});
    cron_is(60 * MINUTE, (const char *const[]){"0 *", NULL});
    cron_is(240 * MINUTE, (const char *const[]){"0 */4", NULL});
    cron_is(DAY * (int64_t)MINUTE, (const char *const[]){"0 0", NULL});
    cron_is(45 * MINUTE, (const char *const[]){"0 */3", "45 */3", "30 1-23/3", "15 2-23/3", NULL});
    cron_is(90 * MINUTE, (const char *const[]){"0 */3", "30 1-23/3", NULL});
    cron_is(720 * MINUTE, (const char *const[]){"0 */12", NULL});
}

static void cron_refuses(int64_t every_ms, const char *help)
{
    struct timetable schedule = table(every_ms);
    struct buffer out = {0};
    struct error error = {0};
    assert_false(schedule_cron(&schedule, collect, &out, &error));
    assert_contains(error.message, "cron cannot run replicate every");
    assert_contains(error.help, help);
    assert_string_equal(buffer_text(&out), "");
    error_clear(&error);
    buffer_free(&out);
}

static void cron_refuses_what_it_cannot(void **state)
{
    (void)state;
    cron_refuses(7 * MINUTE, "6m or 8m");
    cron_refuses(MINUTE + 30000, "1m or 2m");
    cron_refuses(50 * MINUTE, "48m or 1h");
    cron_refuses(30000, "at least 1m");
    cron_refuses(2 * DAY * (int64_t)MINUTE, "or 1d");
}

static void systemd_times(int64_t every_ms, const char *lines)
{
    struct timetable schedule = table(every_ms);
    struct buffer out = {0};
    assert_true(schedule_systemd(&schedule, collect, &out, NULL));
    assert_contains(buffer_text(&out), lines);
    buffer_free(&out);
}

static void systemd_says_them_all(void **state)
{
    (void)state;
    systemd_times(10 * MINUTE, "[Timer]\nOnCalendar=*-*-* *:00/10:00\nPersistent=true\n");
    systemd_times(60 * MINUTE, "[Timer]\nOnCalendar=*-*-* *:00:00\nPersistent=true\n");
    systemd_times(90 * MINUTE,
                  "OnCalendar=*-*-* 00/3:00:00\nOnCalendar=*-*-* 01/3:30:00\nPersistent");
    systemd_times(DAY * (int64_t)MINUTE, "OnCalendar=*-*-* 00:00:00\nPersistent=true\n");
    systemd_times(7 * MINUTE, "OnBootSec=1min\nOnActiveSec=0\nOnUnitActiveSec=420s\n");
    systemd_times(30000, "OnUnitActiveSec=30s\n");
    systemd_times(2 * DAY * (int64_t)MINUTE, "OnUnitActiveSec=172800s\n");
}

static void odd_paths(void **state)
{
    (void)state;
    struct timetable schedule = table(10 * MINUTE);
    struct buffer out = {0};
    schedule.jobs[0].words[2] = "/srv/our plans/50%/a'b\"$c/plan.yaml";
    schedule.jobs[0].writes[0] = "/srv/50% $x/backup dir";
    schedule.jobs[0].write_count = 1;
    assert_true(schedule_systemd(&schedule, collect, &out, NULL));
    assert_contains(buffer_text(&out),
                    "apply \"/srv/our plans/50%%/a'b\\\"$$c/plan.yaml\" replicate\n");
    assert_contains(buffer_text(&out), "ReadWritePaths=-\"/srv/50%% $x/backup dir\"\n");
    buffer_clear(&out);
    assert_true(schedule_cron(&schedule, collect, &out, NULL));
    assert_contains(buffer_text(&out),
                    "apply '/srv/our plans/50\\%/a'\\''b\"$c/plan.yaml' replicate");
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_times),
        cmocka_unit_test(cron_says_what_it_can),
        cmocka_unit_test(cron_refuses_what_it_cannot),
        cmocka_unit_test(systemd_says_them_all),
        cmocka_unit_test(odd_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
