"""The published JSON Schemas hold for what drc writes, and the validator is one that drc's authors
did not write (jsonschema, which moto brings)."""
import copy
import json

import jsonschema
import pytest

from e2e_drc import ROOT

SHOP = "plans/shop/plan.yaml"


def validator(name):
    schema = json.loads((ROOT / "schemas" / name).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", sorted((ROOT / "tests/golden").glob("**/*.graph.json")),
                         ids=lambda p: f"{p.parent.name}-{p.name}")
def test_compiled_graphs_are_valid(path):
    validator("graph.schema.json").validate(json.loads(path.read_text()))


@pytest.mark.parametrize("path", sorted((ROOT / "tests/golden").glob("**/facts.json")),
                         ids=lambda p: p.parent.name)
def test_facts_are_valid(path):
    validator("facts.schema.json").validate(json.loads(path.read_text()))


def test_there_are_cases():
    assert len(list((ROOT / "tests/golden").glob("**/*.graph.json"))) >= 5
    assert len(list((ROOT / "tests/golden").glob("**/facts.json"))) >= 2


def places(value, path=()):
    """Every member and element of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield path + (key,)
        yield from places(item, path + (key,))


def changed(document, path, value):
    document = copy.deepcopy(document)
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return document


def test_reader_is_as_strict_as_the_schema(drc, tmp_path):
    """Whatever the schema refuses, drc refuses."""
    graph = drc.json("plan", "compile", SHOP, "failover")
    graph["nodes"] = graph["nodes"][:3]
    schema = validator("graph.schema.json")
    file = tmp_path / "graph.json"
    file.write_text(json.dumps(graph))
    drc("plan", "show", file)
    refused = 0
    for path in list(places(graph))[1::3]:  # not the format, by which drc knows a graph from a plan
        for wrong in (None, 1.5, {"no such": 1}, [None]):
            document = changed(graph, path, wrong)
            if schema.is_valid(document):
                continue
            file.write_text(json.dumps(document))
            answer = drc("plan", "show", file, status=1)
            assert str(file) in answer.err
            refused += 1
    assert refused > 50
