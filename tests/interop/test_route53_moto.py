"""Records in Route 53 and target groups at moto, seen by boto3."""
import pytest
import yaml

from moto_world import Moto, populate

VMS = ["web", "api", "job"]
PLAN = {
    "version": 1,
    "name": "webs",
    "objectives": {"rpo": "2h", "rto": "30m"},
    "replication": {"every": "10m"},
    "sites": {"recovery": {"aws": {
        "region": "eu-west-1", "account": "111122223333", "boot": "attach",
        "placeholder_image": {"bios": "ami-0c000000000000001", "uefi": "ami-0c000000000000002"},
        "conversion": {"instances": {"eu-west-1a": "i-0f00ba40000000000"}}}}},
    "networks": {"production": {
        "vpc": "vpc-0a000000000000001",
        "subnets": {"app": {"id": "subnet-0a00000000000000a", "cidr": "10.20.1.0/24", "zone": "eu-west-1a"}},
        "security_groups": {"web": "sg-0a000000000000001"}}},
    "dns": {"shop.example": {"provider": "route53"}},
    "defaults": {"subnet": "app", "security_groups": ["web"], "instance_type": "t3.small"},
    "vms": {name: {"source": f"/DC0/vm/shop/{name}", "post_boot": [
        {"dns": {"zone": "shop.example", "record": name, "type": "A", "ttl": 60,
                 "values": ["${self.address}"], "expect": [f"192.0.2.{i + 1}"]}}]}
            for i, name in enumerate(VMS)},
}


@pytest.fixture
def moto(tmp_path):
    """moto's slip: it leaves a query (?name=…) out of the signature that it makes to compare, so that boto3's
    requests with one are refused, too. Signatures of such requests are tried in the sandbox."""
    server = Moto(tmp_path / "moto", signatures=False)
    yield server
    server.stop()


def zone_of(route53):
    zone = route53.create_hosted_zone(Name="shop.example.", CallerReference="1")["HostedZone"]["Id"]
    for i, name in enumerate(VMS):
        upsert(route53, zone, name, f"192.0.2.{i + 1}")
    return zone


def upsert(route53, zone, name, value):
    # With its dot at the end: moto compares a DELETE with what was written word for word.
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [{
        "Action": "UPSERT", "ResourceRecordSet": {
            "Name": f"{name}.shop.example.", "Type": "A", "TTL": 300, "ResourceRecords": [{"Value": value}]}}]})


def records(route53, zone):
    sets = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {s["Name"]: (s["TTL"], [r["Value"] for r in s["ResourceRecords"]]) for s in sets if s["Type"] == "A"}


def changes(moto):
    moto.log.flush()
    return moto.log_path.read_text().count("/rrset/ HTTP")


BEFORE = {f"{name}.shop.example.": (300, [f"192.0.2.{i + 1}"]) for i, name in enumerate(VMS)}


def made(moto, tmp_path, edit=None):
    source = tmp_path / "source.yaml"
    source.write_text(yaml.safe_dump(PLAN, sort_keys=False))
    return populate(moto, source, tmp_path / "plan", edit=edit)[0]


def test_switched_and_rolled_back(moto, drc, tmp_path):
    route53 = moto.client("route53")
    zone = zone_of(route53)
    path = made(moto, tmp_path)
    drc("plan", "apply", path, "failover", "--yes", timeout=300)
    after = records(route53, zone)
    assert len(after) == 3
    assert all(ttl == 60 and values[0].startswith("10.20.1.") for ttl, values in after.values())
    # One change for each record at most, fewer where they are due together; as many more set the scene.
    assert changes(moto) <= 2 * len(VMS)
    drc("run", "rollback", "--yes", timeout=300)
    assert records(route53, zone) == BEFORE


def test_a_changed_record_is_refused(moto, drc, tmp_path):
    """moto's slip: it takes a DELETE of any value that the record ever had, so that only what is refused by
    reading can be tried here; the compare-and-swap itself is tried in the sandbox (tests/e2e)."""
    route53 = moto.client("route53")
    zone = zone_of(route53)
    path = made(moto, tmp_path)
    upsert(route53, zone, "web", "198.51.100.1")
    refused = drc("plan", "apply", path, "failover", "--yes", status=None, timeout=300)
    assert refused.returncode != 0
    assert "web.shop.example A is 198.51.100.1 (TTL 300), and the plan expects 192.0.2.1" in \
        " ".join((refused.out + refused.err).split())
    assert records(route53, zone)["web.shop.example."] == (300, ["198.51.100.1"])


def test_target_group(moto, drc, tmp_path):
    zone_of(moto.client("route53"))
    elb, ec2 = moto.client("elbv2"), moto.client("ec2")

    def edit(plan):
        network = plan["networks"]["production"]
        other = ec2.create_subnet(VpcId=network["vpc"], CidrBlock="10.20.9.0/24",
                                  AvailabilityZone="eu-west-1b")["Subnet"]["SubnetId"]
        group = elb.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=network["vpc"],
                                        TargetType="instance")["TargetGroups"][0]["TargetGroupArn"]
        balancer = elb.create_load_balancer(
            Name="web", Subnets=[network["subnets"]["app"]["id"], other])["LoadBalancers"][0]["LoadBalancerArn"]
        elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80,
                            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}])
        for name in VMS:
            plan["vms"][name]["target_groups"] = {"production": [group]}

    path = made(moto, tmp_path, edit)
    group = yaml.safe_load(path.read_text())["vms"]["web"]["target_groups"]["production"][0]
    drc("plan", "apply", path, "failover", "--yes", timeout=300)
    health = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    ids = {i["InstanceId"] for r in ec2.describe_instances(
        Filters=[{"Name": "tag-key", "Values": ["drc:run"]}])["Reservations"] for i in r["Instances"]}
    assert {h["Target"]["Id"] for h in health} == ids and len(ids) == 3
    drc("run", "rollback", "--yes", timeout=300)
    assert elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"] == []
