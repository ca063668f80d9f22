"""One point of the sweep: a workflow, something that goes wrong at one moment of it, what a person
does then, and whether the cloud ends as if nothing had happened."""
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess

import cloud
import power_cut

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRC = os.environ.get("DRC", str(ROOT / "build" / "drc"))
SHIM = os.environ.get("SWEEP_SHIM", str(ROOT / "build" / "tests" / "sweep" / "shim.so"))
SPEED = int(os.environ.get("SWEEP_SPEED", "500"))
PATIENCE = 3  # a machine that stalls for seconds makes the sandbox's quarter of an hour pass

# What goes wrong at operation N. "cloud": operations of the sandbox count too, so that requests have
# their before and after.
KINDS = {
    "kill": {"SWEEP_DO": "kill", "cloud": True},
    "killed": {"SWEEP_DO": "killed", "cloud": True},
    "torn": {"SWEEP_DO": "torn"},
    "cut-lost": {"SWEEP_DO": "killed", "cut": "lost"},
    "cut-torn": {"SWEEP_DO": "killed", "cut": "torn"},
    "cut-strict": {"SWEEP_DO": "killed", "cut": "strict"},
    "full-once": {"SWEEP_DO": "ENOSPC"},
    "full": {"SWEEP_DO": "ENOSPC", "SWEEP_EVER": "1"},
    "short": {"SWEEP_DO": "short", "SWEEP_EVER": "1"},
    "quota": {"SWEEP_DO": "EDQUOT", "SWEEP_EVER": "1"},
    "io-once": {"SWEEP_DO": "EIO"},
    "io": {"SWEEP_DO": "EIO", "SWEEP_EVER": "1"},
    "memory": {"memory": True},
    "memory-ever": {"memory": True, "SWEEP_EVER": "1"},
}

# "shared" has its state where several runners share it, "bucket" in the sandbox's S3, and another runner goes
# on. "abandon" is a failover that is cleaned up after it was disturbed, instead of being resumed. The others
# but failover and abandon begin with a failover that has succeeded.
WORKFLOWS = {
    "attach": ("examples/minimal.yaml", "failover"),
    "image": ("examples/boot-image.yaml", "failover"),
    "shop": ("plans/shop", "failover"),
    "shared": ("examples/minimal.yaml", "failover"),
    "bucket": ("examples/minimal.yaml", "failover"),
    "cleanup": ("examples/minimal.yaml", "cleanup"),
    "cleanup-image": ("examples/boot-image.yaml", "cleanup"),
    "rollback": ("examples/addresses.yaml", "rollback"),
    "commit": ("examples/boot-image.yaml", "commit"),
    "test": ("plans/shop", "test"),
    "abandon": ("examples/minimal.yaml", "abandon"),
    "abandon-image": ("examples/boot-image.yaml", "abandon"),
}
BUCKET = "s3://drc-state/dr"
COMMANDS = {"cleanup": "cleanup", "rollback": "rollback", "commit": "commit", "abandon": "cleanup"}
ENDS = {"failover": "succeeded", "cleanup": "cleaned", "rollback": "rolled-back", "commit": "committed",
        "abandon": "cleaned", "test": "cleaned"}
STATUSES = {"preparing", "running", "interrupted", "waiting", "failed", "killed", "cancelled", "cleaning", *ENDS.values()}
AT_HOME = ("cleanup", "rollback", "abandon", "test")
BEGINNINGS = ("failover", "abandon", "test")


def kinds_of(name):
    """A shared state that takes nothing any more is waited for, five minutes long (state/records.h), on the
    machine's own clock: too long for a sweep, and tested by itself."""
    lasting = ("full", "short", "quota", "io")
    if name.endswith("bucket"):
        return ["kill", "killed"]
    return [kind for kind in KINDS if name != "shared" or kind not in lasting]


class Wrong(Exception):
    """What should have held, and did not."""


def demand(holds, *what):
    if not holds:
        raise Wrong("\n".join(str(part) for part in what))


class Place:
    """A folder with a sandbox and a state, and drc at work in it."""

    def __init__(self, folder, name):
        self.folder, self.shared = pathlib.Path(folder), name in ("shared", "bucket")
        self.plan, self.workflow = WORKFLOWS[name]
        self.sandbox, self.state = self.folder / "aws", self.folder / "state"
        self.url = {"shared": f"file://{self.state}", "bucket": BUCKET}.get(name, str(self.state))
        self.there = ["--sandbox", self.sandbox] if name == "bucket" else []
        if name == "bucket":
            self.plan = str(self.folder / "plan.yaml")
        self.cache = self.folder / ".cache"  # what a runner keeps of a shared state
        self.disk = self.state  # what a power cut takes from
        self.trace = []

    def drc(self, *words, shim=None, timeout=120):
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "DRC_STATE_DIR": self.url,
               "LANG": "C.UTF-8"}
        if shim:
            env.update({"LD_PRELOAD": SHIM, **shim})
        try:
            done = subprocess.run([DRC, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
                                  cwd=ROOT, env=env, timeout=timeout)
        except subprocess.TimeoutExpired as late:
            raise Wrong(f"drc {' '.join(map(str, words))} hangs", late.stderr) from late
        done.out, done.err = done.stdout.decode(), done.stderr.decode()
        self.trace.append(f"$ drc {' '.join(map(str, words))}   -> {done.returncode}\n{done.err}")
        return done

    def runs(self):
        done = self.drc("run", "list", "--json", *self.there)
        demand(done.returncode == 0, "drc run list does not work any more", done.err)
        return json.loads(done.out)

    def apply(self, shim=None):
        workflow, more = ("test", ["--auto-cleanup=5s"]) if self.workflow == "test" else ("failover", [])
        return self.drc("plan", "apply", self.plan, workflow, "--sandbox", self.sandbox, "--yes", *more, shim=shim)

    def resume(self, run):
        return self.drc("run", "resume", run, *(["--take-over"] if self.shared else []), *self.there)

    def journal(self, run):
        found, = (self.cache / "drc" if self.shared else self.state).glob(f"**/runs/{run}/journal.db")
        return found

    def run(self, command, shim=None):
        return self.drc("run", command, "--yes", shim=shim)


def prepare(folder, name):
    """What a point of this workflow begins with."""
    place = Place(folder, name)
    place.folder.mkdir(parents=True)
    if place.url == BUCKET:
        text = (ROOT / WORKFLOWS[name][0]).read_text()
        pathlib.Path(place.plan).write_text(f"{text}\nstate: {BUCKET}\n")
    elif place.shared:
        place.state.mkdir(mode=0o700)
    done = place.drc("sandbox", "init", place.sandbox, place.plan, "--seed", 7, "--speed", SPEED)
    demand(done.returncode == 0, done.err)
    held = cloud.Cloud(place.sandbox)
    given = sorted(held.ids())
    held.close()
    (place.folder / "given.json").write_text(json.dumps(given))
    if place.workflow not in BEGINNINGS:
        done = place.apply()
        demand(done.returncode == 0, done.err)


def shim_for(place, kind, at):
    settings = KINDS[kind]
    shim = {key: value for key, value in settings.items() if key.startswith("SWEEP_")}
    shim["SWEEP_MEMORY" if settings.get("memory") else "SWEEP_AT"] = str(at)
    watched = [place.disk] + [place.cache] * (place.shared and "cut" not in settings)
    shim["SWEEP_PATHS"] = ":".join(map(str, watched + [place.sandbox] * settings.get("cloud", False)))
    shim["SWEEP_COUNT"] = str(place.folder / "count")
    if "cut" in settings:
        shim["SWEEP_RECORD"] = str(place.folder / "record")
    return shim


def begin(place, shim):
    beginning = place.workflow in BEGINNINGS
    return place.apply(shim) if beginning else place.run(COMMANDS[place.workflow], shim)


def check_end(kind, done):
    """How the disturbed process may end."""
    code, err = done.returncode, done.err
    if code == 0 or (KINDS[kind].get("SWEEP_DO") in ("kill", "killed", "torn") and code == -9):
        return
    if code == -6 and not err.strip() and KINDS[kind].get("memory"):
        return  # libuv's, which gets no thread at its beginning; an assert would say something
    demand(code in (1, 3), f"ended with {code}", err)
    if "drc: out of memory; a run that was under way can be resumed" in err:
        demand(code == 1 and KINDS[kind].get("memory"), "out of memory ends with status 1", err)
        return
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    demand(errors, "no line begins with error:", err)
    demand("  help: " in err or KINDS[kind].get("memory"), "nothing says what to do", err)
    if code == 3:
        demand("drc run resume" in err or "drc run cleanup" in err, "nothing says how to go on", err)


def go_on(place, _):
    """What the messages tell a person to do, until it is done. Returns the run that did it; None: there is
    none to abandon."""
    workflow = place.workflow
    for _ in range(4):
        runs = place.runs()
        demand(all(run["status"] in STATUSES for run in runs), runs)
        newest = runs[0] if runs else None
        if newest and newest["status"] == ENDS[workflow] or workflow == "abandon" and not newest:
            return newest and newest["run"]
        if workflow not in ("failover", "test"):
            demand(len(runs) == 1, "there is one run", runs)
            done = place.run(COMMANDS[workflow])
        elif newest and newest["status"] != "cancelled":
            done = place.resume(newest["run"])
        else:
            done = place.apply()
        demand(done.returncode == 0, "the way on does not work", done.err)
    raise Wrong("it does not get done")


def check_journal(path):
    """Groups without gaps; each node done once for each time that it was to be done."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    groups = list(database.execute("SELECT number, records FROM groups ORDER BY number"))
    graph = json.loads(database.execute("SELECT bytes FROM blobs WHERE name = 'graph'").fetchone()[0])
    database.close()
    demand([number for number, _ in groups] == list(range(1, len(groups) + 1)), "groups are missing")
    done = {}
    for _, records in groups:
        for record in map(json.loads, records.splitlines()):
            if record["r"] in ("done", "redo"):
                done[record["n"]] = done.get(record["n"], 0) + (1 if record["r"] == "done" else -1)
    wrong = [graph["nodes"][node]["id"] for node in range(len(graph["nodes"])) if done.get(node) != 1]
    demand(not wrong, f"not done once, by {path}: {wrong}")


def check_test(place, run):
    """Its verdict stands there once, and where production is was not touched."""
    folder = place.journal(run).parents[2]
    tests = json.loads((folder / "tests.json").read_text())["tests"]
    demand([(test["run"], test["verdict"], test["cleaned"]) for test in tests] == [(run, "passed", True)], tests)
    demand(not (folder / "production.json").exists(), "a test does not say where production is")


def check_state(place, run):
    workflow = place.workflow
    if not run:
        return
    if workflow != "abandon":
        check_journal(place.journal(run))
    if workflow == "test":
        check_test(place, run)
        return
    production = place.state / place.journal(run).parents[2].name / "production.json"
    if place.url != BUCKET and (workflow != "abandon" or production.exists()):
        places = {vm["place"] for vm in json.loads(production.read_text())["vms"]}
        demand(places <= ({"primary"} if workflow in AT_HOME else {"recovery"}), production.read_text())
    again = place.apply() if workflow == "failover" else place.run(COMMANDS[workflow])
    demand(again.returncode == 0, "doing it again is not doing nothing", again.err)


def expected_of(place, expected):
    return expected


def check_at_once(place):
    """What holds at every moment; of a run the journal, which is checked at its end."""


def outcome(place, run):
    given = set(json.loads((place.folder / "given.json").read_text()))
    text = "".join(path.read_text() for path in sorted((ROOT / place.plan).parent.glob("**/*.yaml")))
    things = cloud.snapshot(place.sandbox, given, run, text)
    if place.workflow == "abandon":  # how much was made and deleted depends on the moment
        things = [thing for thing in things if cloud.is_there(thing)]
    return things


def undisturbed(how, prepared, folder, name):
    """The cloud as it has to end, and how many moments there are to disturb it at. how: the module whose
    workflow it is, with prepare, copied, begin, go_on, outcome and check_state."""
    counts = {}
    for kind in ("kill", "full", "memory"):
        place = how.copied(prepared, folder, name)
        done = how.begin(place, shim_for(place, kind, 0))
        demand(done.returncode == 0, done.err)
        operations, allocations = map(int, (place.folder / "count").read_text().split())
        counts["cloud" if kind == "kill" else kind] = allocations if kind == "memory" else operations
        run = how.go_on(place, done)
        expected = how.outcome(place, run)
        how.check_state(place, run)
        held = cloud.Cloud(place.sandbox)
        counts["requests"] = sum(row["count"] for row in held.rows("requests"))
        held.close()
    return expected, counts


def copied(prepared, folder, name):
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(prepared, folder)
    return Place(moved(prepared, folder), name)


def moved(prepared, folder):
    """A run knows the path of its sandbox."""
    for journal in folder.glob("**/runs/*/journal.db"):
        with sqlite3.connect(journal) as database:
            database.execute("UPDATE blobs SET bytes = CAST(replace(CAST(bytes AS TEXT), ?, ?) AS BLOB) "
                             "WHERE name = 'options'", (str(prepared), str(folder)))
        database.close()
    return folder


def differences(expected, found):
    missing, more = list(expected), []
    for thing in found:
        if thing in missing:
            missing.remove(thing)
        else:
            more.append(thing)
    return [f"- {thing}" for thing in missing] + [f"+ {thing}" for thing in more]


def sweep_point(how, prepared, folder, name, kind, at, expected):
    """None when it went as it should; else what is wrong, and what was done. Where a deadline has passed the
    point is tried again: what is wrong with drc, and not with the machine, is wrong each time."""
    for _ in range(PATIENCE):
        wrong = try_point(how, prepared, folder, name, kind, at, expected)
        if not wrong or "did not hold within" not in wrong:
            break
    return wrong


def try_point(how, prepared, folder, name, kind, at, expected):
    place = how.copied(prepared, folder, name)
    try:
        disk = power_cut.Disk(place.disk)
        done = how.begin(place, shim_for(place, kind, at))
        check_end(kind, done)
        if "cut" in KINDS[kind]:
            disk.cut((place.folder / "record").read_bytes(), KINDS[kind]["cut"], at)
        if place.shared:
            shutil.rmtree(place.cache, ignore_errors=True)
        how.check_at_once(place)
        run = how.go_on(place, done)
        found = how.outcome(place, run)
        wrong = differences(how.expected_of(place, expected), found)
        demand(not wrong, "the cloud is not that of the undisturbed run:", *wrong)
        how.check_state(place, run)
    except Wrong as wrong:
        return f"{wrong}\n--\n" + "\n".join(place.trace)
    except Exception as problem:  # of the sweep itself, or of a state that cannot even be read
        return f"{type(problem).__name__}: {problem}\n--\n" + "\n".join(place.trace)
    shutil.rmtree(folder)
    return None
