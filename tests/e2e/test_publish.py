"""drc plan publish: a plan that runners take from the state they share, on hosts that have nothing else."""
import json
import pathlib
import shutil

import pytest

from e2e_drc import ROOT, Drc

STEPS = ROOT / "examples" / "steps.yaml"
SCRIPT = "\nafter:\n  - script: scripts/announce.sh\n    run_on: runner\n    during: [test]\n"


def folder_with_script(tmp_path):
    """The shop with a script (of another workflow: this version carries out none in a failover)."""
    folder = tmp_path / "plan"
    shutil.copytree(ROOT / "examples" / "scripts", folder / "scripts")
    (folder / "plan.yaml").write_text((ROOT / "plans" / "shop" / "plan.yaml").read_text() + SCRIPT)
    return folder


@pytest.fixture
def state(tmp_path):
    (tmp_path / "state").mkdir()
    return f"file://{tmp_path}/state"


@pytest.fixture
def elsewhere(tmp_path):
    """Another host: nothing of the plan is there."""
    (tmp_path / "elsewhere").mkdir()
    drc = Drc(tmp_path / "elsewhere")
    del drc.env["DRC_STATE_DIR"]
    return drc


def test_published_and_applied_where_nothing_else_is(drc, elsewhere, state, tmp_path):
    folder = folder_with_script(tmp_path)
    drc("sandbox", "init", tmp_path / "aws", folder, "--speed", 200)
    sandbox = ["--sandbox", tmp_path / "aws"]
    drc("plan", "facts", folder, "failover", *sandbox, "-o", tmp_path / "facts.json")
    told = drc("plan", "publish", folder, "--state", state, "--facts", tmp_path / "facts.json").out
    url = f"{state}/shop"
    assert "published shop" in told and f"drc plan apply {url} WORKFLOW" in told
    here = drc("plan", "show", folder, "failover", "--facts", tmp_path / "facts.json").out
    shutil.rmtree(folder)
    (tmp_path / "facts.json").unlink()

    assert elsewhere("plan", "check", url).err == "1 plan checked: no errors\n"
    assert elsewhere("plan", "show", url, "failover").out == here  # with the facts that came with it
    assert elsewhere("plan", "graph", url, "failover").out.startswith("strict digraph")
    assert "predicted RTO" in elsewhere("plan", "apply", url, "failover", "--dry-run").out
    assert json.loads(elsewhere("plan", "compile", url, "failover").out)["format"].startswith("drc-graph/")

    # Its runs are kept where it came from.
    elsewhere("plan", "apply", url, "failover", "--yes", *sandbox, "--events", tmp_path / "events")
    runs = drc.json("run", "list", "--state", state, "--json")
    assert [run["plan"] for run in runs] == ["shop"] and runs[0]["status"] == "succeeded"
    assert (tmp_path / "state" / "shop" / "runs" / runs[0]["run"] / "log").is_dir()
    assert (tmp_path / "events").read_text().count('"node_done"') > 10
    elsewhere("run", "orphans", url, *sandbox)
    elsewhere("run", "cleanup", runs[0]["run"], "--state", state, "--yes")


def test_facts_are_gathered(drc, elsewhere, state, tmp_path):
    """A runner that cannot reach AWS yet sees the exact calls; without DR copies, or asked not to, none go along."""
    shop = ROOT / "plans" / "shop"
    drc("sandbox", "init", tmp_path / "aws", shop, "--speed", 200)
    drc("sandbox", "init", tmp_path / "empty", shop, "--speed", 200, "--no-copies")
    drc("plan", "facts", shop, "failover", "--sandbox", tmp_path / "aws", "-o", tmp_path / "facts.json")
    here = drc("plan", "show", shop, "failover", "--facts", tmp_path / "facts.json").out
    published = ["plan", "publish", shop, "--state", state]
    assert "and facts" in drc(*published, "--sandbox", tmp_path / "aws").out
    assert elsewhere("plan", "show", f"{state}/shop", "failover").out == here
    assert "succeeded" in elsewhere("plan", "apply", f"{state}/shop", "failover", "--yes",
                                    "--sandbox", tmp_path / "aws").out

    none = drc(*published, "--sandbox", tmp_path / "empty")
    assert "and facts" not in none.out and "published without facts" in none.err and "no usable DR copy" in none.err
    assert "facts: none given" in elsewhere("plan", "show", f"{state}/shop", "failover").out
    told = drc.json(*published, "--sandbox", tmp_path / "empty", "--json")
    assert told["facts"] is False and "no usable DR copy" in told["facts_problem"]
    alone = drc(*published, "--facts", "none")
    assert alone.err == "" and "and facts" not in alone.out
    away = dict(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    nobody = drc(*published, **away)
    assert "published without facts" in nobody.err and "127.0.0.1" in nobody.err and "--facts none" in nobody.err


def test_json(drc, state):
    told = drc.json("plan", "publish", STEPS, "--state", state, "--facts", "none", "--json")
    assert told["plan"] == "steps" and told["url"] == f"{state}/steps" and told["files"] == 4
    assert told["facts"] is False and len(told["digest"]) == len(told["manifest"]) == 64
    place = pathlib.Path(state.removeprefix("file://")) / "steps" / "plan"
    assert json.loads((place / "manifest").read_text())["digest"] == told["digest"]
    objects = [path for path in (place / "objects").rglob("*") if path.is_file()]
    assert len(objects) == 4 and sum(path.stat().st_size for path in objects) == told["bytes"]


def test_published_again(drc, elsewhere, state, tmp_path):
    folder = folder_with_script(tmp_path)
    url = f"{state}/shop"
    drc("plan", "publish", folder, "--state", state, "--facts", "none")
    before = elsewhere("plan", "compile", url, "failover").out
    (folder / "scripts" / "announce.sh").write_text("#!/bin/sh\nexit 0\n")
    assert elsewhere("plan", "compile", url, "failover").out == before
    drc("plan", "publish", folder, "--state", state, "--facts", "none")
    after = elsewhere("plan", "compile", url, "failover").out
    assert after != before


def test_what_cannot_be_published(drc, state, tmp_path):
    local = drc("plan", "publish", STEPS, status=1).err
    assert "this host's own" in local and "--state s3://BUCKET/PREFIX" in local
    assert "no directory" in drc("plan", "publish", STEPS, "--state", "file:///no/such/place", status=1).err
    folder = tmp_path / "plan"
    shutil.copytree(ROOT / "examples" / "scripts", tmp_path / "scripts")
    folder.mkdir()
    (folder / "plan.yaml").write_text(STEPS.read_text().replace("script: scripts/", "script: ../scripts/"))
    outside = drc("plan", "publish", folder, "--state", state, status=1).err
    assert "../scripts/" in outside and "outside of the plan's folder" in outside
    (folder / "plan.yaml").write_text("version: 1\nname: x\n")
    drc("plan", "publish", folder, "--state", state, status=1)
    (tmp_path / "facts.json").write_text("{}")
    assert "facts.json" in drc("plan", "publish", STEPS, "--state", state, "--facts", tmp_path / "facts.json",
                               status=1).err
    assert not (tmp_path / "state" / "steps" / "plan" / "manifest").exists()


def test_what_cannot_be_fetched(drc, elsewhere, state, tmp_path):
    url = f"{state}/steps"
    none = elsewhere("plan", "check", url, status=1).err
    assert f"no plan is published at {url}" in none and "steps/plan/manifest" in none
    drc("plan", "publish", STEPS, "--state", state, "--facts", "none")
    place = tmp_path / "state" / "steps" / "plan"
    one = next(path for path in (place / "objects").rglob("*") if path.is_file())
    one.write_bytes(one.read_bytes() + b"#")
    changed = elsewhere("plan", "apply", url, "failover", "--dry-run", status=1).err
    assert one.name in changed and "has been changed" in changed and "publish it again" in changed
    one.unlink()
    assert "is missing" in elsewhere("plan", "check", url, status=1).err
    drc("plan", "publish", STEPS, "--state", state, "--facts", "none")
    elsewhere("plan", "check", url)


def test_in_the_sandboxs_s3(drc, elsewhere, sandbox):
    """State and plan in S3, with nothing but the embedded sandbox; killed and taken over, too."""
    state, world = "s3://acme-dr-eu/dr/state", ["--sandbox", sandbox]
    drc("plan", "publish", ROOT / "plans" / "shop", "--state", state, *world)
    url = f"{state}/shop"
    assert "predicted RTO" in elsewhere("plan", "show", url, "failover", *world).out
    process = elsewhere.start("plan", "apply", url, "failover", "--yes", *world, "--events", "-")
    for line in process.stdout:
        if json.loads(line).get("type") == "node_done":
            break
    process.kill()
    process.communicate()
    runs = drc.json("run", "list", "--state", state, *world, "--json")
    assert [run["plan"] for run in runs] == ["shop"] and runs[0]["status"] == "running"
    told = drc("run", "resume", "--state", state, *world, status=1).err
    assert "--take-over" in told
    assert "succeeded" in drc("run", "resume", "--take-over", "--state", state, *world).out
    assert elsewhere.json("run", "list", "--state", state, *world, "--json")[0]["status"] == "succeeded"
    none = drc("run", "list", "--state", "s3://nobodys-bucket/state", *world, status=1).err
    assert "NoSuchBucket" in none
