#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "tests/unit/support/plan_fixture.h"

static struct plan_fixture with_schedules(const char *rpo, const char *backup,
                                          const char *replication)
{
    struct arena *arena = arena_create();
    const char *head =
        fixture_replace(arena, fixture_head, "rpo: 30m", arena_printf(arena, "rpo: %s", rpo));
    head = fixture_replace(arena, head, "backup: {every: 10m,",
                           arena_printf(arena, "backup: {%s,", backup));
    head = fixture_replace(arena, head, "replication: {every: 10m}",
                           arena_printf(arena, "replication: {every: %s}", replication));
    struct plan_fixture fixture =
        fixture_check(arena_printf(arena, "%svms: {db: {source: /a, subnet: db}}\n", head));
    arena_destroy(arena);
    return fixture;
}

static void intervals_have_to_fit_into_the_rpo(void **state)
{
    (void)state;
    static const struct {
        const char *rpo, *backup, *replication;
        bool met;
    } cases[] = {
        {"20m", "every: 10m", "10m", true},       {"20m", "every: 10m", "11m", false},
        {"1h", "every: 59m", "60s", true},        {"1h", "every: 1h", "1s", false},
        {"3650d", "every: 1825d", "1825d", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_create();
        struct plan_fixture fixture =
            with_schedules(cases[i].rpo, arena_printf(arena, "%s, keep: 3650d", cases[i].backup),
                           cases[i].replication);
        arena_destroy(arena);
        if (cases[i].met) {
            fixture_clean(&fixture);
        } else {
            fixture_only(&fixture, DIAG_RPO_UNREACHABLE);
        }
        fixture_free(&fixture);
    }
}

static void recovery_points_outlive_the_interval(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_schedules("30m", "every: 10m, keep: 10m", "10m");
    fixture_clean(&fixture);
    fixture_free(&fixture);
    fixture = with_schedules("30m", "every: 10m, keep: 9m", "10m");
    fixture_only(&fixture, DIAG_KEEP_UNDER_INTERVAL);
    fixture_free(&fixture);
    fixture = with_schedules("30d", "every: 8d", "10m"); /* kept for 7d by default */
    fixture_only(&fixture, DIAG_KEEP_UNDER_INTERVAL);
    fixture_free(&fixture);
}

static void durations_are_told_as_written(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_schedules("1h", "every: 90m", "30s");
    const struct diagnostic *found = fixture_only(&fixture, DIAG_RPO_UNREACHABLE);
    assert_string_equal(found->message, "an rpo of 1h cannot be met: up to 5430s are lost");
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_have_to_fit_into_the_rpo),
        cmocka_unit_test(recovery_points_outlive_the_interval),
        cmocka_unit_test(durations_are_told_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
