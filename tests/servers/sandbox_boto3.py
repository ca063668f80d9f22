"""A served sandbox as boto3 and the AWS CLI see it, and what their tests ask of it."""
import os
import pathlib
import signal
import subprocess
import sys

import boto3
import botocore.config
import botocore.exceptions
import pytest

from sandbox_server import SandboxServer

REGION = "eu-west-1"
SPEED = 100  # half a minute of EC2 in 0.3 s

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
      db: {id: subnet-0a00000000000000b, cidr: 10.20.2.0/24, zone: eu-west-1a}
    security_groups: {web: sg-0a000000000000001, db: sg-0a000000000000002}
vms:
  db:
    source: /DC0/vm/shop/db01
    instance_type: r6i.xlarge
    subnet: db
    security_groups: [db]
    private_ip: 10.20.2.10
    key_name: dr
    elastic_ip: {production: eipalloc-0a000000000000001}
    volumes:
      1: {type: gp3}
"""


class Served(SandboxServer):
    """A sandbox of its own, served, as boto3 and the AWS CLI see it."""

    def __init__(self, folder, *flags):
        """flags: of `drc sandbox init`, in place of the usual ones."""
        folder.mkdir()
        plan = folder / "plan.yaml"
        plan.write_text(PLAN)
        super().__init__(folder / "sandbox", plan, *(flags or ("--seed", 7, "--speed", SPEED, "--no-throttle")))
        self.set_fault("consistency", 0)
        self.start()

    def client(self, service, secret="sandbox", token=None, key="sandbox", region=REGION, retries=0):
        config = botocore.config.Config(retries={"max_attempts": retries}, region_name=region)
        return boto3.client(service, endpoint_url=self.endpoint, aws_access_key_id=key,
                            aws_secret_access_key=secret, aws_session_token=token, config=config)

    def kill_and_start(self):
        assert self.stop(signal.SIGKILL) == -signal.SIGKILL
        self.start()

    def environment(self):
        return {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "sandbox",
                "AWS_SECRET_ACCESS_KEY": "sandbox", "AWS_DEFAULT_REGION": REGION,
                "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "AWS_PAGER": ""}

    def cli(self, *arguments):
        program = pathlib.Path(sys.executable).parent / "aws"
        return subprocess.run([sys.executable, str(program), "--endpoint-url", self.endpoint,
                               *arguments], capture_output=True, text=True, env=self.environment())


def refused(call, **arguments):
    """The code and HTTP status with which a call is refused."""
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(**arguments)
    answer = error.value.response
    assert answer["ResponseMetadata"]["RequestId"]
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def quick(waiter, **arguments):
    """boto3's waiter, at the sandbox's speed."""
    waiter.config.delay = 15 / SPEED
    waiter.wait(**arguments)
