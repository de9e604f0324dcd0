"""The schema and the documentation say what the classes say; importing is cheap."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest

import foodco_storage
from foodco_storage.config import Configuration, json_schema

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/configuration.md").read_text()


def keys(struct=Configuration, path=""):
    """Every key of the contract with its field; free names are NAME."""
    for field in msgspec.structs.fields(struct):
        where = f"{path}.{field.name}" if path else field.name
        kind = field.type
        while typing.get_origin(kind) is typing.Annotated:
            kind = typing.get_args(kind)[0]
        if typing.get_origin(kind) is dict and issubclass(typing.get_args(kind)[1], msgspec.Struct):
            yield from keys(typing.get_args(kind)[1], f"{where}.NAME")
        elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from keys(kind, where)
        else:
            yield where, field


ROWS = {
    cells[0].strip("`"): cells[1:]
    for line in PAGE.splitlines()
    if re.match(r"\| `(backends|routes|journal|cache|filesystem|telemetry|default)\.", line)
    for cells in [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]]
}


def test_the_walk_finds_keys():
    found = dict(keys())
    assert {"backends.NAME.breaker.failures", "routes.NAME.buckets", "default.backend"} <= set(found)


def test_every_key_is_documented_and_no_other():
    assert set(ROWS) == set(dict(keys()))
    named = set(re.findall(r"`((?:backends|routes|journal|cache|filesystem|telemetry|default)\.[A-Za-z_.]+)`", PAGE))
    assert named <= set(dict(keys()))


@pytest.mark.parametrize("path", sorted(dict(keys())))
def test_a_documented_default_is_the_default(path):
    field = dict(keys())[path]
    default = ROWS[path][1]
    if field.required:
        assert default == "required"
    elif (value := field.default_factory() if field.default is msgspec.NODEFAULT else field.default) is None:
        assert "`" not in default
        assert default
    else:
        assert json.loads(default.strip("`").replace("{ }", "{}")) == value


@pytest.mark.parametrize("path", sorted(dict(keys())))
def test_a_documented_variable_is_the_variable(path):
    # The path of the page, as the page's rule makes a variable of it.
    assert ROWS[path][4] == "`FOODCO_STORAGE__" + path.replace(".", "__").upper() + "`"


def resolved(schema, node):
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def test_the_schema_holds_every_key_with_its_description():
    schema = json.loads(json.dumps(json_schema()))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for path, field in keys():
        node = resolved(schema, schema)
        for name in path.split("."):
            assert node["type"] == "object"
            node = resolved(schema, node["additionalProperties"] if name == "NAME" else node["properties"][name])
        assert node["description"], path
        parent = path.rpartition(".")[0]
        assert field.required == (field.name in required_at(schema, parent))


def required_at(schema, path):
    node = resolved(schema, schema)
    for name in path.split("."):
        node = resolved(schema, node["additionalProperties"] if name == "NAME" else node["properties"][name])
    assert node["additionalProperties"] is False, "editors must mark unknown keys"
    return node.get("required", [])


def test_the_schema_accepts_and_refuses():
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema())
    jsonschema.Draft202012Validator.check_schema(json_schema())
    good = {
        "backends": {"aws": {}, "ceph": {"preset": "ceph", "endpoint_url": "https://x", "secret_access_key": "${X}"}},
        "routes": {"i": {"bucket": ["abc"], "primary": "ceph", "fallbacks": ["aws"], "buckets": {"ceph": "x"}}},
        "default": {"backend": "aws"},
    }
    assert validator.is_valid(good)
    nonsense: list[dict[str, Any]] = [
        {"x": 1},
        {"backends": {"a": {"preset": "x"}}},
        {"backends": {"a": {"max_attempts": 0}}},
        {"routes": {"i": {}}},
    ]
    for bad in nonsense:
        assert not validator.is_valid(bad)


def imported_by(statement):
    # The package above imports boto3, which is a wrapper's business: here it is stood in for by an empty one.
    bare = (
        "import sys, types, pathlib\n"
        "package = types.ModuleType('foodco_storage'); package.__path__ = [sys.argv[1]]\n"
        "sys.modules['foodco_storage'] = package\n"
        f"{statement}\n"
        "print([name for name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", bare, *foodco_storage.__path__], check=True, capture_output=True, text=True
    )
    return set(ast.literal_eval(answer.stdout))


def test_importing_is_cheap():
    assert not imported_by("from foodco_storage.config import load; load(None, {})") & {"boto3", "msgspec", "tomllib"}
    assert "boto3" not in imported_by("from foodco_storage.config import Backend, check; check({})")
