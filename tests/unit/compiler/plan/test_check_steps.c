#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "tests/unit/support/plan_fixture.h"

/* `vm` and `step` are lines of VM web. */
static struct plan_fixture with_step(bool test, bool failback, const char *vm, const char *step)
{
    struct arena *arena = arena_create();
    const char *head = fixture_head;
    if (failback) {
        head = fixture_replace(
            arena, head, "  recovery:", "  primary: {failback: {datastore: D0}}\n  recovery:");
    }
    struct plan_fixture fixture = fixture_check(
        arena_printf(arena,
                     "%s%svms:\n  db: {source: /a, subnet: db}\n"
                     "  web:\n    source: /b\n    subnet: app\n%s    post_boot:\n      - %s\n",
                     head, test ? fixture_test_network : "", vm, step));
    arena_destroy(arena);
    return fixture;
}

static void expect_codes(struct plan_fixture fixture, enum diagnostic_code code, size_t count)
{
    assert_int_equal(fixture_count(&fixture, code), count);
    fixture_free(&fixture);
}

/* A program that is there everywhere. */
#define SCRIPT "{script: /bin/sh, "

static void scripts_on_instances_need_a_profile(void **state)
{
    (void)state;
    enum diagnostic_code code = DIAG_SCRIPT_NEEDS_IAM_PROFILE;
    static const char both[] = "    iam_profile: p\n";
    static const char production[] = "    iam_profile: {production: p}\n";
    expect_codes(with_step(false, false, "", SCRIPT "run_on: instance}"), code, 1);
    expect_codes(with_step(false, false, "", SCRIPT "run_on: runner}"), code, 0);
    expect_codes(with_step(false, false, production, SCRIPT "run_on: instance}"), code, 0);
    expect_codes(with_step(true, false, production, SCRIPT "run_on: instance}"), code, 1);
    expect_codes(with_step(true, false, production, SCRIPT "during: [failover]}"), code, 0);
    expect_codes(with_step(true, false, both, SCRIPT "run_on: instance}"), code, 0);
}

static void scripts_at_home_need_a_login(void **state)
{
    (void)state;
    enum diagnostic_code code = DIAG_SCRIPT_NEEDS_GUEST_LOGIN;
    static const char profile[] = "    iam_profile: p\n";
    static const char login[] = "    iam_profile: p\n    guest: {credentials: env:W}\n";
    expect_codes(with_step(false, false, profile, SCRIPT "retries: 0}"), code, 0);
    expect_codes(with_step(false, true, profile, SCRIPT "retries: 0}"), code, 1);
    expect_codes(with_step(false, true, login, SCRIPT "retries: 0}"), code, 0);
    expect_codes(with_step(false, true, profile, SCRIPT "during: [failover]}"), code, 0);
}

static void steps_that_nothing_runs_are_told(void **state)
{
    (void)state;
    enum diagnostic_code code = DIAG_STEP_NEVER_RUNS;
    expect_codes(with_step(false, false, "", "{delay: 1s, during: [test]}"), code, 1);
    expect_codes(with_step(true, false, "", "{delay: 1s, during: [test]}"), code, 0);
    expect_codes(with_step(false, false, "", "{delay: 1s, during: [failback]}"), code, 1);
    expect_codes(with_step(false, true, "", "{delay: 1s, during: [failback]}"), code, 0);
    expect_codes(with_step(false, false, "", "{delay: 1s}"), code, 0);
}

static void values_have_to_exist(void **state)
{
    (void)state;
    enum diagnostic_code code = DIAG_REFERENCE_WITHOUT_VALUE;
    static const char public_ip[] =
        SCRIPT "run_on: runner, args: [\"${self.public_ip}\"], during: [failover, test]}";
    static const char id[] = SCRIPT "run_on: runner, args: [\"${self.instance_id}\"]}";
    expect_codes(with_step(false, false, "", public_ip), code, 1);
    expect_codes(with_step(false, false, "    public_ip: true\n", public_ip), code, 0);
    expect_codes(with_step(true, false, "    public_ip: {production: true}\n", public_ip), code, 1);
    expect_codes(
        with_step(true, false, "    public_ip: {test: true, production: true}\n", public_ip), code,
        0);
    expect_codes(with_step(false, false, "    elastic_ip: {production: eipalloc-1}\n", public_ip),
                 code, 0);
    expect_codes(with_step(false, false, "", id), code, 0);
    expect_codes(with_step(false, true, "", id), code, 1);
}

static void patterns_are_compiled(void **state)
{
    (void)state;
    static const struct {
        const char *match;
        size_t wrong;
    } patterns[] = {{"'\"ok\"'", 0}, {"'ok('", 1}, {"'[a'", 1}, {"'(?i)été'", 0}, {"'*'", 1}};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct arena *arena = arena_create();
        expect_codes(with_step(false, false, "",
                               arena_printf(arena, "check: {http: {port: 80, match: %s}}",
                                            patterns[i].match)),
                     DIAG_INVALID_PATTERN, patterns[i].wrong);
        arena_destroy(arena);
    }
}

static void steps_before_the_run_know_no_addresses(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct plan_fixture fixture = fixture_check(
        arena_printf(arena,
                     "%sbefore:\n"
                     "  - {script: /bin/sh, args: [\"${vms.db.address}\", \"${vms.db.name}\"]}\n"
                     "after:\n  - {script: /bin/sh, args: [\"${vms.db.address}\"]}\n"
                     "vms: {db: {source: /a, subnet: db}}\n",
                     fixture_head));
    assert_int_equal(fixture_count(&fixture, DIAG_REFERENCE_TOO_LATE), 1);
    fixture_free(&fixture);
    fixture = fixture_check(
        arena_printf(arena, "%safter: [{check: {tcp: 1}}]\nvms: {db: {source: /a, subnet: db}}\n",
                     fixture_head));
    fixture_only(&fixture, DIAG_STEP_NEEDS_VM);
    fixture_free(&fixture);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_on_instances_need_a_profile),
        cmocka_unit_test(scripts_at_home_need_a_login),
        cmocka_unit_test(steps_that_nothing_runs_are_told),
        cmocka_unit_test(values_have_to_exist),
        cmocka_unit_test(patterns_are_compiled),
        cmocka_unit_test(steps_before_the_run_know_no_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
