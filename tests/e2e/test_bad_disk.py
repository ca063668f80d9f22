"""A state that cannot be written, a disk that fills up, a second writer, journals that are damaged."""
import contextlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from e2e_drc import DRC, ROOT, Drc
from served import Served


def words(sandbox):
    return ["plan", "apply", "plans/shop", "failover", "--sandbox", str(sandbox), "--yes"]


def made(drc, sandbox):
    left = drc.json("sandbox", "show", sandbox, "--json")
    return [i for i in left["instances"] if i.get("run") and i["state"] != "terminated"], \
        [v for v in left["volumes"] if v.get("run")]


def things(drc, sandbox):
    return sorted(thing["id"] for kind in made(drc, sandbox) for thing in kind)


def await_actions(drc, process, least=12):
    """Until so many actions of the run under way are done."""
    for _ in range(600):
        runs = drc.json("run", "list", "--json")
        if runs and runs[0]["status"] == "running":
            done = drc("run", "show", runs[0]["run"], status=None).out.rpartition(" of ")[0].split()
            if done and done[-1].isdigit() and int(done[-1]) >= least:
                return runs[0]["run"]
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("the run does not get on")


@pytest.mark.parametrize("state", ["{file}", "{file}/x", "/proc/drc", "/proc/self/drc", "/dev/null", "", "gs://bucket/x",
                                   "http://host/x", "x" * 300, "{runs}", "{lease}", "{plan}"])
def test_a_state_that_cannot_be_written_is_refused_before_any_change(drc, sandbox, tmp_path, state):
    (tmp_path / "file").write_text("")
    (tmp_path / "runs" / "shop").mkdir(parents=True)
    (tmp_path / "runs" / "shop" / "runs").write_text("")
    (tmp_path / "lease" / "shop" / "leases" / "site").mkdir(parents=True)
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "shop").write_text("")
    state = state.format(**{name: tmp_path / name for name in ("file", "runs", "lease", "plan")})
    done = drc(*words(sandbox), "--state", state, status=1)
    first, help_line, *_ = done.err.splitlines()
    assert first.startswith("error: ") and state.removesuffix("/x") in first
    assert help_line.startswith("  help: ") and "--state" in help_line
    assert made(drc, sandbox) == ([], [])


def test_a_read_only_state_is_refused(drc, sandbox, tmp_path):
    state = tmp_path / "state"
    (state / "shop" / "runs").mkdir(parents=True)
    (state / "shop" / "runs").chmod(0o555)
    as_nobody = {}
    if os.getuid() == 0:  # root may write anywhere
        as_nobody = {"user": 65534}
        for folder in [tmp_path, *tmp_path.parents]:
            if folder.owner() == tmp_path.owner():
                folder.chmod(folder.stat().st_mode | 0o055)
        subprocess.run(["chmod", "-R", "a+rwX", sandbox], check=True)
    # The clone may lie where nobody else may look.
    program = shutil.copy(DRC, tmp_path / "drc")
    shutil.copytree(ROOT / "plans", tmp_path / "plans")
    done = subprocess.run([program, *words(sandbox), "--state", state], capture_output=True, text=True,
                          cwd=tmp_path, env={**drc.env, "HOME": "/"}, timeout=60, **as_nobody)
    assert done.returncode == 1 and "Permission denied" in done.stderr
    assert "make the state directory writable" in done.stderr
    assert made(drc, sandbox) == ([], [])


@pytest.mark.parametrize("limit", [0, 1000, 20_000])
def test_a_limit_on_files_is_a_full_disk(drc, tmp_path, limit):
    """From the start: refused before any change, and no half run is left."""
    with Served(drc, tmp_path) as served:
        command = ["plan", "apply", served.plan, "failover", "--yes"]
        done = subprocess.run([DRC, *command], capture_output=True, text=True, cwd=ROOT, timeout=60,
                              env={**drc.env, **served.environment()},
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        assert done.returncode == 1, done
        assert done.stderr.startswith("error: ") and "--state" in done.stderr
        assert drc.json("run", "list", "--json") == []
        assert served.made() == ([], [])


@contextlib.contextmanager
def small_disk(folder):
    """A file system of 1 MiB; None where this process may not mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", folder]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(path):
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


class FullDisk:
    """Fills the disk under a run, and frees it again."""

    def __init__(self, folder):
        self.ballast = folder / "ballast"

    def fill(self, process):
        fill(self.ballast)

    def free(self):
        self.ballast.unlink()


class FileLimit:
    """The run's own limit on the size of files: also for who may not mount."""

    def fill(self, process):
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, hard))

    def free(self):
        pass


@pytest.mark.parametrize("kind", ["disk", "limit"])
def test_a_disk_that_fills_up_stops_the_run_and_a_resume_completes_it(drc, tmp_path, kind):
    sandbox = tmp_path / "aws"
    drc("sandbox", "init", sandbox, "plans/shop", "--seed", 7, "--speed", 40)
    with contextlib.ExitStack() as stack:
        small = stack.enter_context(small_disk(tmp_path / "small")) if kind == "disk" else None
        if small:
            drc.env["DRC_STATE_DIR"] = str(small)
            trouble = FullDisk(small)
        else:
            trouble = FileLimit()
        process = drc.start(*words(sandbox))
        run = await_actions(drc, process)
        trouble.fill(process)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 3, err.decode()
        *_, first, help_line, way_on = err.decode().splitlines()
        assert first.startswith(f"error: run {run}: writing the journal ")
        assert help_line.startswith("  help: ") and way_on == f"drc run resume {run} goes on from there"
        if isinstance(trouble, FullDisk):
            done = drc("run", "resume", status=1)
            assert "No space left" in done.err or "full" in done.err
        trouble.free()
        assert "recovered" in drc("run", "resume").err
        instances, volumes = made(drc, sandbox)
        assert sorted((i["vm"], i["state"]) for i in instances) == \
            [("app", "running"), ("db", "running"), ("web", "running")]
        owners = {i["id"] for i in instances}
        assert all(v.get("attached_to") in owners for v in volumes)


def test_events_that_cannot_be_written(drc, sandbox, tmp_path):
    done = drc(*words(sandbox), "--events", tmp_path / "no" / "such" / "events", status=None)
    assert done.returncode in (1, 3) and "events" in done.err
    assert made(drc, sandbox) == ([], [])


def test_a_second_writer_is_refused_by_run_and_process(drc, tmp_path):
    sandbox = tmp_path / "aws"
    drc("sandbox", "init", sandbox, "plans/shop", "--seed", 7, "--speed", 40)
    process = drc.start(*words(sandbox))
    run = await_actions(drc, process, 1)
    for command in (words(sandbox), ["run", "resume", run], ["run", "cleanup", run, "--yes"]):
        done = drc(*command, status=1)
        assert run in done.err and str(process.pid) in done.err and "  help: " in done.err
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 3, err.decode()
    drc("run", "resume")


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run that was killed: (drc, sandbox, run, its folder, its journal's bytes)."""
    folder = tmp_path_factory.mktemp("killed")
    drc, sandbox = Drc(folder), folder / "aws"
    drc("sandbox", "init", sandbox, "plans/shop", "--seed", 7, "--speed", 40)
    process = drc.start(*words(sandbox))
    run = await_actions(drc, process)
    process.kill()
    process.communicate()
    place = folder / "state" / "shop" / "runs" / run
    with sqlite3.connect(place / "journal.db") as journal:
        journal.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    journal.close()
    return drc, sandbox, run, place, (place / "journal.db").read_bytes()


def garbage(whole):
    return b"x" * 5000


def half(whole):
    return whole[:len(whole) // 2]


def spoilt(whole):
    chance, out = random.Random(1), bytearray(whole)
    for _ in range(300):
        out[chance.randrange(100, len(out))] ^= 0xff
    return bytes(out)


def edited(*statements):
    def edit(whole, path):
        path.write_bytes(whole)
        with sqlite3.connect(path) as journal:
            for statement in statements:
                journal.execute(statement)
        journal.close()
        return path.read_bytes()
    return edit


def foreign(whole, path):
    path.unlink(missing_ok=True)
    return edited("CREATE TABLE a(b)")(b"", path)


DAMAGE = {
    "empty": lambda whole: b"",
    "garbage": garbage,
    "half": half,
    "a header": lambda whole: whole[:100],
    "spoilt": spoilt,
    "foreign": foreign,
    "no tables": edited("DROP TABLE groups", "DROP TABLE blobs", "DROP TABLE summary"),
    "later": edited("PRAGMA user_version = 9"),
    "a group lost": edited("DELETE FROM groups WHERE number = 3"),
    "another graph's record": edited("""UPDATE groups SET records = '{"r":"done","n":99999999}' WHERE number = 4"""),
    "no JSON": edited("UPDATE groups SET records = 'hello' WHERE number = 4"),
    "deep JSON": edited("UPDATE groups SET records = replace(hex(zeroblob(100000)), '0', '[') WHERE number = 4"),
    "graph damaged": edited("UPDATE blobs SET bytes = CAST('{}' AS BLOB) WHERE name = 'graph'"),
    "graph emptied": edited("UPDATE blobs SET bytes = CAST('' AS BLOB) WHERE name = 'graph'"),
    "facts damaged": edited("UPDATE blobs SET bytes = CAST('{}' AS BLOB) WHERE name = 'facts'"),
    "options damaged": edited("UPDATE blobs SET bytes = CAST('[1' AS BLOB) WHERE name = 'options'"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_journal_is_told_and_nothing_is_sent(killed, tmp_path, name):
    drc, sandbox, run, place, whole = killed
    before = things(drc, sandbox)
    damage = DAMAGE[name]
    spoilt_bytes = damage(whole, tmp_path / "x.db") if damage.__code__.co_argcount == 2 else damage(whole)
    for file in place.iterdir():
        file.unlink()
    (place / "journal.db").write_bytes(spoilt_bytes)
    try:
        listed = drc("run", "list").out
        assert run in listed and "1970" not in listed
        for command in (["run", "show", run], ["run", "report", run], ["run", "resume", run], words(sandbox)):
            done = drc(*command, status=1, timeout=60)
            first, help_line, *_ = done.err.splitlines()
            assert first.startswith("error: ") and (run in first or "journal" in first), done.err
            assert help_line.startswith("  help: "), done.err
        assert things(drc, sandbox) == before
    finally:
        for file in place.iterdir():
            file.unlink()
        (place / "journal.db").write_bytes(whole)


def test_a_run_whose_journal_was_put_back_goes_on(killed):
    drc, sandbox, run, _, _ = killed
    drc("run", "resume", run)
    instances, _ = made(drc, sandbox)
    assert sorted(i["vm"] for i in instances) == ["app", "db", "web"]


def test_a_folder_without_a_journal_is_no_run(drc, sandbox, tmp_path):
    (tmp_path / "state/shop/runs/abcdefgh").mkdir(parents=True)
    assert drc.json("run", "list", "--json") == []
    assert "there is none" in drc("run", "show", "abcdefgh", status=1).err
    drc(*words(sandbox))


def test_a_damaged_record_of_where_production_is(drc, sandbox, tmp_path):
    (tmp_path / "state/shop").mkdir(parents=True)
    for text in ("", "{", "[]", "\0", "x" * 100_000, '{"vms":{"db":5}}', '{"format":"drc-production/9"}'):
        (tmp_path / "state/shop/production.json").write_text(text)
        done = drc(*words(sandbox), status=1)
        assert "production.json" in done.err and "put back a good copy" in done.err
    assert made(drc, sandbox) == ([], [])


def test_a_sandbox_that_is_none(drc, tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sandbox.db").write_bytes(b"x" * 5000)
    for name in ("file", "empty", "broken", "nosuch"):
        done = drc(*words(tmp_path / name), status=1)
        assert done.err.startswith("error: ") and str(tmp_path / name) in done.err
        assert drc("sandbox", "show", tmp_path / name, status=1).err.startswith("error: ")
