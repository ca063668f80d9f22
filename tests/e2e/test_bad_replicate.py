"""Replicate over links and services that misbehave: repository and state in S3, both and EBS behind a proxy.
Each thing is made once, what is refused is told with recovery point, disk and what to do, and nothing that
is not whole is ever called a DR copy."""
import calendar
import concurrent.futures
import email.utils
import random
import re
import time

import boto3
import pytest

from e2e_drc import Drc
from rude import Rude, bad_link, shaped
from served import KEYS, SandboxServer

BLOCK = 512 << 10
REPOSITORY, STATE = "s3://drc-backup/shop", "s3://drc-state/dr"
PLAN = """\
version: 1
name: shop
objectives: {rpo: 1h, rto: 30m}
backup: {every: 10m, repository: "s3://drc-backup/shop"}
replication: {every: 30m, keep: 1}
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
  web: {source: /DC0/vm/web01}
"""
DISKS = {("db", 0): 24, ("db", 1): 9, ("web", 0): 12}  # blocks
SEEDS = (1, 2, 3)


class Site:
    def __init__(self, folder, *flags):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.drc = folder, Drc(folder)
        self.plan, self.random = folder / "plan.yaml", random.Random(7)
        self.plan.write_text(PLAN)
        self.cloud = SandboxServer(folder / "aws", self.plan, "--no-copies", "--seed", 7, "--speed", 100,
                                   "--no-throttle", *flags, env=self.drc.env).start()
        s3 = self.client("s3")
        held = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
        for name in {"drc-backup", "drc-state"} - held:
            s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self.drc.env.update(KEYS, AWS_ENDPOINT_URL=self.cloud.endpoint, DRC_STATE_DIR=STATE)
        self.given = ()
        self.given = {one["SnapshotId"] for one in self.snapshots()}
        for key, blocks in DISKS.items():
            self.disk(*key).write_bytes(self.random.randbytes(blocks * BLOCK - 1000 * key[1]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cloud.__exit__()

    def client(self, service):
        return boto3.client(service, endpoint_url=self.cloud.endpoint, region_name="eu-west-1",
                            aws_access_key_id="sandbox", aws_secret_access_key="sandbox")

    def disk(self, vm, number):
        return self.folder / f"{vm}-{number}.raw"

    def change(self):
        for path in map(lambda key: self.disk(*key), DISKS):
            with open(path, "r+b") as file:
                file.seek(BLOCK * 2 + 5)
                file.write(self.random.randbytes(10))

    def imports(self, time, vms=("db", "web"), **kwargs):
        return [self.drc("repo", "import", REPOSITORY, "--plan", "shop", "--vm", vm, "--recovery-point", time,
                         *[self.disk(*key) for key in DISKS if key[0] == vm], **kwargs) for vm in vms]

    def replicate(self, **kwargs):
        return self.drc("plan", "apply", self.plan, "replicate", "--yes", timeout=500, **kwargs)

    def through(self, link, status=None, **kwargs):
        return self.replicate(status=status, AWS_ENDPOINT_URL=link.endpoint, **kwargs)

    def newest(self):
        runs = self.drc.json("run", "list", "--json")
        return runs[0] if runs else None

    def snapshots(self):
        pages = self.client("ec2").get_paginator("describe_snapshots").paginate(OwnerIds=["self"])
        return [{**one, "tags": {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])}}
                for page in pages for one in page["Snapshots"] if one["SnapshotId"] not in self.given]

    def content(self, snapshot):
        """Read by another client."""
        ebs, found, more = self.client("ebs"), {}, {}
        while more is not None:  # a page may be empty, and yet not the last
            page = ebs.list_snapshot_blocks(SnapshotId=snapshot, **more)
            for one in page["Blocks"]:
                got = ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=one["BlockIndex"],
                                             BlockToken=one["BlockToken"])
                found[one["BlockIndex"]] = got["BlockData"].read()
            more = {"NextToken": page["NextToken"]} if page.get("NextToken") else None
        return found

    def check_copies(self, time):
        """Of each disk one copy of that time, bit for bit, and nothing else."""
        found = {(one["tags"]["drc:vm"], int(one["tags"]["drc:disk"])): one for one in self.snapshots()}
        assert set(found) == set(DISKS) and len(self.snapshots()) == len(DISKS)
        for key, one in found.items():
            assert one["State"] == "completed" and one["tags"]["drc:role"] == "dr-copy"
            assert one["tags"]["drc:recovery-point"] == time
            image = self.disk(*key).read_bytes()
            held = self.content(one["SnapshotId"])
            for index in range(DISKS[key]):
                assert held.get(index, bytes(BLOCK)) == image[index * BLOCK:(index + 1) * BLOCK].ljust(BLOCK, b"\0")


def to_the_end(site, link):
    """As a person goes on who reads what is told."""
    for _ in range(6):
        newest = site.newest()
        if newest and newest["status"] not in ("succeeded", "cancelled"):
            done = site.drc("run", "resume", newest["run"], "--take-over", status=None, timeout=500,
                            AWS_ENDPOINT_URL=link.endpoint)
        else:
            done = site.through(link)
        if done.returncode == 0:
            return done
        assert "help: " in done.err or "drc run resume" in done.err + done.out, done.err
    raise AssertionError(done.err)


class Replicated:
    """Whole, then as a change, over a link that is bad by seed."""

    def __init__(self, folder, seed):
        with Site(folder) as site, Rude(bad_link(site.cloud.port, seed, share=0.12)) as link:
            for number in range(2):
                time = f"2026-11-22T10:0{number}:00Z"
                for vm in ("db", "web"):
                    self.imports(site, link, time, vm)
                to_the_end(site, link)
                site.check_copies(time)
                site.change()
            done = site.drc("repo", "verify", REPOSITORY)
            assert "all is well" in done.out

    def imports(self, site, link, time, vm):
        """An answer that was lost may have made the point: then it is there, once."""
        for _ in range(5):
            done, = site.imports(time, (vm,), status=None, timeout=300, AWS_ENDPOINT_URL=link.endpoint)
            if done.returncode == 0 or "already" in done.err:
                return
        raise AssertionError(done.err)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicated")
    with concurrent.futures.ThreadPoolExecutor(len(SEEDS)) as pool:
        yield {seed: pool.submit(Replicated, folder / f"seed-{seed}", seed) for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bad_link_makes_each_copy_once(outcomes, seed):
    outcomes[seed].result()


def staged(port, method, pattern, how):
    """A server that behaves but for requests like these."""
    def handle(rude, link, action, request):
        if request.method == method and re.search(pattern, action or request.path):
            link.sendall(shaped(request, *how))
            return True
        link.sendall(request.forward(port))
        return True
    return handle


FORBIDDEN = ("403 Forbidden", "AccessDenied", "Access Denied")
ABSENT = ("404 Not Found", "NoSuchKey", "The specified key does not exist.")
BUSY = ("503 Slow Down", "SlowDown", "Please reduce your request rate.")
BLOCKS, START, COMPLETE = "/snapshots/.*/blocks", "/snapshots$", "/snapshots/completion/"
# What is refused, and what is told of it: the error, and what to do.
REFUSED = {
    "a block may not be read": ("GET", "/shop/blocks/", FORBIDDEN, "s3 GetObject: AccessDenied", "s3:GetObject"),
    "a block is missing": ("GET", "/shop/blocks/", ABSENT, "it is missing", "drc repo verify"),
    "a map may not be read": ("GET", "/shop/maps/", FORBIDDEN, "s3 GetObject: AccessDenied", "s3:GetObject"),
    "a map is missing": ("GET", "/shop/maps/", ABSENT, "it is missing", "drc repo verify"),
    "no block may be put": ("PUT", BLOCKS, ("403 Forbidden", "AccessDeniedException", "User is not authorized"),
                            "ebs PutSnapshotBlock: AccessDeniedException", "drc plan permissions"),
    "it is not pending": ("PUT", BLOCKS, ("400 Bad Request", "ValidationException", "The snapshot is not pending"),
                          "ebs PutSnapshotBlock: ValidationException", "drc"),
    "too many": ("POST", START, ("402 x", "ServiceQuotaExceededException", "Too many pending snapshots"), 
                 "ebs StartSnapshot: ServiceQuotaExceeded", "Service Quotas"),
    "no snapshot may be started": ("POST", START, ("403 Forbidden", "AccessDeniedException", "Not authorized"),
                                   "ebs StartSnapshot: AccessDeniedException", "drc plan permissions"),
    "the sum is another": ("POST", COMPLETE, ("400 Bad Request", "ValidationException", "The checksum does not match"),
                           "ebs CompleteSnapshot: ValidationException", "drc"),
    "it may not be tagged": ("POST", "^CreateTags$", ("403 x", "UnauthorizedOperation", "You are not authorized."),
                             "ec2 CreateTags: UnauthorizedOperation", "drc plan permissions"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_told_and_a_resume_completes_it(tmp_path, name):
    method, pattern, how, first, help_text = REFUSED[name]
    with Site(tmp_path) as site:
        site.imports("2026-11-22T10:00:00Z")
        with Rude(staged(site.cloud.port, method, pattern, how)) as link:
            done = site.through(link)
        report = " ".join(done.out.split())
        assert done.returncode == 1 and first in report, done.out
        helps = re.findall(r"help: (.*?)(?: node |db [0-9a-z-]* |\n\n|$)", report)
        assert helps and help_text in report[report.index("help: "):], done.out
        if method in ("GET", "PUT"):
            assert re.search(r"recovery point 2026-11-22T10:00:00Z of shop/(db|web), disk \d", report), done.out
        else:
            assert re.search(r"(db|web) disk-\d/(start-snapshot|complete-snapshot|tag-copy) failed", done.err), done.err
        assert not any("drc:role" in one["tags"] for one in site.snapshots())
        site.drc("run", "resume")
        site.check_copies("2026-11-22T10:00:00Z")


def test_a_busy_s3_is_waited_for(tmp_path):
    """For longer than its client tries by itself: the action is tried again, and nobody has to resume."""
    refused = []

    def handle(rude, link, action, request):
        if request.method == "GET" and "/shop/repository" in request.path and seen["put-blocks"] and len(refused) < 15:
            refused.append(request.path)
            link.sendall(shaped(request, *BUSY))
            return True
        seen["put-blocks"] |= bool(re.search("/snapshots$", request.path))
        link.sendall(request.forward(site.cloud.port))
        return True

    seen = {"put-blocks": False}
    with Site(tmp_path) as site:
        site.imports("2026-11-22T10:00:00Z")
        with Rude(handle) as link:
            done = site.through(link, status=0)
        assert len(refused) == 15
        assert "SlowDown" in done.err
        site.check_copies("2026-11-22T10:00:00Z")


def test_what_cannot_be_recorded_makes_the_next_copy_whole(tmp_path):
    with Site(tmp_path) as site:
        site.imports("2026-11-22T10:00:00Z")
        with Rude(staged(site.cloud.port, "PUT", "/shop/copies/", FORBIDDEN)) as link:
            done = site.through(link, status=0)
        assert "record-copy failed" in done.err and "s3 PutObject: AccessDenied" in done.err
        site.check_copies("2026-11-22T10:00:00Z")
        site.change()
        site.imports("2026-11-22T10:01:00Z")
        assert "whole: the repository does not know what the last copy holds" in " ".join(site.replicate().err.split())
        site.check_copies("2026-11-22T10:01:00Z")


def test_recovery_points_that_may_not_be_read(tmp_path):
    """Refused is not damaged: what to do about it is said."""
    with Site(tmp_path) as site:
        site.imports("2026-11-22T10:00:00Z")
        with Rude(staged(site.cloud.port, "GET", "/shop/points/", FORBIDDEN)) as link:
            done = site.through(link, status=1)
        told = " ".join(done.err.split())
        assert "s3 GetObject: AccessDenied" in told and "allow that key s3:ListBucket" in told
        assert site.snapshots() == [] and site.newest() is None


def an_hour_ahead(port):
    """AWS, as a runner sees it whose clock is an hour behind: each service refuses in its own words."""
    def handle(rude, link, action, request):
        now = time.time() + 3600
        signed = dict((name.lower(), value) for name, value in request.headers)["x-amz-date"]
        if abs(calendar.timegm(time.strptime(signed, "%Y%m%dT%H%M%SZ")) - now) <= 900:
            link.sendall(request.forward(port))
            return True
        rude.refused = getattr(rude, "refused", 0) + 1
        code = ("InvalidSignatureException" if request.path.startswith("/snapshots") else
                "RequestTimeTooSkewed" if request.path != "/" else
                "SignatureDoesNotMatch" if action == "GetCallerIdentity" else "RequestExpired")
        told = shaped(request, "403 Forbidden", code, "The difference between the times is too large.")
        date = f"Date: {email.utils.formatdate(now, usegmt=True)}\r\n".encode()
        link.sendall(told.replace(b"\r\n", b"\r\n" + date, 1))
        return True
    return handle


def test_a_clock_that_is_an_hour_off(tmp_path):
    """Once each service has said so, drc signs with the services' time; the copies come to be."""
    with Site(tmp_path) as site, Rude(an_hour_ahead(site.cloud.port)) as link:
        site.imports("2026-11-22T10:00:00Z", AWS_ENDPOINT_URL=link.endpoint)
        site.through(link, status=0)
        assert 0 < link.refused < 40, link.refused
        site.check_copies("2026-11-22T10:00:00Z")
