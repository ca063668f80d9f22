"""S3 that this project did not write: the store's contract, and states in s3:// that runners share, on
MinIO; the cloud is moto. A proxy before MinIO makes it slow, busy, and loses its answers."""
import http.client
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "servers"))

from e2e_drc import Drc, wait_for  # noqa: E402
from minio_server import MinioServer  # noqa: E402
from moto_world import populate  # noqa: E402
from test_failover_moto import ERP, attach, instances, verify  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>slower, please</Message></Error>"


class Proxy:
    """Before MinIO: by chance answers 503, or passes a request on and loses the answer."""

    def __init__(self, endpoint, busy=0.0, lost=0.0, latency=0.0, seed=1):
        self.busy, self.lost, self.latency = busy, lost, latency
        self.chance, self.lock = random.Random(seed), threading.Lock()
        self.requests = self.refused = self.dropped = 0
        proxy, target = self, endpoint.removeprefix("http://")

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with proxy.lock:
                    proxy.requests += 1
                    dice = proxy.chance.random()
                if proxy.latency:
                    threading.Event().wait(proxy.latency)
                if dice < proxy.busy:
                    proxy.refused += 1
                    return self.tell(503, [("Content-Type", "application/xml")], BUSY)
                link = http.client.HTTPConnection(target, timeout=30)
                link.request(self.command, self.path, body, dict(self.headers))
                answer = link.getresponse()
                data = answer.read()
                headers = [(k, v) for k, v in answer.getheaders()
                           if k.lower() not in ("content-length", "transfer-encoding", "connection")]
                link.close()
                if dice < proxy.busy + proxy.lost:
                    proxy.dropped += 1
                    self.close_connection = True
                    return None
                return self.tell(answer.status, headers, data)

            def tell(self, status, headers, data):
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_PUT = do_DELETE = do_HEAD = pass_on

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a runner that was killed

        self.server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def minio(tmp_path_factory):
    with MinioServer(tmp_path_factory.mktemp("minio")) as server:
        yield server


@pytest.fixture
def bucket(minio, request):
    name = "drc-" + str(abs(hash(request.node.nodeid)))[:12]
    minio.client().create_bucket(Bucket=name)
    return name


def keys(minio, bucket, prefix=""):
    pages = minio.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


@pytest.mark.parametrize("how", [{}, {"busy": 0.15, "seed": 3}], ids=["plain", "busy"])
def test_the_contract_of_stores(minio, bucket, how):
    with Proxy(minio.endpoint, **how) as proxy:
        done = subprocess.run([BUILD / "tests/unit/runtime/world/test_store", f"s3://{bucket}/x/y"],
                              env={**os.environ, **minio.environment(proxy.endpoint)},
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert "OK ] test_race" in done.stdout and "SKIPPED" not in done.stdout
        assert proxy.requests > 200 and (proxy.refused > 20 or not how)


class Scene:
    """moto with a plan's world, a MinIO with the same keys, two runners with one state."""

    def __init__(self, moto, folder, latency=0.0):
        self.moto, self.folder = moto, folder
        self.minio = MinioServer(folder / "minio", key=moto.key, secret=moto.secret).start()
        self.bucket = "drc-state"
        try:
            self.minio.client().create_bucket(Bucket=self.bucket)
        except Exception:
            self.minio.stop()
            raise
        self.proxy = Proxy(self.minio.endpoint, latency=latency)
        self.path, self.made = populate(moto, ERP, folder / "plan", edit=attach)
        self.state = f"s3://{self.bucket}/dr/state"
        self.first, self.second = self.runner("first"), self.runner("second")

    def runner(self, name):
        home = self.folder / name
        home.mkdir()
        drc = Drc(home)
        drc.env.update(self.moto.environment(), AWS_ENDPOINT_URL_S3=self.proxy.endpoint,
                       DRC_STATE_DIR=self.state)
        return drc

    def words(self):
        return ["plan", "apply", str(self.path), "failover", "--yes"]

    def begin(self, nodes=4):
        told = self.folder / "events"
        process = self.first.start(*self.words(), "--events", told)
        wait_for(lambda: told.exists() and told.read_text().count('"node_done"') >= nodes,
                 "the run gets on", process)
        self.run = json.loads(told.read_text().splitlines()[0])["run"]
        return process

    def keys(self, prefix=""):
        return keys(self.minio, self.bucket, prefix)

    def close(self):
        self.proxy.__exit__()
        self.minio.stop()


@pytest.fixture
def scene(moto, tmp_path, request):
    scene = Scene(moto, tmp_path, **getattr(request, "param", {}))
    yield scene
    scene.close()


def test_a_failover_with_its_state_in_s3(scene):
    scene.first(*scene.words(), timeout=300)
    report = scene.second.json("run", "report", "--json")
    assert report["status"] == "succeeded"
    verify(scene.moto, scene.path, scene.made, report)
    listed = scene.keys()
    assert f"dr/state/erp/runs/{report['run']}/log/00000001" in listed
    assert "dr/state/erp/production.json" in listed
    assert all(key.startswith("dr/state/erp/") for key in listed)
    again = scene.second(*scene.words())
    assert "nothing to do" in again.out
    assert "succeeded" in scene.second("run", "list").out
    scene.second("run", "cleanup", report["run"], "--yes", timeout=300)
    assert instances(scene.moto.client("ec2")) == {}
    assert scene.first.json("run", "list", "--json")[0]["status"] == "cleaned"


def test_of_two_runners_one_wins_and_the_other_is_told(scene):
    process = scene.begin()
    refused = scene.second(*scene.words(), status=1).err
    assert f"run {scene.run} of erp failover is under way (process {process.pid} on" in refused
    assert "--take-over" in refused
    assert process.wait(300) == 0, process.stderr.read()
    assert scene.second.json("run", "show", scene.run, "--json")["status"] == "succeeded"


def test_killed_and_taken_over(scene):
    process = scene.begin()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    refused = scene.second("run", "resume", scene.run, status=1).err
    assert "--take-over" in refused
    scene.second("run", "resume", scene.run, "--take-over", timeout=300)
    report = scene.second.json("run", "report", "--json")
    assert report["status"] == "succeeded"
    verify(scene.moto, scene.path, scene.made, report)


def test_one_that_was_taken_over_does_nothing_more(scene):
    process = scene.begin()
    process.send_signal(signal.SIGSTOP)
    scene.second("run", "resume", scene.run, "--take-over", timeout=300)
    mine = sorted(scene.keys(f"dr/state/erp/runs/{scene.run}/log/"))
    process.send_signal(signal.SIGCONT)
    _, told = process.communicate(timeout=60)
    assert process.returncode != 0 and b"taken over" in told, told
    assert sorted(scene.keys(f"dr/state/erp/runs/{scene.run}/log/")) == mine
    verify(scene.moto, scene.path, scene.made, scene.second.json("run", "report", "--json"))


def test_a_decision_from_another_host(scene):
    process = scene.begin()
    scene.second("run", "cancel", scene.run, "--yes", "--comment", "false alarm", timeout=120)
    process.communicate(timeout=120)
    assert scene.first.json("run", "list", "--json")[0]["status"] == "cancelled"
    assert [key for key in scene.keys() if "/inbox/" in key] == []


def test_busy_and_forgetful(scene):
    """503s, and answers that get lost after S3 has done what was asked: records are written once."""
    scene.proxy.busy, scene.proxy.lost = 0.1, 0.05
    scene.first(*scene.words(), timeout=300)
    assert scene.proxy.refused > 5 and scene.proxy.dropped > 2
    scene.proxy.busy = scene.proxy.lost = 0
    report = scene.second.json("run", "report", "--json")
    assert report["status"] == "succeeded"
    verify(scene.moto, scene.path, scene.made, report)


def test_wrong_keys_and_places(scene):
    drc = scene.first
    wrong = drc("run", "list", AWS_SECRET_ACCESS_KEY="x" * 40, status=1).err
    assert f"listing {scene.state}: s3 ListObjectsV2: SignatureDoesNotMatch" in wrong
    assert "secret access key is wrong" in wrong and "request" in wrong
    unknown = drc("run", "list", AWS_ACCESS_KEY_ID="AKIANOSUCHKEY0000000", status=1).err
    assert "InvalidAccessKeyId" in unknown and "AWS_ACCESS_KEY_ID" in unknown
    none = drc("run", "list", "--state", "s3://no-such-bucket/state", status=1).err
    assert "NoSuchBucket" in none and "aws s3 mb s3://no-such-bucket" in none
    before = scene.moto.requests()
    refused = drc(*scene.words(), "--state", "s3://no-such-bucket/state", status=1).err
    assert "NoSuchBucket" in refused
    assert scene.moto.requests() == before, "a change without a record"


def test_unreachable(scene):
    scene.proxy.__exit__()
    told = scene.first("run", "list", status=1, timeout=120).err
    assert "cannot be reached" in told and scene.state in told
    scene.proxy = Proxy(scene.minio.endpoint)


def test_a_published_plan_is_applied_where_nothing_else_is(scene):
    told = scene.first.json("plan", "publish", scene.path, "--json")
    assert told["url"] == f"{scene.state}/erp"
    listed = scene.keys("dr/state/erp/plan/")
    assert "dr/state/erp/plan/manifest" in listed and len(listed) == told["files"] + 1 + told["facts"]
    del scene.second.env["DRC_STATE_DIR"]
    os.rename(scene.path, str(scene.path) + ".gone")
    scene.second("plan", "apply", told["url"], "failover", "--yes", timeout=300)
    os.rename(str(scene.path) + ".gone", scene.path)
    report = scene.first.json("run", "report", "--json")
    verify(scene.moto, scene.path, scene.made, report)
    # What is not what its name says is not carried out.
    s3, key = scene.minio.client(), next(key for key in listed if "/objects/" in key)
    body = s3.get_object(Bucket=scene.bucket, Key=key)["Body"].read()
    s3.put_object(Bucket=scene.bucket, Key=key, Body=body.replace(b"running", b"runnin9") + b"\n")
    third = scene.runner("third")
    refused = third("plan", "apply", told["url"], "failover", "--yes", status=1).err
    assert key.removeprefix("dr/state/") in refused and "has been changed" in refused
