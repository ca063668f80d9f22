"""The DNS provider against BIND 9: what is switched, refused, restored and waited for, as dig sees it on the
primary and on the secondary."""
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "servers"))

from aws_driver import Driver  # noqa: E402
from bind_server import KEYS, OTHER_SECRET, SECRET, BindServer  # noqa: E402
from dns_record import Record, update_with_another_clock  # noqa: E402

SHOP = "shop.corp.example"


@pytest.fixture(scope="module")
def bind(tmp_path_factory):
    with BindServer(tmp_path_factory.mktemp("bind")) as server:
        yield server


@pytest.fixture
def driver():
    driver = Driver({"DRC_TSIG_SECRET": SECRET, "DRC_OTHER_SECRET": OTHER_SECRET})
    yield driver
    driver.stop()


@pytest.fixture(autouse=True)
def zones_as_ever(bind):
    yield
    bind.nsupdate("zone corp.example", f"update delete {SHOP}", f"update add {SHOP} 60 A 192.0.2.10",
                  "update delete new.corp.example")


def test_a_switch_and_its_rollback_are_seen_on_primary_and_secondary(bind, driver):
    record = Record(bind, driver)
    old = record.old()
    assert json.loads(old) == {"ttl": 60, "values": ["192.0.2.10"]}
    assert record.update(old)["outcome"] == "ok"
    assert record.wait_until_everywhere()["outcome"] == "ok"
    for at in ("127.0.0.1", "127.0.0.2"):
        assert bind.dig(SHOP, "A", at) == ["192.0.2.99"]
    assert bind.ttl(SHOP, "A") == 30
    assert record.restore(old)["outcome"] == "ok"
    assert bind.dig(SHOP, "A") == ["192.0.2.10"] and bind.ttl(SHOP, "A") == 60


@pytest.mark.parametrize("key", [key for key in KEYS if key != "drc-none"])
def test_every_algorithm_signs_and_is_verified(bind, driver, key):
    record = Record(bind, driver, key=key)
    assert record.update(record.old())["outcome"] == "ok"
    assert bind.dig(SHOP, "A") == ["192.0.2.99"]


def test_what_somebody_else_wrote_meanwhile_is_left(bind, driver):
    record = Record(bind, driver)
    old = record.old()
    assert bind.nsupdate("zone corp.example", f"update delete {SHOP} A",
                         f"update add {SHOP} 60 A 203.0.113.5").returncode == 0
    answer = record.update(old)
    assert answer["outcome"] == "fatal"
    assert "is 203.0.113.5 (ttl 60): somebody has changed it since the run read 192.0.2.10" in answer["message"]
    assert bind.dig(SHOP, "A") == ["203.0.113.5"]


def test_a_rollback_leaves_what_somebody_else_wrote_since(bind, driver):
    record = Record(bind, driver)
    old = record.old()
    assert record.update(old)["outcome"] == "ok"
    bind.nsupdate("zone corp.example", f"update add {SHOP} 60 A 203.0.113.5")
    answer = record.restore(old)
    assert answer["outcome"] == "fatal"
    assert "somebody has changed it since the run wrote 192.0.2.99" in answer["message"]
    assert "before the run it was 192.0.2.10 (ttl 60)" in answer["help"]
    assert bind.dig(SHOP, "A") == ["192.0.2.99", "203.0.113.5"]


def test_an_update_that_is_sent_again_is_done_once(bind, driver):
    record = Record(bind, driver)
    old = record.old()
    assert [record.update(old)["outcome"] for _ in range(3)] == ["ok"] * 3
    assert record.look_up(old)["outcome"] == "ok"
    assert [record.restore(old)["outcome"] for _ in range(3)] == ["ok"] * 3
    assert record.look_up(old)["outcome"] == "absent"
    assert bind.dig(SHOP, "A") == ["192.0.2.10"]


def test_the_plan_says_what_it_expects(bind, driver):
    record = Record(bind, driver)
    assert record.query(expect=["192.0.2.10"])["outcome"] == "ok"
    answer = record.query(expect=["192.0.2.11", "192.0.2.10"])
    assert answer["outcome"] == "fatal"
    assert "is 192.0.2.10 (ttl 60), and the plan expects 192.0.2.11, 192.0.2.10" in answer["message"]


def test_a_record_that_was_not_there_goes_with_the_rollback(bind, driver):
    record = Record(bind, driver, record="new.corp.example", values=["192.0.2.1", "192.0.2.2"])
    assert record.old() == ""
    assert record.update("")["outcome"] == "ok"
    assert bind.dig("new.corp.example", "A") == ["192.0.2.1", "192.0.2.2"]
    assert record.restore("")["outcome"] == "ok"
    assert bind.dig("new.corp.example", "A") == []


def test_where_nothing_was_expected_nothing_is_overwritten(bind, driver):
    record = Record(bind, driver)
    answer = record.update("")
    assert answer["outcome"] == "fatal" and "since the run read no A record" in answer["message"]
    assert bind.dig(SHOP, "A") == ["192.0.2.10"]


@pytest.mark.parametrize("name, type, values, seen", [
    ("six", "AAAA", ["2001:DB8::0:9", "2001:db8::8"], ["2001:db8::8", "2001:db8::9"]),
    ("alias", "CNAME", ["New.second.example."], ["New.second.example."]),
    ("text", "TXT", ['say "no"; grüße', "x" * 300],
     ['"say \\"no\\"; gr\\195\\188\\195\\159e"', '"' + "x" * 255 + '" "' + "x" * 45 + '"']),
    ("many", "A", [f"192.0.2.{n}" for n in range(1, 100)], sorted(f"192.0.2.{n}" for n in range(1, 100))),
    ("@", "TXT", ["v=apex"], ['"v=apex"']),
])
def test_every_type_is_switched_and_put_back_as_it_was(bind, driver, name, type, values, seen):
    full = "corp.example" if name == "@" else f"{name}.corp.example"
    before = bind.dig(full, type, "127.0.0.1", "+tcp")
    record = Record(bind, driver, record=full.upper(), type=type, values=values)
    old = record.old()
    assert record.update(old)["outcome"] == "ok"
    assert bind.dig(full, type, "127.0.0.1", "+tcp") == seen
    assert record.wait_until_everywhere()["outcome"] == "ok"
    assert record.look_up(old)["outcome"] == "ok"
    answer = record.restore(old)
    assert answer["outcome"] == "ok", answer
    assert bind.dig(full, type, "127.0.0.1", "+tcp") == before


def test_a_cname_stands_alone(bind, driver):
    beside = Record(bind, driver, record="alias.corp.example").query()
    assert beside["outcome"] == "fatal" and "is a CNAME for old.corp.example" in beside["message"]
    onto = Record(bind, driver, type="CNAME", values=["www.second.example"])
    answer = onto.query()
    assert answer["outcome"] == "fatal" and "has a record of type A already" in answer["message"]
    # BIND answers NOERROR to a CNAME beside others and leaves it out: the prerequisite has to refuse it
    answer = onto.update("")
    assert answer["outcome"] == "fatal" and answer["code"] == "YXDOMAIN", answer
    assert bind.dig(SHOP, "A") == ["192.0.2.10"]
    other = Record(bind, driver, record="alias.corp.example").update("")
    assert other["outcome"] == "fatal" and "is a CNAME" in other["message"]


def test_signatures_that_bind_does_not_take(bind, driver):
    record = Record(bind, driver, key="nobody")
    answer = record.update(record.old())
    assert answer["outcome"] == "fatal" and answer["code"] == "BADKEY"
    assert "knows no TSIG key nobody" in answer["message"]
    answer = Record(bind, driver, algorithm="hmac-sha512").update(record.old())
    assert answer["code"] == "BADKEY"
    answer = Record(bind, driver, secret="env:DRC_OTHER_SECRET").update(record.old())
    assert answer["code"] == "BADSIG" and "another secret" in answer["message"]
    assert OTHER_SECRET not in json.dumps(answer)
    answer = Record(bind, driver, key="drc-none").update(record.old())
    assert answer["code"] == "REFUSED" and "grant drc-none name shop.corp.example A" in answer["help"]
    answer = Record(bind, driver, key=None, secret=None).update(record.old())
    assert answer["code"] == "REFUSED"
    assert bind.dig(SHOP, "A") == ["192.0.2.10"]


def test_a_clock_that_is_wrong_is_told(bind):
    for shift, words in (("+20m", "ahead of its own"), ("-20m", "behind its own")):
        answer = update_with_another_clock(bind, shift, secret=SECRET)
        assert answer["outcome"] == "fatal" and answer["code"] == "BADTIME", answer
        assert words in answer["message"]
        apart = int(answer["message"].split("ours is ")[1].split()[0])
        assert 1190 <= apart <= 1210
    assert bind.dig(SHOP, "A") == ["192.0.2.10"]


def test_zones_and_names_that_are_not_there(bind, driver):
    answer = Record(bind, driver, zone="nowhere.example", record="www.nowhere.example").query()
    assert answer["outcome"] == "fatal" and answer["code"] == "REFUSED"
    answer = Record(bind, driver, zone="nowhere.example", record="www.nowhere.example").update("")
    assert answer["outcome"] == "fatal" and answer["code"] == "NOTAUTH"
    answer = Record(bind, driver, record="www.second.example").update("")
    assert answer["outcome"] == "fatal" and answer["code"] == "NOTZONE"
    answer = Record(bind, driver, record="www.child.corp.example").query()
    assert answer["outcome"] == "fatal" and "lies in another zone" in answer["message"]
    answer = Record(bind, driver, server=f"127.0.0.2:{bind.port}").update(
        '{"ttl":60,"values":["192.0.2.10"]}')  # the secondary takes none
    assert answer["outcome"] == "fatal" and answer["code"] in ("NOTAUTH", "REFUSED", "NOTIMP", "BADKEY"), answer


def test_a_server_that_lags_is_told_by_name(bind, driver):
    record = Record(bind, driver)
    old = record.old()
    bind.pause("secondary")
    try:
        assert record.update(old)["outcome"] == "ok"
        answer = record.wait()
        assert answer["outcome"] == "pending"
        assert answer["message"] == "ns2.corp.example (127.0.0.2) does not answer"
    finally:
        bind.go_on("secondary")
    assert record.wait_until_everywhere()["outcome"] == "ok"
    assert bind.dig(SHOP, "A", "127.0.0.2") == ["192.0.2.99"]


def test_a_silent_server_leaves_the_update_in_doubt_and_it_is_found_out(bind, driver):
    record = Record(bind, driver)
    old = record.old()
    bind.pause("primary")
    try:
        answer = record.update(old)
        assert answer["outcome"] == "unknown" and "does not answer" in answer["message"]
        assert "dig @127.0.0.1" in answer["help"]
    finally:
        bind.go_on("primary")
    # what has arrived meanwhile is carried out once, whoever sends it again
    assert record.update(old)["outcome"] == "ok"
    assert bind.dig(SHOP, "A") == ["192.0.2.99"]


def test_a_server_that_is_not_there(bind, driver):
    from bind_server import free_port
    answer = Record(bind, driver, server=f"127.0.0.1:{free_port()}").query()
    assert answer["outcome"] == "retry" and "connection refused" in answer["message"]


def test_checks_ask_the_runners_resolver(bind):
    driver = Driver({"DRC_RESOLVER": bind.server})
    try:
        def check(name, value):
            return driver.call("poll", "check-dns", record=name, value=value, interval_ms=100)
        assert check(SHOP, "192.0.2.10")["outcome"] == "ok"
        assert check("many.corp.example", "192.0.2.2")["outcome"] == "ok"
        assert check("alias.corp.example", "old.corp.example")["outcome"] == "ok"
        answer = check(SHOP, "192.0.2.99")
        assert answer["outcome"] == "pending" and "is 192.0.2.10 (ttl 60), not 192.0.2.99" in answer["message"]
        assert "is no name that exists" in check("nowhere.corp.example", "192.0.2.1")["message"]
    finally:
        driver.stop()
