"""boto3 against Route 53 and the target groups of `drc sandbox serve`."""
import pathlib
import sys

import botocore.exceptions
import pytest
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "servers"))
from sandbox_boto3 import PLAN, SPEED, Served  # noqa: E402

GROUP = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/73e2d6bc24d8a067"


@pytest.fixture
def served(tmp_path):
    server = Served(tmp_path / "served")
    yield server
    server.stop()


def change(route53, zone, *changes):
    return route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [
        {"Action": action, "ResourceRecordSet": {
            "Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": v} for v in values]}}
        for action, name, kind, ttl, values in changes]})["ChangeInfo"]


def test_zone_and_records(served):
    route53 = served.client("route53")
    made = route53.create_hosted_zone(Name="lab.example", CallerReference="1")
    zone = made["HostedZone"]["Id"]
    assert zone.startswith("/hostedzone/Z") and made["ChangeInfo"]["Status"] == "INSYNC"
    assert [z["Id"] for z in route53.list_hosted_zones_by_name(DNSName="lab.example")["HostedZones"]][:1] == [zone]
    info = change(route53, zone, ("CREATE", "*.lab.example", "A", 60, ["192.0.2.2", "192.0.2.1"]),
                  ("UPSERT", "txt.lab.example.", "TXT", 5, ['"say \\"hi\\"" "again"']))
    assert info["Status"] == "PENDING"
    waiter = route53.get_waiter("resource_record_sets_changed")
    waiter.config.delay = 15 / SPEED
    waiter.wait(Id=info["Id"])
    pages = route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone, PaginationConfig={"PageSize": 1})
    sets = [s for page in pages for s in page["ResourceRecordSets"]]
    assert [(s["Name"], s["Type"]) for s in sets] == [
        ("lab.example.", "NS"), ("lab.example.", "SOA"), ("\\052.lab.example.", "A"), ("txt.lab.example.", "TXT")]
    assert sets[3]["ResourceRecords"] == [{"Value": '"say \\"hi\\"" "again"'}]
    change(route53, zone, ("DELETE", "*.lab.example", "A", 60, ["192.0.2.1", "192.0.2.2"]),
           ("CREATE", "*.lab.example", "A", 30, ["10.0.0.1"]))


def test_refusals(served):
    route53 = served.client("route53")
    zone = route53.create_hosted_zone(Name="lab.example", CallerReference="1")["HostedZone"]["Id"]
    change(route53, zone, ("CREATE", "www.lab.example", "A", 60, ["192.0.2.1"]))
    with pytest.raises(route53.exceptions.InvalidChangeBatch, match="values provided do not match"):
        change(route53, zone, ("DELETE", "www.lab.example", "A", 61, ["192.0.2.1"]))
    with pytest.raises(route53.exceptions.InvalidChangeBatch, match="already exists"):
        change(route53, zone, ("CREATE", "www.lab.example", "A", 60, ["192.0.2.1"]))
    with pytest.raises(route53.exceptions.NoSuchHostedZone):
        route53.list_resource_record_sets(HostedZoneId="ZNONE")
    with pytest.raises(route53.exceptions.NoSuchChange):
        route53.get_change(Id="CNONE")
    with pytest.raises(botocore.exceptions.ClientError, match="SignatureDoesNotMatch"):
        served.client("route53", secret="wrong").list_hosted_zones()


def test_zones_of_another_account(served):
    route53 = served.client("route53")
    zone = route53.create_hosted_zone(Name="lab.example", CallerReference="1")["HostedZone"]["Id"]
    keys = served.client("sts").assume_role(RoleArn="arn:aws:iam::444455556666:role/dns",
                                            RoleSessionName="dns")["Credentials"]
    other = served.client("route53", keys["SecretAccessKey"], keys["SessionToken"], keys["AccessKeyId"])
    assert zone not in [z["Id"] for z in other.list_hosted_zones()["HostedZones"]]
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        other.list_resource_record_sets(HostedZoneId=zone)


def test_target_group(tmp_path, monkeypatch):
    plan = yaml.safe_load(PLAN)
    for vm in plan["vms"].values():
        vm["target_groups"] = {"production": [GROUP]}
    monkeypatch.setattr("sandbox_boto3.PLAN", yaml.safe_dump(plan, sort_keys=False))
    served = Served(tmp_path / "served")
    try:
        elb = served.client("elbv2")
        group = elb.describe_target_groups(TargetGroupArns=[GROUP])["TargetGroups"][0]
        assert group["TargetType"] == "instance" and len(group["LoadBalancerArns"]) == 1
        with pytest.raises(elb.exceptions.TargetGroupNotFoundException):
            elb.describe_target_groups(TargetGroupArns=[GROUP + "0"])
        subnet = plan["networks"]["production"]["subnets"]
        made = served.client("ec2").run_instances(
            ImageId="ami-0c000000000000001", MinCount=1, MaxCount=1, InstanceType="m6i.large",
            SubnetId=next(iter(subnet.values()))["id"])["Instances"][0]["InstanceId"]
        waiter = served.client("ec2").get_waiter("instance_running")
        waiter.config.delay = 15 / SPEED
        waiter.wait(InstanceIds=[made])
        elb.register_targets(TargetGroupArn=GROUP, Targets=[{"Id": made}])
        waiter = elb.get_waiter("target_in_service")
        waiter.config.delay = 15 / SPEED
        waiter.wait(TargetGroupArn=GROUP)
        elb.deregister_targets(TargetGroupArn=GROUP, Targets=[{"Id": made}])
        health = elb.describe_target_health(TargetGroupArn=GROUP)["TargetHealthDescriptions"]
        assert [h["TargetHealth"]["State"] for h in health] in ([], ["draining"])
    finally:
        served.stop()
