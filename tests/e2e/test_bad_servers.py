"""Servers in AWS's place that misbehave. Before the first change, no proper answer ends the command,
status 1, the reason in one line (that it takes a minute at most is seen on a simulated clock, in
test_client.c); in a run, each VM is made once all the same.

What takes up to the whole minute (every answer that another try may mend) is started at once, by the
fixture `outcomes`, and told apart afterwards."""
import concurrent.futures
import http.client
import os
import re
import socket

import pytest

from e2e_drc import ROOT, Drc
from rude import (HTML, Rude, always, answer, bad_link, cut, endless, identity, refusal, reset,
                  self_signed, silent)
from served import KEYS, Served

SHOP = ROOT / "plans/shop"
GOOD = identity("111122223333")
BODY = GOOD.partition(b"\r\n\r\n")[2]
OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"
CONFUSED = "something between here and AWS answers in its place"

LAUGHS = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9)) + b"]>" \
    b"<GetCallerIdentityResponse>&j;</GetCallerIdentityResponse>"

# name: (how it answers, what the first line says, what the help says)
AT_ONCE = {
    "wrong secret": (always(refusal("403 Forbidden", "SignatureDoesNotMatch", "The signature does not match")),
                     "SignatureDoesNotMatch", "the secret access key is wrong"),
    "wrong key": (always(refusal("403 Forbidden", "InvalidClientTokenId", "The token is invalid")),
                  "InvalidClientTokenId", "there is no such access key"),
    "clock": (always(refusal("403 Forbidden", "RequestTimeTooSkewed", "The difference is too large")),
              "RequestTimeTooSkewed", "set this machine's clock"),
    "expired": (always(refusal("403 Forbidden", "ExpiredToken", "The token has expired")),
                "ExpiredToken", "get new credentials"),
    "wrong account": (always(identity("999988887777")), "of account 999988887777", "account 111122223333"),
    "no account": (always(identity("")), "the answer names no account", ""),
    "not found": (always(answer("404 Not Found", b"<html>none</html>", "text/html")), "HTTP 404", CONFUSED),
    "redirect": (always(answer("301 Moved", b"", "text/html", "Location: http://127.0.0.1:1/")),
                 "HTTP 301 redirects to http://127.0.0.1:1/", "AWS_ENDPOINT_URL"),
    "proxy wants a password": (always(answer("407 Proxy Authentication Required", b"who?", "text/html")),
                               "HTTP 407", "HTTPS_PROXY"),
    "endless body": (endless(OK_HEAD + b"\r\n", b"<a>" * 20000), "larger than allowed", CONFUSED),
    "escapes": (always(refusal("403 Forbidden", "Evil\x1b[2J", "\x1b]0;owned\x07 line\nline two")), "HTTP 403",
                CONFUSED),
}
TRIED_ON = {
    "HTML of a proxy": (always(answer("502 Bad Gateway", HTML, "text/html")), "HTTP 502", "in trouble"),
    "HTML with 200": (always(answer("200 OK", b"<html>Log in</html>", "text/html")), "text/html", CONFUSED),
    "500": (always(refusal("500 Internal Server Error", "InternalError", "oops")), "InternalError: oops", ""),
    "500 as text": (always(answer("500 Internal Server Error", b"oops", "text/plain")), "HTTP 500", "in trouble"),
    "throttled for ever": (always(refusal("503 x", "RequestLimitExceeded", "Request limit exceeded.")),
                           "RequestLimitExceeded", "try again"),
    "Retry-After a day": (always(answer("503 x", b"x", "text/plain", "Retry-After: 86400")), "HTTP 503", "in trouble"),
    "truncated XML": (always(answer("200 OK", BODY[:150])), "not well-formed XML", CONFUSED),
    "empty": (always(answer("200 OK", b"")), "(empty)", CONFUSED),
    "deep XML": (always(answer("200 OK", b"<a>" * 200_000)), "nested too deeply", CONFUSED),
    "entities": (always(answer("200 OK", b'<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
                               b"<GetCallerIdentityResponse>&a;</GetCallerIdentityResponse>")),
                 "a document type definition", CONFUSED),
    "closed within the body": (cut(GOOD, 250), "transfer closed with", "check the network"),
    "closed within a header": (cut(GOOD, 20), "(empty)", CONFUSED),
    "closed at once": (always(b"", close=True), "closed without an answer", "check the network"),
    "reset": (reset, "reset", "check the network"),
    "silent": (silent, "no answer within", "check the network"),
    "one byte of a header at a time": (endless(b"HTTP/1.1 200 OK\r\nX-A: ", b"b", 0.3), "no answer within",
                                       "check the network"),
    "billion laughs": (always(answer("200 OK", LAUGHS)), "a document type definition", CONFUSED),
    "millions of elements": (always(answer("200 OK", b"<a>" + b"<b/>" * 3_000_000)), "too many elements", CONFUSED),
    "one byte at a time": (endless(OK_HEAD + b"\r\n", b"<", 0.3), "no answer within", "check the network"),
    "endless headers": (endless(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 100), "too many headers", "check the network"),
    "endless header": (endless(b"HTTP/1.1 200 OK\r\nX-A: ", b"b" * 10000), "a header of the answer is too long",
                       "check the network"),
    "endless interim answers": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), "too many headers",
                                "check the network"),
    "not HTTP": (always(b"SSH-2.0-OpenSSH_9.2\r\n"), "the answer is not HTTP", "check the network"),
    "length beyond all": (always(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n<a/>", close=True),
                          "sts GetCallerIdentity", ""),
    "negative length": (always(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n<a/>", close=True), "broke off", ""),
    "bad chunks": (always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n<a/>", close=True),
                   "broke off", ""),
}
SEEDS = (1, 3, 5)


class Outcome:
    """What one command did, and what became of the state afterwards."""

    def __init__(self, folder, handle):
        folder.mkdir(parents=True)
        drc = Drc(folder)
        with Rude(handle) as server:
            done = drc("plan", "apply", SHOP, "failover", "--yes", status=None, timeout=300,
                       **KEYS, AWS_ENDPOINT_URL=server.endpoint)
            self.endpoint, self.actions = server.endpoint, server.actions
        self.drc, self.status, self.out, self.err = drc, done.returncode, done.out, done.err


class Carried:
    """A failover through a link that loses, refuses, truncates, delays."""

    def __init__(self, folder, seed):
        folder.mkdir(parents=True)
        drc = Drc(folder)
        with Served(drc, folder, "--no-throttle") as served, Rude(bad_link(served.port, seed)) as link:
            done = drc("plan", "apply", served.plan, "failover", "--yes", "--json", status=None, timeout=500,
                       **served.environment(link.endpoint))
            self.status, self.out, self.err = done.returncode, done.out, done.err
            self.instances, self.volumes = served.made()


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    with concurrent.futures.ThreadPoolExecutor(len(TRIED_ON) + len(SEEDS) + 3) as pool:
        futures = {name: pool.submit(Outcome, folder / f"{number}", how[0])
                   for number, (name, how) in enumerate(TRIED_ON.items())}
        os.mkfifo(folder / "pipe")
        for words in (["check", folder / "pipe"], ["show", folder / "pipe", "failover"],
                      ["compile", SHOP, "failover", "--facts", folder / "pipe"]):
            futures["pipe", words[0]] = pool.submit(Drc(folder), "plan", *words, status=1, timeout=90)
        futures |= {seed: pool.submit(Carried, folder / f"seed-{seed}", seed) for seed in SEEDS}
        yield futures


def check_ending(outcome, first, help_text):
    """One clear line, what to do, nothing changed, and how to go on."""
    lines = outcome.err.splitlines()
    assert outcome.status == 1 and outcome.out == ""
    assert lines[0].startswith("error: ") and first in lines[0], outcome.err
    assert help_text in lines[1], outcome.err
    assert re.fullmatch(r"nothing was changed; apply again, or drc run resume \w+", lines[-1])
    assert set(outcome.actions) == {"GetCallerIdentity"}
    assert "\033" not in outcome.err and len(outcome.err) < 2000
    if "HTTP" in lines[0] and "request " not in lines[0]:
        assert outcome.endpoint in lines[0]


@pytest.mark.parametrize("name", AT_ONCE)
def test_what_another_try_cannot_mend_ends_at_once(tmp_path, name):
    how, first, help_text = AT_ONCE[name]
    outcome = Outcome(tmp_path / "x", how)
    check_ending(outcome, first, help_text)
    assert len(outcome.actions) == 1


@pytest.mark.parametrize("name", TRIED_ON)
def test_no_proper_answer_ends_with_the_reason(outcomes, name):
    outcome = outcomes[name].result()
    check_ending(outcome, *TRIED_ON[name][1:])
    assert len(outcome.actions) > 1 and "tried" in outcome.err


def test_refusals_tell_the_request_and_the_key(tmp_path):
    outcome = Outcome(tmp_path / "x", AT_ONCE["wrong secret"][0])
    assert "(HTTP 403, request 7b1e7a2c-0000-4000-8000-000000000001)" in outcome.err
    assert "key sandbox from the environment" in outcome.err


@pytest.mark.parametrize("endpoint, words, help_text", [
    ("http://127.0.0.1:1", "connection refused (http://127.0.0.1:1/)", "check the network"),
    ("http://nosuch.invalid", "", "check the network"),
    ("ftp://x", '"ftp://x" (from AWS_ENDPOINT_URL)', "http://host:port"),
    ("not a url", '"not a url" (from AWS_ENDPOINT_URL)', "http://host:port"),
    ("http://", "AWS_ENDPOINT_URL", "http://host:port"),
    ("http://127.0.0.1:99999", "URL", ""),
    ("http://[::1", "URL", ""),
])
def test_endpoints_that_are_none(drc, endpoint, words, help_text):
    done = drc("plan", "apply", SHOP, "failover", "--yes", status=1, **KEYS, AWS_ENDPOINT_URL=endpoint)
    assert words in done.err.splitlines()[0] and help_text in done.err


def test_tls_that_nobody_trusts(drc, tmp_path):
    with Rude(always(GOOD), tls=self_signed(tmp_path)) as server:
        words = ["plan", "apply", SHOP, "failover", "--yes"]
        done = drc(*words, status=1, **KEYS, AWS_ENDPOINT_URL=server.endpoint)
        assert "TLS failed" in done.err and "AWS_CA_BUNDLE" in done.err and server.actions == []
        done = drc(*words, status=1, **KEYS, AWS_ENDPOINT_URL=server.endpoint,
                   AWS_CA_BUNDLE=str(tmp_path / "nosuch.pem"))
        assert "nosuch.pem" in done.err and server.actions == []
    with Rude(always(GOOD)) as server:
        done = drc(*words, status=1, **KEYS, AWS_ENDPOINT_URL=server.endpoint.replace("http:", "https:"))
        assert "TLS failed" in done.err


def test_no_credentials(drc):
    done = drc("plan", "apply", SHOP, "failover", "--yes", status=1, AWS_EC2_METADATA_DISABLED="true")
    assert done.err.startswith("error: no AWS credentials found: looked at")
    assert "AWS_ACCESS_KEY_ID" in done.err


def staged(port, action, how):
    """A server that behaves but for one action."""
    def handle(rude, link, name, request):
        if name == action:
            return how(rude, link, name, request)
        link.sendall(request.forward(port))
        return True
    return handle


def endless_pages(port, tokens):
    def how(rude, link, name, request):
        number = rude.actions.count(name)
        token = f"<nextToken>{number if tokens == 'new' else 'again'}</nextToken>".encode()
        link.sendall(answer("200 OK", b'<?xml version="1.0"?><%sResponse>%s</%sResponse>' %
                            (name.encode(), token, name.encode())))
        return True
    return how


@pytest.mark.parametrize("action, how, words", [
    ("DescribeSnapshots", always(refusal("403 Forbidden", "UnauthorizedOperation", "You may not.")),
     "ec2 DescribeSnapshots: UnauthorizedOperation"),
    ("DescribeSnapshots", always(answer("404 Not Found", HTML, "text/html")), "ec2 DescribeSnapshots: HTTP 404"),
    ("DescribeSnapshots", always(answer("200 OK", b"<DescribeSnapshotsResponse/>")), "no usable DR copy"),
    ("DescribeSnapshots", "again", "the pages of the answer do not end"),
    ("DescribeSnapshots", "new", "the pages of the answer do not end"),
    ("DescribeSubnets", always(refusal("400 Bad Request", "InvalidSubnetID.NotFound", "no such")),
     "ec2 DescribeSubnets: InvalidSubnetID.NotFound"),
    ("DescribeInstanceTypes", always(refusal("403 Forbidden", "UnauthorizedOperation", "You may not.")),
     "ec2 DescribeInstanceTypes: UnauthorizedOperation"),
])
def test_trouble_after_the_first_answer_changes_nothing(drc, tmp_path, action, how, words):
    with Served(drc, tmp_path, "--no-throttle") as served:
        how = endless_pages(served.port, how) if isinstance(how, str) else how
        with Rude(staged(served.port, action, how)) as server:
            done = drc("plan", "apply", served.plan, "failover", "--yes", status=1,
                       **served.environment(server.endpoint))
            assert words in done.err and "error: " in done.err
            assert not any(re.match("Run|Create|Register|Start|Stop", name) for name in server.actions)
        assert served.made() == ([], [])


def test_after_trouble_a_new_run_and_a_resume_both_go_on(drc, tmp_path):
    trouble = always(refusal("403 Forbidden", "ExpiredToken", "The token has expired"))
    with Served(drc, tmp_path, "--no-throttle") as served, Rude(trouble) as server:
        for _ in range(2):  # one failed run is not in the way of the next
            drc("plan", "apply", served.plan, "failover", "--yes", status=1, **served.environment(server.endpoint))
        run = drc.json("run", "list", "--json")[0]
        assert run["status"] == "failed"
        drc("run", "resume", run["run"], status=1, **served.environment(server.endpoint))
        drc("run", "resume", run["run"], **served.environment())
        instances, _ = served.made()
        assert sorted(i["vm"] for i in instances) == ["app", "db", "web"]
        again = drc("plan", "apply", served.plan, "failover", "--yes", **served.environment())
        assert "nothing to do" in again.out


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bad_link_makes_each_thing_once(outcomes, seed):
    outcome = outcomes[seed].result()
    telling = [line for line in outcome.err.splitlines() if "failed" in line or "help" in line]
    assert outcome.status == 0, "\n".join(telling) + "\n" + outcome.err[-2000:]
    assert '"succeeded"' in outcome.out
    assert sorted(i["vm"] for i in outcome.instances) == ["app", "db", "web"]
    assert all(i["state"] == "running" for i in outcome.instances)
    owners = {i["id"] for i in outcome.instances}
    assert all(v.get("attached_to") in owners for v in outcome.volumes)


@pytest.mark.parametrize("command", ["check", "show", "compile"])
def test_a_pipe_that_nobody_writes_to_is_given_up(outcomes, command):
    assert "nothing was written to this pipe for 30 s" in outcomes["pipe", command].result().err


def test_a_bad_client_does_not_harm_the_served_sandbox(drc, tmp_path):
    with Served(drc, tmp_path) as served:
        for bytes_ in (b"", b"GET", b"\0" * 1000, b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
                       b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nActio", b"X" * 100_000):
            with socket.create_connection(("127.0.0.1", served.port), 5) as link:
                try:
                    link.sendall(bytes_)
                    link.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
        link = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
        link.request("POST", "/", "Action=Nothing&Version=2016-11-15")
        assert link.getresponse().status in (400, 401, 403)
        link.close()
        assert served.process.poll() is None


@pytest.mark.parametrize("action, how, words", [
    ("CreateVolume", always(answer("500 Internal Server Error", HTML, "text/html")), "HTTP 500"),
    ("AttachVolume", always(refusal("503 x", "RequestLimitExceeded", "Request limit exceeded.")),
     "RequestLimitExceeded"),
    ("AttachVolume", always(b"", close=True), "the answer broke off"),
])
def test_trouble_in_a_run_ends_it_with_the_reason_and_a_resume_completes_it(drc, tmp_path, action, how, words):
    with Served(drc, tmp_path, "--no-throttle") as served:
        served.plan.write_text(served.plan.read_text().replace("defaults: {", "defaults: {timeouts: {volume: 5s}, "))
        with Rude(staged(served.port, action, how)) as server:
            done = drc("plan", "apply", served.plan, "failover", "--yes", status=1, timeout=300,
                       **served.environment(server.endpoint))
        report = " ".join(done.out.split())
        assert f"did not succeed within 5s; last seen: ec2 {action}: " in report and words in report
        assert "drc run resume" in report
        assert drc.json("run", "list", "--json")[0]["status"] == "failed"
        if "broke off" in words:
            return  # in doubt for a minute, which is longer than the time given here
        drc("run", "resume", **served.environment())
        instances, volumes = served.made()
        assert sorted((i["vm"], i["state"]) for i in instances) == \
            [("app", "running"), ("db", "running"), ("web", "running")]
        assert {v["attached_to"] for v in volumes} == {i["id"] for i in instances}
