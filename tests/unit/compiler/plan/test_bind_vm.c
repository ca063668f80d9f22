#include "tests/unit/support/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/plan_fixture.h"

static struct plan_fixture with_defaults(const char *defaults, const char *vms)
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture = fixture_bind(
        arena_printf(arena, "%sdefaults:\n  subnet: app\n%svms:\n%s", fixture_head, defaults, vms));
    arena_destroy(arena);
    return fixture;
}

static void own_values_win_and_tags_are_added(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_defaults("  instance_type: m6i.large\n"
                                                "  critical: false\n"
                                                "  key_name: ops\n"
                                                "  tags: {service: shop, tier: any}\n",
                                                "  one: {source: /a}\n"
                                                "  two:\n"
                                                "    source: /b\n"
                                                "    instance_type: auto\n"
                                                "    critical: true\n"
                                                "    tags: {tier: data, extra: x}\n");
    fixture_clean(&fixture);
    const struct plan_vm *one = &fixture.plan->vms[0], *two = &fixture.plan->vms[1];
    assert_false(one->type_auto);
    assert_string_equal(one->instance_types.items[0].value, "m6i.large");
    assert_false(one->critical);
    assert_int_equal(one->tag_count, 2);
    assert_true(two->type_auto);
    assert_true(two->critical);
    assert_string_equal(two->key_name.value, "ops");
    assert_int_equal(two->tag_count, 3);
    assert_string_equal(two->tags[0].key, "service");
    assert_string_equal(two->tags[1].value, "data");
    assert_string_equal(two->tags[2].key, "extra");
    fixture_free(&fixture);
}

static void defaults_of_the_language(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_defaults("", "  one: {source: /a}\n");
    fixture_clean(&fixture);
    const struct plan_vm *vm = &fixture.plan->vms[0];
    assert_true(vm->type_auto);
    assert_int_equal(vm->instance_families.count, 3);
    assert_string_equal(vm->instance_families.items[0].value, "m6i");
    assert_true(vm->critical);
    assert_false(vm->licensing_aws);
    assert_false(vm->public_ip[NETWORK_PRODUCTION]);
    assert_int_equal(vm->delay.ms, 0);
    assert_int_equal(vm->dependency_count + vm->ready_count + vm->post_boot_count, 0);
    assert_false(vm->timeouts[TIMEOUT_START].given);
    fixture_free(&fixture);
}

static void short_and_long_forms(void **state)
{
    (void)state;
    struct plan_fixture fixture =
        with_defaults("", "  db: {source: /a}\n"
                          "  app: {source: /b, depends_on: [db], iam_profile: p}\n"
                          "  web:\n"
                          "    source: /c\n"
                          "    depends_on: {db: running, app: ready}\n"
                          "    iam_profile: {test: q}\n"
                          "    public_ip: {production: true}\n"
                          "    elastic_ip: {test: eipalloc-1}\n"
                          "    target_groups: {production: [t1, t2]}\n"
                          "    instance_type: [r6i.xlarge, r5.xlarge]\n"
                          "    licensing: aws\n"
                          "  last: {source: /d, depends_on: {web: recovered}, delay: 10s}\n");
    fixture_clean(&fixture);
    const struct plan_vm *vms = fixture.plan->vms;
    assert_int_equal(vms[1].dependencies[0].stage, STAGE_RECOVERED);
    assert_ptr_equal(vms[1].dependencies[0].vm, &vms[0]);
    assert_string_equal(vms[1].iam_profile[NETWORK_PRODUCTION].value, "p");
    assert_string_equal(vms[1].iam_profile[NETWORK_TEST].value, "p");
    assert_int_equal(vms[2].dependencies[0].stage, STAGE_RUNNING);
    assert_int_equal(vms[2].dependencies[1].stage, STAGE_READY);
    assert_null(vms[2].iam_profile[NETWORK_PRODUCTION].value);
    assert_string_equal(vms[2].iam_profile[NETWORK_TEST].value, "q");
    assert_true(vms[2].public_ip[NETWORK_PRODUCTION]);
    assert_false(vms[2].public_ip[NETWORK_TEST]);
    assert_null(vms[2].elastic_ip[NETWORK_PRODUCTION].value);
    assert_string_equal(vms[2].elastic_ip[NETWORK_TEST].value, "eipalloc-1");
    assert_int_equal(vms[2].target_groups[NETWORK_PRODUCTION].count, 2);
    assert_int_equal(vms[2].instance_types.count, 2);
    assert_true(vms[2].licensing_aws);
    assert_int_equal(vms[3].dependencies[0].stage, STAGE_RECOVERED);
    assert_int_equal(vms[3].delay.ms, 10000);
    fixture_free(&fixture);
}

static void volumes_and_timeouts(void **state)
{
    (void)state;
    struct plan_fixture fixture =
        with_defaults("", "  db:\n"
                          "    source: /a\n"
                          "    volumes: {10: {type: gp2}, 0: {iops: 6000, throughput: 250}}\n"
                          "    timeouts: {start: 10m, script: 1h}\n"
                          "    guest: {credentials: env:DB}\n");
    fixture_clean(&fixture);
    const struct plan_vm *vm = &fixture.plan->vms[0];
    assert_int_equal(vm->volume_count, 2);
    assert_int_equal(vm->volumes[0].disk, 0);
    assert_int_equal(vm->volumes[0].iops, 6000);
    assert_int_equal(vm->volumes[0].throughput, 250);
    assert_null(vm->volumes[0].type.value);
    assert_int_equal(vm->volumes[1].disk, 10);
    assert_string_equal(vm->volumes[1].type.value, "gp2");
    assert_int_equal(vm->timeouts[TIMEOUT_START].ms, 600000);
    assert_int_equal(vm->timeouts[TIMEOUT_SCRIPT].ms, 3600000);
    assert_false(vm->timeouts[TIMEOUT_STOP].given);
    assert_string_equal(vm->guest_credentials.reference, "env:DB");
    fixture_free(&fixture);
}

/* Ten thousand VMs that each name an unknown one: linear, and no flood of suggestions. */
static void many_mistakes_end_soon(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    char *text = base_alloc(COUNT * 64);
    size_t length = 0;
    for (int i = 0; i < COUNT; i++) {
        length += (size_t)sprintf(text + length, "  vm-%d: {source: /%d, depends_on: [wm-%d]}\n", i,
                                  i, i);
    }
    struct plan_fixture fixture = with_defaults("", text);
    assert_null(fixture.plan);
    assert_int_equal(fixture.diagnostics->error_count, COUNT);
    assert_int_equal(fixture.diagnostics->count, DIAGNOSTICS_MAX);
    fixture_free(&fixture);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_values_win_and_tags_are_added),
        cmocka_unit_test(defaults_of_the_language),
        cmocka_unit_test(short_and_long_forms),
        cmocka_unit_test(volumes_and_timeouts),
        cmocka_unit_test(many_mistakes_end_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
