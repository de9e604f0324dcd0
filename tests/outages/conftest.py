"""Two stores, each behind a proxy that can fail, with one bucket on both; clients through the library and around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config

import foodco_storage
from foodco_storage.testing import FaultProxy, MotoStore, SeaweedFS, Server


@cache
def direct_client(server: Server) -> Any:
    """boto3 without the library and without a proxy; made once, since that takes longer than most tests."""
    return boto3.client("s3", **server.client_arguments())


class Store:
    """One store as a test uses it: `s3` goes straight to it, the library goes through `proxy`."""

    def __init__(self, server: Server, bucket: str, stack: ExitStack) -> None:
        self.bucket = bucket
        self.proxy = stack.enter_context(FaultProxy(server.host, server.port))
        self.s3 = direct_client(server)
        self.s3.create_bucket(Bucket=bucket)
        self.backend: dict[str, Any] = {
            "preset": "s3",
            "endpoint_url": self.proxy.endpoint_url,
            "access_key_id": server.access_key_id,
            "secret_access_key": server.secret_access_key,
            "allow_plaintext_secrets": True,
            "max_attempts": 1,
            "connect_timeout_seconds": 2.0,
            "read_timeout_seconds": 20.0,
            "breaker": {"enabled": False},
        }

    def put(self, key: str, body: bytes, **more: Any) -> str:
        """Put an object past the library; returns its ETag."""
        etag: str = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)["ETag"]
        return etag

    def content(self) -> dict[str, bytes]:
        """Everything that lies in the bucket."""
        items = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {i["Key"]: self.s3.get_object(Bucket=self.bucket, Key=i["Key"])["Body"].read() for i in items}

    def uploads(self) -> list[Any]:
        """Multipart uploads that were begun."""
        uploads: list[Any] = self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        return uploads


class Stores:
    """A primary and a fallback."""

    def __init__(self, primary: Server, fallback: Server, bucket: str, stack: ExitStack) -> None:
        self.bucket = bucket
        self.primary = Store(primary, bucket, stack)
        self.fallback = Store(fallback, bucket, stack)
        self.extra: dict[str, Any] = {}
        self._stack = stack

    def client(self, *, fallbacks: tuple[str, ...] = ("fallback",), default: str = "caller", **route: Any) -> Any:
        """A client of the library: `ours` is its one route."""
        storage = {
            "backends": {"primary": self.primary.backend, "fallback": self.fallback.backend, **self.extra},
            "routes": {"ours": {"bucket": self.bucket, "primary": "primary", "fallbacks": list(fallbacks), **route}},
            "default": {"backend": default},
        }
        s3 = foodco_storage.client(storage=storage)
        self._stack.callback(s3.close)
        return s3


MakeStores = Callable[[Server, Server], Stores]


@pytest.fixture
def make_stores(bucket_name: str) -> Iterator[MakeStores]:
    with ExitStack() as stack:
        yield lambda primary, fallback: Stores(primary, fallback, bucket_name, stack)


@pytest.fixture
def stores(make_stores: MakeStores, moto_store: MotoStore, moto_store_2: MotoStore) -> Stores:
    """The primary and the fallback are moto's."""
    return make_stores(moto_store.server, moto_store_2.server)


@pytest.fixture
def large_stores(make_stores: MakeStores, seaweedfs: SeaweedFS, moto_store_2: MotoStore) -> Stores:
    """The primary is SeaweedFS, which streams what it sends."""
    return make_stores(seaweedfs.server, moto_store_2.server)


@pytest.fixture
def plain(stores: Stores) -> Iterator[Any]:
    """boto3 itself, through the primary's proxy, with one try per call."""
    backend = stores.primary.backend
    s3 = boto3.client(
        "s3",
        endpoint_url=backend["endpoint_url"],
        aws_access_key_id=backend["access_key_id"],
        aws_secret_access_key=backend["secret_access_key"],
        config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
    )
    yield s3
    s3.close()
