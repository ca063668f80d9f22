"""drc schedule: units and crontabs that the systems take, and what they begin: apply --scheduled."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from e2e_drc import DRC, ROOT, wait_for
from served import PLAN

GOLDEN = pathlib.Path(__file__).parent / "schedule"
SECTIONS = "backup: {every: 10m, repository: dir:backup}\nreplication: {every: EVERY}\n"


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN.replace("rpo: 30m", "rpo: 3650d") + SECTIONS.replace("EVERY", "10m"))
    return path


def every(plan, interval):
    plan.write_text(re.sub("replication: {every: [^}]*}", f"replication: {{every: {interval}}}", plan.read_text()))


def golden(name, text, plan):
    """As the file has it, but for where things are. DRC_GOLDEN_UPDATE=1 writes it anew."""
    text = text.replace(str(pathlib.Path(DRC).resolve()), "@DRC@").replace(str(plan.parent), "@DIR@")
    if os.environ.get("DRC_GOLDEN_UPDATE"):
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text()


def test_units_of_systemd(drc, plan):
    told = drc("schedule", plan)
    golden("systemd.txt", told.out, plan)
    assert "drc repo import" in told.err  # what makes recovery points in this version
    golden("systemd-metrics.txt", drc("schedule", plan, "--metrics", plan.parent / "rpo.prom", "--state",
                                      plan.parent / "state").out, plan)


def test_lines_of_cron(drc, plan):
    golden("cron.txt", drc("schedule", plan, "--format", "cron").out, plan)


@pytest.mark.parametrize("interval", ["30s", "7m", "10m", "45m", "90m", "4h", "5h", "1d", "2d", "7d"])
def test_systemd_takes_them(drc, plan, tmp_path, interval):
    every(plan, interval)
    drc("schedule", plan, "-o", tmp_path / "units", "--metrics", tmp_path / "m.prom")
    files = sorted((tmp_path / "units").iterdir())
    assert [path.name for path in files] == ["drc-shop-replicate.service", "drc-shop-replicate.timer",
                                             "drc-shop-rpo.service", "drc-shop-rpo.timer"]
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", *map(str, files)], capture_output=True, text=True)
    assert verified.returncode == 0 and "drc-shop" not in verified.stderr, verified.stderr
    for path in files:
        for calendar in re.findall("^OnCalendar=(.*)$", path.read_text(), re.M):
            subprocess.run(["systemd-analyze", "calendar", calendar], check=True, capture_output=True)
    for service in files[0], files[2]:
        judged = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=25", service.name],
                                cwd=tmp_path / "units", capture_output=True, text=True)
        assert judged.returncode == 0, judged.stdout[-300:]


def test_the_shell_takes_the_lines_of_cron(drc, plan, tmp_path):
    odd = tmp_path / "our plans, 50%'s"
    odd.mkdir()
    shutil.copy(plan, odd / "plan.yaml")
    text = drc("schedule", odd, "--format", "cron").out
    lines = [line for line in text.splitlines() if "flock" in line]
    assert len(lines) == 2
    fake = tmp_path / "fake"  # in drc's place: tells its arguments, and that the RPO is missed
    fake.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit 2\n")
    fake.chmod(0o755)
    for line in lines:
        command = line.split(None, 5)[5].replace("\\%", "%")  # as cron hands it to the shell
        traced = command.replace(str(pathlib.Path(DRC).resolve()), str(fake)).replace("| logger -t", "; : ")
        done = subprocess.run(["/bin/sh", "-c", traced], capture_output=True, text=True, env={**drc.env, "HOME": str(tmp_path)})
        assert done.returncode == 0, done.stderr
        assert str(odd / "plan.yaml") in done.stdout.splitlines()


def test_a_published_plan(drc, plan, tmp_path):
    (tmp_path / "shared").mkdir(mode=0o700)
    url = f"file://{tmp_path}/shared"
    plan.write_text(plan.read_text().replace("dir:backup", f"dir:{tmp_path}/backup"))
    drc("plan", "publish", plan, "--state", url, "--facts", "none")
    text = drc("schedule", f"{url}/shop").out
    assert f"plan apply {url}/shop replicate --yes --scheduled\n" in text
    assert f"ReadWritePaths=-{tmp_path}/shared\n" in text and f"ReadWritePaths=-{tmp_path}/backup\n" in text


def test_what_cron_cannot_say_is_refused(drc, plan):
    every(plan, "7m")
    told = drc("schedule", plan, "--format", "cron", status=1)
    assert told.out == "" and "6m or 8m" in told.err and "--format systemd" in told.err


def test_bad_usage(drc, plan, tmp_path):
    assert "no format \"launchd\"" in drc("schedule", plan, "--format", "launchd", status=1).err
    plan.write_text(PLAN)
    assert "nothing of replication" in drc("schedule", plan, status=1).err
    every(plan, "10m")
    (tmp_path / "file").write_text("")
    plan.write_text(PLAN + SECTIONS.replace("EVERY", "20m"))
    told = drc("schedule", plan, "-o", tmp_path / "file", status=1)
    assert "file" in told.err
    assert "is for what a timer does" in drc("plan", "apply", plan, "failover", "--scheduled", status=1).err


def test_variables_are_handed_on_or_refused(drc, plan):
    names = [f"v{number}" for number in range(40)]
    plan.write_text(plan.read_text() + "vars: {" + ", ".join(f"{name}: text" for name in names) + "}\n")
    told = drc("schedule", plan, "--var", "v1=50% $HOME 'x' \"y\"").out
    assert "--var \"v1=50%% $$HOME 'x' \\\"y\\\"\"\n" in told
    flags = [word for name in names for word in ("--var", f"{name}=x")]
    assert "too long for a schedule" in drc("schedule", plan, *flags, status=1).err
    assert "line feed" in drc("schedule", plan, "--var", "v1=a\nb", status=1).err


# --- what the timer begins ---

@pytest.fixture
def site(drc, plan, tmp_path):
    drc("sandbox", "init", tmp_path / "aws", plan, "--seed", 7, "--speed", 20)
    back_up(drc, plan, tmp_path)
    return tmp_path / "aws"


def back_up(drc, plan, tmp_path, fill=b"a"):
    image = tmp_path / "disk.img"
    image.write_bytes(fill * (4 << 20))
    for vm in ("db", "app", "web"):
        drc("repo", "import", tmp_path / "backup", image, "--plan", "shop", "--vm", vm, "--sandbox", tmp_path / "aws",
            "--firmware", "bios", "--os", "linux", "--arch", "x86_64", "--cpus", 2, "--memory", "4GiB")


def scheduled(drc, plan, site, *flags, status=0):
    return drc("plan", "apply", plan, "replicate", "--scheduled", "--sandbox", site, *flags, status=status)


def runs(drc):
    return [run for run in drc.json("run", "list", "--json") if run["workflow"] == "replicate"]


def begun(drc, plan, site):
    """A replication under way that has begun to change something."""
    process = drc.start("plan", "apply", plan, "replicate", "--scheduled", "--sandbox", site)
    wait_for(lambda: (drc.home / "state").exists() and runs(drc) and runs(drc)[0]["status"] == "running",
             "the run to be under way", process)
    return process


def test_again_and_again(drc, plan, site):
    assert "succeeded" in scheduled(drc, plan, site).out
    assert "nothing to do" in scheduled(drc, plan, site).out
    assert len(runs(drc)) == 1


def test_one_that_was_killed_is_gone_on_with(drc, plan, site):
    process = begun(drc, plan, site)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "unfinished" in drc("plan", "apply", plan, "replicate", "--yes", "--sandbox", site, status=1).err
    run = runs(drc)[0]["run"]
    told = scheduled(drc, plan, site)
    assert f"going on with run {run}" in told.err and "succeeded" in told.out
    assert [one["status"] for one in runs(drc)] == ["succeeded"]


def test_two_that_go_on_with_one_that_was_killed(drc, plan, site):
    """One goes on with it; the others leave it alone, whether they find it held, or ended by then."""
    for _ in range(3):
        process = begun(drc, plan, site)
        process.send_signal(signal.SIGKILL)
        process.wait()
        processes = [drc.start("plan", "apply", plan, "replicate", "--scheduled", "--sandbox", site)
                     for _ in range(3)]
        told = [process.communicate(timeout=120) for process in processes]
        assert [process.returncode for process in processes] == [0, 0, 0], told
        assert sum(b"succeeded after" in out for out, _ in told) == 1, told
        assert runs(drc)[0]["status"] == "succeeded"
        back_up(drc, plan, site.parent, fill=bytes([ord("b") + len(runs(drc))]))


def test_one_that_was_stopped_is_gone_on_with(drc, plan, site):
    process = begun(drc, plan, site)
    process.send_signal(signal.SIGINT)
    assert process.wait() in (0, 3)
    scheduled(drc, plan, site)
    assert [one["status"] for one in runs(drc)] == ["succeeded"]


def test_one_that_is_under_way_is_left_alone(drc, plan, site):
    process = begun(drc, plan, site)
    process.send_signal(signal.SIGSTOP)
    try:
        told = scheduled(drc, plan, site)
        assert "is under way: left alone" in told.out
    finally:
        process.send_signal(signal.SIGCONT)
    assert process.wait(120) == 0, process.communicate()
    assert len(runs(drc)) == 1


def test_two_that_begin_in_the_same_moment(drc, plan, site):
    """One is carried out; the others leave it alone, whether they saw it or lost the race."""
    processes = [drc.start("plan", "apply", plan, "replicate", "--scheduled", "--sandbox", site) for _ in range(3)]
    told = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], told
    assert sum(b"succeeded" in out for out, _ in told) == 1
    assert [run["status"] for run in runs(drc)].count("succeeded") == 1


def test_one_that_fails_again_is_given_up(drc, plan, site, tmp_path):
    """Blocks of a recovery point are gone: going on cannot help, a newer recovery point does."""
    for block in (tmp_path / "backup" / "blocks").rglob("*"):
        if block.is_file():
            block.unlink()
    scheduled(drc, plan, site, status=1)
    assert runs(drc)[0]["status"] == "failed"
    told = scheduled(drc, plan, site, status=1)
    assert "given up" in told.err
    assert runs(drc)[0]["status"] == "cancelled"
    back_up(drc, plan, tmp_path, b"b")
    scheduled(drc, plan, site)
    assert [one["status"] for one in runs(drc)] == ["succeeded", "cancelled"]


def test_where_all_vms_are_over_there_is_nothing_to_do(drc, plan, site):
    drc("plan", "apply", plan, "failover", "--yes", "--sandbox", site, timeout=240)
    assert "all VMs run at the recovery site" in scheduled(drc, plan, site).out
