"""A filesystem over a store, with every layer on or off."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

import foodco_storage
import foodco_storage.session
from foodco_storage.filesystem import FoodcoFileSystem
from foodco_storage.testing import Server

COMPRESSION = {"codec": "zstd", "min_bytes": 1, "min_gain": 0, "frame_bytes": "16KiB", "exclude_types": []}
LAYERS: dict[str, dict[str, Any]] = {
    "no route": {},
    "plain route": {"route": True},
    "cache": {"cache": {"memory_max_bytes": "16MiB", "ttl_seconds": 0}},
    "compression": {"compression": COMPRESSION},
    "cutover": {"phase": "cutover"},
    "all": {
        "phase": "cutover",
        "compression": COMPRESSION,
        "cache": {"memory_max_bytes": "16MiB", "ttl_seconds": 0},
    },
}
"""What a filesystem's buckets go through."""


def described(server: Server) -> dict[str, Any]:
    return {
        "preset": "s3",
        "endpoint_url": server.endpoint_url,
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
        "allow_plaintext_secrets": True,
    }


def configured(layers: str, store: Server, source: Server, journal: str) -> dict[str, Any]:
    """A configuration in which every bucket goes through some layers."""
    options = dict(LAYERS[layers])
    backends = {"store": described(store), "source": described(source)}
    configuration: dict[str, Any] = {"backends": backends, "default": {"backend": "store"}}
    if options:
        options.pop("route", None)
        route = {"bucket": "*", "primary": "store", **options}
        if "phase" in options:
            route["fallbacks"] = ["source"]
            configuration["journal"] = {"directory": journal}
        configuration["routes"] = {"everything": route}
    return configuration


OpenFilesystem = Callable[..., FoodcoFileSystem]
MakeBucket = Callable[..., str]


@pytest.fixture(scope="module")
def open_filesystem(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenFilesystem]:
    """Opens a filesystem over two stores, told by their fixtures' names: one for all tests of a module."""
    opened: dict[Any, FoodcoFileSystem] = {}

    def open_one(layers: str, store: str, source: str, **options: Any) -> FoodcoFileSystem:
        key = (layers, store, source, repr(options))
        if key not in opened:
            servers = [request.getfixturevalue(name).server for name in (store, source)]
            storage = configured(layers, *servers, str(tmp_path_factory.mktemp("journal")))
            opened[key] = FoodcoFileSystem(storage=storage, skip_instance_cache=True, **options)
        return opened[key]

    yield open_one
    for fs in opened.values():
        fs.s3.close()


@pytest.fixture
def make_bucket(request: pytest.FixtureRequest) -> MakeBucket:
    """Makes a bucket of one new name on every store that is named."""

    def make(*stores: str) -> str:
        name = f"test-{uuid.uuid4().hex[:20]}"
        for store in stores:
            s3 = boto3.client("s3", **request.getfixturevalue(store).server.client_arguments())
            s3.create_bucket(Bucket=name)
            s3.close()
        return name

    return make


@pytest.fixture(autouse=True)
def _fresh_sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(foodco_storage.session, "_default_storage", None)
    yield
    FoodcoFileSystem.clear_instance_cache()
