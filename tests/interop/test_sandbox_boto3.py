"""boto3 and the AWS CLI against `drc sandbox serve`: what AWS's own clients make of its answers."""
import json
import pathlib
import signal
import socket
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "servers"))
from sandbox_boto3 import SPEED, Served, quick, refused  # noqa: E402

CONVERSION = "i-0f00ba40000000000"


@pytest.fixture
def served(tmp_path):
    served = Served(tmp_path / "served")
    yield served
    if served.process.poll() is None:
        assert served.stop() == 0


@pytest.fixture
def ec2(served):
    return served.client("ec2")


def run(ec2, **more):
    arguments = {"ImageId": "ami-0c000000000000001", "InstanceType": "m6i.large",
                 "SubnetId": "subnet-0a00000000000000a", "MinCount": 1, "MaxCount": 1, **more}
    return ec2.run_instances(**arguments)["Instances"][0]


def copy_of(ec2, disk):
    found = ec2.describe_snapshots(OwnerIds=["self"], Filters=[
        {"Name": "tag:drc:role", "Values": ["dr-copy"]},
        {"Name": "tag:drc:vm", "Values": ["db"]},
        {"Name": "tag:drc:disk", "Values": [str(disk)]}])["Snapshots"]
    assert len(found) == 1
    return found[0]


def tags_of(thing):
    return {tag["Key"]: tag["Value"] for tag in thing["Tags"]}


def test_identity_and_refusals(served, ec2):
    sts = served.client("sts")
    assert sts.get_caller_identity()["Account"] == "111122223333"
    assert refused(served.client("ec2", secret="wrong").describe_vpcs) == ("AuthFailure", 401)
    assert refused(served.client("sts", secret="wrong").get_caller_identity) == (
        "SignatureDoesNotMatch", 403)
    assert refused(served.client("ssm", secret="wrong").list_commands) == (
        "InvalidSignatureException", 400)
    assert refused(served.client("ec2", key="nobody").describe_vpcs) == ("AuthFailure", 401)
    assert refused(ec2.describe_vpc_endpoints) == ("InvalidAction", 400)
    role = sts.assume_role(RoleArn="arn:aws:iam::111122223333:role/drc",
                           RoleSessionName="me")["Credentials"]
    assumed = served.client("ec2", key=role["AccessKeyId"], secret=role["SecretAccessKey"],
                            token=role["SessionToken"])
    assert len(assumed.describe_subnets()["Subnets"]) >= 2
    stolen = served.client("ec2", key=role["AccessKeyId"], secret=role["SecretAccessKey"],
                           token="other")
    assert refused(stolen.describe_subnets) == ("AuthFailure", 401)


def test_odd_texts_are_signed_and_kept(ec2):
    values = ["a b+c&d=e%20/?~", "ü → 木", "<x attr=\"1\">&amp;</x>", "*star?", "'\"\\"]
    for value in values:
        volume = ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1, TagSpecifications=[
            {"ResourceType": "volume", "Tags": [{"Key": "odd key", "Value": value}]}])
        found = ec2.describe_volumes(VolumeIds=[volume["VolumeId"]])["Volumes"][0]
        assert tags_of(found)["odd key"] == value


def test_idempotency(ec2):
    first = run(ec2, ClientToken="t1")
    assert run(ec2, ClientToken="t1")["InstanceId"] == first["InstanceId"]
    found = ec2.describe_instances(Filters=[{"Name": "client-token", "Values": ["t1"]}])
    assert len(found["Reservations"]) == 1
    code, status = refused(lambda **more: run(ec2, **more), ClientToken="t1",
                           InstanceType="m6i.xlarge")
    assert (code, status) == ("IdempotentParameterMismatch", 400)
    quick(ec2.get_waiter("instance_running"), InstanceIds=[first["InstanceId"]])
    ec2.terminate_instances(InstanceIds=[first["InstanceId"]])
    assert refused(lambda **more: run(ec2, **more), ClientToken="t1") == (
        "IdempotentInstanceTerminated", 400)
    quick(ec2.get_waiter("instance_terminated"), InstanceIds=[first["InstanceId"]])


def test_paginators_and_filters(ec2):
    made = {ec2.create_volume(AvailabilityZone="eu-west-1a", Size=n, TagSpecifications=[
        {"ResourceType": "volume", "Tags": [{"Key": "n", "Value": f"v{n}"}]}])["VolumeId"]
        for n in range(1, 24)}
    pages = list(ec2.get_paginator("describe_volumes").paginate(
        Filters=[{"Name": "tag-key", "Values": ["n"]}], PaginationConfig={"PageSize": 10}))
    assert [len(page["Volumes"]) for page in pages] == [10, 10, 3]
    assert {volume["VolumeId"] for page in pages for volume in page["Volumes"]} == made
    twenties = ec2.describe_volumes(Filters=[{"Name": "tag:n", "Values": ["v2?", "v1"]}])["Volumes"]
    assert sorted(volume["Size"] for volume in twenties) == [1, 20, 21, 22, 23]
    assert refused(ec2.describe_volumes, MaxResults=5, VolumeIds=list(made)[:1])[0] == (
        "InvalidParameterCombination")
    assert refused(ec2.describe_volumes, Filters=[{"Name": "colour", "Values": ["red"]}])[0] == (
        "InvalidParameterValue")
    types = ec2.get_paginator("describe_instance_types").paginate(PaginationConfig={"PageSize": 20})
    names = [kind["InstanceType"] for page in types for kind in page["InstanceTypes"]]
    assert len(names) == len(set(names)) and "r6i.xlarge" in names
    offered = ec2.describe_instance_type_offerings(LocationType="availability-zone", Filters=[
        {"Name": "location", "Values": ["eu-west-1a"]},
        {"Name": "instance-type", "Values": ["r6i.*"]}])["InstanceTypeOfferings"]
    assert all(offer["Location"] == "eu-west-1a" for offer in offered) and len(offered) > 3


def test_errors(ec2):
    assert refused(ec2.create_volume, AvailabilityZone="eu-west-1a",
                   SnapshotId=copy_of(ec2, 0)["SnapshotId"], Size=1) == (
        "InvalidParameterValue", 400)
    assert refused(ec2.create_volume, AvailabilityZone="eu-west-1a", Size=8, DryRun=True) == (
        "DryRunOperation", 412)
    assert refused(ec2.describe_instances, InstanceIds=["i-00000000000000001"]) == (
        "InvalidInstanceID.NotFound", 400)
    first = run(ec2, SubnetId="subnet-0a00000000000000b", PrivateIpAddress="10.20.2.10")
    assert first["PrivateIpAddress"] == "10.20.2.10"
    assert refused(lambda **more: run(ec2, **more), SubnetId="subnet-0a00000000000000b",
                   PrivateIpAddress="10.20.2.10") == ("InvalidIPAddress.InUse", 400)
    assert refused(lambda **more: run(ec2, **more), KeyName="nobody") == (
        "InvalidKeyPair.NotFound", 400)


def test_no_capacity(served, ec2):
    served.set_fault("capacity:m6i.large/eu-west-1a", 1)
    assert refused(lambda **more: run(ec2, **more)) == ("InsufficientInstanceCapacity", 500)
    assert run(ec2, InstanceType="m6i.xlarge")["InstanceType"] == "m6i.xlarge"


def inject(served, ec2, volume):
    """The drivers, on the conversion instance."""
    ssm = served.client("ssm")
    assert [info["InstanceId"] for info in
            ssm.describe_instance_information()["InstanceInformationList"]] == [CONVERSION]
    ec2.attach_volume(VolumeId=volume, InstanceId=CONVERSION, Device="/dev/sdp")
    quick(ec2.get_waiter("volume_in_use"), VolumeIds=[volume])
    time.sleep(4 / SPEED)
    command = ssm.send_command(DocumentName="AWS-RunShellScript", InstanceIds=[CONVERSION],
                               Comment="drc run db/disk-0/inject", Parameters={
                                   "commands": [f"drc inject 'ebs:{volume}' --device '/dev/sdp'"]})
    sent = command["Command"]
    assert sent["Status"] == "Pending" and sent["RequestedDateTime"].year >= 2025
    time.sleep(1 / SPEED)
    quick(ssm.get_waiter("command_executed"), CommandId=sent["CommandId"], InstanceId=CONVERSION)
    listed = ssm.list_commands(InstanceId=CONVERSION)["Commands"]
    assert [item["Comment"] for item in listed] == ["drc run db/disk-0/inject"]
    ec2.detach_volume(VolumeId=volume)
    quick(ec2.get_waiter("volume_available"), VolumeIds=[volume])


def end_of(served, comment, **more):
    """What boto3 is told of a command that has come to its end."""
    ssm = served.client("ssm")
    sent = ssm.send_command(DocumentName="AWS-RunShellScript", InstanceIds=[CONVERSION], Comment=comment,
                            Parameters={"commands": ["true"], **more}, TimeoutSeconds=30)["Command"]
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(1 / SPEED)
        listed = ssm.list_command_invocations(CommandId=sent["CommandId"])["CommandInvocations"][0]
        if listed["Status"] not in ("Pending", "InProgress"):
            return ssm.get_command_invocation(CommandId=sent["CommandId"], InstanceId=CONVERSION)
    raise AssertionError("it does not end")


def test_the_ends_of_scripts_are_those_of_the_real_service(served):
    step = "drc r1 db/post-boot-1/send-script"
    done = end_of(served, step)
    assert (done["Status"], done["StatusDetails"], done["ResponseCode"]) == ("Success", "Success", 0)
    for fault, value, status, details in (
            ("script", 7, "Failed", "Failed"), ("undelivered", 1, "TimedOut", "DeliveryTimedOut"),
            ("undeliverable", 1, "Failed", "Undeliverable"), ("cancelled", 1, "Cancelled", "Cancelled")):
        served.set_fault(f"{fault}:db/post-boot-1", value)
        done = end_of(served, step)
        assert (done["Status"], done["StatusDetails"]) == (status, details)
        assert fault != "script" or done["ResponseCode"] == 7 and done["StandardErrorContent"]
        served.set_fault(f"{fault}:db/post-boot-1", 0)
    served.set_fault("script_ms:db", 30000)
    done = end_of(served, step, executionTimeout=["10"])
    assert (done["Status"], done["StatusDetails"]) == ("TimedOut", "ExecutionTimedOut")


def test_the_whole_attach_swap(served, ec2):
    """A failover by hand, as the plan's boot: attach does it."""
    copy = copy_of(ec2, 0)
    tags = tags_of(copy)
    volumes = [ec2.create_volume(AvailabilityZone="eu-west-1a", VolumeType="gp3",
                                 SnapshotId=copy_of(ec2, disk)["SnapshotId"])["VolumeId"]
               for disk in range(int(tags["drc:disks"]))]
    image = {"bios": "ami-0c000000000000001", "uefi": "ami-0c000000000000002"}[tags["drc:firmware"]]
    instance = run(ec2, ImageId=image, InstanceType="r6i.xlarge", KeyName="dr",
                   SubnetId="subnet-0a00000000000000b", PrivateIpAddress="10.20.2.10",
                   SecurityGroupIds=["sg-0a000000000000002"])["InstanceId"]
    quick(ec2.get_waiter("volume_available"), VolumeIds=volumes)
    inject(served, ec2, volumes[0])
    quick(ec2.get_waiter("instance_running"), InstanceIds=[instance])
    ec2.stop_instances(InstanceIds=[instance])
    quick(ec2.get_waiter("instance_stopped"), InstanceIds=[instance])
    described = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    root = described["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    ec2.detach_volume(VolumeId=root)
    quick(ec2.get_waiter("volume_available"), VolumeIds=[root])
    ec2.delete_volume(VolumeId=root)
    quick(ec2.get_waiter("volume_deleted"), VolumeIds=[root])
    devices = [described["RootDeviceName"], "/dev/sdf", "/dev/sdg"][:len(volumes)]
    for volume, device in zip(volumes, devices):
        ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device=device)
    time.sleep(4 / SPEED)
    ec2.modify_instance_attribute(InstanceId=instance, BlockDeviceMappings=[
        {"DeviceName": device, "Ebs": {"DeleteOnTermination": True}} for device in devices])
    ec2.start_instances(InstanceIds=[instance])
    quick(ec2.get_waiter("instance_running"), InstanceIds=[instance])
    ec2.associate_address(AllocationId="eipalloc-0a000000000000001", InstanceId=instance)
    quick(ec2.get_waiter("instance_status_ok"), InstanceIds=[instance])

    described = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    assert [mapping["DeviceName"] for mapping in described["BlockDeviceMappings"]] == devices
    assert all(mapping["Ebs"]["DeleteOnTermination"] for mapping in described["BlockDeviceMappings"])
    assert described["PrivateIpAddress"] == "10.20.2.10"
    assert described["PublicIpAddress"] == described["NetworkInterfaces"][0]["Association"]["PublicIp"]
    assert [group["GroupId"] for group in described["SecurityGroups"]] == ["sg-0a000000000000002"]
    assert described["KeyName"] == "dr" and described["InstanceType"] == "r6i.xlarge"

    ec2.terminate_instances(InstanceIds=[instance])
    quick(ec2.get_waiter("instance_terminated"), InstanceIds=[instance])
    time.sleep(3 / SPEED)
    left = ec2.describe_volumes(Filters=[{"Name": "availability-zone", "Values": ["eu-west-1a"]}])
    assert [volume["Attachments"][0]["InstanceId"] for volume in left["Volumes"]] == [CONVERSION]


def test_an_image_of_the_copies(ec2):
    """boot: image, with the volumes that moto leaves out."""
    copies = [copy_of(ec2, 0)["SnapshotId"], copy_of(ec2, 1)["SnapshotId"]]
    image = ec2.register_image(Name="shop-db", Architecture="x86_64", VirtualizationType="hvm",
                               EnaSupport=True, BootMode="uefi", RootDeviceName="/dev/sda1",
                               BlockDeviceMappings=[
                                   {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": copies[0]}},
                                   {"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": copies[1]}}])
    quick(ec2.get_waiter("image_available"), ImageIds=[image["ImageId"]])
    described = ec2.describe_images(ImageIds=[image["ImageId"]], Owners=["self"])["Images"][0]
    assert described["BootMode"] == "uefi" and described["RootDeviceName"] == "/dev/sda1"
    instance = run(ec2, ImageId=image["ImageId"])["InstanceId"]
    volumes = ec2.describe_volumes(
        Filters=[{"Name": "attachment.instance-id", "Values": [instance]}])["Volumes"]
    assert {volume["Attachments"][0]["Device"]: volume["SnapshotId"] for volume in volumes} == {
        "/dev/sda1": copies[0], "/dev/sdf": copies[1]}
    ec2.deregister_image(ImageId=image["ImageId"])
    assert refused(ec2.describe_images, ImageIds=[image["ImageId"]])[0] == "InvalidAMIID.NotFound"


def test_the_aws_cli(served):
    answer = served.cli("sts", "get-caller-identity")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["Account"] == "111122223333"
    made = served.cli("ec2", "create-volume", "--availability-zone", "eu-west-1a", "--size", "8",
                      "--tag-specifications", "ResourceType=volume,Tags=[{Key=n,Value=cli}]")
    volume = json.loads(made.stdout)["VolumeId"]
    waited = served.cli("ec2", "wait", "volume-available", "--volume-ids", volume)
    assert waited.returncode == 0, waited.stderr
    found = served.cli("ec2", "describe-volumes", "--filters", "Name=tag:n,Values=cl*",
                       "--query", "Volumes[].VolumeId", "--output", "text")
    assert found.stdout.split() == [volume]
    sizes = served.cli("ec2", "describe-instance-types", "--instance-types", "r6i.xlarge",
                       "--query", "InstanceTypes[0].VCpuInfo.DefaultVCpus")
    assert sizes.stdout.strip() == "4"
    wrong = served.cli("ec2", "delete-volume", "--volume-id", "vol-0123456789abcdef0")
    assert wrong.returncode == 255 and "InvalidVolume.NotFound" in wrong.stderr
    dry = served.cli("ec2", "delete-volume", "--volume-id", volume, "--dry-run")
    assert dry.returncode == 255 and "DryRunOperation" in dry.stderr
    assert served.cli("ec2", "delete-volume", "--volume-id", volume).returncode == 0
    online = served.cli("ssm", "describe-instance-information", "--query",
                        "InstanceInformationList[].PingStatus", "--output", "text")
    assert online.stdout.split() == ["Online"]


def test_killed_and_served_again(served, ec2):
    volume = ec2.create_volume(AvailabilityZone="eu-west-1a", Size=8, ClientToken="k")["VolumeId"]
    assert served.stop(signal.SIGKILL) == -signal.SIGKILL
    served.start()
    again = served.client("ec2")
    assert again.create_volume(AvailabilityZone="eu-west-1a", Size=8,
                               ClientToken="k")["VolumeId"] == volume


def test_lost_answers(served):
    """boto3 resends with the same token, and gets what the lost request made."""
    patient = served.client("ec2", retries=8)
    served.set_fault("lost", 0.5)
    tokens = [f"lost-{n}" for n in range(6)]
    made = {patient.create_volume(AvailabilityZone="eu-west-1a", Size=8, ClientToken=token)["VolumeId"]
            for token in tokens}
    served.set_fault("lost", 0)
    found = patient.describe_volumes(Filters=[{"Name": "size", "Values": ["8"]}])["Volumes"]
    ours = {volume["VolumeId"] for volume in found if not volume.get("SnapshotId")
            and not volume["Attachments"]}
    assert ours == made and len(made) == len(tokens)


@pytest.mark.parametrize("request_bytes", [
    b"GARBAGE\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n\x00\x01\x02\x03\x04",
    b"POST http://[::1 HTTP/1.1\r\nHost: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
    b"GET /%00%ff HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential=////\r\n\r\n",
])
def test_hostile_bytes(served, request_bytes):
    address = served.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=5) as connection:
        connection.sendall(request_bytes)
        connection.settimeout(5)
        try:
            connection.recv(4096)
        except (TimeoutError, ConnectionError):
            pass
    assert served.client("sts").get_caller_identity()["Account"] == "111122223333"
