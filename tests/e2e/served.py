"""A sandbox served over HTTP, with what a plan needs."""
import pathlib
import sys

from e2e_drc import ROOT

sys.path.insert(0, str(ROOT / "tests" / "servers"))
from sandbox_server import KEYS, SandboxServer  # noqa: E402

__all__ = ["KEYS", "PLAN", "Served"]

PLAN = """\
version: 1
name: shop
objectives: {rpo: 30m, rto: 20m}
sites:
  recovery:
    aws:
      region: eu-west-1
      account: "111122223333"
      placeholder_image: {bios: ami-0c000000000000001, uefi: ami-0c000000000000002}
      conversion:
        instances: {eu-west-1a: i-0f00ba40000000000}
networks:
  production:
    vpc: vpc-0a000000000000001
    subnets:
      app: {id: subnet-0a00000000000000a, cidr: 10.20.1.0/24, zone: eu-west-1a}
    security_groups: {web: sg-0a000000000000001}
defaults: {subnet: app, security_groups: [web], instance_type: m6i.large}
vms:
  db:
    source: /DC0/vm/shop/db01
    private_ip: 10.20.1.10
    volumes: {1: {type: gp3}}
    ready: [{instance_status: ok}]
  app:
    source: /DC0/vm/shop/app01
    depends_on: [db]
  web:
    source: /DC0/vm/shop/web01
    depends_on: [app]
    elastic_ip: {production: eipalloc-0a000000000000001}
"""


class Served(SandboxServer):
    """Of the plan above, so many times as fast as the real thing."""

    def __init__(self, drc, folder, *flags, speed=100):
        self.folder, self.drc = pathlib.Path(folder), drc
        self.plan = self.folder / "plan.yaml"
        self.plan.write_text(PLAN)
        super().__init__(self.folder / "aws", self.plan, "--seed", 7, "--speed", speed, *flags,
                         env=drc.env)

    def made(self):
        """What drc made and left, by drc sandbox show."""
        left = self.drc.json("sandbox", "show", self.directory, "--json")
        return ([i for i in left["instances"] if i.get("run") and i["state"] != "terminated"],
                [v for v in left["volumes"] if v.get("run")])
