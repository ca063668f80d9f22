/* What a run is about to do, before it asks.
 * Covers: summary_replicate.c summary_steps.c */
#include "runtime/cli/summary.h"

#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/graph/estimate.h"
#include "runtime/world/world.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/lower_fixture.h"

static const char facts_json[] =
    "{\"format\":\"drc-facts/1\",\"observed_at\":\"2026-11-22T10:00:00Z\",\"inventory\":{"
    "\"account\":\"111122223333\",\"region\":\"eu-west-1\"},\"bindings\":{"
    "\"db/recovery-point\":\"2026-11-22T09:38:00Z\",\"db/disk-0/snapshot\":\"snap-1\"}}";

static struct facts *facts_of(struct arena *arena)
{
    struct error error = {0};
    struct facts *facts = facts_read(arena, "f", facts_json, strlen(facts_json), &error);
    assert_non_null(facts);
    return facts;
}

static void loss_is_measured_from_the_recovery_point(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct facts *facts = facts_of(arena);
    int64_t now = parse_time("2026-11-22T10:00:00Z");
    assert_int_equal(summary_loss_ms(facts, "db", now), 22 * 60000);
    assert_int_equal(summary_loss_ms(facts, "db", 0), 0); /* a clock that is behind */
    assert_int_equal(summary_loss_ms(facts, "web", now), -1);
    assert_int_equal(summary_loss_ms(NULL, "db", now), -1);
    char longest[300];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(summary_loss_ms(facts, longest, now), -1);
    arena_destroy(arena);
}

static void expect(const struct buffer *out, const char *text)
{
    if (!strstr(buffer_text(out), text)) {
        fail_msg("there is no \"%s\" in:\n%s", text, buffer_text(out));
    }
}

static const char *written(const char *plan, enum workflow workflow, struct buffer *out)
{
    struct lower_fixture fixture = lower_workflow(plan, NULL, workflow);
    struct findings findings = {.passed = 1};
    struct summary summary = {
        .plan = fixture.plan.plan,
        .graph = fixture.graph,
        .schedule = estimate(fixture.plan.arena, fixture.graph, NULL, true),
        .findings = &findings,
        .account = "111122223333",
    };
    summary_write(&summary, out);
    fixture_free(&fixture.plan);
    return buffer_text(out);
}

#define SCRIPT "tests/golden/graphs/steps/scripts/point.sh"

static void records_scripts_and_approvals_are_told(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct buffer out = {0};
    const char *zones = arena_printf(arena,
                                     "%sdns: {shop.example: {provider: route53}, corp.example: "
                                     "{provider: rfc2136, server: 127.0.0.1}}\n",
                                     fixture_head);
    const char *plan = arena_printf(
        arena,
        "%sbefore: [{approve: Go?}, {script: " SCRIPT "}]\n"
        "vms:\n"
        "  web:\n"
        "    source: /DC0/vm/web\n"
        "    subnet: app\n"
        "    public_ip: true\n"
        "    iam_profile: dr\n"
        "    post_boot:\n"
        "      - dns: {zone: shop.example, record: www, type: A, ttl: 60, values: "
        "[\"${self.address}\"], expect: [192.0.2.10]}\n"
        "      - dns: {zone: corp.example, record: \"@\", type: TXT, ttl: 60, values: [\"at "
        "${self.private_ip}\", b]}\n"
        "      - script: " SCRIPT "\n",
        zones);
    written(plan, WORKFLOW_FAILOVER, &out);
    expect(&out, " · changes 2 DNS records\n");
    expect(&out, "  DNS  www.shop.example  A      192.0.2.10 → web's public address\n");
    expect(&out, "       corp.example      TXT    → at web's private address, b\n");
    expect(&out, "  runs 2 scripts, 1 of them on instances · asks for approval once\n");
    buffer_clear(&out);
    written(arena_printf(arena, "%svms:\n  web: {source: /DC0/vm/web, subnet: app}\n", zones),
            WORKFLOW_FAILOVER, &out);
    assert_null(strstr(buffer_text(&out), "DNS"));
    assert_null(strstr(buffer_text(&out), "runs"));
    buffer_free(&out);
    arena_destroy(arena);
}

static void of_many_records_the_first_are_told(void **state)
{
    (void)state;
    struct buffer plan = {0}, out = {0};
    buffer_printf(&plan, "%sdns: {shop.example: {provider: route53}}\nvms:\n", fixture_head);
    for (int i = 0; i < 25; i++) {
        buffer_printf(&plan,
                      "  web-%d: {source: /DC0/vm/%d, subnet: app, post_boot: [{dns: {zone: "
                      "shop.example, record: www%d, type: A, ttl: 60, values: "
                      "[\"${self.address}\"]}}]}\n",
                      i, i, i);
    }
    written(buffer_text(&plan), WORKFLOW_FAILOVER, &out);
    expect(&out, "changes 25 DNS records\n");
    expect(&out, "       and 5 more: drc plan show lists them\n");
    assert_null(strstr(buffer_text(&out), "www20."));
    buffer_free(&plan);
    buffer_free(&out);
}

static void it_says_what_is_about_to_happen(void **state)
{
    (void)state;
    struct lower_fixture fixture =
        lower_vms("  db: {source: /DC0/vm/db, subnet: db}\n"
                  "  web: {source: /DC0/vm/web, subnet: app, depends_on: [db]}\n",
                  NULL);
    struct arena *arena = fixture.plan.arena;
    struct facts *facts = facts_of(arena);
    struct findings findings = {.passed = 7};
    struct summary summary = {
        .plan = fixture.plan.plan,
        .graph = fixture.graph,
        .facts = facts,
        .schedule = estimate(arena, fixture.graph, facts, true),
        .findings = &findings,
        .account = "111122223333",
        .now_utc_ms = parse_time("2026-11-22T10:00:00Z"),
    };
    struct buffer out = {0};
    summary_write(&summary, &out);
    expect(&out, "shop · failover into eu-west-1 (account 111122223333) · plan ");
    expect(&out, " of 20m");
    expect(&out, "  VM   recovery point        loss     instance");
    expect(&out, "  db   2026-11-22 09:38 UTC  22m");
    expect(&out, "  web  unknown               unknown");
    expect(&out, "app     db\n"); /* subnet, and what it depends on */
    expect(&out, "creates 2 instances, 2 volumes · deletes 2 placeholder roots\n");
    expect(&out, "preflight: 7 checks passed\n");
    assert_null(strstr(buffer_text(&out), "\033"));
    assert_null(strstr(buffer_text(&out), " \n")); /* no blanks at a line's end */
    buffer_free(&out);
    fixture_free(&fixture.plan);
}

static void replicate_says_what_is_sent_and_why(void **state)
{
    static const char json[] =
        "{\"format\":\"drc-facts/1\",\"observed_at\":\"2026-11-22T10:00:00Z\",\"inventory\":{\"vms\":{"
        "\"db\":{\"disks\":[{\"bytes\":1,\"size_gib\":1},{\"bytes\":1,\"size_gib\":1,\"whole\":"
        "\"key-changed\"}],\"excess\":2},"
        "\"web\":{\"disks\":[{\"bytes\":1,\"size_gib\":1}],\"copied\":true},"
        "\"log\":{\"disks\":[{\"bytes\":1,\"size_gib\":1,\"whole\":\"first\"}]}}},"
        "\"bindings\":{\"db/recovery-point\":\"2026-11-22T09:38:00Z\",\"db/last-copy\":"
        "\"2026-11-22T09:30:00Z\",\"web/recovery-point\":\"2026-11-22T09:38:00Z\"},"
        "\"blocks\":{\"db/disk-0\":3,\"db/disk-1\":2048,\"log/disk-0\":1}}";
    (void)state;
    struct buffer text = {0}, out = {0};
    buffer_printf(&text, "%svms:\n  db: {source: /a, subnet: db}\n  web: {source: /b, subnet: db}\n"
                         "  log: {source: /c, subnet: db}\n  new: {source: /d, subnet: db}\n", fixture_head);
    struct lower_fixture fixture = lower_workflow(buffer_text(&text), json, WORKFLOW_REPLICATE);
    struct arena *arena = fixture.plan.arena;
    struct findings findings = {.passed = 4};
    struct facts *facts = facts_read(arena, "f", json, strlen(json), NULL);
    struct summary summary = {
        .plan = fixture.plan.plan,
        .graph = fixture.graph,
        .facts = facts,
        .schedule = estimate(arena, fixture.graph, facts, true),
        .findings = &findings,
        .account = "111122223333",
        .now_utc_ms = parse_time("2026-11-22T10:00:00Z"),
    };
    summary_write(&summary, &out);
    expect(&out, "shop · replicate into eu-west-1 (account 111122223333) · plan ");
    expect(&out, "  db   2026-11-22 09:38 UTC  22m  2051 blocks (1.0 GiB)  2        what changed since "
                 "2026-11-22 09:30 UTC; disk 1 whole: the KMS key has changed\n");
    expect(&out, "is a DR copy already\n");
    expect(&out, "whole: there is no copy yet\n");
    expect(&out, "  new  none ");
    expect(&out, "creates 3 snapshots · sends 2052 blocks (1.0 GiB) · deletes 2 snapshots over keep: 1\n");
    buffer_free(&out);
    buffer_free(&text);
    fixture_free(&fixture.plan);
}

static void findings_are_told_but_for_those_that_passed(void **state)
{
    (void)state;
    struct finding items[] = {
        {FINDING_PASSED, "subnet-1", "is there", NULL},
        {FINDING_WARNING, "quota", "nearly used up", "ask for more"},
        {FINDING_FATAL, "ami-1", "is not there", NULL},
    };
    struct findings findings = {
        .items = items, .count = 3, .passed = 1, .warnings = 1, .fatal = 2, .unknown = 3};
    struct buffer out = {0};
    findings_write(&findings, 0, false, &out);
    assert_string_equal(buffer_text(&out),
                        "  preflight: 1 check passed, 2 errors, 1 warning, 3 unknown\n"
                        "    warning: quota: nearly used up\n"
                        "      help: ask for more\n"
                        "    error: ami-1: is not there\n");
    buffer_clear(&out);
    findings_write(&findings, 0, true, &out);
    expect(&out, "\033[1;31merror\033[0m: ami-1");
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_is_measured_from_the_recovery_point),
        cmocka_unit_test(it_says_what_is_about_to_happen),
        cmocka_unit_test(records_scripts_and_approvals_are_told),
        cmocka_unit_test(of_many_records_the_first_are_told),
        cmocka_unit_test(replicate_says_what_is_sent_and_why),
        cmocka_unit_test(findings_are_told_but_for_those_that_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
