/* Covers: ec2_snapshots.c ec2_network.c tags.c */
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"

#include "compiler/base/arena.h"

#define INSTANCE "reservationSet/item/instancesSet/item/"

static void test_snapshots(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *volume = make_volume(c, NULL);
    ec2_fails(c, 400, "InvalidVolume.NotFound",
              "Action=CreateSnapshot&VolumeId=vol-0123456789abcdef0");
    ec2_ok(c, "Action=CreateSnapshot&VolumeId=%s&Description=before", volume);
    const char *snapshot = got(c, "snapshotId");
    assert_string_equal(got(c, "status"), "pending");
    ec2_fails(c, 400, "IncorrectState",
              "Action=CreateVolume&AvailabilityZone=eu-west-1a&SnapshotId=%s", snapshot);
    client_pass(c, 15);
    ec2_ok(c, "Action=DescribeSnapshots&Filter.1.Name=status&Filter.1.Value.1=completed&"
              "Filter.2.Name=description&Filter.2.Value.1=bef*");
    assert_string_equal(got(c, "snapshotSet/item/snapshotId"), snapshot);
    ec2_ok(c, "Action=DeleteSnapshot&SnapshotId=%s", snapshot);
    ec2_fails(c, 400, "InvalidSnapshot.NotFound", "Action=DeleteSnapshot&SnapshotId=%s", snapshot);
    client_destroy(c);
}

static void test_what_registering_checks(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *copy = copy_of(c, "db", 0);
    const char *devices =
        arena_printf(c->arena,
                     "RootDeviceName=/dev/sda1&BlockDeviceMapping.1.DeviceName=/dev/sda1&"
                     "BlockDeviceMapping.1.Ebs.SnapshotId=%s",
                     copy);
    const char *image = "Action=RegisterImage&VirtualizationType=hvm&EnaSupport=true&"
                        "Architecture=x86_64&BootMode=legacy-bios";
    ec2_fails(c, 400, "MissingParameter", "%s&%s", image, devices);
    ec2_fails(c, 400, "InvalidAMIName.Malformed", "%s&Name=a&%s", image, devices);
    ec2_fails(c, 400, "InvalidParameterValue", "%s&Name=db&BootMode=grub&%s",
              "Action=RegisterImage", "Name=database&RootDeviceName=/dev/sda1");
    ec2_fails(c, 400, "InvalidBlockDeviceMapping", "%s&Name=shop-db&RootDeviceName=/dev/sda1",
              image);
    ec2_fails(c, 400, "InvalidSnapshot.NotFound",
              "%s&Name=shop-db&RootDeviceName=/dev/sda1&BlockDeviceMapping.1.DeviceName=/dev/sda1&"
              "BlockDeviceMapping.1.Ebs.SnapshotId=snap-0123456789abcdef0",
              image);
    ec2_ok(c, "%s&Name=shop-db&%s", image, devices);
    const char *id = got(c, "imageId");
    ec2_fails(c, 400, "InvalidAMIName.Duplicate", "%s&Name=shop-db&%s", image, devices);
    ec2_fails(c, 400, "InvalidSnapshot.InUse", "Action=DeleteSnapshot&SnapshotId=%s", copy);
    ec2_ok(c, "Action=DeregisterImage&ImageId=%s", id);
    ec2_fails(c, 400, "InvalidAMIID.NotFound", "Action=DescribeImages&ImageId.1=%s", id);
    ec2_ok(c, "%s&Name=shop-db&%s", image, devices);             /* the name is free again */
    ec2_ok(c, "Action=DescribeSnapshots&SnapshotId.1=%s", copy); /* the snapshot stayed */
    client_destroy(c);
}

/* moto drops the mapping; here the volumes are those of the snapshots. */
static void test_an_instance_gets_the_volumes_of_its_image(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *boot = copy_of(c, "db", 0), *data = copy_of(c, "db", 1);
    ec2_ok(c,
           "Action=RegisterImage&Name=shop-db&VirtualizationType=hvm&EnaSupport=true&"
           "Architecture=x86_64&RootDeviceName=/dev/sda1&"
           "BlockDeviceMapping.1.DeviceName=/dev/sda1&BlockDeviceMapping.1.Ebs.SnapshotId=%s&"
           "BlockDeviceMapping.2.DeviceName=/dev/sdf&BlockDeviceMapping.2.Ebs.SnapshotId=%s&"
           "BlockDeviceMapping.2.Ebs.DeleteOnTermination=false",
           boot, data);
    const char *image = got(c, "imageId");
    const char *run =
        arena_printf(c->arena,
                     "Action=RunInstances&MinCount=1&MaxCount=1&InstanceType=m6i.large&"
                     "ImageId=%s&SubnetId=subnet-0a00000000000000a",
                     image);
    ec2_fails(c, 400, "InvalidAMIID.Unavailable", "%s", run);
    client_pass(c, 11);
    ec2_ok(c,
           "%s&BlockDeviceMapping.1.DeviceName=/dev/sda1&BlockDeviceMapping.1.Ebs.VolumeType=gp3&"
           "BlockDeviceMapping.1.Ebs.Iops=4000&TagSpecification.1.ResourceType=volume&"
           "TagSpecification.1.Tag.1.Key=drc:vm&TagSpecification.1.Tag.1.Value=db",
           run);
    const char *id = got(c, "instancesSet/item/instanceId");
    ec2_ok(c,
           "Action=DescribeVolumes&Filter.1.Name=attachment.instance-id&Filter.1.Value.1=%s&"
           "Filter.2.Name=tag:drc:vm&Filter.2.Value.1=db",
           id);
    assert_int_equal(got_count(c, "volumeSet"), 2);
    ec2_ok(c,
           "Action=DescribeVolumes&Filter.1.Name=attachment.device&Filter.1.Value.1=/dev/sda1&"
           "Filter.2.Name=attachment.instance-id&Filter.2.Value.1=%s",
           id);
    assert_string_equal(got(c, "volumeSet/item/snapshotId"), boot);
    assert_string_equal(got(c, "volumeSet/item/iops"), "4000");
    assert_string_equal(got(c, "volumeSet/item/attachmentSet/item/deleteOnTermination"), "true");
    ec2_ok(c,
           "Action=DescribeVolumes&Filter.1.Name=attachment.device&Filter.1.Value.1=/dev/sdf&"
           "Filter.2.Name=attachment.instance-id&Filter.2.Value.1=%s",
           id);
    assert_string_equal(got(c, "volumeSet/item/snapshotId"), data);
    assert_string_equal(got(c, "volumeSet/item/attachmentSet/item/deleteOnTermination"), "false");
    client_destroy(c);
}

static void test_images_that_no_type_takes(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *boot = copy_of(c, "db", 0);
    ec2_ok(c,
           "Action=RegisterImage&Name=no-hvm&Architecture=x86_64&RootDeviceName=/dev/sda1&"
           "BlockDeviceMapping.1.DeviceName=/dev/sda1&BlockDeviceMapping.1.Ebs.SnapshotId=%s",
           boot);
    const char *paravirtual = got(c, "imageId");
    ec2_ok(c,
           "Action=RegisterImage&Name=no-ena&Architecture=x86_64&RootDeviceName=/dev/sda1&"
           "VirtualizationType=hvm&"
           "BlockDeviceMapping.1.DeviceName=/dev/sda1&BlockDeviceMapping.1.Ebs.SnapshotId=%s",
           boot);
    const char *no_ena = got(c, "imageId");
    client_pass(c, 11);
    const char *run = "Action=RunInstances&MinCount=1&MaxCount=1&InstanceType=m6i.large&"
                      "SubnetId=subnet-0a00000000000000a&ImageId=";
    ec2_fails(c, 400, "InvalidParameterCombination", "%s%s", run, paravirtual);
    ec2_fails(c, 400, "InvalidParameterCombination", "%s%s", run, no_ena);
    ec2_fails(c, 400, "Unsupported",
              "Action=RunInstances&MinCount=1&MaxCount=1&InstanceType=m5.metal&"
              "SubnetId=subnet-0a00000000000000a&ImageId=ami-0c000000000000002");
    client_destroy(c);
}

static void test_tags(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *a = make_volume(c, NULL), *b = make_volume(c, NULL);
    ec2_ok(c, "Action=CreateTags&ResourceId.1=%s&ResourceId.2=%s&Tag.1.Key=k&Tag.1.Value=%%3Cv%%26",
           a, b);
    ec2_ok(c, "Action=DescribeTags&Filter.1.Name=resource-id&Filter.1.Value.1=%s", a);
    assert_string_equal(got(c, "tagSet/item/value"), "<v&");
    assert_string_equal(got(c, "tagSet/item/resourceType"), "volume");
    ec2_fails(c, 400, "InvalidID",
              "Action=CreateTags&ResourceId.1=vol-0123456789abcdef0&Tag.1.Key=k&Tag.1.Value=v");
    ec2_fails(c, 400, "InvalidParameterValue",
              "Action=CreateTags&ResourceId.1=%s&Tag.1.Key=aws:x&Tag.1.Value=v", a);
    ec2_ok(c, "Action=DeleteTags&ResourceId.1=%s&Tag.1.Key=k&Tag.1.Value=other", a);
    ec2_ok(c, "Action=DescribeTags&Filter.1.Name=key&Filter.1.Value.1=k");
    assert_int_equal(got_count(c, "tagSet"), 2); /* another value: nothing deleted */
    ec2_ok(c, "Action=DeleteTags&ResourceId.1=%s&Tag.1.Key=k", a);
    ec2_ok(c, "Action=DescribeTags&Filter.1.Name=key&Filter.1.Value.1=k");
    assert_int_equal(got_count(c, "tagSet"), 1);
    client_destroy(c);
}

static void test_networks(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    ec2_ok(c, "Action=DescribeSubnets&SubnetId.1=subnet-0a00000000000000b");
    assert_string_equal(got(c, "subnetSet/item/cidrBlock"), "10.20.2.0/24");
    assert_string_equal(got(c, "subnetSet/item/availableIpAddressCount"), "251");
    ec2_ok(c, "Action=DescribeVpcs&VpcId.1=vpc-0a000000000000001");
    ec2_fails(c, 400, "InvalidVpcID.NotFound", "Action=DescribeVpcs&VpcId.1=vpc-0123456789abcdef0");
    ec2_ok(c, "Action=DescribeSecurityGroups&Filter.1.Name=group-name&Filter.1.Value.1=web");
    assert_string_equal(got(c, "securityGroupInfo/item/groupId"), "sg-0a000000000000001");
    ec2_ok(c, "Action=DescribeKeyPairs&KeyName.1=dr");
    ec2_ok(c, "Action=DescribeAvailabilityZones");
    assert_int_equal(got_count(c, "availabilityZoneInfo"), 3);
    ec2_ok(c, "Action=DescribeRegions");
    assert_string_equal(got(c, "regionInfo/item/regionName"), "eu-west-1");
    ec2_ok(c, "Action=DescribeImages&ImageId.1=ami-0c000000000000001");
    assert_string_equal(got(c, "imagesSet/item/bootMode"), "legacy-bios");
    assert_string_equal(got(c, "imagesSet/item/rootDeviceName"), "/dev/xvda");
    client_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_what_registering_checks),
        cmocka_unit_test(test_an_instance_gets_the_volumes_of_its_image),
        cmocka_unit_test(test_images_that_no_type_takes),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
