/* RunInstances and CreateVolume: every parameter, and how a lost one is found again. */
#include <string.h>

#include "runtime/aws/operation.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

static struct value text(const char *value)
{
    return (struct value){.kind = VALUE_TEXT, .text = value};
}

static struct value integer(int64_t value)
{
    return (struct value){.kind = VALUE_INT, .integer = value};
}

static struct value boolean(bool value)
{
    return (struct value){.kind = VALUE_BOOL, .boolean = value};
}

static struct value list(struct value *items, uint32_t count)
{
    return (struct value){.kind = VALUE_LIST, .items = items, .count = count};
}

static struct value map(const char **keys, struct value *items, uint32_t count)
{
    return (struct value){.kind = VALUE_MAP, .keys = keys, .items = items, .count = count};
}

static struct canned_result run(struct canned *canned, enum canned_what what, enum action action,
                                struct input *inputs, size_t count, int choice)
{
    struct aws *aws = canned_aws(canned);
    struct canned_call call = {"db/run-instance", inputs, count, choice, ACTION_NONE};
    struct canned_result result;
    canned_run(canned, aws, what, action, &call, 1, &result);
    aws_destroy(aws);
    return result;
}

#define RAN                                                                                        \
    "<RunInstancesResponse><instancesSet><item><instanceId>i-1</instanceId><instanceType>"         \
    "m5.large</instanceType></item></instancesSet></RunInstancesResponse>"

static void test_every_parameter(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"Action=RunInstances&Version=2016-11-15&ImageId=ami-1&InstanceType=m5.large&MinCount=1"
         "&MaxCount=1&ClientToken=t0&KeyName=dr&IamInstanceProfile.Name=app&Placement.Tenancy="
         "dedicated"
         "&CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId=cr-1"
         "&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId=subnet-1"
         "&NetworkInterface.1.SecurityGroupId.1=sg-1&NetworkInterface.1.PrivateIpAddress=10.0.0.9"
         "&NetworkInterface.1.AssociatePublicIpAddress=true&NetworkInterface.1.DeleteOnTermination="
         "true"
         "&BlockDeviceMapping.1.DeviceName=%2Fdev%2Fsdf&BlockDeviceMapping.1.Ebs.SnapshotId=snap-1"
         "&BlockDeviceMapping.1.Ebs.VolumeType=gp3&BlockDeviceMapping.1.Ebs.VolumeSize=9"
         "&BlockDeviceMapping.1.Ebs.DeleteOnTermination=true"
         "&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=drc%3Aplan"
         "&TagSpecification.1.Tag.1.Value=shop&TagSpecification.1.Tag.2.Key=drc%3Avm"
         "&TagSpecification.1.Tag.2.Value=db&TagSpecification.1.Tag.3.Key=drc%3Arun"
         "&TagSpecification.1.Tag.3.Value=r1&TagSpecification.1.Tag.4.Key=drc%3Anode"
         "&TagSpecification.1.Tag.4.Value=db%2Frun-instance&TagSpecification.1.Tag.5.Key=drc%"
         "3Aworkflow"
         "&TagSpecification.1.Tag.5.Value=failover&TagSpecification.1.Tag.6.Key=tier"
         "&TagSpecification.1.Tag.6.Value=data%20%26%20more&TagSpecification.2.ResourceType=volume",
         .body = RAN}};
    struct canned *canned = canned_create(script, 1);
    struct value types[] = {text("m6i.large"), text("m5.large")}, groups[] = {text("sg-1")};
    const char *card_keys[] = {"subnet_id", "group_ids", "private_ip", "public_ip"};
    struct value card_items[] = {text("subnet-1"), list(groups, 1), text("10.0.0.9"),
                                 boolean(true)};
    struct value cards[] = {map(card_keys, card_items, 4)};
    const char *device_keys[] = {"device", "snapshot_id", "type", "size_gib"};
    struct value device_items[] = {text("/dev/sdf"), text("snap-1"), text("gp3"), integer(9)};
    struct value devices[] = {map(device_keys, device_items, 4)};
    const char *tag_keys[] = {"drc:plan", "tier"};
    struct value tag_items[] = {text("forged"), text("data & more")};
    struct input inputs[] = {{"image_id", text("ami-1")},
                             {"instance_types", list(types, 2)},
                             {"cards", list(cards, 1)},
                             {"key_name", text("dr")},
                             {"iam_profile", text("app")},
                             {"tenancy", text("dedicated")},
                             {"capacity_reservation", text("cr-1")},
                             {"block_devices", list(devices, 1)},
                             {"tags", map(tag_keys, tag_items, 2)}};
    struct canned_result result =
        run(canned, CANNED_START, ACTION_RUN_INSTANCE, inputs, sizeof inputs / sizeof *inputs, 1);
    assert_int_equal(result.outcome, OUTCOME_OK);
    assert_string_equal(canned_output(&result, "instance_id"), "i-1");
    assert_string_equal(canned_output(&result, "instance_type"), "m5.large");
    canned_destroy(canned);
}

static void test_several_cards(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId=subnet-1"
         "&NetworkInterface.1.DeleteOnTermination=true&NetworkInterface.2.DeviceIndex=1"
         "&NetworkInterface.2.SubnetId=subnet-1&NetworkInterface.2.DeleteOnTermination=true",
         .body = RAN}};
    struct canned *canned = canned_create(script, 1);
    const char *keys[] = {"subnet_id", "public_ip"};
    struct value items[] = {text("subnet-1"), boolean(false)};
    struct value cards[] = {map(keys, items, 2), map(keys, items, 2)};
    struct input inputs[] = {{"image_id", text("ami-1")}, {"cards", list(cards, 2)}};
    assert_int_equal(run(canned, CANNED_START, ACTION_RUN_INSTANCE, inputs, 2, 0).outcome,
                     OUTCOME_OK);
    canned_destroy(canned);
}

#define FOUND(items)                                                                               \
    "<DescribeInstancesResponse><reservationSet><item><instancesSet>" items                        \
    "</instancesSet></item></reservationSet></DescribeInstancesResponse>"
#define INSTANCE(id, state, token)                                                                 \
    "<item><instanceId>" id "</instanceId><instanceState><name>" state "</name></instanceState>"   \
    "<clientToken>" token "</clientToken></item>"

static void assert_found(const char *body, const char *id)
{
    const struct canned_answer script[] = {
        {"Filter.1.Name=tag%3Adrc%3Arun&Filter.1.Value.1=r1&Filter.2.Name=tag%3Adrc%3Anode"
         "&Filter.2.Value.1=db%2Frun-instance",
         .body = body}};
    struct canned *canned = canned_create(script, 1);
    struct canned_result result = run(canned, CANNED_LOOKUP, ACTION_RUN_INSTANCE, NULL, 0, 0);
    assert_int_equal(result.outcome, id ? OUTCOME_OK : OUTCOME_ABSENT);
    if (id) {
        assert_string_equal(canned_output(&result, "instance_id"), id);
    }
    canned_destroy(canned);
}

static void test_found_again(void **state)
{
    (void)state;
    assert_found(FOUND(INSTANCE("i-1", "running", "other") INSTANCE("i-2", "pending", "t0")),
                 "i-2");
    assert_found(FOUND(INSTANCE("i-0", "terminated", "t0") INSTANCE("i-1", "stopped", "other")),
                 "i-1");
    assert_found(FOUND(INSTANCE("i-1", "shutting-down", "t0")), NULL);
    assert_found(FOUND(""), NULL);
}

static void test_an_answer_without_an_id_is_in_doubt(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"RunInstances", .body = "<RunInstancesResponse></RunInstancesResponse>"},
        {"CreateVolume", .body = "<CreateVolumeResponse></CreateVolumeResponse>"}};
    struct canned *canned = canned_create(script, 2);
    assert_int_equal(run(canned, CANNED_START, ACTION_RUN_INSTANCE, NULL, 0, 0).outcome,
                     OUTCOME_UNKNOWN);
    assert_int_equal(run(canned, CANNED_START, ACTION_CREATE_VOLUME, NULL, 0, 0).outcome,
                     OUTCOME_UNKNOWN);
    canned_destroy(canned);
}

static void test_volume(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"Action=CreateVolume&Version=2016-11-15&SnapshotId=snap-1&AvailabilityZone=eu-west-1a"
         "&VolumeType=gp3&Size=10&Iops=4000&Throughput=250&VolumeInitializationRate=200"
         "&Encrypted=true&KmsKeyId=alias%2Fdr&ClientToken=t0&TagSpecification.1.ResourceType="
         "volume",
         .body = "<CreateVolumeResponse><volumeId>vol-1</volumeId></CreateVolumeResponse>"},
        {"Describe", .body =
                         "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-0</volumeId>"
                         "<status>deleting</status></item><item><volumeId>vol-1</volumeId>"
                         "<status>creating</status></item></volumeSet></DescribeVolumesResponse>"}};
    struct canned *canned = canned_create(script, 2);
    struct input inputs[] = {{"snapshot_id", text("snap-1")},
                             {"zone", text("eu-west-1a")},
                             {"size_gib", integer(10)},
                             {"type", text("gp3")},
                             {"iops", integer(4000)},
                             {"throughput", integer(250)},
                             {"initialization_rate", integer(200)},
                             {"kms_key", text("alias/dr")},
                             {"disk", integer(1)}};
    struct canned_result result =
        run(canned, CANNED_START, ACTION_CREATE_VOLUME, inputs, sizeof inputs / sizeof *inputs, 0);
    assert_string_equal(canned_output(&result, "volume_id"), "vol-1");
    assert_non_null(strstr(canned->log.data, "Key=drc%3Adisk&TagSpecification.1.Tag.6.Value=1"));
    result = run(canned, CANNED_LOOKUP, ACTION_CREATE_VOLUME, inputs, 1, 0);
    assert_string_equal(canned_output(&result, "volume_id"), "vol-1");
    canned_destroy(canned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_parameter),
        cmocka_unit_test(test_several_cards),
        cmocka_unit_test(test_found_again),
        cmocka_unit_test(test_an_answer_without_an_id_is_in_doubt),
        cmocka_unit_test(test_volume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
