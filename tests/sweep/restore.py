"""Points of the sweep over the Restore stage: import, replicate and prune, disturbed at one moment, done
again as a person would; then the repository has to verify, its disks have to come back bit for bit, and
the cloud has to be that of an undisturbed run."""
import hashlib
import json
import pathlib
import random
import shutil
import sqlite3

import cloud
import points
from points import demand

LOCAL = ("import", "import-again", "replicate", "replicate-again", "replicate-abandon", "repo-prune",
         "replicate-ahead", "replicate-ahead-abandon")
AHEAD = "replicate-ahead"  # drivers are injected ahead, into bootable copies
COPIES = ("dr-copy", "dr-copy-bootable")
BUCKET = "-bucket"  # the repository is in the sandbox's S3
BUCKET_SPEED = 40  # a lease of a minute has to last longer than a machine under load may stall
WORKFLOWS = (*LOCAL, *(name + BUCKET for name in ("import-again", "replicate-again", "repo-prune")))
BLOCK = 512 << 10
DISKS = {("db", 0): 3 * BLOCK + 1000, ("db", 1): 6 * BLOCK, ("web", 0): 2 * BLOCK}  # bytes
IMAGES = {"import": 0, "import-again": 1, "replicate": 1, "replicate-abandon": 1, "replicate-again": 1,
          "repo-prune": 3, "replicate-ahead": 1, "replicate-ahead-abandon": 1}  # how many recovery points there are at the beginning

PLAN = """version: 1
name: shop
objectives: {rpo: 1h, rto: 30m}
backup: {every: 10m, repository: "REPOSITORY"}
replication: {every: 30m, keep: 1, prepare: PREPARE}
sites:
  recovery:
    aws:
      region: eu-west-1
      account: "111122223333"
      placeholder_image: ami-0c000000000000001
      conversion:
        instances: {eu-west-1a: i-0f00ba40000000000}
networks:
  production:
    vpc: vpc-0a000000000000001
    subnets:
      app: {id: subnet-0a00000000000000a, cidr: 10.20.1.0/24, zone: eu-west-1a}
vms:
  db: {source: /DC0/vm/db01, subnet: app}
  web: {source: /DC0/vm/web01, subnet: app}
"""


def image(vm, disk, version):
    """Random, with a block of zeros and, from version to version, a block that changes."""
    blocks = -(-DISKS[vm, disk] // BLOCK)
    content = [random.Random(f"{vm}{disk}{n}").randbytes(BLOCK) for n in range(blocks)]
    content[1] = bytes(BLOCK)
    changed = version % blocks
    content[changed] = random.Random(f"{vm}{disk}{version}").randbytes(BLOCK)
    return b"".join(content)[:DISKS[vm, disk]]


class Place(points.Place):
    """A folder with a sandbox, images, and below `data` what the disturbed process writes."""

    def __init__(self, folder, name):
        super().__init__(folder, "attach")
        self.bucket = name.endswith(BUCKET)
        name = name.removesuffix(BUCKET)
        self.name, self.plan = name, self.folder / "plan.yaml"
        self.disk = self.folder / "data"
        self.state, self.repository = self.disk / "state", self.disk / "repository"
        self.url = str(self.state)
        self.workflow, self.version = name, IMAGES[name]

    def image_path(self, vm, disk):
        return self.folder / f"{vm}-{disk}.raw"

    def put_images(self, version):
        self.version = version
        for vm, disk in DISKS:
            self.image_path(vm, disk).write_bytes(image(vm, disk, version))

    def repo(self, command, *words, **more):
        if self.bucket:
            return self.drc("repo", command, "s3://drc-backup/shop", "--sandbox", self.sandbox, *words, **more)
        return self.drc("repo", command, f"dir:{self.repository}", *words, **more)

    def keys(self, folder):
        """What is under way or left behind has a ~ in its name."""
        if not self.bucket:
            return [path for path in (self.repository / folder).glob("**/*") if path.is_file() and "~" not in path.name]
        held = cloud.Cloud(self.sandbox)
        rows = held.database.execute("SELECT key FROM s3_objects WHERE key LIKE ? ORDER BY key", (f"shop/{folder}/%",))
        keys = [pathlib.PurePath(row["key"]) for row in rows]
        held.close()
        return keys

    def time_passes(self):
        """Until leases of processes that died have run out: nobody waits for a minute at each moment."""
        if self.bucket:
            with sqlite3.connect(self.sandbox / "sandbox.db") as database:
                database.execute("DELETE FROM s3_objects WHERE key LIKE 'shop/locks/leases/%'")
            database.close()
            return
        for path in self.keys("locks/leases"):
            lease = json.loads(path.read_text())
            path.write_text(json.dumps({**lease, "expires": lease["expires"] and lease["expires"] - 3600000}))

    def import_vm(self, vm, shim=None):
        disks = [self.image_path(*key) for key in DISKS if key[0] == vm]
        return self.repo("import", "--plan", "shop", "--vm", vm, "--firmware", "bios", "--recovery-point",
                         f"2026-11-22T10:{self.version:02}:00Z", *disks, shim=shim)

    def replicate(self, shim=None):
        return self.drc("plan", "apply", self.plan, "replicate", "--sandbox", self.sandbox, "--yes", shim=shim)

    def prune(self, shim=None):
        return self.repo("prune", "--keep-last", "1", "--yes", shim=shim)

    def objects(self):
        return sorted(f"{folder} {path.name}" for folder in ("blocks", "maps") for path in self.keys(folder))


def prepare(folder, name):
    place = Place(folder, name)
    name = place.name
    place.disk.mkdir(parents=True)
    place.state.mkdir(mode=0o700)
    text = PLAN.replace("REPOSITORY", "s3://drc-backup/shop" if place.bucket else "dir:data/repository")
    place.plan.write_text(text.replace("PREPARE", "replication" if name.startswith(AHEAD) else "failover"))
    done = place.drc("sandbox", "init", place.sandbox, place.plan, "--no-copies", "--seed", 7, "--speed", BUCKET_SPEED if place.bucket else points.SPEED)
    demand(done.returncode == 0, done.err)
    for version in range(IMAGES[name]):
        place.put_images(version)
        for vm in ("db", "web"):
            done = place.import_vm(vm)
            demand(done.returncode == 0, done.err)
    if name in ("replicate-again", AHEAD):
        done = place.replicate()
        demand(done.returncode == 0, done.err)
    if name in ("import", "import-again", "replicate-again", AHEAD):
        place.put_images(IMAGES[name])
    if name in ("replicate-again", AHEAD):
        for vm in ("db", "web"):
            demand(place.import_vm(vm).returncode == 0, "import")
    held = cloud.Cloud(place.sandbox)
    given = sorted(held.ids())
    held.close()
    (place.folder / "given.json").write_text(json.dumps(given))
    (place.folder / "runs.json").write_text(json.dumps([run["run"] for run in place.runs()]))


def begin(place, shim):
    if place.name.startswith("import"):
        return place.import_vm("db", shim)
    return place.prune(shim) if place.name == "repo-prune" else place.replicate(shim)


def new_runs(place):
    before = json.loads((place.folder / "runs.json").read_text())
    return [run for run in place.runs() if run["run"] not in before]


def again(place, command):
    """As a person does who sees an error, waits, and then does the same again."""
    for _ in range(3):
        place.time_passes()
        done = command()
        if done.returncode == 0 or "already" in done.err:
            return
    demand(False, "the way on does not work", done.err)


def go_on(place, done):
    """What the messages tell a person to do, until it is done."""
    whole = done.returncode == 0
    if place.name.startswith("import"):
        return whole or again(place, lambda: place.import_vm("db"))
    if place.name == "repo-prune":
        return whole or again(place, place.prune)
    if place.name.endswith("-abandon"):
        for run in new_runs(place):
            done = place.drc("run", "cleanup", run["run"], "--yes")
            demand(done.returncode == 0, "it cannot be cleaned up", done.err)
            left = [row for row in snapshots(place, new_only=True) if row["tags"].get("drc:role") not in COPIES]
            left += volumes(place)
            demand(not left, "after the cleanup there are", *left)
        done = place.replicate()
        return demand(done.returncode == 0, "it cannot be done anew", done.err)
    for _ in range(4):
        newest = (new_runs(place) or [None])[0]
        if newest and newest["status"] == "succeeded":
            return None
        done = place.resume(newest["run"]) if newest and newest["status"] != "cancelled" else place.replicate()
        demand(done.returncode == 0, "the way on does not work", done.err)
    raise points.Wrong("it does not get done")


def volumes(place):
    """Those that are not deleted, and were not there before drc came."""
    given = set(json.loads((place.folder / "given.json").read_text()))
    held = cloud.Cloud(place.sandbox)
    found = [row["id"] for row in held.rows("volumes") if row["deleted_ms"] is None and row["id"] not in given]
    held.close()
    return found


def snapshots(place, new_only=False):
    """Of each snapshot that is not deleted: its tags, its state, what its blocks hold."""
    given = set(json.loads((place.folder / "given.json").read_text()))
    held = cloud.Cloud(place.sandbox)
    found = []
    for row in held.rows("snapshots"):
        if row["deleted_ms"] is None and not (new_only and row["id"] in given):
            blocks = held.database.execute("SELECT position, hex(digest) FROM blocks WHERE map = ? ORDER BY position",
                                           (row["map"],)).fetchall()
            found.append({"id": row["id"], "old": row["id"] in given, "tags": held.tags(row["id"]),
                          "size_gib": row["size_gib"], "completed": row["expires_ms"] is None,
                          "content": row["content"],
                          "blocks": [tuple(block) for block in blocks]})
    held.close()
    return found


def expected_of(place, expected):
    """What is to be expected where a copy could not be recorded: the next one is a whole one, and says so."""
    failed = "record-copy failed" in "".join(place.trace)
    return [thing for thing in expected if not (failed and thing.startswith("copy "))]


def outcome(place, _):
    """What has to be equal to an undisturbed one."""
    things = [f"object {name}" for name in place.objects()] + [f"volume {id}" for id in volumes(place)]
    for row in snapshots(place):
        tags = {key: value for key, value in row["tags"].items() if key not in ("drc:run",)}
        content = hashlib.sha256(repr(row["blocks"]).encode()).hexdigest()[:16]
        things.append(json.dumps({**row, "tags": tags, "blocks": f"{len(row['blocks'])} {content}",
                                  "id": row["id"] if row["old"] else "new"}, sort_keys=True))
    by_id = {row["id"]: f"{row['tags'].get('drc:vm')} {row['tags'].get('drc:disk')}" for row in snapshots(place)}
    if "record-copy failed" not in "".join(place.trace):
        things += [f"copy {by_id[path.name]}" for path in place.keys("copies") if path.name in by_id]
    return sorted(things)


def check_content(place):
    """A DR copy holds the image, block for block; zeros need not be there."""
    for row in snapshots(place, new_only=True):
        vm, disk = row["tags"]["drc:vm"], int(row["tags"]["drc:disk"])
        content = place.image_path(vm, disk).read_bytes()
        wanted = {}
        for position in range(-(-len(content) // BLOCK)):
            block = content[position * BLOCK:(position + 1) * BLOCK].ljust(BLOCK, b"\0")
            wanted[position] = hashlib.sha256(block).hexdigest().upper()
        zero = hashlib.sha256(bytes(BLOCK)).hexdigest().upper()
        held = {position: zero for position in wanted} | dict(row["blocks"])
        demand(held == wanted, f"the copy of {vm} disk {disk} does not hold the image", row["id"])


def check_at_once(place):
    """No recovery point is ever half there, and no copy is called one before it is."""
    if place.bucket or (place.repository / "repository").exists():
        done = place.repo("verify")
        demand(done.returncode == 0, "the repository does not verify", done.out, done.err)
    for row in snapshots(place, new_only=True):
        role = row["tags"].get("drc:role")
        demand(row["completed"] or role not in COPIES, "a half copy is tagged as one", row)
        demand(role != "dr-copy-bootable" or row["content"] == "bootable", "a bootable copy has no drivers", row)


def check_state(place, _):
    check_at_once(place)
    if place.name == "repo-prune":
        return
    check_disks(place)
    if place.name.startswith("replicate"):
        check_content(place)


def check_disks(place):
    for vm in ("db", "web"):
        if place.name == "import" and vm == "web":
            continue
        for disk in (number for name, number in DISKS if name == vm):
            if place.name.startswith("import") and vm != "db":
                continue
            out = place.folder / "out.raw"
            out.unlink(missing_ok=True)
            done = place.repo("export", "--plan", "shop", "--vm", vm, "--disk", str(disk), "-o", out)
            demand(done.returncode == 0, "it cannot be exported", done.err)
            demand(out.read_bytes() == place.image_path(vm, disk).read_bytes(), f"{vm} disk {disk} does not come back")


def copied(prepared, folder, name):
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(prepared, folder)
    return Place(points.moved(prepared, folder), name)
