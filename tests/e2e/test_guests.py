"""The web shop with its runbook: scripts, checks on sockets of this machine, DNS, a test beside production."""
import json
import re
import shutil
import signal
import socket
import subprocess
import urllib.request

import pytest

import served
from e2e_drc import DRC, ROOT, wait_for

PLAN = "plans/webshop"


class Guests:
    """drc sandbox guests, in the background; what it tells is in a file."""

    def __init__(self, drc, sandbox, plan, log):
        self.log = log
        with open(log, "wb") as file:
            self.process = subprocess.Popen([DRC, "sandbox", "guests", str(sandbox), str(plan)], cwd=ROOT, env=drc.env,
                                            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        wait_for(lambda: "answer until this ends" in self.text(), "guests")

    def text(self):
        return self.log.read_text()

    def places(self):
        """(VM, address, port) -> where on this machine, of those that answer now."""
        there = {}
        for line in self.text().splitlines():
            found = re.match(r"(\S+) (\S+):(\d+) (?:answers \w+ at (\S+)|is silent)$", line)
            if found and found[4]:
                there[found[1], found[2], int(found[3])] = found[4]
            elif found:
                there.pop((found[1], found[2], int(found[3])), None)
        return there

    def page(self, vm, network):
        [place] = [p for (name, address, port), p in self.places().items()
                   if name == vm and address.startswith(network) and port in (80, 8080)]
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://{place}/") as answer:
            return json.load(answer)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0


@pytest.fixture
def webshop(drc, tmp_path):
    drc("sandbox", "init", tmp_path / "aws", PLAN, "--seed", 7, "--speed", 100)
    return tmp_path / "aws"


@pytest.fixture
def guests(drc, webshop, tmp_path):
    running = Guests(drc, webshop, PLAN, tmp_path / "guests.log")
    yield running
    running.stop()
    assert running.places() == {}


def records(drc, sandbox):
    return {r["id"]: r["detail"] for r in drc.json("sandbox", "show", sandbox, "--json")["records"]}


def holds(drc, sandbox):
    """All that is there, but for instances that are terminated: EC2 shows those for another hour."""
    return {kind: [item for item in items if item["state"] != "terminated"]
            for kind, items in drc.json("sandbox", "show", sandbox, "--json").items()}


def test_a_shop_that_answers_and_a_test_beside_it(drc, webshop, guests):
    assert records(drc, webshop)["shop.corp.example"] == "192.0.2.10"
    drc("plan", "apply", PLAN, "failover", "--sandbox", webshop, "--yes")
    [web] = [i for i in drc.json("sandbox", "show", webshop, "--json")["instances"] if i.get("vm") == "web"]
    assert guests.page("web", "10.20.")["instance"] == web["id"]
    assert [(b["vm"], b["answers"]) for b in guests.page("web", "10.20.")["backends"]] == [("app", True)]
    assert [(b["vm"], b["address"], b["answers"]) for b in guests.page("app", "10.20.")["backends"]] == [
        ("db", "10.20.2.10", True)]
    assert records(drc, webshop)["shop.corp.example"].startswith("198.18.")
    before = holds(drc, webshop)
    done = drc("plan", "apply", PLAN, "test", "--sandbox", webshop, "--yes", "--auto-cleanup", "1s")
    assert "passed" in done.out
    assert "db 10.99.2.10:5432 answers tcp at 127.99.2.10:" in guests.text()
    assert holds(drc, webshop) == before
    wait_for(lambda: not [a for _, a, _ in guests.places() if a.startswith("10.99.")], "silence of the test")
    assert [b["answers"] for b in guests.page("app", "10.20.")["backends"]] == [True]
    drc("run", "orphans", PLAN, "--sandbox", webshop)  # status 0: there is nothing


def test_without_the_script_the_check_does_not_hold(drc, webshop, guests, tmp_path):
    """The page would say so only once the app was told where its database is."""
    shutil.copytree(ROOT / PLAN, tmp_path / "webshop")
    plan = tmp_path / "webshop" / "plan.yaml"
    text = plan.read_text()
    plan.write_text(text.replace('args: [DATABASE_HOST, "${vms.db.address}"]', "args: [DATABASE_HOST, 192.0.2.7]"))
    assert plan.read_text() != text
    done = drc("plan", "apply", plan, "failover", "--sandbox", webshop, "--yes", status=1)
    assert "app/post-boot-2/check-http" in done.out + done.err
    assert records(drc, webshop)["shop.corp.example"] == "192.0.2.10"


def test_without_guests_no_check_holds(drc, webshop, tmp_path):
    Guests(drc, webshop, PLAN, tmp_path / "guests.log").stop()
    done = drc("plan", "apply", PLAN, "failover", "--sandbox", webshop, "--yes", status=1)
    assert "tcp :5432 Connection refused" in done.out + done.err


def test_guests_may_come_while_a_run_goes_on(drc, webshop, tmp_path):
    run = drc.start("plan", "apply", PLAN, "failover", "--sandbox", webshop, "--yes", "--events",
                    tmp_path / "events.ndjson")
    wait_for(lambda: (tmp_path / "events.ndjson").exists(), "a run that has begun", run)
    later = Guests(drc, webshop, PLAN, tmp_path / "guests.log")
    out, err = run.communicate(timeout=60)
    later.stop()
    assert run.returncode == 0, err
    assert "web 10.20.1." in later.text()


def test_guests_run_once_for_a_sandbox(drc, webshop, guests):
    done = drc("sandbox", "guests", webshop, PLAN, status=1)
    assert "run already" in done.err


def test_the_plan_needs_no_guests(drc, webshop):
    """Without them the sandbox says itself what its instances would, backends included."""
    drc("plan", "apply", PLAN, "failover", "--sandbox", webshop, "--yes")
    assert records(drc, webshop)["shop.corp.example"].startswith("198.18.")


def test_instances_with_addresses_of_this_machine_answer_without_a_detour(drc, tmp_path):
    """A drc that reaches the sandbox over HTTP alone dials the instances themselves."""
    with socket.socket() as free:
        free.bind(("127.20.1.10", 0))
        port = free.getsockname()[1]
    plan = tmp_path / "plan.yaml"
    plan.write_text(served.PLAN.replace("10.20.1.", "127.20.1.").replace("ready: [{instance_status: ok}]",
                                                                       f"ready: [{{tcp: {port}}}]"))
    with served.SandboxServer(tmp_path / "aws", plan, "--seed", 7, "--speed", 20, env=drc.env) as server:
        guests = Guests(drc, tmp_path / "aws", plan, tmp_path / "guests.log")
        try:
            drc("plan", "apply", plan, "failover", "--yes", **server.environment())
        finally:
            guests.stop()
    assert f"db 127.20.1.10:{port} answers tcp at 127.20.1.10:{port}" in guests.text()
