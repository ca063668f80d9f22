#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "tests/unit/support/plan_fixture.h"

enum {
    FAILOVER = 1 << WORKFLOW_FAILOVER,
    TEST = 1 << WORKFLOW_TEST,
    FAILBACK = 1 << WORKFLOW_FAILBACK,
};

static struct plan_fixture with_steps(const char *post_boot)
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture = fixture_bind(
        arena_printf(arena,
                     "%sdns: {shop.example: {provider: route53}}\n"
                     "vms:\n  web:\n    source: /a\n    subnet: app\n    post_boot:\n%s",
                     fixture_head, post_boot));
    arena_destroy(arena);
    return fixture;
}

static void readiness_checks_have_defaults(void **state)
{
    (void)state;
    struct plan_fixture fixture = fixture_check_vms(
        "  web:\n    source: /a\n    subnet: app\n    ready:\n"
        "      - {instance_status: ok, timeout: 10m}\n"
        "      - {tcp: 443}\n"
        "      - {http: {port: 8080}, interval: 5s}\n"
        "      - http: {port: 8443, path: /z, status: 204, match: '\"ok\"', tls: true}\n");
    fixture_clean(&fixture);
    const struct plan_vm *vm = &fixture.plan->vms[0];
    assert_int_equal(vm->ready_count, 4);
    assert_int_equal(vm->ready[0].kind, CHECK_INSTANCE_STATUS);
    assert_int_equal(vm->ready[0].timeout.ms, 600000);
    assert_int_equal(vm->ready[1].port, 443);
    assert_int_equal(vm->ready[1].timeout.ms, 300000);
    assert_int_equal(vm->ready[1].interval.ms, 2000);
    assert_string_equal(vm->ready[2].path, "/");
    assert_int_equal(vm->ready[2].status, 200);
    assert_null(vm->ready[2].match);
    assert_false(vm->ready[2].tls);
    assert_int_equal(vm->ready[2].interval.ms, 5000);
    assert_string_equal(vm->ready[3].match, "\"ok\"");
    assert_int_equal(vm->ready[3].status, 204);
    assert_true(vm->ready[3].tls);
    fixture_free(&fixture);
}

static void scripts(void **state)
{
    (void)state;
    struct plan_fixture fixture =
        with_steps("      - script: scripts/a.sh\n"
                   "      - {name: mine, script: a.sh, run_on: runner, timeout: 2m, retries: 1,\n"
                   "         on_failure: continue, args: [x, \"${self.name}\"], env: {A: b}, "
                   "during: [test]}\n");
    assert_non_null(fixture.plan);
    const struct step *steps = fixture.plan->vms[0].post_boot;
    assert_string_equal(steps[0].name, "a.sh");
    assert_true(steps[0].on_instance);
    assert_int_equal(steps[0].during, FAILOVER | TEST | FAILBACK);
    assert_int_equal(steps[0].timeout.ms, 300000);
    assert_false(steps[0].timeout.given);
    assert_int_equal(steps[0].retries, 0);
    assert_false(steps[0].continue_on_failure);
    assert_string_equal(steps[1].name, "mine");
    assert_false(steps[1].on_instance);
    assert_int_equal(steps[1].during, TEST);
    assert_int_equal(steps[1].timeout.ms, 120000);
    assert_int_equal(steps[1].retries, 1);
    assert_true(steps[1].continue_on_failure);
    assert_int_equal(steps[1].arg_count, 2);
    assert_int_equal(steps[1].env_count, 1);
    assert_string_equal(steps[1].env[0].name, "A");
    fixture_free(&fixture);
}

static void other_steps(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_steps(
        "      - dns: {zone: shop.example, record: www, type: A, ttl: 60, values: [192.0.2.1],\n"
        "              expect: [192.0.2.2]}\n"
        "      - {check: {dns: www.shop.example, value: \"${self.address}\"}, timeout: 1m, "
        "interval: 9s}\n"
        "      - check: {tcp: 80}\n"
        "      - approve: Sure?\n"
        "      - delay: 5s\n"
        "      - {script: a.sh, run_on: runner}\n");
    assert_non_null(fixture.plan);
    const struct step *steps = fixture.plan->vms[0].post_boot;
    assert_int_equal(steps[0].kind, STEP_DNS);
    assert_ptr_equal(steps[0].zone, &fixture.plan->zones[0]);
    assert_string_equal(steps[0].name, "dns www.shop.example");
    assert_int_equal(steps[0].ttl_s, 60);
    assert_int_equal(steps[0].value_count, 1);
    assert_int_equal(steps[0].expect.count, 1);
    assert_int_equal(steps[0].during, FAILOVER | FAILBACK);
    assert_int_equal(steps[1].kind, STEP_CHECK);
    assert_int_equal(steps[1].check.kind, CHECK_DNS);
    assert_int_equal(steps[1].check.timeout.ms, 60000);
    assert_int_equal(steps[1].check.interval.ms, 9000);
    assert_int_equal(steps[1].during, FAILOVER | TEST | FAILBACK);
    assert_string_equal(steps[2].name, "check tcp 80");
    assert_int_equal(steps[3].kind, STEP_APPROVE);
    assert_string_equal(steps[3].question, "Sure?");
    assert_int_equal(steps[3].during, FAILOVER | FAILBACK);
    assert_int_equal(steps[4].delay.ms, 5000);
    assert_int_equal(steps[4].during, FAILOVER | TEST | FAILBACK);
    assert_int_equal(steps[5].during, FAILOVER | FAILBACK);
    fixture_free(&fixture);
}

static void unknown_zones_are_told(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_steps(
        "      - dns: {zone: shop.exmaple, record: www, type: A, ttl: 60, values: [192.0.2.1]}\n");
    assert_string_equal(fixture_only(&fixture, DIAG_UNKNOWN_DNS_ZONE)->helps[0],
                        "did you mean \"shop.example\"?");
    fixture_free(&fixture);
}

static void steps_of_the_plan_run_on_the_runner(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct plan_fixture fixture = fixture_bind(arena_printf(
        arena, "%safter: [{script: a.sh}]\nvms: {db: {source: /a, subnet: db}}\n", fixture_head));
    fixture_clean(&fixture);
    assert_false(fixture.plan->after[0].on_instance);
    fixture_free(&fixture);
    fixture = fixture_bind(arena_printf(arena,
                                        "%safter: [{script: a.sh, run_on: instance}]\n"
                                        "vms: {db: {source: /a, subnet: db}}\n",
                                        fixture_head));
    fixture_only(&fixture, DIAG_STEP_NEEDS_VM);
    fixture_free(&fixture);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readiness_checks_have_defaults),
        cmocka_unit_test(scripts),
        cmocka_unit_test(other_steps),
        cmocka_unit_test(unknown_zones_are_told),
        cmocka_unit_test(steps_of_the_plan_run_on_the_runner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
