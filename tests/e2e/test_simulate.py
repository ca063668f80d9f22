"""drc simulate: the RTO's distribution and what binds it, from simulated runs."""
import json
import os
import pathlib
import re
import select
import signal
import subprocess

import jsonschema
import pytest
from e2e_drc import DRC, ROOT, open_terminal, wait_for

SHOP = ["simulate", "plans/shop", "failover"]
RUNS = 40


def simulate(drc, *flags, runs=RUNS, plan="plans/shop", **kwargs):
    result = drc.json("simulate", plan, "failover", "--json", "--runs", runs, *flags, **kwargs)
    schema = json.loads((ROOT / "schemas" / "simulation.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(result)
    return result


def shop_with(tmp_path, *changes):
    text = (ROOT / "plans/shop/plan.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    return path


def test_it_is_what_the_estimate_says_more_or_less(drc):
    result = simulate(drc)
    rto = result["rto"]
    assert result["runs"] == rto["recovered"] == RUNS and result["failed"] == 0
    assert rto["p50_ms"] <= rto["p95_ms"] <= rto["p99_ms"] <= rto["worst_ms"]
    assert 0.8 < rto["p50_ms"] / rto["estimate_ms"] < 1.3
    assert rto["p95_ms"] > rto["p50_ms"] + 5000
    assert sum(bin["runs"] for bin in rto["histogram"]) == RUNS
    assert rto["within"] == RUNS and rto["objective_ms"] == 20 * 60000
    assert [vm["name"] for vm in result["vms"]] == ["db", "app", "web"]
    db, app, web = (vm["p50_ms"] for vm in result["vms"])
    assert db < app < web == rto["p50_ms"]  # each waits for the one before
    shown = drc.json("plan", "show", "plans/shop", "failover", "--json")
    assert shown["predicted_rto_ms"] == rto["estimate_ms"]


def test_what_binds_is_the_whole_of_the_p95_run(drc):
    result = simulate(drc)
    binds = {bind["what"]: bind for bind in result["binds"]}
    assert binds["db inject"]["vm"] == "db"
    assert binds["web check-tcp"]["runs"] > RUNS / 2
    slow = next(s for s in result["samples"] if s["seed"] == result["p95_run_seed"])
    assert slow["rto_ms"] == result["rto"]["p95_ms"]
    told = sum(bind["p95_run_ms"] for bind in result["binds"])
    assert 0.97 * slow["rto_ms"] < told <= slow["rto_ms"]  # but for what takes under a second
    assert any("replication.prepare" in text for text in result["suggestions"])


def test_equal_input_gives_equal_bytes(drc):
    one = drc(*SHOP, "--runs", 12, "--faults", "bad-day", "--jobs", 1)
    two = drc(*SHOP, "--runs", 12, "--faults", "bad-day", "--jobs", 3)
    other = drc(*SHOP, "--runs", 12, "--faults", "bad-day", "--seed", 1000)
    assert one.out == two.out != other.out
    assert one.out.startswith("shop · failover · 3 VMs · ")
    # A run of the result is made again by its seed alone.
    many = simulate(drc, "--faults", "bad-day", runs=12)
    again = simulate(drc, "--faults", "bad-day", "--seed", 5, runs=1)
    assert again["samples"] == [many["samples"][4]]


def test_worse_days_take_longer(drc):
    none, usual, bad = (simulate(drc, "--faults", day) for day in ("none", "usual", "bad-day"))
    assert none["rto"]["p95_ms"] < bad["rto"]["p95_ms"]
    assert usual["rto"]["p95_ms"] < bad["rto"]["p95_ms"]
    retries = [sum(s["retries"] for s in day["samples"]) for day in (none, usual, bad)]
    assert retries[0] <= retries[1] < retries[2] and retries[2] > RUNS


def test_measured_durations_count(drc, tmp_path):
    sandbox, facts = tmp_path / "aws", tmp_path / "facts.json"
    drc("sandbox", "init", sandbox, "plans/shop", "--seed", 3)
    drc("plan", "facts", "plans/shop", "failover", "--sandbox", sandbox, "-o", facts)
    usual = simulate(drc, "--faults", "none", "--facts", facts)
    held = json.loads(facts.read_text())
    held["durations"] = {"wait-injected": 200000, "db/disk-0/wait-injected": 420000}
    facts.write_text(json.dumps(held))
    slow = simulate(drc, "--faults", "none", "--facts", facts)
    for figure in "estimate_ms", "p50_ms":
        assert 270000 < slow["rto"][figure] - usual["rto"][figure] < 480000
    assert slow["binds"][0]["what"] == "db inject"
    # Disks are as the facts have them.
    shown = drc.json("plan", "show", "plans/shop", "failover", "--json", "--facts", facts)
    assert shown["predicted_rto_ms"] == slow["rto"]["estimate_ms"]


def test_places_at_conversion_instances(drc, tmp_path):
    sandbox, facts = tmp_path / "aws", tmp_path / "facts.json"
    drc("sandbox", "init", sandbox, "plans/shop", "--seed", 3)
    drc("plan", "facts", "plans/shop", "failover", "--sandbox", sandbox, "-o", facts)
    held = json.loads(facts.read_text())
    for conversion in held["inventory"]["conversions"].values():
        conversion["slots"] = 1
    held["durations"] = {"wait-injected": 400000}
    facts.write_text(json.dumps(held))
    result = simulate(drc, "--facts", facts)
    place = next(bind for bind in result["binds"] if bind["kind"] == "pool")
    assert place["what"].startswith("a place at conversion/i-") and place["median_ms"] > 300000
    assert any("conversion.instances" in text for text in result["suggestions"])


def test_capacity(drc):
    second = simulate(drc, "--capacity-missing", "r6i.xlarge")  # the plan names another one
    assert second["failed"] == 0
    none = simulate(drc, "--capacity-missing", "r6i.xlarge,r5.xlarge/eu-west-1a", runs=10)
    assert none["failed"] == 10 and "p50_ms" not in none["rto"]
    assert none["causes"][0]["node"] == "db/run-instance"
    assert none["causes"][0]["code"] == "InsufficientInstanceCapacity"
    assert none["causes"][0]["seeds"] == [1, 2, 3]
    assert any("vms.db.instance_type" in text for text in none["suggestions"])
    text = drc(*SHOP, "--runs", 10, "--capacity-missing", "r6i.xlarge,r5.xlarge").out
    assert "10 runs failed" in text and "why runs fail" in text and "never" in text


def test_killed_runner(drc):
    result = simulate(drc, "--kill", "15m")
    assert result["failed"] == 0
    killed = [s for s in result["samples"] if s["sessions"] > 1]
    assert len(killed) > RUNS / 2
    assert all(s["rto_ms"] > 15 * 60000 for s in killed)
    assert result["binds"][0]["kind"] == "away"
    assert 0 < result["rto"]["within"] < RUNS


def test_objective_that_is_missed(drc, tmp_path):
    plan = shop_with(tmp_path, ("rto: 20m", "rto: 4m"))
    result = simulate(drc, plan=plan)
    assert result["rto"]["within"] == 0 or result["rto"]["within"] < RUNS / 4
    text = drc("simulate", plan, "failover", "--runs", RUNS).out
    assert "RTO objective 4m: held in " in text and "too late" in text and "too long)" in text
    done = drc("simulate", plan, "failover", "--runs", RUNS, "--format", "markdown")
    assert done.out.startswith("### drc: shop · failover — simulated RTO p95 ")
    assert "⚠ objective held in" in done.out


def test_with_drivers_injected_ahead(drc, tmp_path):
    plan = shop_with(tmp_path, ("  keep: 3 ", "  prepare: replication\n  keep: 3 "))
    result = simulate(drc, plan=plan)
    assert result["failed"] == 0
    assert not any("inject" in bind["what"] for bind in result["binds"])
    assert result["suggestions"] == []


@pytest.mark.parametrize("flags, said", [
    (["--runs", "0"], "--runs wants a number from 1"),
    (["--runs", "2.5"], "whole numbers"),
    (["--seed", "x"], "--seed wants a number"),
    (["--jobs", "1000"], "--jobs wants a number"),
    (["--faults", "doomsday"], 'there are no faults "doomsday"'),
    (["--kill", "soon"], "--kill wants a duration"),
    (["--capacity-missing", "r6i.xlarg"], 'no instance type "r6i.xlarg"'),
    (["--format", "pdf"], 'no format "pdf"'),
    (["--facts", "nowhere.json"], "nowhere.json"),
    (["--state", "x"], "no flag --state"),
])
def test_bad_flags(drc, flags, said):
    done = drc(*SHOP, *flags, status=1)
    assert said in done.err and "help: " in done.err or "nowhere" in said
    assert done.out == ""


def test_bad_plans(drc, tmp_path):
    plan = shop_with(tmp_path, ("depends_on: [db]", "depends_on: [nobody]"))
    done = drc("simulate", plan, "failover", status=1)
    assert "error[D" in done.err and "nobody" in done.err and done.out == ""
    assert "error[D0901]" in drc("simulate", "plans/shop", "backup", status=1).err
    assert "which workflow?" in drc("simulate", "plans/shop", status=1).err
    graph = tmp_path / "graph.json"
    drc("plan", "compile", "plans/shop", "failover", "-o", graph)
    assert "needs the plan" in drc("simulate", graph, status=1).err
    drc("simulate", "plans/shop", "failover", status=1, TMPDIR=str(tmp_path / "nowhere"))


def left_over(place):
    return list(pathlib.Path(place).iterdir())


def test_interrupted(drc, tmp_path):
    drc.env["TMPDIR"] = str(tmp_path)
    master, slave = open_terminal()
    process = subprocess.Popen([DRC, *SHOP, "--runs", "20000", "--jobs", "2"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=slave, cwd=ROOT, env=drc.env)
    shown = b""
    while not re.search(rb"[1-9]\d* of 20000 runs", shown):
        assert select.select([master], [], [], 60)[0], shown
        shown += os.read(master, 65536)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "interrupted: " in out.decode() and "of 20000 runs were made" in out.decode()
    os.close(slave)
    os.close(master)
    assert left_over(tmp_path) == []


def test_a_worker_that_dies_is_told(drc, tmp_path):
    drc.env["TMPDIR"] = str(tmp_path)
    process = drc.start(*SHOP, "--runs", "20000", "--jobs", "1")
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    worker = int(wait_for(lambda: children.read_text().split(), "a worker", process)[0])
    os.kill(worker, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and out == b""
    assert b"its process was ended by signal 9" in err and b"simulating with seed " in err
    assert left_over(tmp_path) == []


def test_a_reader_that_hangs_up(drc, tmp_path):
    drc.env["TMPDIR"] = str(tmp_path)
    process = drc.start(*SHOP, "--runs", "20", "--json")
    process.stdout.close()
    process.wait(timeout=60)
    assert left_over(tmp_path) == []


def test_progress_on_a_terminal(drc):
    master, slave = open_terminal()
    process = subprocess.Popen([DRC, *SHOP, "--runs", "30"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=slave, cwd=ROOT, env=drc.env)
    os.close(slave)
    out = process.stdout.read()
    assert process.wait(timeout=60) == 0
    shown = os.read(master, 65536).decode()
    os.close(master)
    assert "of 30 runs" in shown and "30 runs in " in shown
    assert out.decode().startswith("shop · failover")


def test_result_to_a_file(drc, tmp_path):
    path = tmp_path / "forecast.json"
    done = drc(*SHOP, "--runs", 2, "--json", "-o", path)
    assert done.out == "" and json.loads(path.read_text())["runs"] == 2
    assert "2 runs in " in done.err and " a second" in done.err
