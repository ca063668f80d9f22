"""The main job on the embedded sandbox: facts, review, failover, report, resume, cleanup."""
import json
import os
import random
import signal
import subprocess
import time

import pytest

from e2e_drc import DRC, ROOT, open_terminal, wait_for


def started(drc, sandbox, tmp_path, action="create-volume", count=1):
    """A failover under way, in which `count` nodes of the action have been done. On a sandbox that is
    slow enough to be caught in the middle."""
    events = tmp_path / "under-way.ndjson"
    process = drc.start("plan", "apply", "plans/shop", "failover", "--sandbox", sandbox, "--yes",
                        "--events", events)

    def done():
        lines = events.read_text().splitlines()[:-1] if events.exists() else []
        return len([e for e in map(json.loads, lines)
                    if e["type"] == "node_done" and e["node"].endswith("/" + action)]) >= count
    wait_for(done, f"{count} × {action}", process)
    return process


@pytest.fixture
def slow_sandbox(drc, tmp_path):
    drc("sandbox", "init", tmp_path / "slow", "plans/shop", "--seed", 7, "--speed", 40)
    return tmp_path / "slow"


def apply(drc, sandbox, *flags, **kwargs):
    return drc("plan", "apply", "plans/shop", "failover", "--sandbox", sandbox, "--yes", *flags,
               **kwargs)


def test_failover_then_nothing_to_do_then_cleanup(drc, sandbox):
    done = apply(drc, sandbox, "--json")
    report = json.loads(done.out)
    assert report["status"] == "succeeded"
    assert {vm["name"]: vm["outcome"] for vm in report["vms"]} == \
        {"db": "recovered", "app": "recovered", "web": "recovered"}
    again = apply(drc, sandbox)
    assert "nothing to do" in again.out
    runs = drc.json("run", "list", "--json")
    assert [run["status"] for run in runs] == ["succeeded"]
    drc("run", "cleanup", runs[0]["run"], "--yes")
    assert drc.json("run", "list", "--json")[0]["status"] == "cleaned"
    left = drc.json("sandbox", "show", sandbox, "--json")
    assert [i for i in left["instances"] if i.get("run") and i["state"] != "terminated"] == []
    assert [v for v in left["volumes"] if v.get("run")] == []
    apply(drc, sandbox)  # production is at home again: another failover goes through


def test_offline_commands_open_no_socket(drc, tmp_path, sandbox):
    trace = tmp_path / "trace"
    for words in (["plan", "apply", "plans/shop", "failover", "--dry-run"],
                  ["plan", "check", "plans/shop"], ["plan", "compile", "plans/shop", "failover"],
                  ["plan", "show", "plans/shop", "failover"],
                  ["plan", "graph", "plans/shop", "failover"]):
        subprocess.run(["strace", "-f", "-qq", "-e", "trace=socket,connect", "-o", trace, DRC, *words],
                       check=True, capture_output=True, cwd=ROOT,
                       env={**drc.env, "ASAN_OPTIONS": "detect_leaks=0"})  # not under ptrace
        assert trace.read_text() == "", words


def test_equal_input_gives_equal_bytes(drc, sandbox, tmp_path):
    drc("plan", "facts", "plans/shop", "failover", "--sandbox", sandbox, "-o", tmp_path / "facts.json")
    words = ["plan", "compile", "plans/shop", "failover", "--facts", tmp_path / "facts.json"]
    assert drc(*words).out == drc(*words).out
    graph = tmp_path / "graph.json"
    graph.write_text(drc(*words).out)
    assert drc("plan", "compile", graph).out == graph.read_text()


def test_a_reviewed_graph_is_the_approval_and_is_bound_to_the_plan(drc, sandbox, shop, tmp_path):
    graph = tmp_path / "graph.json"
    facts = tmp_path / "facts.json"
    drc("plan", "facts", shop, "failover", "--sandbox", sandbox, "-o", facts)
    drc("plan", "compile", shop, "failover", "--facts", facts, "-o", graph)
    original = shop.read_text()
    shop.write_text(original + "# changed\n")
    done = drc("plan", "apply", graph, "--sandbox", sandbox, status=1)
    assert "no longer what the graph was compiled from" in done.err
    shop.write_text(original)
    assert "recovered" in drc("plan", "apply", graph, "--sandbox", sandbox).out


def test_a_sandbox_with_a_mistake_is_not_in_the_way_of_the_one_without(drc, tmp_path):
    words = ["sandbox", "init", tmp_path / "new", "plans/shop"]
    for fault in "bot=0.5", "boot=7":
        drc(*words, "--fault", fault, status=1)
        assert not (tmp_path / "new").exists()
    drc(*words, "--fault", "boot=0.5")
    assert "is there already" in drc(*words, "--fault", "bot=1", status=1).err
    drc("sandbox", "show", tmp_path / "new")
    lost = drc("plan", "apply", "plans/shop", "failover", "--sandbox", tmp_path / "aw", status=1)
    assert f"drc sandbox init {tmp_path}/aw PLAN" in lost.err


def test_guests_that_do_not_boot_are_the_recovered_ones(drc, tmp_path):
    """The conversion instance is none of them: without it nothing could be tried."""
    drc("sandbox", "init", tmp_path / "aws", "plans/shop", "--speed", 1000, "--fault", "boot=1")
    apply(drc, tmp_path / "aws", status=1)
    report = drc.json("run", "report", "--json")
    assert [cause.split("/")[:2] for cause in report["causes"]] == [["db", "ready"]]


def test_without_approval_nothing_happens(drc, sandbox):
    done = drc("plan", "apply", "plans/shop", "failover", "--sandbox", sandbox, status=1)
    assert "--yes" in done.err
    assert drc.json("run", "list", "--json") == []


def test_events_are_ndjson_with_a_version_first(drc, sandbox, tmp_path):
    events = tmp_path / "events.ndjson"
    apply(drc, sandbox, "--events", events)
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    assert lines[0]["v"] == 1
    assert [line["seq"] for line in lines] == sorted({line["seq"] for line in lines})
    assert {"run_started", "node_done", "run_ended"} <= {line["type"] for line in lines}


def test_an_interrupt_is_resumable(drc, slow_sandbox, tmp_path):
    sandbox = slow_sandbox
    process = started(drc, sandbox, tmp_path, "run-instance", 3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err.decode()
    assert b"drc run resume" in err
    left = out.decode().split("Made, and in no use now:\n")[1].split("\n\n")[0]
    names = [line.split()[0] for line in left.splitlines() if line[2] != " "]
    assert names == [name for name in ("db", "app", "web") if name in names]  # each VM once
    assert "web" in names and "i-" in left and "vol-" in left
    again = drc("plan", "apply", "plans/shop", "failover", "--sandbox", sandbox, "--yes", status=1)
    assert "run resume" in again.err
    drc("run", "resume")
    assert drc.json("run", "report", "--json")["status"] == "succeeded"


def test_resume_takes_the_newest_run_that_is_unfinished(drc, slow_sandbox, tmp_path):
    sandbox = slow_sandbox
    process = started(drc, sandbox, tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert "(killed)" in apply(drc, sandbox, status=1).err
    drc("sandbox", "init", tmp_path / "other", "examples/minimal.yaml", "--speed", 500)
    drc("plan", "apply", "examples/minimal.yaml", "failover", "--sandbox", tmp_path / "other", "--yes")
    assert "failover of shop succeeded" in drc("run", "resume").out
    assert "nothing to resume" in drc("run", "resume").out


def asked(drc, plan, sandbox):
    """A failover that has asked for the word yes, on a terminal, and waits."""
    _, terminal = open_terminal()
    process = subprocess.Popen([DRC, "plan", "apply", plan, "failover", "--sandbox", sandbox],
                               stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               cwd=ROOT, env=drc.env)
    told = b""
    while not told.endswith(b'Only "yes" goes on: '):
        part = process.stderr.read(1)
        assert part, told
        told += part
    return process


def test_an_interrupt_at_the_question_is_a_no(drc, sandbox):
    """Else a run that never was stays unfinished, and in the way of drc run resume."""
    process = asked(drc, "plans/shop", sandbox)
    while process.poll() is None:  # one that comes before the question is read goes by
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert process.returncode == 1
    assert b"not approved: nothing was changed" in process.communicate()[1]
    assert drc.json("run", "list", "--json")[0]["status"] == "cancelled"


def test_resume_takes_what_has_begun_rather_than_what_was_only_prepared(drc, slow_sandbox, tmp_path):
    process = started(drc, slow_sandbox, tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    drc("sandbox", "init", tmp_path / "other", "examples/minimal.yaml", "--speed", 10000)
    time.sleep(0.2)  # by its clock it is much later, and its run the newest
    other = asked(drc, "examples/minimal.yaml", tmp_path / "other")
    other.kill()
    other.communicate()
    assert drc.json("run", "list", "--json")[0]["plan"] != "shop"
    assert "failover of shop succeeded" in drc("run", "resume").out


def test_cleanup_lists_what_it_would_delete_by_vm(drc, sandbox):
    apply(drc, sandbox)
    asked = drc("run", "cleanup", status=1)
    assert "cleanup deletes 3 instances, 8 volumes\n" in asked.err
    assert [line.split()[0:2] for line in asked.err.splitlines() if " instance " in line] == \
        [["db", "instance"], ["app", "instance"], ["web", "instance"]]
    assert "not approved" in asked.err
    assert " cleanup of shop: " in drc("run", "cleanup", "--yes").err


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_random_moments_and_resumed_makes_each_thing_once(drc, sandbox, seed):
    chance = random.Random(seed)
    words = ["plan", "apply", "plans/shop", "failover", "--sandbox", str(sandbox), "--yes"]
    for _ in range(8):
        process = drc.start(*words)
        try:
            process.communicate(timeout=chance.uniform(0.1, 0.8))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        runs = drc.json("run", "list", "--json")
        if runs and runs[0]["status"] == "succeeded":
            break
        if runs:
            words = ["run", "resume", runs[0]["run"]]
    if drc.json("run", "list", "--json")[0]["status"] != "succeeded":
        drc("run", "resume")
    left = drc.json("sandbox", "show", sandbox, "--json")
    made = [i for i in left["instances"] if i.get("run") and i["state"] != "terminated"]
    assert sorted(i["vm"] for i in made) == ["app", "db", "web"]
    assert all(i["state"] == "running" for i in made)
    roots = {v["id"]: v for v in left["volumes"] if v.get("run")}
    assert all(v.get("attached_to") in {i["id"] for i in made} for v in roots.values())


def test_a_second_writer_is_refused(drc, slow_sandbox, tmp_path):
    sandbox = slow_sandbox
    first = started(drc, sandbox, tmp_path)
    second = apply(drc, sandbox, status=1)
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert "under way" in second.err or "holds" in second.err


def test_the_report_can_be_had_later_in_each_form(drc, sandbox):
    apply(drc, sandbox)
    text = drc("run", "report").out
    assert "RTO" in text and "db" in text
    assert drc.json("run", "report", "--json")["vms"]
    assert "3 of 3" in drc("run", "list").out
    assert "actions done" in drc("run", "show").out


@pytest.mark.parametrize("command, word", [("cleanup", "cleaned"), ("rollback", "rolled-back")])
def test_what_was_undone_is_not_told_as_recovered(drc, sandbox, command, word):
    apply(drc, sandbox)
    assert "i-" in drc("run", "show").out
    drc("run", command, "--yes")
    assert "0 of 3" in drc("run", "list").out
    assert drc.json("run", "list", "--json")[0]["recovered"] == 0
    vms = [line.split() for line in drc("run", "show").out.splitlines() if line.startswith("  ")]
    assert vms == [["db", word], ["app", word], ["web", word]]


def test_a_state_directory_that_cannot_be_written_is_refused_before_any_change(drc, sandbox, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = apply(drc, sandbox, "--state", blocked / "state", status=1)
    assert str(blocked) in done.err
    left = drc.json("sandbox", "show", sandbox, "--json")
    assert [i for i in left["instances"] if i.get("run")] == []


def test_dry_run_live_tells_what_preflight_found(drc, sandbox):
    done = drc("plan", "apply", "plans/shop", "failover", "--sandbox", sandbox, "--dry-run=live",
               status=None)
    assert done.returncode in (0, 2)
    assert "checks passed" in done.err
    assert "db/disk-0/create-volume" in done.out


def test_images_make_instances_from_the_right_copies(drc, shop, tmp_path):
    """boot: image, from copies whose drivers are injected ahead: every volume of every instance comes
    from the copy that the facts named."""
    text = shop.read_text()
    assert "boot: attach" in text and "\nreplication:" in text
    shop.write_text(text.replace("boot: attach", "boot: image")
                    .replace("\nreplication:", "\nreplication:\n  prepare: replication"))
    drc("sandbox", "init", tmp_path / "aws", shop, "--seed", 3, "--speed", 200)
    facts = drc.json("plan", "facts", shop, "failover", "--sandbox", tmp_path / "aws")
    drc("plan", "apply", shop, "failover", "--sandbox", tmp_path / "aws", "--yes")
    held = drc.json("sandbox", "show", tmp_path / "aws", "--json")
    instances = {i["id"]: i for i in held["instances"] if i.get("run")}
    assert sorted(i["vm"] for i in instances.values()) == ["app", "db", "web"]
    assert all(i["state"] == "running" for i in instances.values())
    for vm, shape in facts["inventory"]["vms"].items():
        copies = {facts["bindings"][f"{vm}/disk-{disk}/snapshot"] for disk in range(1, len(shape["disks"]))}
        copies.add(facts["bindings"][f"{vm}/disk-0/bootable-snapshot"])
        mine = [v for v in held["volumes"] if instances.get(v.get("attached_to"), {}).get("vm") == vm]
        assert {v["snapshot"] for v in mine} == copies and len(mine) == len(shape["disks"])
    images = [i for i in held["images"] if i.get("run")]
    assert len(images) == 3
    drc("run", "cleanup", "--yes")
    left = drc.json("sandbox", "show", tmp_path / "aws", "--json")
    assert [i for i in left["images"] if i.get("run")] == []
    assert len(left["snapshots"]) == len(held["snapshots"])


def types_of(drc, sandbox):
    held = drc.json("sandbox", "show", sandbox, "--json")
    return {i["vm"]: i["detail"] for i in held["instances"] if i.get("run")}


def test_the_next_type_where_capacity_is_short(drc, tmp_path):
    drc("sandbox", "init", tmp_path / "aws", "plans/shop", "--seed", 7, "--speed", 200,
        "--fault", "capacity:r6i.xlarge=1")
    apply(drc, tmp_path / "aws")
    assert types_of(drc, tmp_path / "aws")["db"] == "r5.xlarge"


def test_no_type_with_capacity_fails_the_vm_and_those_behind_it(drc, tmp_path):
    drc("sandbox", "init", tmp_path / "aws", "plans/shop", "--seed", 7, "--speed", 200,
        "--fault", "capacity:r6i.xlarge=1", "--fault", "capacity:r5.xlarge=1")
    done = apply(drc, tmp_path / "aws", status=1)
    assert "InsufficientInstanceCapacity" in done.out and "db/run-instance" in done.out
    assert "skipped: depends on db" in done.out
    report = drc.json("run", "report", "--json")
    assert {vm["name"]: vm["outcome"] for vm in report["vms"]} == \
        {"db": "failed", "app": "skipped", "web": "skipped"}
    drc("run", "cleanup", "--yes")


def test_a_failed_injection_gives_its_slot_back(drc, tmp_path):
    drc("sandbox", "init", tmp_path / "aws", "plans/shop", "--seed", 7, "--speed", 200, "--fault", "inject=1")
    done = apply(drc, tmp_path / "aws", status=1)
    assert "wait-injected" in done.out and "drc run resume" in done.out + done.err
    held = drc.json("sandbox", "show", tmp_path / "aws", "--json")
    conversion = next(i["id"] for i in held["instances"] if not i.get("run"))
    there = [v for v in held["volumes"] if v.get("attached_to") == conversion and v.get("run")]
    assert there == []


@pytest.mark.parametrize("seed", range(3))
def test_lost_answers_and_errors_make_each_thing_once(drc, tmp_path, seed):
    drc("sandbox", "init", tmp_path / "aws", "plans/shop", "--seed", seed, "--speed", 200,
        "--fault", "lost=0.05", "--fault", "error=0.05")
    apply(drc, tmp_path / "aws")
    held = drc.json("sandbox", "show", tmp_path / "aws", "--json")
    assert sorted(i["vm"] for i in held["instances"] if i.get("run")) == ["app", "db", "web"]
    assert all(v.get("attached_to") for v in held["volumes"] if v.get("run"))


@pytest.mark.parametrize("fault, words", [("error=2", "a number from 0 to 1"), ("nonsense=1", "nonsense"),
                                          ("error", "NAME=VALUE")])
def test_a_fault_that_is_none(drc, tmp_path, fault, words):
    assert words in drc("sandbox", "init", tmp_path / "aws", "plans/shop", "--fault", fault, status=1).err


@pytest.mark.parametrize("ignored", [False, True])
def test_a_terminal_that_goes_away_is_an_interrupt_and_nohup_is_nohup(drc, slow_sandbox, ignored):
    process = drc.start("plan", "apply", "plans/shop", "failover", "--sandbox", slow_sandbox, "--yes",
                        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN) if ignored else None)
    while b"started" not in process.stderr.readline():
        pass
    for _ in range(2):
        process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=120)
    assert process.returncode == (0 if ignored else 3), err.decode()
    drc("run", "resume")
