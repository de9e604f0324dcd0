"""The JSON schema says of every key what it is, and judges as the validation does where types decide."""

from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from foodco_storage.config import Backend, Breaker, Capabilities, Configuration, Default, Route, check, json_schema
from foodco_storage.errors import ConfigurationError

STRUCTS: dict[str, Any] = {
    struct.__name__: struct for struct in (Backend, Breaker, Capabilities, Configuration, Default, Route)
}
KEYS = [(name, key) for name, struct in STRUCTS.items() for key in struct.__struct_fields__]
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def test_it_is_a_schema_and_json():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json.loads(json.dumps(json_schema(), allow_nan=False)) == json_schema()
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_it_knows_every_table():
    assert set(json_schema()["$defs"]) == set(STRUCTS)


@pytest.mark.parametrize(("table", "key"), KEYS, ids=".".join)
def test_every_key_is_described(table: str, key: str):
    properties = json_schema()["$defs"][table]["properties"]
    assert set(properties) == set(STRUCTS[table].__struct_fields__)
    assert properties[key]["description"]


ROUTE = {"bucket": "x", "primary": "caller"}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"backends": {"b": {"preset": "ceph", "endpoint_url": "https://rgw", "verify": False, "max_attempts": 1}}},
        {"backends": {"b": {"verify": "ca.pem", "read_timeout_seconds": 1, "breaker": {"open_seconds": 0.5}}}},
        {
            "backends": {
                "b": {"access_key_id": "${A}", "secret_access_key": "${S}", "capabilities": {"checksums": True}}
            }
        },
        {"routes": {"r": ROUTE}},
        {"routes": {"r": {**ROUTE, "bucket": ["x", "y-*"], "phase": "target", "fallbacks": []}}},
        {"default": {"backend": "caller"}},
    ],
)
def test_valid(document: Any):
    assert VALIDATOR.is_valid(document)
    check(document)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"backend": {}},
        {"cache": {}},
        {"backends": {"b": {"regoin": "x"}}},
        {"backends": {"b": {"preset": "cehp"}}},
        {"backends": {"b": {"region": 1}}},
        {"backends": {"b": {"max_attempts": 0}}},
        {"backends": {"b": {"max_attempts": "1"}}},
        {"backends": {"b": {"read_timeout_seconds": 0}}},
        {"backends": {"b": {"read_timeout_seconds": 1e9}}},
        {"backends": {"b": {"verify": 1}}},
        {"backends": {"b": {"access_key_id": 1, "secret_access_key": "S"}}},
        {"backends": {"b": {"breaker": True}}},
        {"backends": {"b": {"capabilities": {"checksum": True}}}},
        {"routes": {"r": {"bucket": "x"}}},
        {"routes": {"r": {"primary": "caller"}}},
        {"routes": {"r": {**ROUTE, "fallbacks": "caller"}}},
        {"routes": {"r": {**ROUTE, "bucket": [1]}}},
        {"routes": {"r": {**ROUTE, "buckets": {"caller": 1}}}},
        {"routes": {"r": {**ROUTE, "phase": "x"}}},
        {"default": "caller"},
    ],
)
def test_invalid(document: Any):
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(ConfigurationError):
        check(document)
