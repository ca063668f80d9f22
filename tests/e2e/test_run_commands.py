"""What people do with a run beside resume: skip, retry, cancel, approve, roll back, commit, find what
is left over, fail over a part; also while another process carries it out."""
import json
import signal

import pytest

from e2e_drc import wait_for


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
        things += [("volume", v["vm"], v["state"]) for v in held["volumes"]
                   if v.get("run") and v["state"] != "deleting"]
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
    """The same, asked for so long that people come in between."""
    failing.write_text(failing.read_text().replace("timeout: 40s", "timeout: 10h"))
    return Site(drc, failing, tmp_path / "slow", 100)


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


def test_what_has_not_begun_cannot_be_skipped(drc, stubborn):
    """What comes after it would begin without what it waits for."""
    site = stubborn
    process = under_way(site)
    told = drc("run", "skip", "web/delay", status=1).err
    assert "web/delay cannot be skipped yet: it waits for app/ready" in told
    drc("run", "skip", check_of(site))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
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
    assert "did you mean app" in drc("run", "retry", run, "ap", status=1).err  # of a run, too, "ap" may be the beginning
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


def test_show_leads_to_what_failed(failed):
    """What was skipped because of it is a number, until somebody asks for all."""
    drc, check = failed.drc, check_of(failed)
    text = drc("run", "show").out
    told = [line for line in text.splitlines() if line.startswith("  failed ")]
    assert len(told) == 1 and f"  {check}  " in told[0]
    assert f"because {check} failed (--all lists them)" in text
    assert len(text.splitlines()) < 15
    assert "web/recovered" not in text and "drc run report" in text
    every = drc("run", "show", "--all").out
    assert f"because {check} failed\n" in every and "(--all" not in every


# --- cancel, approve ---

def test_who_changed_the_plan_of_a_run_is_told_that_it_goes_on_with_the_old_one(failed):
    drc, run, plan = failed.drc, failed.run()["run"], failed.plan
    assert "has changed" not in drc("run", "resume", status=1).err
    plan.write_text(plan.read_text().replace("match: 'never'", "match: 'ok'"))
    for words in ("resume", run), ("retry", run, "app"):
        told = drc("run", *words, status=1).err
        assert f"{plan} has changed since run {run} was begun" in told
        assert f"drc run rollback {run}, then drc plan apply" in told
    plan.unlink()
    assert "has changed" not in drc("run", "resume", status=1).err


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


def test_a_run_that_ends_before_it_hears_of_the_cancel_stays_as_it_ended(drc, shop, tmp_path):
    """It was told, and came to its end without a look into its inbox."""
    site = Site(drc, shop, tmp_path / "aws", 100)
    process = under_way(site)
    process.send_signal(signal.SIGSTOP)
    cancel = drc.start("run", "cancel", "--yes")
    inbox = drc.home / "state" / "shop" / "runs" / site.run()["run"] / "inbox"
    wait_for(lambda: inbox.exists() and any(f.name[0] == "1" for f in inbox.iterdir()),
             "the message", cancel)
    for message in inbox.iterdir():
        message.unlink()
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err.decode()
    out, err = cancel.communicate(timeout=60)
    assert cancel.returncode == 1, out.decode()
    assert b"has ended meanwhile (succeeded)" in err
    assert site.run()["status"] == "succeeded"
    assert set(places(drc).values()) == {"recovery"}


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
    assert "nothing waits for approval" in done.err


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


# --- rollback ---

@pytest.fixture
def over(drc, shop, tmp_path):
    """A failover that went well."""
    site = Site(drc, shop, tmp_path / "aws", 200)
    site.apply()
    return site


def test_rollback_of_a_failed_run(failed):
    drc, run = failed.drc, failed.run()["run"]
    before = failed.cloud()
    assert "--yes" in drc("run", "rollback", status=1).err
    assert failed.cloud() == before  # nothing without a yes
    done = drc("run", "rollback", "--yes", "--as", "ada", "--comment", "false alarm")
    assert "is rolled back: nothing of it is left" in done.out
    assert failed.cloud() == []
    assert failed.run()["status"] == "rolled-back"
    assert set(places(drc).values()) == {"primary"}
    report = failed.report(run)
    assert report["status"] == "rolled-back"
    assert report["things"] == []
    assert report["decisions"][-1]["comment"] == "false alarm"
    drc("run", "rollback", "--yes")  # once more is no harm
    assert "has ended (rolled-back)" in drc("run", "resume", run).out


def test_who_takes_back_a_failover_is_told_that_production_ends(over):
    drc = over.drc
    for command in "rollback", "cleanup":
        assert "ends there with this: db, app, web" in drc("run", command, status=1).err
    drc("run", "rollback", "--stop", "--yes")
    assert "production runs" not in drc("run", "cleanup", "--yes").err


def test_a_rollback_does_not_lengthen_the_run(over):
    drc, ended = over.drc, over.run()["ended"]
    drc("run", "rollback", "--yes")
    assert over.run()["ended"] == ended


def test_rollback_of_a_run_that_succeeded_then_over_again(over):
    over.drc("run", "rollback", "--yes")
    assert over.cloud() == []
    over.apply()
    assert set(places(over.drc).values()) == {"recovery"}


def test_rollback_that_only_stops(over):
    drc, run = over.drc, over.run()["run"]
    kept = over.cloud()
    done = drc("run", "rollback", "--stop", "--yes")
    assert "stopped and kept" in done.out and f"drc run cleanup {run}" in done.out
    assert over.cloud() == [(k, v, "stopped" if k == "instance" else s) for k, v, s in kept]
    assert set(places(drc).values()) == {"primary"}
    assert "run cleanup" in over.apply(status=1).err  # the addresses are still taken
    found = drc.json("run", "orphans", over.plan, "--sandbox", over.folder, "--json", status=2)
    assert {o["why"] for o in found} == {"kept by a run that is rolled back"}
    drc("run", "rollback", run, "--yes")  # now whole
    assert over.cloud() == []


def test_rollback_stops_what_depends_on_others_first(over):
    process = over.drc("run", "rollback", "--stop", "--yes", "--events", "-")
    stopped = [e["vm"] for e in map(json.loads, process.out.splitlines())
               if e["type"] == "node_done" and e["node"].endswith("/wait-stopped")]
    assert stopped == ["web", "app", "db"]


def test_rollback_is_not_for_a_run_under_way(drc, stubborn):
    process = under_way(stubborn)
    assert "drc run cancel" in drc("run", "rollback", "--yes", status=1).err
    drc("run", "cancel", "--yes")
    process.communicate(timeout=60)
    drc("run", "rollback", "--yes")
    assert stubborn.cloud() == []
    assert set(places(drc).values()) == {"primary"}


def test_a_rollback_that_is_killed_goes_on(drc, shop, tmp_path):
    site = Site(drc, shop, tmp_path / "aws", 20)
    site.apply()
    process = drc.start("run", "rollback", "--yes")
    wait_for(lambda: any(i == "terminating" or (k == "instance" and i != "running")
                         for k, _, i in site.cloud()) or len(site.cloud()) < 7,
             "something is being terminated", process)
    process.kill()
    process.communicate()
    assert site.run()["status"] == "succeeded"
    drc("run", "rollback", "--yes")
    assert site.cloud() == []
    assert site.run()["status"] == "rolled-back"


# --- commit ---

def test_commit_is_for_good(over):
    drc, run = over.drc, over.run()["run"]
    before = over.cloud()
    assert "--yes" in drc("run", "commit", status=1).err
    assert "3 VMs are at the recovery site for good" in drc("run", "commit", "--yes").out
    assert over.run()["status"] == "committed"
    assert "already" in drc("run", "commit", "--yes").out
    for command in ["rollback", "cleanup"]:
        done = drc("run", command, run, "--yes", status=1)
        assert "committed" in done.err and "failback" in done.err
    assert over.cloud() == before
    assert "nothing to do" in over.apply().out
    # The tags know it too, where the state does not.
    lost = {"DRC_STATE_DIR": str(over.folder.parent / "other")}
    done = drc("run", "cleanup", run, "--plan", over.plan, "--sandbox", over.folder, "--yes",
               status=1, **lost)
    assert "committed" in done.err
    drc("run", "orphans", over.plan, "--sandbox", over.folder, **lost)
    assert over.cloud() == before


def test_commit_of_a_part_leaves_the_rest_to_be_cleaned_up(failed):
    drc, run = failed.drc, failed.run()["run"]
    assert "1 VM is at the recovery site" in drc("run", "commit", run, "--yes").out
    drc("run", "cleanup", run, "--yes")
    assert {vm for _, vm, _ in failed.cloud()} == {"db"}
    assert failed.run()["status"] == "committed"
    assert places(drc)["db"] == "recovery"


def test_what_cannot_be_committed(failed):
    failed.drc("run", "rollback", "--yes")
    assert "brought nothing over" in failed.drc("run", "commit", "--yes", status=1).err


# --- orphans ---

def test_orphans_when_the_state_is_lost(failed):
    drc, run = failed.drc, failed.run()["run"]
    drc("run", "orphans", failed.plan, "--sandbox", failed.folder)  # the run is known: none
    lost = {"DRC_STATE_DIR": str(failed.folder.parent / "other")}
    words = ["run", "orphans", failed.plan, "--sandbox", failed.folder]
    done = drc(*words, status=2, **lost)
    assert f"drc run cleanup {run} --plan {failed.plan}" in done.out
    found = drc.json(*words, "--json", status=2, **lost)
    assert {o["run"] for o in found} == {run}
    assert len([one for one in found if one["kind"] != "hold"]) == len(failed.cloud())
    assert "--plan" in drc("run", "cleanup", run, "--sandbox", failed.folder, "--yes", status=1,
                           **lost).err
    assert "whole id" in drc("run", "cleanup", run[:4], "--plan", failed.plan, "--yes", "--sandbox",
                             failed.folder, status=1, **lost).err
    drc("run", "cleanup", run, "--plan", failed.plan, "--sandbox", failed.folder, "--yes", **lost)
    assert failed.cloud() == []
    drc(*words, **lost)


def test_orphans_of_a_run_that_was_cancelled(failed):
    drc, run = failed.drc, failed.run()["run"]
    drc("run", "cancel", "--yes")
    found = drc.json("run", "orphans", failed.plan, "--sandbox", failed.folder, "--json", status=2)
    assert {o["vm"] for o in found} == {"app", "web"}  # db is where production is
    assert {o["run"] for o in found} == {run}


# --- --only ---

def test_only_brings_along_what_it_depends_on_and_the_rest_follows(drc, shop, tmp_path):
    site = Site(drc, shop, tmp_path / "aws", 200)
    done = site.apply("--only", "app")
    assert "also db: app depends on it" in done.err and "web" not in done.err
    assert places(drc) == {"db": "recovery", "app": "recovery"}
    assert {vm for _, vm, _ in site.cloud()} == {"db", "app"}
    assert "--only web goes on" in site.apply(status=1).err  # as a whole it is half over
    shown = drc("plan", "apply", shop, "failover", "--only", "web", "--dry-run")
    assert "web/start-instance" in shown.out and "app/" not in shown.out
    done = site.apply("--only", "web")
    assert "also" not in done.err
    assert set(places(drc).values()) == {"recovery"}
    assert "nothing to do" in site.apply("--only", "web,db").out
    assert "nothing to do" in site.apply().out
    runs = drc.json("run", "list", "--json")
    assert [run["vms"] for run in runs] == [1, 2]


def test_the_rest_is_the_same_as_all_at_once(drc, shop, tmp_path):
    site = Site(drc, shop, tmp_path / "aws", 200)
    site.apply("--only", "db")
    site.apply("--only", "web,app")
    parts = site.cloud()
    whole = Site(drc, shop, tmp_path / "whole", 200)
    whole.drc("plan", "apply", shop, "failover", "--sandbox", whole.folder, "--yes",
              DRC_STATE_DIR=str(tmp_path / "other"))
    assert parts == whole.cloud()


def test_names_of_only(drc, shop):
    for words, error in [("ap", "did you mean app?"), ("zzzzzz", 'has no VM "zzzzzz"'),
                         (",", "no VM is named"), ("", "no VM is named")]:
        for command in (["plan", "compile"], ["plan", "show"], ["plan", "apply"]):
            done = drc(*command, shop, "failover", "--only", words, status=1)
            assert error in done.err, (command, words, done.err)


def test_a_reviewed_graph_of_a_part(drc, shop, tmp_path):
    site = Site(drc, shop, tmp_path / "aws", 200)
    facts, graph = tmp_path / "facts.json", tmp_path / "graph.json"
    drc("plan", "facts", shop, "failover", "--only", "db", "--sandbox", site.folder, "-o", facts)
    drc("plan", "compile", shop, "failover", "--only", "db", "--facts", facts, "-o", graph)
    assert [vm["name"] for vm in json.loads(graph.read_text())["vms"]] == ["db"]
    assert "--only" in drc("plan", "apply", graph, "--only", "db", "--sandbox", site.folder,
                           status=1).err
    drc("plan", "apply", graph, "--sandbox", site.folder)
    assert places(drc) == {"db": "recovery"}


# --- a state that several runners share ---

def test_another_runner_decides(drc, stubborn, tmp_path):
    (tmp_path / "shared").mkdir(mode=0o700)
    state = f"file://{tmp_path}/shared"
    there = {"XDG_CACHE_HOME": str(tmp_path / "another-host")}
    process = stubborn.start("--state", state)

    def waits():
        done = drc("run", "report", "--json", "--state", state, status=None, **there)
        return done.returncode == 0 and any(
            n["action"] == "check-http" and n["state"] == "running"
            for n in json.loads(done.out)["nodes"])
    wait_for(waits, "the check that never holds", process)
    check = next(n["id"] for n in drc.json("run", "report", "--json", "--state", state)["nodes"]
                 if n["action"] == "check-http" and n["vm"] == "app")
    assert "goes on without" in drc("run", "skip", check, "--state", state, **there).out
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    drc("run", "commit", "--yes", "--state", state, **there)
    assert drc.json("run", "list", "--json", "--state", state)[0]["status"] == "committed"
    assert "is committed" in drc("run", "rollback", "--yes", "--state", state, status=1).err


# --- what the policy does by itself ---

def test_the_next_type_where_the_first_has_no_capacity(drc, shop, tmp_path):
    site = Site(drc, shop, tmp_path / "aws", 200)
    drc("sandbox", "init", tmp_path / "scarce", shop, "--speed", 200,
        "--fault", "capacity:r6i.xlarge=1")
    site.folder = tmp_path / "scarce"
    site.apply()
    report = site.report(site.run()["run"])
    types = {vm["name"]: vm["instance_type"] for vm in report["vms"]}
    assert types["db"] == "r5.xlarge"
    assert [vm for _, vm, _ in site.cloud() if vm == "db"].count("db") == \
        1 + len([n for n in report["nodes"] if n["id"].startswith("db/disk-")
                 and n["action"] == "create-volume"])


def test_each_vm_has_its_newest_recovery_point_before_the_time(drc, shop, tmp_path):
    site = Site(drc, shop, tmp_path / "aws", 200)

    def points(*flags):
        facts = drc.json("plan", "facts", shop, "failover", "--sandbox", site.folder, *flags)
        return {k.split("/")[0]: v for k, v in facts["bindings"].items()
                if k.endswith("/recovery-point")}
    latest = points()
    before = max(latest.values())
    asked = points("--recovery-point", before)
    assert asked == latest
    oldest = min(latest.values())
    earlier = points("--recovery-point", oldest)
    assert set(earlier) == set(latest)
    assert all(time <= oldest for time in earlier.values())
    site.apply("--recovery-point", oldest)
    report = site.report(site.run()["run"])
    assert {vm["name"]: vm["recovery_point"] for vm in report["vms"]} == earlier
