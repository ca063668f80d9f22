"""Any bytes as facts or as a compiled graph: refused with the place, never a crash or a hang."""
import json

import pytest

from attack import attack, distorted, mutated, refused, sound_or_refused
from e2e_drc import ROOT

SHOP = "plans/shop"
FACTS = ROOT / "tests/golden/graphs/attach-with-facts/facts.json"


@pytest.fixture
def graph(drc):
    return drc.json("plan", "compile", SHOP, "failover")


@pytest.fixture
def facts(drc, sandbox):
    return drc.json("plan", "facts", SHOP, "failover", "--sandbox", sandbox)


def deep(opening, count=100_000):
    return opening * count


BAD_JSON = {
    "empty": b"", "blank": b" \n", "a byte order mark alone": b"\xef\xbb\xbf", "NUL bytes": b"\0\0\0",
    "NUL behind": b"{}\0", "invalid UTF-8": b'{"format":"\xff"}', "UTF-16": '{"format":1}'.encode("utf-16"),
    "100,000 brackets": deep(b"["), "100,000 braces": deep(b'{"a":'), "closing": deep(b"]"),
    "an open text": b'{"format":"drc-', "a list": b"[]", "a number": b"1", "null": b"null",
    "two documents": b"{}{}", "a comma too many": b'{"format":1,}', "YAML": b"version: 1\n",
    "HTML": b"<html><body>502 Bad Gateway</body></html>", "a text of 20 MB": b'"' + b"x" * 20_000_000 + b'"',
    "a number of 100,000 digits": b'{"format":' + b"9" * 100_000 + b"}", "NaN": b'{"format":NaN}',
    "100,000 keys": b'{"format":"drc-facts/1",' + b",".join(b'"k%d":1' % i for i in range(100_000)) + b"}",
    "equal keys": b'{"format":"drc-facts/1","format":"drc-facts/1"}', "a later format": b'{"format":"drc-facts/2"}',
    "another format": b'{"format":"drc-graph/1"}', "an empty object": b"{}",
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_bad_bytes_as_facts(drc, tmp_path, name):
    file = tmp_path / "facts.json"
    file.write_bytes(BAD_JSON[name])
    for words in (["show", SHOP, "failover"], ["apply", SHOP, "failover", "--dry-run"]):
        assert str(file) in refused(drc, "plan", *words, "--facts", file).err.splitlines()[0]


@pytest.mark.parametrize("name", BAD_JSON)
def test_bad_bytes_as_graph(drc, tmp_path, name):
    file = tmp_path / "graph.json"
    start = b'{"format":"drc-graph/1","nodes":'
    for text in (BAD_JSON[name], start + BAD_JSON[name]):
        file.write_bytes(text)
        for words in (["show"], ["graph"], ["compile"], ["apply"]):
            first = refused(drc, "plan", *words, file).err.splitlines()[0]
            assert str(file) in first or "error[D" in first or "which workflow?" in first, first


def refused_graph(drc, tmp_path, graph):
    file = tmp_path / "graph.json"
    file.write_text(json.dumps(graph))
    refused(drc, "plan", "graph", file)
    first = refused(drc, "plan", "apply", file).err.splitlines()[0]
    assert str(file) in first
    assert refused(drc, "plan", "show", file).err.splitlines()[0] == first
    return first


def node(graph, name):
    return next(item for item in graph["nodes"] if item["id"] == name)


def edge(name, when="ok"):
    return {"node": name, "when": when}


def cycle(graph):
    node(graph, "db/disk-0/create-volume")["after"] = [edge("web/recovered")]


def to_itself(graph):
    node(graph, "db/run-instance")["after"] = [edge("db/run-instance")]


def forward(graph):
    graph["nodes"].reverse()


def to_nobody(graph):
    node(graph, "db/run-instance")["after"] = [edge("nobody")]


def twice(graph):
    graph["nodes"].append(graph["nodes"][0])


def unknown_action(graph):
    graph["nodes"][0]["action"] = "format-disk"


def unknown_vm(graph):
    node(graph, "db/run-instance")["vm"] = "nobody"


def unknown_when(graph):
    node(graph, "app/start-instance")["after"][0]["when"] = "never"


def unknown_pool(graph):
    graph["nodes"][0]["acquire"] = ["nobody"]


def input_of_nobody(graph):
    node(graph, "db/start-instance")["inputs"]["instance_id"] = {"node": "nobody", "output": "instance_id"}


def input_unknown(graph):
    node(graph, "db/start-instance")["inputs"]["run_as_root"] = {"value": True}


def input_missing(graph):
    node(graph, "db/start-instance")["inputs"].clear()


def input_of_another_type(graph):
    node(graph, "db/disk-0/create-volume")["inputs"]["size_gib"] = {"value": "large"}


def output_unknown(graph):
    node(graph, "db/start-instance")["inputs"]["instance_id"]["output"] = "nothing"


def literal_and_bind(graph):
    node(graph, "db/start-instance")["inputs"]["instance_id"]["value"] = "i-1"


def timeout_negative(graph):
    graph["nodes"][0]["timeout_ms"] = -1


def timeout_huge(graph):
    graph["nodes"][0]["timeout_ms"] = 2 ** 62


def retries_huge(graph):
    graph["nodes"][0]["retries"] = 10 ** 12


def capacity_zero(graph):
    graph["pools"][0]["capacity"] = 0


def capacity_negative(graph):
    graph["pools"][0]["capacity"] = -5


def capacity_fraction(graph):
    graph["pools"][0]["capacity"] = 1.5


def nodes_null(graph):
    graph["nodes"] = None


def workflow_unknown(graph):
    graph["workflow"] = "destroy"


def vms_twice(graph):
    graph["vms"].append(graph["vms"][0])


def format_later(graph):
    graph["format"] = "drc-graph/2"


def key_unknown(graph):
    graph["hooks"] = ["rm -rf /"]


def digest_other(graph):
    graph["digests"]["plan"] = 5


def id_with_escapes(graph):
    graph["nodes"][0]["id"] = "\033[2J"


@pytest.mark.parametrize("spoil", [
    cycle, to_itself, forward, to_nobody, twice, unknown_action, unknown_vm, unknown_when, unknown_pool,
    input_of_nobody, input_unknown, input_missing, input_of_another_type, output_unknown, literal_and_bind,
    timeout_negative, timeout_huge, retries_huge, capacity_zero, capacity_negative, capacity_fraction,
    nodes_null, workflow_unknown, vms_twice, format_later, key_unknown, digest_other, id_with_escapes],
    ids=lambda spoil: spoil.__name__)
def test_graphs_that_are_json_but_no_graphs(drc, tmp_path, graph, spoil):
    spoil(graph)
    refused_graph(drc, tmp_path, graph)


def test_a_key_given_twice(drc, tmp_path, graph):
    file = tmp_path / "graph.json"
    text = json.dumps(graph)
    for key in ('"format": "drc-graph/1", ', '"workflow": "failover", '):
        file.write_text(text.replace(key, key * 2, 1))
        assert "given twice" in refused(drc, "plan", "show", file).err


def test_a_graph_whose_format_stands_last_is_one_all_the_same(drc, tmp_path, graph):
    file = tmp_path / "graph.json"
    graph["format"] = graph.pop("format")
    graph = {key: graph[key] for key in sorted(graph, key="nodes".__eq__)}
    file.write_text(" \n\t" * 300 + json.dumps(graph))
    assert attack(drc, "plan", "show", file).returncode == 0


@pytest.mark.parametrize("path", [FACTS, None], ids=["facts", "graph"])
def test_cut_off_anywhere(drc, tmp_path, path):
    file = tmp_path / "cut.json"
    text = path.read_bytes() if path else drc("plan", "compile", SHOP, "failover").out.encode()
    for length in range(1, len(text) - 2, 997):
        file.write_bytes(text[:length])
        words = ["plan", "show", SHOP, "failover", "--facts", file] if path else ["plan", "show", file]
        refused(drc, *words)


@pytest.mark.parametrize("start", range(0, 200, 50))
def test_graphs_spoilt_by_seed(drc, tmp_path, graph, start):
    file = tmp_path / "graph.json"
    text = json.dumps(graph, indent=1).encode()
    told = 0
    for seed in range(start, start + 50):
        spoilt = json.dumps(distorted(graph, seed)).encode() if seed % 2 else mutated(text, seed)
        file.write_bytes(spoilt)
        told += sound_or_refused(drc, "plan", "show", file).returncode
        sound_or_refused(drc, "plan", "graph", file)
    assert told > 30


@pytest.mark.parametrize("start", range(0, 200, 50))
def test_facts_spoilt_by_seed(drc, tmp_path, facts, start):
    file = tmp_path / "facts.json"
    text = json.dumps(facts, indent=1).encode()
    told = 0
    for seed in range(start, start + 50):
        spoilt = json.dumps(distorted(facts, seed)).encode() if seed % 2 else mutated(text, seed)
        file.write_bytes(spoilt)
        told += sound_or_refused(drc, "plan", "show", SHOP, "failover", "--facts", file).returncode
    assert told > 20


def vm(facts):
    return facts["inventory"]["vms"]["db"]


@pytest.mark.parametrize("key", ["bytes", "size_gib"])
@pytest.mark.parametrize("size", [-1, 1.5, 2 ** 53, 2 ** 70, "8", None, [8], {}])
def test_sizes_that_no_disk_has(drc, tmp_path, facts, size, key):
    file = tmp_path / "facts.json"
    vm(facts)["disks"][0][key] = size
    file.write_text(json.dumps(facts))
    first = refused(drc, "plan", "show", SHOP, "failover", "--facts", file).err.splitlines()[0]
    assert str(file) in first and "/inventory/vms/db/disks/0" in first


def test_times_beyond_all_clocks_do_not_wrap_around(drc, tmp_path, graph):
    """3,000 actions one after another, each of the longest time that a graph may give."""
    longest = 2 ** 53 - 1
    before = node(graph, "db/start-instance")
    for number in range(3000):
        item = {**before, "id": f"db/n{number}/start-instance", "expected_ms": longest, "timeout_ms": longest}
        item["after"] = [*before["after"], edge(graph["nodes"][-1]["id"])]
        graph["nodes"].append(item)
    file = tmp_path / "graph.json"
    file.write_text(json.dumps(graph))
    done = attack(drc, "plan", "show", file)
    assert done.returncode == 0 and "-" not in done.out.splitlines()[0].split("RTO")[1]


@pytest.mark.parametrize("key, value", [
    ("cpus", -1), ("cpus", 0), ("cpus", 10 ** 9), ("memory_mib", -1), ("memory_mib", 2 ** 60),
    ("firmware", "openboot"), ("firmware", 1), ("disks", []), ("disks", {}), ("disks", [{}] * 100_000)])
def test_hardware_that_no_vm_has(drc, tmp_path, facts, key, value):
    file = tmp_path / "facts.json"
    vm(facts)[key] = value
    file.write_text(json.dumps(facts))
    refused(drc, "plan", "show", SHOP, "failover", "--facts", file)
