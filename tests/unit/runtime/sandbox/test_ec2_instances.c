/* Covers: ec2_run.c ec2_lifecycle.c ec2_interfaces.c ec2_types.c tokens.c */
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"

#include <string.h>

#include "compiler/base/arena.h"

#define INSTANCE "reservationSet/item/instancesSet/item/"

static const char *state_of(struct sandbox_client *c, const char *id)
{
    ec2_ok(c, "Action=DescribeInstances&InstanceId.1=%s", id);
    return got(c, INSTANCE "instanceState/name");
}

static void test_states(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *id = run_instance(c, "");
    assert_string_equal(got(c, "instancesSet/item/instanceState/name"), "pending");
    ec2_fails(c, 400, "IncorrectInstanceState", "Action=StopInstances&InstanceId.1=%s", id);
    client_pass(c, 19);
    assert_string_equal(state_of(c, id), "pending");
    client_pass(c, 11);
    assert_string_equal(state_of(c, id), "running");
    ec2_ok(c, "Action=StopInstances&InstanceId.1=%s", id);
    assert_string_equal(got(c, "instancesSet/item/currentState/name"), "stopping");
    assert_string_equal(got(c, "instancesSet/item/previousState/name"), "running");
    ec2_fails(c, 400, "IncorrectInstanceState", "Action=StartInstances&InstanceId.1=%s", id);
    client_pass(c, 30);
    assert_string_equal(state_of(c, id), "stopped");
    ec2_ok(c, "Action=StartInstances&InstanceId.1=%s", id);
    client_pass(c, 30);
    assert_string_equal(state_of(c, id), "running");
    ec2_ok(c, "Action=TerminateInstances&InstanceId.1=%s", id);
    client_pass(c, 30);
    assert_string_equal(state_of(c, id), "terminated");
    ec2_ok(c, "Action=TerminateInstances&InstanceId.1=%s", id); /* again is no error */
    client_pass(c, 3700);
    ec2_fails(c, 400, "InvalidInstanceID.NotFound", "Action=DescribeInstances&InstanceId.1=%s", id);
    client_destroy(c);
}

static void test_termination_takes_what_it_should(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *id = run_instance(c, "");
    const char *volume = make_volume(c, NULL);
    client_pass(c, 30);
    ec2_ok(c, "Action=AttachVolume&VolumeId=%s&InstanceId=%s&Device=/dev/sdf", volume, id);
    const char *kept = make_volume(c, NULL);
    ec2_ok(c, "Action=AttachVolume&VolumeId=%s&InstanceId=%s&Device=/dev/sdg", kept, id);
    client_pass(c, 5);
    ec2_ok(c,
           "Action=ModifyInstanceAttribute&InstanceId=%s&BlockDeviceMapping.1.DeviceName=/dev/sdf&"
           "BlockDeviceMapping.1.Ebs.DeleteOnTermination=true",
           id);
    ec2_fails(
        c, 400, "InvalidInstanceAttributeValue",
        "Action=ModifyInstanceAttribute&InstanceId=%s&BlockDeviceMapping.1.DeviceName=/dev/sdz&"
        "BlockDeviceMapping.1.Ebs.DeleteOnTermination=true",
        id);
    ec2_ok(c, "Action=TerminateInstances&InstanceId.1=%s", id);
    client_pass(c, 30);
    ec2_fails(c, 400, "InvalidVolume.NotFound", "Action=DescribeVolumes&VolumeId.1=%s", volume);
    ec2_ok(c, "Action=DescribeVolumes&VolumeId.1=%s", kept);
    assert_string_equal(got(c, "volumeSet/item/status"), "available");
    client_destroy(c);
}

static void test_what_launching_checks(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *run = "Action=RunInstances&MinCount=1&MaxCount=1&ImageId=ami-0c000000000000001&"
                      "SubnetId=subnet-0a00000000000000b&InstanceType=m6i.large";
    ec2_fails(c, 400, "MissingParameter", "Action=RunInstances&MinCount=1&MaxCount=1");
    ec2_fails(c, 400, "InvalidAMIID.NotFound",
              "Action=RunInstances&MinCount=1&MaxCount=1&ImageId=ami-0123456789abcdef0");
    ec2_fails(c, 400, "InvalidParameterValue",
              "Action=RunInstances&MinCount=1&MaxCount=1&ImageId=ami-0c000000000000001&"
              "InstanceType=m6i.huge&SubnetId=subnet-0a00000000000000a");
    ec2_fails(c, 400, "InvalidParameterValue",
              "Action=RunInstances&MinCount=1&MaxCount=1&ImageId=ami-0c000000000000001&"
              "InstanceType=m6g.large&SubnetId=subnet-0a00000000000000a"); /* arm64 */
    ec2_fails(c, 400, "InvalidSubnetID.NotFound",
              "Action=RunInstances&MinCount=1&MaxCount=1&ImageId=ami-0c000000000000001&"
              "InstanceType=m6i.large&SubnetId=subnet-0123456789abcdef0");
    ec2_fails(c, 400, "InvalidGroup.NotFound", "%s&SecurityGroupId.1=sg-0123456789abcdef0", run);
    ec2_fails(c, 400, "InvalidKeyPair.NotFound", "%s&KeyName=nobody", run);
    ec2_fails(c, 400, "InvalidParameterValue", "%s&IamInstanceProfile.Name=nobody", run);
    ec2_fails(c, 400, "InvalidParameterValue", "%s&PrivateIpAddress=10.20.1.10", run);
    ec2_fails(c, 400, "InvalidParameterValue", "%s&PrivateIpAddress=10.20.2.3", run);
    ec2_fails(c, 400, "InvalidParameterValue", "%s&PrivateIpAddress=10.20.2.255", run);
    ec2_fails(c, 400, "InvalidParameterValue", "%s&PrivateIpAddress=here", run);
    ec2_fails(c, 400, "InvalidParameterCombination", "%s&NetworkInterface.1.DeviceIndex=0", run);
    ec2_fails(c, 412, "DryRunOperation", "%s&PrivateIpAddress=10.20.2.10&DryRun=true", run);
    ec2_ok(c, "%s&PrivateIpAddress=10.20.2.10&KeyName=dr&IamInstanceProfile.Name=dr-instance", run);
    assert_string_equal(got(c, "instancesSet/item/privateIpAddress"), "10.20.2.10");
    const char *first = got(c, "instancesSet/item/instanceId");
    ec2_fails(c, 400, "InvalidIPAddress.InUse", "%s&PrivateIpAddress=10.20.2.10", run);
    ec2_ok(c, "Action=TerminateInstances&InstanceId.1=%s", first);
    client_pass(c, 30);
    ec2_ok(c, "%s&PrivateIpAddress=10.20.2.10", run); /* free again */
    client_fault(c, "capacity:m6i.large", 1);
    ec2_fails(c, 500, "InsufficientInstanceCapacity", "%s", run);
    client_destroy(c);
}

static void test_several_cards(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *cards =
        "Action=RunInstances&MinCount=1&MaxCount=1&ImageId=ami-0c000000000000002&"
        "InstanceType=m6i.large&NetworkInterface.1.DeviceIndex=0&"
        "NetworkInterface.1.SubnetId=subnet-0a00000000000000a&"
        "NetworkInterface.1.SecurityGroupId.1=sg-0a000000000000001&"
        "NetworkInterface.2.DeviceIndex=1&NetworkInterface.2.SubnetId=subnet-0a00000000000000b&"
        "NetworkInterface.2.SecurityGroupId.1=sg-0a000000000000002&"
        "NetworkInterface.2.PrivateIpAddress=10.20.2.11";
    ec2_fails(c, 400, "InvalidParameterCombination",
              "%s&NetworkInterface.1.AssociatePublicIpAddress=true", cards);
    ec2_fails(
        c, 400, "AttachmentLimitExceeded",
        "%s&NetworkInterface.3.DeviceIndex=2&"
        "NetworkInterface.3.SubnetId=subnet-0a00000000000000a&"
        "NetworkInterface.4.DeviceIndex=3&NetworkInterface.4.SubnetId=subnet-0a00000000000000a",
        cards);
    ec2_ok(c, "%s", cards);
    const char *id = got(c, "instancesSet/item/instanceId");
    assert_int_equal(got_count(c, "instancesSet/item/networkInterfaceSet"), 2);
    ec2_ok(c,
           "Action=DescribeNetworkInterfaces&Filter.1.Name=attachment.instance-id&"
           "Filter.1.Value.1=%s&Filter.2.Name=attachment.device-index&Filter.2.Value.1=1",
           id);
    assert_string_equal(got(c, "networkInterfaceSet/item/privateIpAddress"), "10.20.2.11");
    client_pass(c, 30);
    ec2_fails(c, 400, "InvalidInstanceID",
              "Action=AssociateAddress&AllocationId=eipalloc-0a0000000000001&InstanceId=%s", id);
    client_destroy(c);
}

static void test_tokens_of_instances(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *id = run_instance(c, "ClientToken=abc");
    assert_string_equal(run_instance(c, "ClientToken=abc"), id);
    ec2_ok(c, "Action=DescribeInstances&Filter.1.Name=client-token&Filter.1.Value.1=abc");
    assert_int_equal(got_count(c, "reservationSet"), 1);
    ec2_fails(c, 400, "IdempotentParameterMismatch",
              "Action=RunInstances&MinCount=1&MaxCount=1&InstanceType=m6i.xlarge&"
              "ImageId=ami-0c000000000000001&SubnetId=subnet-0a00000000000000a&ClientToken=abc");
    ec2_ok(c, "Action=TerminateInstances&InstanceId.1=%s", id);
    ec2_fails(c, 400, "IdempotentInstanceTerminated",
              "Action=RunInstances&MinCount=1&MaxCount=1&InstanceType=m6i.large&"
              "ImageId=ami-0c000000000000001&SubnetId=subnet-0a00000000000000a&ClientToken=abc");
    client_destroy(c);
}

static void test_missing_ids_are_all_named(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *id = run_instance(c, "");
    ec2_fails(c, 400, "InvalidInstanceID.NotFound",
              "Action=DescribeInstances&InstanceId.1=i-00000000000000001&InstanceId.2=%s&"
              "InstanceId.3=i-00000000000000002",
              id);
    assert_string_equal(got(c, "Errors/Error/Message"),
                        "The instance IDs 'i-00000000000000001, i-00000000000000002' do not exist");
    ec2_fails(c, 400, "InvalidInstanceID.Malformed", "Action=StopInstances&InstanceId.1=server");
    ec2_fails(c, 400, "MissingParameter", "Action=StopInstances");
    /* All or nothing: the one that is there was not touched. */
    ec2_fails(c, 400, "InvalidInstanceID.NotFound",
              "Action=TerminateInstances&InstanceId.1=%s&InstanceId.2=i-00000000000000001", id);
    assert_string_equal(state_of(c, id), "pending");
    client_destroy(c);
}

static void test_types(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *id = run_instance(c, "");
    client_pass(c, 30);
    const char *change = "Action=ModifyInstanceAttribute&InstanceType.Value=";
    ec2_fails(c, 400, "IncorrectInstanceState", "%sm6i.xlarge&InstanceId=%s", change, id);
    ec2_ok(c, "Action=StopInstances&InstanceId.1=%s", id);
    client_pass(c, 30);
    ec2_fails(c, 400, "InvalidInstanceAttributeValue", "%sm6i.huge&InstanceId=%s", change, id);
    ec2_ok(c, "%sm6i.xlarge&InstanceId=%s", change, id);
    ec2_ok(c, "Action=DescribeInstances&InstanceId.1=%s", id);
    assert_string_equal(got(c, INSTANCE "instanceType"), "m6i.xlarge");
    ec2_ok(c, "Action=DescribeInstanceTypes&InstanceType.1=r6i.xlarge");
    assert_string_equal(got(c, "instanceTypeSet/item/memoryInfo/sizeInMiB"), "32768");
    ec2_fails(c, 400, "InvalidInstanceType",
              "Action=DescribeInstanceTypes&InstanceType.1=r6i.none");
    ec2_ok(c, "Action=DescribeInstanceTypeOfferings&LocationType=availability-zone&"
              "Filter.1.Name=location&Filter.1.Value.1=eu-west-1a&"
              "Filter.2.Name=instance-type&Filter.2.Value.1=r6i.xlarge&Filter.2.Value.2=x9.none");
    assert_int_equal(got_count(c, "instanceTypeOfferingSet"), 1);
    client_destroy(c);
}

static void test_elastic_addresses(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *id = run_instance(c, "");
    client_pass(c, 30);
    ec2_fails(c, 400, "InvalidAllocationID.NotFound",
              "Action=AssociateAddress&AllocationId=eipalloc-0123456789abcdef0&InstanceId=%s", id);
    ec2_ok(c, "Action=AssociateAddress&AllocationId=eipalloc-0a0000000000001&InstanceId=%s", id);
    const char *association = got(c, "associationId");
    ec2_ok(c, "Action=AssociateAddress&AllocationId=eipalloc-0a0000000000001&InstanceId=%s", id);
    assert_string_equal(got(c, "associationId"), association); /* doing it twice is doing it once */
    ec2_ok(c, "Action=DescribeAddresses&AllocationId.1=eipalloc-0a0000000000001");
    assert_string_equal(got(c, "addressesSet/item/instanceId"), id);
    const char *address = got(c, "addressesSet/item/publicIp");
    ec2_ok(c, "Action=DescribeInstances&InstanceId.1=%s", id);
    assert_string_equal(got(c, INSTANCE "ipAddress"), address);
    const char *other = run_instance(c, "");
    client_pass(c, 30);
    ec2_fails(c, 400, "Resource.AlreadyAssociated",
              "Action=AssociateAddress&AllocationId=eipalloc-0a0000000000001&InstanceId=%s&"
              "AllowReassociation=false",
              other);
    ec2_ok(c, "Action=DisassociateAddress&AssociationId=%s", association);
    ec2_fails(c, 400, "InvalidAssociationID.NotFound",
              "Action=DisassociateAddress&AssociationId=%s", association);
    client_destroy(c);
}

/* What a failover does: the placeholder's root is swapped for the recovered disk. */
static void swap_root(struct sandbox_client *c, const char *instance, const char *volume)
{
    client_pass(c, 30);
    ec2_ok(c, "Action=StopInstances&InstanceId.1=%s", instance);
    client_pass(c, 30);
    ec2_ok(c, "Action=DescribeInstances&InstanceId.1=%s", instance);
    const char *root = got(c, INSTANCE "blockDeviceMapping/item/ebs/volumeId");
    const char *device = got(c, INSTANCE "rootDeviceName");
    ec2_ok(c, "Action=DetachVolume&VolumeId=%s", root);
    client_pass(c, 5);
    ec2_ok(c, "Action=DeleteVolume&VolumeId=%s", root);
    ec2_fails(c, 400, "InvalidParameterValue", "Action=StartInstances&InstanceId.1=%s", instance);
    ec2_ok(c, "Action=AttachVolume&VolumeId=%s&InstanceId=%s&Device=%s", volume, instance, device);
    client_pass(c, 5);
    ec2_ok(c, "Action=StartInstances&InstanceId.1=%s", instance);
}

static const char *connect_to(struct sandbox_client *c, const char *address)
{
    const char *failure;
    int64_t latency_ms;
    c->responder.connect(c->responder.context, c->now_ms, address, 5432, &failure, &latency_ms);
    return failure;
}

static const char *check_status(struct sandbox_client *c, const char *id)
{
    ec2_ok(c, "Action=DescribeInstanceStatus&InstanceId.1=%s", id);
    return got(c, "instanceStatusSet/item/instanceStatus/status");
}

static const char *placeholder_for(struct sandbox_client *c, const char *snapshot)
{
    ec2_ok(c, "Action=DescribeSnapshots&SnapshotId.1=%s", snapshot);
    const struct xml *item = xml_first(c->xml, "snapshotSet");
    bool bios = strcmp(xml_tag(item, "drc:firmware"), "bios") == 0;
    ec2_ok(c,
           "Action=RunInstances&MinCount=1&MaxCount=1&InstanceType=r6i.xlarge&ImageId=%s&"
           "SubnetId=subnet-0a00000000000000b&PrivateIpAddress=10.20.2.10",
           bios ? "ami-0c000000000000001" : "ami-0c000000000000002");
    return got(c, "instancesSet/item/instanceId");
}

static void inject(struct sandbox_client *c, const char *volume)
{
    ec2_ok(c, "Action=AttachVolume&VolumeId=%s&InstanceId=i-0f00ba40000000000&Device=/dev/sdp",
           volume);
    client_pass(c, 5);
    ssm_ok(c, "SendCommand",
           "{\"DocumentName\":\"AWS-RunShellScript\",\"InstanceIds\":[\"i-0f00ba40000000000\"],"
           "\"Parameters\":{\"commands\":[\"drc inject 'ebs:%s' --device '/dev/sdp'\"]}}",
           volume);
    client_pass(c, 80);
    ec2_ok(c, "Action=DetachVolume&VolumeId=%s", volume);
    client_pass(c, 5);
}

static void test_a_disk_from_vmware_does_not_boot_before_injection(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *copy = copy_of(c, "db", 0);
    const char *volume = make_volume(c, copy);
    const char *id = placeholder_for(c, copy);
    swap_root(c, id, volume);
    client_pass(c, 100);
    assert_string_equal(check_status(c, id), "impaired");
    assert_non_null(connect_to(c, "10.20.2.10"));
    client_destroy(c);
}

static void test_the_whole_way_of_a_failover(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *copy = copy_of(c, "db", 0);
    const char *volume = make_volume(c, copy);
    const char *id = placeholder_for(c, copy);
    inject(c, volume);
    swap_root(c, id, volume);
    assert_string_equal(connect_to(c, "10.20.2.10"), "No route to host");
    client_pass(c, 35);
    assert_string_equal(connect_to(c, "10.20.2.10"), "Connection refused");
    assert_string_equal(check_status(c, id), "initializing");
    client_pass(c, 20);
    assert_null(connect_to(c, "10.20.2.10"));
    client_send(c, NULL, "http://10.20.2.10:8080/healthz", NULL, "", 0);
    assert_int_equal(c->response.status, 200);
    assert_non_null(strstr(c->response.body, "\"ok\""));
    client_pass(c, 60);
    assert_string_equal(check_status(c, id), "ok");
    client_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_termination_takes_what_it_should),
        cmocka_unit_test(test_what_launching_checks),
        cmocka_unit_test(test_several_cards),
        cmocka_unit_test(test_tokens_of_instances),
        cmocka_unit_test(test_missing_ids_are_all_named),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_elastic_addresses),
        cmocka_unit_test(test_a_disk_from_vmware_does_not_boot_before_injection),
        cmocka_unit_test(test_the_whole_way_of_a_failover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
