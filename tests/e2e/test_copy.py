"""The copy of a disk, broken off in its middle and gone on with: what is there is not sent again, and the
sandbox holds the sum over all blocks against what it got."""
import json
import os
import signal

import boto3
import pytest

from e2e_drc import wait_for
from served import KEYS, SandboxServer

BLOCK = 512 << 10
BLOCKS = 120  # 60 MiB
SLOW = ["--bandwidth", "8MiB/s"]  # by the sandbox's clock, which is five times as fast as ours
PLAN = """\
version: 1
name: shop
objectives: {rpo: 1h, rto: 30m}
backup: {every: 10m, repository: "dir:backup"}
replication: {every: 30m}
sites:
  recovery:
    aws:
      region: eu-west-1
      account: "111122223333"
      placeholder_image: ami-0c000000000000001
      conversion:
        instances: {eu-west-1a: i-0f00ba40000000000}
networks:
  production:
    vpc: vpc-0a000000000000001
    subnets:
      app: {id: subnet-0a00000000000000a, cidr: 10.20.1.0/24, zone: eu-west-1a}
defaults: {subnet: app, instance_type: m6i.large}
vms:
  db: {source: /DC0/vm/db01}
"""


class Site:
    def __init__(self, drc, folder):
        self.drc, self.folder = drc, folder
        self.plan, self.sandbox, self.disk = folder / "plan.yaml", folder / "aws", folder / "disk.raw"
        self.events = folder / "events.ndjson"
        self.plan.write_text(PLAN)
        self.disk.write_bytes(os.urandom(BLOCKS * BLOCK))
        drc("repo", "import", f"dir:{folder / 'backup'}", "--plan", "shop", "--vm", "db", self.disk)
        drc("sandbox", "init", self.sandbox, self.plan, "--no-copies", "--speed", 5)

    def words(self, *more):
        return ["--sandbox", self.sandbox, "--events", self.events, *more]

    def start(self, *more):
        return self.drc.start("plan", "apply", str(self.plan), "replicate", "--yes",
                              *map(str, self.words(*more)))

    def progress(self):
        """The node_progress events of the copy, as far as they are written."""
        lines = self.events.read_text().splitlines() if self.events.exists() else []
        found = []
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # being written
            if event["type"] == "node_progress":
                assert event["node"] == "db/disk-0/put-blocks"
                found.append(event["data"])
        return found

    def sent(self):
        return max([data["done_bytes"] for data in self.progress()], default=0)

    def copies(self):
        snapshots = self.drc.json("sandbox", "show", self.sandbox, "--json")["snapshots"]
        return [one for one in snapshots if one.get("run")]


@pytest.fixture
def site(drc, tmp_path):
    return Site(drc, tmp_path)


def test_killed_in_the_middle_of_a_disk(site):
    process = site.start(*SLOW)
    wait_for(lambda: site.sent() > 60 * BLOCK, "half of the disk", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    shown = site.drc("run", "show", "--all").out
    assert " MiB of 60 MiB" in shown
    seen = len(site.progress())
    site.drc("run", "resume", *site.words("--bandwidth", "2GiB/s"))
    later = site.progress()[seen:]
    assert any("by an earlier attempt" in data["detail"] for data in later)
    first = min(data["done_bytes"] for data in later if data["done_bytes"])
    assert first >= 10 * BLOCK  # not from the beginning
    [copy] = site.copies()
    assert copy["state"] == "completed" and copy["blocks"] == BLOCKS


def test_interrupted_in_the_middle_of_a_disk(site):
    process = site.start(*SLOW)
    wait_for(lambda: site.sent() > 60 * BLOCK, "half of the disk", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 3, err
    site.drc("run", "resume", *site.words("--bandwidth", "2GiB/s"))
    report = json.loads(site.drc("run", "report", "--json").out)
    [copy] = site.copies()
    assert copy["blocks"] == BLOCKS
    assert report["sessions"] == 2
    # Nothing twice: what the two have sent beside the blocks is a few questions.
    assert BLOCKS <= report["calls"]["requests"] < BLOCKS + 40


def test_a_rate_that_is_none(site):
    for flag, text in (("--bandwidth", "200"), ("--bandwidth", "fast"), ("--mover-memory", "1Gbit")):
        done = site.drc("plan", "apply", site.plan, "replicate", "--yes", *site.words(flag, text), status=1)
        assert f"{flag}: \"{text}\" is no " in done.err
        assert "help: a " in done.err
    assert not site.copies()


def test_a_snapshot_that_is_deleted_under_way(site):
    process = site.start(*SLOW)
    wait_for(lambda: site.sent() > 60 * BLOCK, "half of the disk", process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    [half] = site.copies()
    server = SandboxServer.__new__(SandboxServer)  # it is made already
    server.directory, server.env = site.sandbox, site.drc.env
    with server:
        client = boto3.client("ec2", region_name="eu-west-1", endpoint_url=server.endpoint,
                              aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
                              aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"])
        client.delete_snapshot(SnapshotId=half["id"])
    done = site.drc("run", "resume", *site.words(*SLOW), status=1)
    # Seen by a put or, where that was not yet to be seen, by the completion.
    assert f" into {half['id']}: " in done.err or "complete-snapshot failed" in done.err
    assert half["id"] in done.err
    site.drc("run", "resume", *site.words("--bandwidth", "2GiB/s"))
    [copy] = site.copies()
    assert copy["id"] != half["id"]
    assert copy["state"] == "completed" and copy["blocks"] == BLOCKS
