"""DR copies: drc against coldsnap, each from a file in the page cache, on the same servers in one run:
a bare sink that only reads and answers, and the sandbox served over HTTP. The sides take turns; the
median of each is printed, and budgets are held against the median of the rounds' ratios. Then what SHA-256
and loopback allow; memory from 1 GiB to 100 GiB; and an increment of which 1 % of the disk has changed.
Usage: bench_copy.py BUILD/tests/bench COLDSNAP [GIB]."""
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "servers"))
from budgets import budget  # noqa: E402
from in_memory import in_memory  # noqa: E402
from sandbox_server import KEYS, SandboxServer  # noqa: E402

GIB = 1 << 30
BLOCK = 512 << 10
ROUNDS = 5
PLAN = """\
version: 1
name: bench
objectives: {rpo: 1h, rto: 4h}
sites:
  recovery:
    aws: {region: eu-west-1, account: "111122223333", placeholder_image: ami-0c000000000000001,
          conversion: {inject: never}}
networks:
  production:
    vpc: vpc-0a000000000000001
    subnets: {app: {id: subnet-0a00000000000000a, cidr: 10.20.0.0/20, zone: eu-west-1a}}
defaults: {instance_type: m6i.large, subnet: app}
vms: {db: {source: /DC0/vm/bench/db}}
"""

def measured(command, env):
    """Wall and CPU seconds, and what it printed."""
    start = time.monotonic()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{command}: {out}{err}"
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, out

class Bench:
    def __init__(self, programs, coldsnap, folder):
        self.programs, self.coldsnap, self.folder = pathlib.Path(programs), coldsnap, pathlib.Path(folder)
        self.repository = str(self.folder / "repository")
        self.second = 0

    def drc(self, *words, env=None):
        return measured([str(self.programs / "bench_copy_drc"), *map(str, words)], env)

    def filled(self, size, density=1, changed=0, raw=None):
        self.second += 1
        words = ["fill", self.repository, f"vm{self.second}", f"2026-01-01T00:00:{self.second:02}Z", size,
                 density, changed] + ([raw] if raw else [])
        root, blocks = self.drc(*words)[2].split()
        return root, int(blocks)

    def forget(self):
        shutil.rmtree(self.repository)

    def put(self, env, root, snapshot, parent="-"):
        return json.loads(self.drc("put", self.repository, root, parent, snapshot, env=env)[2])

    def upload(self, env, raw):
        wall, cpu, _ = measured([self.coldsnap, "--endpoint", env["AWS_ENDPOINT_URL_EBS"], "--region", "eu-west-1",
                                 "upload", "--no-progress", raw], env)
        return {"seconds": wall, "cpu": cpu}

    def floor(self, port, blocks):
        words = measured([str(self.programs / "bench_copy_floor"), str(port), str(blocks)], None)[2].split()
        return {"seconds": float(words[0]), "cpu": float(words[1])}

    @contextlib.contextmanager
    def sink(self):
        process = subprocess.Popen([str(self.programs / "bench_copy_sink")], stdout=subprocess.PIPE, text=True)
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()
            process.wait()

def environment(url):
    return {**os.environ, **KEYS, "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": url, "AWS_ENDPOINT_URL_EBS": url}

def begin_snapshot(env, gib):
    import boto3
    client = boto3.client("ebs", region_name="eu-west-1", endpoint_url=env["AWS_ENDPOINT_URL"],
                          aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
                          aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"])
    return client, client.start_snapshot(VolumeSize=gib)["SnapshotId"]

def median(results, key):
    return statistics.median(result[key] for result in results)

def row(name, results, blocks):
    wall, cpu = median(results, "seconds"), median(results, "cpu")
    gib = blocks * BLOCK / GIB
    print(f"  {name:<10} {blocks / wall:7.0f} blocks/s  {wall:6.2f} s  {cpu / gib:5.2f} CPU s/GiB")

def ratio(ours, theirs, key):
    """Round by round: each pair ran within seconds of one another."""
    return statistics.median(our[key] / their[key] for our, their in zip(ours, theirs))

def compare(where, drc, coldsnap):
    budget(f"copy, blocks/s against coldsnap, {where}", ratio(coldsnap, drc, "seconds"), "≥", 2.5)
    budget(f"copy, CPU against coldsnap, {where}", ratio(drc, coldsnap, "cpu"), "≤", 0.4)

def on_the_sink(bench, root, blocks, raw):
    print(f"{blocks} blocks of random data into a sink that only reads and answers, median of {ROUNDS}:")
    with bench.sink() as port:
        env = environment(f"http://127.0.0.1:{port}")
        ours, theirs, floor = [], [], []
        for _ in range(ROUNDS):
            floor.append(bench.floor(port, blocks))
            ours.append(bench.put(env, root, "snap-1"))
            theirs.append(bench.upload(env, raw))
        count = int(urllib.request.urlopen(f"http://127.0.0.1:{port}/count").read())
    assert count == 3 * ROUNDS * blocks, count
    for name, results in (("drc", ours), ("coldsnap", theirs), ("SHA+send", floor)):
        row(name, results, blocks)
    compare("sink", ours, theirs)
    budget("copy, blocks/s against SHA-256 and loopback alone", ratio(floor, ours, "seconds"), "≥", 0.9)
    print(f"  (SHA-256 and loopback alone against coldsnap: {ratio(theirs, floor, 'seconds'):.2f} times its "
          f"blocks/s at {ratio(floor, theirs, 'cpu'):.2f} of its CPU)")

def on_the_sandbox(bench, root, blocks, raw, gib):
    print(f"the same into the sandbox, served over HTTP (it checks and keeps each block), median of {ROUNDS}:")
    plan = bench.folder / "plan.yaml"
    plan.write_text(PLAN)
    with SandboxServer(bench.folder / "aws", plan, "--no-copies", "--no-throttle", "--speed", 1000) as server:
        env = environment(server.endpoint)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            client, snapshot = begin_snapshot(env, gib)
            result = bench.put(env, root, snapshot)
            client.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=result["blocks"],
                                     Checksum=result["checksum"], ChecksumAlgorithm="SHA256",
                                     ChecksumAggregationMethod="LINEAR")
            ours.append(result)
            theirs.append(bench.upload(env, raw))
    for name, results in (("drc", ours), ("coldsnap", theirs)):
        row(name, results, blocks)
    compare("sandbox", ours, theirs)

def other_sizes(bench, env):
    print("memory, 512 MiB of data on disks of other sizes:")
    sizes = []
    for gib in (1, 10, 100):
        root, blocks = bench.filled(gib * GIB, 2 * gib)
        sizes.append(bench.put(env, root, "snap-1")["rss_mib"])
        bench.forget()
        print(f"  {gib:3} GiB: {blocks} blocks, {sizes[-1]:.0f} MiB of memory at most")
    budget("copy, memory for 100 GiB against 1 GiB", sizes[-1] / sizes[0], "≤", 1.25)

def increment(bench, env, port):
    """1 % of a disk of 100 GiB is 2,048 blocks: each second one of the 4,096 that hold data."""
    def arrived():
        return int(urllib.request.urlopen(f"http://127.0.0.1:{port}/count").read())
    parent, blocks = bench.filled(100 * GIB, 50)
    root, _ = bench.filled(100 * GIB, 50, changed=2)
    changed = 100 * GIB // BLOCK // 100
    whole = bench.put(env, parent, "snap-1")
    before = arrived()
    result = bench.put(env, root, "snap-2", parent=parent)
    sent = arrived() - before
    print(f"increment of a sparse disk of 100 GiB, {blocks} blocks of data, 1 % of the disk changed: "
          f"{changed} blocks changed, {sent} sent, in {result['seconds']:.2f} s with {result['cpu']:.2f} s of "
          f"CPU and {result['rss_mib']:.0f} MiB of memory at most (whole: {whole['blocks']} blocks, "
          f"{whole['seconds']:.2f} s, {whole['rss_mib']:.0f} MiB)")
    budget("increment, blocks sent for blocks changed", sent / changed, "≤", 1)
    budget("increment, memory against the whole copy", result["rss_mib"] / whole["rss_mib"], "≤", 1.25)
    assert sent == result["blocks"] == changed

def main():
    programs, coldsnap = sys.argv[1:3]
    gib = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    with tempfile.TemporaryDirectory(prefix="drc-bench-copy-", dir=in_memory(6 * gib * GIB)) as folder:
        bench = Bench(programs, coldsnap, folder)
        raw = str(bench.folder / "raw")
        root, blocks = bench.filled(gib * GIB, raw=raw)
        on_the_sink(bench, root, blocks, raw)
        on_the_sandbox(bench, root, blocks, raw, gib)
        os.remove(raw)
        bench.forget()
        with bench.sink() as port:
            env = environment(f"http://127.0.0.1:{port}")
            other_sizes(bench, env)
            increment(bench, env, port)

main()
