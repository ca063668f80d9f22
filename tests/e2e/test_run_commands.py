"""What people do with a run beside resume: skip, retry, cancel, approve, roll back, commit, find what
is left over, fail over a part; also while another process carries it out."""
import json
import sqlite3
import subprocess
import time

import pytest


class Site:
    """A plan that can be made to fail, and its sandbox."""

    def __init__(self, drc, plan, folder, speed):
        self.drc, self.plan, self.folder = drc, plan, folder
        drc("sandbox", "init", folder, plan, "--seed", 7, "--speed", speed)

    def apply(self, *flags, **kwargs):
        return self.drc("plan", "apply", self.plan, "failover", "--sandbox", self.folder, "--yes",
                        *flags, **kwargs)

    def start(self, *flags):
        return self.drc.start("plan", "apply", self.plan, "failover", "--sandbox", self.folder,
                              "--yes", *flags)

    def run(self):
        return self.drc.json("run", "list", "--json")[0]

    def report(self, run):
        return self.drc.json("run", "report", run, "--json")

    def cloud(self):
        """What is there, without ids: (kind, vm, state) of what belongs to a run."""
        held = self.drc.json("sandbox", "show", self.folder, "--json")
        things = [("instance", i["vm"], i["state"]) for i in held["instances"]
                  if i.get("run") and i["state"] != "terminated"]
        things += [("volume", v["vm"], v["state"]) for v in held["volumes"] if v.get("run")]
        return sorted(things)


@pytest.fixture
def failing(shop):
    """app's health page never says what the plan wants to read."""
    shop.write_text(shop.read_text().replace(
        "- http: {port: 8080, path: /healthz, match: '\"ok\"'}",
        "- http: {port: 8080, path: /healthz, match: 'never'}\n        timeout: 40s"))
    return shop


@pytest.fixture
def stubborn(drc, failing, tmp_path):
    """The same, asked for so long, on a clock so slow, that people come in between."""
    failing.write_text(failing.read_text().replace("timeout: 40s", "timeout: 1h"))
    return Site(drc, failing, tmp_path / "slow", 20)


@pytest.fixture
def site(drc, failing, tmp_path):
    return Site(drc, failing, tmp_path / "aws", 200)


@pytest.fixture
def failed(site):
    site.apply(status=1)
    return site


def check_of(site):
    nodes = site.report(site.run()["run"])["nodes"]
    return next(n["id"] for n in nodes if n["action"] == "check-http" and n["vm"] == "app")


def outcomes(report):
    return {vm["name"]: vm["outcome"] for vm in report["vms"]}


def places(drc):
    path = drc.home / "state" / "shop" / "production.json"
    return {vm["name"]: vm["place"] for vm in json.loads(path.read_text())["vms"]}


def wait_for(condition, what, process=None, seconds=60):
    for _ in range(seconds * 50):
        if condition():
            return
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def under_way(site, state="running", action="check-http", flags=()):
    """A failover whose node of that action is in that state."""
    process = site.start(*flags)

    def there():
        runs = site.drc.json("run", "list", "--json")
        if not runs or runs[0]["status"] != "running":
            return False
        done = site.drc("run", "report", "--json", status=None)
        return done.returncode == 0 and any(
            n["action"] == action and n["state"] == state for n in json.loads(done.out)["nodes"])
    wait_for(there, f"a {action} that is {state}", process)
    return process


# --- skip ---

def test_a_failed_check_is_skipped_and_the_run_goes_on(failed):
    drc, run, check = failed.drc, failed.run()["run"], check_of(failed)
    assert outcomes(failed.report(run)) == {"db": "recovered", "app": "failed", "web": "skipped"}
    done = drc("run", "skip", check, "--as", "ada", "--comment", "login works")
    assert "counts as done" in done.out and f"drc run resume {run}" in done.out
    assert drc.json("run", "list", "--json")[0]["status"] == "failed"  # nothing goes on by itself
    drc("run", "resume")
    report = failed.report(run)
    assert report["status"] == "succeeded"
    assert set(outcomes(report).values()) == {"recovered"}
    decision = report["decisions"][0]
    assert (decision["verb"], decision["who"], decision["comment"]) == ("skip", "ada", "login works")
    node = next(n for n in report["nodes"] if n["id"] == check)
    assert node["skipped_by"]["who"] == "ada"
    assert "ada: login works" in drc("run", "report", run).out
    assert "skipped" in drc("run", "show", run).out
    assert places(drc) == {"db": "recovery", "app": "recovery", "web": "recovery"}


def test_what_cannot_be_skipped(failed):
    drc, run = failed.drc, failed.run()["run"]
    for names, words in [
            ([check_of(failed)[:-1]], "did you mean " + check_of(failed)),
            (["app/recovered"], "milestone"),
            (["db/recovered"], "is done already"),
            (["zzzz", check_of(failed)], 'no action "zzzz"'),
            ([], "skip what?")]:
        done = drc("run", "skip", *names, status=1)
        assert words in done.err, (names, done.err)
    drc("run", "skip", run[:3], check_of(failed), "--json")
    assert "skipped already" in drc("run", "skip", run, check_of(failed), status=1).err
    drc("run", "resume")
    assert "has ended (succeeded)" in drc("run", "skip", run, "web/recovered", status=1).err


def test_what_others_need_cannot_be_left_out(site):
    site.folder = site.folder.parent / "none"
    site.drc("sandbox", "init", site.folder, site.plan, "--speed", 200,
             "--fault", "capacity:r6i.xlarge=1", "--fault", "capacity:r5.xlarge=1")
    site.apply(status=1)
    done = site.drc("run", "skip", "db/run-instance", status=1)
    assert "db/run-instance cannot be left out: db/" in done.err and "instance_id" in done.err


def test_a_live_run_goes_on_without_what_it_waits_for(drc, stubborn):
    site = stubborn
    process = under_way(site)
    done = drc("run", "skip", check_of(site), "--as", "ada", "--json")
    assert json.loads(done.out)["state"] == "done"
    assert list((drc.home / "state" / "shop" / "runs").glob("*/inbox/*")) == []
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    assert b"skip " + check_of(site).encode() + b", by ada" in err
    assert set(outcomes(site.report(site.run()["run"])).values()) == {"recovered"}


def test_a_live_run_refuses_what_it_cannot_leave_out(drc, stubborn):
    site = stubborn
    process = under_way(site)
    done = drc("run", "skip", "web/recovered", status=1)
    assert "which is under way, refuses" in done.err and "milestone" in done.err
    done = drc("run", "approve", status=1)
    assert "nothing waits for approval" in done.err
    assert "is under way" in drc("run", "retry", "app", status=1).err
    drc("run", "skip", check_of(site))
    process.communicate(timeout=120)
    report = site.report(site.run()["run"])
    assert [("refused" in d, d["verb"]) for d in report["decisions"]] == \
        [(True, "skip"), (True, "approve"), (False, "skip")]


# --- retry ---

def test_retry_takes_up_what_is_named(failed):
    drc, run = failed.drc, failed.run()["run"]
    assert "depends" not in drc("run", "retry", "web", status=1).err
    assert "drc run retry app" in drc("run", "retry", "web", status=1).err
    assert "nothing of db has failed" in drc("run", "retry", "db", status=1).err
    assert "did you mean app" in drc("run", "retry", "ap", status=1).err
    assert "retry what?" in drc("run", "retry", run, status=1).err
    before = failed.report(run)
    assert drc.json("run", "list", "--json")[0]["status"] == "failed"
    drc("run", "retry", run[:4], "app", "--as", "ada", status=1)  # it fails again, for it still lies
    after = failed.report(run)
    assert after["sessions"] == before["sessions"] + 1
    assert outcomes(after) == outcomes(before)
    assert after["decisions"][0]["target"] == "app"
    made = [t for t in after["things"] if t["kind"] == "instance"]
    assert len(made) == 3  # nothing twice


# --- cancel, approve ---

def test_a_live_run_is_cancelled(drc, stubborn):
    site = stubborn
    process = under_way(site)
    assert "--yes" in drc("run", "cancel", status=1).err
    done = drc("run", "cancel", "--yes", "--as", "ada", "--comment", "false alarm")
    assert "ends as cancelled" in done.out
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err.decode()
    assert b"cancelled by ada" in err
    run = site.run()
    assert run["status"] == "cancelled"
    assert places(drc) == {"db": "recovery", "app": "primary", "web": "primary"}
    assert "has ended (cancelled)" in drc("run", "resume", run["run"]).out
    assert site.report(run["run"])["decisions"][0]["comment"] == "false alarm"


def test_a_dead_run_is_cancelled_at_once(failed):
    drc, run = failed.drc, failed.run()["run"]
    drc("run", "cancel", "--yes")
    assert failed.run()["status"] == "cancelled"
    assert places(drc) == {"db": "recovery", "app": "primary", "web": "primary"}
    assert "has ended (cancelled)" in drc("run", "cancel", run, "--yes", status=1).err
    drc("run", "cleanup", run, "--yes")
    assert failed.cloud() == []


def test_nothing_waits_for_approval_in_a_run_that_is_over(failed):
    done = failed.drc("run", "approve", status=1)
    assert "not under way" in done.err


def test_messages_nobody_wrote_with_drc(drc, stubborn):
    site = stubborn
    process = under_way(site)
    inbox = drc.home / "state" / "shop" / "runs" / site.run()["run"] / "inbox"
    inbox.mkdir(exist_ok=True)
    (inbox / "0000-garbage").write_bytes(b"\xff\x00{]")
    (inbox / "0001-other").write_text('{"format":"drc-inbox/9","verb":"skip"}')
    wait_for(lambda: not list(inbox.iterdir()), "the messages taken", process)
    drc("run", "skip", check_of(site))
    process.communicate(timeout=120)
    assert process.returncode == 0
    refused = [d["refused"] for d in site.report(site.run()["run"])["decisions"] if "refused" in d]
    assert len(refused) == 2 and all("cannot be read" in text for text in refused)


def test_an_old_cancel_does_not_end_a_run_that_was_resumed(failed):
    drc, run = failed.drc, failed.run()["run"]
    inbox = drc.home / "state" / "shop" / "runs" / run / "inbox"
    inbox.mkdir(exist_ok=True)
    (inbox / "0000000000000-aa").write_text(
        '{"format":"drc-inbox/1","verb":"cancel","who":"ada","at":1}')
    drc("run", "resume", status=1)
    report = failed.report(run)
    assert report["status"] == "failed"
    assert "resumed after that" in report["decisions"][-1]["refused"]
    assert list(inbox.iterdir()) == []
