"""Texts of others (journals, leases, messages) on a terminal and in Markdown: no escape sequences, no
line that looks like drc's own, no markup."""
import hashlib
import json
import re
import resource
import sqlite3

import pytest

HOSTILE = "\x1b[31mX\x07\nerror: forged\u202e\u009b5m|<b>`[x](y)"
KEPT = {"r", "k", "d", "id", "plan", "workflow", "status", "verb", "previous"}


def poisoned(value, key=None):
    if isinstance(value, dict):
        return {name: poisoned(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    return value + HOSTILE if isinstance(value, str) and key not in KEPT else value


def is_harmless(text):
    return not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]|^error: forged", text, re.M)


@pytest.fixture(scope="module")
def forged(tmp_path_factory):
    from e2e_drc import Drc
    home = tmp_path_factory.mktemp("forged")
    drc = Drc(home)
    drc("sandbox", "init", home / "aws", "plans/shop", "--seed", 7, "--speed", 200, "--fault", "inject=1")
    drc("plan", "apply", "plans/shop", "failover", "--sandbox", home / "aws", "--yes", status=1)
    journal, = home.glob("state/shop/runs/*/journal.db")
    with sqlite3.connect(journal) as database:
        for number, text in database.execute("select number, records from groups").fetchall():
            lines = [json.dumps(poisoned(json.loads(line))) for line in text.splitlines()]
            if number == 4:
                lines.append(json.dumps({"r": "decision", "verb": "skip", "target": "x" + HOSTILE, "at": 1, "t": 5,
                                         "who": HOSTILE, "comment": HOSTILE, "refused": HOSTILE}))
            database.execute("update groups set records = ? where number = ?", ("\n".join(lines) + "\n", number))
    return drc


@pytest.mark.parametrize("words", [
    "run list", "run show", "run show --all", "run show --explain web", "run report", "run report --format markdown",
    "run watch", "run cleanup --yes", "run rollback --yes", "run resume", "run retry web", "run skip web"])
def test_nothing_of_a_forged_journal_reaches_the_terminal(forged, words):
    done = forged(*words.split(), status=None)
    assert is_harmless(done.out), ascii(done.out)
    assert is_harmless(done.err), ascii(done.err)


def test_markdown_keeps_its_tables(forged):
    text = forged("run", "report", "--format", "markdown", status=None).out
    assert not re.search(r"(?<!\\)<b>|(?<!\\)\[x\]", text)


def test_a_forged_lease(drc, sandbox, tmp_path):
    (tmp_path / "shared").mkdir(mode=0o700)
    drc.env["DRC_STATE_DIR"] = f"file://{tmp_path}/shared"
    drc("plan", "apply", "plans/shop", "failover", "--sandbox", sandbox, "--yes")
    lease = tmp_path / "shared/shop/leases/site"
    holder = json.loads(lease.read_text())
    lease.write_text(json.dumps({**holder, "run": HOSTILE, "host": HOSTILE, "expires": 2 ** 53 - 1}))
    refused = drc("run", "cleanup", "--yes", status=1)
    assert "--take-over" in refused.err and is_harmless(refused.err), refused.err


@pytest.mark.parametrize("expires", ['"soon"', "1e300", "null", "-1.5"])
def test_a_lease_of_which_nobody_knows_until_when_is_not_free(drc, sandbox, tmp_path, expires):
    (tmp_path / "shared").mkdir(mode=0o700)
    drc.env["DRC_STATE_DIR"] = f"file://{tmp_path}/shared"
    drc("plan", "apply", "plans/shop", "failover", "--sandbox", sandbox, "--yes")
    lease = tmp_path / "shared/shop/leases/site"
    lease.write_text(re.sub(r'"expires": ?\d+', f'"expires":{expires}', lease.read_text()))
    refused = drc("run", "cleanup", "--yes", status=1)
    assert "says nothing that can be read" in refused.err and "--take-over" in refused.err
    drc("run", "cleanup", "--yes", "--take-over")


def test_a_record_that_names_a_blob_thousands_of_times(drc, tmp_path):
    """64 GiB, if one believed it."""
    run = tmp_path / "shared/shop/runs/aaaaaaaa"
    for name in ("log", "blob"):
        (run / name).mkdir(mode=0o700, parents=True)
    part = bytes(16 << 20)
    digest = hashlib.sha256(part).hexdigest()
    (run / "blob" / digest).write_bytes(part)
    header = {"format": "drc-record/1", "of": "shop/runs/aaaaaaaa", "number": 1, "epoch": 1, "writer": "0" * 32,
              "host": "h", "pid": 1, "at": 1, "previous": "", "summary": {"workflow": "failover", "status": "running"},
              "blobs": {"graph": [digest] * 4096}, "sha256": hashlib.sha256(b"").hexdigest(), "bytes": 0}
    (run / "log/00000001").write_text(json.dumps(header) + "\n")
    (tmp_path / "shared").chmod(0o700)
    drc.env["DRC_STATE_DIR"] = f"file://{tmp_path}/shared"
    listed = drc.json("run", "list", "--json")
    assert listed == [] or "more than" in listed[0]["problem"]
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2 << 20  # KiB
