"""The clients that are compared, and what each of them does in an operation."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import boto3

import foodco_storage
from benchmarks.stores import (
    FALLBACK,
    LARGE,
    LIST_PREFIX,
    ON_FALLBACK,
    PRIMARY,
    SMALL,
    SMALL_BYTES,
    WRITTEN,
    Sizes,
    large_body,
    small_body,
)
from foodco_storage.backends.presets import client_config
from foodco_storage.config import Backend, Configuration, Route

BOTO3 = "boto3"
CONTROL = "boto3 once more (noise)"
NO_CONFIGURATION = "library, no configuration"
ONE_BACKEND = "library, one backend"
FALLBACK_CONFIGURED = "library, fallback configured"
READ_FROM_FALLBACK = "library, key only on the fallback"

Actions = Mapping[str, Callable[[], Any]]
_READ_BYTES = 256 * 1024


@dataclass(frozen=True)
class Cell:
    """One client: its name, and by operation what is done once. Not every cell does every operation."""

    name: str
    actions: Actions


def library_cells(endpoint_url: str, sizes: Sizes) -> list[Cell]:
    """boto3, and this library in each of its roles. All have the `Config` of the preset."""
    store = Backend(preset="ceph", endpoint_url=endpoint_url, region="us-east-1")
    plain = {"endpoint_url": endpoint_url, "region_name": "us-east-1", "config": client_config(store)}
    one = foodco_storage.client(storage=one_backend(store))
    two = foodco_storage.client(storage=with_fallback(store))
    _expect(one, SMALL, {"backend": "ceph"})
    _expect(two, SMALL, {"backend": "ceph"})
    _expect(two, ON_FALLBACK, {"backend": "old", "fallback": True})
    small, large = small_body(), large_body(sizes)
    actions = partial(_actions, sizes=sizes, small=small, large=large)
    return [
        Cell(BOTO3, actions(boto3.client("s3", **plain))),
        Cell(CONTROL, actions(boto3.client("s3", **plain))),
        Cell(NO_CONFIGURATION, actions(foodco_storage.client("s3", **plain))),
        Cell(ONE_BACKEND, actions(one)),
        Cell(FALLBACK_CONFIGURED, actions(two)),
        Cell(READ_FROM_FALLBACK, {"get": partial(_get, two, ON_FALLBACK), "head": partial(_head, two, ON_FALLBACK)}),
    ]


def one_backend(store: Backend) -> Configuration:
    """A route without anything to do."""
    return Configuration(backends={"ceph": store}, routes={"bench": Route(bucket=PRIMARY, primary="ceph")})


def with_fallback(store: Backend) -> Configuration:
    """A route with a fallback: another bucket of the same store, over connections of its own."""
    route = Route(bucket=PRIMARY, primary="ceph", fallbacks=["old"], buckets={"old": FALLBACK})
    return Configuration(backends={"ceph": store, "old": store}, routes={"bench": route})


def _expect(client: Any, key: str, storage: dict[str, Any]) -> None:
    """A cell must do what its name says before it is measured."""
    response = client.get_object(Bucket=PRIMARY, Key=key)
    response["Body"].close()
    said = response["ResponseMetadata"].get("Storage")
    if said != storage:
        raise RuntimeError(f"{key}: expected {storage} to answer, got {said}")


def _actions(client: Any, *, sizes: Sizes, small: bytes, large: bytes) -> Actions:
    return {
        "get": partial(_get, client, SMALL),
        "head": partial(_head, client, SMALL),
        "put": partial(client.put_object, Bucket=PRIMARY, Key=WRITTEN, Body=small),
        "list": partial(_list, client, sizes.listed_keys),
        "large get": partial(_large_get, client, sizes.large_bytes),
        "large upload": partial(_large_upload, client, large),
    }


def _get(client: Any, key: str) -> None:
    data = client.get_object(Bucket=PRIMARY, Key=key)["Body"].read()
    _must_be(len(data), SMALL_BYTES)


def _head(client: Any, key: str) -> None:
    _must_be(client.head_object(Bucket=PRIMARY, Key=key)["ContentLength"], SMALL_BYTES)


def _list(client: Any, keys: int) -> None:
    _must_be(len(client.list_objects_v2(Bucket=PRIMARY, Prefix=LIST_PREFIX)["Contents"]), keys)


def _large_get(client: Any, size: int) -> None:
    body = client.get_object(Bucket=PRIMARY, Key=LARGE)["Body"]
    _must_be(sum(len(chunk) for chunk in body.iter_chunks(_READ_BYTES)), size)


def _large_upload(client: Any, data: bytes) -> None:
    client.upload_fileobj(io.BytesIO(data), PRIMARY, WRITTEN)


def _must_be(got: int, expected: int) -> None:
    if got != expected:
        raise RuntimeError(f"expected {expected}, got {got}")
