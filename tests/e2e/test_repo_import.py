"""Disk images become recovery points and come back, bit for bit; what is wrong with one is told."""
import filecmp
import hashlib
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from e2e_drc import DRC, ROOT, open_terminal, wait_for

BLOCK = 512 << 10
MIB = 1 << 20
NAMES = ["--plan", "shop", "--vm", "db"]


def sparse(path, size, writes=()):
    """A file of that size with holes but for (offset, bytes)."""
    with open(path, "wb") as file:
        file.truncate(size)
        for offset, data in writes:
            file.seek(offset)
            file.write(data)
    return path


def noise(length, seed=1):
    chance = random.Random(seed)
    return b"".join(chance.randbytes(min(64 * MIB, length - at)) for at in range(0, length, 64 * MIB))


def thin(path, blocks):
    """Work without room: each block holds 4 KiB, others in each, and is read and hashed as a whole."""
    page = noise(4096)
    return sparse(path, blocks * BLOCK, [(i * BLOCK, i.to_bytes(8, "big") + page[8:]) for i in range(blocks)])


def thin_qcow2(folder, blocks):
    raw, image = thin(folder / "disk.raw", blocks), folder / "disk.qcow2"
    qemu_img("convert", "-f", "raw", "-O", "qcow2", "-o", "cluster_size=4096", raw, image)
    return image


def same(one, other):
    subprocess.run(["cmp", one, other], check=True)


def qemu_img(*words):
    return subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True, text=True).stdout


def servers():
    """qemu-nbd processes of this test's user that drc started."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"qemu-nbd"):
            found.append((int(process.name), b" ".join(words).decode(errors="replace")))
    return found


def servers_of(path):
    return [pid for pid, words in servers() if str(path) in words]


class Repository:
    def __init__(self, drc, folder):
        self.drc, self.place, self.folder = drc, f"dir:{folder / 'backup'}", folder
        self.second = 0

    def imported(self, *images, words=(), **kwargs):
        self.second += 1
        time = f"2026-01-02T03:{self.second // 60:02}:{self.second % 60:02}Z"
        return self.drc("repo", "import", self.place, *NAMES, "--recovery-point", time, *images, *words, **kwargs)

    def counted(self, *images, **kwargs):
        result = json.loads(self.imported(*images, words=["--json"], **kwargs).out)
        for disk in result["disks"]:
            assert disk["new"] + disk["known"] + disk["zero"] == disk["blocks"], disk
        return result

    def exported(self, name, *words, **kwargs):
        path = self.folder / name
        self.drc("repo", "export", self.place, *NAMES, "-o", path, *words, **kwargs)
        return path

    def points(self):
        return json.loads(self.drc("repo", "list", self.place, "--json").out)["points"]

    def none_was_made(self):
        return not (self.folder / "backup" / "points").exists()


@pytest.fixture
def repository(drc, tmp_path):
    return Repository(drc, tmp_path)


@pytest.mark.parametrize("size", [1, 512, BLOCK - 1, BLOCK, BLOCK + 1, 20 * BLOCK + 12345])
def test_random_disks_of_any_size_come_back(repository, tmp_path, size):
    image = sparse(tmp_path / "disk.raw", size, [(0, noise(size))])
    disk, = repository.counted(image)["disks"]
    assert disk["bytes"] == size and disk["new"] == disk["blocks"] == -(-size // BLOCK)
    same(image, repository.exported("back.raw"))


def test_two_disks_of_a_vm_keep_their_order_and_facts(repository, tmp_path):
    boot = sparse(tmp_path / "boot.raw", 3 * MIB, [(0, noise(1000))])
    data = sparse(tmp_path / "data.raw", 5 * MIB, [(4 * MIB, noise(1000, 2))])
    done = repository.imported(boot, data, words=["--cpus", 4, "--memory", "16GiB", "--firmware", "bios", "--os", "linux",
                                                  "--arch", "x86_64", "--guest-id", "debian12_64Guest",
                                                  "--controller", "pvscsi,nvme"])
    assert "disk 0  boot.raw" in done.out and "disk 1  data.raw" in done.out
    point, = repository.points()
    assert [d["bytes"] for d in point["disks"]] == [3 * MIB, 5 * MIB]
    assert [d["controller"] for d in point["disks"]] == ["pvscsi", "nvme"]
    assert {k: point[k] for k in ("cpus", "memory_mib", "firmware", "os", "arch", "guest_id")} == \
        {"cpus": 4, "memory_mib": 16384, "firmware": "bios", "os": "linux", "arch": "x86_64",
         "guest_id": "debian12_64Guest"}
    out = repository.exported("out/")
    same(boot, out / "db-disk-0.raw")
    same(data, out / "db-disk-1.raw")
    same(data, repository.exported("one.raw", "--disk", 1))


def test_what_is_not_known_is_left_away(repository, tmp_path):
    repository.imported(sparse(tmp_path / "disk.raw", MIB))
    point, = repository.points()
    assert not {"cpus", "memory_mib", "firmware", "os", "arch", "guest_id"} & set(point)


def test_a_hundred_gigabytes_of_holes_cost_nothing(repository, tmp_path):
    writes = [(0, noise(10)), (33 << 30, noise(BLOCK, 2)), ((100 << 30) - 5, noise(5, 3))]
    image = sparse(tmp_path / "disk.raw", 100 << 30, writes)
    disk, = repository.counted(image)["disks"]
    assert disk["read"] == 3 and disk["new"] == 3
    back = repository.exported("back.raw")
    assert back.stat().st_size == 100 << 30 and back.stat().st_blocks * 512 < 4 * MIB
    with open(image, "rb") as one, open(back, "rb") as other:
        for offset in (0, 33 << 30, (100 << 30) - BLOCK):
            one.seek(offset)
            other.seek(offset)
            assert one.read(BLOCK) == other.read(BLOCK)


def test_an_increment_puts_what_has_changed(repository, tmp_path):
    image = sparse(tmp_path / "disk.raw", 100 * BLOCK, [(0, noise(50 * BLOCK))])
    assert repository.counted(image)["disks"][0]["new"] == 50
    before = sum(1 for _ in (tmp_path / "backup" / "blocks").rglob("*") if _.is_file())
    again = repository.counted(image)
    assert (again["disks"][0]["new"], again["disks"][0]["known"]) == (0, 50)
    assert again["previous"] == "2026-01-02T03:00:01Z"
    assert before == sum(1 for _ in (tmp_path / "backup" / "blocks").rglob("*") if _.is_file())
    with open(image, "r+b") as file:
        for block in (3, 49, 80):
            file.seek(block * BLOCK + 77)
            file.write(b"changed")
    disk, = repository.counted(image)["disks"]
    assert (disk["new"], disk["known"]) == (3, 48)
    same(image, repository.exported("back.raw"))
    first = repository.exported("first.raw", "--recovery-point", "2026-01-02T03:00:02Z")
    assert hashlib.sha256(first.read_bytes()[:50 * BLOCK]).digest() == hashlib.sha256(noise(50 * BLOCK)).digest()


@pytest.fixture
def disk(tmp_path):
    return sparse(tmp_path / "disk.raw", 30 * MIB,
                  [(0, noise(100)), (7 * MIB, noise(3 * MIB, 2)), (30 * MIB - 512, noise(512, 3))])


@pytest.mark.parametrize("kind", ["qcow2", "vmdk", "vhdx", "vdi", "vmdk streamOptimized", "vmdk twoGbMaxExtentSparse",
                                  "vmdk monolithicFlat", "qcow2 compressed"])
def test_images_of_other_tools(repository, disk, tmp_path, kind):
    form, _, kind = kind.partition(" ")
    image = tmp_path / f"odd name, \"quoted\".{form}" if not kind else tmp_path / f"disk.{form}"
    words = ["-c"] if kind == "compressed" else ["-o", f"subformat={kind}"] if kind else []
    qemu_img("convert", "-f", "raw", "-O", form, *words, disk, image)
    done = repository.imported(image, words=["--json"])
    assert f"disk 0 is {form} by its first bytes" in done.err
    result, = json.loads(done.out)["disks"]
    assert result["format"] == form and result["new"] == 8
    if form in ("qcow2", "vmdk"):
        assert result["read"] < 20  # of 60: what is known to be zero is not read
    assert result["bytes"] == 30 * MIB
    same(disk, repository.exported("back.raw"))
    assert servers_of(tmp_path) == []


def test_a_fixed_vhd_is_known_by_its_end(repository, disk, tmp_path):
    image = tmp_path / "disk.vhd"
    qemu_img("convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed,force_size=on", disk, image)
    done = repository.imported(image)
    assert "disk 0 is vhd by its first bytes" in done.err
    same(disk, repository.exported("back.raw"))


@pytest.mark.parametrize("form", ["qcow2", "vmdk"])
def test_export_into_images(repository, disk, tmp_path, form):
    repository.imported(disk)
    image = repository.exported(f"back.{form}")  # by its ending
    assert json.loads(qemu_img("info", "--output=json", image))["format"] == form
    qemu_img("compare", "-f", "raw", "-F", form, disk, image)
    qemu_img("check", "-f", form, image)
    assert image.stat().st_blocks * 512 < 8 * MIB
    assert [p.name for p in tmp_path.glob(".drc*")] == [] and servers_of(tmp_path) == []


@pytest.fixture
def served(tmp_path):
    """Serves images by qemu-nbd on a socket; gives its URI."""
    running = []

    def serve(path, *words):
        address = tmp_path / "nbd.sock"
        running.append(subprocess.Popen(["qemu-nbd", "--persistent", "--read-only", "--shared=8", "-x", "disk",
                                         "--socket", address, *words, path], stderr=subprocess.PIPE))
        wait_for(address.exists, "the socket of qemu-nbd", running[-1])
        return f"nbd+unix:///disk?socket={address}"
    yield serve
    for process in running:
        process.kill()
        process.wait()


def test_an_nbd_export_is_read_directly(repository, disk, served):
    result = repository.counted(served(disk, "-f", "raw"))["disks"][0]
    assert result["format"] == "nbd" and result["read"] < 20
    same(disk, repository.exported("back.raw"))


def test_a_sector_that_cannot_be_read_is_named(repository, disk, served, tmp_path):
    node = {"driver": "blkdebug", "image": {"driver": "file", "filename": str(disk)},
            "inject-error": [{"event": "none", "iotype": "read", "errno": 5, "sector": 16384}]}
    done = repository.imported(served("json:" + json.dumps(node)), status=1)
    assert "reading at offset 8388608 (sector 16384): Input/output error" in done.err
    assert repository.none_was_made()


SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/types.h>
/* A disk whose bytes from 3 MiB + 512 to 3 MiB + 1024 cannot be read. */
static ssize_t at(const char *name, int f, void *b, size_t n, off_t o)
{
    ssize_t (*real)(int, void *, size_t, off_t) = dlsym(RTLD_NEXT, name);
    if (n >= 512 && o < (3 << 20) + 1024 && o + (off_t)n > (3 << 20) + 512) {
        errno = EIO;
        return -1;
    }
    return real(f, b, n, o);
}
ssize_t pread(int f, void *b, size_t n, off_t o) { return at("pread", f, b, n, o); }
ssize_t pread64(int f, void *b, size_t n, off_t o) { return at("pread64", f, b, n, o); }
"""


def test_a_bad_disk_is_told_by_its_sector(repository, tmp_path):
    if any(name in repository.drc.env for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS")):
        pytest.skip("the sanitizers' runtime has to be loaded first")
    (tmp_path / "shim.c").write_text(SHIM)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "shim.so", tmp_path / "shim.c", "-ldl"], check=True)
    image = sparse(tmp_path / "disk.raw", 8 * MIB, [(0, noise(8 * MIB))])
    done = repository.imported(image, status=1, LD_PRELOAD=str(tmp_path / "shim.so"))
    assert f"{image}: reading at offset 3146240 (sector 6145): Input/output error" in done.err
    assert "ddrescue" in done.err
    assert repository.none_was_made()


# --- images that are none, or not whole ---

def test_bad_images_are_refused_before_anything_is_made(repository, disk, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    for words, part in [
        ([tmp_path / "none"], "No such file"),
        ([tmp_path], "a folder is no disk image"),
        ([tmp_path / "empty"], "it is empty, 0 bytes"),
        ([tmp_path / "pipe"], "neither a file nor a block device"),
        (["/dev/null"], "neither a file nor a block device"),
        ([disk, disk], "is given twice, as disk 0 and disk 1"),
        ([disk, os.path.relpath(disk, ROOT)], "is given twice"),
        ([disk, "--format", "iso"], "drc knows no image format"),
        ([disk, "--firmware", "efi"], "--firmware \"efi\" is not known"),
        ([disk, "--recovery-point", "yesterday"], "--recovery-point wants a time"),
        ([disk, "--recovery-point", "2999-01-01T00:00:00Z"], "ahead of this host's clock"),
        (["nbd+unix:///?socket=/no/such"], "nbd+unix:"),
        ([disk] * 61, "a VM has at most 60 disks"),
    ]:
        done = repository.drc("repo", "import", repository.place, *NAMES, *words, status=1, timeout=30)
        assert part in done.err and done.err.startswith("error: "), done.err
    assert not (tmp_path / "backup").exists()
    assert "needs --vm" in repository.drc("repo", "import", repository.place, "--plan", "shop", disk, status=1).err


def test_no_permission(repository, disk, tmp_path):
    disk.chmod(0)
    command = [DRC, "repo", "import", repository.place, *NAMES, disk]
    if os.getuid() == 0:
        for folder in [tmp_path, *tmp_path.parents]:
            if folder.stat().st_uid == os.getuid() and folder != pathlib.Path("/"):
                folder.chmod(folder.stat().st_mode | 0o055)
        command[0] = shutil.copy(DRC, tmp_path / "drc")
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", env={**repository.drc.env, "HOME": "/"},
                              user=65534, timeout=60)
    else:
        done = subprocess.run(command, capture_output=True, text=True, env=repository.drc.env, timeout=60)
    assert done.returncode == 1 and "Permission denied" in done.stderr and "may read it" in done.stderr


@pytest.mark.parametrize("kind", ["qcow2", "qcow2 compressed", "vmdk", "vmdk streamOptimized", "vmdk monolithicFlat",
                                  "vdi", "vhdx", "vpc"])
@pytest.mark.parametrize("cut", ["head", "middle", "end"])
def test_a_truncated_image_is_told_and_makes_no_point(repository, disk, tmp_path, cut, kind):
    """QEMU itself reads what is not there as zeros."""
    form, _, kind = kind.partition(" ")
    image = part = tmp_path / f"disk.{form}"
    words = ["-c"] if kind == "compressed" else ["-o", f"subformat={kind}"] if kind else []
    qemu_img("convert", "-f", "raw", "-O", form, *words, disk, image)
    if kind == "monolithicFlat":
        part = tmp_path / "disk-flat.vmdk"
    size = part.stat().st_size
    os.truncate(part, {"head": 100, "middle": size // 2, "end": size * 7 // 8}[cut])
    if cut == "head" and part == image:
        with open(image, "r+b") as file:
            file.truncate(600)
    done = repository.imported(image, status=1)
    assert str(tmp_path / "disk") in done.err and "  help: " in done.err
    assert repository.none_was_made() and servers_of(tmp_path) == []


def test_a_backing_file_is_refused_unless_told(repository, disk, tmp_path):
    over = tmp_path / "over.qcow2"
    qemu_img("create", "-f", "qcow2", "-F", "raw", "-b", disk, over)
    done = repository.imported(over, status=1)
    assert "a backing file" in done.err and "--backing" in done.err
    repository.imported(over, words=["--backing"])
    same(disk, repository.exported("back.raw"))


def test_a_guest_cannot_have_another_file_read(repository, tmp_path):
    """Its raw disk begins like a qcow2 whose backing file is a file of the host."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * MIB)
    disk = tmp_path / "guest.raw"
    qemu_img("create", "-f", "qcow2", "-F", "raw", "-b", secret, disk)
    content = disk.read_bytes()
    assert "a backing file" in repository.imported(disk, status=1).err
    repository.imported(disk, words=["--format", "raw"])
    assert repository.exported("back.raw").read_bytes() == content


def test_a_vmdk_part_elsewhere_is_refused(repository, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "secret").write_bytes(b"s" * MIB)
    text = '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\n' \
           f'RW 2048 FLAT "{tmp_path}/parts/secret" 0\n'
    (tmp_path / "disk.vmdk").write_text(text)
    assert "a part outside of its folder" in repository.imported(tmp_path / "disk.vmdk", status=1).err


def test_an_image_that_is_written_to_makes_no_point(repository, tmp_path):
    image = sparse(tmp_path / "disk.raw", 400 * MIB, [(0, noise(300 * MIB))])
    process = repository.drc.start("repo", "import", repository.place, *NAMES, image)
    wait_for((tmp_path / "backup" / "blocks").exists, "blocks", process)
    with open(image, "r+b") as file:
        file.seek(399 * MIB)
        file.write(b"x")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and b"it was written to while it was read" in err, err
    assert repository.none_was_made()


def test_an_image_that_shrinks_makes_no_point(repository, tmp_path):
    image = sparse(tmp_path / "disk.raw", 300 * MIB, [(0, noise(300 * MIB))])
    process = repository.drc.start("repo", "import", repository.place, *NAMES, image)
    wait_for((tmp_path / "backup" / "blocks").exists, "blocks", process)
    os.truncate(image, 200 * MIB + 1)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and b"it ends at offset 209715201" in err, err
    assert repository.none_was_made()


def test_without_qemu_the_package_is_named(repository, disk, tmp_path):
    image = tmp_path / "disk.qcow2"
    qemu_img("convert", "-f", "raw", "-O", "qcow2", disk, image)
    done = repository.imported(image, status=1, PATH=str(tmp_path))
    assert "qemu-nbd, which is not installed" in done.err and "qemu-utils" in done.err
    assert repository.none_was_made()
    repository.imported(disk, PATH=str(tmp_path))  # raw needs none
    done = repository.drc("repo", "export", repository.place, *NAMES, "-o", tmp_path / "x.qcow2", status=1,
                          PATH=str(tmp_path))
    assert "which is not installed" in done.err
    assert list(tmp_path.glob("*x.qcow2*")) == [] and list(tmp_path.glob(".drc*")) == []


# --- recovery points ---

def test_a_point_is_never_replaced(repository, disk):
    words = ["repo", "import", repository.place, *NAMES, disk, "--recovery-point", "2026-01-01T00:00:00Z"]
    repository.drc(*words)
    done = repository.drc(*words, status=1)
    assert "has a recovery point of shop/db at 2026-01-01T00:00:00Z already" in done.err
    assert len(repository.points()) == 1


def test_two_imports_within_a_second_are_two_points(repository, disk):
    for _ in range(5):  # the third finds the place of the second taken
        repository.drc("repo", "import", repository.place, *NAMES, disk)
    assert len({p["time"] for p in repository.points()}) == 5


def test_names_that_are_none(repository, disk):
    for plan, vm in (("../x", "db"), ("shop", "a/b"), ("shop", "\x1b[31m"), ("shop", ""), ("p" * 250, "v" * 250)):
        done = repository.drc("repo", "import", repository.place, "--plan", plan, "--vm", vm, disk, status=1)
        assert "\x1b" not in done.err
        assert not (repository.folder / "backup").exists()  # told before anything is read or made
    assert "no recovery point of shop/web" in repository.drc(
        "repo", "export", "dir:" + str(repository.folder / "backup"), "--plan", "shop", "--vm", "web", status=1).err \
        if (repository.folder / "backup").exists() else True


def test_the_boot_disk_tells_what_is_certain(repository, tmp_path):
    image = sparse(tmp_path / "disk.raw", 64 * MIB)
    layout = "label: gpt\nsize=10MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n" \
             "type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n"
    subprocess.run(["sfdisk", "-q", image], input=layout, text=True, check=True)
    done = repository.imported(image)
    assert "firmware uefi: disk 0 has GPT with an EFI system partition" in done.err
    point, = repository.points()
    assert (point["firmware"], point["os"], point["arch"]) == ("uefi", "linux", "x86_64")
    done = repository.imported(image, words=["--firmware", "bios"])
    assert "firmware bios, as the flag says" in done.err
    assert repository.points()[-1]["firmware"] == "bios"


# --- export ---

def test_export_overwrites_nothing(repository, disk, tmp_path):
    repository.imported(disk)
    (tmp_path / "there.raw").write_text("precious")
    done = repository.drc("repo", "export", repository.place, *NAMES, "-o", tmp_path / "there.raw", status=1)
    assert "there is a file of that name already" in done.err and "--force" in done.err
    assert (tmp_path / "there.raw").read_text() == "precious"
    repository.exported("there.raw", "--force")
    same(disk, tmp_path / "there.raw")


def test_export_without_o_is_into_this_folder(repository, disk, tmp_path):
    repository.imported(disk)
    (tmp_path / "here").mkdir()
    repository.drc("repo", "export", repository.place, *NAMES, "--format", "qcow2", cwd=tmp_path / "here")
    assert [p.name for p in (tmp_path / "here").iterdir()] == ["db-disk-0.qcow2"]


def test_damaged_blocks_leave_no_file_that_looks_finished(repository, disk, tmp_path):
    repository.imported(disk)
    block = next(p for p in (tmp_path / "backup" / "blocks").rglob("*") if p.is_file())
    whole = block.read_bytes()
    for damage in (whole[:-1], whole[:-5] + b"12345", b"", whole[:10]):
        block.write_bytes(damage)
        for name in ("back.raw", "back.qcow2"):
            done = repository.drc("repo", "export", repository.place, *NAMES, "-o", tmp_path / name, status=1)
            assert "disk 0 of shop/db at 2026-01-02T03:00:01Z" in done.err and block.name in done.err, done.err
    block.unlink()
    done = repository.drc("repo", "export", repository.place, *NAMES, "-o", tmp_path / "back.raw", status=1)
    assert "it is missing" in done.err
    assert list(tmp_path.glob("back.*")) == [] and list(tmp_path.glob(".drc*")) == []


def test_export_of_what_is_not_there(repository, disk, tmp_path):
    repository.imported(disk)
    for words, part in [
        (["--plan", "shop", "--vm", "web"], "has no recovery point of shop/web"),
        ([*NAMES, "--recovery-point", "2020-01-01T00:00:00Z"], "at or before 2020-01-01T00:00:00Z"),
        ([*NAMES, "--recovery-point", "soon"], "wants \"latest\" or a time"),
        ([*NAMES, "--disk", "1"], "has no disk 1"),
        ([*NAMES, "--format", "vhdx"], "writes no \"vhdx\""),
        ([*NAMES, "-o", "/dev/null"], "neither a file nor a block device"),
        ([*NAMES, "-o", tmp_path / "no" / "such" / "file.raw"], "No such file"),
        (["--plan", "shop"], "needs --plan and --vm"),
    ]:
        done = repository.drc("repo", "export", repository.place, *words, status=1)
        assert part in done.err, done.err
    done = repository.drc("repo", "export", f"dir:{tmp_path}/nosuch", *NAMES, status=1)
    assert "nosuch" in done.err and not (tmp_path / "nosuch").exists()


def test_a_full_disk_leaves_no_file(repository, tmp_path):
    image = sparse(tmp_path / "disk.raw", 8 * MIB, [(0, noise(8 * MIB))])
    repository.imported(image)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4 * MIB, 4 * MIB))
    done = subprocess.run([DRC, "repo", "export", repository.place, *NAMES, "-o", tmp_path / "back.raw"],
                          capture_output=True, text=True, env=repository.drc.env, preexec_fn=limit, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("error: "), done
    assert list(tmp_path.glob("back.*")) == [] and list(tmp_path.glob(".drc*")) == []


def test_a_file_system_that_takes_no_such_file(repository, disk, tmp_path):
    """A limit on files stands for a file system's own (ext4: 16 TiB)."""
    repository.imported(disk)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))  # noqa: E731
    process = repository.drc.start("repo", "export", repository.place, *NAMES, "-o", tmp_path / "out.raw",
                                   preexec_fn=limit)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and b"File too large" in err and b"give a file elsewhere with -o" in err, err
    assert b"--state" not in err and not (tmp_path / "out.raw").exists()


def test_64_tib_of_holes(repository, tmp_path):
    """The largest volume that EBS has, and one byte more than that."""
    for name, size, status in (("large", 64 << 40, 0), ("larger", (64 << 40) + 512, 1)):
        image = tmp_path / f"{name}.qcow2"
        qemu_img("create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", image, str(size))
        done = repository.imported(image, status=status)
        if status:
            assert "more than the 64 TiB of the largest EBS volume" in done.err
    words = ("repo", "export", repository.place, *NAMES, "--format", "qcow2", "-o", tmp_path / "out.qcow2")
    # By a small process between: what the one had that started a program counts into the program's own.
    measure = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr);"
               "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    done = subprocess.run([sys.executable, "-c", measure, DRC, *map(str, words)], env=repository.drc.env,
                          check=True, capture_output=True)
    assert int(done.stdout) < 256 << 10  # KiB
    assert f"({64 << 40} bytes)" in qemu_img("info", tmp_path / "out.qcow2")


def test_a_whole_import_puts_broken_blocks_right(repository, disk, tmp_path):
    repository.imported(disk)
    blocks = [p for p in (tmp_path / "backup" / "blocks").rglob("*") if p.is_file()]
    good = [b.read_bytes() for b in blocks]
    blocks[0].write_bytes(good[0][:-4] + b"oops")
    blocks[1].unlink()
    assert repository.counted(disk)["disks"][0]["new"] == 0  # it goes by the map
    repository.drc("repo", "verify", repository.place, status=None)
    whole = json.loads(repository.imported(disk, words=["--whole", "--json"]).out)["disks"][0]
    assert whole["new"] == len(blocks)
    assert [b.read_bytes() for b in blocks] == good
    same(disk, repository.exported("back.raw"))


@pytest.fixture
def loop(tmp_path):
    """A block device of 8 MiB."""
    sparse(tmp_path / "loop.img", 8 * MIB, [(0, noise(8 * MIB, 9))])
    made = subprocess.run(["losetup", "-f", "--show", tmp_path / "loop.img"], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no loop device: {made.stderr}")
    yield pathlib.Path(made.stdout.strip())
    subprocess.run(["losetup", "-d", made.stdout.strip()], check=True)


def test_block_devices(repository, loop, tmp_path):
    """Read by their size; written with --force only, zeros over what was there."""
    result = repository.counted(loop)["disks"][0]
    assert (result["format"], result["bytes"], result["new"]) == ("raw", 8 * MIB, 16)
    same(loop, repository.exported("back.raw"))
    small = sparse(tmp_path / "small.raw", 5 * MIB + 100, [(MIB, noise(1000))])
    repository.imported(small)
    words = ["repo", "export", repository.place, *NAMES, "-o", loop]
    assert "is a block device" in repository.drc(*words, status=1).err
    same(loop, tmp_path / "back.raw")
    repository.drc(*words, "--force")
    assert loop.read_bytes()[:5 * MIB + 100] == small.read_bytes()
    assert loop.read_bytes()[5 * MIB + 100:] == (tmp_path / "back.raw").read_bytes()[5 * MIB + 100:]
    assert "onto a block device" in repository.drc(*words, "--force", "--format", "qcow2", status=1).err
    repository.imported(sparse(tmp_path / "large.raw", 9 * MIB))
    assert "the device has 8388608 bytes, the disk 9437184" in repository.drc(*words, "--force", status=1).err


# --- stopping ---

@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_import_without_a_point_or_a_server(repository, tmp_path, number):
    image = thin_qcow2(tmp_path, 4000)
    process = repository.drc.start("repo", "import", repository.place, *NAMES, image)
    wait_for((tmp_path / "backup" / "blocks").exists, "blocks", process)
    assert servers_of(image)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 3 and b"stopped: no recovery point was made" in err and out == b"", err
    assert servers_of(image) == [] and repository.none_was_made()
    lease = list((tmp_path / "backup" / "locks" / "leases").glob("writer-*"))
    assert lease == []


def test_a_kill_leaves_no_server(repository, tmp_path):
    image = thin_qcow2(tmp_path, 4000)
    process = repository.drc.start("repo", "import", repository.place, *NAMES, image)
    wait_for((tmp_path / "backup" / "blocks").exists, "blocks", process)
    process.kill()
    process.communicate()
    wait_for(lambda: not servers_of(image), "the end of qemu-nbd", seconds=5)
    assert repository.none_was_made()
    assert repository.counted(image)["disks"][0]["new"] == 4000


def test_a_stopped_export_leaves_no_file(repository, tmp_path):
    image = thin(tmp_path / "disk.raw", 560)
    repository.imported(image)
    for name in ("back.raw", "back.qcow2"):
        process = repository.drc.start("repo", "export", repository.place, *NAMES, "-o", tmp_path / name)
        while not list(tmp_path.glob(".drc-export-*/*")):  # without a pause: it takes a fraction of a second
            assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 3, err
        assert list(tmp_path.glob("back.*")) == [] and list(tmp_path.glob(".drc*")) == []
        assert servers_of(tmp_path) == []


def test_what_a_killed_export_has_left_goes_with_the_next(repository, tmp_path):
    image = sparse(tmp_path / "disk.raw", 600 * MIB, [(0, noise(600 * MIB))])
    repository.imported(image)
    for name in ("back.raw", "back.qcow2"):
        process = repository.drc.start("repo", "export", repository.place, *NAMES, "-o", tmp_path / name)
        wait_for(lambda: list(tmp_path.glob(".drc-export-*/*")), "a file", process)
        process.kill()
        process.communicate()
        assert not (tmp_path / name).exists()
    wait_for(lambda: not servers_of(tmp_path), "the end of qemu-nbd", seconds=5)
    assert len(list(tmp_path.glob(".drc*"))) == 1  # the first one's is gone already
    repository.drc("repo", "export", repository.place, *NAMES, "-o", tmp_path / "back.raw")
    assert list(tmp_path.glob(".drc*")) == []
    assert filecmp.cmp(tmp_path / "back.raw", image, shallow=False)


def test_an_export_behind_tls(repository, tmp_path):
    """With a key that both know; without it nothing is read."""
    image = sparse(tmp_path / "disk.raw", 64 * MIB, [(5 * MIB, noise(2 * MIB))])
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    (keys / "keys.psk").write_text(f"drc:{os.urandom(32).hex()}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(["qemu-nbd", "--persistent", "--read-only", "-f", "raw", "-x", "disk", "-b", "127.0.0.1",
                               "-p", str(port), "--object", f"tls-creds-psk,id=tls0,endpoint=server,dir={keys}",
                               "--tls-creds", "tls0", image])
    try:
        wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, "qemu-nbd", server)
        place = f"127.0.0.1:{port}/disk"
        repository.drc("repo", "import", repository.place, *NAMES, f"nbds://drc@{place}?tls-psk-file={keys}/keys.psk")
        for refused in (f"nbds://{place}", f"nbd://{place}"):
            done = repository.drc("repo", "import", repository.place, "--plan", "shop", "--vm", "other", refused, status=1)
            assert refused in done.err and "TLS" in done.err
    finally:
        server.kill()
        server.wait()
    repository.drc("repo", "export", repository.place, *NAMES, "-o", tmp_path / "back.raw")
    assert filecmp.cmp(tmp_path / "back.raw", image, shallow=False)


def test_a_mute_server_can_be_stopped(repository, tmp_path):
    address = tmp_path / "mute.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        process = repository.drc.start("repo", "import", repository.place, *NAMES, f"nbd+unix:///?socket={address}")
        connection, _ = listener.accept()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        assert process.returncode == 3
        connection.close()


def test_progress_on_a_terminal_is_one_line(repository, tmp_path):
    image = thin(tmp_path / "disk.raw", 1200)
    master, terminal = open_terminal()
    process = subprocess.Popen([DRC, "repo", "import", repository.place, *NAMES, image], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=terminal, env={**repository.drc.env, "TERM": "xterm"})
    os.close(terminal)
    seen = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(master)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and b"recovery point" in out
    assert b"disk 0  disk.raw" in seen and b"600 MiB" in seen and b"\n" not in seen
    assert seen.endswith(b"\r\x1b[K")
