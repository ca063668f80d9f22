"""Steps that wait for a person: told, waited for, approved from elsewhere, on the terminal, while nobody works
on the run; stopped there with --no-wait; refused when it is too late."""
import hmac
import http.server
import json
import os
import select
import subprocess
import threading
import time

import pytest
import yaml

from e2e_drc import DRC, ROOT, open_terminal, wait_for

QUESTION = "Fail over the shop?"


@pytest.fixture
def asking(shop):
    """The demo's plan, which asks before anything is changed."""
    plan = yaml.safe_load(shop.read_text())
    plan["before"] = [{"approve": QUESTION, "during": ["failover"]}]
    plan.pop("after", None)
    shop.write_text(yaml.safe_dump(plan, sort_keys=False))
    return shop


NODE = "plan/before-1/approve"


def apply(drc, sandbox, plan, *more, **kwargs):
    return drc("plan", "apply", plan, "failover", "--sandbox", sandbox, "--yes", *more, **kwargs)


def things(drc, sandbox):
    shown = drc.json("sandbox", "show", sandbox, "--json")
    return {kind: shown[kind] for kind in ("instances", "volumes")}


def test_stops_where_only_a_person_is_missing(drc, sandbox, asking, tmp_path):
    events = tmp_path / "events"
    before = things(drc, sandbox)
    stopped = apply(drc, sandbox, asking, "--no-wait", "--events", events, status=3)
    run = drc.json("run", "list", "--json")[0]
    assert run["status"] == "waiting"
    assert f"drc run approve {run['run']}" in stopped.err
    needed = [event for event in map(json.loads, events.read_text().splitlines()) if event["type"] == "approval_needed"]
    assert [event["node"] for event in needed] == [NODE]
    assert QUESTION in needed[0]["data"]["detail"]
    # Nothing was made: all of it comes after the approval.
    assert things(drc, sandbox) == before
    assert apply(drc, sandbox, asking, "--no-wait", status=1).err.count("drc run resume") >= 1
    # Resumed it stops again; approved and resumed it goes on.
    drc("run", "resume", "--no-wait", status=3)
    told = drc("run", "approve", run["run"], "--as", "ada", "--comment", "CHG-1201").out
    assert f"{NODE} is approved" in told and f"drc run resume {run['run']}" in told
    done = drc("run", "approve", run["run"], status=1)
    assert "nothing waits for approval" in done.err
    drc("run", "resume")
    report = drc.json("run", "report", "--json")
    assert report["status"] == "succeeded"
    approved = [each for each in report["decisions"] if each["verb"] == "approve"]
    assert [(each["who"], each["comment"]) for each in approved] == [("ada", "CHG-1201")]


def test_the_wait_does_not_count_into_the_rto(drc, sandbox, asking):
    apply(drc, sandbox, asking, "--no-wait", status=3)
    time.sleep(3)  # ten minutes of the sandbox's clock
    drc("run", "approve")
    drc("run", "resume")
    report = drc.json("run", "report", "--json")
    assert report["approval_ms"] > 500_000
    assert report["rto_ms"] < report["predicted_rto_ms"] * 1.3
    assert "for approvals" in drc("run", "report").out


def test_approved_from_elsewhere(drc, sandbox, asking):
    process = drc.start("plan", "apply", asking, "failover", "--sandbox", sandbox, "--yes")
    wait_for(lambda: [run for run in drc.json("run", "list", "--json") if run["status"] == "waiting"],
             "the run waits", process)
    refused = drc("run", "approve", "--json", "plan/before-9/approve", status=1)
    assert "plan/before-9/approve" in refused.err
    assert drc.json("run", "approve", "--json", NODE)["state"] == "done"
    err = process.communicate(timeout=120)[1].decode()
    assert process.returncode == 0, err
    assert QUESTION in err and "drc run approve lets it go on" in err


def test_cancelled_while_it_waits(drc, sandbox, asking):
    apply(drc, sandbox, asking, "--no-wait", status=3)
    drc("run", "cancel", "--yes")
    late = drc("run", "approve", status=1)
    assert "has ended (cancelled)" in late.err


def read_until(terminal, text, seconds=60):
    seen = b""
    end = time.monotonic() + seconds
    while text not in seen:
        assert time.monotonic() < end, seen.decode(errors="replace")
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 65536)
    return seen


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_asked_on_the_terminal(drc, sandbox, asking, answer):
    master, slave = open_terminal()
    environment = dict(drc.env, TERM="xterm", COLUMNS="100", LINES="30")
    process = subprocess.Popen([DRC, "plan", "apply", str(asking), "failover", "--sandbox", str(sandbox), "--yes"],
                               stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=ROOT,
                               start_new_session=True)
    os.close(slave)
    read_until(master, b'Only "yes" goes on: ')
    os.write(master, f"{answer}\n".encode())
    if answer == "no":
        read_until(master, b"goes on waiting")
        drc("run", "approve")
    seen = read_until(master, b"RTO")
    while process.poll() is None:
        if select.select([master], [], [], 0.2)[0]:
            try:
                seen += os.read(master, 65536)
            except OSError:
                break
    assert process.wait(timeout=60) == 0, seen.decode(errors="replace")
    os.close(master)


@pytest.fixture
def hook():
    """A web hook that keeps what it gets; its first answer is a 503."""
    taken = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((dict(self.headers), body))
            self.send_response(503 if len(taken) == 1 else 204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.taken = taken
    server.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield server
    server.shutdown()
    server.server_close()


def test_a_web_hook_is_told(drc, sandbox, asking, hook):
    secret = "a-secret-of-the-hook"
    apply(drc, sandbox, asking, "--no-wait", "--notify", hook.url, status=3, DRC_NOTIFY_SECRET=secret)
    for headers, body in hook.taken:
        seconds, signature = (part.split("=", 1)[1] for part in headers["DRC-Signature"].split(","))
        expected = hmac.new(secret.encode(), f"{seconds}.".encode() + body, "sha256").hexdigest()
        assert signature == expected and abs(time.time() - int(seconds)) < 300
    # The first one came twice, because it was not taken.
    deliveries = [headers["DRC-Delivery"] for headers, _ in hook.taken]
    assert deliveries[0] == deliveries[1] and len(set(deliveries)) == len(deliveries) - 1
    kinds = [json.loads(body)["type"] for _, body in hook.taken[1:]]
    assert kinds == ["run_started", "approval_needed", "interrupted"]


def test_a_hook_without_a_secret_is_refused_at_once(drc, sandbox, asking, hook):
    refused = apply(drc, sandbox, asking, "--notify", hook.url, status=1)
    assert "DRC_NOTIFY_SECRET is not set" in refused.err
    assert not hook.taken
    assert drc.json("run", "list", "--json") == []
