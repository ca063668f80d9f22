/* Addresses: who is launched first so that nobody is given another's address. */
#include <string.h>

#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/lower_fixture.h"

static const char image_head[] =
    "version: 1\n"
    "name: shop\n"
    "objectives: {rpo: 30m, rto: 20m}\n"
    "backup: {every: 10m, repository: \"s3://acme-dr/shop\"}\n"
    "replication: {every: 10m}\n"
    "sites: {recovery: {aws: {region: eu-west-1, account: \"111122223333\", boot: image, "
    "conversion: {inject: never}}}}\n"
    "networks: {production: {vpc: vpc-1, subnets: {\n"
    "  app: {id: subnet-1, cidr: 10.20.1.0/24, zone: eu-west-1a}},\n"
    "  security_groups: {web: sg-1}}}\n"
    "vms:\n";

static bool assumes(const struct lower_fixture *fixture, const char *text)
{
    for (size_t i = 0; i < fixture->graph->assumption_count; i++) {
        if (strstr(fixture->graph->assumptions[i], text)) {
            return true;
        }
    }
    return false;
}

/* Only where a subnet has both kinds; whether the first are launched well is nothing to wait for. */
static void fixed_addresses_are_launched_first(void **state)
{
    (void)state;
    struct lower_fixture fixture =
        lower_vms("  any: {source: /DC0/vm/any, subnet: app}\n"
                  "  one: {source: /DC0/vm/one, subnet: app, private_ip: 10.20.1.10}\n"
                  "  two: {source: /DC0/vm/two, subnet: app, private_ip: 10.20.1.11}\n"
                  "  db: {source: /DC0/vm/db, subnet: db}\n",
                  NULL);
    assert_true(lower_follows(&fixture, "subnets/app/launched", "one/run-instance", WHEN_ENDED));
    assert_true(lower_follows(&fixture, "subnets/app/launched", "two/run-instance", WHEN_ENDED));
    assert_true(lower_follows(&fixture, "any/run-instance", "subnets/app/launched", WHEN_OK));
    assert_false(lower_has(&fixture, "subnets/db/launched"));
    assert_int_equal(lower_node(&fixture, "db/run-instance")->after_count, 0);
    assert_int_equal(lower_node(&fixture, "one/run-instance")->after_count, 0);
    assert_int_equal(lower_node(&fixture, "subnets/app/launched")->vm, NO_VM);
    assert_false(assumes(&fixture, "subnet app"));
    fixture_free(&fixture.plan);
}

/* A card here and a card there: no circle, whichever comes first. */
static void both_kinds_in_one_vm_make_no_circle(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms(
        "  left: {source: /DC0/vm/left, nics: [{subnet: app, private_ip: 10.20.1.10}, {subnet: db}]}\n"
        "  right: {source: /DC0/vm/right, nics: [{subnet: db, private_ip: 10.20.2.10}, {subnet: app}]}\n"
        "  any: {source: /DC0/vm/any, nics: [{subnet: app}, {subnet: db}]}\n",
        NULL);
    assert_int_equal(lower_node(&fixture, "left/run-instance")->after_count, 0);
    assert_int_equal(lower_node(&fixture, "right/run-instance")->after_count, 0);
    assert_true(lower_follows(&fixture, "any/run-instance", "subnets/app/launched", WHEN_OK));
    assert_true(lower_follows(&fixture, "any/run-instance", "subnets/db/launched", WHEN_OK));
    fixture_free(&fixture.plan);
}

/* boot: image. Who is launched at once goes first; nobody waits for who comes late, and it is told
 * that an address may be gone by then. */
static void a_late_launch_holds_up_nobody(void **state)
{
    (void)state;
    char plan[2048];
    strcat(strcpy(plan, image_head),
           "  db: {source: /DC0/vm/db, subnet: app}\n"
           "  early: {source: /DC0/vm/early, subnet: app, private_ip: 10.20.1.10}\n"
           "  late: {source: /DC0/vm/late, subnet: app, private_ip: 10.20.1.11, depends_on: [db]}\n");
    struct lower_fixture fixture = lower_plan(plan, NULL);
    assert_true(lower_follows(&fixture, "db/run-instance", "subnets/app/launched", WHEN_OK));
    assert_true(lower_follows(&fixture, "subnets/app/launched", "early/run-instance", WHEN_ENDED));
    assert_int_equal(lower_node(&fixture, "subnets/app/launched")->after_count, 1);
    assert_true(lower_needs(&fixture, "late/run-instance", "db/recovered"));
    assert_true(assumes(&fixture, "10.20.1.11 (late) is still free"));
    fixture_free(&fixture.plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_addresses_are_launched_first),
        cmocka_unit_test(both_kinds_in_one_vm_make_no_circle),
        cmocka_unit_test(a_late_launch_holds_up_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
