"""Failover of N VMs: drc against the boto3 script beside this file, in one run, each on a server of its
own: moto, or the sandbox served over HTTP with the times and the rate limits of the real service.
Prints wall time, API requests (by the server), CPU and peak memory of the client, their
ratios, and on the sandbox wall time against the critical path.
Usage: bench_failover.py moto|sandbox [VMs]."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import yaml
from budgets import budget

HERE = pathlib.Path(__file__).resolve().parent
for folder in ("interop", "servers"):
    sys.path.insert(0, str(HERE.parent / folder))
from moto_world import Moto, Shape, populate  # noqa: E402
from sandbox_server import SandboxServer  # noqa: E402

DRC = os.environ["DRC"]


def plan_of(count):
    return {
        "version": 1, "name": "bench",
        "objectives": {"rpo": "1h", "rto": "4h"},
        "backup": {"every": "10m", "repository": "dir:repository"},
        "replication": {"every": "10m"},
        "sites": {
            "primary": {"vcenter": {"url": "https://vcenter.example/sdk", "credentials": "env:VCENTER",
                                    "datacenter": "DC0"}},
            "recovery": {"aws": {
                "region": "eu-west-1", "account": "123456789012",
                "placeholder_image": {"bios": "ami-0c000000000000001"},
                "conversion": {"inject": "never"}}}},
        "networks": {"production": {
            "vpc": "vpc-0a000000000000001",
            "subnets": {"app": {"id": "subnet-0a00000000000000a", "cidr": "10.20.0.0/20", "zone": "eu-west-1a"}},
            "security_groups": {"app": "sg-0a000000000000001"}}},
        "defaults": {"instance_type": "m6i.large", "subnet": "app", "security_groups": ["app"]},
        "vms": {f"vm-{i:04}": {"source": f"/DC0/vm/bench/vm-{i:04}"} for i in range(count)},
    }


def peak_of(pid, peak):
    """The most memory that the process itself has had (its rusage would count the Python that it was
    forked from)."""
    try:
        for line in open(f"/proc/{pid}/status"):
            if line.startswith("VmHWM"):
                return max(peak, int(line.split()[1]))
    except OSError:
        pass
    return peak


def measured(command, env):
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT)
        time.sleep(0.05)  # until exec: before it the memory is this process's
        peak, pid = 0, 0
        while pid == 0:
            peak = peak_of(process.pid, peak)
            time.sleep(0.01)
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            raise SystemExit(f"{command[0]} failed:\n{output.read().decode()[-3000:]}")
    return {"wall s": wall, "requests": 0, "CPU s": usage.ru_utime + usage.ru_stime,
                  "peak MiB": peak / 1024}


def start_server(kind, folder, source):
    """The server, the plan's path there, and what drc needs to be told of its limits."""
    if kind == "moto":
        server = Moto(folder / "moto")
        path, _ = populate(server, source, folder / "plan",
                           {f"vm-{i:04}": Shape(disks=(8,)) for i in range(count)})
        return server, path, []
    server = SandboxServer(folder / "aws", source, "--seed", "1", "--speed", "1")
    server.set_fault("consistency", 0)  # as moto: the job is compared, not who survives what
    return server.start(), source, ["--limits", "aws"]


def contender(kind, folder, source, command):
    """Its figures; for drc also the run's report."""
    folder.mkdir()
    server, path, limits = start_server(kind, folder, source)
    env = {**os.environ, **server.environment(), "HOME": str(folder), "NO_COLOR": "1",
           "DRC_STATE_DIR": str(folder / "state"), "AWS_DEFAULT_REGION": "eu-west-1"}
    before = server.requests() if kind == "moto" else 0  # by its log; populating it took some
    report = None
    try:
        words = [str(path) if word == "PLAN" else word for word in command]
        figures = measured(words + (limits if words[0] == DRC else []), env)
        if kind == "moto":
            figures["requests"] = server.requests() - before
        if words[0] == DRC:
            report = json.loads(subprocess.run([DRC, "run", "report", "--json"], env=env, check=True,
                                               capture_output=True).stdout)
    finally:
        server.stop()
    if kind == "sandbox":
        figures["requests"], figures["throttled"] = server.requests, server.throttled
    return figures, report


kind = sys.argv[1]
count = int(sys.argv[2]) if len(sys.argv) > 2 else 100
with tempfile.TemporaryDirectory() as name:
    base = pathlib.Path(name)
    source = base / "plan.yaml"
    source.write_text(yaml.safe_dump(plan_of(count), sort_keys=False))
    ours, report = contender(kind, base / "drc", source,
                             [DRC, "plan", "apply", "PLAN", "failover", "--yes"])
    theirs, _ = contender(kind, base / "boto3", source,
                          [sys.executable, str(HERE / "failover_boto3.py"), "PLAN"])
# What no request can do for more than one volume or instance.
ALONE = {"create-volume", "run-instance", "detach-volume", "delete-volume", "attach-volume",
         "set-delete-on-termination"}
floor = sum(node["action"] in ALONE for node in report["nodes"])
print(f"failover of {count} VMs on {kind} (one server each, one after the other)")
print(f"  {'':12}{'drc':>10}{'boto3':>10}{'drc/boto3':>11}")
for key in ours:
    ratio = f"{ours[key] / theirs[key]:.2f}" if theirs[key] else "-"
    print(f"  {key:12}{ours[key]:10.2f}{theirs[key]:10.2f}{ratio:>11}")
print(f"  requests over those that cannot be batched ({floor}): drc {ours['requests'] / floor:.2f}, "
      f"boto3 {theirs['requests'] / floor:.2f}")
if kind == "sandbox":
    # The estimate knows the rate limits; what it says is the way through the graph that binds.
    print(f"  drc's run {report['elapsed_ms'] / 1000:.1f} s, its critical path as predicted "
          f"{report['predicted_rto_ms'] / 1000:.1f} s: "
          f"{report['elapsed_ms'] / report['predicted_rto_ms']:.2f}")
for what, value, most in (("requests over those that cannot be batched", ours["requests"] / floor, 1.1),
                          ("CPU against boto3", ours["CPU s"] / theirs["CPU s"], 0.1),
                          ("memory against boto3", ours["peak MiB"] / theirs["peak MiB"], 0.333),
                          ("wall time against boto3", ours["wall s"] / theirs["wall s"], 1)):
    budget(f"failover of {count} on {kind}, {what}", value, "≤", most)
