"""drc rpo: whether the objective holds, as its users ask it, on a sandbox whose DR copies others
damage by boto3."""
import datetime
import json

import boto3
import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from e2e_drc import ROOT, wait_for
from served import KEYS, Served


@pytest.fixture
def site(drc, tmp_path):
    """Not much faster than the real thing, so that nothing grows old on the way."""
    with Served(drc, tmp_path, speed=10) as served:
        yield served


@pytest.fixture
def ec2(site):
    return boto3.client("ec2", region_name="eu-west-1", endpoint_url=site.endpoint,
                        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
                        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"])


def plan_with(site, **lines):
    """The plan with other objectives and sections."""
    text = site.plan.read_text()
    text = text.replace("objectives: {rpo: 30m, rto: 20m}", lines.pop("objectives", "objectives: {rpo: 30m, rto: 20m}"))
    for key, value in lines.items():
        text += f"{key}: {value}\n"
    site.plan.write_text(text)
    return site.plan


def rpo(drc, site, *flags, status=0, **kwargs):
    found = drc("rpo", site.plan, "--sandbox", site.directory, "--json", *flags, status=status, **kwargs)
    document = json.loads(found.out)
    jsonschema.Draft202012Validator(json.loads((ROOT / "schemas" / "rpo.schema.json").read_text())).validate(document)
    return document


def vms(document):
    return {vm["vm"]: vm for vm in document["plans"][0]["vms"]}


def snapshots(ec2, vm, disk=None):
    """Of the VM (and disk), the newest recovery point first."""
    filters = [{"Name": "tag:drc:vm", "Values": [vm]}]
    if disk is not None:
        filters.append({"Name": "tag:drc:disk", "Values": [str(disk)]})
    found = ec2.describe_snapshots(OwnerIds=["self"], Filters=filters)["Snapshots"]
    return sorted(found, key=lambda one: tags(one)["drc:recovery-point"], reverse=True)


def tags(snapshot):
    return {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]}


def available(ec2, volume):
    """Asked by a filter: one that cannot be seen yet is no error then."""
    return ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [volume]},
                                         {"Name": "status", "Values": ["available"]}])["Volumes"]


def copy_snapshot(ec2, snapshot, *changes):
    """Others with its tags, each with something changed."""
    volume = ec2.create_volume(Size=1, AvailabilityZone="eu-west-1a")["VolumeId"]
    wait_for(lambda: available(ec2, volume), f"{volume} to be available")
    made = [ec2.create_snapshot(VolumeId=volume, TagSpecifications=[{"ResourceType": "snapshot", "Tags": [
        {"Key": key, "Value": value} for key, value in {**tags(snapshot), **changed}.items()]}])["SnapshotId"]
            for changed in changes]
    wait_for(lambda: len(ec2.describe_snapshots(Filters=[{"Name": "snapshot-id", "Values": made},
                                                         {"Name": "status", "Values": ["completed"]}])["Snapshots"])
             == len(made), "the snapshots to be completed")


def set_tags(ec2, snapshot_id, **changed):
    ec2.create_tags(Resources=[snapshot_id], Tags=[{"Key": "drc:" + key.replace("_", "-"), "Value": value}
                                                   for key, value in changed.items()])


def test_it_holds(drc, site):
    document = rpo(drc, site)
    assert document["state"] == "met"
    for vm in vms(document).values():
        assert vm["state"] == "met" and 0 <= vm["loss_ms"] <= 30 * 60000
    text = drc("rpo", site.plan, "--sandbox", site.directory)
    assert "RPO of 30m met by all 3 VMs" in text.out and text.err == ""
    assert max(map(len, text.out.splitlines())) <= 80
    assert "\033" not in text.out


def test_it_is_missed(drc, site):
    plan_with(site, objectives="objectives: {rpo: 1m, rto: 20m}")
    document = rpo(drc, site, status=2)
    assert document["state"] == "missed"
    for vm in vms(document).values():
        assert vm["state"] == "missed" and vm["loss_ms"] > 60000
        point = datetime.datetime.fromisoformat(vm["dr_copy"]["recovery_point"])
        assert datetime.datetime.fromisoformat(vm["missed_since"]) == point + datetime.timedelta(minutes=1)
    text = drc("rpo", site.plan, "--sandbox", site.directory, status=2)
    assert "not met by 3 of 3 VMs" in text.out and "MISSED" in text.out


def test_a_vm_without_any_copy(drc, site, ec2):
    for snapshot in snapshots(ec2, "web"):
        ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
    document = rpo(drc, site, status=2)
    assert document["state"] == "never" and vms(document)["web"]["state"] == "never"
    assert vms(document)["db"]["state"] == "met"
    assert "no DR copy can be used" in drc("rpo", site.plan, "--sandbox", site.directory, status=2).out


def test_half_of_a_copy_is_none(drc, site, ec2):
    """A newer recovery point of which one disk is missing: the whole one before it counts."""
    whole = vms(rpo(drc, site))["db"]["dr_copy"]["recovery_point"]
    half = snapshots(ec2, "db", disk=1)[0]
    newer = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    ids = {disk: snapshots(ec2, "db", disk=disk)[0]["SnapshotId"] for disk in (0, 1)}
    copy_snapshot(ec2, half, {"drc:recovery-point": newer, "drc:disk": "0", "drc:disks": "2"})
    document = rpo(drc, site)
    db = vms(document)["db"]
    assert db["state"] == "met" and db["dr_copy"]["recovery_point"] == whole
    assert db["unusable_copy"] == {"recovery_point": newer, "why": "lacks a copy of disk 1 of 2"}
    ec2.delete_snapshot(SnapshotId=ids[1])  # and now of the whole one, too
    db = vms(rpo(drc, site, status=2))["db"]
    assert db["state"] == "never" and "dr_copy" not in db


def test_a_point_from_the_future_is_not_believed(drc, site, ec2):
    ahead = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for snapshot in snapshots(ec2, "db"):
        set_tags(ec2, snapshot["SnapshotId"], recovery_point=ahead)
    document = rpo(drc, site, status=2)
    assert vms(document)["db"]["state"] == "unknown" and "loss_ms" not in vms(document)["db"]
    text = drc("rpo", site.plan, "--sandbox", site.directory, status=2)
    assert "ahead of this clock" in " ".join(text.out.split())


def test_what_others_tagged_is_not_counted(drc, site, ec2):
    """Copies of other plans and VMs, and tags that drc would never write."""
    web = snapshots(ec2, "web", disk=0)[0]
    before = vms(rpo(drc, site))
    copy_snapshot(
        ec2, web, {"drc:plan": "other"}, {"drc:disk": "-1"}, {"drc:disk": "1e9"}, {"drc:disk": "99999999999999999999"},
        {"drc:recovery-point": "now"}, {"drc:recovery-point": "\u202e2026"}, {"drc:role": "backup"},
        {"drc:vm": "web2"}, {"drc:vm": "w\033[31m"},
        {"drc:disks": "64000", "drc:recovery-point": "2019-01-01T00:00:00Z"})
    document = rpo(drc, site)
    assert {name: vm["dr_copy"]["recovery_point"] for name, vm in vms(document).items()} == \
        {name: vm["dr_copy"]["recovery_point"] for name, vm in before.items()}
    assert len(document["plans"][0]["unknown_vms"]) == 2 and "web2" in document["plans"][0]["unknown_vms"]
    text = drc("rpo", site.plan, "--sandbox", site.directory).out
    assert "\033" not in text and "web2" in text


def test_at_the_recovery_site_nothing_is_missed(drc, tmp_path):
    site = Served(drc, tmp_path, speed=200)
    plan_with(site, objectives="objectives: {rpo: 1m, rto: 20m}")
    drc("plan", "apply", site.plan, "failover", "--yes", "--sandbox", site.directory, timeout=240)
    document = rpo(drc, site)
    assert {vm["state"] for vm in vms(document).values()} == {"at recovery site"}
    text = drc("rpo", site.plan, "--sandbox", site.directory).out
    assert "every VM runs at the recovery site" in text and "since run" in text
    # A runner that does not know the run sees it by its tags.
    document = rpo(drc, site, DRC_STATE_DIR=str(tmp_path / "elsewhere"))
    assert {vm["state"] for vm in vms(document).values()} == {"at recovery site"}


def test_metrics_as_prometheus_reads_them(drc, site, tmp_path):
    plan_with(site, objectives="objectives: {rpo: 1m, rto: 20m}")
    out = tmp_path / "rpo.prom"
    drc("rpo", site.plan, "--sandbox", site.directory, "--format", "prometheus", "-o", out, status=2)
    families = {family.name: family for family in text_string_to_metric_families(out.read_text())}
    assert all(family.type == "gauge" and family.documentation for family in families.values())
    assert families["drc_rpo_objective_seconds"].samples[0].value == 60
    met = {sample.labels["vm"]: sample.value for sample in families["drc_rpo_met"].samples}
    assert met == {"db": 0, "app": 0, "web": 0}
    for sample in families["drc_dr_copy_age_seconds"].samples:
        assert sample.labels["plan"] == "shop" and sample.value >= 0
    assert families["drc_rpo_up"].samples[0].value == 1
    assert list(tmp_path.glob("rpo.prom?*")) == []


def test_aws_that_refuses_is_an_error_and_the_metrics_say_so(drc, site, tmp_path):
    site.plan.write_text(site.plan.read_text().replace("111122223333", "999988887777"))
    out = tmp_path / "rpo.prom"
    told = drc("rpo", site.plan, "--sandbox", site.directory, "--format", "prometheus", "-o", out, status=1)
    assert "shop: " in told.err and "999988887777" in told.err
    families = {family.name: family for family in text_string_to_metric_families(out.read_text())}
    assert families["drc_rpo_up"].samples[0].value == 0
    assert "drc_rpo_met" not in families
    told = drc("rpo", site.plan, "--sandbox", site.directory, status=1)
    assert told.out == "" and "999988887777" in told.err


def test_of_several_plans_the_good_ones_are_told(drc, site, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(site.plan.read_text().replace("name: shop", "name: other").replace("111122223333", "999988887777"))
    told = drc("rpo", site.plan, other, "--sandbox", site.directory, status=1)
    assert "RPO of 30m met by all 3 VMs" in told.out and "other" in told.out
    twice = drc("rpo", site.plan, site.plan, "--sandbox", site.directory, status=1)
    assert "both the plan \"shop\"" in twice.err


def test_bad_usage(drc, site):
    assert "no format \"yaml\"" in drc("rpo", site.plan, "--format", "yaml", status=1).err
    assert "needs PLAN" in drc("rpo", status=1).err
    assert "contradict" in drc("rpo", site.plan, "--json", "--format", "prometheus", status=1).err


# --- with a repository, and what replicate has made of it ---

@pytest.fixture
def backed_up(drc, site, tmp_path):
    """Every VM has a recovery point in the repository, newer than its DR copies."""
    plan_with(site, backup="{every: 10m, repository: dir:backup}", replication="{every: 10m}")
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(range(256)) * 4096 * 8 + bytes(1 << 20))
    for vm in ("db", "app", "web"):
        drc("repo", "import", tmp_path / "backup", image, "--plan", "shop", "--vm", vm, "--sandbox", site.directory,
            "--cpus", 2, "--memory", "4GiB", "--firmware", "bios", "--os", "linux", "--arch", "x86_64")
    return site


def replicate(drc, site, *flags, status=0):
    return drc("plan", "apply", site.plan, "replicate", "--yes", "--sandbox", site.directory, *flags, status=status)


def test_recovery_points_that_wait_and_their_copies(drc, backed_up, tmp_path):
    site = backed_up
    before = rpo(drc, site)["plans"][0]
    assert before["backup"]["every_ms"] == 600000 and "run" not in before["replicate"]
    points = {vm["vm"]: vm["recovery_point"]["time"] for vm in before["vms"]}
    assert all(vm["dr_copy"]["recovery_point"] < points[vm["vm"]] for vm in before["vms"])
    site.plan.write_text(site.plan.read_text().replace("rpo: 30m", "rpo: 20m").replace("10m", "1m"))
    replicate(drc, site)
    after = rpo(drc, site)["plans"][0]
    assert after["state"] == "met" and after["replicate"]["status"] == "succeeded" and not after["replicate"]["alive"]
    assert {vm["vm"]: vm["dr_copy"]["recovery_point"] for vm in after["vms"]} == points
    text = words(drc("rpo", site.plan, "--sandbox", site.directory).out)
    assert f"run {after['replicate']['run']} succeeded" in text
    # Another runner's state does not know the run; the copies tell when the next one is due.
    other = rpo(drc, site, DRC_STATE_DIR=str(tmp_path / "elsewhere"))["plans"][0]
    assert other["state"] == "met" and "run" not in other["replicate"] and "next_by" in other["replicate"]
    # What was measured goes into the facts of the next one, and from there into plan check.
    facts = tmp_path / "facts.json"
    drc("plan", "facts", site.plan, "replicate", "--sandbox", site.directory, "-o", facts)
    measured = json.loads(facts.read_text())
    assert measured["throughput"]["copy_bytes_per_s"] > 0
    assert "no errors" in drc("plan", "check", site.plan, "--facts", facts, "--strict").err
    assert "of one plan" in drc("plan", "check", site.plan, site.plan, "--facts", facts, status=1).err


def test_the_repository_may_be_gone(drc, backed_up, tmp_path):
    (tmp_path / "backup").rename(tmp_path / "away")
    document = rpo(drc, backed_up)
    assert document["state"] == "met" and "no such directory" in document["plans"][0]["backup"]["problem"]
    assert "recovery_point" not in vms(document)["db"]
    assert "drc repo import makes a repository" in document["plans"][0]["backup"]["help"]
    assert "help: " in drc("rpo", backed_up.plan, "--sandbox", backed_up.directory).out
    assert not (tmp_path / "backup").exists()
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "repository").write_text("{}")
    assert "problem" in rpo(drc, backed_up)["plans"][0]["backup"]
    prom = drc("rpo", backed_up.plan, "--sandbox", backed_up.directory, "--format", "prometheus").out
    families = {family.name: family for family in text_string_to_metric_families(prom)}
    assert families["drc_repository_up"].samples[0].value == 0
    assert "drc_recovery_point_age_seconds" not in families


def test_a_damaged_recovery_point_is_told_of_its_vm(drc, backed_up, tmp_path):
    point = next((tmp_path / "backup").glob("points/shop/web/*"))
    point.write_bytes(point.read_bytes()[:40])
    document = rpo(drc, backed_up)
    assert "damaged" in vms(document)["web"]["recovery_point"] and "time" in vms(document)["db"]["recovery_point"]
    assert "web: in the repository" in drc("rpo", backed_up.plan, "--sandbox", backed_up.directory).out


def test_recovery_points_that_are_older_than_the_copies(drc, site, tmp_path):
    """As of a repository that was brought back: told, and the newer copies stay what a failover uses."""
    plan_with(site, backup="{every: 10m, repository: dir:backup}", replication="{every: 10m, keep: 1}")
    before = {name: vm["dr_copy"]["recovery_point"] for name, vm in vms(rpo(drc, site)).items()}
    (tmp_path / "disk.img").write_bytes(b"old" * 100000)
    for vm in before:
        drc("repo", "import", tmp_path / "backup", tmp_path / "disk.img", "--plan", "shop", "--vm", vm, "--sandbox",
            site.directory, "--recovery-point", "2026-01-01T00:00:00Z")
    told = words(replicate(drc, site).err)
    assert "2026-01-01T00:00:00Z is older than the newest DR copy" in told
    after = rpo(drc, site)
    assert {name: vm["dr_copy"]["recovery_point"] for name, vm in vms(after).items()} == before
    assert after["state"] == "met"


def test_a_damaged_state_is_told(drc, backed_up):
    replicate(drc, backed_up)
    production = drc.home / "state" / "shop" / "production.json"
    production.write_text("{\"garbage")
    text = words(drc("rpo", backed_up.plan, "--sandbox", backed_up.directory).out)
    assert "the state cannot be read" in text and "production.json" in text and "succeeded" in text
    assert "production.json" in rpo(drc, backed_up)["plans"][0]["replicate"]["problem"]


def test_who_is_late_is_told(drc, backed_up):
    """Copies are late: replicate. Recovery points are: the backup."""
    backed_up.plan.write_text(backed_up.plan.read_text().replace("rpo: 30m", "rpo: 2m").replace("10m", "1m"))
    text = words(drc("rpo", backed_up.plan, "--sandbox", backed_up.directory, status=2).out)
    assert f"drc plan apply {backed_up.plan} replicate" in text and "the backup is late" not in text


# --- failover: what it may lose ---

@pytest.fixture
def late(drc, tmp_path):
    """Copies that are older than the objective, which the plan insists on."""
    site = Served(drc, tmp_path, speed=200)
    plan_with(site, objectives="objectives: {rpo: 1m, rto: 20m, on_miss: refuse}")
    return site


def failover(drc, site, *flags, status=0):
    return drc("plan", "apply", site.plan, "failover", "--yes", "--sandbox", site.directory, *flags,
               status=status, timeout=240)


def words(text):
    return " ".join(text.split())


def test_more_than_the_objective_is_refused_until_it_is_accepted(drc, late):
    told = failover(drc, late, status=1)
    assert "more than the objective of 1m" in words(told.err) and "--accept-data-loss" in told.err
    assert "(RPO missed)" in words(told.err) and "nothing was changed" in told.err
    assert late.made() == ([], [])
    looked = drc("plan", "apply", late.plan, "failover", "--dry-run=live", "--sandbox", late.directory, status=1)
    assert "--accept-data-loss" in looked.err
    done = failover(drc, late, "--accept-data-loss")
    assert "(missed)" in done.out and "RPO missed: db " in done.out
    report = drc.json("run", "report", "--json")
    assert report["rpo_met"] is False and {vm["rpo_met"] for vm in report["vms"]} == {False}
    assert "drc_plan_rpo_objective_seconds" in drc("run", "report", "--format", "prometheus").out


def test_the_loss_is_counted_from_the_disaster(drc, late):
    """A disaster a minute after the oldest recovery point lost less than the objective."""
    points = [vm["dr_copy"]["recovery_point"] for vm in vms(rpo(drc, late, status=2)).values()]
    disaster = max(points)
    failover(drc, late, "--disaster-at", "2999-01-01T00:00:00Z", status=1)
    plan_with(late)
    late.plan.write_text(late.plan.read_text().replace("rpo: 1m", "rpo: 10m"))
    told = failover(drc, late, "--disaster-at", disaster)
    report = drc.json("run", "report", "--json")
    newest = datetime.datetime.fromisoformat(disaster)
    for vm in report["vms"]:
        lost = newest - datetime.datetime.fromisoformat(vm["recovery_point"])
        assert vm["loss_ms"] == lost.total_seconds() * 1000 and vm["rpo_met"] is True
    assert "(missed)" not in told.out


def test_of_after_the_disaster(drc, late):
    disaster = "2020-01-01T00:00:00Z"
    told = failover(drc, late, "--disaster-at", disaster)
    assert f"--recovery-point {disaster}" in words(told.err) and "may hold what went wrong" in words(told.err)


def test_flags_of_a_failover(drc, late):
    assert "wants a time" in failover(drc, late, "--disaster-at", "yesterday", status=1).err
    told = failover(drc, late, "--disaster-at", "2999-01-01T00:00:00Z", status=1)
    assert "in the future" in told.err
    for flag in (["--accept-data-loss"], ["--disaster-at", "2020-01-01T00:00:00Z"]):
        told = drc("plan", "apply", late.plan, "replicate", "--yes", "--sandbox", late.directory, *flag, status=1)
        assert "is for failovers" in told.err
