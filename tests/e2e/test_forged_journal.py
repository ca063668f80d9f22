"""Journals that name what is not drc's: nothing without the tag drc:plan is ever changed or deleted."""
import shutil
import sqlite3

import pytest

FOREIGN = "i-0f00ba40000000000"  # the conversion instance stands for any machine of somebody's


class Forgery:
    """A run, and its journal rewritten so that an id of its own becomes a foreign one."""

    def __init__(self, drc, sandbox, vm="web"):
        self.drc, self.sandbox = drc, sandbox
        self.vm = vm

    def shown(self):
        return self.drc.json("sandbox", "show", self.sandbox, "--json")

    def run(self):
        return self.drc.json("run", "list", "--json")[0]

    def instance(self, vm):
        return next(i for i in self.shown()["instances"] if i.get("vm") == vm)

    def journal(self):
        return self.drc.home / "state/shop/runs" / self.run()["run"] / "journal.db"

    def replace(self, old, new):
        with sqlite3.connect(self.journal()) as database:
            database.execute("update groups set records = replace(records, ?, ?)", (old, new))

    def foreign(self):
        found, = [i for i in self.shown()["instances"] if i["id"] == FOREIGN]
        return found["state"]


@pytest.fixture
def over(drc, sandbox):
    drc("plan", "apply", "plans/shop", "failover", "--sandbox", sandbox, "--yes")
    return Forgery(drc, sandbox)


@pytest.fixture
def failed(drc, tmp_path):
    drc("sandbox", "init", tmp_path / "aws", "plans/shop", "--seed", 7, "--speed", 200, "--fault", "inject=1")
    drc("plan", "apply", "plans/shop", "failover", "--sandbox", tmp_path / "aws", "--yes", status=1)
    return Forgery(drc, tmp_path / "aws")


def test_cleanup_leaves_what_is_not_the_plans(over):
    own = over.instance("web")["id"]
    over.replace(own, FOREIGN)
    done = over.drc("run", "cleanup", "--yes")
    assert f"warning: {FOREIGN} is in the journal" in done.err and "left alone" in done.err
    assert over.foreign() == "running"
    assert over.instance("web")["state"] == "terminated"  # by its tags


def test_cleanup_leaves_a_volume_that_is_not_the_plans(over):
    foreign = next(v["id"] for v in over.shown()["volumes"] if "plan" not in v)
    own = next(v["id"] for v in over.shown()["volumes"] if v.get("vm") == "web")
    over.replace(own, foreign)
    assert f"warning: {foreign} is in the journal" in over.drc("run", "cleanup", "--yes").err
    assert foreign in [v["id"] for v in over.shown()["volumes"]]


@pytest.mark.parametrize("flags", [[], ["--stop"]])
def test_rollback_refuses_what_is_not_the_plans(over, flags):
    over.replace(over.instance("web")["id"], FOREIGN)
    done = over.drc("run", "rollback", "--yes", *flags, status=None)
    assert FOREIGN in done.err and "drc:plan=shop" in done.err
    assert over.foreign() == "running"


@pytest.mark.parametrize("words", [["resume"], ["retry", "web"]])
def test_going_on_refuses_what_is_not_the_plans(failed, words):
    failed.replace(failed.instance("web")["id"], FOREIGN)
    refused = failed.drc("run", *words, status=1)
    assert f"{FOREIGN} does not carry the tag drc:plan=shop" in refused.err
    assert failed.foreign() == "running"


def test_a_journal_of_another_sandbox_changes_nothing_here(over, tmp_path):
    """Copied from elsewhere: its things are not there, which is no reason to touch others."""
    other = tmp_path / "other"
    over.drc("sandbox", "init", other, "plans/shop", "--seed", 99, "--speed", 200)
    before = over.drc.json("sandbox", "show", other, "--json")
    over.drc("run", "cleanup", "--yes", "--sandbox", other, status=None)
    assert over.drc.json("sandbox", "show", other, "--json") == before
    shutil.rmtree(other)


@pytest.mark.parametrize("was, now", [('"id":', '"no":'), ('"r":"run"', '"r":"other"')])
@pytest.mark.parametrize("words", ["show", "report", "report --format json", "report --format prometheus",
                                   "report --otlp -"])
def test_a_journal_that_does_not_say_whose_it_is(over, was, now, words):
    with sqlite3.connect(over.journal()) as database:
        database.execute("update groups set records = replace(records, ?, ?) where number = 1", (was, now))
    assert over.drc("run", *words.split(), status=None).returncode in (0, 1)
