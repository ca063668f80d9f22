"""Replicate as its users call it, on the embedded sandbox: import two disks, copy them whole, then only
what has changed; and all that can come between."""
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import time

import jsonschema
import pytest

from e2e_drc import ROOT, wait_for

MIB = 1 << 20
BLOCK = 512 << 10
PLAN = """\
version: 1
name: shop
objectives: {{rpo: 30m, rto: 20m}}
backup: {{every: 10m, repository: "dir:backup"}}
replication: {{every: 10m, keep: 2}}
sites:
  recovery:
    aws:
      region: eu-west-1
      account: "111122223333"
      placeholder_image: {{bios: ami-0c000000000000001, uefi: ami-0c000000000000002}}
{aws}      conversion:
        instances: {{eu-west-1a: i-0f00ba40000000000}}
networks:
  production:
    vpc: vpc-0a000000000000001
    subnets:
      app: {{id: subnet-0a00000000000000a, cidr: 10.20.1.0/24, zone: eu-west-1a}}
    security_groups: {{web: sg-0a000000000000001}}
defaults: {{subnet: app, security_groups: [web], instance_type: m6i.large}}
vms:
  db: {{source: /DC0/vm/shop/db01, ready: [{{instance_status: ok}}]}}
{more}"""
FACTS = ("--cpus", 2, "--memory", "4GiB", "--firmware", "bios", "--os", "linux", "--arch", "x86_64")


class Site:
    """A plan of one VM with two disks, its repository, and a sandbox without DR copies."""

    def __init__(self, drc, folder, *flags, aws="", more="", speed=200):
        self.drc, self.folder = drc, folder
        self.plan = folder / "plan.yaml"
        self.plan.write_text(PLAN.format(aws=aws, more=more))
        self.repository = f"dir:{folder / 'backup'}"
        self.sandbox = folder / "aws"
        self.random = random.Random(1)
        drc("sandbox", "init", self.sandbox, self.plan, "--seed", 7, "--speed", speed, "--no-copies", *flags)

    def disk(self, name, mib, blocks):
        """A sparse file with that many random blocks, the rest are holes."""
        path = self.folder / name
        with open(path, "wb") as file:
            file.truncate(mib * MIB)
            for index in self.random.sample(range(mib * MIB // BLOCK), blocks):
                file.seek(index * BLOCK)
                file.write(self.random.randbytes(BLOCK))
        return path

    def change(self, path, count):
        """Other bytes in so many blocks, that hold something."""
        with open(path, "r+b") as file:
            held = [index for index in range(os.path.getsize(path) // BLOCK)
                    if any(os.pread(file.fileno(), BLOCK, index * BLOCK))]
            for index in self.random.sample(held, count):
                file.seek(index * BLOCK + 77)
                file.write(self.random.randbytes(16))

    def imports(self, *disks, vm="db", facts=FACTS):
        """Recovery points have a time to the second, so each waits for one of its own."""
        time.sleep(1.1)
        return self.drc("repo", "import", self.repository, "--plan", "shop", "--vm", vm, *facts, *disks)

    def replicate(self, *flags, **kwargs):
        return self.drc("plan", "apply", self.plan, "replicate", "--sandbox", self.sandbox, "--yes",
                        *flags, **kwargs)

    def report(self, *flags, **kwargs):
        return json.loads(self.replicate("--json", *flags, **kwargs).out)

    def facts(self, *flags):
        return self.drc.json("plan", "facts", self.plan, "replicate", "--sandbox", self.sandbox, *flags)

    def asked(self, operation, service="ebs"):
        """How many requests of that kind the sandbox has answered well."""
        with sqlite3.connect(f"file:{self.sandbox}/sandbox.db?mode=ro", uri=True) as db:
            return db.execute("SELECT coalesce(sum(count), 0) FROM requests WHERE service = ? AND "
                              "operation = ? AND code = ''", (service, operation)).fetchone()[0]

    def tags(self):
        """Of each snapshot that is not deleted."""
        with sqlite3.connect(f"file:{self.sandbox}/sandbox.db?mode=ro", uri=True) as db:
            found = {}
            for snapshot, key, value in db.execute(
                    "SELECT s.id, t.key, t.value FROM snapshots s JOIN tags t ON t.resource = s.id "
                    "WHERE s.deleted_ms IS NULL"):
                found.setdefault(snapshot, {})[key] = value
            return found

    def copies(self):
        return {id: tags for id, tags in self.tags().items() if tags.get("drc:role") == "dr-copy"}


@pytest.fixture
def site(drc, tmp_path):
    return Site(drc, tmp_path)


@pytest.fixture
def disks(site):
    return site.disk("boot.img", 64, 100), site.disk("data.img", 32, 20)


def test_whole_then_what_has_changed_then_failover(site, disks, drc):
    boot, data = disks
    site.imports(boot, data)
    first = site.report()
    assert first["status"] == "succeeded" and first["vms"][0]["outcome"] == "copied"
    assert first["blocks_sent"] == 120 == site.asked("PutSnapshotBlock")
    copies = site.copies()
    assert len(copies) == 2
    boot_tags = next(tags for tags in copies.values() if tags["drc:disk"] == "0")
    assert boot_tags["drc:disks"] == "2" and boot_tags["drc:cpus"] == "2"
    assert boot_tags["drc:memory-mib"] == "4096" and boot_tags["drc:firmware"] == "bios"
    assert boot_tags["drc:disk-bytes"] == str(64 * MIB)

    site.change(boot, 3)  # 3 %
    site.change(data, 1)
    site.imports(boot, data)
    second = site.report()
    assert second["blocks_sent"] == 4 and site.asked("PutSnapshotBlock") == 124
    assert second["bytes_sent"] == 4 * BLOCK
    assert len(site.copies()) == 4
    assert site.asked("ListChangedBlocks") == site.asked("ListSnapshotBlocks") == 0

    newest = max(tags["drc:recovery-point"] for tags in site.copies().values())
    over = drc("plan", "apply", site.plan, "failover", "--sandbox", site.sandbox, "--yes", "--json")
    report = json.loads(over.out)
    assert report["status"] == "succeeded"
    assert report["vms"][0]["recovery_point"] == newest
    held = [tags for tags in site.tags().values() if f"drc:hold:{report['run']}" in tags]
    assert {tags["drc:recovery-point"] for tags in held} == {newest} and len(held) == 2
    refused = site.replicate(status=1)
    assert "run at the recovery site" in refused.err

    drc("run", "cleanup", report["run"], "--yes")
    assert not [key for tags in site.tags().values() for key in tags if key.startswith("drc:hold:")]
    assert len(site.copies()) == 4


def test_what_is_copied_is_not_copied_again(site, disks, drc):
    site.imports(*disks)
    site.replicate()
    again = site.replicate()
    assert "nothing to do" in again.out
    assert len(drc.json("run", "list", "--json")) == 1  # no record of having done nothing


def test_what_is_told_of_a_run_that_copied(drc, tmp_path):
    """A copy recovers nothing, loses nothing and injects no drivers, and no page may say so."""
    site = Site(drc, tmp_path, more="  web: {source: /DC0/vm/shop/web01}\n")
    boot = site.disk("boot.img", 16, 8)
    site.imports(boot)
    site.imports(site.disk("web.img", 16, 4), vm="web")
    site.replicate()
    site.change(boot, 2)
    site.imports(boot)
    site.replicate()
    shown = drc("run", "show").out
    assert re.search(r"db +copied +sent 0:\d\d, 2 blocks \(1 MiB\)\n  web +unchanged\n", shown)
    listed = drc("run", "list").out
    assert "1 of 2 copied" in listed and "2 of 2 copied" in listed
    text, page, picture = (drc("run", "report", "--format", f).out for f in ("text", "markdown", "svg"))
    assert "1 of 2 VMs copied, 1 unchanged (run" in text
    assert "a failover loses " in text and "| a failover loses | phases |" in page
    assert "blocks sent" in picture
    calls, floor = re.search(r"calls (\d+) \(floor (\d+)\)", text).groups()
    assert 2 + 3 <= int(floor) <= int(calls)  # its blocks, and start, complete, tag
    for told in (shown, listed, text, page, picture):
        assert not re.search(r"recovered|RTO|drivers|instance", told, re.I), told


def test_keep_counts_whole_recovery_points_and_holds_keep_them(site, disks, drc):
    boot, data = disks
    held = None
    for i in range(4):
        if i > 0:
            site.change(boot, 1)
        site.imports(boot, data)
        report = site.report()
        points = sorted({tags["drc:recovery-point"] for tags in site.copies().values()})
        if i == 0:
            held = points[0]
            with sqlite3.connect(site.sandbox / "sandbox.db") as db:
                for snapshot in site.copies():
                    db.execute("INSERT INTO tags VALUES (?, 'drc:hold:zzzzzzzz', 'failover')", (snapshot,))
    assert report["snapshots_deleted"] == 2
    assert len(points) == 3 and points[0] == held  # keep: 2, and the one that is held
    assert len(site.copies()) == 6
    orphans = drc("run", "orphans", site.plan, "--sandbox", site.sandbox, status=2)
    assert "zzzzzzzz" in orphans.out and "hold" in orphans.out
    drc("run", "cleanup", "zzzzzzzz", "--plan", site.plan, "--sandbox", site.sandbox, "--yes")
    drc("run", "orphans", site.plan, "--sandbox", site.sandbox)


def test_killed_while_blocks_are_sent_and_resumed(drc, tmp_path):
    site = Site(drc, tmp_path, speed=3)
    boot, data = site.disk("boot.img", 128, 160), site.disk("data.img", 16, 4)
    site.imports(boot, data)
    for _ in range(2):
        before = site.asked("PutSnapshotBlock")
        runs = drc.json("run", "list", "--json")
        words = ["run", "resume", "--sandbox", site.sandbox] if runs else \
            ["plan", "apply", site.plan, "replicate", "--sandbox", site.sandbox, "--yes", "--bandwidth", "4MiB/s"]
        process = drc.start(*map(str, words))
        wait_for(lambda: site.asked("PutSnapshotBlock") >= before + 50, "50 more blocks", process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    drc("run", "resume")
    report = drc.json("run", "report", "--json")
    assert report["status"] == "succeeded" and report["blocks_sent"] == 164
    sent = site.asked("PutSnapshotBlock")
    # Journalled each 2 s, at 8 blocks a second; all anew would be 100 more.
    assert 164 <= sent < 164 + 2 * 40, "what was put is not put again, but for what was on its way"
    assert site.asked("StartSnapshot") == 2
    assert len(site.tags()) == 2 == len(site.copies())
    site.change(boot, 5)
    site.imports(boot, data)
    assert site.report()["blocks_sent"] == 5


def test_cleanup_of_a_failed_copy_leaves_finished_ones_alone(drc, tmp_path):
    site = Site(drc, tmp_path, speed=3)
    boot, data = site.disk("boot.img", 128, 160), site.disk("data.img", 16, 4)
    site.imports(boot, data)
    process = drc.start("plan", "apply", site.plan, "replicate", "--sandbox", site.sandbox, "--yes",
                        "--bandwidth", "2MiB/s")
    wait_for(lambda: len(site.copies()) == 1, "the small disk is a copy", process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(site.tags()) == 2
    run = drc.json("run", "list", "--json")[0]["run"]
    assert "unfinished" in site.replicate(status=1).err
    done = drc("run", "cleanup", run, "--yes")
    assert "1 snapshot" in done.err and "cleaned up" in done.out
    assert len(site.tags()) == 1 == len(site.copies())
    report = site.report()  # and the next one makes both
    assert report["vms"][0]["outcome"] == "copied"
    assert len(site.copies()) == 2  # the lonely one of the same recovery point is gone


def reason(site, disk=0):
    return site.facts()["inventory"]["vms"]["db"]["disks"][disk].get("whole")


def test_why_a_copy_is_whole_again(site, disks, drc):
    boot, data = disks
    site.imports(boot, data)
    assert reason(site) == "first"
    site.replicate()
    site.change(boot, 1)
    site.imports(boot, data)
    assert reason(site) is None and site.facts()["blocks"] == {"db/disk-0": 1, "db/disk-1": 0}

    copies = site.folder / "backup" / "copies"
    moved = shutil.move(copies, site.folder / "aside")
    assert reason(site) == "map-missing"
    shown = drc("plan", "apply", site.plan, "replicate", "--sandbox", site.sandbox, "--dry-run=live",
                status=None)
    assert "put-blocks" in shown.out
    report = site.report()
    assert report["blocks_sent"] == 120
    kept = {path.name: path.read_bytes() for path in copies.iterdir()}
    shutil.rmtree(copies)
    shutil.move(moved, copies)

    with open(boot, "r+b") as file:  # smaller than its copy, though the same GiB
        file.truncate(48 * MIB)
    site.imports(boot, data)
    newest = max(tags["drc:recovery-point"] for tags in site.copies().values())
    latest = [id for id, tags in site.copies().items()
              if tags["drc:recovery-point"] == newest and tags["drc:disk"] == "0"]
    (copies / latest[0]).write_bytes(kept[latest[0]])  # what the last one holds is known again
    assert reason(site) == "disk-shrank"
    site.replicate()
    assert site.facts()["inventory"]["vms"]["db"]["copied"]


def test_key_and_encryption(drc, tmp_path):
    others = [tmp_path / "dr.yaml", tmp_path / "other.yaml"]
    for path, key in zip(others, ("alias/dr", "alias/other")):  # so that the sandbox has the keys
        text = PLAN.format(aws=f"      kms_key: {key}\n", more="")
        path.write_text(text.replace("name: shop", "name: " + path.stem))
    site = Site(drc, tmp_path, *others)
    disk = site.disk("boot.img", 16, 8)
    site.imports(disk)
    site.replicate()
    site.change(disk, 1)
    site.imports(disk)
    assert reason(site) is None
    site.plan.write_text(PLAN.format(aws="      kms_key: alias/dr\n", more=""))
    assert reason(site) == "unencrypted-parent"
    assert site.facts()["bindings"]["kms-key"].startswith("arn:aws:kms:eu-west-1:111122223333:key/")
    site.replicate()
    site.change(disk, 1)
    site.imports(disk)
    assert reason(site) is None
    assert site.report()["blocks_sent"] == 1
    site.change(disk, 1)
    site.imports(disk)
    site.plan.write_text(PLAN.format(aws="      kms_key: alias/other\n", more=""))
    assert reason(site) == "key-changed"
    assert site.report()["blocks_sent"] == 8


def test_others_are_copied_though_one_has_no_recovery_point(drc, tmp_path):
    site = Site(drc, tmp_path, more="  web: {source: /DC0/vm/shop/web01}\n"
                                    "  log: {source: /DC0/vm/shop/log01, critical: false}\n")
    site.imports(site.disk("boot.img", 16, 8))
    done = site.replicate(status=1)
    assert "D0711" in done.err and "web has no recovery point" in done.err
    assert "error: not replicated" in done.err and "web, log" in done.err
    assert len(site.copies()) == 1
    again = site.replicate(status=1)
    assert "nothing to do" in again.out and "web" in again.err
    site.imports(site.disk("web.img", 8, 3), vm="web")
    done = site.replicate()  # log is not critical
    assert "not replicated: log" in done.err
    assert len(site.copies()) == 2


def test_recovery_point_and_the_order_of_times(site, disks):
    boot, data = disks
    first = re.search(r"recovery point (\S+)", site.imports(boot, data).out)[1]
    site.change(boot, 2)
    site.imports(boot, data)
    site.replicate("--recovery-point", first)
    assert {tags["drc:recovery-point"] for tags in site.copies().values()} == {first}
    assert site.report()["blocks_sent"] == 2  # the newest, as a change of it
    assert "nothing to do" in site.replicate("--recovery-point", first).out


def test_plan_and_graph_without_and_with_facts(site, disks, drc, tmp_path):
    symbolic = drc("plan", "show", site.plan, "replicate").out
    assert "Every copy is a whole one" in symbolic
    site.imports(*disks)
    facts, graph = tmp_path / "facts.json", tmp_path / "graph.json"
    drc("plan", "facts", site.plan, "replicate", "--sandbox", site.sandbox, "-o", facts)
    drc("plan", "compile", site.plan, "replicate", "--facts", facts, "-o", graph)
    assert "put-blocks" in drc("plan", "graph", site.plan, "replicate", "--facts", facts).out
    done = drc("plan", "apply", graph, "--sandbox", site.sandbox, "--plan", site.plan)
    assert "1 of 1 VMs copied" in done.out


def put_seconds(schedule):
    return {a["id"]: (a["end_ms"] - a["start_ms"]) / 1000 for a in schedule["actions"] if a["action"] == "put-blocks"}


def test_the_prediction_is_that_of_the_bandwidth(site, disks, drc, tmp_path):
    """100 and 20 blocks, sent at once: each gets the half."""
    site.imports(*disks)
    facts, graph = tmp_path / "facts.json", tmp_path / "graph.json"
    facts.write_text(json.dumps(site.facts()))
    limited = {"db/disk-0/put-blocks": 200, "db/disk-1/put-blocks": 40}
    slow = ("--facts", facts, "--bandwidth", "512KiB/s")
    assert put_seconds(drc.json("plan", "show", site.plan, "replicate", *slow, "--json")) == limited
    assert put_seconds(drc.json("plan", "apply", site.plan, "replicate", "--dry-run", *slow, "--json")) == limited
    live = drc("plan", "apply", site.plan, "replicate", "--dry-run=live", "--sandbox", site.sandbox,
               "--bandwidth", "512KiB/s", "--json", status=None)
    assert put_seconds(json.loads(live.out)) == limited
    free = put_seconds(drc.json("plan", "show", site.plan, "replicate", "--facts", facts, "--json"))
    assert free["db/disk-0/put-blocks"] < 10
    drc("plan", "compile", site.plan, "replicate", *slow, "-o", graph)
    assert put_seconds(drc.json("plan", "show", graph, "--json")) == limited
    assert "has its durations already" in drc("plan", "show", graph, "--bandwidth", "1MiB/s", status=1).err
    assert "--bandwidth" in drc("plan", "show", site.plan, "replicate", "--bandwidth", "1", status=1).err


def test_a_report_of_copies_as_its_schema_says(site, disks, drc):
    site.imports(*disks)
    report = site.report()
    schema = json.loads((ROOT / "schemas" / "report.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(report)
    assert report["copied"] == 1 and report["recovered"] == 0
    assert report["vms"][0]["copied_ms"] > 0 and "recovered_ms" not in report["vms"][0]
    listed = drc.json("run", "list", "--json")[0]
    assert listed["copied"] == listed["vms"] == 1 and listed["recovered"] == 0


def test_nothing_to_copy_is_shown_as_nothing(site, disks, drc, tmp_path):
    site.imports(*disks)
    site.replicate()
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps(site.facts()))
    for words in (("show",), ("apply", "--dry-run")):
        shown = drc("plan", words[0], site.plan, "replicate", "--facts", facts, *words[1:]).out
        assert "nothing to do: no recovery point is newer" in shown and "0 actions" not in shown


def test_a_repository_that_is_not_there(site):
    done = site.replicate(status=1)
    assert "backup repository" in done.err and "drc repo import" in done.err
    assert not (site.folder / "backup").exists()


def test_replicates_beside_a_failover_that_holds_its_copies(drc, tmp_path):
    site = Site(drc, tmp_path, speed=20, more="  web: {source: /DC0/vm/shop/web01}\n")
    boot = site.disk("boot.img", 16, 8)
    web = site.disk("web.img", 16, 8)
    site.imports(boot)
    site.imports(web, vm="web")
    site.replicate()
    process = drc.start("plan", "apply", site.plan, "failover", "--sandbox", site.sandbox, "--yes")
    wait_for(lambda: any(key.startswith("drc:hold:") for tags in site.tags().values() for key in tags),
             "the copies are held", process)
    held = {id for id, tags in site.tags().items() if any(key.startswith("drc:hold:") for key in tags)}
    assert len(held) == 2
    for _ in range(3):  # keep: 2, so the first would go
        site.change(web, 1)
        site.imports(web, vm="web")
        site.replicate()
    assert held <= set(site.copies())
    assert process.wait(300) == 0


def test_a_damaged_block_fails_its_vm_alone(drc, tmp_path):
    site = Site(drc, tmp_path, more="  web: {source: /DC0/vm/shop/web01}\n")
    site.imports(site.disk("boot.img", 16, 8))
    before = set((site.folder / "backup" / "blocks").rglob("*"))
    site.imports(site.disk("web.img", 16, 8), vm="web")
    block = next(path for path in (site.folder / "backup" / "blocks").rglob("*")
                 if path.is_file() and path not in before)
    whole = block.read_bytes()
    block.write_bytes(whole[:-9] + bytes(9))
    done = site.replicate(status=1)
    assert "1 of 2 VMs copied" in done.out and block.name in done.out
    assert {tags["drc:vm"] for tags in site.copies().values()} == {"db"}
    assert len(site.tags()) == 2  # that of web is begun, and no DR copy
    block.write_bytes(whole)
    drc("run", "resume")
    assert {tags["drc:vm"] for tags in site.copies().values()} == {"db", "web"}
    assert len(site.tags()) == 2


def test_what_is_damaged_of_one_vm_stops_no_other(drc, tmp_path):
    site = Site(drc, tmp_path, more="  web: {source: /DC0/vm/shop/web01}\n")
    boot, web = site.disk("boot.img", 16, 8), site.disk("web.img", 8, 4)
    site.imports(boot)
    site.imports(web, vm="web")
    site.replicate()
    before = site.copies()
    for path in (boot, web):
        site.change(path, 1)
    site.imports(boot)
    site.imports(web, vm="web")
    point = max((site.folder / "backup/points/shop/db").iterdir())
    root = json.loads(point.read_text())["disks"][0]["map"]
    whole = site.folder / "backup/maps" / root[:2] / root
    text = whole.read_bytes()
    whole.write_bytes(text[:-1])
    record = site.folder / "backup/copies" / next(id for id, tags in before.items() if tags["drc:vm"] == "web")
    record.write_text("{")

    done = site.replicate(status=1)
    told = " ".join(done.err.split())
    assert "recovery point of db in dir:backup is damaged" in told and "db has no recovery point" not in told
    assert f"{root} in dir:" in told and "not those that its name says" in told
    assert "that can be read: db" in told and "drc repo verify" in told
    assert f"copies/{record.name}" in told and "remove it" in told
    new = [tags for id, tags in site.copies().items() if id not in before]
    assert [tags["drc:vm"] for tags in new] == ["web"] and set(before) <= set(site.copies())
    assert site.asked("PutSnapshotBlock") == 8 + 4 + 4  # web's is a whole copy again
    alone = site.replicate(status=1)
    assert "that can be read: db" in alone.err

    whole.write_bytes(text)
    record.unlink()
    site.replicate()
    assert site.asked("PutSnapshotBlock") == 8 + 4 + 4 + 1


def test_the_example_is_carried_out(drc, tmp_path):
    plan, aws = ROOT / "examples/replication.yaml", tmp_path / "aws"
    drc("sandbox", "init", aws, plan, "--seed", 7, "--speed", 200, "--no-copies")
    disk = tmp_path / "disk.raw"
    disk.write_bytes(random.Random(2).randbytes(3 * BLOCK))
    drc("repo", "import", "s3://acme-dr-eu/replication", "--sandbox", aws, "--plan", "replication",
        "--vm", "db", *FACTS, disk)
    drc("rpo", plan, "--sandbox", aws, status=2)
    done = drc("plan", "apply", plan, "replicate", "--sandbox", aws, "--yes")  # web is not critical
    assert "db copied" in done.err and "not replicated: web" in done.err
    told = drc("rpo", plan, "--sandbox", aws, status=2).out
    assert re.search(r"db +met", told) and re.search(r"web +NEVER", told)
    assert "replicate" in drc("schedule", plan).out


def test_a_rehearsal_beside_does_not_make_copies_whole_again(drc, tmp_path):
    site = Site(drc, tmp_path)
    boot = site.disk("boot.img", 16, 8)
    site.imports(boot)
    site.replicate()
    other = tmp_path / "other"
    drc("sandbox", "init", other, site.plan, "--speed", 200, "--no-copies")
    for _ in range(2):
        site.change(boot, 1)
        site.imports(boot)
        drc("plan", "apply", site.plan, "replicate", "--sandbox", other, "--yes")
    assert site.report()["blocks_sent"] == 2


def read_back(site, *flags, status=0):
    return site.drc("repo", "verify", site.repository, "--copies", "--sandbox", site.sandbox, "--region", "eu-west-1",
                    *flags, status=status)


def test_copies_are_read_back(site, disks, drc):
    boot, data = disks
    site.imports(boot, data)
    site.replicate()
    assert "2 DR copies, 120 blocks read back: all is well" in read_back(site).out
    assert site.asked("GetSnapshotBlock") == 120
    site.change(boot, 3)
    with open(data, "r+b") as file:
        file.truncate(0)
        file.truncate(32 * MIB)  # what was there is zeros now
    site.imports(boot, data)
    site.replicate()
    told = json.loads(read_back(site, "--json").out)
    assert told["copies"] == 4 and told["blocks"] == 2 * 120 and told["problems"] == []
    some = json.loads(read_back(site, "--json", "--sample", "20%", "--vm", "db").out)
    assert 10 < some["blocks"] < 100
    assert "0 DR copies, 0 blocks" in read_back(site, "--vm", "web").out


def test_a_damaged_copy_is_named(site, drc):
    boot = site.disk("boot.img", 16, 8)
    site.imports(boot)
    site.replicate()
    (snapshot, tags), = site.copies().items()
    with sqlite3.connect(site.sandbox / "sandbox.db") as db:
        rows = db.execute("SELECT b.map, b.position, hex(b.digest) FROM blocks b JOIN snapshots s ON "
                          "s.map = b.map WHERE s.id = ? ORDER BY b.position", (snapshot,)).fetchall()
        assert len(rows) == 8
        map, (first, second, third) = rows[0][0], [row[1] for row in rows[:3]]
        other = bytes.fromhex(rows[2][2])
        free = next(i for i in range(32) if i not in [row[1] for row in rows])
        change = "UPDATE blocks SET digest = ? WHERE map = ? AND position = ?"
        db.execute(change, (other, map, first))  # sound, and not what was sent
        db.execute("DELETE FROM blocks WHERE map = ? AND position = ?", (map, second))
        db.execute(change.replace("SET digest = ?", "SET digest = digest, position = ?"), (free, map, third))
    done = read_back(site, status=1)
    named = f"{snapshot} (shop/db {tags['drc:recovery-point']}, disk 0), block "
    lines = [line for line in done.out.splitlines() if line.startswith(named)]
    assert {int(line[len(named):].split()[0]): line.split(": ", 1)[1] for line in lines} == {
        first: "it holds other bytes than the disk has there (SHA-256)",
        second: "it is missing, and the disk has data there",
        third: "it is missing, and the disk has data there",
        free: "it holds data, and the disk has none there"}
    assert "4 problems" in done.out and "copies that disk whole" in done.err
    told = json.loads(read_back(site, "--json", status=1).out)
    assert {p["block"] for p in told["problems"]} == {first, second, third, free}
    assert {(p["snapshot"], p["disk"]) for p in told["problems"]} == {(snapshot, 0)}

    with sqlite3.connect(site.sandbox / "sandbox.db") as db:
        db.execute("UPDATE snapshots SET deleted_ms = 1 WHERE id = ?", (snapshot,))
    gone = read_back(site, status=1)
    assert snapshot in gone.err and "deleted since" in gone.err and "0 DR copies" in gone.out
    map_of = next((site.folder / "backup/copies").iterdir())
    map_of.write_text("{")
    assert f"copies/{map_of.name}" in read_back(site, status=1).out
