"""EBS direct and S3 of `drc sandbox serve`, as boto3 and coldsnap use them."""
import base64
import hashlib
import io
import os
import pathlib
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "servers"))
from sandbox_boto3 import REGION, Served, refused  # noqa: E402

BLOCK = 512 * 1024
MIB = 1024 * 1024


@pytest.fixture
def served(tmp_path):
    served = Served(tmp_path / "served")
    yield served
    if served.process.poll() is None:
        assert served.stop() == 0


@pytest.fixture
def ebs(served):
    return served.client("ebs")


@pytest.fixture
def s3(served):
    client = served.client("s3")
    client.create_bucket(Bucket="dr-state", CreateBucketConfiguration={"LocationConstraint": REGION})
    return client


def checksum(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def put(ebs, snapshot, index, data, **more):
    arguments = {"SnapshotId": snapshot, "BlockIndex": index, "BlockData": data, "DataLength": BLOCK,
                 "Checksum": checksum(data), "ChecksumAlgorithm": "SHA256", **more}
    return ebs.put_snapshot_block(**arguments)


def linear(blocks):
    digests = b"".join(hashlib.sha256(blocks[index]).digest() for index in sorted(blocks))
    return base64.b64encode(hashlib.sha256(digests).digest()).decode()


def write(ebs, ec2, blocks, **start):
    """A snapshot with these blocks (index -> bytes), completed."""
    snapshot = ebs.start_snapshot(VolumeSize=1, **start)["SnapshotId"]
    for index, data in blocks.items():
        put(ebs, snapshot, index, data)
    done = ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=len(blocks),
                                 Checksum=linear(blocks), ChecksumAlgorithm="SHA256",
                                 ChecksumAggregationMethod="LINEAR")
    assert done["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert done["Status"] == "pending"
    await_completed(ec2, snapshot)
    return snapshot


def await_completed(ec2, snapshot):
    waiter = ec2.get_waiter("snapshot_completed")
    waiter.config.delay = 0.05
    waiter.wait(SnapshotIds=[snapshot])


def listed_by(call, **arguments):
    """The blocks of all pages, some of which may be empty (boto3 has no paginator for them)."""
    listed, page = [], call(**arguments)
    while True:
        listed += page.get("Blocks", page.get("ChangedBlocks"))
        if "NextToken" not in page:
            return listed
        page = call(**arguments, NextToken=page["NextToken"])


def blocks_of(ebs, snapshot):
    """index -> bytes"""
    listed = listed_by(ebs.list_snapshot_blocks, SnapshotId=snapshot, MaxResults=100)
    assert [block["BlockIndex"] for block in listed] == sorted({b["BlockIndex"] for b in listed})
    return {block["BlockIndex"]: read(ebs, snapshot, block["BlockIndex"], block["BlockToken"])
            for block in listed}


def read(ebs, snapshot, index, token):
    answer = ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=index, BlockToken=token)
    data = answer["BlockData"].read()
    assert len(data) == answer["DataLength"] == BLOCK
    assert answer["Checksum"] == checksum(data) and answer["ChecksumAlgorithm"] == "SHA256"
    return data


def noise(seed):
    return random.Random(seed).randbytes(BLOCK)


def test_written_read_and_inherited(served, ebs):
    ec2 = served.client("ec2")
    whole = {0: noise(1), 3: noise(2), 2047: bytes(BLOCK)}
    first = write(ebs, ec2, whole, Description="whole",
                  Tags=[{"Key": "drc:vm", "Value": "db"}, {"Key": "ü", "Value": ""}])
    assert blocks_of(ebs, first) == whole
    described = ec2.describe_snapshots(SnapshotIds=[first])["Snapshots"][0]
    assert described["State"] == "completed" and described["Progress"] == "100%"
    assert described["VolumeSize"] == 1 and described["Description"] == "whole"
    assert {tag["Key"]: tag["Value"] for tag in described["Tags"]} == {"drc:vm": "db", "ü": ""}

    second = write(ebs, ec2, {3: noise(3), 4: noise(4)}, ParentSnapshotId=first)
    ec2.delete_snapshot(SnapshotId=first)
    assert blocks_of(ebs, second) == {**whole, 3: noise(3), 4: noise(4)}
    third = write(ebs, ec2, {4: noise(5)}, ParentSnapshotId=second)
    changed = listed_by(ebs.list_changed_blocks, FirstSnapshotId=second, SecondSnapshotId=third)
    assert [block["BlockIndex"] for block in changed] == [4]
    assert read(ebs, second, 4, changed[0]["FirstBlockToken"]) == noise(4)
    assert read(ebs, third, 4, changed[0]["SecondBlockToken"]) == noise(5)


def test_it_outlives_its_process(served, ebs):
    ec2 = served.client("ec2")
    snapshot = ebs.start_snapshot(VolumeSize=1, ClientToken="t")["SnapshotId"]
    put(ebs, snapshot, 7, noise(7))
    served.kill_and_start()
    ebs, ec2 = served.client("ebs"), served.client("ec2")
    assert ebs.start_snapshot(VolumeSize=1, ClientToken="t")["SnapshotId"] == snapshot
    ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=1)
    await_completed(ec2, snapshot)
    assert blocks_of(ebs, snapshot) == {7: noise(7)}


def refused_with_reason(call, **arguments):
    with pytest.raises(call.__self__.exceptions.ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"], error.value.response.get("Reason")


def test_what_ebs_refuses(served, ebs):
    ec2 = served.client("ec2")
    data = noise(1)
    snapshot = ebs.start_snapshot(VolumeSize=1, ClientToken="t")["SnapshotId"]
    assert refused(ebs.start_snapshot, VolumeSize=2, ClientToken="t") == ("ConflictException", 409)
    for more, reason in (({"BlockIndex": 2048}, "INVALID_BLOCK"),
                         ({"Checksum": checksum(b"other")}, "INVALID_BLOCK"),
                         ({"BlockData": data[:-1]}, "INVALID_BLOCK"),
                         ({"DataLength": 512}, "INVALID_PARAMETER_VALUE"),
                         ({"ChecksumAlgorithm": "MD5"}, "INVALID_PARAMETER_VALUE")):
        arguments = {"SnapshotId": snapshot, "BlockIndex": 1, "BlockData": data,
                     "DataLength": BLOCK, "Checksum": checksum(data),
                     "ChecksumAlgorithm": "SHA256", **more}
        assert refused_with_reason(ebs.put_snapshot_block, **arguments) == (
            "ValidationException", reason), more
    put(ebs, snapshot, 1, data)
    assert refused_with_reason(ebs.list_snapshot_blocks, SnapshotId=snapshot) == (
        "ValidationException", "INVALID_SNAPSHOT_ID")
    assert refused_with_reason(ebs.complete_snapshot, SnapshotId=snapshot,
                               ChangedBlocksCount=2)[0] == "ValidationException"
    assert refused_with_reason(ebs.start_snapshot, VolumeSize=1, Encrypted=True,
                               ParentSnapshotId=snapshot)[0] == "ValidationException"
    ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=1)
    await_completed(ec2, snapshot)
    assert refused_with_reason(ebs.start_snapshot, VolumeSize=1, Encrypted=True,
                               ParentSnapshotId=snapshot) == (
        "ValidationException", "INVALID_PARAMETER_VALUE")
    block = listed_by(ebs.list_snapshot_blocks, SnapshotId=snapshot)[0]
    assert refused_with_reason(ebs.get_snapshot_block, SnapshotId=snapshot, BlockIndex=2,
                               BlockToken=block["BlockToken"]) == (
        "ValidationException", "INVALID_BLOCK_TOKEN")
    assert refused(ebs.list_snapshot_blocks, SnapshotId="snap-0123456789abcdef0") == (
        "ResourceNotFoundException", 404)
    assert refused(served.client("ebs", secret="wrong").start_snapshot, VolumeSize=1) == (
        "InvalidSignatureException", 403)
    assert refused(put, ebs=ebs, snapshot=snapshot, index=1, data=data)[0] == "ValidationException"


def test_a_volume_of_such_a_snapshot(served, ebs):
    """Encrypted as its parent was; its own snapshot has the blocks."""
    ec2 = served.client("ec2")
    key = served.client("kms").describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"]
    first = write(ebs, ec2, {1: noise(1)}, Encrypted=True, KmsKeyArn=key)
    snapshot = write(ebs, ec2, {2: noise(2)}, ParentSnapshotId=first)
    volume = ec2.create_volume(AvailabilityZone="eu-west-1a", SnapshotId=snapshot)
    assert volume["Encrypted"] and volume["KmsKeyId"] == key and volume["Size"] == 1
    waiter = ec2.get_waiter("volume_available")
    waiter.config.delay = 0.05
    waiter.wait(VolumeIds=[volume["VolumeId"]])
    later = ec2.create_snapshot(VolumeId=volume["VolumeId"])["SnapshotId"]
    await_completed(ec2, later)
    assert blocks_of(ebs, later) == {1: noise(1), 2: noise(2)}


def coldsnap(served, *arguments):
    program = subprocess.run([ROOT / "tools" / "coldsnap"], capture_output=True, text=True, check=True)
    environment = {**served.environment(), "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run([program.stdout.strip(), "--endpoint", served.endpoint, *arguments],
                          capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_coldsnap(served, ebs, tmp_path):
    """Random and sparse, up and down again; and what boto3 wrote, as coldsnap reads it."""
    image, back = tmp_path / "image", tmp_path / "back"
    with open(image, "wb") as file:
        file.write(os.urandom(7 * MIB))
        file.seek(13 * MIB + 512 * 3)
        file.write(os.urandom(5 * MIB))
        file.truncate(20 * MIB)
    snapshot = coldsnap(served, "upload", "--no-progress", "--wait", str(image))
    coldsnap(served, "download", "--no-progress", snapshot, str(back))
    assert back.stat().st_size == 1 << 30
    with open(image, "rb") as one, open(back, "rb") as other:
        assert one.read() == other.read(20 * MIB)
        assert other.read(MIB) == bytes(MIB)
    assert all(blocks_of(ebs, snapshot)[index] == image.read_bytes()[index * BLOCK:][:BLOCK]
               for index in (0, 13, 26, 35))
    written = write(ebs, served.client("ec2"), {0: noise(1), 2047: noise(2)})
    coldsnap(served, "download", "--no-progress", "--force", written, str(back))
    with open(back, "rb") as file:
        assert file.read(BLOCK) == noise(1)
        file.seek(2047 * BLOCK)
        assert file.read() == noise(2)


KEYS = ["a", "b/1", "b/2 x", "b/c/ü", "b+c&d=e%20", "~", "z/</&>"]


def test_objects(s3):
    for key in KEYS:
        made = s3.put_object(Bucket="dr-state", Key=key, Body=key.encode(), ContentType="text/plain",
                             Metadata={"of": "drc"})
        found = s3.get_object(Bucket="dr-state", Key=key)
        assert found["Body"].read() == key.encode()
        assert found["ETag"] == made["ETag"] == f'"{hashlib.md5(key.encode()).hexdigest()}"'
        assert found["Metadata"] == {"of": "drc"} and found["ContentType"] == "text/plain"
        assert s3.head_object(Bucket="dr-state", Key=key)["ContentLength"] == len(key.encode())
    assert s3.get_object(Bucket="dr-state", Key="b/1", Range="bytes=1-")["Body"].read() == b"/1"
    assert refused(s3.get_object, Bucket="dr-state", Key="b/1", Range="bytes=9-") == ("InvalidRange", 416)
    listed = s3.get_paginator("list_objects_v2").paginate(Bucket="dr-state", PaginationConfig={"PageSize": 2})
    assert [item["Key"] for page in listed for item in page["Contents"]] == sorted(
        KEYS, key=str.encode)
    folders = s3.list_objects_v2(Bucket="dr-state", Prefix="b", Delimiter="/")
    assert [item["Prefix"] for item in folders["CommonPrefixes"]] == ["b/"]
    assert [item["Key"] for item in folders["Contents"]] == ["b+c&d=e%20"]
    assert s3.list_objects_v2(Bucket="dr-state", StartAfter="b/c/ü")["Contents"][0]["Key"] == "z/</&>"
    gone = s3.delete_objects(Bucket="dr-state", Delete={"Objects": [{"Key": key} for key in KEYS[:3]]})
    assert [item["Key"] for item in gone["Deleted"]] == KEYS[:3]
    s3.delete_object(Bucket="dr-state", Key=KEYS[3])
    assert s3.list_objects_v2(Bucket="dr-state")["KeyCount"] == 3
    assert refused(s3.get_object, Bucket="dr-state", Key="a") == ("NoSuchKey", 404)
    assert refused(s3.head_object, Bucket="dr-state", Key="a") == ("404", 404)
    assert refused(s3.get_object, Bucket="none", Key="a") == ("NoSuchBucket", 404)


def test_conditions(served, s3):
    tag = s3.put_object(Bucket="dr-state", Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert refused(s3.put_object, Bucket="dr-state", Key="k", Body=b"2", IfNoneMatch="*") == (
        "PreconditionFailed", 412)
    s3.put_object(Bucket="dr-state", Key="k", Body=b"2", IfMatch=tag)
    assert refused(s3.put_object, Bucket="dr-state", Key="k", Body=b"3", IfMatch=tag) == (
        "PreconditionFailed", 412)
    assert refused(s3.put_object, Bucket="dr-state", Key="no", Body=b"3", IfMatch=tag) == ("NoSuchKey", 404)
    found = s3.get_object(Bucket="dr-state", Key="k")
    assert found["Body"].read() == b"2"
    assert refused(s3.get_object, Bucket="dr-state", Key="k", IfNoneMatch=found["ETag"])[1] == 304
    served.set_fault("conflict", 1)
    assert refused(s3.put_object, Bucket="dr-state", Key="new", Body=b"3", IfNoneMatch="*") == (
        "ConditionalRequestConflict", 409)


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums(s3, algorithm):
    body = os.urandom(3 * MIB)  # boto3 asks "Expect: 100-continue" first
    s3.put_object(Bucket="dr-state", Key="k", Body=body, ChecksumAlgorithm=algorithm)
    found = s3.get_object(Bucket="dr-state", Key="k", ChecksumMode="ENABLED")
    assert found[f"Checksum{algorithm}"]
    assert found["Body"].read() == body  # held against the checksum by boto3
    wrong = {f"Checksum{algorithm}": base64.b64encode(bytes(
        {"CRC32": 4, "SHA1": 20, "SHA256": 32}[algorithm])).decode()}
    assert refused(s3.put_object, Bucket="dr-state", Key="k", Body=body, **wrong) == ("BadDigest", 400)


def test_a_stream_with_its_checksum_behind_it(served, s3):
    """What SDKs send over TLS: boto3 over a plain connection made to believe that it is one."""
    sent = []

    def secure(request, **_):
        request.context["checksum"] = {"request_algorithm": {
            "algorithm": "crc32", "in": "trailer", "name": "x-amz-checksum-crc32"}}
        request.headers["Content-Encoding"] = "aws-chunked"
        request.headers["X-Amz-Trailer"] = "x-amz-checksum-crc32"
        body = b"hello world"
        request.headers["X-Amz-Decoded-Content-Length"] = str(len(body))
        request.data = (b"5\r\nhello\r\n6\r\n world\r\n0\r\n"
                        b"x-amz-checksum-crc32:DUoRhQ==\r\n\r\n")
        request.headers["Content-Length"] = str(len(request.data))
        for name in ("x-amz-checksum-crc32", "Content-MD5"):
            del request.headers[name]
        sent.append(request)

    s3.meta.events.register("before-sign.s3.PutObject", secure)
    s3.put_object(Bucket="dr-state", Key="k", Body=b"x")
    assert sent[0].headers["X-Amz-Content-SHA256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert s3.get_object(Bucket="dr-state", Key="k")["Body"].read() == b"hello world"
    assert "ContentEncoding" not in s3.head_object(Bucket="dr-state", Key="k")


def test_files_and_kept_connections(s3):
    """upload_fileobj below its multipart threshold; many requests over one connection."""
    body = os.urandom(5 * MIB)
    s3.upload_fileobj(io.BytesIO(body), "dr-state", "file")
    back = io.BytesIO()
    s3.download_fileobj("dr-state", "file", back)
    assert back.getvalue() == body
    for size in (0, 1, BLOCK - 1, BLOCK, BLOCK + 1):
        s3.put_object(Bucket="dr-state", Key="k", Body=body[:size])
        assert s3.get_object(Bucket="dr-state", Key="k")["Body"].read() == body[:size]


def test_the_aws_cli(served, s3, tmp_path):
    tree = tmp_path / "tree"
    (tree / "a b").mkdir(parents=True)
    (tree / "a b" / "x").write_bytes(os.urandom(3 * MIB))
    (tree / "y").write_text("y")

    def cli(*arguments):
        done = served.cli("s3", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    cli("sync", str(tree), "s3://dr-state/t", "--only-show-errors")
    assert [line.split(maxsplit=3)[2:] for line in cli("ls", "--recursive", "s3://dr-state").splitlines()
            ] == [[str(3 * MIB), "t/a b/x"], ["1", "t/y"]]
    cli("cp", "s3://dr-state/t/a b/x", str(tmp_path / "back"), "--only-show-errors")
    assert (tmp_path / "back").read_bytes() == (tree / "a b" / "x").read_bytes()
    cli("rm", "--recursive", "s3://dr-state/t")
    assert cli("ls", "--recursive", "s3://dr-state") == ""


def test_refusals_of_s3(served, s3):
    assert refused(served.client("s3", secret="wrong").list_buckets) == ("SignatureDoesNotMatch", 403)
    assert refused(served.client("s3", key="nobody").list_buckets) == ("InvalidAccessKeyId", 403)
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(served.endpoint + "/dr-state/k?x", timeout=5)
    assert error.value.code >= 400
    assert refused(s3.create_bucket, Bucket="dr-state", CreateBucketConfiguration={
        "LocationConstraint": REGION}) == ("BucketAlreadyOwnedByYou", 409)
    assert refused(s3.get_bucket_acl, Bucket="dr-state") == ("NotImplemented", 501)
    assert "dr-state" in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    s3.head_bucket(Bucket="dr-state")
    served.set_fault("error", 1)
    assert refused(s3.list_buckets)[1] in (500, 503)
    assert refused(served.client("ebs").start_snapshot, VolumeSize=1) == (
        "InternalServerException", 500)


def raw_put(served, snapshot, index, data, **more):
    """The bytes of a signed PutSnapshotBlock: head and body."""
    request = botocore.awsrequest.AWSRequest(
        "PUT", f"{served.endpoint}/snapshots/{snapshot}/blocks/{index}",
        headers={"x-amz-Data-Length": str(BLOCK), "x-amz-Checksum": checksum(data),
                 "x-amz-Checksum-Algorithm": "SHA256", "Host": f"127.0.0.1:{served.port}",
                 "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD", **more})
    keys = botocore.credentials.Credentials("sandbox", "sandbox")
    botocore.auth.SigV4Auth(keys, "ebs", REGION).add_auth(request)
    head = f"PUT /snapshots/{snapshot}/blocks/{index} HTTP/1.1\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode(), data


def connect(served):
    return socket.create_connection(("127.0.0.1", served.port), timeout=10)


def test_a_connection_that_breaks_leaves_nothing(served, ebs):
    snapshot = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    head, data = raw_put(served, snapshot, 1, noise(1))
    with connect(served) as connection:
        connection.sendall(head + data[:300000])
    with connect(served) as connection:  # and one whose bytes are not those it promised
        connection.sendall(head + data[:-1] + b"x")
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 400") and b"INVALID_BLOCK" in answer
    blocks = served.directory / "blocks"
    begin = time.monotonic()
    while any(path.is_file() for path in blocks.rglob("*")) and time.monotonic() < begin + 10:
        time.sleep(0.02)
    assert not any(path.is_file() for path in blocks.rglob("*"))
    assert refused(ebs.complete_snapshot, SnapshotId=snapshot, ChangedBlocksCount=1)[0] == (
        "ValidationException")
    ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=0)


def test_one_connection_for_many_blocks(served, ebs):
    """Kept alive; "Expect: 100-continue" is answered before the body comes."""
    ec2 = served.client("ec2")
    snapshot = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    with connect(served) as connection:
        for index in range(20):
            head, data = raw_put(served, snapshot, index, noise(index % 3))
            if index % 2:
                head = head[:-2] + b"Expect: 100-continue\r\n\r\n"
                connection.sendall(head)
                assert connection.recv(1024).startswith(b"HTTP/1.1 100")
                connection.sendall(data)
            else:
                connection.sendall(head + data)
            answer = connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 201"), answer
    ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=20)
    await_completed(ec2, snapshot)
    assert blocks_of(ebs, snapshot) == {index: noise(index % 3) for index in range(20)}
    kept = [path for path in (served.directory / "blocks").rglob("*") if path.is_file()]
    assert len(kept) == 3  # equal bytes are kept once


def test_too_large(served):
    with connect(served) as connection:
        connection.sendall(b"PUT /dr-state/k HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nx")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")  # without waiting for the body
    assert served.client("sts").get_caller_identity()["Account"]


def test_rates(tmp_path):
    """EBS: ten StartSnapshots a second."""
    served = Served(tmp_path / "slow", "--seed", 7)
    try:
        served.set_fault("latency", 0)
        ebs = served.client("ebs")
        codes = []
        begin = time.monotonic()
        while not codes and time.monotonic() < begin + 20:
            try:
                ebs.start_snapshot(VolumeSize=1, Timeout=10)
            except ebs.exceptions.RequestThrottledException as error:
                codes.append(error.response["Reason"])
            except ebs.exceptions.ServiceQuotaExceededException:
                pytest.fail("a hundred snapshots were begun before the rate was kept")
        assert codes == ["ACCOUNT_THROTTLED"]
    finally:
        served.stop()
