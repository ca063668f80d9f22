"""The executor against ninja and OpenTofu on graphs whose actions do nothing, in one run. Prints
actions a second, the least time of some rounds each.

ninja: 100,000 phony edges of the graph that bench_executor carries out (layers of 1,000, each node
after two of the layer before), all out of date, so that it goes through every one; and edges with a
command that does nothing. OpenTofu: 1,000 terraform_data resources in layers of 100. Neither writes
a result durably before what follows from it; drc does.
Usage: bench_peers.py BENCH_EXECUTOR DIRECTORY TOFU"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from budgets import budget

NODES, WIDTH = 100_000, 1000
COMMANDS = 2000
RESOURCES, RESOURCES_WIDTH = 1000, 100
ROUNDS = 3


def before(i, width):
    """The two nodes of the layer before that node i comes after."""
    return [] if i < width else [i - width, i // width * width - width + (i * 7 + 1) % width]


def write_ninja(path, nodes, width, rule):
    """`force` is always out of date, and so is all that rests on it."""
    with open(path, "w") as out:
        out.write("rule nothing\n  command = :\nbuild force: phony\n")
        for i in range(nodes):
            inputs = "".join(f" n{j}" for j in before(i, width)) or " force"
            out.write(f"build n{i}: {rule}{inputs}\n")
        last = " ".join(f"n{i}" for i in range(nodes - width, nodes))
        out.write(f"build all: nothing {last}\ndefault all\n")


def write_tofu(path):
    with open(path, "w") as out:
        for i in range(RESOURCES):
            after = ", ".join(f"terraform_data.n{j}" for j in before(i, RESOURCES_WIDTH))
            depends = f"  depends_on = [{after}]\n" if after else ""
            out.write(f'resource "terraform_data" "n{i}" {{\n  input = "{i}"\n{depends}}}\n')


def seconds(command, **options):
    begin = time.monotonic()
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if result.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{result.stdout.decode()[-2000:]}")
    return time.monotonic() - begin


def ninja(folder):
    write_ninja(folder / "phony.ninja", NODES, WIDTH, "phony")
    write_ninja(folder / "commands.ninja", COMMANDS, 100, "nothing")
    phony = min(seconds(["ninja", "-f", "phony.ninja"], cwd=folder) for _ in range(ROUNDS))
    commands = []
    for _ in range(ROUNDS):
        (folder / ".ninja_log").unlink(missing_ok=True)
        commands.append(seconds(["ninja", "-f", "commands.ninja"], cwd=folder))
    return phony, min(commands)


def tofu(program, folder):
    write_tofu(folder / "main.tf")
    (folder / "tofurc").touch()
    env = {**os.environ, "TF_CLI_CONFIG_FILE": str(folder / "tofurc"), "CHECKPOINT_DISABLE": "1"}
    seconds([program, "init"], cwd=folder, env=env)
    state = folder / "terraform.tfstate"
    taken = []
    for _ in range(ROUNDS):
        state.unlink(missing_ok=True)
        taken.append(seconds([program, "apply", "-auto-approve", "-parallelism=64"], cwd=folder,
                             env=env))
    return min(taken)


def executor(program, directory):
    """name -> (seconds to read the graph, seconds to carry it out, MiB)"""
    best = {}
    for _ in range(ROUNDS):
        lines = subprocess.run([program, directory], check=True, capture_output=True, text=True).stdout
        for line in lines.splitlines():
            name, _, reading, running, _, _, mib = line.split("\t")
            found = (float(reading), float(running), float(mib))
            if name not in best or found[1] < best[name][1]:
                best[name] = found
    return best


program, directory, tofu_program = sys.argv[1:4]
ours = executor(program, directory)
with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    phony, commands = ninja(folder)
    resources = tofu(tofu_program, folder)

requests, milestones = ours["requests"], ours["milestones"]
rate = NODES / requests[1]
print(f"actions that do nothing, carried out: {NODES} in drc and ninja, {RESOURCES} in OpenTofu")
print(f"  {'':44}{'actions/s':>11}{'drc over it':>13}")
print(f"  {'drc, requests: intent and result durable':44}{rate:11.0f}")
print(f"  {'drc, milestones: result durable':44}{NODES / milestones[1]:11.0f}")
for label, peer in (("ninja, phony edges (reading the file included)", NODES / phony),
                    ("ninja, a command that does nothing", COMMANDS / commands),
                    ("OpenTofu, terraform_data", RESOURCES / resources)):
    print(f"  {label:44}{peer:11.0f}{rate / peer:13.1f}")
whole = milestones[0] + milestones[1]
print(f"  the graph read from its file and carried out: drc's milestones over ninja's phony edges in "
      f"{whole / phony:.2f} of the time")
print(f"  memory of graph and executor: {requests[2]:.0f} MiB, {requests[2] * 2**20 / NODES:.0f} bytes "
      "for each action")
budget("executor, 100,000 actions/s", rate / 100_000, "≥", 1)
budget("executor against ninja's phony edges", rate * phony / NODES, "≥", 1)
budget("executor against OpenTofu", rate * resources / RESOURCES, "≥", 1)
