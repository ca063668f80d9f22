"""Scripts on the runner, as they are in real life: well behaved, missing, hanging, forking away, far too
talkative, killed; and drc killed around them. No finished script runs again unless its plan says so."""
import json
import os
import pathlib
import random
import signal
import time

import jsonschema
import pytest

from e2e_drc import ROOT, Drc, wait_for

PLAN = (ROOT / "examples" / "minimal.yaml").read_text()


class Place:
    """A plan whose only VM has one script on the runner behind it, and its sandbox."""

    def __init__(self, drc, tmp_path):
        self.drc, self.path = drc, tmp_path
        self.plan = tmp_path / "plan.yaml"
        self.script = tmp_path / "step.sh"
        self.trace = tmp_path / "trace"  # what scripts leave behind
        self.made = False

    def write(self, body, step="", speed=1000, faults=()):
        self.script.write_text(f"#!/bin/sh\nT={self.trace}\n{body}")
        self.script.chmod(0o755)
        self.plan.write_text(PLAN + f"    post_boot:\n      - script: step.sh\n        run_on: runner\n{step}")
        if not self.made:
            words = [word for fault in faults for word in ("--fault", fault)]
            self.drc("sandbox", "init", self.path / "aws", self.plan, "--speed", speed, *words)
            self.made = True

    def words(self):
        return ("plan", "apply", self.plan, "failover", "--sandbox", self.path / "aws", "--yes")

    def apply(self, status=0, **kwargs):
        return self.drc(*self.words(), status=status, **kwargs)

    def runs(self):
        return self.trace.read_text().splitlines() if self.trace.exists() else []

    def folder(self):
        return next((self.path / "state" / "minimal" / "runs").iterdir())

    def output(self, attempt=""):
        return self.folder() / "output" / f"web.post-boot-1.run-script{attempt}.log"


@pytest.fixture
def place(drc, tmp_path):
    return Place(drc, tmp_path)


def alive(number):
    try:
        return pathlib.Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_script_gets_what_is_documented_and_nothing_else(place):
    place.write("env | sort; pwd; umask; readlink /proc/self/fd/0; ls /proc/self/fd | wc -l",
                "        args: ['a b', '$(touch /tmp/no)']\n        env: {COLOUR: 'red; blue'}\n")
    place.apply(AWS_SECRET_ACCESS_KEY="not to be seen", SOMETHING="else")
    said = place.output().read_text()
    names = {line.split("=")[0] for line in said.splitlines() if "=" in line}
    assert names == {"COLOUR", "DRC_ADDRESS", "DRC_INSTANCE_ID", "DRC_PLAN", "DRC_PRIVATE_IP", "DRC_REGION",
                     "DRC_RUN", "DRC_STEP", "DRC_VM", "DRC_WORKFLOW", "HOME", "LANG", "PATH", "PWD", "TMPDIR"}
    assert "COLOUR=red; blue\n" in said
    assert said.endswith("/dev/null\n4\n")  # 0, 1, 2 and ls's own
    assert not (place.folder() / "jobs" / "web.post-boot-1.run-script" / "work").exists()


def test_how_it_failed_is_told_with_its_last_lines(place):
    place.write("echo begins; echo 'cannot reach the database' >&2; exit 7")
    done = place.apply(status=1)
    assert "step.sh ended with status 7: begins | cannot reach the database" in " ".join(done.out.split())
    assert str(place.output()) in done.out
    assert "drc run retry" in done.out
    shown = place.drc.json("run", "show", "--json")
    jsonschema.validate(shown, json.loads((ROOT / "schemas" / "report.schema.json").read_text()))
    node = next(n for n in shown["nodes"] if n["action"] == "run-script")
    assert node["output"] == str(place.output())
    explained = place.drc("run", "show", "--explain", "web/post-boot-1/run-script")
    assert str(place.output()) in "".join(explained.out.split())
    assert place.output().read_text() == "begins\ncannot reach the database\n"


def test_retries_are_as_many_as_the_plan_says(place):
    place.write('echo x >>"$T"; [ $(wc -l <"$T") = 3 ]', "        retries: 2\n")
    place.apply()
    assert len(place.runs()) == 3
    assert place.output(".3").exists() is False  # it wrote nothing


def test_a_failed_one_is_run_again_by_a_resume(place):
    place.write('echo x >>"$T"; [ $(wc -l <"$T") = 2 ]')
    place.apply(status=1)
    assert len(place.runs()) == 1
    place.drc("run", "resume")
    assert len(place.runs()) == 2


def test_on_failure_continue(place):
    place.write("exit 1", "        on_failure: continue\n")
    done = place.apply(status=None)
    assert "recovered" in done.out


@pytest.mark.parametrize("body, what", [
    ("exec sleep 600", "hangs"),
    ("trap '' TERM; sleep 600 & sleep 600", "ignores SIGTERM"),
    ("setsid sh -c 'echo $$ >$0.away; exec sleep 600' \"$T\" & wait", "forks away"),
])
def test_one_that_does_not_end_is_killed_whole(place, body, what):
    place.write(f'echo $$ >"$T"; echo waiting; {body}', "        timeout: 1s\n")
    done = place.apply(status=1)
    assert "was killed, with all that it had started" in " ".join(done.out.split())
    assert not alive(place.runs()[0])
    away = pathlib.Path(f"{place.trace}.away")
    assert what != "forks away" or (away.exists() and not alive(away.read_text().strip()))
    assert place.output().read_text() == "waiting\n"


def test_what_it_leaves_running_ends_with_it(place):
    place.write('(setsid sleep 600 & echo $! >"$T"); echo done')
    place.apply()
    wait_for(lambda: not alive(place.runs()[0]), "what it left running ends")


def test_a_gibibyte_of_output_fills_no_disk(place):
    place.write("echo first; head -c 1073741824 /dev/zero; echo; echo last; exit 1")
    done = place.apply(status=1, timeout=300)
    assert "step.sh ended with status 1" in " ".join(done.out.split())
    assert "last" in done.out
    kept = place.output()
    assert kept.stat().st_size < (16 << 20) + 200
    bytes_kept = kept.read_bytes()
    assert bytes_kept.startswith(b"first\n") and bytes_kept.endswith(b"\nlast\n")
    assert b"bytes left out here]\n" in bytes_kept
    everything = sum(f.stat().st_blocks * 512 for f in place.folder().rglob("*") if f.is_file())
    assert everything < 80 << 20


def test_binary_output_harms_no_terminal(place):
    place.write("head -c 100000 /dev/urandom; printf '\\033]0;title\\007\\033[2J\\n'; exit 3")
    done = place.apply(status=1)
    assert "\033" not in done.out + done.err and "\x07" not in done.out + done.err
    assert place.output().stat().st_size == 100000 + 15


def test_one_that_is_killed_says_so(place):
    place.write("kill -9 $$")
    assert "killed by signal 9" in place.apply(status=1).out


def test_missing_and_not_executable_are_found_before_anything_is_changed(place):
    place.write("exit 0")
    place.script.chmod(0o644)
    assert "executable" in place.apply(status=1).err
    place.script.unlink()
    assert "step.sh" in place.apply(status=1).err
    assert not (place.path / "state" / "minimal" / "runs").exists()


def test_an_interpreter_that_is_not_there(place):
    place.write("")
    place.script.write_text("#!/no/such/interpreter\n")
    done = place.apply(status=1)
    assert "could not be executed: No such file or directory" in " ".join(done.out.split())
    assert "is not installed" in done.out


def test_what_was_reviewed_is_run_whatever_becomes_of_the_file(place):
    place.write('echo x >>"$T"; [ -e "$T.go" ]')
    place.apply(status=1)
    pathlib.Path(f"{place.trace}.go").touch()
    place.script.write_text("#!/bin/sh\necho another\n")
    place.drc("run", "resume")
    assert len(place.runs()) == 2
    assert not place.output(".2").exists()  # the other one would have said something


def test_a_reviewed_graph_and_a_published_plan_have_their_scripts_with_them(place):
    place.write('echo x >>"$T"')
    aws, graph = place.path / "aws", place.path / "graph.json"
    facts = place.path / "facts.json"
    place.drc("plan", "facts", place.plan, "failover", "--sandbox", aws, "-o", facts)
    place.drc("plan", "compile", place.plan, "failover", "--facts", facts, "-o", graph)
    place.drc("plan", "apply", graph, "--sandbox", aws)
    assert place.runs() == ["x"]
    place.drc("run", "cleanup", "--yes")
    shared = f"file://{place.path}/shared"
    (place.path / "shared").mkdir()
    place.drc("plan", "publish", place.plan, "--state", shared)
    place.script.unlink()
    place.drc("plan", "apply", f"{shared}/minimal", "failover", "--sandbox", aws, "--yes")
    assert place.runs() == ["x", "x"]


def test_a_graph_whose_script_has_changed_is_refused(place):
    place.write('echo x >>"$T"')
    graph = place.path / "graph.json"
    place.drc("plan", "compile", place.plan, "failover", "-o", graph)
    place.script.write_text("#!/bin/sh\necho another\n")
    done = place.drc("plan", "apply", graph, "--sandbox", place.path / "aws", status=1)
    assert "is no longer what the graph was compiled from" in " ".join(done.err.split())
    assert place.runs() == []


def under_way(place):
    """drc while its script runs."""
    process = place.drc.start(*place.words())
    wait_for(lambda: place.runs(), "the script runs", process)
    return process


def test_killed_while_it_runs_it_is_awaited_by_the_next(place):
    place.write('echo begun >>"$T"; sleep 2; echo ended >>"$T"; echo said at the end')
    process = under_way(place)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    place.drc("run", "resume")
    assert place.runs() == ["begun", "ended"]
    assert place.output().read_text() == "said at the end\n"


def test_killed_and_ended_meanwhile_its_end_is_found(place):
    place.write('echo begun >>"$T"; sleep 0.5; echo ended >>"$T"; exit 5')
    process = under_way(place)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_for(lambda: len(place.runs()) == 2, "the script goes on without drc")
    time.sleep(0.2)
    assert "ended with status 5" in place.drc("run", "resume", status=1).out
    assert place.runs() == ["begun", "ended"]


def test_interrupted_while_it_runs(place):
    place.write('echo begun >>"$T"; sleep 7; echo ended >>"$T"')
    process = under_way(place)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 3
    place.drc("run", "resume")
    assert place.runs() == ["begun", "ended"]


def test_gone_with_its_machine_it_is_not_run_again_by_itself(place):
    place.write('echo $PPID >>"$T"; exec sleep 600')
    process = under_way(place)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    os.kill(int(place.runs()[0]), signal.SIGKILL)  # the supervisor, and with it the script
    done = place.drc("run", "resume", status=1)
    said = " ".join(done.out.split())
    assert "how far it came is not known, so it is not run again by itself" in said
    assert "drc run skip" in said
    assert len(place.runs()) == 1
    place.drc("run", "skip", place.folder().name, "web/post-boot-1/run-script")
    place.drc("run", "resume", status=None)
    assert len(place.runs()) == 1
    assert place.drc.json("run", "list", "--json")[0]["status"] == "succeeded"


def test_begun_on_another_machine_it_is_not_run_again_by_itself(place, tmp_path):
    """A state that two runners share, each with a home of its own: the second one sees nothing of a script that
    the first has begun, and does not begin it a second time."""
    place.write('echo begun >>"$T"; sleep 1; echo ended >>"$T"')
    shared = tmp_path / "shared"
    shared.mkdir()
    second = Drc(tmp_path / "second")
    place.drc.env["DRC_STATE_DIR"] = second.env["DRC_STATE_DIR"] = f"file://{shared}"
    second.home.mkdir()
    process = under_way(place)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = second("run", "resume", "--take-over", status=1)
    said = " ".join(done.out.split())
    assert "was to be begun on another machine" in said and "drc run retry" in said
    wait_for(lambda: place.runs() == ["begun", "ended"], "it ends where it was begun")
    second("run", "skip", second.json("run", "list", "--json")[0]["run"], "web/post-boot-1/run-script")
    second("run", "resume", status=None)
    assert place.runs() == ["begun", "ended"]
    assert second.json("run", "list", "--json")[0]["status"] == "succeeded"


@pytest.mark.parametrize("seed", range(6))
def test_killed_again_and_again_it_runs_once(place, seed):
    """Killed at moments that chance chooses, as often as it takes to come to an end."""
    chance = random.Random(seed)
    place.write('echo begun >>"$T"; sleep 0.3; echo ended >>"$T"')
    process = place.drc.start(*place.words())
    for _ in range(40):
        try:
            process.communicate(timeout=chance.uniform(0.05, 0.8) + (0.4 if not place.runs() else 0))
            break
        except Exception:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        if not (place.path / "state" / "minimal" / "runs").exists():
            process = place.drc.start(*place.words())
        else:
            process = place.drc.start("run", "resume")
    place.drc("run", "resume", status=None)
    assert place.drc.json("run", "list", "--json")[0]["status"] == "succeeded"
    assert place.runs() == ["begun", "ended"]


def test_a_check_by_script_waits_until_it_holds(place):
    place.write('[ $(wc -l <"$T") -ge 3 ] || { echo x >>"$T"; echo not yet; exit 1; }')
    place.trace.touch()
    place.plan.write_text(PLAN + "    ready:\n      - script: step.sh\n        interval: 1s\n")
    place.apply()
    assert len(place.runs()) == 3


def test_scripts_on_an_instance(place):
    place.write("echo ok")
    text = (PLAN + "    iam_profile: dr-instance\n    post_boot:\n      - script: step.sh\n        retries: 1\n"
            "        timeout: 1m\n")
    place.plan.write_text(text)
    place.drc("sandbox", "init", place.path / "failing", place.plan, "--speed", 500,
              "--fault", "script:web/post-boot-1=9", "--fault", "agent_ms:web=20000")
    done = place.drc("plan", "apply", place.plan, "failover", "--sandbox", place.path / "failing", "--yes", status=1)
    report = place.drc.json("run", "show", "--json")
    states = {n["id"]: n for n in report["nodes"]}
    assert states["web/post-boot-1/wait-script"]["retries"] >= 1
    assert "exit status 9" in " ".join(done.out.split())
    kept = place.folder() / "output" / "web.post-boot-1.wait-script.2.log"
    assert "ends with status" not in kept.read_text() and "end with status 9" in kept.read_text()
