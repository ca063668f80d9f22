"""A repository in a real S3 (MinIO): disks go in and come back, also when it is busy and loses answers;
what goes wrong on the way makes no recovery point."""
import json
import random
import subprocess
import sys
import pathlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "servers"))

from e2e_drc import Drc, wait_for  # noqa: E402
from minio_server import MinioServer  # noqa: E402
from test_s3_minio import Proxy  # noqa: E402

MIB, BLOCK = 1 << 20, 512 << 10


@pytest.fixture(scope="module")
def minio(tmp_path_factory):
    with MinioServer(tmp_path_factory.mktemp("minio")) as server:
        server.client().create_bucket(Bucket="backup")
        yield server


@pytest.fixture
def image(tmp_path):
    chance = random.Random(1)
    path = tmp_path / "disk.raw"
    with open(path, "wb") as file:
        file.truncate(200 * MIB + 777)
        for at in (0, 7, 60, 61, 62, 150):
            file.seek(at * MIB)
            file.write(chance.randbytes(2 * MIB))
    return path


def runner(tmp_path, minio, endpoint=None, name="runner"):
    home = tmp_path / name
    home.mkdir()
    drc = Drc(home)
    drc.env.update(minio.environment(endpoint))
    return drc


def keys(minio, prefix):
    pages = minio.client().get_paginator("list_objects_v2").paginate(Bucket="backup", Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def round_trip(drc, place, image, tmp_path, **kwargs):
    words = [place, "--plan", "shop", "--vm", "db"]
    first = json.loads(drc("repo", "import", *words, image, "--json", **kwargs).out)["disks"][0]
    with open(image, "r+b") as file:
        file.seek(61 * MIB)
        file.write(b"changed")
    second = json.loads(drc("repo", "import", *words, image, "--json", **kwargs).out)["disks"][0]
    drc("repo", "export", *words, "-o", tmp_path / "back.raw", **kwargs)
    subprocess.run(["cmp", image, tmp_path / "back.raw"], check=True)
    return first, second


def test_a_disk_goes_to_s3_and_comes_back(minio, image, tmp_path):
    first, second = round_trip(runner(tmp_path, minio), "s3://backup/plain", image, tmp_path)
    assert first["new"] == 20 and (second["new"], second["known"]) == (1, 19)
    assert len(keys(minio, "plain/blocks/")) == 21
    assert len(keys(minio, "plain/points/shop/db/")) == 2


def test_a_busy_s3_that_loses_answers(minio, image, tmp_path):
    with Proxy(minio.endpoint, busy=0.1, lost=0.05, seed=5) as proxy:
        first, second = round_trip(runner(tmp_path, minio, proxy.endpoint), "s3://backup/busy", image, tmp_path,
                                   timeout=300)
        assert proxy.refused > 3 and proxy.dropped > 1
    assert first["new"] == 20 and second["new"] == 1
    assert len(keys(minio, "busy/points/shop/db/")) == 2


def test_an_s3_that_goes_away_makes_no_point(minio, image, tmp_path):
    with Proxy(minio.endpoint, latency=0.02) as proxy:
        drc = runner(tmp_path, minio, proxy.endpoint)
        process = drc.start("repo", "import", "s3://backup/gone", "--plan", "shop", "--vm", "db", image)
        wait_for(lambda: len(keys(minio, "gone/blocks/")) > 2, "blocks", process)
        proxy.busy = 1.0
        _, err = process.communicate(timeout=300)
    assert process.returncode == 1 and b"error: " in err and b"s3://backup/gone" in err, err
    assert keys(minio, "gone/points/") == []
    done = runner(tmp_path, minio, name="again")("repo", "import", "s3://backup/gone", "--plan", "shop", "--vm", "db", image)
    assert "20 new" in done.out
    assert len(keys(minio, "gone/points/shop/db/")) == 1


def test_a_bucket_that_is_not_there(minio, image, tmp_path):
    done = runner(tmp_path, minio)("repo", "import", "s3://no-such-bucket-of-drc/x", "--plan", "shop", "--vm", "db",
                                   image, status=1)
    assert "no-such-bucket-of-drc" in done.err and "  help: " in done.err


def test_verify_and_prune(tmp_path, minio, image):
    drc, place = runner(tmp_path, minio), "s3://backup/pruned"
    words = ["repo", "import", place, "--plan", "shop", "--vm", "db", image, "--recovery-point"]
    drc(*words, "2026-01-01T00:00:00Z")
    with open(image, "r+b") as file:
        file.write(b"changed")
    drc(*words, "2026-01-02T00:00:00Z")
    assert len(keys(minio, "pruned/blocks/")) == 20 + 1  # what changed is one more
    assert "21 blocks hashed: all is well" in drc("repo", "verify", place).out
    done = json.loads(drc("repo", "prune", place, "--keep-last", 1, "--yes", "--json").out)
    assert (len(done["recovery_points"]), done["blocks"], done["kept_blocks"]) == (1, 1, 20)
    assert len(keys(minio, "pruned/blocks/")) == 20 and len(keys(minio, "pruned/points/")) == 1
    lost = sorted(keys(minio, "pruned/blocks/"))[0]
    minio.client().delete_object(Bucket="backup", Key=lost)
    broken = drc("repo", "verify", place, status=1)
    assert f"reading {lost.removeprefix('pruned/')} in {place}: it is missing" in broken.out
