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


def test_beside_a_failover(drc, sandbox, shop):
    """Of the same plan, at the same time: neither touches the other."""
    results = {}

    def run(name, *more):
        results[name] = apply(drc, sandbox, shop, *more, workflow=name, status=None)

    threads = [threading.Thread(target=run, args=args) for args in (("failover",), ("test", "--auto-cleanup=5m"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: done.returncode for name, done in results.items()} == {"failover": 0, "test": 0}, \
        [done.err for done in results.values()]
    runs = {run["workflow"]: run for run in drc.json("run", "list", "--json")}
    left = world(drc, sandbox)
    made = [one for kind in ("instances", "volumes") for one in left[kind] if one.get("run")]
    assert made and {one["run"] for one in made} == {runs["failover"]["run"]}
    places = json.loads((drc.home / "state" / "shop" / "production.json").read_text())["vms"]
    assert {vm["run"] for vm in places} == {runs["failover"]["run"]}
    assert {vm["place"] for vm in places} == {"recovery"}
    # And once more while production is over there.
    apply(drc, sandbox, shop, "--auto-cleanup=1s")
    assert world(drc, sandbox) == left
    assert [record["verdict"] for record in records(drc)] == ["passed", "passed"]


def renamed(shop, name):
    """A second plan, of the same VMs, that is tested in the same network."""
    plan = yaml.safe_load(shop.read_text())
    plan["name"] = name
    other = shop.with_name(f"{name}.yaml")
    other.write_text(yaml.safe_dump(plan, sort_keys=False))
    return other


def test_one_in_each_network(drc, sandbox, shop):
    other = renamed(shop, "shop2")
    process = drc.start("plan", "apply", shop, "test", "--sandbox", sandbox, "--yes")
    run = wait_for(lambda: [one for one in drc.json("run", "list", "--json") if one["vms"]], "it is under way", process)[0]
    refused = apply(drc, sandbox, shop, status=1)
    assert f"run {run['run']} of shop test is under way" in refused.err
    refused = apply(drc, sandbox, other, status=1)
    assert f"another test is in {VPC}: run {run['run']} of shop (under way)" in refused.err
    assert f"drc run approve {run['run']}" in refused.err
    wait_for(lambda: drc.json("run", "list", "--json")[0]["status"] == "waiting", "it waits", process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 3
    # Nobody works on it; what it has made is in the network still.
    refused = apply(drc, sandbox, other, status=1)
    assert f"another test is in {VPC}: run {run['run']} of shop (" in refused.err
    drc("run", "cleanup", run["run"], "--yes")
    assert [record["verdict"] for record in records(drc)] == ["passed"]
    assert len(drc.json("run", "list", "--json")) == 1  # what is refused leaves no record


def test_stops_for_the_approval_and_goes_on(drc, sandbox, shop):
    before = world(drc, sandbox)
    stopped = apply(drc, sandbox, shop, "--no-wait", status=3)
    run = drc.json("run", "list", "--json")[0]
    assert run["status"] == "waiting" and f"drc run approve {run['run']}" in stopped.err
    assert "passed" in stopped.out and not records(drc)
    assert world(drc, sandbox) != before
    drc("run", "approve", run["run"], "--as", "ada", "--comment", "seen enough")
    done = drc("run", "resume")
    assert "test of shop passed" in done.out and "ada" in done.out
    assert world(drc, sandbox) == before
    assert records(drc)[0]["cleaned"]
    assert drc.json("run", "list", "--json")[0]["status"] == "cleaned"


def failing(shop):
    """Its last step fails, in tests."""
    plan = yaml.safe_load(shop.read_text())
    script = shop.with_name("no.sh")
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o755)
    plan["after"] = [{"script": "no.sh", "during": ["test"]}]
    shop.write_text(yaml.safe_dump(plan, sort_keys=False))
    return shop


def test_fails_and_is_cleaned_up_too(drc, sandbox, shop):
    before = world(drc, sandbox)
    done = apply(drc, sandbox, failing(shop), "--auto-cleanup=30s", status=1)
    assert "test of shop failed" in done.out and "plan/after-1/run-script" in done.out
    assert world(drc, sandbox) == before
    (record,) = records(drc)
    assert record["verdict"] == "failed" and record["cleaned"] and record["recovered"] == 3
    run = drc.json("run", "list", "--json")[0]
    assert (run["status"], run["verdict"]) == ("cleaned", "failed")


def test_what_failed_is_looked_at_first(drc, sandbox, shop):
    """It stays until somebody approves; then nothing of it is tried again."""
    stopped = apply(drc, sandbox, failing(shop), "--no-wait", status=3)
    assert "test of shop failed" in stopped.out
    before = drc.json("run", "report", "--json")["calls"]["requests"]
    drc("run", "approve")
    drc("run", "resume", status=1)
    report = drc.json("run", "report", "--json")
    assert report["verdict"] == "failed" and report["calls"]["requests"] == before
    assert [record["verdict"] for record in records(drc)] == ["failed"]


@pytest.mark.parametrize("moment", ["early", "waiting", "cleaning", "verify"])
def test_killed_and_resumed(drc, sandbox, shop, moment):
    before = world(drc, sandbox)
    process = drc.start("plan", "apply", shop, "test", "--sandbox", sandbox, "--yes", "--auto-cleanup=60s")

    def reached():
        runs = [one for one in drc.json("run", "list", "--json") if one["vms"]]
        if not runs:
            return False
        folder = drc.home / "state" / "shop" / "runs" / runs[0]["run"]
        return {"early": True, "waiting": runs[0]["status"] in ("waiting", "cleaning"),
                "cleaning": runs[0]["status"] == "cleaning", "verify": (folder / "cleanup-1.db").exists()}[moment]

    wait_for(reached, moment, process)
    if moment == "early":
        time.sleep(0.5)
    process.kill()
    process.wait()
    shown = drc.json("run", "list", "--json")[0]
    assert shown["status"] in ("killed", "waiting", "cleaning"), shown
    done = drc("run", "resume")
    assert "test of shop passed" in done.out
    assert world(drc, sandbox) == before
    (record,) = records(drc)
    assert record["verdict"] == "passed" and record["cleaned"]
    drc("run", "orphans", shop, "--sandbox", sandbox)


def test_what_a_test_does_not_take(drc, sandbox, shop, tmp_path):
    for flag in ("--disaster-at=2026-11-22T10:00:00Z", "--accept-data-loss"):
        assert "is for failovers, not for test" in apply(drc, sandbox, shop, flag, status=1).err
    for value in ("0s", "soon", "-1h", ""):
        assert "--auto-cleanup wants a duration" in apply(drc, sandbox, shop, f"--auto-cleanup={value}", status=1).err
    assert "is for tests, not for failover" in apply(drc, sandbox, shop, "--auto-cleanup=1h", workflow="failover",
                                                     status=1).err
    graph = tmp_path / "test.json"
    facts = tmp_path / "facts.json"
    drc("plan", "facts", shop, "test", "--sandbox", sandbox, "-o", facts)
    drc("plan", "compile", shop, "test", "--facts", facts, "--auto-cleanup=20s", "-o", graph)
    refused = drc("plan", "apply", graph, "--sandbox", sandbox, "--auto-cleanup=1h", status=1)
    assert "give --auto-cleanup when it is compiled" in refused.err
    assert not drc.json("run", "list", "--json")
    # What was reviewed says when it is cleaned up.
    assert "test of shop passed" in drc("plan", "apply", graph, "--sandbox", sandbox).out


def test_how_often_it_is_due(drc, sandbox, shop, tmp_path):
    facts = tmp_path / "facts.json"

    def due():
        drc("plan", "facts", shop, "failover", "--sandbox", sandbox, "-o", facts)
        told = drc("plan", "check", shop, "--facts", facts).err
        text = [line for line in told.splitlines() if "D0407" in line]
        state = drc.json("rpo", shop, "--sandbox", sandbox, "--json", status=None)["plans"][0]["test"]["state"]
        return state, text[0] if text else ""

    state, text = due()
    assert state == "never tested" and "no test of it is known" in text
    apply(drc, sandbox, shop, "--only", "db", "--auto-cleanup=1s")
    assert due()[0] == "never tested"  # of one VM only
    apply(drc, sandbox, shop, "--auto-cleanup=1s")
    assert due() == ("in time", "")
    live = drc("plan", "apply", shop, "failover", "--sandbox", sandbox, "--dry-run=live", status=2)
    assert "test of the plan" not in live.err
    shop.write_text(shop.read_text().replace("rto: 20m", "rto: 21m"))
    state, text = due()
    assert state == "plan changed since" and "it has changed since its last test" in text
    live = drc("plan", "apply", shop, "failover", "--sandbox", sandbox, "--dry-run=live", status=2)
    assert "test of the plan: it has changed since its last test" in " ".join(live.err.split())


def test_in_a_shared_state(drc, sandbox, shop):
    """Two runners; the second knows of the first one's test, and of its verdict."""
    shared = drc.home / "shared"
    shared.mkdir()
    drc.env["DRC_STATE_DIR"] = f"file://{shared}"
    other = renamed(shop, "shop2")
    process = drc.start("plan", "apply", shop, "test", "--sandbox", sandbox, "--yes")
    wait_for(lambda: [one for one in drc.json("run", "list", "--json") if one["status"] == "waiting"], "it waits", process)
    elsewhere = {"XDG_CACHE_HOME": str(drc.home / "other-cache")}
    refused = apply(drc, sandbox, other, status=1, **elsewhere)
    assert f"another test is in {VPC}" in refused.err
    drc("run", "approve", "--as", "ada", **elsewhere)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert json.loads((shared / "shop" / "tests.json").read_text())["tests"][0]["cleaned"]
    due = drc.json("rpo", shop, "--sandbox", sandbox, "--json", status=None, **elsewhere)["plans"][0]["test"]
    assert due["state"] == "in time"
    apply(drc, sandbox, shop, "--auto-cleanup=1s", **elsewhere)
    assert len(json.loads((shared / "shop" / "tests.json").read_text())["tests"]) == 2
