"""The sandbox's own DNS server, held against dig and nsupdate, and against drc's provider: as BIND answers
them (test_bind.py)."""
import json
import pathlib
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "servers"))

from aws_driver import Driver  # noqa: E402
from dns_record import Record, update_with_another_clock  # noqa: E402
from sandbox_server import DRC, ROOT, SandboxServer  # noqa: E402

SECRET = "c2FuZGJveC1zYW5kYm94LXNhbmRib3gtc2FuZGJveCE="
SHOP = "shop.corp.example"  # the one that examples/dns.yaml switches


class Served:
    """As tests/servers/bind_server.py has it."""

    def __init__(self, folder):
        self.sandbox = SandboxServer(folder, ROOT / "examples" / "dns.yaml", "--speed", "100").start()
        self.port = int(re.match(r"dns://127.0.0.1:(\d+)$", self.sandbox.process.stdout.readline())[1])
        self.server = f"127.0.0.1:{self.port}"

    def dig(self, name, kind, *more):
        done = subprocess.run(["dig", "@127.0.0.1", "-p", str(self.port), "+time=2", "+tries=1", *more, name,
                               kind], capture_output=True, text=True, check=True, timeout=30)
        return done.stdout

    def short(self, name, kind, *more):
        return sorted(self.dig(name, kind, "+short", *more).splitlines())

    def nsupdate(self, *lines, key=f"hmac-sha256:drc-key:{SECRET}"):
        done = subprocess.run(["nsupdate", *(["-y", key] if key else [])],
                              input="\n".join([f"server 127.0.0.1 {self.port}", "zone corp.example", *lines,
                                               "send", ""]), capture_output=True, text=True, timeout=30)
        return done.stderr.strip()


@pytest.fixture
def served(tmp_path):
    served = Served(tmp_path / "sandbox")
    yield served
    served.sandbox.stop()


@pytest.fixture
def driver():
    driver = Driver({"DRC_TSIG_SECRET": SECRET, "DRC_OTHER_SECRET": "b3RoZXI="})
    yield driver
    driver.stop()


def test_dig_reads_what_the_plan_expects(served):
    assert served.short(SHOP, "CNAME") == ["shop-home.corp.example."]
    assert served.short("corp.example", "NS", "+tcp") == ["ns.corp.example."]
    answer = served.dig("corp.example", "SOA", "+norecurse")
    assert re.search(r"flags: qr aa;", answer) and "status: NOERROR" in answer
    assert "status: NXDOMAIN" in (nothing := served.dig("nothing.corp.example", "A")) and "SOA" in nothing
    assert "status: NOERROR" in (none := served.dig("ns.corp.example", "TXT")) and "ANSWER: 0" in none
    assert "status: REFUSED" in served.dig("www.elsewhere.example", "A")
    assert "shop-home" in served.dig(SHOP, "A")  # the alias is told, whatever it leads to


def test_nsupdate_finds_what_bind_would_do(served):
    assert served.nsupdate("update add a.corp.example 60 A 192.0.2.1", "update add a.corp.example 30 A 192.0.2.2") == ""
    assert served.short("a.corp.example", "A") == ["192.0.2.1", "192.0.2.2"]
    assert " 30 " in served.dig("a.corp.example", "A").replace("\t", " ")  # of the whole set
    cases = [("prereq yxrrset b.corp.example A", "NXRRSET"), ("prereq nxrrset a.corp.example A", "YXRRSET"),
             ("prereq yxdomain b.corp.example", "NXDOMAIN"), ("prereq nxdomain a.corp.example", "YXDOMAIN"),
             ("prereq yxrrset a.corp.example A 192.0.2.1", "NXRRSET")]
    for prerequisite, code in cases:
        assert code in served.nsupdate(prerequisite, "update delete a.corp.example"), prerequisite
    assert served.nsupdate("prereq yxrrset a.corp.example A 192.0.2.2", "prereq yxrrset a.corp.example A 192.0.2.1",
                           "prereq nxdomain b.corp.example", "update delete a.corp.example A 192.0.2.1") == ""
    assert served.short("a.corp.example", "A") == ["192.0.2.2"]
    assert served.nsupdate("update add a.corp.example 60 CNAME b.corp.example") == ""  # left out, as BIND does
    assert served.short("a.corp.example", "CNAME") == []
    assert served.nsupdate(f"update add {SHOP} 60 A 192.0.2.9") == ""
    assert served.short(SHOP, "CNAME") == ["shop-home.corp.example."]
    assert served.nsupdate("update delete corp.example", "update delete corp.example NS",
                           "update add mail.corp.example 60 MX 10 a.corp.example") == ""
    assert served.short("corp.example", "NS") == ["ns.corp.example."]
    assert served.short("MAIL.corp.example", "MX") == ["10 a.corp.example."]


def test_wrong_signatures_are_refused_as_bind_does(served):
    change = "update add x.corp.example 60 A 192.0.2.1"
    assert "BADKEY" in served.nsupdate(change, key=f"hmac-sha256:nobody:{SECRET}")
    assert "BADSIG" in served.nsupdate(change, key="hmac-sha256:drc-key:b3RoZXI=")
    assert "REFUSED" in served.nsupdate(change, key=None)
    late = update_with_another_clock(served, "+20m", secret=SECRET)
    assert late["code"] == "BADTIME" and "ahead of its own" in late["message"], late
    assert served.short("x.corp.example", "A") == []


def test_drc_switches_waits_and_rolls_back(served, driver):
    record = Record(served, driver, record=SHOP, type="CNAME", values=["www.shop.example"])
    assert record.query(expect=["shop-home.corp.example"])["outcome"] == "ok"
    old = record.old()
    assert record.update(old)["outcome"] == "ok"
    assert record.update(old)["outcome"] == "ok"  # again: found done
    assert record.wait_until_everywhere()["outcome"] == "ok"
    assert served.short(SHOP, "CNAME") == ["www.shop.example."]
    served.nsupdate(f"update delete {SHOP}", f"update add {SHOP} 60 CNAME other.example")
    assert "somebody has changed it" in record.restore(old)["message"]
    served.nsupdate(f"update delete {SHOP}", f"update add {SHOP} 60 CNAME www.shop.example")
    assert record.restore(old)["outcome"] == "ok"
    assert json.loads(record.old()) == {"ttl": 60, "values": ["shop-home.corp.example"]}
    many = Record(served, driver, record="many.corp.example", values=[f"192.0.2.{n}" for n in range(1, 101)])
    assert many.update("")["outcome"] == "ok"
    assert len(json.loads(many.old())["values"]) == 100  # by TCP
    assert "flags: qr aa tc" in served.dig("many.corp.example", "A", "+ignore", "+bufsize=512")
    assert Record(served, driver, record=SHOP, secret="env:DRC_OTHER_SECRET").update("")["code"] == "BADSIG"


def test_show_lists_the_records(served):
    served.nsupdate('update add a.corp.example 60 TXT "one two"')
    shown = json.loads(subprocess.run([DRC, "sandbox", "show", "--json", str(served.sandbox.directory)],
                                      capture_output=True, text=True, check=True).stdout)["records"]
    assert {"id": "a.corp.example", "state": "TXT", "detail": '"one two"', "ttl": 60} in shown
    text = subprocess.run([DRC, "sandbox", "show", str(served.sandbox.directory)], capture_output=True, text=True).stdout
    assert re.search(r"shop\.corp\.example +60  CNAME shop-home\.corp\.example\.", text)
