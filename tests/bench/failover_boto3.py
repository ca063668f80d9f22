"""The peer of drc's failover: the same job as a good engineer writes it with boto3: a thread pool, one
client, paginators, waiters, batched describes where they are easy. Usage: failover_boto3.py PLAN.

Does, for every VM of a plan without dependencies, checks or injection, what `boot: attach` does:
volumes from the newest DR copies, a placeholder instance, its root swapped, started, running."""
import concurrent.futures
import sys

import boto3
import botocore.config
import yaml

THREADS = 32


def dr_copies(ec2, plan):
    """VM -> snapshots by disk, of the newest recovery point that is complete."""
    points = {}
    pages = ec2.get_paginator("describe_snapshots").paginate(
        OwnerIds=["self"], Filters=[{"Name": "tag:drc:plan", "Values": [plan]},
                                    {"Name": "tag:drc:role", "Values": ["dr-copy"]},
                                    {"Name": "status", "Values": ["completed"]}])
    for page in pages:
        for snapshot in page["Snapshots"]:
            tags = {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]}
            point = points.setdefault(tags["drc:vm"], {}).setdefault(tags["drc:recovery-point"], {})
            point[int(tags["drc:disk"])] = (snapshot["SnapshotId"], snapshot["VolumeSize"], tags)
    newest = {}
    for vm, by_time in points.items():
        for time in sorted(by_time, reverse=True):
            disks = by_time[time]
            if 0 in disks and len(disks) == int(disks[0][2]["drc:disks"]):
                newest[vm] = disks
                break
    return newest


def tags(kind, plan, vm):
    return [{"ResourceType": kind, "Tags": [{"Key": "drc:plan", "Value": plan},
                                            {"Key": "drc:vm", "Value": vm},
                                            {"Key": "Name", "Value": vm}]}]


class Failover:
    def __init__(self, ec2, plan, image):
        self.ec2, self.plan, self.image = ec2, plan, image
        self.network = plan["networks"]["production"]

    def fast(self, name):
        waiter = self.ec2.get_waiter(name)
        waiter.config.delay, waiter.config.max_attempts = 2, 300
        return waiter

    def vm(self, name, disks):
        vm = {**self.plan.get("defaults", {}), **self.plan["vms"][name]}
        subnet = self.network["subnets"][vm["subnet"]]
        volumes = [self.ec2.create_volume(
            SnapshotId=snapshot, AvailabilityZone=subnet["zone"], VolumeType="gp3", Size=size,
            TagSpecifications=tags("volume", self.plan["name"], name))["VolumeId"]
            for snapshot, size, _ in (disks[i] for i in range(len(disks)))]
        instance = self.ec2.run_instances(
            ImageId=self.image["ImageId"], MinCount=1, MaxCount=1, InstanceType=vm["instance_type"],
            NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet["id"],
                                "Groups": [self.network["security_groups"][group]
                                           for group in vm["security_groups"]]}],
            TagSpecifications=tags("instance", self.plan["name"], name))["Instances"][0]["InstanceId"]
        self.fast("instance_running").wait(InstanceIds=[instance])
        root = self.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0][
            "BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
        self.ec2.stop_instances(InstanceIds=[instance])
        self.fast("instance_stopped").wait(InstanceIds=[instance])
        self.ec2.detach_volume(VolumeId=root, InstanceId=instance)
        self.fast("volume_available").wait(VolumeIds=[root, *volumes])
        self.ec2.delete_volume(VolumeId=root)
        devices = [self.image["RootDeviceName"]] + [f"/dev/sd{chr(ord('f') + i)}"
                                                    for i in range(len(volumes) - 1)]
        for volume, device in zip(volumes, devices):
            self.ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device=device)
        self.fast("volume_in_use").wait(VolumeIds=volumes)
        self.ec2.modify_instance_attribute(InstanceId=instance, BlockDeviceMappings=[
            {"DeviceName": device, "Ebs": {"DeleteOnTermination": True}} for device in devices])
        self.ec2.start_instances(InstanceIds=[instance])
        self.fast("instance_running").wait(InstanceIds=[instance])
        return instance


def main():
    plan = yaml.safe_load(open(sys.argv[1]))
    aws = plan["sites"]["recovery"]["aws"]
    ec2 = boto3.client("ec2", region_name=aws["region"], config=botocore.config.Config(
        max_pool_connections=THREADS, retries={"mode": "adaptive", "max_attempts": 10}))
    image = ec2.describe_images(ImageIds=[aws["placeholder_image"]["bios"]])["Images"][0]
    failover = Failover(ec2, plan, image)
    copies = dr_copies(ec2, plan["name"])
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        jobs = [pool.submit(failover.vm, name, copies[name]) for name in plan["vms"]]
        done = [job.result() for job in jobs]
    print(f"{len(done)} instances run")


if __name__ == "__main__":
    main()
