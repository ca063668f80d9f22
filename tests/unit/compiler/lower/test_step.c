/* Steps, checks and milestones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/lower_fixture.h"

static void test_ready_checks_run_side_by_side(void **state)
{
    (void)state;
    struct lower_fixture fixture =
        lower_vms("  db:\n"
                  "    source: /DC0/vm/db\n"
                  "    subnet: db\n"
                  "    ready:\n"
                  "      - {instance_status: ok, timeout: 10m}\n"
                  "      - {tcp: 5432, timeout: 90s, interval: 3s}\n"
                  "      - http: {port: 8080, path: /healthz, match: '\"ok\"', tls: true}\n"
                  "      - http: {port: 8080, status: 204}\n",
                  NULL);
    static const char *const checks[] = {"db/ready/check-instance-status",
                                         "db/ready/5432/check-tcp", "db/ready/8080/check-http",
                                         "db/ready/8080/2/check-http"};
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        assert_true(lower_follows(&fixture, checks[i], "db/running", WHEN_OK));
        assert_true(lower_follows(&fixture, "db/ready", checks[i], WHEN_OK));
    }
    assert_int_equal(lower_node(&fixture, checks[0])->timeout_ms, 600000);
    assert_int_equal(lower_node(&fixture, checks[1])->timeout_ms, 90000);
    assert_string_equal(lower_input(&fixture, checks[1], "interval_ms"), "{\"value\": 3000}");
    assert_string_equal(lower_input(&fixture, checks[1], "address"),
                        "{\"node\": \"db/wait-running\", \"output\": \"private_ip\"}");
    assert_string_equal(lower_input(&fixture, checks[2], "match"), "{\"value\": \"\\\"ok\\\"\"}");
    assert_string_equal(lower_input(&fixture, checks[2], "tls"), "{\"value\": true}");
    assert_string_equal(lower_input(&fixture, checks[3], "status"), "{\"value\": 204}");
    assert_string_equal(lower_input(&fixture, checks[3], "match"), "");
    fixture_free(&fixture.plan);
}

static void test_checks_go_to_the_best_address(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms(
        "  a: {source: /DC0/vm/a, subnet: db, public_ip: true, ready: [{tcp: 80}]}\n"
        "  b: {source: /DC0/vm/b, subnet: db, elastic_ip: {production: eipalloc-1}, ready: [{tcp: "
        "80}]}\n",
        NULL);
    assert_string_equal(lower_input(&fixture, "a/ready/80/check-tcp", "address"),
                        "{\"node\": \"a/wait-running\", \"output\": \"public_ip\"}");
    assert_string_equal(lower_input(&fixture, "b/ready/80/check-tcp", "address"),
                        "{\"node\": \"b/associate-address\", \"output\": \"public_ip\"}");
    assert_true(lower_follows(&fixture, "b/associate-address", "b/wait-running", WHEN_OK));
    assert_true(lower_follows(&fixture, "b/running", "b/associate-address", WHEN_OK));
    assert_string_equal(lower_input(&fixture, "b/associate-address", "allocation_id"),
                        "{\"value\": \"eipalloc-1\"}");
    fixture_free(&fixture.plan);
}

static void test_post_boot_steps_go_in_order(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms("  db:\n"
                                             "    source: /DC0/vm/db\n"
                                             "    subnet: db\n"
                                             "    post_boot:\n"
                                             "      - delay: 5s\n"
                                             "      - {check: {tcp: 80}, retries: 2}\n"
                                             "      - {delay: 1s, during: [failback]}\n"
                                             "      - check: {tcp: 81}\n",
                                             NULL);
    assert_true(lower_follows(&fixture, "db/post-boot-1/delay", "db/ready", WHEN_OK));
    assert_true(
        lower_follows(&fixture, "db/post-boot-2/check-tcp", "db/post-boot-1/delay", WHEN_OK));
    assert_int_equal(lower_node(&fixture, "db/post-boot-2/check-tcp")->retries, 2);
    assert_false(lower_has(&fixture, "db/post-boot-3/delay"));
    assert_true(
        lower_follows(&fixture, "db/post-boot-4/check-tcp", "db/post-boot-2/check-tcp", WHEN_OK));
    assert_true(lower_follows(&fixture, "db/recovered", "db/post-boot-4/check-tcp", WHEN_OK));
    fixture_free(&fixture.plan);
}

/* A step that may fail lets the next one go, but not past what may not. */
static void test_continue_lets_the_next_go(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms("  db:\n"
                                             "    source: /DC0/vm/db\n"
                                             "    subnet: db\n"
                                             "    post_boot:\n"
                                             "      - {check: {tcp: 80}, on_failure: continue}\n"
                                             "      - delay: 1s\n"
                                             "      - {check: {tcp: 81}, on_failure: continue}\n",
                                             NULL);
    assert_true(lower_node(&fixture, "db/post-boot-1/check-tcp")->continue_on_failure);
    assert_false(lower_node(&fixture, "db/post-boot-2/delay")->continue_on_failure);
    assert_true(
        lower_follows(&fixture, "db/post-boot-2/delay", "db/post-boot-1/check-tcp", WHEN_ENDED));
    assert_true(lower_follows(&fixture, "db/post-boot-2/delay", "db/ready", WHEN_OK));
    assert_true(lower_follows(&fixture, "db/recovered", "db/post-boot-3/check-tcp", WHEN_ENDED));
    assert_true(lower_follows(&fixture, "db/recovered", "db/post-boot-2/delay", WHEN_OK));
    fixture_free(&fixture.plan);
}

static void test_steps_of_the_plan_frame_the_vms(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *plan =
        arena_printf(arena,
                     "%sbefore:\n  - delay: 1s\n  - {delay: 2s, on_failure: continue}\n"
                     "after:\n  - delay: 3s\n  - {delay: 4s, during: [test]}\n"
                     "vms:\n"
                     "  a: {source: /DC0/vm/a, subnet: db}\n"
                     "  b: {source: /DC0/vm/b, subnet: db, critical: false, delay: 5s}\n",
                     fixture_head);
    struct lower_fixture fixture = lower_plan(plan, NULL);
    assert_true(lower_follows(&fixture, "plan/before-2/delay", "plan/before-1/delay", WHEN_OK));
    assert_int_equal(lower_node(&fixture, "plan/before-1/delay")->vm, NO_VM);
    static const char *const firsts[] = {"a/disk-0/create-volume", "a/run-instance",
                                         "b/disk-0/create-volume", "b/delay"};
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
        assert_true(lower_follows(&fixture, firsts[i], "plan/before-2/delay", WHEN_ENDED));
    }
    assert_true(lower_follows(&fixture, "plan/after-1/delay", "a/recovered", WHEN_OK));
    assert_true(lower_follows(&fixture, "plan/after-1/delay", "b/recovered", WHEN_ENDED));
    assert_false(lower_has(&fixture, "plan/after-2/delay"));
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready_checks_run_side_by_side),
        cmocka_unit_test(test_checks_go_to_the_best_address),
        cmocka_unit_test(test_post_boot_steps_go_in_order),
        cmocka_unit_test(test_continue_lets_the_next_go),
        cmocka_unit_test(test_steps_of_the_plan_frame_the_vms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
