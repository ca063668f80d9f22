"""One record of a plan, and what the DNS provider does with it (tests/interop/aws_driver.c)."""
import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "servers"))

from aws_driver import BUILD  # noqa: E402
from bind_server import KEYS  # noqa: E402


class Record:
    """One record of a plan, and the provider's calls about it."""

    def __init__(self, dns, driver, record="shop.corp.example", type="A", values=("192.0.2.99",), ttl=30, key="drc-key",
                 zone="corp.example", server=None, secret="env:DRC_TSIG_SECRET", algorithm=None):
        self.driver = driver
        self.place = {"zone": zone, "server": server or dns.server, "record": record, "type": type}
        self.change = {"ttl": ttl, "values": list(values)}
        if key:
            self.change.update(tsig_name=key, tsig_secret=secret,
                               tsig_algorithm=algorithm or KEYS.get(key, "hmac-sha256"))

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


def update_with_another_clock(dns, shift, secret):
    """An update by a provider whose clock is wrong; its result."""
    call = {"action": "update-record", "node": "n", "inputs": {
        "zone": "corp.example", "server": dns.server, "record": "shop.corp.example", "type": "A", "ttl": 30,
        "values": ["192.0.2.99"], "old": '{"ttl":60,"values":["192.0.2.10"]}', "tsig_name": "drc-key",
        "tsig_algorithm": "hmac-sha256", "tsig_secret": "env:DRC_TSIG_SECRET"}}
    done = subprocess.run(["faketime", "-f", shift, BUILD / "tests/interop/aws_driver"],
                          input=json.dumps({"do": "start", "calls": [call]}) + "\n", capture_output=True,
                          text=True, timeout=60, env={"DRC_TSIG_SECRET": secret, "PATH": "/usr/bin:/bin",
                                                      "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    return json.loads(done.stdout)[0]
