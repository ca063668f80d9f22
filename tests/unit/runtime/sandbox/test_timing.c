#include "runtime/sandbox/timing.h"

#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

static void test_names_and_actions(void **state)
{
    (void)state;
    assert_int_equal(timing_of_action(ACTION_WAIT_INJECTED), TIMING_INJECT);
    assert_int_equal(timing_of_action(ACTION_CHECK_TCP), TIMING_GUEST_BOOT);
    assert_int_equal(timing_of_action(ACTION_CHECK_HTTP), TIMING_GUEST_BOOT);
    assert_int_equal(timing_of_action(ACTION_CREATE_VOLUME), TIMING_COUNT);
    assert_int_equal(timing_of_action(ACTION_NONE), TIMING_COUNT);
    assert_int_equal(timing_by_name("inject/db", 6), TIMING_INJECT);
    assert_int_equal(timing_by_name("injec", 5), TIMING_COUNT);
    for (enum timing timing = 0; timing < TIMING_COUNT; timing++) {
        const char *name = timing_info(timing)->name;
        assert_int_equal(timing_by_name(name, strlen(name)), timing);
        assert_true(timing_info(timing)->min_ms <= timing_info(timing)->max_ms);
    }
}

static const char *volume_state(struct sandbox_client *c, const char *volume)
{
    ec2_ok(c, "Action=DescribeVolumes&VolumeId.1=%s", volume);
    return got(c, "volumeSet/item/status");
}

/* How long a new volume is being created, in whole seconds. */
static int created_after_s(struct sandbox_client *c)
{
    const char *copy = copy_of(c, "db", 1);
    ec2_ok(c, "Action=CreateVolume&AvailabilityZone=eu-west-1a&VolumeType=gp3&SnapshotId=%s", copy);
    const char *volume = got(c, "volumeId");
    int seconds = 0;
    for (; strcmp(volume_state(c, volume), "creating") == 0; seconds++) {
        client_pass(c, 1);
    }
    return seconds;
}

static void test_without_spread_as_ever(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    client_fault(c, "consistency", 0);
    client_fault(c, "time:volume-create", 60000); /* counts with spread alone */
    for (int i = 0; i < 5; i++) {
        assert_in_range(created_after_s(c), 4, 5); /* requests take time of their own */
    }
    client_destroy(c);
}

static void test_spread(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    client_fault(c, "consistency", 0);
    client_fault(c, "spread", 1);
    client_fault(c, "time:volume-create", 60000);
    enum { DRAWS = 61 };
    int least = 1000, most = 0, below = 0;
    for (int i = 0; i < DRAWS; i++) {
        int seconds = created_after_s(c);
        least = seconds < least ? seconds : least;
        most = seconds > most ? seconds : most;
        below += seconds <= 60;
    }
    assert_in_range(below, DRAWS / 4, DRAWS * 3 / 4); /* around what was told */
    assert_in_range(least, 20, 50);
    assert_in_range(most, 80, 200);
    client_destroy(c);
}

static void test_unknown_names_are_refused(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    struct error error = {0};
    assert_true(sandbox_set_fault(c->sandbox, "time:inject", 1000, &error));
    assert_true(sandbox_set_fault(c->sandbox, "time:inject/db", 1000, &error));
    assert_false(sandbox_set_fault(c->sandbox, "time:injection", 1000, &error));
    assert_non_null(strstr(error.message, "no fault time:injection"));
    error_clear(&error);
    client_destroy(c);
}

static void wait_until(struct sandbox_client *c, const char *instance, const char *wanted)
{
    for (int i = 0; i < 300; i++) {
        ec2_ok(c, "Action=DescribeInstances&InstanceId.1=%s", instance);
        if (!strcmp(got(c, "reservationSet/item/instancesSet/item/instanceState/name"), wanted)) {
            return;
        }
        client_pass(c, 1);
    }
    fail_msg("%s is never %s", instance, wanted);
}

/* Until the status checks of a VM's instance are done, in whole seconds. */
static int checked_after_s(struct sandbox_client *c, const char *vm)
{
    const char *instance = run_instance(
        c,
        arena_printf(c->arena,
                     "TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=drc:vm&"
                     "TagSpecification.1.Tag.1.Value=%s",
                     vm));
    wait_until(c, instance, "running");
    for (int second = 0; second < 3600; second++) {
        ec2_ok(c, "Action=DescribeInstanceStatus&InstanceId.1=%s", instance);
        if (strcmp(got(c, "instanceStatusSet/item/instanceStatus/status"), "initializing") != 0) {
            return second;
        }
        client_pass(c, 1);
    }
    return 3600;
}

static void test_times_of_one_vm(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    client_fault(c, "consistency", 0);
    client_fault(c, "spread", 0.01);
    client_fault(c, "time:status-check", 90000);
    client_fault(c, "time:status-check/db", 300000);
    assert_in_range(checked_after_s(c, "web"), 80, 95);
    assert_in_range(checked_after_s(c, "db"), 280, 315);
    client_destroy(c);
}

/* What is not kept is the same whenever it is looked at: a guest that is up stays up. */
static void test_boot_is_steady(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    client_fault(c, "consistency", 0);
    client_fault(c, "spread", 1);
    client_fault(c, "time:status-check", 90000);
    const char *instance = run_instance(c, "");
    wait_until(c, instance, "running");
    int changes = 0, ok_after_s = 0;
    bool ok = false;
    for (int second = 0; second < 300; second++) {
        ec2_ok(c, "Action=DescribeInstanceStatus&InstanceId.1=%s", instance);
        const char *status = got(c, "instanceStatusSet/item/instanceStatus/status");
        bool now = strcmp(status, "initializing") != 0;
        changes += now != ok;
        ok_after_s = now && !ok ? second : ok_after_s;
        ok = now;
        client_pass(c, 1);
    }
    assert_int_equal(changes, 1);
    assert_in_range(ok_after_s, 40, 200);
    client_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_actions),
        cmocka_unit_test(test_without_spread_as_ever),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_unknown_names_are_refused),
        cmocka_unit_test(test_times_of_one_vm),
        cmocka_unit_test(test_boot_is_steady),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
