"""A primary with tombstones, a source, and a client that deletes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from foodco_storage.backends.capabilities import CAPABILITIES
from foodco_storage.config import Configuration, load
from foodco_storage.flows.marks import tombstone
from foodco_storage.front import standalone
from foodco_storage.testing import MotoStore


class Graveyard:
    """`new`, the primary, and `old`, the source, with one bucket each."""

    def __init__(self, new: Any, old: Any, bucket: str, preset: str = "s3") -> None:
        self.bucket = bucket
        self.servers = {"new": new, "old": old}
        self.preset = preset
        self.lacks: set[str] = set()
        self.new, self.old = (boto3.client("s3", **server.client_arguments()) for server in (new, old))
        for s3 in (self.new, self.old):
            s3.create_bucket(Bucket=bucket)

    def document(self, phase: str, **route: Any) -> dict[str, Any]:
        backends = {}
        for name, server in self.servers.items():
            keys = {"access_key_id": server.access_key_id, "secret_access_key": server.secret_access_key}
            preset = self.preset if name == "new" else "s3"
            backends[name] = {"preset": preset, "endpoint_url": server.endpoint_url, **keys}
            if preset == "s3":
                backends[name]["capabilities"] = {one: one not in self.lacks for one in CAPABILITIES}
        ours = {"bucket": self.bucket, "primary": "new", "fallbacks": ["old"], "phase": phase, **route}
        return {"backends": backends, "routes": {"ours": ours}}

    def configuration(self, phase: str, **route: Any) -> Configuration:
        configuration = load(self.document(phase, **route))
        assert configuration is not None
        return configuration

    def bury(self, *keys: str) -> None:
        for key in keys:
            self.new.put_object(**tombstone(self.bucket, key).params)

    def put(self, side: str, key: str, body: bytes = b"body") -> None:
        s3 = self.new if side == "new" else self.old
        s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def keys(self, side: str = "new") -> set[str]:
        s3 = self.new if side == "new" else self.old
        return {item["Key"] for item in s3.list_objects_v2(Bucket=self.bucket).get("Contents", ())}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standalone, "PATIENCE_SECONDS", (0.0, 0.0))


@pytest.fixture
def graveyard(moto_store: MotoStore, moto_store_2: MotoStore, bucket_name: str) -> Iterator[Graveyard]:
    both = Graveyard(moto_store.server, moto_store_2.server, bucket_name)
    yield both
    for s3 in (both.new, both.old):
        s3.close()


@pytest.fixture
def make_graveyard() -> Any:
    return Graveyard
