"""Failover of N VMs on moto: drc against the boto3 script beside this file, in one run, each on a moto
of its own. Prints wall time, API requests (by moto's log), CPU and peak memory of the client, and
their ratios. Usage: bench_failover.py [VMs]."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import yaml

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))
from moto_world import Moto, Shape, populate  # noqa: E402

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


def measured(command, env, moto):
    requests = moto.requests()
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
    return {"wall s": wall, "requests": moto.requests() - requests,
            "CPU s": usage.ru_utime + usage.ru_stime, "peak MiB": peak / 1024}


def contender(folder, source, command):
    moto = Moto(folder / "moto")
    try:
        path, _ = populate(moto, source, folder / "plan",
                           {f"vm-{i:04}": Shape(disks=(8,)) for i in range(count)})
        env = {**os.environ, **moto.environment(), "HOME": str(folder),
               "DRC_STATE_DIR": str(folder / "state"), "AWS_DEFAULT_REGION": "eu-west-1"}
        return measured([part.replace("PLAN", str(path)) for part in command], env, moto)
    finally:
        moto.stop()


count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
with tempfile.TemporaryDirectory() as name:
    base = pathlib.Path(name)
    source = base / "plan.yaml"
    source.write_text(yaml.safe_dump(plan_of(count), sort_keys=False))
    ours = contender(base / "drc", source, [DRC, "plan", "apply", "PLAN", "failover", "--yes"])
    theirs = contender(base / "boto3", source,
                       [sys.executable, str(HERE / "failover_boto3.py"), "PLAN"])
# What cannot be batched: CreateVolume, RunInstances, DetachVolume, DeleteVolume, AttachVolume,
# ModifyInstanceAttribute for each VM.
floor = 6 * count
print(f"failover of {count} VMs on moto (one server each, one after the other)")
print(f"  {'':12}{'drc':>10}{'boto3':>10}{'drc/boto3':>11}")
for key in ours:
    print(f"  {key:12}{ours[key]:10.2f}{theirs[key]:10.2f}{ours[key] / theirs[key]:11.2f}")
print(f"  requests over those that cannot be batched ({floor}): drc {ours['requests'] / floor:.2f}, "
      f"boto3 {theirs['requests'] / floor:.2f}")
budgets = {"requests that cannot be batched": (ours["requests"] / floor, 1.1),
           "CPU": (ours["CPU s"] / theirs["CPU s"], 1 / 10),
           "memory": (ours["peak MiB"] / theirs["peak MiB"], 1 / 3),
           "wall time": (ours["wall s"] / theirs["wall s"], 1)}
print("budgets: " + ", ".join(f"{name} {value:.3f} of {most:.3f}{'' if value <= most else ' NOT HELD'}"
                              for name, (value, most) in budgets.items()))
