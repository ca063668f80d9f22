"""Secrets are planted wherever drc can get one from, services echo them in every form, runs succeed, fail,
are killed and resumed: nothing that drc leaves behind or shows has any of them in it.

Kept in sight by seeing that the echo got there: what was taken out left its mark."""
import contextlib
import hashlib
import json
import os
import pathlib
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from xml.sax.saxutils import escape

import pytest

from attack import SANITIZED
from e2e_drc import DRC, ROOT
from planted import Planted, files_below, found_in
from rude import Rude, answer, refusal
from served import Served

LATER = "2099-01-01T00:00:00Z"
MARK = "[redacted]"


class Scene:
    """A served sandbox that knows the planted keys, behind a proxy that wants a password and echoes."""

    def __init__(self, drc, folder):
        self.drc, self.folder, self.secrets = drc, folder, []
        self.given = folder / "given"  # what the user has: planted, and not drc's to keep clean
        self.given.mkdir()
        self.left = folder / "left"  # what drc leaves behind
        self.left.mkdir()
        self.shown = b""
        self.echoes = 0
        drc.env.update(DRC_STATE_DIR=str(self.left / "state"), HOME=str(self.given), TMPDIR=str(self.left))

    def plant(self, name, length=40, in_use=True):
        """in_use: drc sends it, so that services can echo it."""
        secret = Planted(name, length)
        secret.in_use = in_use
        self.secrets.append(secret)
        return str(secret)

    def write(self, name, text):
        path = self.given / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    def keys(self, name):
        """An access key that the sandbox knows: id, secret, session token."""
        key = (f"ASIAPLANTED{len(self.secrets):05}", self.plant(f"{name}: secret"), self.plant(f"{name}: token", 400))
        with contextlib.closing(sqlite3.connect(self.served.directory / "sandbox.db")) as database, database:
            database.execute("INSERT INTO credentials VALUES (?, ?, ?, '111122223333', ?, 'AIDA', NULL)",
                             (*key, "arn:aws:iam::111122223333:user/planted"))
        return key

    def json_keys(self, name, token="SessionToken"):
        key_id, secret, session = self.keys(name)
        return json.dumps({"Version": 1, "Code": "Success", "AccessKeyId": key_id, "SecretAccessKey": secret,
                           token: session, "Expiration": LATER})

    def echo(self, request):
        """An answer's text that tells everything it was sent, and every secret there is, in turn."""
        self.echoes += 1
        forms = [text for secret in self.secrets if secret.in_use for text in secret.written()]
        told = [f"{name}: {value}" for name, value in request.headers if name.lower() in (
            "authorization", "x-amz-security-token", "proxy-authorization")]
        told += [form.decode() for form in forms]
        start = self.echoes * 3 % len(told)
        return "StringToSign " + " ".join(told[start:] + told[:start])

    def run(self, *words, **kwargs):
        done = self.drc(*words, **kwargs)
        self.shown += done.stdout + done.stderr
        return done


@pytest.fixture
def scene(drc, tmp_path):
    with Served(drc, tmp_path, "--no-throttle", speed=1000) as served:
        scene = Scene(drc, tmp_path)
        scene.served = served
        drc.env.update(AWS_ENDPOINT_URL=served.endpoint, AWS_EC2_METADATA_DISABLED="true",
                       VCENTER=scene.plant("the plan's env:", in_use=False))
        secret_file = scene.write("vcenter", f"username=x\npassword={scene.plant('the file of a plan', in_use=False)}\n")
        served.plan.write_text(served.plan.read_text().replace("sites:\n", f"""sites:
  primary:
    vcenter: {{url: "https://vcenter.example/sdk", credentials: "file:{secret_file}", datacenter: DC0}}
"""))
        yield scene


def proxied(scene, handle):
    """The environment of a proxy with a password; `handle` answers."""
    proxy = Rude(handle)
    password = scene.plant("the proxy's password", 24)
    scene.drc.env["http_proxy"] = f"http://me:{password.replace('/', '%2F')}@127.0.0.1:{proxy.port}"
    return proxy


def forward(scene, link, request):
    """As a proxy does: to the host of the URL."""
    port = scene.served.port
    if request.path.startswith("http://"):
        host, _, path = request.path[len("http://"):].partition("/")
        port, request.path = int(host.rpartition(":")[2]), "/" + path
    link.sendall(request.forward(port))
    return True


def echoing(scene, which):
    """Refuses by `which(action, count)`: None (goes through), or status and code."""
    seen = {}

    def handle(rude, link, action, request):
        seen[action] = seen.get(action, 0) + 1
        refused = which(action, seen[action])
        if not refused:
            return forward(scene, link, request)
        text = scene.echo(request)
        if refused == "garbage":
            link.sendall(answer("502 Bad Gateway", text.encode(), "text/plain"))
        elif action and "Command" in action or action == "GetServiceQuota":
            link.sendall(answer(refused[0], json.dumps({"__type": refused[1], "message": text}).encode(),
                                "application/x-amz-json-1.1", f"x-amzn-RequestId: {text[:200]}"))
        else:
            link.sendall(refusal(*refused, escape(text), request=escape(text[:200])))
        return True
    return handle


def in_passing(action, count):
    """The first request of each kind is refused for a passing reason; questions may get nonsense. (After a
    500, what changes something would be looked up for a minute; after a throttle answer drc is slow for
    a minute, so that what is asked for once, at the end, gets it.)"""
    if count > 1:
        return None
    if action == "AssociateAddress":
        return "503 x", "RequestLimitExceeded"
    question = action and action.startswith(("Describe", "List"))
    return ("400 x", "RequestTimeout") if not question else ("500 x", "InternalError") if len(action) % 2 \
        else "garbage"


def check_clean(scene, marked=True):
    """Nothing in what is left, or was shown."""
    assert scene.secrets and not found_in(scene.shown, scene.secrets)
    for path in files_below(scene.left):
        assert not found_in(path.read_bytes(), scene.secrets), path
        assert not found_in(str(path).encode(), scene.secrets)
    databases = list(scene.left.rglob("journal.db"))
    for path in databases:  # and by what SQLite reads
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            for table in ("groups", "blobs", "summary"):
                rows = b"".join(repr(row).encode() for row in database.execute(f"SELECT * FROM {table}"))
                assert not found_in(rows, scene.secrets), (path, table)
    if marked:  # the echo did get there, and was taken out
        assert MARK in scene.shown.decode() or any(MARK.encode() in path.read_bytes()
                                                   for path in files_below(scene.left))


def told_later(scene):
    """Everything that shows a run afterwards."""
    for words in (["report"], ["report", "--json"], ["report", "--format", "markdown"], ["list", "--json"],
                  ["show"], ["show", "--json"]):
        scene.run("run", *words, status=None)


def from_environment(scene):
    key_id, secret, token = scene.keys("environment")
    return dict(AWS_ACCESS_KEY_ID=key_id, AWS_SECRET_ACCESS_KEY=secret, AWS_SESSION_TOKEN=token)


def from_credentials_file(scene):
    key_id, secret, token = scene.keys("credentials file")
    scene.write(".aws/credentials", f"[default]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n"
                                    f"aws_session_token = {token}\n")
    return {}


def from_config_file(scene):
    key_id, secret, token = scene.keys("config file")
    scene.write(".aws/config", f"[profile p]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n"
                               f"aws_session_token = {token}\n")
    return {"AWS_PROFILE": "p"}


def from_role(scene):
    key_id, secret, token = scene.keys("source profile")
    scene.write(".aws/config", "[profile r]\nrole_arn = arn:aws:iam::111122223333:role/dr\nsource_profile = base\n"
                               f"[profile base]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n"
                               f"aws_session_token = {token}\n")
    return {"AWS_PROFILE": "r"}


def from_process(scene):
    """The child tells what it was given: nothing of drc's own keys."""
    script = scene.write("yields-keys", "#!/bin/sh\ncat /proc/self/environ /proc/$$/cmdline /proc/$PPID/cmdline > "
                         f"{scene.left}/child\necho '{scene.json_keys('process')}'\n")
    script.chmod(0o700)
    scene.write(".aws/config", f"[profile p]\ncredential_process = {script}\n")
    plan = scene.served.plan  # a profile named by the plan goes before keys of the environment
    plan.write_text(plan.read_text().replace("      region: eu-west-1\n", "      region: eu-west-1\n      profile: p\n"))
    return {"AWS_ACCESS_KEY_ID": "AKIDOTHER", "AWS_SECRET_ACCESS_KEY": scene.plant("a key of another account", in_use=False),
            "AWS_SESSION_TOKEN": scene.plant("its token", in_use=False), "http_proxy": "", "no_echo": "1",
            "VCENTER": ""}


def local(scene, answers):
    """Answers by (method, path) on loopback."""
    def handle(rude, link, action, request):
        kind, body = answers(request)
        link.sendall(answer("200 OK", body.encode(), kind))
        return True
    server = Rude(handle)
    scene.servers.enter_context(server)
    return server.endpoint


def from_container(scene):
    token = scene.plant("container's token")

    def answers(request):
        assert ("Authorization", token) in request.headers
        return "application/json", scene.container
    scene.container = scene.json_keys("container", "Token")
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": local(scene, answers) + "/keys",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(scene.write("container-token", token + "\n"))}


def from_imds(scene):
    session, keys = scene.plant("IMDS session"), scene.json_keys("IMDS", "Token")

    def answers(request):
        return "text/plain", (session if request.method == "PUT" else
                              "role" if request.path.endswith("/security-credentials/") else keys)
    return {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": local(scene, answers)}


def from_sso(scene):
    token = scene.plant("SSO access token", 200)
    key_id, secret, session = scene.keys("SSO")
    scene.write(".aws/sso/cache/" + hashlib.sha1(b"acme").hexdigest() + ".json",
                json.dumps({"accessToken": token, "expiresAt": LATER}))
    scene.write(".aws/config", "[profile p]\nsso_session = acme\nsso_account_id = 111122223333\nsso_role_name = dr\n"
                "[sso-session acme]\nsso_region = eu-west-1\nsso_start_url = https://acme.example/start\n")

    def answers(request):
        return "application/json", json.dumps({"roleCredentials": {
            "accessKeyId": key_id, "secretAccessKey": secret, "sessionToken": session, "expiration": 4070908800000}})
    return {"AWS_PROFILE": "p", "AWS_ENDPOINT_URL_SSO": local(scene, answers)}


def from_web_identity(scene):
    token = scene.plant("web identity token", 600)
    key_id, secret, session = scene.keys("web identity")

    def answered(rude, link, action, request):
        if action != "AssumeRoleWithWebIdentity":
            return forward(scene, link, request)
        body = f"""<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
            <AccessKeyId>{key_id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>
            <SessionToken>{session}</SessionToken><Expiration>{LATER}</Expiration></Credentials>
            </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""
        link.sendall(answer("200 OK", body.encode()))
        return True
    server = Rude(answered)
    scene.servers.enter_context(server)
    return {"AWS_WEB_IDENTITY_TOKEN_FILE": str(scene.write("web-token", token)),
            "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/dr", "AWS_ENDPOINT_URL_STS": server.endpoint}


SOURCES = [from_environment, from_credentials_file, from_config_file, from_role, from_process, from_container,
           from_imds, from_sso, from_web_identity]


@pytest.mark.parametrize("source", SOURCES)
def test_from_wherever_keys_come_nothing_of_them_is_left(scene, source):
    with contextlib.ExitStack() as scene.servers:
        scene.drc.env.update(source(scene))
        echoes = "no_echo" not in scene.drc.env
        if echoes:
            few = None if source == from_environment else ("GetCallerIdentity", "AttachVolume", "DescribeSnapshots")
            scene.servers.enter_context(proxied(scene, echoing(
                scene, lambda action, count: in_passing(action, count) if not few or action in few else None)))
        events = scene.left / "events.ndjson"
        done = scene.run("plan", "apply", scene.served.plan, "failover", "--yes", "--json", "--events", events,
                         timeout=300)
        assert json.loads(done.out)["status"] == "succeeded"
        told_later(scene)
        scene.run("run", "cleanup", "--yes")
        check_clean(scene, marked=echoes)
        assert scene.echoes > 2 or not echoes


def test_refused_at_first_and_in_the_middle_then_resumed(scene):
    """Before the run (the error on the terminal), in it (details, root causes), and afterwards."""
    trouble = {"at": "GetCallerIdentity"}

    def which(action, count):
        return ("403 Forbidden", "SignatureDoesNotMatch") if action == trouble["at"] else None
    with contextlib.ExitStack() as scene.servers:
        scene.drc.env.update(from_environment(scene))
        scene.servers.enter_context(proxied(scene, echoing(scene, which)))
        apply = ["plan", "apply", scene.served.plan, "failover", "--yes"]
        assert MARK in scene.run(*apply, status=1).err
        trouble["at"] = "DescribeInstanceTypes"
        assert MARK in scene.run(*apply, status=1).err
        trouble["at"] = "AttachVolume"
        events = scene.left / "events.ndjson"
        assert MARK in scene.run(*apply, "--events", events, status=1).out
        assert MARK in events.read_text()
        told_later(scene)
        trouble["at"] = "StartInstances"
        scene.run("run", "resume", status=1)
        trouble["at"] = None
        scene.run("run", "resume", "--json")
        told_later(scene)
        check_clean(scene)


def test_killed_runs_leave_no_secret_and_no_core(scene, tmp_path):
    """By SIGKILL between two writes, by a crash that dumps core where that is allowed."""
    with contextlib.ExitStack() as scene.servers:
        scene.drc.env.update(from_environment(scene))
        scene.servers.enter_context(proxied(scene, echoing(scene, in_passing)))
        for signal_ in (signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV):
            folder = scene.left / f"cwd-{signal_.name}"
            folder.mkdir()
            words = ["run", "resume"] if signal_ != signal.SIGKILL else \
                ["plan", "apply", str(scene.served.plan), "failover", "--yes"]
            before = scene.echoes
            process = start_dumping(scene, words, folder)
            while scene.echoes < before + 2 and process.poll() is None:
                time.sleep(0.01)
            seen = pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()
            process.send_signal(signal_)
            out, err = process.communicate(timeout=60)
            scene.shown += seen + out + err
            if process.returncode == -signal_:
                assert not list(folder.iterdir()), "a core"
        scene.run("run", "resume", status=None)
        told_later(scene)
        check_clean(scene)


def start_dumping(scene, words, folder, **more):
    def unlimited():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    privileged = hard == resource.RLIM_INFINITY or os.geteuid() == 0
    return subprocess.Popen([DRC, *map(str, words)], cwd=folder, env={**scene.drc.env, **more},
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            preexec_fn=unlimited if privileged else None)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's signal handlers end the process before the kernel does")
@pytest.mark.parametrize("allowed", [False, True])
def test_a_crash_dumps_core_only_where_that_is_allowed(scene, allowed):
    """The kernel tells whether it wrote one; DRC_ALLOW_CORE=1 shows that it would have."""
    with contextlib.ExitStack() as scene.servers:
        scene.drc.env.update(from_environment(scene))
        more = {"DRC_ALLOW_CORE": "1"} if allowed else {}
        with tempfile.TemporaryDirectory() as folder, Rude(lambda rude, *_: rude.wait()) as silent:
            process = start_dumping(scene, ["plan", "apply", scene.served.plan, "failover", "--yes"], folder,
                                    **more, AWS_ENDPOINT_URL=silent.endpoint)
            while not silent.actions and process.poll() is None:
                time.sleep(0.01)
            status = pathlib.Path(f"/proc/{process.pid}/limits").read_text()
            assert f"Max core file size        {'unlimited' if allowed else '0 '}" in status
            owner = os.stat(f"/proc/{process.pid}/mem").st_uid
            assert owner == os.geteuid() if allowed else owner == 0
            process.send_signal(signal.SIGABRT)
            process.communicate(timeout=60)
            assert process.returncode == -signal.SIGABRT


def test_an_endpoint_with_a_password_is_refused_without_telling_it(scene):
    password = scene.plant("an endpoint's password")
    done = scene.run("plan", "apply", scene.served.plan, "failover", "--yes", status=1,
                     AWS_ENDPOINT_URL=f"https://me:{password.replace('/', '')}@aws.example/")
    assert "https://[redacted]@aws.example/" in done.err
    check_clean(scene)


def test_a_collector_with_a_password_is_not_told_of_with_it(scene):
    """Refused, silent or cut off: the user and password in --otlp's URL stay out of what is told."""
    with contextlib.ExitStack() as scene.servers:
        scene.drc.env.update(from_environment(scene))
        password = scene.plant("a collector's password", 30)
        with Rude(lambda rude, link, action, request: link.sendall(
                answer("403 Forbidden", scene.echo(request).encode(), "text/plain")) or True) as collector:
            url = f"http://me:{password.replace('/', '%2F')}@127.0.0.1:{collector.port}/v1/traces"
            done = scene.run("plan", "apply", scene.served.plan, "failover", "--yes", "--otlp", url)
            assert "could not be sent to http://[redacted]@127.0.0.1" in done.err
            assert collector.actions
        told_later(scene)
        check_clean(scene)


def test_everything_in_the_state_is_its_owners_alone(scene):
    """Whatever umask says; also SQLite's files beside the journal, while they are there."""
    modes = {}

    def note(action, count):
        for path in (scene.left / "state", *(scene.left / "state").rglob("*")):
            with contextlib.suppress(FileNotFoundError):
                info = path.lstat()
                modes[path] = stat.S_ISDIR(info.st_mode), stat.S_IMODE(info.st_mode)
        return None
    with contextlib.ExitStack() as scene.servers:
        scene.drc.env.update(from_environment(scene))
        scene.servers.enter_context(proxied(scene, echoing(scene, note)))
        old = os.umask(0)
        try:
            scene.run("plan", "apply", scene.served.plan, "failover", "--yes")
            scene.run("run", "cleanup", "--yes")
        finally:
            os.umask(old)
        note(None, 0)
    assert {path.name for path in modes} >= {"journal.db", "journal.db-wal", "journal.db-shm", "site"}
    assert {mode for directory, mode in modes.values() if directory} == {0o700}
    assert {mode for directory, mode in modes.values() if not directory} == {0o600}, modes
