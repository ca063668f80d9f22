"""Seeds from the real thing: a failover on the served sandbox, every answer recorded; its journal."""
import contextlib
import os
import pathlib
import re
import sqlite3
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
os.environ.setdefault("DRC", str(ROOT / "build/drc"))
from e2e_drc import Drc  # noqa: E402
from rude import Rude  # noqa: E402
from served import Served  # noqa: E402

SEPARATOR = b"\x1e"


def recorded():
    """(action, raw HTTP answer) in order, and the bytes and records of the run's journal."""
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        drc = Drc(folder)
        with Served(drc, pathlib.Path(folder), "--no-throttle") as served:
            def handle(rude, link, action, request):
                raw = request.forward(served.port)
                answers.append((action, raw))
                link.sendall(raw)
                return True
            with Rude(handle) as proxy:
                drc("plan", "apply", served.plan, "failover", "--yes", **served.environment(proxy.endpoint))
        journal = next(pathlib.Path(folder).rglob("journal.db"))
        with contextlib.closing(sqlite3.connect(journal)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            records = "".join(text for text, in database.execute("SELECT records FROM groups ORDER BY number"))
            summary = "".join(f"={name} {value}\n" for name, value in database.execute("SELECT * FROM summary"))
        return answers, journal.read_bytes(), records + summary


def write(folder, name, bytes_):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(bytes_)


def dictionary(path, texts):
    """Words of the texts: names of elements, keys, headers."""
    words = sorted({word for text in texts for word in re.findall(rb"<[/A-Za-z]+>|\"[A-Za-z_-]+\":|[A-Z][A-Za-z-]+: ", text)})
    path.write_text("".join('"' + word.decode().replace('"', '\\"') + '"\n' for word in words[:400]))
