"""drc's signer against botocore's, over generated requests: every signature has to be the same."""
import datetime
import json
import os
import pathlib
import random
import subprocess
from unittest import mock
from urllib.parse import quote

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

BUILD = pathlib.Path(os.environ.get("BUILD", pathlib.Path(__file__).parents[2] / "build"))
CASES = 6000
REST_CASES = 3000
SEED = 20261122

WORDS = ["", "a", "A", "b~", "x y", "ä", "日本", "a/b", "a+b", "a=b", "a&b", "%41", "%", "..", ".",
         "-_.~", "'\"", "!*()", ";,", "#?", "@:", "\U0001f600", "Filter.1.Name", "tag:drc:plan", "0"]
SPACES = ["x", " x", "x  ", "a   b", "a \t b", "", "  ", "ü  ü", "x,y", '"a  b"']


def some(chance, words, most):
    return "".join(chance.choice(words) for _ in range(chance.randint(0, most)))


def a_path(chance, s3):
    parts = [chance.choice(WORDS) for _ in range(chance.randint(0, 5))]
    path = "/" + "/".join(parts) + chance.choice(["", "/", "//"])
    return path


def a_case(chance):
    s3 = chance.random() < 0.3
    headers = [["Content-Type", "application/x-www-form-urlencoded; charset=utf-8"]][:chance.randint(0, 1)]
    for number in range(chance.randint(0, 4)):
        name = chance.choice(["X-Amz-Meta-A", "x-amz-meta-b", "X-AMZ-Target", "My-Header", "a", "Accept"])
        headers.append([name, chance.choice(SPACES)])
    if chance.random() < 0.2:
        headers.append(["User-Agent", "drc/0"])
    payload = chance.choice([None, None, None, "UNSIGNED-PAYLOAD"]) if s3 else None
    return {"method": chance.choice(["GET", "POST", "PUT", "DELETE", "HEAD"]),
            "host": chance.choice(["ec2.eu-west-1.amazonaws.com", "127.0.0.1:5000", "localhost:8443",
                                   "bucket.s3.eu-west-1.amazonaws.com"]),
            "path": a_path(chance, s3),
            "query": [[some(chance, WORDS, 2), some(chance, WORDS, 2)]
                      for _ in range(chance.choice([0, 0, 1, 2, 3, 6]))],
            "headers": headers, "body": some(chance, WORDS + ["Action=DescribeVolumes&"], 6),
            "service": "s3" if s3 else chance.choice(["ec2", "ssm", "sts", "ebs"]),
            "region": chance.choice(["eu-west-1", "us-east-1", "us-gov-west-1"]), "s3": s3,
            "key": "AKIDEXAMPLE", "secret": chance.choice(["wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "s", "ä"]),
            "token": chance.choice([None, None, "FwoGZXIvYXdzE/+=="]), "payload_hash": payload,
            "utc_ms": chance.randint(0, 4102444800) * 1000}


def a_rest_case(chance):
    """As the store on S3 and EBS direct ask: keys and prefixes encoded, conditions, checksums, tokens of
    pages in base64, payloads unsigned or not."""
    case = a_case(chance)
    token = "".join(chance.choices("ABCabc019+/=", k=chance.randint(1, 40)))
    case["payload_hash"] = chance.choice([None, "UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD"])
    case["s3"] = chance.random() < 0.6
    if case["s3"]:
        key = "/".join(some(chance, ["a", "b-1", "x.y", "_z", "00000012"], 3) or "k" for _ in range(chance.randint(1, 5)))
        bucket = chance.choice(["", "/bucket", "/my.bucket"])
        listing = chance.random() < 0.4
        case.update(service="s3", method="GET" if listing else chance.choice(["GET", "PUT", "DELETE", "HEAD"]),
                    path=f"{bucket}/" if listing else f"{bucket}/{key}",
                    headers=[["x-amz-checksum-crc32", "NhCmhg=="],
                             chance.choice([["If-None-Match", "*"], ["If-Match", '"0f-2"'], ["x-amz-checksum-mode", "ENABLED"]])],
                    query=[["list-type", "2"], ["encoding-type", "url"], ["max-keys", "1000"], ["prefix", key + "/"],
                           chance.choice([["start-after", key], ["continuation-token", token]])] if listing else [])
    else:
        case.update(service="ebs", method=chance.choice(["PUT", "POST", "GET"]),
                    path=f"/snapshots/snap-{chance.getrandbits(68):017x}/blocks/{chance.randint(0, 10**7)}",
                    headers=[["Content-Type", "application/octet-stream"], ["x-amz-Checksum", token],
                             ["x-amz-Checksum-Algorithm", "SHA256"], ["x-amz-Data-Length", "524288"]],
                    query=chance.choice([[], [["blockToken", token]], [["pageToken", token], ["maxResults", "1000"]]]))
    return case


class S3Unsigned(botocore.auth.S3SigV4Auth):
    def payload(self, request):
        return "UNSIGNED-PAYLOAD"


def botocore_signature(case):
    """What botocore answers, given the same URL on the wire."""
    path = quote(case["path"], safe="/-_.~")
    query = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in case["query"])
    url = f"https://{case['host']}{path}{'?' + query if query else ''}"
    request = AWSRequest(method=case["method"], url=url, data=case["body"].encode())
    for name, value in case["headers"]:
        request.headers[name] = value
    if case["s3"]:
        kind = S3Unsigned if case["payload_hash"] else S3Signed
    else:
        kind = botocore.auth.SigV4Auth
        if case["payload_hash"]:
            request.headers["X-Amz-Content-SHA256"] = case["payload_hash"]
    auth = kind(Credentials(case["key"], case["secret"], case["token"]), case["service"], case["region"])
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=case["utc_ms"])
    with mock.patch("botocore.auth.get_current_datetime", return_value=moment):
        auth.add_auth(request)
    return request


class S3Signed(botocore.auth.S3SigV4Auth):
    def _should_sha256_sign_payload(self, request):
        return True


@pytest.fixture(scope="module")
def cases():
    chance = random.Random(SEED)
    return [a_case(chance) for _ in range(CASES)] + [a_rest_case(chance) for _ in range(REST_CASES)]


@pytest.fixture(scope="module")
def signed(cases):
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    run = subprocess.run([BUILD / "tests/interop/sigv4_driver"], input=lines, text=True,
                         capture_output=True, check=True)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(answers) == len(cases)
    return answers


def test_every_signature_is_botocores(cases, signed):
    wrong = []
    for case, ours in zip(cases, signed):
        theirs = botocore_signature(case)
        if theirs.headers["Authorization"] != ours["Authorization"]:
            wrong.append((case, theirs.headers["Authorization"], ours))
    assert not wrong, f"{len(wrong)} of {len(cases)} differ; the first: {wrong[0]}"


def test_the_cases_are_what_they_should_be(cases):
    """A generator that makes only tame requests would prove nothing."""
    assert len(cases) >= 5000
    assert sum(case["service"] == "ebs" and case["payload_hash"] is not None for case in cases) > 500
    assert sum(any(key == "continuation-token" for key, _ in case["query"]) for case in cases) > 200
    assert sum(case["s3"] for case in cases) > 1000
    assert sum(case["token"] is not None for case in cases) > 1000
    assert sum(len({k for k, _ in case["query"]}) < len(case["query"]) for case in cases) > 300
    assert sum(".." in case["path"].split("/") for case in cases) > 300
    assert sum(any("  " in v for _, v in case["headers"]) for case in cases) > 500


def test_a_flipped_bit_is_seen(cases, signed):
    """The comparison itself can fail."""
    other = dict(cases[0], secret=cases[0]["secret"] + "x")
    assert botocore_signature(other).headers["Authorization"] != signed[0]["Authorization"]
