/* What each kind of step becomes: its nodes, their inputs, and the edges that come with its values.
 * Covers: step_value.c step_dns.c step_check.c target.c order.c */
#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "compiler/base/sha256.h"
#include "compiler/lower/lower.h"
#include "tests/unit/support/lower_fixture.h"

#define SCRIPT "tests/golden/graphs/steps/scripts/point.sh"
#define INPUT_OUTPUT(node, output) "{\"node\": \"" node "\", \"output\": \"" output "\"}"

static struct lower_fixture with_zones(const char *vms, enum workflow workflow)
{
    struct arena *arena = arena_create();
    struct lower_fixture fixture = lower_workflow(
        arena_printf(arena,
                     "%s%s    dns: [corp.example]\n"
                     "dns:\n"
                     "  shop.example: {provider: route53, role_arn: \"arn:aws:iam::1:role/dns\"}\n"
                     "  corp.example: {provider: rfc2136, server: \"127.0.0.1:5353\", tsig: {name: "
                     "k, algorithm: hmac-sha256, secret: env:KEY}}\n"
                     "vms:\n%s",
                     fixture_head, fixture_test_network, vms),
        NULL, workflow);
    arena_destroy(arena);
    return fixture;
}

static void expect_input(const struct lower_fixture *fixture, const char *node, const char *name,
                         const char *wanted)
{
    assert_string_equal(lower_input(fixture, node, name), wanted);
}

static void expect_holds(const struct lower_fixture *fixture, const char *node, const char *name,
                         const char *part)
{
    const char *input = lower_input(fixture, node, name);
    if (!strstr(input, part)) {
        fail_msg("%s of %s has no %s: %s", name, node, part, input);
    }
}

/* ---- scripts ---- */

static void a_script_on_the_runner_is_one_node(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms(
        "  db:\n"
        "    source: /DC0/vm/db\n"
        "    subnet: db\n"
        "    public_ip: true\n"
        "    post_boot:\n"
        "      - name: say it\n"
        "        script: " SCRIPT "\n"
        "        run_on: runner\n"
        "        args: ['of ${plan.name}', '$${HOME}', '${run.id}']\n"
        "        env: {TIME: 'at ${recovery_point.time}', NONE: ''}\n"
        "        timeout: 4s\n"
        "        retries: 3\n"
        "        on_failure: continue\n",
        NULL);
    const char *node = "db/post-boot-1/run-script";
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    static const char bytes[] = "#!/bin/sh\necho point\n";
    sha256(bytes, strlen(bytes), digest);
    sha256_to_hex(digest, hex);
    expect_holds(&fixture, node, "digest", hex);
    expect_input(&fixture, node, "script", "{\"value\": \"" SCRIPT "\"}");
    expect_input(&fixture, node, "args",
                 "{\"list\": [{\"value\": \"of shop\"}, {\"value\": \"${HOME}\"}, {\"bind\": "
                 "\"run.id\"}]}");
    expect_holds(&fixture, node, "env",
                 "\"TIME\": {\"template\": [{\"value\": \"at \"}, {\"bind\": "
                 "\"recovery_point.time\"}]}, \"NONE\": {\"value\": \"\"}");
    expect_holds(&fixture, node, "env", "\"DRC_STEP\": {\"value\": \"say it\"}");
    expect_holds(&fixture, node, "env",
                 "\"DRC_PUBLIC_IP\": " INPUT_OUTPUT("db/wait-running", "public_ip"));
    const struct graph_node *made = lower_node(&fixture, node);
    assert_int_equal(made->retries, 3);
    assert_true(made->continue_on_failure);
    assert_int_equal(made->expected_ms, 4000);
    assert_int_equal(made->timeout_ms, 64000);
    assert_false(lower_has(&fixture, "db/wait-agent"));
    fixture_free(&fixture.plan);
}

static void a_script_on_an_instance_is_sent_and_waited_for(void **state)
{
    (void)state;
    struct lower_fixture fixture =
        lower_vms("  db:\n"
                  "    source: /DC0/vm/db\n"
                  "    subnet: db\n"
                  "    iam_profile: dr\n"
                  "    timeouts: {script: 7m}\n"
                  "    post_boot:\n"
                  "      - {script: " SCRIPT ", on_failure: continue}\n"
                  "      - {script: " SCRIPT ", timeout: 1m, on_failure: continue}\n",
                  NULL);
    assert_true(lower_follows(&fixture, "db/wait-agent", "db/running", WHEN_OK));
    assert_true(lower_node(&fixture, "db/wait-agent")->continue_on_failure);
    assert_false(lower_needs(&fixture, "db/ready", "db/wait-agent"));
    for (int i = 1; i <= 2; i++) {
        const char *send = i == 1 ? "db/post-boot-1/send-script" : "db/post-boot-2/send-script";
        const char *wait = i == 1 ? "db/post-boot-1/wait-script" : "db/post-boot-2/wait-script";
        assert_true(lower_follows(&fixture, send, "db/wait-agent", WHEN_OK));
        assert_true(lower_follows(&fixture, wait, send, WHEN_OK));
        assert_true(lower_node(&fixture, wait)->continue_on_failure);
        expect_input(&fixture, send, "os", "{\"value\": \"linux\"}");
    }
    assert_true(lower_follows(&fixture, "db/post-boot-2/send-script", "db/post-boot-1/wait-script",
                              WHEN_ENDED));
    expect_input(&fixture, "db/post-boot-1/send-script", "timeout_ms", "{\"value\": 420000}");
    expect_input(&fixture, "db/post-boot-2/send-script", "timeout_ms", "{\"value\": 60000}");
    assert_int_equal(lower_node(&fixture, "db/post-boot-2/wait-script")->timeout_ms, 120000);
    expect_input(&fixture, "db/post-boot-1/wait-script", "command_id",
                 INPUT_OUTPUT("db/post-boot-1/send-script", "command_id"));
    fixture_free(&fixture.plan);
}

static void one_step_that_must_makes_the_agent_needed(void **state)
{
    (void)state;
    struct lower_fixture fixture =
        lower_vms("  db:\n"
                  "    source: /DC0/vm/db\n"
                  "    subnet: db\n"
                  "    iam_profile: dr\n"
                  "    ready: [{tcp: 5432, run_on: instance}]\n"
                  "    post_boot: [{script: " SCRIPT ", on_failure: continue}]\n",
                  NULL);
    assert_false(lower_node(&fixture, "db/wait-agent")->continue_on_failure);
    assert_true(lower_needs(&fixture, "db/ready", "db/wait-agent"));
    fixture_free(&fixture.plan);
}

/* ---- references ---- */

/* app starts once db is ready; db's own step needs app's address: so the VMs need each other in turns. */
static void a_reference_is_an_edge(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms(
        "  db:\n"
        "    source: /DC0/vm/db\n"
        "    subnet: db\n"
        "    post_boot: [{script: " SCRIPT ", run_on: runner, args: ['x=${vms.app.address}']}]\n"
        "  app: {source: /DC0/vm/app, subnet: app, elastic_ip: {production: eipalloc-1}, "
        "depends_on: {db: ready}}\n",
        NULL);
    expect_input(&fixture, "db/post-boot-1/run-script", "args",
                 "{\"list\": [{\"template\": [{\"value\": \"x=\"}, " INPUT_OUTPUT(
                     "app/associate-address", "public_ip") "]}]}");
    assert_true(lower_follows(&fixture, "db/post-boot-1/run-script", "app/associate-address",
                              WHEN_OK));
    assert_true(lower_needs(&fixture, "app/start-instance", "db/ready"));
    assert_false(lower_needs(&fixture, "app/start-instance", "db/recovered"));
    fixture_free(&fixture.plan);
}

static void names_and_the_workflow_are_known(void **state)
{
    (void)state;
    struct lower_fixture fixture =
        lower_vms("  db:\n"
                  "    source: /DC0/vm/db\n"
                  "    subnet: db\n"
                  "    post_boot: [{script: " SCRIPT
                  ", run_on: runner, args: ['${workflow} of ${vms.app.name}', '${self.name}']}]\n"
                  "  app: {source: /DC0/vm/app, subnet: app}\n",
                  NULL);
    expect_input(&fixture, "db/post-boot-1/run-script", "args",
                 "{\"value\": [\"failover of app\", \"db\"]}");
    assert_false(lower_needs(&fixture, "db/recovered", "app/run-instance"));
    fixture_free(&fixture.plan);
}

/* ---- DNS ---- */

static void a_record_in_route53_is_read_changed_and_waited_for(void **state)
{
    (void)state;
    struct lower_fixture fixture = with_zones(
        "  web:\n"
        "    source: /DC0/vm/web\n"
        "    subnet: app\n"
        "    post_boot:\n"
        "      - dns: {zone: shop.example, record: www, type: A, ttl: 30, values: "
        "['${self.address}', 192.0.2.9], expect: [192.0.2.1]}\n",
        WORKFLOW_FAILOVER);
    const char *get = "web/post-boot-1/get-record-set", *to = "web/post-boot-1/change-record-set";
    const char *wait = "web/post-boot-1/wait-record-set";
    expect_input(&fixture, get, "record", "{\"value\": \"www.shop.example\"}");
    expect_input(&fixture, get, "zone_id", "");
    expect_input(&fixture, get, "expect", "{\"value\": [\"192.0.2.1\"]}");
    expect_input(&fixture, to, "zone_id", INPUT_OUTPUT("web/post-boot-1/get-record-set", "zone_id"));
    expect_input(&fixture, to, "old", INPUT_OUTPUT("web/post-boot-1/get-record-set", "old"));
    expect_input(&fixture, to, "ttl", "{\"value\": 30}");
    expect_input(&fixture, to, "values",
                 "{\"list\": [" INPUT_OUTPUT("web/wait-running", "private_ip") ", {\"value\": "
                 "\"192.0.2.9\"}]}");
    expect_input(&fixture, wait, "role_arn", "{\"value\": \"arn:aws:iam::1:role/dns\"}");
    assert_true(lower_follows(&fixture, get, "web/ready", WHEN_OK));
    assert_true(lower_follows(&fixture, "web/recovered", wait, WHEN_OK));
    fixture_free(&fixture.plan);
}

static void a_record_by_update_keeps_its_secret_a_reference(void **state)
{
    (void)state;
    struct lower_fixture fixture =
        with_zones("  web:\n"
                   "    source: /DC0/vm/web\n"
                   "    subnet: app\n"
                   "    post_boot:\n"
                   "      - dns: {zone: corp.example, record: '@', type: TXT, ttl: 30, values: [a]}\n",
                   WORKFLOW_FAILOVER);
    const char *update = "web/post-boot-1/update-record";
    expect_input(&fixture, update, "record", "{\"value\": \"corp.example\"}");
    expect_input(&fixture, update, "tsig_secret", "{\"secret\": \"env:KEY\"}");
    expect_input(&fixture, update, "server", "{\"value\": \"127.0.0.1:5353\"}");
    expect_input(&fixture, "web/post-boot-1/query-record", "expect", "");
    assert_true(
        lower_follows(&fixture, "web/post-boot-1/wait-record", update, WHEN_OK));
    fixture_free(&fixture.plan);
}

/* ---- checks ---- */

static void checks_by_name_and_by_script(void **state)
{
    (void)state;
    struct lower_fixture fixture =
        lower_vms("  db:\n"
                  "    source: /DC0/vm/db\n"
                  "    subnet: db\n"
                  "    iam_profile: dr\n"
                  "    ready:\n"
                  "      - {dns: db.example, value: '${self.address}'}\n"
                  "      - {script: " SCRIPT ", interval: 9s}\n"
                  "      - {script: " SCRIPT ", run_on: instance, timeout: 10s}\n",
                  NULL);
    const struct value *value = graph_input(lower_node(&fixture, "db/ready/check-dns"), "value");
    assert_int_equal(value->kind, VALUE_OUTPUT);
    assert_int_equal(value->node, lower_node(&fixture, "db/wait-running")->index);
    expect_input(&fixture, "db/ready/check-script", "interval_ms", "{\"value\": 9000}");
    expect_holds(&fixture, "db/ready/check-script", "env", "\"DRC_VM\": {\"value\": \"db\"}");
    expect_holds(&fixture, "db/ready/2/send-check", "check", "\"kind\": {\"value\": \"script\"}");
    expect_holds(&fixture, "db/ready/2/send-check", "check", "\"digest\": {\"value\": \"84ec200c");
    assert_int_equal(lower_node(&fixture, "db/ready/2/wait-script")->expected_ms, 10000);
    assert_true(lower_follows(&fixture, "db/ready", "db/ready/2/wait-script", WHEN_OK));
    fixture_free(&fixture.plan);
}

static void a_check_on_the_instance_asks_its_own_address(void **state)
{
    (void)state;
    struct lower_fixture fixture =
        lower_vms("  db:\n"
                  "    source: /DC0/vm/db\n"
                  "    subnet: db\n"
                  "    public_ip: true\n"
                  "    iam_profile: dr\n"
                  "    post_boot:\n"
                  "      - {check: {http: {port: 80, match: ok}}, run_on: instance, retries: 2}\n",
                  NULL);
    expect_input(&fixture, "db/post-boot-1/send-check", "check",
                 "{\"map\": {\"kind\": {\"value\": \"http\"}, \"address\": " INPUT_OUTPUT(
                     "db/wait-running", "private_ip") ", \"port\": {\"value\": 80}, \"path\": "
                 "{\"value\": \"/\"}, \"status\": {\"value\": 200}, \"match\": {\"value\": \"ok\"}, "
                 "\"tls\": {\"value\": false}, \"interval_ms\": {\"value\": 2000}}}");
    assert_int_equal(lower_node(&fixture, "db/post-boot-1/wait-script")->retries, 2);
    fixture_free(&fixture.plan);
}

/* ---- approvals ---- */

static void people_have_as_long_as_the_step_says(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct lower_fixture fixture =
        lower_plan(arena_printf(arena,
                                "%sbefore:\n  - approve: Go?\n  - {approve: Sure?, timeout: 2h}\n"
                                "  - {delay: 1s, on_failure: continue}\n"
                                "vms:\n  db: {source: /DC0/vm/db, subnet: db}\n",
                                fixture_head),
                   NULL);
    assert_int_equal(lower_node(&fixture, "plan/before-1/approve")->timeout_ms,
                     action_info(ACTION_APPROVE)->deadline_ms);
    assert_int_equal(lower_node(&fixture, "plan/before-2/approve")->timeout_ms, 7200000);
    assert_int_equal(lower_node(&fixture, "plan/before-2/approve")->expected_ms, 0);
    /* Nobody gets past a refusal because the step behind it may fail. */
    assert_true(lower_follows(&fixture, "db/run-instance", "plan/before-2/approve", WHEN_OK));
    assert_true(lower_follows(&fixture, "db/run-instance", "plan/before-3/delay", WHEN_ENDED));
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

static void in_a_simulation_all_is_approved(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct lower_fixture fixture =
        lower_plan(arena_printf(arena,
                                "%sbefore:\n  - approve: Go?\n"
                                "vms:\n  db: {source: /DC0/vm/db, subnet: db, post_boot: [{approve: "
                                "Switch?}]}\n",
                                fixture_head),
                   NULL);
    lower_approve_all(fixture.graph);
    expect_input(&fixture, "plan/before-1/approve", "approved_after_ms", "{\"value\": 0}");
    expect_input(&fixture, "db/post-boot-1/approve", "approved_after_ms", "{\"value\": 0}");
    expect_input(&fixture, "db/post-boot-1/approve", "question", "{\"value\": \"Switch?\"}");
    struct error error = {0};
    assert_true(graph_verify(fixture.graph, &error));
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

/* ---- target groups ---- */

static void recovered_waits_for_each_target_group(void **state)
{
    (void)state;
    static const char arn[] =
        "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/0123456789abcdef";
    struct arena *arena = arena_create();
    struct lower_fixture fixture = lower_vms(
        arena_printf(arena,
                     "  web: {source: /DC0/vm/web, subnet: app, target_groups: {production: "
                     "[\"%s\", \"%s0\"]}, post_boot: [{delay: 1s}]}\n",
                     arn, arn),
        NULL);
    for (int i = 1; i <= 2; i++) {
        const char *wait = arena_printf(arena, "web/target-%d/wait-target-healthy", i);
        const char *into = arena_printf(arena, "web/target-%d/register-target", i);
        assert_true(lower_follows(&fixture, into, "web/running", WHEN_OK));
        assert_true(lower_follows(&fixture, wait, into, WHEN_OK));
        assert_true(lower_follows(&fixture, "web/recovered", wait, WHEN_OK));
        assert_false(lower_needs(&fixture, "web/post-boot-1/delay", wait));
    }
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

/* ---- the plan's last steps ---- */

/* A step that may fail does not let the next one past a critical VM that failed. */
static void last_steps_come_after_all_vms(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct lower_fixture fixture = lower_plan(
        arena_printf(arena,
                     "%safter:\n  - {script: " SCRIPT ", on_failure: continue}\n  - delay: 1s\n"
                     "  - delay: 2s\nvms:\n  db: {source: /DC0/vm/db, subnet: db}\n",
                     fixture_head),
        NULL);
    assert_true(lower_follows(&fixture, "plan/after-1/run-script", "db/recovered", WHEN_OK));
    assert_true(lower_follows(&fixture, "plan/after-2/delay", "db/recovered", WHEN_OK));
    assert_true(lower_follows(&fixture, "plan/after-2/delay", "plan/after-1/run-script", WHEN_ENDED));
    assert_false(lower_follows(&fixture, "plan/after-3/delay", "db/recovered", WHEN_OK));
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

/* ---- test ---- */

static void a_test_is_marked_and_ends_with_a_question(void **state)
{
    (void)state;
    struct lower_fixture fixture = with_zones(
        "  web:\n"
        "    source: /DC0/vm/web\n"
        "    subnet: app\n"
        "    private_ip: {production: 10.20.1.9, test: 10.99.1.9}\n"
        "    elastic_ip: {production: eipalloc-1}\n"
        "    capacity_reservation: cr-1\n"
        "    tags: {tier: front}\n"
        "    post_boot:\n"
        "      - dns: {zone: shop.example, record: www, type: A, ttl: 30, values: [192.0.2.1]}\n"
        "      - dns: {zone: corp.example, record: www, type: A, ttl: 30, values: [192.0.2.1]}\n"
        "        during: [test]\n",
        WORKFLOW_TEST);
    expect_holds(&fixture, "web/run-instance", "tags", "\"Name\": \"test-web\"");
    expect_holds(&fixture, "web/run-instance", "cards", "\"private_ip\": \"10.99.1.9\"");
    expect_holds(&fixture, "web/run-instance", "cards", "\"subnet_id\": \"subnet-3\"");
    expect_input(&fixture, "web/run-instance", "capacity_reservation", "");
    assert_false(lower_has(&fixture, "web/associate-address"));
    assert_false(lower_has(&fixture, "web/post-boot-1/change-record-set"));
    assert_true(lower_has(&fixture, "web/post-boot-2/update-record"));
    const char *cleanup = "plan/cleanup/approve";
    assert_true(lower_follows(&fixture, cleanup, "web/post-boot-2/restore-record", WHEN_ENDED));
    assert_true(lower_follows(&fixture, cleanup, "web/placeholder/delete-volume", WHEN_ENDED));
    expect_input(&fixture, cleanup, "approved_after_ms", "");
    assert_true(lower_auto_cleanup(fixture.graph, 90000));
    expect_input(&fixture, cleanup, "approved_after_ms", "{\"value\": 90000}");
    struct error error = {0};
    assert_true(graph_verify(fixture.graph, &error));
    fixture_free(&fixture.plan);
}

static void only_a_test_is_cleaned_up(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms("  web: {source: /DC0/vm/web, subnet: app}\n", NULL);
    assert_false(lower_has(&fixture, "plan/cleanup/approve"));
    assert_false(lower_auto_cleanup(fixture.graph, 90000));
    expect_holds(&fixture, "web/run-instance", "tags", "\"Name\": \"web\"");
    fixture_free(&fixture.plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_script_on_the_runner_is_one_node),
        cmocka_unit_test(a_script_on_an_instance_is_sent_and_waited_for),
        cmocka_unit_test(one_step_that_must_makes_the_agent_needed),
        cmocka_unit_test(a_reference_is_an_edge),
        cmocka_unit_test(names_and_the_workflow_are_known),
        cmocka_unit_test(a_record_in_route53_is_read_changed_and_waited_for),
        cmocka_unit_test(a_record_by_update_keeps_its_secret_a_reference),
        cmocka_unit_test(checks_by_name_and_by_script),
        cmocka_unit_test(a_check_on_the_instance_asks_its_own_address),
        cmocka_unit_test(people_have_as_long_as_the_step_says),
        cmocka_unit_test(in_a_simulation_all_is_approved),
        cmocka_unit_test(recovered_waits_for_each_target_group),
        cmocka_unit_test(last_steps_come_after_all_vms),
        cmocka_unit_test(a_test_is_marked_and_ends_with_a_question),
        cmocka_unit_test(only_a_test_is_cleaned_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
