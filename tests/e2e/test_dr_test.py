"""Tests of a plan (drc plan apply PLAN test): beside production and beside a failover, taken back as a whole, with
a verdict; stopped and killed on the way."""
import json
import os
import signal
import subprocess
import threading
import time

import pytest
import yaml

from e2e_drc import DRC, ROOT, wait_for

VPC = "vpc-0b000000000000001"


def apply(drc, sandbox, plan, *more, workflow="test", **kwargs):
    return drc("plan", "apply", plan, workflow, "--sandbox", sandbox, "--yes", *more, **kwargs)


def world(drc, sandbox):
    """All that a sandbox holds, but for what is terminated and seen for an hour still."""
    shown = drc.json("sandbox", "show", sandbox, "--json")
    shown["instances"] = [one for one in shown["instances"] if one["state"] != "terminated"]
    return shown


def records(drc, plan="shop"):
    file = drc.home / "state" / plan / "tests.json"
    return json.loads(file.read_text())["tests"] if file.exists() else []


def test_passes_and_leaves_nothing(drc, sandbox, shop):
    before = world(drc, sandbox)
    done = apply(drc, sandbox, shop, "--auto-cleanup=30s")
    assert f"a test, in the network {VPC}: production is not touched" in " ".join(done.err.split())
    assert "source VMs" not in done.err
    assert "test of shop passed" in done.out and "nothing of it is left" in done.out
    assert world(drc, sandbox) == before
    assert not (drc.home / "state" / "shop" / "production.json").exists()
    (record,) = records(drc)
    run = drc.json("run", "list", "--json")[0]
    assert (run["status"], run["verdict"], run["recovered"]) == ("cleaned", "passed", 3)
    assert record["run"] == run["run"] and record["verdict"] == "passed" and record["cleaned"]
    assert record["network"] == VPC and record["vms"] == record["recovered"] == 3 and record["whole"]
    report = drc.json("run", "report", "--json")
    assert report["plan_digest"] == record["plan_digest"] and report["verdict"] == "passed"
    assert report["verdict_ms"] == record["duration_ms"] and report["rto_ms"] == record["rto_ms"]
    # The wait is over by the sandbox's clock, and no part of how long it took.
    approval = next(node for node in report["nodes"] if node["id"] == "plan/cleanup/approve")
    assert 30_000 <= approval["ended_ms"] - approval["started_ms"] < 60_000
    drc("run", "orphans", shop, "--sandbox", sandbox)
    assert "nothing to resume" in drc("run", "resume", run["run"]).out
