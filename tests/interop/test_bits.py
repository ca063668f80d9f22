"""Disks of every shape come back bit for bit: out of the repository by `drc repo export`, out of DR copies on
the served sandbox by coldsnap and by boto3's GetSnapshotBlock; whole copies, and changes of them."""
import os
import pathlib
import random
import subprocess
import sys
import time

import boto3
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "servers"))
from e2e_drc import Drc  # noqa: E402
from sandbox_server import KEYS, SandboxServer  # noqa: E402

BLOCK = 512 << 10
MIB, GIB = 1 << 20, 1 << 30
REGION = "eu-west-1"
PLAN = """\
version: 1
name: shop
objectives: {{rpo: 1h, rto: 30m}}
backup: {{every: 10m, repository: "{repository}"}}
replication: {{every: 30m, keep: 2}}
sites:
  recovery:
    aws:
      region: eu-west-1
      account: "111122223333"
      placeholder_image: ami-0c000000000000001
      conversion:
        instances: {{eu-west-1a: i-0f00ba40000000000}}
networks:
  production:
    vpc: vpc-0a000000000000001
    subnets:
      app: {{id: subnet-0a00000000000000a, cidr: 10.20.1.0/24, zone: eu-west-1a}}
defaults: {{subnet: app, instance_type: m6i.large}}
vms:
  db: {{source: /DC0/vm/db01}}
"""


def noise(seed, length):
    return random.Random(seed).randbytes(length)


# name: size, then what is written where
SHAPES = {
    "random": (7 * MIB, [(0, 7 * MIB)]),
    "sparse": (3 * GIB + 512, [(0, 100), (BLOCK - 3, 6), (GIB - 1, 2), (3 * GIB, 512)]),
    "byte": (1, [(0, 1)]),
    "odd": (9 * BLOCK + 12345, [(BLOCK, 3 * BLOCK), (9 * BLOCK, 12345)]),
    "zeros": (2 * MIB, []),
    "huge": (100 * GIB, [(5, 5), (33 * GIB - 7, 14), (100 * GIB - 1, 1)]),
}
# Also a block that has become zeros, where the copy's parent has data.
CHANGES = {
    "random": [(BLOCK, bytes(BLOCK)), (3 * BLOCK + 9, b"changed")],
    "sparse": [(0, bytes(100)), (2 * GIB, b"new")],
    "byte": [(0, b"\0")],
    "odd": [(9 * BLOCK + 12344, b"!")],
    "zeros": [(2 * MIB - 1, b"!")],
    "huge": [(33 * GIB - 7, bytes(7)), (99 * GIB, b"new")],
}


def change(path, writes):
    with open(path, "r+b") as file:
        for offset, data in writes:
            file.seek(offset)
            file.write(data)


def make(folder):
    for name, (size, writes) in SHAPES.items():
        with open(folder / name, "wb") as file:
            file.truncate(size)
        change(folder / name, [(at, noise(f"{name}{at}", length)) for at, length in writes])
    return [folder / name for name in SHAPES]


def held_blocks(path):
    """Of a sparse file: index -> bytes, zero-padded, of the blocks that are not all zeros."""
    found, at = {}, 0
    with open(path, "rb") as file:
        while at < os.path.getsize(path):
            try:
                index = os.lseek(file.fileno(), at, os.SEEK_DATA) // BLOCK
            except OSError:  # holes up to the end
                break
            data = os.pread(file.fileno(), BLOCK, index * BLOCK).ljust(BLOCK, b"\0")
            if any(data):
                found[index] = data
            at = (index + 1) * BLOCK
    return found


class Site:
    def __init__(self, drc, folder):
        self.drc, self.folder = drc, folder
        self.repository = f"dir:{folder / 'backup'}"
        self.plan = folder / "plan.yaml"
        self.plan.write_text(PLAN.format(repository=self.repository))
        self.server = SandboxServer(folder / "aws", self.plan, "--no-copies", "--no-throttle", "--speed", 100,
                                    env=drc.env).start()
        drc.env.update(self.server.environment(), AWS_REGION=REGION)

    def client(self, service):
        return boto3.client(service, region_name=REGION, endpoint_url=self.server.endpoint,
                            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
                            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"])

    def replicated(self, disks):
        """The recovery point's time, and the snapshots by disk."""
        time.sleep(1.1)  # a recovery point has a second of its own
        point = self.drc.json("repo", "import", self.repository, "--plan", "shop", "--vm", "db", "--cpus", 2,
                              "--memory", "4GiB", "--firmware", "bios", "--os", "linux", "--arch", "x86_64",
                              "--json", *disks)["recovery_point"]
        self.drc("plan", "apply", self.plan, "replicate", "--yes")
        found = self.client("ec2").describe_snapshots(OwnerIds=["self"], Filters=[
            {"Name": "tag:drc:role", "Values": ["dr-copy"]},
            {"Name": "tag:drc:recovery-point", "Values": [point]}])["Snapshots"]
        by_disk = {int(tags["drc:disk"]): one for one in found
                   for tags in [{tag["Key"]: tag["Value"] for tag in one["Tags"]}]}
        return point, [by_disk[number] for number in range(len(disks))]

    def exported(self, point):
        out = self.folder / point
        self.drc("repo", "export", self.repository, "--plan", "shop", "--vm", "db", "--recovery-point", point,
                 "-o", f"{out}/")
        return [out / f"db-disk-{number}.raw" for number in range(len(SHAPES))]

    def by_coldsnap(self, snapshot):
        program = subprocess.run([ROOT / "tools" / "coldsnap"], capture_output=True, text=True, check=True)
        back = self.folder / snapshot
        done = subprocess.run([program.stdout.strip(), "--endpoint", self.server.endpoint, "download",
                               "--no-progress", snapshot, back], capture_output=True, text=True, timeout=120,
                              env={**KEYS, "PATH": os.environ["PATH"], "AWS_REGION": REGION})
        assert done.returncode == 0, done.stderr
        return back

    def by_get(self, snapshot):
        """index -> bytes, of what is not all zeros."""
        ebs, found, token = self.client("ebs"), {}, {}
        while token is not None:
            page = ebs.list_snapshot_blocks(SnapshotId=snapshot, **token)
            for block in page["Blocks"]:
                data = ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=block["BlockIndex"],
                                              BlockToken=block["BlockToken"])["BlockData"].read()
                assert len(data) == BLOCK
                if any(data):
                    found[block["BlockIndex"]] = data
            token = {"NextToken": page["NextToken"]} if page.get("NextToken") else None
        return found


@pytest.fixture
def site(tmp_path):
    site = Site(Drc(tmp_path), tmp_path)
    yield site
    assert site.server.stop() == 0


def test_bit_for_bit(site, tmp_path):
    disks = make(tmp_path)
    for turn in ("whole", "changed"):
        if turn == "changed":
            for name, writes in CHANGES.items():
                change(tmp_path / name, writes)
        point, snapshots = site.replicated(disks)
        for disk, back, snapshot in zip(disks, site.exported(point), snapshots):
            want, size = held_blocks(disk), disk.stat().st_size
            what = f"{turn} {disk.name}"
            assert back.stat().st_size == size and held_blocks(back) == want, what
            assert snapshot["VolumeSize"] == -(-size // GIB)
            assert site.by_get(snapshot["SnapshotId"]) == want, what
            cold = site.by_coldsnap(snapshot["SnapshotId"])
            assert cold.stat().st_size == snapshot["VolumeSize"] * GIB
            assert held_blocks(cold) == want, what
            cold.unlink()
            back.unlink()
    whole = held_blocks(disks[0])
    assert len(whole) == 13  # the eye that looks sees: of 14 blocks one has become zeros
