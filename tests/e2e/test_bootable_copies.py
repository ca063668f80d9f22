"""replication.prepare: replication: replicate injects the drivers ahead, and a failover boots what it has
made; on the embedded sandbox, which knows whose boot disks have their drivers."""
import json
import signal
import sqlite3

import pytest

from e2e_drc import wait_for
from test_replicate import Site

BOOTABLE = "dr-copy-bootable"


class Prepared(Site):
    def __init__(self, drc, folder, keep=1, **more):
        super().__init__(drc, folder, **more)
        self.edit("keep: 2", f"keep: {keep}, prepare: replication")

    def edit(self, old, new):
        text = self.plan.read_text()
        assert old in text
        self.plan.write_text(text.replace(old, new))

    def sql(self, text, *values):
        with sqlite3.connect(self.sandbox / "sandbox.db") as db:
            return db.execute(text, values).fetchall()

    def bootable(self):
        """The bootable copies: what they hold."""
        roles = {id: tags for id, tags in self.tags().items() if tags.get("drc:role") == BOOTABLE}
        return {id: (tags["drc:recovery-point"], self.sql("SELECT content FROM snapshots WHERE id = ?", id)[0][0])
                for id, tags in roles.items()}

    def volumes(self):
        """Those that drc made and has left."""
        return self.sql("SELECT v.id FROM volumes v JOIN tags t ON t.resource = v.id AND t.key = 'drc:run' "
                        "WHERE v.deleted_ms IS NULL")

    def newest(self):
        return max(tags["drc:recovery-point"] for tags in self.copies().values())


@pytest.fixture
def site(drc, tmp_path):
    return Prepared(drc, tmp_path)


@pytest.fixture
def disks(site):
    return site.disk("boot.img", 16, 8), site.disk("data.img", 8, 3)


@pytest.mark.parametrize("boot", ["attach", "image"])
def test_a_failover_boots_what_replicate_prepared(site, disks, drc, boot):
    site.edit("      conversion:", f"      boot: {boot}\n      conversion:")
    site.imports(*disks)
    site.replicate()
    first = site.bootable()
    assert list(first.values()) == [(site.newest(), "bootable")] and len(site.copies()) == 2
    assert not site.volumes()
    assert "nothing to do" in site.replicate().out

    site.change(disks[0], 2)
    site.imports(*disks)
    report = site.report()
    assert report["blocks_sent"] == 2  # the next copy is a change of the one without drivers
    assert report["snapshots_deleted"] == 3  # keep: 1, the bootable copy with those of its point
    second = site.bootable()
    assert not set(first) & set(second) and len(second) == 1 and len(site.tags()) == 3

    compiled = drc.json("plan", "compile", site.plan, "failover")
    assert not [node for node in compiled["nodes"] if "inject" in node["action"]]
    asked = site.asked("SendCommand", "ssm")
    done = json.loads(drc("plan", "apply", site.plan, "failover", "--sandbox", site.sandbox, "--yes", "--json").out)
    assert done["status"] == "succeeded" and done["vms"][0]["recovery_point"] == site.newest()
    assert site.asked("SendCommand", "ssm") == asked
    held = [id for id, tags in site.tags().items() if f"drc:hold:{done['run']}" in tags]
    assert set(held) == set(site.tags())  # the bootable copy, and the copies of its point


def test_what_a_failover_holds_stays_whole(site, disks, drc):
    """Its recovery point can be used again, though a replication has gone on beside it."""
    site.imports(*disks)
    site.replicate()
    for snapshot, tags in site.tags().items():  # as the failover does, beside which it runs
        site.sql("INSERT INTO tags VALUES (?, 'drc:hold:zzzzzzzz', 'failover')", snapshot)
    held = set(site.tags())
    site.change(disks[0], 1)
    site.imports(*disks)
    site.replicate()
    assert held < set(site.tags()) and len(site.tags()) == 6
    drc("run", "cleanup", "zzzzzzzz", "--plan", site.plan, "--sandbox", site.sandbox, "--yes")
    site.change(disks[0], 1)
    site.imports(*disks)
    site.replicate()
    assert len(site.tags()) == 3 and not held & set(site.tags())


def test_a_bootable_copy_that_is_missing_is_made_though_nothing_changed(site, disks):
    site.edit(", prepare: replication", "")
    site.imports(*disks)
    site.replicate()
    assert not site.bootable()
    site.edit("keep: 1", "keep: 1, prepare: replication")
    missed = site.drc("rpo", site.plan, "--sandbox", site.sandbox, status=2)
    assert "NEVER" in missed.out or "MISSED" in missed.out
    copies, sent = set(site.copies()), site.asked("PutSnapshotBlock")
    shown = site.replicate("--dry-run=live").out
    assert "db/disk-0/bootable/inject" in shown and "start-snapshot" not in shown
    done = site.replicate()
    assert "a bootable copy is made of it" in " ".join(done.err.split())
    assert len(site.bootable()) == 1 and set(site.copies()) == copies
    assert site.asked("PutSnapshotBlock") == sent
    site.drc("rpo", site.plan, "--sandbox", site.sandbox)
    assert "nothing to do" in site.replicate().out


def test_an_injection_that_fails_costs_no_copy(site, disks, drc):
    """The disks are copies, the volume is gone, what there was stays; and it can be resumed."""
    site.imports(*disks)
    site.replicate()
    before = set(site.tags())
    site.change(disks[0], 1)
    site.imports(*disks)
    site.sql("UPDATE instances SET ssm = 0 WHERE id = 'i-0f00ba40000000000'")
    done = site.replicate(status=1)
    assert "SSM agent of i-0f00ba40000000000" in done.err  # a warning beforehand
    report = drc.json("run", "report", "--json")
    assert report["vms"][0]["outcome"] == "failed"
    assert "db/disk-0/bootable/inject" in json.dumps(report["causes"])
    assert before < set(site.tags()) and len(site.copies()) == 4 and len(site.bootable()) == 1
    assert not site.volumes()
    site.sql("UPDATE instances SET ssm = 1 WHERE id = 'i-0f00ba40000000000'")
    sent = site.asked("PutSnapshotBlock")
    drc("run", "resume")
    assert site.asked("PutSnapshotBlock") == sent
    assert list(site.bootable().values()) == [(site.newest(), "bootable")]
    assert len(site.tags()) == 3 and not site.volumes()


def test_without_a_conversion_instance_that_runs_disks_are_copied(site, disks, drc):
    site.imports(*disks)
    site.sql("UPDATE instances SET transition = 'stopping', transition_ms = 0, settle_ms = 0 "
             "WHERE id = 'i-0f00ba40000000000'")
    done = site.replicate(status=1)
    told = " ".join(done.err.split())
    assert "D0713" in told and "is stopped" in told and "copied, but without a bootable copy" in told
    assert len(site.copies()) == 2 and not site.bootable()
    again = site.replicate(status=1)
    assert "nothing to do" in again.out and "no conversion instance can be used" in again.err
    site.sql("UPDATE instances SET transition = 'pending' WHERE id = 'i-0f00ba40000000000'")
    site.replicate()
    assert len(site.bootable()) == 1


def test_a_vm_of_unknown_firmware_is_copied_and_told(site, disks):
    site.imports(*disks, facts=("--cpus", 2))
    done = site.replicate(status=1)
    assert "whether it boots by BIOS or UEFI is not known" in " ".join(done.err.split())
    assert len(site.copies()) == 2 and not site.bootable()
    site.imports(*disks)
    site.replicate()
    assert len(site.bootable()) == 1


@pytest.mark.parametrize("operation, service, of", [
    ("CreateVolume", "ec2", "volumes"), ("AttachVolume", "ec2", "volumes"), ("SendCommand", "ssm", "volumes"),
    ("DetachVolume", "ec2", "volumes"), ("CreateSnapshot", "ec2", "snapshots")])
def test_killed_and_resumed(drc, tmp_path, operation, service, of):
    site = Prepared(drc, tmp_path, speed=20)
    site.imports(site.disk("boot.img", 8, 4))
    process = drc.start("plan", "apply", site.plan, "replicate", "--sandbox", site.sandbox, "--yes")
    wait_for(lambda: site.asked(operation, service) > 0, operation, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    drc("run", "resume")
    assert drc.json("run", "report", "--json")["status"] == "succeeded"
    assert list(site.bootable().values()) == [(site.newest(), "bootable")]
    assert site.asked("StartSnapshot") == site.asked("CreateSnapshot", "ec2") == 1
    assert site.asked("PutSnapshotBlock") == 4 and len(site.tags()) == 2
    assert not site.volumes()


def test_cleanup_takes_what_is_not_finished(drc, tmp_path):
    site = Prepared(drc, tmp_path, speed=20)
    site.imports(site.disk("boot.img", 8, 4))
    process = drc.start("plan", "apply", site.plan, "replicate", "--sandbox", site.sandbox, "--yes")
    wait_for(lambda: site.asked("CreateSnapshot", "ec2") > 0, "CreateSnapshot", process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(site.volumes()) == 1
    run = drc.json("run", "list", "--json")[0]["run"]
    drc("run", "cleanup", run, "--yes")
    assert not site.volumes() and len(site.tags()) == len(site.copies()) == 1
    site.replicate()
    assert len(site.bootable()) == 1
    drc("run", "orphans", site.plan, "--sandbox", site.sandbox)
