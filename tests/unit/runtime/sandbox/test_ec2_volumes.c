/* Covers: ec2_volume_changes.c paging.c */
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"

#include "compiler/base/arena.h"

static void test_a_volume_passes_through_its_states(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    ec2_ok(c, "Action=CreateVolume&AvailabilityZone=eu-west-1a&Size=8&VolumeType=gp3&"
              "TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=drc%%3Avm&"
              "TagSpecification.1.Tag.1.Value=db");
    const char *id = got(c, "volumeId");
    assert_string_equal(got(c, "status"), "creating");
    assert_string_equal(got(c, "iops"), "3000");
    assert_string_equal(got(c, "throughput"), "125");
    assert_string_equal(xml_tag(c->xml, "drc:vm"), "db");
    ec2_fails(c, 400, "IncorrectState", "Action=DeleteVolume&VolumeId=%s", id);
    client_pass(c, 5);
    ec2_ok(c, "Action=DescribeVolumes&VolumeId.1=%s", id);
    assert_string_equal(got(c, "volumeSet/item/status"), "available");
    ec2_ok(c, "Action=DeleteVolume&VolumeId=%s", id);
    ec2_ok(c, "Action=DescribeVolumes&VolumeId.1=%s", id);
    assert_string_equal(got(c, "volumeSet/item/status"), "deleting");
    client_pass(c, 3);
    ec2_fails(c, 400, "InvalidVolume.NotFound", "Action=DescribeVolumes&VolumeId.1=%s", id);
    client_destroy(c);
}

static void test_what_a_volume_may_be(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *zone = "Action=CreateVolume&AvailabilityZone=eu-west-1a";
    const char *copy = copy_of(c, "db", 0);
    ec2_fails(c, 400, "MissingParameter", "Action=CreateVolume&Size=8");
    ec2_fails(c, 400, "MissingParameter", "%s", zone);
    ec2_fails(c, 400, "InvalidZone.NotFound",
              "Action=CreateVolume&AvailabilityZone=mars-1a&Size=8");
    ec2_fails(c, 400, "UnknownVolumeType", "%s&Size=8&VolumeType=gp9", zone);
    ec2_fails(c, 400, "InvalidSnapshot.NotFound", "%s&SnapshotId=snap-0123456789abcdef0", zone);
    ec2_fails(c, 400, "InvalidSnapshotID.Malformed", "%s&SnapshotId=snapshot", zone);
    ec2_fails(c, 400, "InvalidParameterValue", "%s&SnapshotId=%s&Size=1", zone, copy);
    ec2_fails(c, 400, "InvalidParameterValue", "%s&Size=many", zone);
    ec2_fails(c, 400, "InvalidParameterValue", "%s&Size=8&VolumeType=gp3&Iops=10", zone);
    ec2_fails(c, 400, "InvalidParameterCombination", "%s&Size=8&VolumeType=gp2&Iops=3000", zone);
    ec2_fails(c, 400, "InvalidParameterCombination", "%s&Size=8&VolumeInitializationRate=100",
              zone);
    ec2_fails(c, 400, "InvalidParameterValue", "%s&SnapshotId=%s&VolumeInitializationRate=99", zone,
              copy);
    ec2_fails(c, 412, "DryRunOperation", "%s&Size=8&DryRun=true", zone);
    ec2_ok(c,
           "%s&SnapshotId=%s&VolumeType=gp3&Iops=6000&Throughput=250&VolumeInitializationRate=200",
           zone, copy);
    assert_string_equal(got(c, "iops"), "6000");
    assert_string_equal(got(c, "volumeInitializationRate"), "200");
    ec2_ok(c, "Action=DescribeVolumes&Filter.1.Name=snapshot-id&Filter.1.Value.1=%s", copy);
    assert_int_equal(got_count(c, "volumeSet"), 1); /* the dry run made none */
    client_destroy(c);
}

static void test_a_token_makes_one_volume(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *request = "Action=CreateVolume&AvailabilityZone=eu-west-1a&Size=8&ClientToken=t1";
    ec2_ok(c, "%s", request);
    const char *first = got(c, "volumeId");
    ec2_ok(c, "%s", request);
    assert_string_equal(got(c, "volumeId"), first);
    ec2_fails(c, 400, "IdempotentParameterMismatch",
              "Action=CreateVolume&AvailabilityZone=eu-west-1a&Size=9&ClientToken=t1");
    ec2_ok(c, "Action=CreateVolume&AvailabilityZone=eu-west-1a&Size=9&ClientToken=t2");
    assert_string_not_equal(got(c, "volumeId"), first);
    client_destroy(c);
}

static void test_attach_and_detach(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *instance = run_instance(c, "");
    const char *volume = make_volume(c, NULL), *other = make_volume(c, NULL);
    const char *attach = "Action=AttachVolume&Device=/dev/sdf";
    ec2_fails(c, 400, "IncorrectState", "%s&VolumeId=%s&InstanceId=%s", attach, volume, instance);
    client_pass(c, 30);
    ec2_fails(c, 400, "InvalidParameterValue",
              "Action=AttachVolume&Device=/dev/nvme1&VolumeId=%s&InstanceId=%s", volume, instance);
    ec2_fails(c, 400, "InvalidInstanceID.NotFound", "%s&VolumeId=%s&InstanceId=i-0123456789abcdef0",
              attach, volume);
    ec2_ok(c, "%s&VolumeId=%s&InstanceId=%s", attach, volume, instance);
    assert_string_equal(got(c, "status"), "attaching");
    ec2_fails(c, 400, "VolumeInUse", "%s&VolumeId=%s&InstanceId=%s", attach, volume, instance);
    ec2_fails(c, 400, "InvalidParameterValue", "%s&VolumeId=%s&InstanceId=%s", attach, other,
              instance);
    ec2_fails(c, 400, "VolumeInUse", "Action=DeleteVolume&VolumeId=%s", volume);
    client_pass(c, 3);
    ec2_ok(c, "Action=DescribeVolumes&Filter.1.Name=attachment.status&Filter.1.Value.1=attached&"
              "Filter.2.Name=attachment.device&Filter.2.Value.1=/dev/sdf");
    assert_string_equal(got(c, "volumeSet/item/volumeId"), volume);
    ec2_fails(c, 400, "InvalidAttachment.NotFound",
              "Action=DetachVolume&VolumeId=%s&InstanceId=i-0f00ba40000000000", volume);
    ec2_ok(c, "Action=DetachVolume&VolumeId=%s", volume);
    assert_string_equal(got(c, "status"), "detaching");
    client_pass(c, 4);
    ec2_fails(c, 400, "IncorrectState", "Action=DetachVolume&VolumeId=%s", volume);
    ec2_ok(c, "Action=DeleteVolume&VolumeId=%s", volume);
    client_destroy(c);
}

static void test_attaching_across_zones_and_the_root(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *instance = run_instance(c, "");
    ec2_ok(c, "Action=CreateVolume&AvailabilityZone=eu-west-1b&Size=8");
    const char *far = got(c, "volumeId");
    client_pass(c, 40);
    ec2_fails(c, 400, "InvalidVolume.ZoneMismatch",
              "Action=AttachVolume&Device=/dev/sdf&VolumeId=%s&InstanceId=%s", far, instance);
    ec2_ok(c, "Action=DescribeInstances&InstanceId.1=%s", instance);
    const char *root =
        got(c, "reservationSet/item/instancesSet/item/blockDeviceMapping/item/ebs/volumeId");
    ec2_fails(c, 400, "OperationNotPermitted", "Action=DetachVolume&VolumeId=%s", root);
    ec2_ok(c, "Action=StopInstances&InstanceId.1=%s", instance);
    ec2_fails(c, 400, "OperationNotPermitted", "Action=DetachVolume&VolumeId=%s", root);
    client_pass(c, 40);
    ec2_ok(c, "Action=DetachVolume&VolumeId=%s&InstanceId=%s", root, instance);
    client_destroy(c);
}

static void test_pages_and_filters(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    for (int i = 0; i < 12; i++) {
        ec2_ok(c,
               "Action=CreateVolume&AvailabilityZone=eu-west-1a&Size=%d&"
               "TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=n&"
               "TagSpecification.1.Tag.1.Value=v%d",
               i + 1, i);
    }
    const char *first = got(c, "volumeId");
    const char *filter = "Action=DescribeVolumes&Filter.1.Name=tag-key&Filter.1.Value.1=n";
    size_t seen = 0, pages = 0;
    const char *next = "";
    do {
        ec2_ok(c, "%s&MaxResults=5%s%s", filter, *next ? "&NextToken=" : "", next);
        seen += got_count(c, "volumeSet");
        pages++;
        next = xml_text(c->xml, "nextToken") ? got(c, "nextToken") : NULL;
    } while (next);
    assert_int_equal(seen, 12);
    assert_int_equal(pages, 3);
    ec2_fails(c, 400, "InvalidParameterCombination",
              "Action=DescribeVolumes&MaxResults=5&VolumeId.1=%s", first);
    ec2_fails(c, 400, "InvalidParameterValue", "%s&MaxResults=4", filter);
    ec2_fails(c, 400, "InvalidParameterValue", "%s&MaxResults=5&NextToken=nonsense", filter);
    ec2_ok(c, "Action=DescribeVolumes&Filter.1.Name=tag:n&Filter.1.Value.1=v1*&"
              "Filter.2.Name=size&Filter.2.Value.1=11&Filter.2.Value.2=2");
    assert_int_equal(got_count(c, "volumeSet"), 2);
    ec2_fails(c, 400, "InvalidParameterValue",
              "Action=DescribeVolumes&Filter.1.Name=client-token&Filter.1.Value.1=x");
    client_destroy(c);
}

static void test_modifying(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *volume = make_volume(c, NULL);
    ec2_fails(c, 400, "InvalidParameterValue", "Action=ModifyVolume&VolumeId=%s&Size=4", volume);
    ec2_ok(c, "Action=ModifyVolume&VolumeId=%s&Size=16", volume);
    assert_string_equal(got(c, "volumeModification/originalSize"), "8");
    ec2_fails(c, 400, "IncorrectModificationState", "Action=ModifyVolume&VolumeId=%s&Size=32",
              volume);
    client_pass(c, 30);
    ec2_ok(c, "Action=DescribeVolumesModifications");
    assert_string_equal(got(c, "volumeModificationSet/item/modificationState"), "completed");
    client_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_volume_passes_through_its_states),
        cmocka_unit_test(test_what_a_volume_may_be),
        cmocka_unit_test(test_a_token_makes_one_volume),
        cmocka_unit_test(test_attach_and_detach),
        cmocka_unit_test(test_attaching_across_zones_and_the_root),
        cmocka_unit_test(test_pages_and_filters),
        cmocka_unit_test(test_modifying),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
