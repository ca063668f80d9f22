"""Watching a run, explaining it, and what it leaves for other programs."""
import base64
import fcntl
import http.server
import json
import os
import re
import select
import signal
import stat
import struct
import subprocess
import termios
import threading
import time

import jsonschema
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from e2e_drc import DRC, ROOT, open_terminal, wait_for

SCHEMAS = ROOT / "schemas"


def schema(name):
    text = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return jsonschema.Draft202012Validator(text)


def check_events(text):
    """Each line is what the schema says, and the numbers have no gap."""
    valid = schema("events")
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        valid.validate(line)
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert lines[0]["type"] == "version"
    return lines


@pytest.fixture
def slow(drc, tmp_path):
    drc("sandbox", "init", tmp_path / "slow", "plans/shop", "--seed", 7, "--speed", 40)
    return tmp_path / "slow"


def begun(drc, sandbox, *flags):
    """A failover under way, whose run is there."""
    process = drc.start("plan", "apply", "plans/shop", "failover", "--sandbox", sandbox, "--yes", *flags)
    return process, under_way(drc, process)


def under_way(drc, process, *flags, **kwargs):
    """The id of the run that the process works on, once it does."""
    def run():
        runs = drc.json("run", "list", "--json", *flags, **kwargs) if (drc.home / "state").exists() or flags else []
        return runs and runs[0]["alive"] and runs[0]["status"] == "running" and runs[0]["run"]
    return wait_for(run, "a run under way", process)


def some_done(path):
    """Some actions are done, by the events in that file."""
    return path.exists() and path.read_text().count('"node_done"') > 10


def first_words(process):
    """What it tells first; communicate() has the rest."""
    assert select.select([process.stderr], [], [], 60)[0]
    return os.read(process.stderr.fileno(), 65536).decode()


def apply(drc, sandbox, *flags, **kwargs):
    return drc("plan", "apply", "plans/shop", "failover", "--sandbox", sandbox, "--yes", *flags, **kwargs)


# --- run watch ---

def test_watch_follows_to_the_end_and_says_how_it_ended(drc, slow):
    process, run = begun(drc, slow)
    watched = drc("run", "watch", run[:4])
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert watched.out == out.decode()  # the same report
    for line in ("db recovered", "app recovered", "web recovered", "ended: 103 of 103"):
        assert line in watched.err


def test_watch_as_ndjson_is_whole_however_late(drc, sandbox):
    apply(drc, sandbox)
    done = drc("run", "watch", "--json")
    lines = check_events(done.out)
    assert lines[1]["type"] == "run_started" and lines[-1]["type"] == "run_ended"
    assert len([line for line in lines if line["type"] == "node_done"]) == 103
    assert "recovered" in drc("run", "watch").err  # condensed: what matters
    assert "create-volume" not in drc("run", "watch").err


def test_watch_tells_that_the_process_is_dead(drc, slow):
    process, run = begun(drc, slow)
    watcher = drc.start("run", "watch")
    first_words(watcher)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    out, err = watcher.communicate(timeout=30)
    assert watcher.returncode == 3
    assert f"no process works on run {run} any more; drc run resume {run}" in err.decode()
    assert drc("run", "watch", status=3).returncode == 3  # also when it was dead before
    resumed = drc.start("run", "resume")
    under_way(drc, resumed)
    assert "succeeded" in drc("run", "watch").out
    resumed.communicate(timeout=60)
    assert resumed.returncode == 0


def test_watch_has_the_status_of_a_run_that_failed(drc, tmp_path):
    drc("sandbox", "init", tmp_path / "aws", "plans/shop", "--speed", 200, "--fault",
        "capacity:r6i.xlarge=1", "--fault", "capacity:r5.xlarge=1")
    apply(drc, tmp_path / "aws", status=1)
    done = drc("run", "watch", status=1)
    assert "InsufficientInstanceCapacity" in done.err and "skipped: depends on db" in done.err
    check_events(drc("run", "watch", "--json", status=1).out)


def test_an_interrupted_watcher_leaves_the_run_alone(drc, slow):
    process, run = begun(drc, slow)
    watcher = drc.start("run", "watch")
    first_words(watcher)
    watcher.send_signal(signal.SIGINT)
    _, err = watcher.communicate(timeout=30)
    assert watcher.returncode == -signal.SIGINT
    assert f"run {run} goes on" in err.decode()
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_watch_from_another_host_over_a_shared_state(drc, slow, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o700)
    state = ("--state", f"file://{shared}")
    process = drc.start("plan", "apply", "plans/shop", "failover", "--sandbox", slow, "--yes", *state)
    elsewhere = {"XDG_CACHE_HOME": str(tmp_path / "other-host")}  # a copy of the state of its own
    under_way(drc, process, *state, **elsewhere)
    watched = drc("run", "watch", *state, **elsewhere)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and watched.out == out.decode()
    assert "web recovered" in watched.err
    check_events(drc("run", "watch", "--json", *state, **elsewhere).out)


def screen_of(drc, words, columns, rows=24):
    """All that it writes to a terminal of that size, and its status."""
    master, slave = open_terminal()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen([DRC, *map(str, words)], stdin=slave, stdout=slave, stderr=slave,
                               cwd=ROOT, env={**drc.env, "TERM": "xterm"})
    os.close(slave)
    seen = b""
    while True:
        ready, _, _ = select.select([master], [], [], 60)
        try:
            part = os.read(master, 65536) if ready else b""
        except OSError:
            part = b""
        if not part:
            break
        seen += part
    process.wait()
    os.close(master)
    return seen.decode(), process.returncode


@pytest.mark.parametrize("columns", [80, 100])
def test_the_screen_of_watch_is_that_of_apply_and_fits(drc, slow, columns):
    process, _ = begun(drc, slow)
    text, status = screen_of(drc, ["run", "watch"], columns)
    process.communicate(timeout=60)
    assert status == 0
    plain = re.sub(r"\033\[[0-9;]*[A-Za-z]", "", text)
    assert "shop · failover · " in plain and "✓ web" in plain
    for line in plain.replace("\r", "\n").split("\n"):
        assert len(line) <= columns, line


# --- run show --explain ---

def test_explain_leads_to_the_root(drc, slow):
    process, run = begun(drc, slow)

    def why():
        done = drc("run", "show", "--explain", "web/start-instance", "--json", status=None)
        chain = json.loads(done.out)["nodes"][0]["why"] if done.returncode == 0 else [{"why": "nothing yet"}]
        return chain[-1]["why"] == "running" and len(chain) > 3 and chain
    chain = wait_for(why, "a chain that ends at what runs", process)
    assert [link["why"] for link in chain[:-1]] == ["waits_for_node"] * (len(chain) - 1)
    assert all(a["other"] == b["node"] for a, b in zip(chain, chain[1:]))
    text = drc("run", "show", "--explain", "web").out
    assert "web: " in text and "waits for app/ready" in text
    process.communicate(timeout=60)
    done = drc("run", "show", run, "--explain", "db/disk-0/create-volume").out
    assert "is done, after" in done and "plans/shop/plan.yaml:" in done
    assert "snapshot_id = snap-" in done and "volume_id = vol-" in done and "request sent, try 1" in done


def test_explain_a_failure_and_what_it_took_with_it(drc, tmp_path):
    drc("sandbox", "init", tmp_path / "aws", "plans/shop", "--speed", 200, "--fault",
        "capacity:r6i.xlarge=1", "--fault", "capacity:r5.xlarge=1")
    apply(drc, tmp_path / "aws", status=1)
    text = drc("run", "show", "--explain", "web/start-instance").out
    assert "web/start-instance was skipped because db/run-instance failed" in text
    assert "db/run-instance failed: " in text and "InsufficientInstanceCapacity" in text
    assert "drc run resume" in text


def test_explain_what_there_is_not(drc, sandbox):
    apply(drc, sandbox)
    done = drc("run", "show", "--explain", "weeb", status=1)
    assert 'neither a VM nor an action "weeb"' in done.err and "did you mean web?" in done.err


# --- events ---

def test_events_go_on_counting_over_a_kill_and_a_resume(drc, slow, tmp_path):
    events = tmp_path / "events"
    process, _ = begun(drc, slow, "--events", events)
    wait_for(lambda: some_done(events), "some actions done", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with events.open("a") as file:
        file.write('{"v":1,"seq":9')  # a line that was cut off
    drc("run", "resume", "--events", events)
    whole = "".join(line + "\n" for line in events.read_text().splitlines() if not line.endswith('"seq":9'))
    text = re.sub(r'^\{"v":1,"seq":9$', "", whole, flags=re.M)
    lines = [json.loads(line) for line in text.splitlines() if line]
    valid = schema("events")
    for line in lines:
        valid.validate(line)
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert [line["type"] for line in lines].count("version") == 2
    assert "run_resumed" in {line["type"] for line in lines}


@pytest.mark.parametrize("faults", [[], ["error=0.1"], ["lost=0.05"], ["inject=1"],
                                    ["capacity:r6i.xlarge=1", "capacity:r5.xlarge=1"]])
def test_every_line_is_what_the_schema_says(drc, tmp_path, faults):
    words = [word for fault in faults for word in ("--fault", fault)]
    drc("sandbox", "init", tmp_path / "aws", "plans/shop", "--seed", 3, "--speed", 100, *words)
    apply(drc, tmp_path / "aws", "--events", tmp_path / "events", status=None)
    lines = check_events((tmp_path / "events").read_text())
    beats = [line for line in lines if line["type"] == "heartbeat"]
    states = ("done", "running", "retrying", "ready", "waiting", "failed", "skipped")
    for beat in beats:
        assert sum(beat["data"][state] for state in states) == lines[0]["data"]["nodes"]
    if lines[-1]["data"]["text"] == "succeeded":  # one that fails may be over before the first
        assert any(beat["data"]["waits_for"] for beat in beats)
    schema("report").validate(drc.json("run", "report", "--json"))


def test_events_that_have_no_place_are_refused_before_the_run(drc, sandbox, tmp_path):
    for place in tmp_path / "nowhere" / "events", tmp_path:
        done = apply(drc, sandbox, "--events", place, status=1)
        assert f"cannot write events to {place}" in done.err
    assert drc.json("run", "list", "--json") == []
    apply(drc, sandbox, "--events", tmp_path / "events")


def test_a_reader_of_events_that_is_stuck_or_gone_does_not_matter(drc, sandbox, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert "nobody reads" in apply(drc, sandbox, "--events", fifo, status=3).err
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)  # and never reads
    drc("run", "resume", "--events", fifo)
    os.close(reader)


def test_a_reader_of_events_that_goes_away_does_not_matter(drc, sandbox):
    done = subprocess.run(f"{DRC} plan apply plans/shop failover --sandbox {sandbox} --yes --events - "
                          "| head -2", shell=True, cwd=ROOT, env=drc.env, capture_output=True, timeout=60)
    assert len(done.stdout.splitlines()) == 2
    assert b"succeeded" in done.stderr and b"not all events" in done.stderr
    assert drc.json("run", "list", "--json")[0]["status"] == "succeeded"


# --- report ---

def test_the_report_in_each_form(drc, sandbox, tmp_path):
    apply(drc, sandbox)
    report = drc.json("run", "report", "--format", "json")
    schema("report").validate(report)
    path = report["actual_path"]
    assert sum(link["wait_ms"] + link["work_ms"] for link in path) == report["rto_ms"]
    assert 0 < report["calls"]["floor"] <= report["calls"]["requests"]
    page = drc("run", "report", "--format", "markdown").out
    assert page.startswith("### drc: shop · failover — succeeded\n") and "```mermaid\ngantt\n" in page
    assert f"floor {report['calls']['floor']}" in page
    drc("run", "report", "--format", "svg", "-o", tmp_path / "timeline.svg")
    import xml.etree.ElementTree as tree
    picture = tree.parse(tmp_path / "timeline.svg").getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert {"db", "app", "web"} <= {text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert "--format is text, json" in drc("run", "report", "--format", "pdf", status=1).err


# --- metrics ---

def families(text):
    return {family.name: family for family in text_string_to_metric_families(text)}


def one(family):
    assert len(family.samples) == 1
    return family.samples[0].value


def test_metrics_are_what_prometheus_reads(drc, sandbox, tmp_path):
    apply(drc, sandbox, "--metrics", tmp_path / "drc.prom")
    text = (tmp_path / "drc.prom").read_text()
    found = families(text)
    report = drc.json("run", "report", "--json")
    assert one(found["drc_run_rto_seconds"]) == pytest.approx(report["rto_ms"] / 1000)
    assert one(found["drc_plan_rto_objective_seconds"]) == 1200
    assert one(found["drc_run_vms_recovered"]) == 3
    assert {s.labels["vm"]: s.value for s in found["drc_vm_recovered"].samples} == {"db": 1, "app": 1, "web": 1}
    status = {s.labels["status"]: s.value for s in found["drc_run_status"].samples}
    assert status["succeeded"] == 1 and sum(status.values()) == 1
    assert all(family.documentation and family.type == "gauge" for family in found.values())
    assert text == drc("run", "report", "--format", "prometheus").out
    assert (tmp_path / "drc.prom").stat().st_mode & 0o777 == 0o644
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("drc.prom")] == ["drc.prom"]


def test_metrics_of_a_failure_and_where_they_cannot_be_written(drc, tmp_path):
    drc("sandbox", "init", tmp_path / "aws", "plans/shop", "--speed", 200, "--fault", "inject=1")
    done = apply(drc, tmp_path / "aws", "--metrics", tmp_path / "nowhere" / "drc.prom", status=1)
    assert "warning: " in done.err and "nowhere" in done.err
    asked = drc("run", "report", "--metrics", tmp_path / "nowhere" / "drc.prom", status=1)
    assert asked.err.startswith("error: ") and "nowhere" in asked.err
    found = families(drc("run", "report", "--format", "prometheus").out)
    assert "drc_run_rto_seconds" not in found  # it was not reached
    assert {s.labels["status"]: s.value for s in found["drc_run_status"].samples}["failed"] == 1


# --- traces ---

class Collector:
    """Stands in for a collector: answers as told, keeps what it was sent."""

    def __init__(self, status=200, delay=0, statuses=()):
        self.status, self.delay, self.statuses, self.got = status, delay, list(statuses), []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, self.headers["Content-Type"], body))
                time.sleep(outer.delay)
                status = outer.statuses.pop(0) if outer.statuses else outer.status
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"{outer.url}/elsewhere")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def with_base64_ids(value):
    """OTLP's JSON has ids in hex, protobuf's in base64."""
    if isinstance(value, list):
        return [with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: base64.b64encode(bytes.fromhex(item)).decode()
            if key in ("traceId", "spanId", "parentSpanId") else with_base64_ids(item)
            for key, item in value.items()}


def spans_of(text):
    """Parsed by OpenTelemetry's own definition, which refuses what it does not know."""
    request = json.loads(text)
    json_format.ParseDict(with_base64_ids(request), ExportTraceServiceRequest())
    spans = [span for resource in request["resourceSpans"] for scope in resource["scopeSpans"]
             for span in scope["spans"]]
    for span in spans:
        assert re.fullmatch("[0-9a-f]{32}", span["traceId"]) and re.fullmatch("[0-9a-f]{16}", span["spanId"])
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
    return spans


def check_tree(spans, runs=1):
    ids = {span["spanId"] for span in spans}
    assert len(ids) == len(spans)
    assert len({span["traceId"] for span in spans}) == runs
    assert [s["name"] for s in spans if "parentSpanId" not in s] == ["failover"] * runs
    assert all(span.get("parentSpanId", span["spanId"]) in ids for span in spans)
    assert all(link["spanId"] in ids for span in spans for link in span.get("links", []))


def attributes(span):
    return {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}


def test_a_trace_in_a_file(drc, sandbox, tmp_path):
    apply(drc, sandbox, "--otlp", tmp_path / "trace.json")
    text = (tmp_path / "trace.json").read_text()
    spans = spans_of(text)
    check_tree(spans)
    assert len(spans) == 103 + 3 + 1  # actions, VMs, run
    names = {attributes(s).get("drc.node.id"): s for s in spans}
    volume = names["db/disk-0/create-volume"]
    assert volume["name"] == "disk-0/create-volume" and volume["kind"] == 3
    assert attributes(volume)["rpc.system"] == "aws-api"
    db = next(s for s in spans if s["name"] == "db")
    assert volume["parentSpanId"] == db["spanId"]
    assert [event["name"] for event in db["events"]] == ["running", "ready", "recovered"]
    assert text.count("\n") == 1  # a line: as the collector's file exporter and receiver have it
    again = tmp_path / "again.json"
    drc("run", "report", "--otlp", again)
    assert again.read_text() == text


def test_a_trace_goes_on_after_a_kill(drc, slow, tmp_path):
    process, _ = begun(drc, slow, "--events", tmp_path / "events")
    wait_for(lambda: some_done(tmp_path / "events"), "some actions done", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Collector() as collector:
        drc("run", "resume", "--otlp", collector.url + "/v1/traces")
        spans = [span for _, _, body in collector.got for span in spans_of(body)]
    check_tree(spans)  # also what the killed process did not send
    assert sorted(s["name"] for s in spans if attributes(s).get("drc.session")) == \
        ["failover", "resume of failover"]


def test_a_collector_gets_all_once_also_when_it_is_busy_at_first(drc, sandbox):
    with Collector(statuses=[503, 429]) as collector:
        done = apply(drc, sandbox, "--otlp", collector.url)
        assert "could not be sent" not in done.err
        taken = collector.got[2:]
    assert {path for path, _, _ in taken} == {"/v1/traces"}
    assert {kind for _, kind, _ in taken} == {"application/json"}
    check_tree([span for _, _, body in taken for span in spans_of(body)])


@pytest.mark.parametrize("status, words", [(400, "HTTP 400"), (302, "redirects are not followed"),
                                           (503, "HTTP 503")])
def test_a_collector_that_refuses_does_not_hurt_the_run(drc, sandbox, status, words):
    with Collector(status=status) as collector:
        done = apply(drc, sandbox, "--otlp", collector.url)
        assert {path for path, _, _ in collector.got} == {"/v1/traces"}  # nobody went elsewhere
    assert "succeeded" in done.out
    assert "spans of the trace could not be sent" in done.err and words in done.err


def test_a_silent_collector_costs_seconds_at_most(drc, sandbox):
    with Collector(delay=30) as collector:
        done = apply(drc, sandbox, "--otlp", collector.url, timeout=25)
    assert "succeeded" in done.out and "no answer in time" in done.err


def test_nobody_there(drc, sandbox):
    done = apply(drc, sandbox, "--otlp", "http://127.0.0.1:9")
    assert "succeeded" in done.out and "could not be sent to http://127.0.0.1:9/v1/traces" in done.err
    later = drc("run", "report", "--otlp", "http://127.0.0.1:9", status=1)
    assert "could not be sent" in later.err


# --- places that are no files ---

def test_a_pipe_that_nobody_reads_from_holds_nothing_up(drc, sandbox, tmp_path):
    for flag in ("--metrics", "--otlp"):
        os.mkfifo(tmp_path / flag)
        apply(drc, sandbox, status=None)
        done = drc("run", "report", flag, tmp_path / flag, status=1, timeout=30)
        assert "nobody reads from it" in done.err
        reader = os.open(tmp_path / flag, os.O_RDONLY | os.O_NONBLOCK)  # and does not read
        done = drc("run", "report", flag, tmp_path / flag, status=None, timeout=30)
        assert done.returncode == 0 or "timed out" in done.err
        os.close(reader)


def test_devices_keep_their_mode(drc, sandbox, tmp_path):
    """/dev/null stands for it: as root its mode would be changed for everybody."""
    apply(drc, sandbox)
    device = tmp_path / "link"
    device.symlink_to("/dev/null")
    before = os.stat("/dev/null").st_mode
    try:
        drc("run", "report", "--metrics", device)
        assert os.stat("/dev/null").st_mode == before
    finally:
        if os.stat("/dev/null").st_mode != before:
            os.chmod("/dev/null", stat.S_IMODE(before))


def test_standard_output_is_a_file_that_is_there(drc, sandbox, tmp_path):
    """-o /dev/stdout > FILE: the name is not renamed over. A name of the process' own stands for it."""
    apply(drc, sandbox)
    with open(tmp_path / "out", "w+b") as out:
        done = subprocess.run([DRC, "run", "report", "--otlp", f"/proc/self/fd/{out.fileno()}"], env=drc.env, cwd=ROOT,
                              capture_output=True, pass_fds=[out.fileno()])
        assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out").read_text())["resourceSpans"]
    assert "resourceSpans" in drc("run", "report", "--otlp", "-", cwd=tmp_path).out
    assert not (tmp_path / "-").exists()
