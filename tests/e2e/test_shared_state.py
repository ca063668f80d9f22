"""A state that several runners share (--state file:///DIR, s3://BUCKET/PREFIX): each runner has a home, and
so a cache, of its own; the cloud is a sandbox that is served, and has the bucket too."""
import json
import os
import re
import select
import shutil
import signal
import socket
import threading
import time

import boto3
import pytest

from e2e_drc import Drc, wait_for
from served import KEYS, Served


ON_THEIR_WAY = 7  # three instances, four volumes


class Counter:
    """Passes a runner's connections on to the cloud, and counts the requests."""

    def __init__(self, port):
        self.port_of_cloud, self.requests = port, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            cloud = socket.create_connection(("127.0.0.1", self.port_of_cloud))
        except OSError:
            client.close()
            return
        with client, cloud:
            while True:
                for ready in select.select([client, cloud], [], [])[0]:
                    try:
                        data = ready.recv(65536)
                        (cloud if ready is client else client).sendall(data)
                    except OSError:
                        return
                    if not data:
                        return
                    self.requests += ready is client and data.count(b"POST / HTTP/1.1")

    def close(self):
        self.listener.close()


class Bucket:
    """A state in the sandbox's S3, read by another client."""

    def __init__(self, endpoint):
        self.s3 = boto3.client("s3", endpoint_url=endpoint, region_name="eu-west-1",
                               aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
                               aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"])
        self.s3.create_bucket(Bucket="state", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self.url = "s3://state/dr"

    def read(self, key):
        return self.s3.get_object(Bucket="state", Key=f"dr/{key}")["Body"].read()

    def names(self, folder):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket="state", Prefix=f"dr/{folder}/")
        return [item["Key"].rsplit("/", 1)[1] for page in pages for item in page.get("Contents", [])]


class Folder:
    def __init__(self, path):
        self.path, self.url = path, f"file://{path}"
        path.mkdir()

    def read(self, key):
        return (self.path / key).read_bytes()

    def names(self, folder):
        return os.listdir(self.path / folder)


class Scene:
    def __init__(self, folder, speed=100, where="file"):
        self.folder = folder
        self.state = folder / "state"
        self.cloud = Served(Drc(folder), folder, speed=speed).start()
        self.shared = Folder(self.state) if where == "file" else Bucket(self.cloud.endpoint)
        self.counters = []
        self.first, self.second = self.runner("first"), self.runner("second")

    def runner(self, name):
        home = self.folder / name
        home.mkdir()
        counter = Counter(self.cloud.port)
        self.counters.append(counter)
        drc = Drc(home)
        drc.env.update(self.cloud.environment(counter.endpoint), DRC_STATE_DIR=self.shared.url)
        drc.counter = counter
        return drc

    def words(self):
        return ["plan", "apply", self.cloud.plan, "failover", "--yes"]

    def begin(self, events=6):
        """The first runner at work, some actions into the run."""
        told = self.folder / "events"
        process = self.first.start(*self.words(), "--events", told)
        wait_for(lambda: told.exists() and told.read_text().count('"node_done"') >= events, "the run gets on", process)
        self.run = json.loads(told.read_text().splitlines()[0])["run"]
        return process

    def close(self):
        for counter in self.counters:
            counter.close()
        self.cloud.stop()

    def result(self):
        """What there is in the cloud, without what differs from run to run."""
        instances, volumes = self.cloud.made()
        return (sorted((i["vm"], i["detail"], i["state"]) for i in instances),
                sorted((v["vm"], v["size_gib"], v["detail"], v["state"]) for v in volumes))

    def log(self):
        """The run's records; not what a stopped process was about to put."""
        folder = f"shop/runs/{self.run}/log"
        return {name: self.shared.read(f"{folder}/{name}") for name in self.shared.names(folder) if name.isdigit()}

    def production(self):
        places = json.loads(self.shared.read("shop/production.json"))["vms"]
        return {vm["name"]: vm["place"] for vm in places}


@pytest.fixture
def scene(tmp_path, request):
    scene = Scene(tmp_path, **getattr(request, "param", {}))
    yield scene
    scene.close()


everywhere = pytest.mark.parametrize("scene", [{"where": "file"}, {"where": "s3"}], indirect=True, ids=["file", "s3"])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    scene = Scene(tmp_path_factory.mktemp("undisturbed"))
    scene.first(*scene.words())
    yield scene.result()
    scene.close()


@everywhere
def test_all_runners_see_a_run_and_one_has_it(scene, undisturbed):
    process = scene.begin()
    listed = scene.second.json("run", "list", "--json")
    assert [(run["run"], run["status"], run["alive"]) for run in listed] == [(scene.run, "running", True)]
    refused = scene.second(*scene.words(), status=1)
    assert f"run {scene.run} of shop failover is under way (process {process.pid} on" in refused.err
    assert "--take-over" in refused.err
    refused = scene.second("run", "resume", status=1)
    assert f'taking the lease "site" of plan shop: run {scene.run} (process {process.pid} on' in refused.err
    assert re.search(r"until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ unless it renews it\) has it", refused.err)
    assert "actions done" in scene.second("run", "show").out
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert scene.second.json("run", "list", "--json")[0]["status"] == "succeeded"
    assert scene.second("run", "report").out == scene.first("run", "report").out
    assert scene.result() == undisturbed
    assert scene.production() == dict.fromkeys(("db", "app", "web"), "recovery")
    assert "nothing to do" in scene.second(*scene.words()).out
    scene.second("run", "cleanup", "--yes")
    assert scene.cloud.made() == ([], [])
    assert scene.first.json("run", "list", "--json")[0]["status"] == "cleaned"
    assert scene.production() == dict.fromkeys(("db", "app", "web"), "primary")


@everywhere
def test_a_killed_runner_is_replaced(scene, undisturbed):
    process = scene.begin()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    shutil.rmtree(scene.folder / "first")
    refused = scene.second("run", "resume", status=1)
    assert "unless it renews it" in refused.err and "--take-over" in refused.err
    before = scene.second.counter.requests
    assert before == 0
    done = scene.second("run", "resume", "--take-over")
    assert "failover of shop succeeded" in done.out
    assert scene.result() == undisturbed
    (scene.folder / "first").mkdir()  # its cache comes back by itself
    assert scene.first("run", "report").out == scene.second("run", "report").out


@everywhere
@pytest.mark.parametrize("moment", [1, 9, 20])
def test_a_runner_that_slept_through_a_take_over_does_nothing_more(scene, undisturbed, moment):
    process = scene.begin(moment)
    process.send_signal(signal.SIGSTOP)
    done = scene.second("run", "resume", "--take-over")
    assert "failover of shop succeeded" in done.out
    log = scene.log()
    sent = scene.first.counter.requests
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert b"taken over" in err or b"taken the run over" in err, err
    assert b"run resume" not in err
    more = scene.first.counter.requests - sent
    assert more <= ON_THEIR_WAY, "what waits for a connection when it is stopped goes out; nothing that begins later"
    assert scene.log() == log
    assert scene.result() == undisturbed
    assert scene.first.json("run", "list", "--json")[0]["status"] == "succeeded"


@everywhere
def test_an_interrupted_run_is_free_at_once(scene, undisturbed):
    process = scene.begin()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 3
    assert "failover of shop succeeded" in scene.second("run", "resume").out
    assert scene.result() == undisturbed


@pytest.mark.parametrize("scene", [{"speed": 30}, {"speed": 30, "where": "s3"}], indirect=True, ids=["file", "s3"])
def test_people_on_another_runner_are_heard(scene):
    process = scene.begin(2)
    watch = scene.second.start("run", "watch", "--json")
    asked = scene.second("run", "cancel", "--yes", "--as", "ada", timeout=90)
    assert "ends as cancelled" in asked.out  # it is answered, not only left there
    out, err = process.communicate(timeout=90)
    assert process.returncode == 1 and b"cancelled by ada" in err
    seen, told = watch.communicate(timeout=60)
    events = [json.loads(line) for line in seen.splitlines()]
    assert events[0]["run"] == scene.run and events[-1]["data"].get("text") == "cancelled", told
    assert any(event["type"] == "decision" for event in events)
    assert scene.second.json("run", "list", "--json")[0]["status"] == "cancelled"


def test_the_plan_names_the_state(scene):
    text = scene.cloud.plan.read_text()
    scene.cloud.plan.write_text(text + f"state: file://{scene.state}\n")
    del scene.first.env["DRC_STATE_DIR"]
    scene.first(*scene.words())
    assert scene.second.json("run", "list", "--json")[0]["status"] == "succeeded"


def test_damaged_records_are_told_and_nothing_begins_beside_them(scene):
    process = scene.begin()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    record = scene.state / "shop/runs" / scene.run / "log/00000003"
    whole = record.read_bytes()
    record.write_bytes(whole[:-5])
    listed = scene.second.json("run", "list", "--json")
    assert "00000003 cannot be read" in listed[0]["problem"]
    for words in (scene.words(), ["run", "resume", scene.run, "--take-over"]):
        assert "00000003" in scene.second(*words, status=1).err
    assert scene.second.counter.requests == 0
    record.unlink()
    assert "00000003 is missing" in scene.second.json("run", "list", "--json")[0]["problem"]
    record.write_bytes(whole)
    assert "succeeded" in scene.second("run", "resume", "--take-over").out


def test_places_that_cannot_be(scene, tmp_path):
    none = scene.first("run", "list", "--state", f"file://{tmp_path}/none", status=1).err
    assert f"there is no directory {tmp_path}/none" in none and "mounted" in none
    assert "three slashes" in scene.first("run", "list", "--state", "file://host/dir", status=1).err
    assert "three slashes" in scene.first("run", "list", "--state", "file:/dir", status=1).err
    s3 = scene.first("run", "list", "--state", "s3://bucket/a//b", status=1).err
    assert "names no place in S3" in s3 and "s3://BUCKET/PREFIX" in s3


def test_a_state_named_in_the_other_way_is_not_an_empty_one(scene, tmp_path):
    """Else a second failover would begin beside the first."""
    process = scene.begin()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    shared = scene.first.env["DRC_STATE_DIR"]
    plain = scene.first("run", "list", "--state", shared.removeprefix("file://"), status=1)
    assert f"--state {shared}" in plain.err
    local = tmp_path / "local"
    journal = local / "shop" / "runs" / scene.run / "journal.db"
    journal.parent.mkdir(parents=True)
    journal.touch()
    url = scene.first("run", "list", "--state", f"file://{local}", status=1)
    assert f"--state {local};" in url.err


def test_a_local_state_cannot_be_taken_from_a_process_that_lives(scene):
    for runner in (scene.first, scene.second):
        runner.env["DRC_STATE_DIR"] = str(scene.folder / "local")
    process = scene.begin()
    refused = scene.second("run", "resume", scene.run, "--take-over", status=1)
    assert f"kill -INT {process.pid}" in refused.err
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert "succeeded" in scene.second("run", "resume").out


@pytest.fixture
def kept(drc, sandbox, tmp_path):
    """A state with a run that is over, and the folder of its plan."""
    state = tmp_path / "kept"
    state.mkdir(mode=0o700)
    drc.env["DRC_STATE_DIR"] = f"file://{state}"
    drc("plan", "apply", "plans/shop", "failover", "--sandbox", sandbox, "--yes")
    return state / "shop"


def put_in_place_of(path, how):
    path.unlink()
    {"directory": path.mkdir, "fifo": lambda: os.mkfifo(path), "link": lambda: path.symlink_to("/etc/passwd")}[how]()


@pytest.mark.parametrize("how, said", [("directory", "Is a directory"), ("fifo", "no plain file"),
                                       ("link", "no plain file")])
def test_what_stands_in_the_place_of_a_lease_is_named(drc, kept, how, said):
    put_in_place_of(kept / "leases/site", how)
    refused = drc("run", "cleanup", "--yes", status=1, timeout=30)
    assert "leases/site" in refused.err and said in refused.err, refused.err


@pytest.mark.parametrize("words", ["show", "report"])
@pytest.mark.parametrize("number", [1, 5, 30])
def test_a_run_of_which_not_all_can_be_read_is_told_of_so(drc, kept, words, number):
    record = next(kept.glob(f"runs/*/log/{number:08}"))
    record.write_text(record.read_text().replace("drc-record/1", "drc-record/2", 1))
    shutil.rmtree(drc.home / ".cache")
    done = drc("run", words, status=None)
    assert done.returncode == (1 if number == 1 else 0)
    assert f'log/{number:08} cannot be read: it is "drc-record/2"' in done.err, done.err


def test_a_file_system_that_goes_away_is_not_made_anew(scene, undisturbed):
    """Unmounted, the mount point is an empty directory: what is put there nobody else sees."""
    process = scene.begin()
    away = scene.folder / "away"
    scene.state.rename(away)
    scene.state.mkdir(mode=0o700)
    time.sleep(3)
    assert list(scene.state.iterdir()) == []
    requests = scene.first.counter.requests
    time.sleep(1)
    assert scene.first.counter.requests - requests < 5  # polls may be under way; nothing is begun
    scene.state.rmdir()
    away.rename(scene.state)
    process.communicate(timeout=120)
    if process.returncode != 0:
        scene.second("run", "resume", "--take-over")
    assert scene.result() == undisturbed
