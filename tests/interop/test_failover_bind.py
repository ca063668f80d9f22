"""A whole failover with its DNS at BIND 9 (AWS being the served sandbox): switched on primary and secondary,
refused before anything begins when somebody else was there, killed in the middle and gone on with, rolled
back."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "servers"))

from bind_server import SECRET, BindServer  # noqa: E402
from sandbox_server import DRC, SandboxServer  # noqa: E402

PLAN = """version: 1
name: intranet
replication: {{every: 30m}}
objectives: {{rpo: 1h, rto: 30m}}
sites:
  recovery:
    aws:
      region: eu-west-1
      account: "111122223333"
      placeholder_image: ami-0c000000000000001
      conversion: {{instances: {{eu-west-1a: i-0f00ba40000000000}}}}
networks:
  production:
    vpc: vpc-0a000000000000001
    subnets:
      app: {{id: subnet-0a00000000000000a, cidr: 10.20.1.0/24, zone: eu-west-1a}}
dns:
  corp.example:
    provider: rfc2136
    server: {server}
    tsig: {{name: drc-key, algorithm: hmac-sha256, secret: env:DRC_TSIG_SECRET}}
  second.example:
    provider: rfc2136
    server: {server}
    tsig: {{name: drc-sha512, algorithm: hmac-sha512, secret: file:secret}}
vms:
  web:
    source: /DC0/vm/web01
    subnet: app
    private_ip: 10.20.1.10
    post_boot:
      - dns: {{zone: corp.example, record: shop, type: A, ttl: 30, values: ["${{self.address}}"], expect: [192.0.2.10]}}
      - dns: {{zone: corp.example, record: alias, type: CNAME, ttl: 30, values: [shop.second.example]}}
      - dns: {{zone: second.example, record: new, type: TXT, ttl: 30, values: ["v=1", "recovered"]}}
      - check: {{dns: shop.corp.example, value: "${{self.address}}"}}
"""
BEFORE = {("shop.corp.example", "A"): ["192.0.2.10"], ("alias.corp.example", "CNAME"): ["old.corp.example."],
          ("new.second.example", "TXT"): []}
AFTER = {("shop.corp.example", "A"): ["10.20.1.10"], ("alias.corp.example", "CNAME"): ["shop.second.example."],
         ("new.second.example", "TXT"): ['"recovered"', '"v=1"']}


class Site:
    def __init__(self, folder, bind):
        self.folder, self.bind = folder, bind
        self.plan = folder / "plan.yaml"
        self.plan.write_text(PLAN.format(server=bind.server))
        secret = folder / "secret"
        secret.write_text(SECRET + "\n")
        secret.chmod(0o600)
        self.aws = SandboxServer(folder / "aws", self.plan, "--speed", "100", "--no-throttle").start()
        self.env = {**os.environ, **self.aws.environment(), "DRC_TSIG_SECRET": SECRET, "DRC_RESOLVER": bind.server,
                    "DRC_STATE_DIR": str(folder / "state"), "NO_COLOR": "1"}

    def __call__(self, *words):
        return subprocess.run([DRC, *map(str, words)], capture_output=True, text=True, env=self.env, timeout=120)

    def failover(self):
        return self("plan", "apply", self.plan, "failover", "--yes")

    def records(self, at="127.0.0.1"):
        return {place: self.bind.dig(*place, at) for place in BEFORE}


@pytest.fixture
def site(tmp_path):
    with BindServer(tmp_path / "bind") as bind:
        site = Site(tmp_path, bind)
        yield site
        site.aws.stop()


def test_records_are_switched_everywhere_and_rolled_back(site):
    done = site.failover()
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.records() == AFTER and site.records("127.0.0.2") == AFTER
    assert SECRET not in done.stdout + done.stderr
    assert not any(SECRET.encode() in path.read_bytes() for path in (site.folder / "state").rglob("*")
                   if path.is_file())
    back = site("run", "rollback", "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    assert site.records() == BEFORE and site.bind.ttl("shop.corp.example", "A") == 60


def test_what_the_plan_does_not_expect_is_told_before_anything_is_made(site):
    site.bind.nsupdate("zone corp.example", "update delete shop.corp.example", "update add shop.corp.example 60 A 203.0.113.5")
    del site.env["DRC_TSIG_SECRET"]
    done = site.failover()
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert "is 203.0.113.5 (ttl 60), and the plan expects 192.0.2.10" in told
    assert "the secret env:DRC_TSIG_SECRET is not there" in told
    assert site.bind.dig("shop.corp.example", "A") == ["203.0.113.5"]


def test_killed_while_it_waits_for_a_server_it_goes_on(site):
    site.bind.pause("secondary")
    log = open(site.folder / "apply.log", "w+")
    run = subprocess.Popen([DRC, "plan", "apply", site.plan, "failover", "--yes"], env=site.env, stdout=log, stderr=log)
    until = time.monotonic() + 60
    while site.bind.dig("shop.corp.example", "A") != ["10.20.1.10"]:
        assert run.poll() is None and time.monotonic() < until, (site.folder / "apply.log").read_text()
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait(20)
    log.close()
    site.bind.go_on("secondary")
    serial = site.bind.dig("corp.example", "SOA")[0].split()[2]
    done = site("run", "resume")
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.records() == AFTER and site.records("127.0.0.2") == AFTER
    # the record that had been switched already was not switched again: one change more, of the alias
    assert int(site.bind.dig("corp.example", "SOA")[0].split()[2]) == int(serial) + 1
    assert site("run", "rollback", "--yes").returncode == 0
    assert site.records() == BEFORE


def test_a_rollback_leaves_what_somebody_else_wrote_and_says_so(site):
    assert site.failover().returncode == 0
    site.bind.nsupdate("zone corp.example", "update delete shop.corp.example", "update add shop.corp.example 60 A 203.0.113.5")
    back = site("run", "rollback", "--yes")
    assert back.returncode == 1
    assert "somebody has changed it since the run wrote 10.20.1.10" in back.stdout + back.stderr
    assert site.records() == {**BEFORE, ("shop.corp.example", "A"): ["203.0.113.5"]}
