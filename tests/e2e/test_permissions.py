"""The policies of drc plan permissions, enforced by an IAM in front of the sandbox (iam.py, which knows nothing
of drc's tables): each workflow passes with its own, and needs all of it."""
import json
import os
import re
import shutil

import pytest

from e2e_drc import ROOT
from iam import Guard, Policies
from served import Served

# Allowed, though no run here has occasion for it: "permission of Sid" -> why it is in the policy.
SELDOM = {
    "ec2:AssociateAddress of ChangeCards": "EC2 may ask about the card that the address goes to",
    "ec2:ModifyInstanceAttribute of ChangeVolumes": "EC2 may ask about the volumes of the mapping",
    "ssm:GetCommandInvocation of LookInRegion": "the output of a command that failed",
    "ssm:ListCommands of LookInRegion": "a command whose answer was lost",
    "ec2:DescribeAddresses of LookInRegion": "an association whose answer was lost",
    "ec2:DescribeImages of LookInRegion": "an image whose answer was lost; orphans",
    "ec2:StopInstances of ChangeInstances": "drc run rollback --stop",
    "ec2:DescribeVolumes of LookInRegion": "what is left of a run whose state is lost",
    "s3:DeleteObject of KeepState": "a decision (drc run approve) that no run took is taken back",
    # EBS asks for these itself, for its caller.
    **{f"kms:{operation} of UseKeyForBlocks": "encrypted snapshots" for operation in
       ("GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "Decrypt", "ReEncryptFrom", "ReEncryptTo")},
    "kms:CreateGrant of GrantKey": "encrypted snapshots",
}
PARTS = {  # of plans for the tests below
    "network": """\
  test:
    vpc: vpc-0b000000000000001
    subnets:
      app: {id: subnet-0b00000000000000a, cidr: 10.99.1.0/24, zone: eu-west-1a}
    security_groups: {web: sg-0b000000000000001}
""",
}


def policies(drc, plan, workflow, *words):
    """As IAM would take them: parsed from what is printed."""
    text = drc("plan", "permissions", plan, workflow, *words).out.strip()
    documents = []
    while text:
        document, end = json.JSONDecoder().raw_decode(text)
        text = text[end:].lstrip()
        documents.append(document)
        assert len(json.dumps(document, separators=(",", ":"))) <= 6144
    return Policies(*documents)


class Guarded:
    """drc, a served sandbox, and between them IAM with the policy of a workflow."""

    def __init__(self, drc, served, workflow, *words):
        self.drc, self.served = drc, served
        self.policies = policies(drc, served.plan, workflow, *words)
        self.guard = Guard(served.port, self.policies)

    def __call__(self, *words, status=0):
        return self.drc(*words, status=status, **self.served.environment(self.guard.endpoint))

    def needs_all(self, *seldom_here):
        """Nothing was refused, and nothing is allowed that was not needed."""
        assert self.guard.refused == []
        idle = {f"{action} of {sid}" for sid, action in self.policies.pairs() - self.guard.needed}
        assert idle - SELDOM.keys() - set(seldom_here) == set()


def serve(drc, folder, edit=lambda text: text, *flags):
    """A sandbox for the plan of served.py after `edit`."""
    served = Served(drc, folder, *flags)
    served.plan.write_text(edit(served.plan.read_text()))
    if edit:
        shutil.rmtree(served.directory)
        drc("sandbox", "init", served.directory, served.plan, "--seed", 7, "--speed", 100, *flags)
    return served


def test_failover_rollback_and_commit(drc, tmp_path):
    with Served(drc, tmp_path) as served:
        run = Guarded(drc, served, "failover")
        with run.guard:
            run("plan", "facts", served.plan, "failover")
            run("plan", "apply", served.plan, "failover", "--dry-run=live", status=2)  # vCenter is not asked
            run("plan", "apply", served.plan, "failover", "--yes")
            run("run", "rollback", "--yes")
            run("plan", "apply", served.plan, "failover", "--yes")
            run("run", "commit", "--yes")
        run.needs_all()


def test_failover_by_image_with_profiles_keys_and_cards(drc, tmp_path):
    def edit(text):
        text = text.replace("      conversion:", "      boot: image\n      conversion:\n        inject: never")
        text = text.replace("defaults: {", "defaults: {iam_profile: dr-instance, key_name: dr, ")
        text = text.replace("security_groups: [web], ", "", 1)
        return text.replace("    elastic_ip:", "    nics: [{subnet: app}, {subnet: app, security_groups: [web]}]\n"
                            "    elastic_ip:")
    with serve(drc, tmp_path, edit) as served:
        run = Guarded(drc, served, "failover")
        with run.guard:
            run("plan", "apply", served.plan, "failover", "--yes")
            run("run", "cleanup", "--yes")
        run.needs_all("ec2:CreateTags of Commit",  # see above
                      "ec2:DeleteVolume of ChangeVolumes")  # all go with their instances
        assert ("ChangeCards", "ec2:AssociateAddress") in run.guard.needed
        assert ("LaunchInDefaultGroup", "ec2:RunInstances") in run.guard.needed


def test_a_test_of_the_plan(drc, tmp_path):
    edit = lambda text: text.replace("defaults:", PARTS["network"] + "defaults:", 1)
    with serve(drc, tmp_path, edit) as served:
        run = Guarded(drc, served, "test")
        with run.guard:
            run("plan", "apply", served.plan, "test", "--yes", "--auto-cleanup=30s")
            run("run", "orphans", served.plan)
        run.needs_all()


REPLICATION = """\
state: s3://acme-dr/state
backup: {every: 10m, repository: "s3://acme-dr/shop/backup"}
replication: {every: 10m, keep: 1}
"""


def test_replicate_with_state_and_repository_in_s3(drc, tmp_path):
    def edit(text):
        head, _, _ = text.partition("  app:\n    source:")
        return (head.replace("sites:", REPLICATION + "sites:", 1).replace("\n    volumes: {1: {type: gp3}}", "")
                .replace("      conversion:", "      kms_key: alias/dr\n      conversion:"))
    repository = "s3://acme-dr/shop/backup"
    disk = tmp_path / "disk.raw"
    with serve(drc, tmp_path, edit, "--no-copies") as served:
        run = Guarded(drc, served, "replicate")
        with run.guard:
            for turn in range(2):
                disk.write_bytes(os.urandom(1 << 20))
                run("repo", "import", repository, "--region", "eu-west-1", "--plan", "shop", "--vm", "db", "--cpus", 2,
                    "--memory", "4GiB", "--firmware", "bios", "--os", "linux", "--arch", "x86_64",
                    "--recovery-point", f"2026-11-2{turn}T10:00:00Z", disk)
                run("plan", "apply", served.plan, "replicate", "--yes")
            run("rpo", served.plan, status=None)
            run("run", "cleanup", "--yes", "--state", "s3://acme-dr/state", "--region", "eu-west-1")
            run("repo", "verify", repository, "--region", "eu-west-1", "--copies")
            run("repo", "prune", repository, "--region", "eu-west-1", "--keep-last", 1, "--yes")
        run.needs_all()


def test_what_is_not_the_plans_is_refused(drc, tmp_path):
    """The policy itself, against what somebody with the runner's keys might try."""
    with Served(drc, tmp_path) as served:
        allowed = policies(drc, served.plan, "failover")
    ec2 = "arn:aws:ec2:eu-west-1:111122223333"
    own, other = {"aws:ResourceTag/drc:plan": "shop"}, {"aws:ResourceTag/drc:plan": "erp"}
    for action, resource in [("ec2:TerminateInstances", f"{ec2}:instance/i-1"), ("ec2:DeleteVolume", f"{ec2}:volume/vol-1"),
                             ("ec2:CreateTags", "arn:aws:ec2:eu-west-1::snapshot/snap-1")]:
        assert allowed.allowing(action, resource, own)
        assert not allowed.allowing(action, resource, other) and not allowed.allowing(action, resource, {})
    run = {"aws:RequestTag/drc:plan": "shop"}
    assert allowed.allowing("ec2:RunInstances", f"{ec2}:instance/new", run)
    assert not allowed.allowing("ec2:RunInstances", f"{ec2}:instance/new", {})
    profile = {"ec2:InstanceProfile": "arn:aws:iam::111122223333:instance-profile/admin"}
    assert not allowed.allowing("ec2:RunInstances", f"{ec2}:instance/new", run | profile)
    assert not allowed.allowing("iam:PassRole", "arn:aws:iam::111122223333:role/admin",
                                {"iam:PassedToService": "ec2.amazonaws.com"})
    assert not allowed.allowing("ec2:RunInstances", f"{ec2}:subnet/subnet-1", {})
    # Tags come with what is made: nobody's instance is made the plan's.
    assert not allowed.allowing("ec2:CreateTags", f"{ec2}:instance/i-1", run)
    assert allowed.allowing("ec2:CreateTags", f"{ec2}:instance/i-1", run | {"ec2:CreateAction": "RunInstances"})
    assert not allowed.allowing("ec2:DeleteTags", "arn:aws:ec2:eu-west-1::snapshot/snap-1",
                                own | {"aws:TagKeys": ["drc:plan"]})
    assert not allowed.allowing("ec2:DescribeInstances", "*", {"aws:RequestedRegion": "us-east-1"})
    assert not any("*" in action for _, action in allowed.pairs())


@pytest.mark.parametrize("lacking", ["ec2:DescribeSnapshots", "ec2:CreateVolume", "ec2:AttachVolume"])
def test_what_is_lacking_is_told(drc, tmp_path, lacking):
    with Served(drc, tmp_path) as served:
        run = Guarded(drc, served, "failover")
        run.guard.policies = run.policies.without(lacking)
        with run.guard:
            told = run("plan", "apply", served.plan, "failover", "--yes", status=1).err
        assert {action for action, _ in run.guard.refused} == {lacking}
        assert lacking.partition(":")[2] in told and "UnauthorizedOperation" in told
        assert "drc plan permissions" in told


# Calls of the client that no policy is asked about, or that are not drc's to be allowed.
NO_PERMISSION = {
    "GetCallerIdentity": "needs none",
    "AssumeRoleWithWebIdentity": "needs none: the token says who",
    "GetRoleCredentials": "of IAM Identity Center, by its own token",
    "ListChangedBlocks": "of failback, which is not built yet",
    "ListObjectsV2": "as s3:ListBucket",
}


def test_every_call_of_the_client_is_in_a_table():
    """Whatever runtime/aws calls stands in action.def or permission.def."""
    tables = "".join((ROOT / "compiler" / path).read_text()
                     for path in ("graph/action.def", "permissions/permission.def"))
    known = set(re.findall(r'"[a-z0-9]+:([A-Z]\w+)"', tables))
    verbs = ("Describe|Get|List|Start|Put|Send|Assume|Create|Delete|Run|Stop|Terminate|Attach|Detach|Modify|"
             "Register|Deregister|Associate|Complete|Change")
    called = set()
    for path in sorted((ROOT / "runtime" / "aws").glob("*.c")):
        called |= set(re.findall(rf'"((?:{verbs})[A-Z]\w+)"', path.read_text()))
    lists = {"ListBucketResult", "ChangedBlocks"}  # names in answers
    assert len(called) > 40
    assert called - known - NO_PERMISSION.keys() - lists == set()


def test_scripts_on_instances(drc, tmp_path):
    """By SSM, on this plan's instances: nobody else's."""
    (tmp_path / "point.sh").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "point.sh").chmod(0o755)

    def edit(text):
        return text.replace("    private_ip: 10.20.1.10\n",
                            "    iam_profile: dr-instance\n    post_boot: [{script: point.sh, run_on: instance}]\n")
    with serve(drc, tmp_path, edit) as served:
        run = Guarded(drc, served, "failover")
        with run.guard:
            run("plan", "apply", served.plan, "failover", "--yes")
            run("run", "cleanup", "--yes")
        run.needs_all("ec2:CreateTags of Commit")
        assert ("CommandInstances", "ssm:SendCommand") in run.guard.needed


ZONES = """\
dns:
  shop.example: {provider: route53, zone_id: Z0000000000000000001}
  other.example: {provider: route53}
"""


def test_dns_and_target_groups(drc, tmp_path):
    def edit(text):
        text = text.replace("defaults:", ZONES + "defaults:", 1)
        return text + """\
    target_groups:
      production: ["arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/0123456789abcdef"]
    post_boot:
      - dns: {zone: shop.example, record: www, type: A, ttl: 60, values: ["${self.address}"]}
      - dns: {zone: other.example, record: www, type: A, ttl: 60, values: ["${self.address}"]}
"""
    with serve(drc, tmp_path, edit) as served:
        run = Guarded(drc, served, "failover")
        with run.guard:
            run("plan", "apply", served.plan, "failover", "--yes")
            run("run", "rollback", "--yes")
        run.needs_all("ec2:CreateTags of Commit",
                      "elasticloadbalancing:DeregisterTargets of ChangeTargets")  # ELB drops what is terminated
        assert {("ChangeRecords", "route53:ChangeResourceRecordSets"), ("FindZones", "route53:ListHostedZonesByName"),
                ("ChangeTargets", "elasticloadbalancing:RegisterTargets")} <= run.guard.needed


def test_the_command(drc, tmp_path):
    """Several policies become several files, each said whose; what cannot be is told."""
    told = drc("plan", "permissions", ROOT / "examples" / "reference" / "plan.yaml", "failover",
               "-o", tmp_path / "policy.json").err
    for number, name in enumerate(["policy.json", "policy-2.json", "policy-3.json"], 1):
        assert json.loads((tmp_path / name).read_text())["Version"] == "2012-10-17"
        assert f"policy {number} of 3, {tmp_path / name}: " in told
    assert "for the runner" in told and "for arn:aws:iam::444455556666:role/dns" in told
    assert "iam:PassRole names the roles as their instance profiles" in told
    graph = tmp_path / "graph.json"
    drc("plan", "compile", "plans/shop", "failover", "-o", graph)
    told = drc("plan", "permissions", graph, "failover", status=1).err
    assert "is a compiled graph" in told and "give the plan" in told
    told = drc("plan", "permissions", "plans/shop", "failover", "--format", "yaml", status=1).err
    assert 'no format "yaml"' in told and "json and markdown" in told
    assert "needs nothing in AWS" in drc("plan", "permissions", "examples/minimal.yaml", "backup", status=1).err
    state = drc.json("plan", "permissions", "plans/shop", "backup", "--state", "s3://acme-dr/state", "--json")
    assert {"ListState", "KeepState", "KeepRepository"} < {one["Sid"] for one in state["Statement"]}
    text = drc("plan", "permissions", "plans/shop", "failover", "--format", "markdown").out
    assert "### ChangeInstances\nChanges instances of this plan." in text
