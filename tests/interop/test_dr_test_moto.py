"""DR tests on moto: beside a failover of the same plan; afterwards boto3 finds nothing of the test, and
everything else is as it was."""
import json
import threading

from moto_world import populate
from test_failover_moto import SHOP, attach, verify


def tagged(ec2, run):
    """Resources with the run's tags, but for instances that are terminated. Not by DescribeTags: moto's goes on
    listing tags of volumes that went with their instance."""
    own = [{"Name": "tag:drc:run", "Values": [run]}]
    found = [volume["VolumeId"] for volume in ec2.describe_volumes(Filters=own)["Volumes"]]
    found += [one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"], Filters=own)["Snapshots"]]
    found += [one["ImageId"] for one in ec2.describe_images(Owners=["self"], Filters=own)["Images"]]
    for reservation in ec2.describe_instances(Filters=own)["Reservations"]:
        found += [one["InstanceId"] for one in reservation["Instances"] if one["State"]["Name"] != "terminated"]
    held = [{"Name": "tag-key", "Values": [f"drc:hold:{run}"]}]
    return found + [one["SnapshotId"] for one in ec2.describe_snapshots(Filters=held)["Snapshots"]]


def everything(ec2):
    """What there is, by what a test could change of it."""
    state = {}
    for page in ec2.get_paginator("describe_instances").paginate():
        for reservation in page["Reservations"]:
            for one in reservation["Instances"]:
                if one["State"]["Name"] != "terminated":
                    state[one["InstanceId"]] = (one["State"]["Name"], sorted(
                        (m["DeviceName"], m["Ebs"]["VolumeId"]) for m in one["BlockDeviceMappings"]))
    for volume in ec2.describe_volumes()["Volumes"]:
        state[volume["VolumeId"]] = (volume["State"], str(volume.get("Tags")))
    for snapshot in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
        state[snapshot["SnapshotId"]] = (snapshot["State"], sorted(map(str, snapshot.get("Tags", []))))
    for one in ec2.describe_images(Owners=["self"])["Images"]:
        state[one["ImageId"]] = one["State"]
    for address in ec2.describe_addresses()["Addresses"]:
        state[address["AllocationId"]] = address.get("InstanceId")
    return state


def test_leaves_nothing(moto, drc, tmp_path):
    path, _ = populate(moto, SHOP, tmp_path / "plan", edit=attach)
    ec2 = moto.client("ec2")
    before = everything(ec2)
    done = drc("plan", "apply", path, "test", "--yes", "--auto-cleanup=2s", timeout=300)
    assert " passed after " in done.out and "nothing of it is left" in done.out
    run = drc.json("run", "list", "--json")[0]
    assert tagged(ec2, run["run"]) == []
    assert everything(ec2) == before
    drc("run", "orphans", path)


def without_conversion(plan):
    """moto's slip: it lets two runs attach volumes of theirs as the same device of the conversion instance, and
    forgets the first; EC2 and the sandbox refuse the second, which then takes another device."""
    plan["sites"]["recovery"]["aws"]["conversion"] = {"inject": "never"}
    attach(plan)


def test_beside_a_failover(moto, drc, tmp_path):
    path, made = populate(moto, SHOP, tmp_path / "plan", edit=without_conversion)
    ec2 = moto.client("ec2")
    results = {}

    def run(workflow, *more):
        results[workflow] = drc("plan", "apply", path, workflow, "--yes", *more, status=None, timeout=300)

    threads = [threading.Thread(target=run, args=args) for args in (("failover",), ("test", "--auto-cleanup=2s"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [done.returncode for done in results.values()] == [0, 0], [done.err for done in results.values()]
    runs = {run["workflow"]: run["run"] for run in drc.json("run", "list", "--json")}
    assert tagged(ec2, runs["test"]) == []
    verify(moto, path, made, drc.json("run", "report", runs["failover"], "--json"))
    places = json.loads((tmp_path / "state" / "shop" / "production.json").read_text())["vms"]
    assert {place["run"] for place in places} == {runs["failover"]}
    standing = everything(ec2)
    drc("plan", "apply", path, "test", "--yes", "--auto-cleanup=2s", timeout=300)
    assert everything(ec2) == standing


def test_a_network_that_is_peered_and_routed_to_production(moto, drc, tmp_path):
    import yaml
    path, _ = populate(moto, SHOP, tmp_path / "plan", edit=attach)
    networks = yaml.safe_load(path.read_text())["networks"]
    ec2 = moto.client("ec2")

    def told():
        done = drc("plan", "apply", path, "test", "--dry-run=live", status=None, timeout=120)
        return " ".join(done.err.split())

    assert "production's" not in told()
    test, production = networks["test"]["vpc"], networks["production"]["vpc"]
    peering = ec2.create_vpc_peering_connection(VpcId=test, PeerVpcId=production)["VpcPeeringConnection"]
    peering = peering["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
    assert f"it is peered with production's {production} ({peering})" in told()
    table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [test]}])["RouteTables"][0]
    ec2.create_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="10.0.0.0/8",
                     VpcPeeringConnectionId=peering)
    text = told()
    assert f"{table['RouteTableId']} leads 10.0.0.0/8, which is production's subnet" in text and peering in text
