"""The page says what the presets set, who wins over them, and which route speaks for a key."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from foodco_storage.backends.capabilities import PRESET_CAPABILITIES
from foodco_storage.backends.presets import client_config
from foodco_storage.config import Backend, check
from foodco_storage.front.assembly import Assembly
from foodco_storage.front.siblings import client_arguments

PAGE = (Path(__file__).parents[2] / "docs/reference/configuration.md").read_text()
PRESETS = ("aws", "ceph", "s3")
SETTINGS = {
    "addressing_style": lambda config: (config.s3 or {}).get("addressing_style"),
    "connect_timeout_seconds": lambda config: config.connect_timeout,
    "read_timeout_seconds": lambda config: config.read_timeout,
    "retry_mode": lambda config: (config.retries or {}).get("mode"),
    "max_attempts": lambda config: (config.retries or {}).get("total_max_attempts"),
    "max_pool_connections": lambda config: config.max_pool_connections,
    "signature_version": lambda config: config.signature_version,
    "request_checksum_calculation": lambda config: config.request_checksum_calculation,
    "response_checksum_validation": lambda config: config.response_checksum_validation,
}
VALUES: dict[str, tuple[Any, Any]] = {
    "addressing_style": ("virtual", "auto"),
    "connect_timeout_seconds": (7.0, 8.0),
    "read_timeout_seconds": (7.0, 8.0),
    "retry_mode": ("adaptive", "legacy"),
    "max_attempts": (7, 8),
    "max_pool_connections": (7, 8),
    "signature_version": ("s3", "s3v4"),
    "request_checksum_calculation": ("when_supported", "when_required"),
    "response_checksum_validation": ("when_supported", "when_required"),
}


def rows() -> dict[str, list[str]]:
    section = PAGE.partition("### Presets")[2].partition("\n### ")[0]
    table = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1:] for cells in table}


def backend(preset: str, **keys: Any) -> Backend:
    checked = check({"backends": {"b": {"preset": preset, "endpoint_url": "https://rgw", **keys}}})
    return checked.backends["b"]


def config_of(key: str, value: Any) -> Config:
    """What a caller writes to set a key."""
    nested = {"addressing_style": ("s3", "addressing_style"), "retry_mode": ("retries", "mode")}
    nested["max_attempts"] = ("retries", "total_max_attempts")
    if key in nested:
        name, inner = nested[key]
        return Config(**{name: {inner: value}})
    return Config(**{key.removesuffix("_seconds"): value})


@pytest.mark.parametrize("number", range(3), ids=PRESETS)
@pytest.mark.parametrize("key", SETTINGS)
def test_what_a_preset_sets(key: str, number: int):
    documented = rows().get(key, ["boto3's"] * 3)[number]
    expected = SETTINGS[key](Config()) if documented == "boto3's" else json.loads(documented.strip("`"))
    assert SETTINGS[key](client_config(backend(PRESETS[number]))) == expected


@pytest.mark.parametrize("number", range(3), ids=PRESETS)
def test_the_region_of_a_preset(number: int):
    documented = rows()["region"][number]
    expected = None if documented == "boto3's" else json.loads(documented.strip("`"))
    assert client_arguments(backend(PRESETS[number]), {}).get("region_name") == expected


@pytest.mark.parametrize("number", range(3), ids=PRESETS)
def test_what_a_preset_knows_of_its_store(number: int):
    known = PRESET_CAPABILITIES[PRESETS[number]]
    documented = rows()["capabilities"][number]
    if documented == "all":
        assert known
        assert all(known.values())
    elif documented.startswith("not known"):
        assert not known
    else:
        assert {name for name, able in known.items() if able} == set(re.findall(r"`(\w+)`", documented))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("key", SETTINGS)
def test_what_wins(key: str, preset: str):
    callers, configured = VALUES[key]
    get = SETTINGS[key]
    assert get(client_config(backend(preset), config_of(key, callers))) == callers
    assert get(client_config(backend(preset, **{key: configured}), config_of(key, callers))) == configured


@pytest.mark.parametrize(("key", "argument"), [("region", "region_name"), ("verify", "verify")])
def test_what_wins_among_arguments(key: str, argument: str):
    assert client_arguments(backend("ceph"), {argument: "the-callers"})[argument] == "the-callers"
    assert client_arguments(backend("ceph", **{key: "its-own"}), {argument: "the-callers"})[argument] == "its-own"


def test_settings_of_one_group_come_from_both():
    config = client_config(backend("ceph", max_attempts=2), Config(s3={"use_accelerate_endpoint": True}))
    assert config.retries == {"mode": "standard", "total_max_attempts": 2}
    assert config.s3 == {"addressing_style": "path", "use_accelerate_endpoint": True}


ROUTES = {
    "short": {"bucket": "img-*", "primary": "caller"},
    "long": {"bucket": "img-eu-*", "primary": "caller"},
    "first": {"bucket": "*-a", "primary": "caller"},
    "second": {"bucket": "x-*", "primary": "caller"},
    "literal": {"bucket": "img-eu-west", "primary": "caller"},
    "thumbs": {"bucket": "img-*", "prefix": "thumbs/", "primary": "caller"},
    "small": {"bucket": ["img-eu-west", "menus"], "prefix": "thumbs/small/", "primary": "caller"},
}


@pytest.mark.parametrize(
    ("bucket", "key", "name"),
    [
        ("img-us", "pizza.jpg", "short"),
        ("img-eu-north", "pizza.jpg", "long"),
        ("img-eu-west", "pizza.jpg", "literal"),
        ("img-eu-west", "thumbs/pizza.jpg", "thumbs"),  # the longer prefix, although its bucket is a pattern
        ("img-eu-west", "thumbs/small/pizza.jpg", "small"),
        ("img-eu-north", "thumbs/small/pizza.jpg", "thumbs"),
        ("menus", "thumbs/small/pizza.jpg", "small"),
        ("menus", "pizza.jpg", None),
        ("x-a", "pizza.jpg", "first"),
        ("IMG-us", "pizza.jpg", None),
        ("arn:aws:s3:eu-west-1:1:accesspoint/x-a", "pizza.jpg", None),
    ],
)
@pytest.mark.parametrize("order", [1, -1], ids=["as written", "reversed"])
def test_which_route_speaks_for_a_key(bucket: str, key: str, name: str | None, order: int):
    routes = dict(list(ROUTES.items())[::order])
    if bucket == "x-a" and order == -1:
        # Patterns of one length: the one that stands first.
        name = "second"
    route = Assembly(check({"routes": routes}), {}).router().route(bucket, key)
    assert (None if route is None else route.name) == name
