/* Judging the RPO, and telling it. Covers: rpo_text.c rpo_json.c rpo_prometheus.c exposition.c */
#include "runtime/report/rpo.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "runtime/world/world.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/emitted.h"

enum { MINUTE = 60000 };
#define NOW "2026-11-22T10:00:00Z"

struct fixture {
    struct rpo_vm vms[2];
    struct rpo_plan plan;
    struct rpo_report report;
};

/* Two VMs, copies of 09:50 made at 09:52, points of 09:55; an RPO of 30 minutes. */
static void begin(struct fixture *f)
{
    int64_t now = parse_time(NOW);
    static const char *const names[] = {"db", "web"};
    for (int i = 0; i < 2; i++) {
        f->vms[i] = (struct rpo_vm){
            .name = names[i],
            .point_utc_ms = now - 5 * MINUTE,
            .copy_point_utc_ms = now - 10 * MINUTE,
            .copied_utc_ms = now - 8 * MINUTE,
            .disks = 2,
            .flawed_point_utc_ms = -1,
        };
    }
    f->plan = (struct rpo_plan){
        .name = "shop",
        .file = "shop/plan.yaml",
        .region = "eu-west-1",
        .account = "111122223333",
        .objective_ms = 30 * MINUTE,
        .vms = f->vms,
        .vm_count = 2,
        .repository = "dir:backup",
        .backup.every_ms = 10 * MINUTE,
        .replicate.every_ms = 10 * MINUTE,
        .digest = "abc",
        .test.at_utc_ms = -1,
        .passed_utc_ms = -1,
    };
    f->report = (struct rpo_report){.plans = &f->plan, .plan_count = 1, .now_utc_ms = now};
}

static void copy_of(struct fixture *f, const char *time)
{
    f->vms[0].copy_point_utc_ms = time ? parse_time(time) : -1;
    f->vms[0].copied_utc_ms = f->vms[0].copy_point_utc_ms;
}

static void by_age(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    copy_of(&f, "2026-11-22T09:30:00Z"); /* as old as it may be */
    rpo_judge(&f.report);
    assert_int_equal(f.vms[0].state, RPO_MET);
    assert_int_equal(f.vms[0].loss_ms, 30 * MINUTE);
    assert_int_equal(f.report.state, RPO_MET);
    assert_false(rpo_is_bad(f.report.state));
    copy_of(&f, "2026-11-22T09:29:59Z");
    rpo_judge(&f.report);
    assert_int_equal(f.vms[0].state, RPO_MISSED);
    assert_int_equal(f.vms[0].missed_since_utc_ms, parse_time("2026-11-22T09:59:59Z"));
    assert_int_equal(f.vms[1].state, RPO_MET);
    assert_int_equal(f.report.state, RPO_MISSED);
    copy_of(&f, NULL);
    rpo_judge(&f.report);
    assert_int_equal(f.vms[0].state, RPO_NEVER);
    assert_true(rpo_is_bad(f.report.state));
}

static void clocks_that_differ(void **state)
{
    (void)state;
    struct fixture f;
    struct buffer out = {0};
    begin(&f);
    f.report.clock_ms = -12 * MINUTE;
    rpo_judge(&f.report);
    rpo_write_text(&f.report, 80, false, &out);
    assert_contains(buffer_text(&out), "this host's clock is 12m slow: ages are counted by AWS's");
    buffer_clear(&out);
    rpo_write_json(&f.report, &out);
    assert_contains(buffer_text(&out), "\"clock_ahead_ms\": -720000");
    buffer_free(&out);
    copy_of(&f, "2026-11-22T10:04:00Z");
    rpo_judge(&f.report);
    assert_int_equal(f.vms[0].state, RPO_MET);
    assert_int_equal(f.vms[0].loss_ms, 0);
    copy_of(&f, "2026-11-22T10:06:00Z");
    rpo_judge(&f.report);
    assert_int_equal(f.vms[0].state, RPO_UNKNOWN);
    assert_int_equal(f.vms[0].loss_ms, -1);
    assert_true(rpo_is_bad(f.report.state));
}

static void what_runs_at_the_recovery_site_misses_nothing(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    copy_of(&f, NULL);
    f.vms[0].place = PRODUCTION_RECOVERY;
    rpo_judge(&f.report);
    assert_int_equal(f.vms[0].state, RPO_AT_RECOVERY);
    assert_int_equal(f.report.state, RPO_MET);
    f.vms[1].place = PRODUCTION_RECOVERY;
    rpo_judge(&f.report);
    assert_int_equal(f.report.state, RPO_AT_RECOVERY);
    f.plan.run = "7k2f0a1b";
    f.plan.run_status = "succeeded";
    f.plan.run_started_utc_ms = f.plan.run_ended_utc_ms = f.report.now_utc_ms - 60 * MINUTE;
    rpo_judge(&f.report); /* nothing to copy or to back up: nothing is late */
    assert_int_equal(f.plan.replicate.next_utc_ms, -1);
    assert_int_equal(f.plan.backup.next_utc_ms, -1);
    struct buffer out = {0};
    rpo_write_text(&f.report, 100, false, &out);
    assert_non_null(strstr(buffer_text(&out), "none is due while every VM runs at the recovery site"));
    assert_null(strstr(buffer_text(&out), "was due"));
    assert_null(strstr(buffer_text(&out), "does not hold every VM"));
    buffer_free(&out);
    assert_false(rpo_is_bad(f.report.state));
}

static void when_the_next_is_due(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.vms[0].copied_utc_ms = parse_time("2026-11-22T09:45:00Z"); /* furthest behind */
    rpo_judge(&f.report);
    assert_int_equal(f.plan.replicate.next_utc_ms, parse_time("2026-11-22T09:55:00Z"));
    assert_int_equal(f.plan.backup.next_utc_ms, parse_time("2026-11-22T10:05:00Z"));
    f.plan.run = "7k2f"; /* a run that had nothing to copy */
    f.plan.run_started_utc_ms = parse_time("2026-11-22T09:58:00Z");
    f.vms[1].point_utc_ms = -1;
    rpo_judge(&f.report);
    assert_int_equal(f.plan.replicate.next_utc_ms, parse_time("2026-11-22T10:08:00Z"));
    assert_int_equal(f.plan.backup.next_utc_ms, -1);
    f.plan.replicate.every_ms = 0;
    rpo_judge(&f.report);
    assert_int_equal(f.plan.replicate.next_utc_ms, -1);
}

static const char *text_of(struct fixture *f, bool colour, struct buffer *out)
{
    rpo_judge(&f->report);
    buffer_clear(out);
    rpo_write_text(&f->report, 80, colour, out);
    return buffer_text(out);
}

static void as_text(void **state)
{
    (void)state;
    struct fixture f;
    struct buffer out = {0};
    begin(&f);
    f.plan.run = "7k2f";
    f.plan.run_status = "succeeded";
    f.plan.run_started_utc_ms = parse_time("2026-11-22T09:51:00Z");
    f.plan.run_ended_utc_ms = parse_time("2026-11-22T09:54:00Z");
    assert_string_equal(
        text_of(&f, false, &out),
        "shop · eu-west-1 · RPO of 30m met by all 2 VMs\n"
        "\n"
        "  VM   RPO  loss now  DR copy of            made    repository\n"
        "  db   met  10m       2026-11-22 09:50 UTC  8m ago  5m old\n"
        "  web  met  10m       2026-11-22 09:50 UTC  8m ago  5m old\n"
        "\n"
        "  replicate every 10m: run 7k2f succeeded, ended 6m ago; the next by 10:02 UTC\n"
        "  backup every 10m: every VM has a recovery point no older than 5m; the next by\n"
                        "    10:05 UTC\n");
    assert_lacks(buffer_text(&out), "\033");
    assert_contains(text_of(&f, true, &out), "\033[1;32mmet\033[0m");
    buffer_free(&out);
}

static void misses_are_explained(void **state)
{
    (void)state;
    struct fixture f;
    struct buffer out = {0};
    begin(&f);
    copy_of(&f, "2026-11-22T09:20:00Z");
    f.vms[0].flaw = "lacks a copy of disk 1 of 2";
    f.vms[0].flawed_point_utc_ms = parse_time("2026-11-22T09:40:00Z");
    f.vms[1].copy_point_utc_ms = f.vms[1].copied_utc_ms = f.vms[1].point_utc_ms = -1;
    const char *stranger = "old\033[2J";
    f.plan.strangers = &stranger;
    f.plan.stranger_count = 1;
    const char *text = text_of(&f, false, &out);
    assert_contains(text, "RPO of 30m not met by 2 of 2 VMs");
    assert_contains(text, "MISSED  40m ");
    assert_contains(text, "NEVER   all ");
    assert_contains(text, "db: missed since 09:50 UTC (10m)");
    assert_contains(text, "the newer copy of 09:40 UTC cannot be used (yet): it lacks");
    assert_contains(text, "web: no DR copy can be used: there is none");
    assert_contains(text, "newer recovery points wait to be copied (db): drc plan apply");
    assert_contains(text, "dir:backup has nothing newer (web): the backup is late");
    assert_contains(text, "does not name: old?[2J"); /* harmless for a terminal */
    f.plan.repository_problem = "permission denied";
    text = text_of(&f, false, &out);
    assert_contains(text, "what dir:backup holds is not known: permission denied");
    assert_lacks(text, "help:");
    f.plan.repository_help = "drc repo import makes one";
    assert_contains(text_of(&f, false, &out), "help: drc repo import makes one");
    assert_lacks(text, "the backup is late");
    buffer_free(&out);
}

/* Tests that are due are told, and do not make the RPO worse. */
static void tests_beside_it(void **state)
{
    (void)state;
    struct fixture f;
    struct buffer out = {0};
    begin(&f);
    assert_lacks(text_of(&f, false, &out), "test");
    f.plan.test_every_ms = 24 * 60 * MINUTE;
    assert_contains(text_of(&f, false, &out),
                    "test every 1d: no test of it is known: drc plan apply shop/plan.yaml test");
    assert_int_equal(f.report.state, RPO_MET);
    buffer_clear(&out);
    rpo_write_prometheus(&f.report, &out);
    assert_contains(buffer_text(&out), "drc_test_in_time{plan=\"shop\"} 0\n");
    assert_contains(buffer_text(&out), "drc_test_objective_seconds{plan=\"shop\"} 86400\n");
    assert_lacks(buffer_text(&out), "drc_test_passed");
    f.plan.test = (struct last_test){f.report.now_utc_ms - 60 * MINUTE, "abc", true};
    f.plan.test_run = "7k2f";
    f.plan.passed_utc_ms = f.plan.test.at_utc_ms;
    assert_contains(text_of(&f, false, &out), "test every 1d: its last test passed 1h ago");
    assert_lacks(buffer_text(&out), "drc plan apply");
    buffer_clear(&out);
    rpo_write_prometheus(&f.report, &out);
    assert_contains(buffer_text(&out), "drc_test_in_time{plan=\"shop\"} 1\n");
    assert_contains(buffer_text(&out), "drc_test_passed_timestamp_seconds{plan=\"shop\"} 1795338000\n");
    buffer_clear(&out);
    rpo_write_json(&f.report, &out);
    assert_contains(buffer_text(&out), "\"passed\": \"2026-11-22T09:00:00Z\"");
    assert_contains(buffer_text(&out), "\"state\": \"in time\"");
    f.plan.state_problem = "permission denied"; /* then it is not known */
    assert_lacks(text_of(&f, false, &out), "test every");
    buffer_clear(&out);
    rpo_write_prometheus(&f.report, &out);
    assert_lacks(buffer_text(&out), "drc_test_in_time");
    buffer_free(&out);
}

static void several_plans_and_one_that_is_not_known(void **state)
{
    (void)state;
    struct fixture f;
    struct buffer out = {0};
    begin(&f);
    struct rpo_plan plans[2] = {f.plan,
                                {.name = "erp", .region = "eu-west-2", .problem = "timed out"}};
    struct rpo_report report = {.plans = plans, .plan_count = 2, .now_utc_ms = parse_time(NOW)};
    rpo_judge(&report);
    rpo_write_text(&report, 80, false, &out);
    assert_contains(buffer_text(&out), "erp · eu-west-2 · not known: timed out\n");
    assert_contains(buffer_text(&out), "2 plans: the RPO is not met by erp\n");
    buffer_clear(&out);
    rpo_write_prometheus(&report, &out);
    assert_contains(buffer_text(&out), "drc_rpo_up{plan=\"erp\"} 0\n");
    assert_contains(buffer_text(&out), "drc_rpo_up{plan=\"shop\"} 1\n");
    assert_lacks(buffer_text(&out), "{plan=\"erp\",");
    buffer_free(&out);
}

static void as_metrics(void **state)
{
    (void)state;
    struct fixture f;
    struct buffer out = {0};
    begin(&f);
    copy_of(&f, "2026-11-22T09:20:00Z");
    f.vms[1].place = PRODUCTION_RECOVERY;
    rpo_judge(&f.report);
    rpo_write_prometheus(&f.report, &out);
    const char *text = buffer_text(&out);
    assert_contains(text, "drc_rpo_objective_seconds{plan=\"shop\"} 1800\n");
    assert_contains(text, "drc_rpo_met{plan=\"shop\",vm=\"db\"} 0\n");
    assert_lacks(text, "drc_rpo_met{plan=\"shop\",vm=\"web\"}");
    assert_contains(text, "drc_vm_at_recovery_site{plan=\"shop\",vm=\"web\"} 1\n");
    assert_contains(text, "drc_rpo_loss_seconds{plan=\"shop\",vm=\"db\"} 2400\n");
    assert_contains(text, "drc_recovery_point_age_seconds{plan=\"shop\",vm=\"db\"} 300\n");
    assert_int_equal(occurrences(text, "# TYPE drc_dr_copy_age_seconds gauge\n"), 1);
    buffer_free(&out);
}

static void as_json(void **state)
{
    (void)state;
    struct fixture f;
    struct buffer out = {0};
    begin(&f);
    copy_of(&f, "2026-11-22T09:20:00Z");
    f.vms[1].point_utc_ms = -1;
    f.plan.repository_problem = "gone";
    rpo_judge(&f.report);
    rpo_write_json(&f.report, &out);
    const char *text = buffer_text(&out);
    assert_contains(text, "\"state\": \"missed\"");
    assert_contains(text, "\"missed_since\": \"2026-11-22T09:50:00Z\"");
    assert_contains(text, "\"problem\": \"gone\"");
    assert_int_equal(occurrences(text, "\"recovery_point\": {"), 1);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_age),
        cmocka_unit_test(clocks_that_differ),
        cmocka_unit_test(what_runs_at_the_recovery_site_misses_nothing),
        cmocka_unit_test(when_the_next_is_due),
        cmocka_unit_test(as_text),
        cmocka_unit_test(misses_are_explained),
        cmocka_unit_test(several_plans_and_one_that_is_not_known),
        cmocka_unit_test(as_metrics),
        cmocka_unit_test(tests_beside_it),
        cmocka_unit_test(as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
