"""Replicate on servers that this project did not write: the repository on MinIO, DR copies on moto's EBS
direct. moto inherits nothing of a parent snapshot and validates nothing (checksums, counts): so a second
copy holds only what was sent, which says exactly what was; that a copy is whole is seen in the sandbox."""
import os
import pathlib
import random
import sys
import time

import pytest
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "servers"))

from minio_server import MinioServer  # noqa: E402
from moto_world import Moto, populate  # noqa: E402
from test_failover_moto import SHOP, attach, instances, volumes  # noqa: E402

BLOCK = 512 << 10
BUCKET = "drc-backup"


@pytest.fixture
def moto(tmp_path):
    server = Moto(tmp_path / "moto", signatures=False)
    yield server
    server.stop()


@pytest.fixture
def minio(moto, tmp_path):
    server = MinioServer(tmp_path / "minio", key=moto.key, secret=moto.secret).start()
    server.client().create_bucket(Bucket=BUCKET)
    yield server
    server.stop()


@pytest.fixture
def plan(moto, minio, drc, tmp_path):
    """plans/shop without any DR copy, with its repository on MinIO."""
    def edit(text):
        attach(text)
        text["backup"]["repository"] = f"s3://{BUCKET}/repository"
        text["replication"]["keep"] = 1
        for vm in text["vms"].values():
            vm.pop("volumes", None)
    path, made = populate(moto, SHOP, tmp_path / "plan", edit=edit)
    ec2 = moto.client("ec2")
    for ids in made["snapshots"].values():
        for snapshot in ids:
            ec2.delete_snapshot(SnapshotId=snapshot)
    drc.env.update(AWS_ENDPOINT_URL_S3=minio.endpoint, AWS_REGION="eu-west-1")
    return path


def image(path, mib, blocks, seed):
    chance = random.Random(seed)
    with open(path, "wb") as file:
        file.truncate(mib << 20)
        for index in chance.sample(range(mib * 2), blocks):
            file.seek(index * BLOCK)
            file.write(chance.randbytes(BLOCK))
    return path


def change(path, count, seed):
    chance = random.Random(seed)
    with open(path, "r+b") as file:
        held = [i for i in range(os.path.getsize(path) // BLOCK)
                if any(os.pread(file.fileno(), BLOCK, i * BLOCK))]
        changed = chance.sample(held, count)
        for index in changed:
            file.seek(index * BLOCK + 5)
            file.write(chance.randbytes(9))
    return set(changed)


def imports(drc, vm, *disks):
    time.sleep(1.1)  # a recovery point has a second of its own
    drc("repo", "import", f"s3://{BUCKET}/repository", "--plan", "shop", "--vm", vm, "--cpus", 2,
        "--memory", "4GiB", "--firmware", "bios", "--os", "linux", "--arch", "x86_64", *disks)


def copies(moto, vm, role="dr-copy"):
    """By disk, the snapshots of the VM with their tags."""
    found = moto.client("ec2").describe_snapshots(OwnerIds=["self"], Filters=[
        {"Name": "tag:drc:vm", "Values": [vm]}, {"Name": "tag:drc:role", "Values": [role]}])["Snapshots"]
    return {tags["drc:disk"]: (one["SnapshotId"], tags) for one in found
            for tags in [{tag["Key"]: tag["Value"] for tag in one["Tags"]}]}


def sent(moto, snapshot):
    """Index and bytes of what was put."""
    ebs = moto.client("ebs")
    listed = ebs.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]
    return {block["BlockIndex"]: ebs.get_snapshot_block(
        SnapshotId=snapshot, BlockIndex=block["BlockIndex"], BlockToken=block["BlockToken"])["BlockData"].read()
        for block in listed}


def blocks_of(path):
    with open(path, "rb") as file:
        found = {}
        for index in range(os.path.getsize(path) // BLOCK):
            block = file.read(BLOCK)
            if any(block):
                found[index] = block
        return found


def test_import_replicate_change_replicate_fail_over(moto, drc, plan, tmp_path):
    boot, data = image(tmp_path / "boot.img", 32, 40, 1), image(tmp_path / "data.img", 16, 10, 2)
    others = {vm: image(tmp_path / f"{vm}.img", 8, 3, 3) for vm in ("app", "web")}
    imports(drc, "db", boot, data)
    for vm, path in others.items():
        imports(drc, vm, path)
    report = drc.json("plan", "apply", plan, "replicate", "--yes", "--json", timeout=300)
    assert report["status"] == "succeeded" and report["copied"] == 3 and report["recovered"] == 0
    assert report["blocks_sent"] == 40 + 10 + 3 + 3
    first = copies(moto, "db")
    assert sent(moto, first["0"][0]) == blocks_of(boot)
    assert sent(moto, first["1"][0]) == blocks_of(data)
    assert first["0"][1]["drc:disks"] == "2" and "drc:disks" not in first["1"][1]

    changed = change(boot, 2, 4)
    imports(drc, "db", boot, data)
    report = drc.json("plan", "apply", plan, "replicate", "--yes", "--json", timeout=300)
    assert report["blocks_sent"] == 2
    assert report["snapshots_deleted"] == 2  # keep: 1
    second = copies(moto, "db")
    assert second["0"][0] != first["0"][0]
    assert sent(moto, second["0"][0]) == {i: block for i, block in blocks_of(boot).items() if i in changed}
    assert sent(moto, second["1"][0]) == {}
    assert "nothing to do" in drc("plan", "apply", plan, "replicate", "--yes").out

    drc("plan", "apply", plan, "failover", "--yes", timeout=300)
    report = drc.json("run", "report", "--json")
    assert report["status"] == "succeeded"
    found = volumes(moto.client("ec2"))
    of_db = {found[m["Ebs"]["VolumeId"]]["SnapshotId"]
             for m in instances(moto.client("ec2"), report["run"])["db"]["BlockDeviceMappings"]}
    assert of_db == {second["0"][0], second["1"][0]}
    held = f"drc:hold:{report['run']}"
    assert held in copies(moto, "db")["0"][1] and held in copies(moto, "web")["0"][1]
    drc("run", "cleanup", report["run"], "--yes", timeout=300)
    assert held not in copies(moto, "db")["0"][1]


def test_drivers_injected_ahead_then_failover_without(moto, drc, plan, tmp_path):
    """moto runs no command and says Success: what drc inject does to a disk is seen in the sandbox."""
    text = yaml.safe_load(plan.read_text())
    text["replication"]["prepare"] = "replication"
    plan.write_text(yaml.safe_dump(text))
    ec2 = moto.client("ec2")
    disks = {vm: image(tmp_path / f"{vm}.img", 8, 3, seed) for seed, vm in enumerate(("db", "app", "web"))}
    for vm, path in disks.items():
        imports(drc, vm, path)
    report = drc.json("plan", "apply", plan, "replicate", "--yes", "--json", timeout=300)
    assert report["status"] == "succeeded" and report["copied"] == 3
    # What was injected into is gone. (moto's slip: StartSnapshot leaves it a volume of its own.)
    assert [v for v in volumes(ec2).values() if "drc:run" in v["tags"]] == []
    bootable = {vm: copies(moto, vm, "dr-copy-bootable")["0"] for vm in disks}
    for vm, (_, tags) in bootable.items():
        assert tags["drc:recovery-point"] == copies(moto, vm)["0"][1]["drc:recovery-point"]
        assert tags["drc:firmware"] == "bios" and tags["drc:disks"] == "1"

    change(disks["db"], 1, 4)
    imports(drc, "db", disks["db"])
    report = drc.json("plan", "apply", plan, "replicate", "--yes", "--json", timeout=300)
    assert report["blocks_sent"] == 1 and report["snapshots_deleted"] == 2  # keep: 1
    newer = copies(moto, "db", "dr-copy-bootable")["0"]
    assert newer[0] != bootable["db"][0]

    drc("plan", "apply", plan, "failover", "--yes", timeout=300)
    report = drc.json("run", "report", "--json")
    assert report["status"] == "succeeded"
    found = volumes(ec2)
    root = {found[m["Ebs"]["VolumeId"]]["SnapshotId"]
            for m in instances(ec2, report["run"])["db"]["BlockDeviceMappings"]}
    assert root == {newer[0]}
    assert f"drc:hold:{report['run']}" in copies(moto, "db", "dr-copy-bootable")["0"][1]


def test_a_repository_that_cannot_be_reached_is_told(moto, drc, plan, minio):
    minio.stop()
    text = yaml.safe_load(plan.read_text())
    assert text["backup"]["repository"].startswith("s3://")
    refused = drc("plan", "apply", plan, "replicate", "--yes", status=1, timeout=200)
    assert f"s3://{BUCKET}/repository" in refused.err
