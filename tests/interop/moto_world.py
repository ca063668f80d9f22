"""moto as the AWS of a plan: started on a free port with signatures and ids checked, and filled with
what a failover of the plan finds: networks, images, a conversion instance, DR copies.

Where moto differs from EC2 (each noted where it matters): states change at once; ClientToken is not
honoured; every stock image says uefi, so that images of our own are loaded; register_image drops
block device mappings."""
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import boto3
import yaml

IMAGES = {  # what the plans name as placeholder images
    "ami-0c000000000000001": ("legacy-bios", None),
    "ami-0c000000000000002": ("uefi", None),
    "ami-0c000000000000003": ("uefi", "windows"),
}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Moto:
    """A moto server of its own; stop() ends it by its process id."""

    def __init__(self, folder, region="eu-west-1", signatures=True, mended=False):
        """signatures: whether it checks them, and IAM's policies. It takes none of CompleteSnapshot,
        boto3's neither: it signs another body than was sent. mended: that one is not checked, its
        policies are (moto_mended.py)."""
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.region = region
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        images = self.folder / "images.json"
        images.write_text(json.dumps([self._image(*item) for item in IMAGES.items()]))
        self.log_path = self.folder / "moto.log"
        self.log = open(self.log_path, "w")
        env = {**os.environ,
               "MOTO_AMIS_PATH": str(images),
               "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
               "MOTO_ENABLE_AMI_VALIDATION": "true",
               "MOTO_ENABLE_KEYPAIR_VALIDATION": "true",
               # The calls that make the user; from then on every signature is checked.
               "INITIAL_NO_AUTH_ACTION_COUNT": "3" if signatures else "1000000000"}
        folder_of_programs = pathlib.Path(sys.executable).parent
        program = [sys.executable, str(pathlib.Path(__file__).parent / "moto_mended.py")] if mended \
            else [str(folder_of_programs / "moto_server")]
        self.process = subprocess.Popen(
            [*program, "-H", "127.0.0.1", "-p",
             str(self.port)], stdout=self.log, stderr=subprocess.STDOUT, env=env,
            cwd=self.folder)  # where its recorder writes
        self._wait()
        self._make_user()

    @staticmethod
    def _image(ami, how):
        boot_mode, platform = how
        return {"ami_id": ami, "name": f"placeholder-{boot_mode}-{platform or 'linux'}",
                "description": "placeholder", "owner_id": "801119661308", "public": True,
                "virtualization_type": "hvm", "architecture": "x86_64", "state": "available",
                "platform": platform, "image_type": "machine", "hypervisor": "xen",
                "root_device_name": "/dev/xvda", "root_device_type": "ebs", "sriov": "simple",
                "creation_date": "2026-01-01T00:00:00.000Z", "boot_mode": boot_mode}

    def _wait(self):
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError(f"moto ended: {self.log_path.read_text()[-2000:]}")
            try:
                # Not a service call: those count against INITIAL_NO_AUTH_ACTION_COUNT.
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("moto does not answer")

    def client(self, service, key=None, secret=None):
        return boto3.client(service, region_name=self.region, endpoint_url=self.endpoint,
                            aws_access_key_id=key or self.key, aws_secret_access_key=secret or self.secret)

    def _make_user(self):
        iam = self.client("iam", "x", "x")
        iam.create_user(UserName="drc")
        iam.put_user_policy(UserName="drc", PolicyName="all", PolicyDocument=json.dumps(
            {"Version": "2012-10-17",
             "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}))
        made = iam.create_access_key(UserName="drc")["AccessKey"]
        self.key, self.secret = made["AccessKeyId"], made["SecretAccessKey"]

    def make_user(self, name, policies):
        """Another user, with these policies alone: its keys, as the environment has them."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        for number, policy in enumerate(policies):
            iam.put_user_policy(UserName=name, PolicyName=f"p{number}", PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}

    def environment(self):
        """What drc (or any client) needs to talk to it."""
        return {"AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": self.key,
                "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_EC2_METADATA_DISABLED": "true"}

    def account(self):
        return self.client("sts").get_caller_identity()["Account"]

    def requests(self):
        """Requests answered so far, by moto's own log."""
        self.log.flush()
        return len(re.findall(r'"(?:POST|GET|PUT) ', self.log_path.read_text()))

    def recorded(self, on=True):
        """Starts or stops moto's recorder; the requests as a list when stopped."""
        base = f"{self.endpoint}/moto-api/recorder/"
        call = lambda name, method="POST": urllib.request.urlopen(
            urllib.request.Request(base + name, method=method), timeout=10).read()
        if on:
            call("reset-recording")
            call("start-recording")
            return None
        call("stop-recording")
        text = call("download-recording", "GET").decode()
        return [json.loads(line) for line in text.splitlines() if line.strip()]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


class Shape:
    """What the DR copies of a VM say of it."""

    def __init__(self, disks=(8,), cpus=2, memory_mib=4096, firmware="bios", os="linux", bootable=False):
        self.disks, self.cpus, self.memory_mib = disks, cpus, memory_mib
        self.firmware, self.os, self.bootable = firmware, os, bootable


def populate(moto, plan_path, target, shapes=None, edit=None, seed=1):
    """Makes in moto what the plan needs and writes a copy of the plan with moto's ids into the folder
    `target`. shapes: VM name -> Shape. edit(plan): last changes of the copy. Returns (path of the
    copy, account of what was made)."""
    chance = random.Random(seed)
    ec2 = moto.client("ec2")
    plan = yaml.safe_load(pathlib.Path(plan_path).read_text())
    made = {"subnets": {}, "groups": {}, "snapshots": {}, "conversions": {}}
    aws = plan["sites"]["recovery"]["aws"]
    aws.pop("profile", None)
    aws.pop("role_arn", None)
    aws["account"] = moto.account()
    for kind, network in plan["networks"].items():
        _network(ec2, network, made, kind)
    _conversions(ec2, aws, plan, made)
    for key in {vm.get("key_name") for vm in [plan.get("defaults", {}), *plan["vms"].values()]} - {None}:
        ec2.create_key_pair(KeyName=key)
    for name, vm in plan["vms"].items():
        if "elastic_ip" in vm:
            for kind in vm["elastic_ip"]:
                vm["elastic_ip"][kind] = ec2.allocate_address(Domain="vpc")["AllocationId"]
        least = 1 + max([int(disk) for disk in vm.get("volumes", {})], default=0)
        shape = (shapes or {}).get(name) or \
            Shape(disks=tuple(range(1, 1 + max(least, chance.randint(1, 3)))))
        made["snapshots"][name] = copies(ec2, plan["name"], name, shape)
    if edit:
        edit(plan)
    target = pathlib.Path(target)
    target.mkdir(parents=True, exist_ok=True)
    path = target / "plan.yaml"
    path.write_text(yaml.safe_dump(plan, sort_keys=False))
    return path, made


def _network(ec2, network, made, kind):
    cidrs = [subnet["cidr"] for subnet in network["subnets"].values()]
    first = cidrs[0].split(".")
    vpc = ec2.create_vpc(CidrBlock=f"{first[0]}.{first[1]}.0.0/16")["Vpc"]["VpcId"]
    network["vpc"] = vpc
    for name, subnet in network["subnets"].items():
        subnet["id"] = ec2.create_subnet(VpcId=vpc, CidrBlock=subnet["cidr"],
                                         AvailabilityZone=subnet["zone"])["Subnet"]["SubnetId"]
        made["subnets"][kind, name] = subnet["id"]
    for name in network.get("security_groups", {}):
        group = ec2.create_security_group(GroupName=f"{kind}-{name}", Description=name, VpcId=vpc)
        network["security_groups"][name] = group["GroupId"]
        made["groups"][kind, name] = group["GroupId"]


def _conversions(ec2, aws, plan, made):
    for zone in aws.get("conversion", {}).get("instances", {}):
        subnet = next(s["id"] for s in plan["networks"]["production"]["subnets"].values()
                      if s["zone"] == zone)
        instance = ec2.run_instances(ImageId="ami-0c000000000000001", MinCount=1, MaxCount=1,
                                     InstanceType="m6i.xlarge", SubnetId=subnet)["Instances"][0]
        aws["conversion"]["instances"][zone] = instance["InstanceId"]
        made["conversions"][zone] = instance["InstanceId"]


def copies(ec2, plan, vm, shape, recovery_point=None):
    """DR copies of a VM as drc's replicate makes them: completed snapshots with the tags. The
    recovery point is ten minutes old unless given."""
    recovery_point = recovery_point or \
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 600))
    ids = []
    for disk, size in enumerate(shape.disks):
        tags = {"drc:role": "dr-copy", "drc:plan": plan, "drc:vm": vm, "drc:disk": str(disk),
                "drc:recovery-point": recovery_point, "drc:disk-bytes": str(size << 30),
                "drc:controller": "pvscsi"}
        if disk == 0:
            tags |= {"drc:disks": str(len(shape.disks)), "drc:cpus": str(shape.cpus),
                     "drc:memory-mib": str(shape.memory_mib), "drc:firmware": shape.firmware,
                     "drc:os": shape.os, "drc:arch": "x86_64", "drc:guest-id": "debian12_64Guest"}
        ids.append(_snapshot(ec2, size, tags))
        if disk == 0 and shape.bootable:
            _snapshot(ec2, size, {**tags, "drc:role": "dr-copy-bootable"})
    return ids


def _snapshot(ec2, size, tags):
    volume = ec2.create_volume(Size=size, AvailabilityZone="eu-west-1a")["VolumeId"]
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    snapshot = ec2.create_snapshot(VolumeId=volume, TagSpecifications=[
        {"ResourceType": "snapshot", "Tags": listed}])["SnapshotId"]
    ec2.delete_volume(VolumeId=volume)
    return snapshot
