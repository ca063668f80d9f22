"""The policies of drc plan permissions on an IAM that this project did not write: failover and replicate pass
with theirs, and fail without.

moto's IAM looks at actions only. Its slips, for which the policies are cut down here and not in drc: every
call is for the resource "*", which no statement that names a resource allows; a statement of the right action
whose Condition does not hold is taken for a Deny, and no condition holds, because moto gives none of their keys;
calls within a call are not checked (CreateTags of a TagSpecification, PassRole, KMS). What resources and
conditions say is held in the sandbox, by tests/e2e/test_permissions.py."""
import json
import random

import pytest

from moto_world import Moto, populate
from test_failover_moto import SHOP, attach, instances, volumes


@pytest.fixture
def moto(tmp_path):
    server = Moto(tmp_path / "moto", mended=True)
    yield server
    server.stop()


def actions_of(drc, plan, workflow):
    """What the policy allows, as a policy that moto can hold calls against."""
    text = drc("plan", "permissions", plan, workflow).out.strip()
    documents = []
    while text:
        document, end = json.JSONDecoder().raw_decode(text)
        text = text[end:].lstrip()
        documents.append(document)
    actions = set()
    for document in documents:
        for statement in document["Statement"]:
            actions |= {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])
    return actions


def allow(actions):
    return {"Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": sorted(actions), "Resource": "*"}]}


def test_failover_and_cleanup(moto, drc, tmp_path):
    path, _ = populate(moto, SHOP, tmp_path / "plan", edit=attach)
    actions = actions_of(drc, path, "failover")
    nothing = moto.make_user("nothing", [allow({"iam:GetUser"})])
    told = drc("plan", "apply", path, "failover", "--yes", status=1, **nothing).err
    assert "UnauthorizedOperation" in told or "AccessDenied" in told
    # A lack of any of these is found before anything is made, or fails the run.
    short = moto.make_user("short", [allow(actions - {"ec2:CreateVolume"})])
    told = drc("plan", "apply", path, "failover", "--yes", status=1, **short).err
    assert "CreateVolume" in told and "drc plan permissions" in told
    assert [v for v in volumes(moto.client("ec2")).values() if "drc:disk" in v["tags"]] == []
    drc("run", "cleanup", "--yes", status=None, **short)

    runner = moto.make_user("runner", [allow(actions)])
    drc("plan", "apply", path, "failover", "--yes", timeout=300, **runner)
    assert set(instances(moto.client("ec2"))) == {"db", "app", "web"}
    drc("run", "cleanup", "--yes", timeout=300, **runner)
    assert instances(moto.client("ec2")) == {}


def test_replicate(moto, drc, tmp_path):
    def edit(plan):
        attach(plan)
        plan["backup"]["repository"] = "dir:backup"
        plan["replication"]["keep"] = 1
        plan["vms"] = {"db": plan["vms"]["db"]}
        plan["vms"]["db"].pop("volumes", None)
        plan.pop("state", None)
    path, made = populate(moto, SHOP, tmp_path / "plan", edit=edit)
    for snapshot in made["snapshots"]["db"]:
        moto.client("ec2").delete_snapshot(SnapshotId=snapshot)
    actions = actions_of(drc, path, "replicate")
    disk = tmp_path / "disk.raw"
    disk.write_bytes(random.Random(1).randbytes(1 << 20))
    drc("repo", "import", f"dir:{path.parent / 'backup'}", "--plan", "shop", "--vm", "db", "--cpus", 2, "--memory",
        "4GiB", "--firmware", "bios", "--os", "linux", "--arch", "x86_64", disk)
    short = moto.make_user("short", [allow(actions - {"ebs:PutSnapshotBlock"})])
    told = drc("plan", "apply", path, "replicate", "--yes", status=1, **short).err
    assert "PutSnapshotBlock" in told and "AccessDenied" in told
    runner = moto.make_user("runner", [allow(actions)])
    drc("run", "resume", timeout=300, **runner)
    copies = moto.client("ec2").describe_snapshots(
        OwnerIds=["self"], Filters=[{"Name": "tag:drc:role", "Values": ["dr-copy"]},
                                    {"Name": "tag:drc:vm", "Values": ["db"]}])["Snapshots"]
    assert len(copies) == 1
