"""drc repo list, verify and prune, as users call them: in a directory, and in the sandbox's S3."""
import hashlib
import json
import os
import random
import re
import subprocess
import time

import pytest

from e2e_drc import DRC, open_terminal
from test_bad_disk import small_disk

BLOCK = 512 * 1024
BUCKET = "s3://acme-dr-eu/kept"  # of plans/shop


def image(path, seed, blocks=6, tail=1000):
    """Random blocks with a hole, and a last one that is not whole."""
    source = random.Random(seed)
    with open(path, "wb") as out:
        for i in range(blocks):
            out.write(bytes(BLOCK) if i == 2 else source.randbytes(BLOCK))
        out.write(source.randbytes(tail))
    return path


def put(drc, repo, vm, time_, *images, extra=()):
    drc("repo", "import", repo, "--plan", "shop", "--vm", vm, "--recovery-point", time_, *images, *extra)


@pytest.fixture
def repo(drc, tmp_path):
    """Three recovery points of db (the third equals the second), one of web, with two disks."""
    disks = [image(tmp_path / f"{i}.raw", i) for i in range(4)]
    place = tmp_path / "repo"
    for day, disk in ((20, 0), (21, 1), (22, 1)):
        put(drc, place, "db", f"2026-11-{day}T10:00:00Z", disks[disk])
    put(drc, place, "web", "2026-10-01T00:00:00Z", disks[2], disks[3])
    return place


def objects(repo, kind):
    """But for what a killed process had under way ("~…"), which goes after a day."""
    return sorted(p for p in (repo / kind).rglob("*") if p.is_file() and "~" not in p.name)


def test_list(drc, repo):
    lines = drc("repo", "list", repo).out.splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [["shop", "db", "3", "2026-11-22T10:00:00Z"],
                                                        ["shop", "web", "1", "2026-10-01T00:00:00Z"]]
    assert len(drc("repo", "list", f"dir:{repo}", "--vm", "db").out.splitlines()) == 4
    listed = drc.json("repo", "list", repo, "--json", "--plan", "shop", "--vm", "web")
    assert [p["vm"] for p in listed["points"]] == ["web"] and listed["damaged"] == []
    assert [d["bytes"] for d in listed["points"][0]["disks"]] == [6 * BLOCK + 1000] * 2
    assert listed["points"][0]["disks"][0]["data_bytes"] == 6 * BLOCK
    assert drc("repo", "list", repo, "--plan", "other").err == f"dir:{repo}: no recovery points\n"


def test_what_is_there_twice_is_stored_once(drc, repo):
    assert len(objects(repo, "blocks")) == 4 * 6
    assert len(objects(repo, "maps")) == 4 * 2
    assert "5 disks of 4 recovery points, 24 blocks hashed: all is well" in drc("repo", "verify", repo).out


def test_prune(drc, repo):
    would = drc.json("repo", "prune", repo, "--keep-last", 2, "--dry-run", "--json")
    assert [p["time"] for p in would["recovery_points"]] == ["2026-11-20T10:00:00Z"]
    assert (would["blocks"], would["maps"], would["dry_run"]) == (6, 2, True)
    assert len(objects(repo, "blocks")) == 24
    done = drc.json("repo", "prune", repo, "--keep-last", 2, "--yes", "--json")
    assert {**done, "dry_run": True} == would
    assert len(objects(repo, "blocks")) == 18 and len(objects(repo, "points")) == 3
    drc("repo", "verify", repo)
    drc("repo", "prune", repo, "--keep", "1s", "--yes")
    assert [p.parent.name for p in objects(repo, "points")] == ["db", "web"]  # the newest of each stay
    drc("repo", "verify", repo)


def test_prune_goes_on_beside_a_damaged_record_of_a_copy(drc, repo):
    (repo / "copies").mkdir()
    record = repo / "copies" / "snap-0abc"
    record.write_text('{"format":"drc-copy/1","snap')
    done = drc("repo", "prune", repo, "--keep-last", 2, "--yes")
    told = " ".join(done.err.split())
    assert f"copies/snap-0abc in dir:{repo}" in told and "no block map was removed" in told
    assert "removed 1 recovery point, 6 blocks" in done.out
    assert len(objects(repo, "blocks")) == 18 and len(objects(repo, "maps")) == 8 and record.exists()
    drc("repo", "verify", repo)
    (damaged,) = drc.json("repo", "prune", repo, "--yes", "--json")["damaged_copies"]
    assert "copies/snap-0abc" in damaged
    record.unlink()
    assert drc.json("repo", "prune", repo, "--yes", "--json")["maps"] == 2


def test_prune_asks(drc, repo):
    done = drc("repo", "prune", repo, "--keep-last", 1, status=1)
    assert "nobody can be asked here" in done.err and "--yes" in done.err
    for answer, left in ((b"no\n", 4), (b"yes\n", 2)):
        master, slave = open_terminal()
        with subprocess.Popen([DRC, "repo", "prune", repo, "--keep-last", "1"], env=drc.env, stdin=slave,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            os.write(master, answer)
            _, told = process.communicate(timeout=60)
        assert b"2 recovery points would go, 2 recovery points stay" in told
        assert b"shop/db  2026-11-21T10:00:00Z" in told
        assert (process.returncode == 0) == (left == 2), told
        assert len(objects(repo, "points")) == left


@pytest.mark.parametrize("words, told", [
    (["prune", "REPO", "--keep", "soon"], "--keep wants a duration, not \"soon\""),
    (["prune", "REPO", "--keep-last", "0"], "--keep-last"),
    (["verify", "REPO", "--sample", "0%"], "\"0%\" is no part of a whole"),
    (["verify", "REPO", "--recovery-point", "yesterday"], "\"yesterday\" is no time of a recovery point"),
    (["list", "REPO/nothing"], "No such file or directory"),
    (["list", "REPO/points"], "there is none"),
    (["list", "REPO/repository"], "the repository dir:"),
    (["list", "s3://"], "s3://"),
    (["list", "gs://bucket/x"], "gs://bucket/x"),
])
def test_bad_usage(drc, repo, words, told):
    before = sorted(repo.rglob("*"))
    done = drc("repo", *[w.replace("REPO", str(repo)) for w in words], status=1)
    assert told in done.err and "help: " in done.err
    assert sorted(repo.rglob("*")) == before


def break_file(path, how):
    bytes_ = path.read_bytes()
    path.write_bytes({"cut": bytes_[:len(bytes_) // 2], "empty": b"", "altered": bytes_[:50] + bytes([bytes_[50] ^ 1]) + bytes_[51:],
                      "foreign": b"PK\3\4" * 20}[how])


@pytest.mark.parametrize("how", ["cut", "empty", "altered", "foreign"])
@pytest.mark.parametrize("kind", ["repository", "points", "maps", "blocks"])
def test_what_is_broken_is_named(drc, repo, kind, how):
    disk = drc.json("repo", "list", repo, "--vm", "web", "--json")["points"][0]["disks"][0]
    path = {"repository": repo / kind, "maps": repo / kind / disk["map"][:2] / disk["map"]}.get(kind)
    path = path or objects(repo, kind)[0]
    break_file(path, how)
    name = str(path.relative_to(repo))
    done = drc("repo", "verify", repo, status=1)
    assert name in done.out + done.err or kind == "repository"
    assert "help: " in done.err
    if kind == "repository":
        assert f"opening the repository dir:{repo}: its object \"repository\": " in done.err
    elif kind == "points":
        listed = drc("repo", "list", repo, status=1)
        assert name in listed.err and len(listed.out.splitlines()) == 3  # the others are there
    else:
        assert re.search(r"shop/(db|web) 2026-1\S+Z, disk \d", done.out), done.out
    if kind in ("points", "maps"):
        refused = drc("repo", "prune", repo, "--keep-last", 1, "--yes", status=1)
        assert "help: " in refused.err and name in refused.err
        assert len(objects(repo, "points")) == 4 and len(objects(repo, "blocks")) == 24


def test_missing_block_keeps_older_points(drc, repo):
    drc("repo", "prune", repo, "--vm", "db", "--keep-last", 2, "--yes")
    disk = drc.json("repo", "list", repo, "--vm", "web", "--json")["points"][0]["disks"][1]
    digest = hashlib.sha256((repo.parent / "3.raw").read_bytes()[:BLOCK]).hexdigest()
    (repo / "blocks" / digest[:2] / digest).unlink()
    done = drc("repo", "verify", repo, status=1)
    assert f"shop/web 2026-10-01T00:00:00Z, disk 1 at byte 0: reading blocks/{digest[:2]}/{digest}" in done.out
    found = json.loads(drc("repo", "verify", repo, "--json", status=1).out)["problems"]
    assert [(p["vm"], p["disk"], p["offset"]) for p in found] == [("web", 1, 0)] and disk["bytes"]
    assert "1 blocks are missing" in drc("repo", "prune", repo, "--keep-last", 1, "--yes", status=1).err
    # What is imported anew brings the block back.
    put(drc, repo, "web", "2026-10-02T00:00:00Z", repo.parent / "2.raw", repo.parent / "3.raw")
    assert drc("repo", "verify", repo, status=None).returncode in (0, 1)


def test_broken_block_is_put_anew(drc, repo, tmp_path):
    digest = hashlib.sha256((tmp_path / "1.raw").read_bytes()[:BLOCK]).hexdigest()
    path = repo / "blocks" / digest[:2] / digest
    path.write_bytes(b"")  # as a power failure may leave it
    put(drc, repo, "copy", "2026-11-22T10:00:00Z", tmp_path / "1.raw")
    drc("repo", "verify", repo)


def test_later_version(drc, repo):
    for kind, digits in (("points", 1), ("repository", 1)):
        path = repo / kind if kind == "repository" else objects(repo, kind)[0]
        text = path.read_text().replace("/1\"", "/2\"", digits)
        body = text.rpartition(',"sha256":"')[0]
        path.write_text(body + ',"sha256":"' + hashlib.sha256(body.encode()).hexdigest() + '"}\n')
        done = drc("repo", "verify", repo, status=1)
        assert "/2, and this drc knows drc-" in done.out + done.err


def test_full_disk(drc, tmp_path):
    with small_disk(tmp_path / "small") as small:
        if not small:
            pytest.skip("this process may not mount a small file system")
        done = drc("repo", "import", small / "repo", "--plan", "shop", "--vm", "db",
                   image(tmp_path / "big.raw", 1), status=1)
        assert "No space left on device" in done.err and "make room for the repository" in done.err
        assert not list((small / "repo" / "points").rglob("2*"))


def test_importer_that_was_killed_leaves_garbage_only(drc, repo, tmp_path):
    big = image(tmp_path / "big.raw", 99, blocks=400)
    process = drc.start("repo", "import", repo, "--plan", "shop", "--vm", "big", big)
    before, deadline = len(objects(repo, "blocks")), time.monotonic() + 60
    while len(objects(repo, "blocks")) == before and process.poll() is None:
        assert time.monotonic() < deadline
    process.kill()
    process.communicate()
    drc("repo", "verify", repo)
    assert {p["vm"] for p in drc.json("repo", "list", repo, "--json")["points"]} == {"db", "web"}
    # Its lease has not run out yet: as if it had.
    for lease in (repo / "locks" / "leases").glob("writer-*"):
        lease.write_text(re.sub(r'"expires":\d+', '"expires":1', lease.read_text()))
    drc("repo", "prune", repo, "--yes")
    assert len(objects(repo, "blocks")) == 24
    assert not list((repo / "locks" / "leases").glob("writer-*"))
    drc("repo", "verify", repo)


def test_in_s3(drc, sandbox, tmp_path):
    first, second = image(tmp_path / "a.raw", 1), image(tmp_path / "b.raw", 2)
    words = ["--sandbox", sandbox]
    put(drc, BUCKET, "db", "2026-01-01T00:00:00Z", first, extra=words)
    put(drc, BUCKET, "db", "2026-01-02T00:00:00Z", second, extra=words)
    assert len(drc("repo", "list", BUCKET, "--vm", "db", *words).out.splitlines()) == 3
    assert "12 blocks hashed: all is well" in drc("repo", "verify", BUCKET, *words).out
    done = drc.json("repo", "prune", BUCKET, "--keep-last", 1, "--yes", "--json", *words)
    assert (len(done["recovery_points"]), done["blocks"], done["maps"]) == (1, 6, 2)
    assert "6 blocks hashed: all is well" in drc("repo", "verify", BUCKET, *words).out
    missing = drc("repo", "list", "s3://no-such-bucket/x", *words, status=1)
    assert "NoSuchBucket" in missing.err and "aws s3 mb" in missing.err
