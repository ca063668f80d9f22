"""drc repo import against `openssl dgst -sha256` of the same file, in one run: what hashing alone takes, on
one core; once with all files in memory, once on the disk, where `cp` tells what writing alone takes. Then memory from 1 GiB to 100 GiB, and an increment of which 1 % has changed. Prints figures; exits
with 1 when blocks are put that have not changed, or memory grows with the disk.
Usage: bench_import.py DRC DIRECTORY [GIB]"""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

from budgets import budget
from in_memory import in_memory

MIB, GIB, BLOCK = 1 << 20, 1 << 30, 512 << 10
ROUNDS = 3
BUDGET_WALL = 1.5  # of openssl's, on two cores that nobody else uses and a disk that keeps up
BUDGET_USER = 1.6  # user CPU: hash, compression's attempt, the rest


def measured(command, **options):
    """Its output, seconds on the wall, of user and system CPU, and the largest size in memory (MiB)."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.stdout.close()
    if status != 0:
        raise SystemExit(f"{command} failed")
    return out, time.monotonic() - begin, usage.ru_utime, usage.ru_stime, usage.ru_maxrss / 1024


def fill(path, size):
    with open(path, "wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))


def scatter(source, path, size, pieces, length):
    """The first `length` bytes of `source` in so many pieces all over a file of that size. In small steps:
    what this process holds would count for the ones that it starts."""
    with open(source, "rb") as data, open(path, "wb") as file:
        file.truncate(size)
        for i in range(pieces):
            file.seek(size // pieces * i // BLOCK * BLOCK)
            for _ in range(length // pieces // BLOCK):
                file.write(data.read(BLOCK))


def change(path, source, size, pieces, count):
    """One byte each of so many of its blocks that hold data."""
    blocks = source.stat().st_size // pieces // BLOCK
    chance = random.Random(7)
    with open(path, "r+b") as file:
        for n in chance.sample(range(blocks * pieces), count):
            file.seek(size // pieces * (n // blocks) // BLOCK * BLOCK + n % blocks * BLOCK + 4711)
            file.write(bytes([chance.randrange(256)]) + b"drc")


class Import:
    def __init__(self, drc, folder):
        self.drc, self.folder, self.second = drc, folder, 0

    def __call__(self, image, vm="vm"):
        self.second += 1
        out, wall, user, system, peak = measured(
            [self.drc, "repo", "import", f"dir:{self.folder}/repo", "--plan", "bench", "--vm", vm, "--json",
             "--recovery-point", f"2026-01-01T00:{self.second // 60:02}:{self.second % 60:02}Z", image])
        return json.loads(out)["disks"][0], wall, user, system, peak

    def forget(self):
        shutil.rmtree(self.folder / "repo", ignore_errors=True)


def throughput(run, folder, data, where):
    size = data.stat().st_size
    print(f"import of {size // GIB} GiB of random data, {where}, least of {ROUNDS} rounds:")
    best = {}
    for _ in range(ROUNDS):
        for name, tried in (
                ("openssl dgst -sha256", lambda: measured(["openssl", "dgst", "-sha256", data])[1:4]),
                ("cp", lambda: measured(["cp", "--sparse=never", "--reflink=never", data, folder / "copy"])[1:4]),
                ("drc repo import", lambda: run(data)[1:4])):
            took = tried()
            best[name] = min(best.get(name, took), took)
            run.forget()
            (folder / "copy").unlink(missing_ok=True)
    for name, (wall, user, system) in best.items():
        print(f"  {name:22} {wall:6.2f} s wall  {user:6.2f} s user  {system:6.2f} s system  "
              f"{size / MIB / wall:6.0f} MiB/s")
    drc, openssl = best["drc repo import"], best["openssl dgst -sha256"]
    print(f"  the system's part is writing: wall {drc[0] / best['cp'][0]:.2f} of cp's")
    budget(f"import, wall against openssl dgst, {where}", drc[0] / openssl[0], "≤", BUDGET_WALL)
    budget(f"import, user CPU against openssl dgst, {where}", drc[1] / openssl[1], "≤", BUDGET_USER)


def memory_and_increments(run, folder, data):
    pieces = 64
    peaks = {}
    ok = True
    for size in (GIB, 10 * GIB, 100 * GIB):
        sparse = folder / "sparse"
        scatter(data, sparse, size, pieces, 512 * MIB)
        disk, wall, *_, peaks[size] = run(sparse)
        print(f"  {size // GIB:4} GiB disk, 512 MiB of data: {wall:6.2f} s, {disk['new']} new blocks, "
              f"at most {peaks[size]:.0f} MiB of memory")
        run.forget()
    ok = budget("import, memory for 100 GiB against 1 GiB", peaks[100 * GIB] / peaks[GIB], "≤", 1.25)
    sparse = folder / "sparse"
    scatter(data, sparse, 100 * GIB, pieces, data.stat().st_size)
    whole = run(sparse)[0]
    wanted = whole["new"] // 100
    change(sparse, data, 100 * GIB, pieces, wanted)
    disk, wall, user, system, peak = run(sparse)
    print(f"increment of a 100 GiB sparse disk, {whole['new']} blocks of data, 1 % changed: {wall:.2f} s, "
          f"{disk['new']} put ({wanted} changed), {disk['known']} known, {disk['bytes_read'] / MIB / wall:.0f} MiB/s, "
          f"{peak:.0f} MiB of memory")
    return budget("import, blocks put for blocks changed", disk["new"] / wanted, "≤", 1) and ok


def main():
    drc, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    size = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    directory.mkdir(parents=True, exist_ok=True)
    memory = in_memory(3 * size * GIB)
    if memory:
        with tempfile.TemporaryDirectory(prefix="drc-bench-import-", dir=memory) as name:
            folder = pathlib.Path(name)
            fill(folder / "data", size * GIB)
            throughput(Import(drc, folder), folder, folder / "data", "in memory")
    with tempfile.TemporaryDirectory(dir=directory) as name:
        folder = pathlib.Path(name)
        data = folder / "data"
        fill(data, size * GIB)
        run = Import(drc, folder)
        throughput(run, folder, data, "on the disk")
        if not memory_and_increments(run, folder, data):
            raise SystemExit("import: over its budget")


main()
