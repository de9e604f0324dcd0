"""A filesystem over a store, with every layer on or off."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from layered import MakeBucket, OpenFilesystem, configured
from proxied import ProxiedStore

import foodco_storage
import foodco_storage.session
from foodco_storage.filesystem import FoodcoFileSystem
from foodco_storage.testing import FaultProxy, MotoStore


@pytest.fixture(scope="module")
def open_filesystem(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenFilesystem]:
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


@pytest.fixture(scope="module")
def store(moto_store: MotoStore) -> Iterator[ProxiedStore]:
    """A store behind a proxy, one for all tests of a module."""
    with FaultProxy(moto_store.server.host, moto_store.server.port) as proxy:
        made = ProxiedStore(moto_store.server, proxy)
        yield made
        made.close()


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


@pytest.fixture(scope="session")
def one_session() -> boto3.Session:
    """A default session for all tests: each new one would read botocore's models anew, a fifth of a second."""
    return boto3.Session()


@pytest.fixture(autouse=True)
def _fresh_sessions(monkeypatch: pytest.MonkeyPatch, one_session: boto3.Session) -> Iterator[None]:
    # What it found in another test's environment is forgotten.
    monkeypatch.setattr(one_session._session, "_credentials", None)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", one_session)
    monkeypatch.setattr(foodco_storage.session, "_default_storage", None)
    yield
    FoodcoFileSystem.clear_instance_cache()
