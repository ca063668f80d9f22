"""The AWS provider against moto: what each action does, seen by boto3; what is refused, and how that
is told.

Where moto differs from EC2: ClientToken is not honoured, so that a repeated create makes a second
thing (lookups find the first); states change at once; ids that are wrong give HTTP 500 outside EC2."""
import http.server
import json
import threading

import pytest
from aws_driver import Driver

ZONE = "eu-west-1a"


@pytest.fixture
def driver(moto):
    driver = Driver(moto.environment())
    yield driver
    driver.stop()


@pytest.fixture
def ec2(moto):
    return moto.client("ec2")


@pytest.fixture
def network(ec2):
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{i}.0/24", AvailabilityZone=ZONE)
               ["Subnet"]["SubnetId"] for i in (1, 2)]
    groups = [ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
              for name in ("web", "db")]
    return subnets, groups


@pytest.fixture
def snapshot(ec2):
    volume = ec2.create_volume(Size=8, AvailabilityZone=ZONE)["VolumeId"]
    return ec2.create_snapshot(VolumeId=volume)["SnapshotId"]


def tags(thing):
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags", [])}


def make_volume(driver, snapshot, node="db/disk-0/create-volume", **more):
    made = driver.call("start", "create-volume", node, snapshot_id=snapshot, zone=ZONE, size_gib=10,
                       type="gp3", disk=0, tags={"service": "shop"}, **more)
    assert made["outcome"] == "ok", made
    return made["volume_id"]


def run(driver, network, node="db/run-instance", cards=None, **more):
    subnets, groups = network
    cards = cards or [{"subnet_id": subnets[0], "group_ids": [groups[0]], "public_ip": False}]
    return driver.call("start", "run-instance", node, image_id="ami-0c000000000000001",
                       instance_types=["m6i.large", "m5.large"], cards=cards,
                       tags={"service": "shop"}, **more)


def instance_of(ec2, instance_id):
    return ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]


def test_volume_from_its_making_to_its_end(driver, ec2, snapshot):
    volume_id = make_volume(driver, snapshot, iops=4000, throughput=250)
    volume = ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]
    assert (volume["Size"], volume["VolumeType"], volume["SnapshotId"]) == (10, "gp3", snapshot)
    assert (volume["Iops"], volume["Throughput"], volume["AvailabilityZone"]) == (4000, 250, ZONE)
    assert tags(volume) == {"drc:plan": "shop", "drc:vm": "db", "drc:run": "r1", "service": "shop",
                            "drc:node": "db/disk-0/create-volume", "drc:workflow": "failover",
                            "drc:disk": "0"}
    assert driver.call("poll", "wait-volume-available", volume_id=volume_id)["outcome"] == "ok"
    found = driver.call("lookup", "create-volume", "db/disk-0/create-volume")
    assert (found["outcome"], found["volume_id"]) == ("ok", volume_id)
    assert driver.call("lookup", "create-volume", "db/disk-0/create-volume", run="r2")["outcome"] == "absent"
    assert driver.call("start", "delete-volume", volume_id=volume_id)["outcome"] == "ok"
    assert driver.call("start", "delete-volume", volume_id=volume_id)["outcome"] == "ok", "gone is gone"
    assert driver.call("poll", "wait-volume-available", volume_id=volume_id)["outcome"] == "absent"
    assert driver.call("lookup", "create-volume", "db/disk-0/create-volume")["outcome"] == "absent"


def test_root_swap_as_failover_does_it(driver, ec2, network, snapshot):
    made = run(driver, network)
    assert (made["outcome"], made["instance_type"]) == ("ok", "m6i.large"), made
    instance = {"instance_id": made["instance_id"]}
    running = driver.call("poll", "wait-running", **instance)
    assert running["outcome"] == "ok" and running["private_ip"].startswith("10.20.1.")
    root = running["root_volume_id"]
    assert driver.call("start", "stop-instance", **instance)["outcome"] == "ok"
    assert driver.call("poll", "wait-stopped", **instance)["outcome"] == "ok"
    assert driver.call("start", "detach-volume", volume_id=root, **instance)["outcome"] == "ok"
    assert driver.call("start", "detach-volume", volume_id=root, **instance)["outcome"] == "ok", "off is off"
    assert driver.call("start", "delete-volume", volume_id=root)["outcome"] == "ok"
    device = instance_of(ec2, made["instance_id"])["RootDeviceName"]
    volume_id = make_volume(driver, snapshot)
    attachment = {"volume_id": volume_id, "device": device, **instance}
    assert driver.call("lookup", "attach-volume", **attachment)["outcome"] == "absent"
    assert driver.call("start", "attach-volume", **attachment)["outcome"] == "ok"
    assert driver.call("lookup", "attach-volume", **attachment)["outcome"] == "ok"
    elsewhere = driver.call("lookup", "attach-volume", **{**attachment, "device": "/dev/sdz"})
    assert elsewhere["outcome"] == "fatal" and device in elsewhere["message"]
    assert driver.call("poll", "wait-volume-attached", volume_id=volume_id, **instance)["outcome"] == "ok"
    marked = driver.call("start", "set-delete-on-termination", devices=[device], **instance)
    assert marked["outcome"] == "ok", marked
    assert driver.call("start", "start-instance", instance_types=["m6i.large"], **instance)["outcome"] == "ok"
    assert driver.call("poll", "wait-running", **instance)["root_volume_id"] == volume_id
    mappings = instance_of(ec2, made["instance_id"])["BlockDeviceMappings"]
    assert [(m["DeviceName"], m["Ebs"]["VolumeId"]) for m in mappings] == [(device, volume_id)]
    assert driver.call("poll", "check-instance-status", interval_ms=1000, **instance)["outcome"] == "ok"


def test_instance_with_everything(driver, ec2, network):
    subnets, groups = network
    ec2.create_key_pair(KeyName="dr")
    made = run(driver, network, cards=[
        {"subnet_id": subnets[0], "group_ids": groups, "private_ip": "10.20.1.77"},
        {"subnet_id": subnets[1], "group_ids": groups[1:]}], key_name="dr")
    assert made["outcome"] == "ok", made
    instance = instance_of(ec2, made["instance_id"])
    assert instance["KeyName"] == "dr" and instance["ImageId"] == "ami-0c000000000000001"
    cards = sorted(instance["NetworkInterfaces"], key=lambda card: card["Attachment"]["DeviceIndex"])
    assert [card["SubnetId"] for card in cards] == subnets
    assert cards[0]["PrivateIpAddress"] == "10.20.1.77"
    assert {group["GroupId"] for group in cards[0]["Groups"]} == set(groups)
    assert tags(instance)["drc:node"] == "db/run-instance" and tags(instance)["service"] == "shop"
    found = driver.call("lookup", "run-instance", "db/run-instance")
    assert (found["outcome"], found["instance_id"]) == ("ok", made["instance_id"])
    assert driver.call("start", "terminate-instance", instance_id=made["instance_id"])["outcome"] == "ok"
    assert driver.call("poll", "wait-terminated", instance_id=made["instance_id"])["outcome"] == "ok"
    assert driver.call("lookup", "run-instance", "db/run-instance")["outcome"] == "absent"


def test_next_type_where_capacity_is_short(driver, ec2, network):
    made = run(driver, network, choice=1)
    assert made["instance_type"] == "m5.large"
    instance = {"instance_id": made["instance_id"], "instance_types": ["m5.large", "c6i.large"]}
    driver.call("start", "stop-instance", instance_id=made["instance_id"])
    assert driver.call("start", "start-instance", choice=1, **instance)["outcome"] == "ok"
    assert instance_of(ec2, made["instance_id"])["InstanceType"] == "c6i.large"


def test_many_waits_are_one_question(driver, ec2, network):
    """More than moto's 100 reservations a page, each id once; one that is not there is told apart."""
    ids = [run(driver, network, f"vm{i}/run-instance")["instance_id"] for i in range(105)]
    before = driver.requests
    answers = driver.calls("poll", "wait-running",
                           [(f"n{i}", {"instance_id": one}) for i, one in enumerate(ids)])
    assert [one["outcome"] for one in answers.values()] == ["ok"] * 105
    assert driver.requests - before == 2, "a page of 100, and the rest"
    many = [(f"n{i}", {"instance_id": one}) for i, one in enumerate(ids[:3])]
    answers = driver.calls("poll", "wait-running",
                           [*many, ("gone", {"instance_id": "i-0123456789abcdef0"})])
    assert answers["gone"]["outcome"] == "absent"
    assert [answers[node]["outcome"] for node, _ in many] == ["ok"] * 3


def test_batches_of_power(driver, ec2, network):
    ids = [run(driver, network, f"vm{i}/run-instance")["instance_id"] for i in range(3)]
    many = [(f"n{i}", {"instance_id": one}) for i, one in enumerate(ids)]
    before = driver.requests
    assert {one["outcome"] for one in driver.calls("start", "stop-instance", many).values()} == {"ok"}
    assert driver.requests - before == 1
    mixed = driver.calls("start", "terminate-instance",
                         [*many, ("gone", {"instance_id": "i-0123456789abcdef0"})])
    assert mixed["gone"]["outcome"] == "ok", "gone is as terminated as can be"
    assert {mixed[node]["outcome"] for node, _ in many} == {"retry"}, "nothing happened to the others"
    assert {one["outcome"] for one in driver.calls("start", "terminate-instance", many).values()} == {"ok"}


def test_elastic_address(driver, ec2, network):
    first, second = (run(driver, network, f"vm{i}/run-instance")["instance_id"] for i in range(2))
    address = ec2.allocate_address(Domain="vpc")
    allocation = {"allocation_id": address["AllocationId"]}
    made = driver.call("start", "associate-address", instance_id=first, **allocation)
    assert (made["outcome"], made["public_ip"]) == ("ok", address["PublicIp"]), made
    again = driver.call("start", "associate-address", instance_id=first, **allocation)
    assert again["outcome"] == "ok", "twice is once"
    taken = driver.call("start", "associate-address", instance_id=second, **allocation)
    assert taken["outcome"] == "conflict" and first in taken["message"]
    missing = driver.call("start", "associate-address", instance_id=first,
                          allocation_id="eipalloc-0123456789abcdef0")
    assert missing["outcome"] == "fatal", missing


def test_image(driver, ec2, snapshot):
    inputs = {"name": "shop-db", "architecture": "x86_64", "boot_mode": "uefi", "tags": {},
              "root_device": "/dev/xvda",
              "block_devices": [{"device": "/dev/xvda", "snapshot_id": snapshot, "type": "gp3"}]}
    assert driver.call("lookup", "register-image", **inputs)["outcome"] == "absent"
    made = driver.call("start", "register-image", **inputs)
    assert made["outcome"] == "ok", made
    image = ec2.describe_images(ImageIds=[made["image_id"]])["Images"][0]
    assert image["Name"] == "shop-db-r1", "names are unique in the account"
    assert driver.call("lookup", "register-image", **inputs)["image_id"] == made["image_id"]
    assert driver.call("poll", "wait-image-available", image_id=made["image_id"])["outcome"] == "ok"
    assert driver.call("start", "deregister-image", image_id=made["image_id"])["outcome"] == "ok"
    assert driver.call("start", "deregister-image", image_id=made["image_id"])["outcome"] == "ok"


def test_injection(driver, moto, network):
    instance = run(driver, network, "conversion")["instance_id"]
    inputs = {"conversion_instance": instance, "volume_id": "vol-0123456789abcdef0", "os": "linux",
              "device": "/dev/sdp", "firmware": "bios", "arch": "x86_64", "timeout_ms": 900000}
    assert driver.call("lookup", "inject", "db/disk-0/inject", **inputs)["outcome"] == "absent"
    sent = driver.call("start", "inject", "db/disk-0/inject", **inputs)
    assert sent["outcome"] == "ok", sent
    found = driver.call("lookup", "inject", "db/disk-0/inject", **inputs)
    assert found["command_id"] == sent["command_id"]
    command = moto.client("ssm").list_commands(CommandId=sent["command_id"])["Commands"][0]
    assert command["Comment"] == "drc r1 db/disk-0/inject"
    assert command["Parameters"]["commands"] == [
        "drc inject 'ebs:vol-0123456789abcdef0' --device '/dev/sdp' --os 'linux' --firmware 'bios' "
        "--arch 'x86_64'"]
    assert command["Parameters"]["executionTimeout"] == ["900"]
    waited = driver.call("poll", "wait-injected", command_id=sent["command_id"],
                         conversion_instance=instance)
    assert waited["outcome"] == "ok", waited


def test_a_check_on_the_instance(driver, moto, network):
    """moto's slips: what is sent ends at once, with Success and without output; wait-agent cannot be tried,
    its DescribeInstanceInformation is not there (500)."""
    instance = run(driver, network, "web")["instance_id"]
    inputs = {"instance_id": instance, "os": "linux", "timeout_ms": 60000,
              "check": {"kind": "tcp", "address": "10.20.1.5", "port": 443, "interval_ms": 2000}}
    assert driver.call("lookup", "send-check", "web/ready/443/send-check", **inputs)["outcome"] == "absent"
    sent = driver.call("start", "send-check", "web/ready/443/send-check", **inputs)
    assert sent["outcome"] == "ok", sent
    found = driver.call("lookup", "send-check", "web/ready/443/send-check", **inputs)
    assert found["command_id"] == sent["command_id"]
    command = moto.client("ssm").list_commands(CommandId=sent["command_id"])["Commands"][0]
    assert command["DocumentName"] == "AWS-RunShellScript"
    assert command["InstanceIds"] == [instance]
    assert command["Parameters"]["executionTimeout"] == ["120"]
    waited = driver.call("poll", "wait-script", command_id=sent["command_id"], instance_id=instance)
    assert waited["outcome"] == "ok", waited


def test_a_long_node_keeps_its_comment_apart(driver, moto, network):
    instance = run(driver, network, "conversion")["instance_id"]
    inputs = {"conversion_instance": instance, "volume_id": "vol-1", "device": "/dev/sdp", "os": "linux",
              "firmware": "bios", "arch": "x86_64", "timeout_ms": 1000}
    one = driver.call("start", "inject", "n" * 120 + "1", **inputs)
    two = driver.call("start", "inject", "n" * 120 + "2", **inputs)
    assert driver.call("lookup", "inject", "n" * 120 + "1", **inputs)["command_id"] == one["command_id"]
    assert driver.call("lookup", "inject", "n" * 120 + "2", **inputs)["command_id"] == two["command_id"]


def test_refusals_are_told(driver, network, snapshot):
    subnets, groups = network
    bad_type = driver.call("start", "run-instance", image_id="ami-0c000000000000001", tags={},
                           instance_types=["m6i.huge"], cards=[{"subnet_id": subnets[0]}])
    assert bad_type["outcome"] == "fatal" and bad_type["code"].startswith("InvalidInstanceType")
    assert bad_type["service"] == "ec2" and bad_type["status"] == 400 and bad_type["request_id"]
    missing = driver.call("start", "create-volume", snapshot_id="snap-0123456789abcdef0", zone=ZONE,
                          type="gp3", disk=0, tags={})
    assert missing["outcome"] == "fatal" and missing["code"] == "InvalidSnapshot.NotFound"
    assert missing["help"]
    image = driver.call("start", "run-instance", image_id="ami-0123456789abcdef0", tags={},
                        instance_types=["m6i.large"], cards=[{"subnet_id": subnets[0]}])
    assert image["outcome"] == "absent" and image["code"] == "InvalidAMIID.NotFound"
    volume = driver.call("start", "attach-volume", volume_id="vol-0123456789abcdef0", device="/dev/sdf",
                         instance_id=run(driver, network)["instance_id"])
    assert volume["outcome"] == "absent" and volume["code"] == "InvalidVolume.NotFound"


def test_the_list_of_what_a_run_made(driver, ec2, network, snapshot):
    volume_id = make_volume(driver, snapshot)
    instance_id = run(driver, network)["instance_id"]
    run(driver, network, run="r2")
    driver.call("start", "attach-volume", volume_id=volume_id, device="/dev/sdf", instance_id=instance_id)
    found = {one["id"]: one for one in driver.ask("resources", run="r1")}
    assert found[volume_id]["attached_to"] == instance_id and found[volume_id]["kind"] == "volume"
    assert found[instance_id]["state"] == "running"
    assert {one["run"] for one in found.values()} == {"r1"}
    assert {one["run"] for one in driver.ask("resources")} == {"r1", "r2"}


# ---- Who asks ----

def identify(environment, **options):
    driver = Driver(environment, **options)
    answer = driver.ask("identify")[0]
    driver.stop()
    return answer


def test_identity_and_the_guard_of_the_account(moto):
    assert identify(moto.environment())["account"] == moto.account()
    other = identify(moto.environment(), DRIVER_ACCOUNT="111122223333")
    assert "111122223333" in other["error"] and moto.account() in other["error"]


def test_wrong_secret(moto):
    answer = identify({**moto.environment(), "AWS_SECRET_ACCESS_KEY": "wrong"})
    assert "SignatureDoesNotMatch" in answer["error"] and moto.key in answer["error"]
    assert "secret access key is wrong" in answer["help"]


def test_no_credentials_says_where_it_looked(moto):
    answer = identify({"AWS_ENDPOINT_URL": moto.endpoint, "AWS_EC2_METADATA_DISABLED": "true"})
    assert "no AWS credentials found" in answer["error"]
    for place in ("AWS_ACCESS_KEY_ID", "profile default", "container", "instance metadata"):
        assert place in answer["error"], answer


def write(path, text):
    path.write_text(text)
    return str(path)


def test_profiles_roles_and_processes(moto, tmp_path):
    """Each source by what STS then says who is asking."""
    iam = moto.client("iam")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    trust = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]})
    role = iam.create_role(RoleName="dr", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="dr", PolicyName="all", PolicyDocument=policy)
    out = json.dumps({"Version": 1, "AccessKeyId": moto.key, "SecretAccessKey": moto.secret})
    process = write(tmp_path / "keys out.json", out)
    config = write(tmp_path / "config", f"""
[profile role]
role_arn = {role}
source_profile = plain
role_session_name = from-config
[profile process]
credential_process = cat "{process}"
[profile circle]
role_arn = {role}
source_profile = circle
[profile broken]
credential_process = false
""")
    shared = write(tmp_path / "credentials", f"""
[plain]
aws_access_key_id = {moto.key}
aws_secret_access_key = {moto.secret}
""")
    base = {"AWS_ENDPOINT_URL": moto.endpoint, "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": config, "AWS_SHARED_CREDENTIALS_FILE": shared}
    assert identify({**base, "AWS_PROFILE": "plain"})["arn"].endswith("user/drc")
    assert identify({**base, "AWS_PROFILE": "process"})["arn"].endswith("user/drc")
    assert identify({**base, "AWS_PROFILE": "role"})["arn"].endswith("assumed-role/dr/from-config")
    on_top = identify({**base, "AWS_PROFILE": "plain"}, DRIVER_ROLE=role)
    assert on_top["arn"].endswith("assumed-role/dr/drc"), on_top
    assert "source_profile" in identify({**base, "AWS_PROFILE": "circle"})["error"]
    assert "ended with status 1" in identify({**base, "AWS_PROFILE": "broken"})["error"]
    named = identify(base, DRIVER_PROFILE="nobody")
    assert "nobody" in named["error"] and "the plan" in named["error"]


# ---- What is not AWS ----

class Impostor(http.server.BaseHTTPRequestHandler):
    """Answers every request with what the server was given."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        status, kind, body, length = self.server.answer
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length if length is not None else len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def impostor():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Impostor)
    server.asked = 0
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def from_impostor(impostor, *answer):
    impostor.answer = answer
    driver = Driver({"AWS_ENDPOINT_URL": f"http://127.0.0.1:{impostor.server_address[1]}",
                     "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s"})
    result = driver.call("start", "delete-volume", volume_id="vol-1")
    driver.stop()
    return result


@pytest.mark.parametrize("status, kind, body, length, outcome, says", [
    (200, "text/html", b"<html><title>Sign in</title></html>", None, "unknown", "Sign in"),
    (403, "text/html", b"<html>Forbidden by proxy</html>", None, "fatal", "HTTP 403"),
    (407, "text/html", b"", None, "fatal", "(empty)"),
    (502, "text/html", b"<html>Bad\n\ngateway\x00\xff</html>", None, "unknown", "Bad gateway ?"),
    (500, "text/html", b"<!doctype html><title>500</title>", None, "unknown", "HTTP 500"),
    (200, "text/xml", b"<DeleteVolumeResponse><return>tr", None, "unknown", "not well-formed XML"),
    (200, "text/xml", b"<DeleteVolumeResponse>", 1000, "unknown", "broke off"),
    (200, "text/xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><DeleteVolumeResponse>&b;</DeleteVolumeResponse>",
     None, "unknown", "document type"),
    (200, "text/xml", b"<a>" * 100000, None, "unknown", "nested too deeply"),
    (503, "text/xml", b"<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>slow</Message>"
     b"</Error></Errors><RequestID>q</RequestID></Response>", None, "throttled", "slow"),
    (500, "text/xml", b"<Response><Errors><Error><Code>InternalError</Code><Message>m</Message>"
     b"</Error></Errors><RequestID>q</RequestID></Response>", None, "unknown", "InternalError: m"),
], ids=["portal", "forbidden", "proxy-login", "bad-gateway", "html-500", "cut-xml", "short", "entities",
        "deep", "throttled", "internal"])
def test_answers_that_are_none(impostor, status, kind, body, length, outcome, says):
    result = from_impostor(impostor, status, kind, body, length)
    assert result["outcome"] == outcome, result
    assert says in result["message"] and "\n" not in result["message"], result
    assert len(result["message"]) < 1000


def test_nobody_there(tmp_path):
    driver = Driver({"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
                     "AWS_SECRET_ACCESS_KEY": "s"})
    result = driver.call("start", "delete-volume", volume_id="vol-1")
    assert result["outcome"] == "retry" and "cannot be reached" in result["message"]
    answer = driver.ask("identify")[0]
    assert "cannot be reached" in answer["error"] and "AWS_ENDPOINT_URL" in answer["help"]
    driver.stop()
