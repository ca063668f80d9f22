"""The state decides what drc does with an account: it is its owner's alone, and what another could have
written is not believed."""
import os
import stat

import pytest

APPLY = ["plan", "apply", "plans/shop", "failover", "--yes"]


@pytest.fixture
def state(drc, sandbox):
    drc(*APPLY, "--sandbox", sandbox)
    return drc.home / "state"


def journal_of(state):
    return next(state.rglob("journal.db"))


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777, 0o702])
@pytest.mark.parametrize("which", ["state", "plan", "runs", "run"])
def test_what_others_can_write_is_refused(drc, state, which, mode):
    folder = {"state": state, "plan": state / "shop", "runs": state / "shop/runs",
              "run": journal_of(state).parent}[which]
    folder.chmod(mode)
    for words in (["run", "cleanup", "--yes"], ["run", "report"]):
        done = drc(*words, status=1)
        assert f"{folder} can be written by other users (mode {mode:04o})" in done.err
        assert which == "run" or f"chmod go-w {folder}" in done.err
    folder.chmod(0o755)  # readable by others is the user's own choice
    drc("run", "report")


def test_apply_into_a_folder_of_everybody_is_refused_before_anything(drc, sandbox, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    done = drc(*APPLY, "--sandbox", sandbox, "--state", shared, status=1)
    assert "can be written by other users" in done.err and list(shared.iterdir()) == []


def test_a_shared_state_of_everybody_is_refused(drc, sandbox, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    words = [*APPLY, "--sandbox", sandbox, "--state", f"file://{shared}"]
    assert f"every user can write {shared}" in drc(*words, status=1).err and list(shared.iterdir()) == []
    shared.chmod(0o770)  # of a group of runners
    drc(*words)


def test_a_journal_that_others_can_write_is_refused_one_that_they_can_read_is_closed(drc, state):
    journal = journal_of(state)
    journal.chmod(0o666)
    assert "can be written by other users" in drc("run", "cleanup", "--yes", status=1).err
    journal.chmod(0o644)
    drc("run", "report")
    drc("run", "cleanup", "--yes")
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600


@pytest.mark.parametrize("which", ["journal", "run", "plan"])
def test_symbolic_links_in_the_way_are_refused(drc, state, tmp_path, which):
    journal = journal_of(state)
    path = {"journal": journal, "run": journal.parent, "plan": state / "shop"}[which]
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    done = drc("run", "cleanup", "--yes", status=1)
    assert "is a symbolic link" in done.err


def test_the_state_directory_itself_may_be_a_link(drc, state, tmp_path):
    state.rename(tmp_path / "elsewhere")
    state.symlink_to(tmp_path / "elsewhere")
    drc("run", "report")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_state_directory_of_another_user_is_refused(drc, state):
    os.chown(state, 12345, -1)
    assert f"{state} belongs to another user (12345)" in drc("run", "report", status=1).err


def test_output_follows_no_link_that_another_put_there(drc, tmp_path):
    """The name beside the output can be guessed in a shared folder."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    out = tmp_path / "shared" / "out.json"
    out.parent.mkdir()
    first = os.getpid()
    for pid in range(first, first + 400):  # the process's number will be among these
        (out.parent / f"out.json.tmp{pid}").symlink_to(victim)
    drc("plan", "compile", "plans/shop", "failover", "-o", out)
    assert victim.read_text() == "precious" and "drc-graph" in out.read_text()
