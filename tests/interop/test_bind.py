"""The DNS provider against BIND 9: what is switched, refused, restored and waited for, as dig sees it on the
primary and on the secondary."""
import json
import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "servers"))

from aws_driver import BUILD, Driver  # noqa: E402
from bind_server import KEYS, OTHER_SECRET, SECRET, BindServer  # noqa: E402

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
    bind.nsupdate(f"zone corp.example", f"update delete {SHOP}", f"update add {SHOP} 60 A 192.0.2.10",
                  "update delete new.corp.example")


class Record:
    """One record of a plan, and the provider's calls about it."""

    def __init__(self, bind, driver, record=SHOP, type="A", values=("192.0.2.99",), ttl=30, key="drc-key",
                 zone="corp.example", server=None, secret="env:DRC_TSIG_SECRET", algorithm=None):
        self.driver = driver
        self.place = {"zone": zone, "server": server or bind.server, "record": record, "type": type}
        self.change = {"ttl": ttl, "values": list(values), "tsig_name": key, "tsig_secret": secret,
                       "tsig_algorithm": algorithm or KEYS.get(key, "hmac-sha256")}

    def query(self, **expect):
        return self.driver.call("start", "query-record", **self.place, **expect)

    def old(self):
        answer = self.query()
        assert answer["outcome"] == "ok", answer
        return answer["old"]

    def update(self, old):
        return self.driver.call("start", "update-record", **self.place, **self.change, old=old)

    def look_up(self, old):
        return self.driver.call("lookup", "update-record", **self.place, **self.change, old=old)

    def restore(self, old):
        return self.driver.call("start", "restore-record", **self.place, **self.change, old=old)

    def wait(self):
        return self.driver.call("poll", "wait-record", **self.place, values=self.change["values"],
                                interval_ms=100)

    def wait_until_everywhere(self):
        until = time.monotonic() + 20
        while (answer := self.wait())["outcome"] == "pending" and time.monotonic() < until:
            time.sleep(0.1)
        return answer


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
