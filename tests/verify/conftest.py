"""A primary and a source, with one bucket each, that a test writes behind the library's back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from foodco_storage.backends.capabilities import CAPABILITIES
from foodco_storage.config import Configuration, load
from foodco_storage.flows.marks import tombstone
from foodco_storage.front import standalone
from foodco_storage.testing import MotoStore, Server
from foodco_storage.verify import Difference, Summary, looks, verify


class Sides:
    """`new`, the primary, and `old`, the source; plain boto3 clients of both."""

    def __init__(self, new: Server, old: Server, bucket: str, presets: dict[str, str] | None = None) -> None:
        self.bucket = bucket
        self.servers = {"new": new, "old": old}
        self.presets = presets or {}
        self.new, self.old = (boto3.client("s3", **server.client_arguments()) for server in (new, old))
        for s3 in (self.new, self.old):
            s3.create_bucket(Bucket=bucket)
        self.summary: Summary | None = None

    def document(self, phase: str | None, **route: Any) -> dict[str, Any]:
        backends: dict[str, dict[str, Any]] = {}
        for name, server in self.servers.items():
            preset = self.presets.get(name, "s3")
            keys = {"access_key_id": server.access_key_id, "secret_access_key": server.secret_access_key}
            backends[name] = {"preset": preset, "endpoint_url": server.endpoint_url, **keys}
            if preset == "s3":
                backends[name]["capabilities"] = dict.fromkeys(CAPABILITIES, True)
        ours = {"bucket": self.bucket, "primary": "new", "fallbacks": ["old"], "phase": phase, **route}
        return {"backends": backends, "routes": {"ours": {k: v for k, v in ours.items() if v is not None}}}

    def configuration(self, phase: str | None, **route: Any) -> Configuration:
        configuration = load(self.document(phase, **route))
        assert configuration is not None
        return configuration

    def put(self, side: str, key: str, body: bytes = b"body", **params: Any) -> None:
        s3 = self.new if side == "new" else self.old
        s3.put_object(Bucket=self.bucket, Key=key, Body=body, **params)

    def both(self, key: str, body: bytes = b"body", **params: Any) -> None:
        for side in ("new", "old"):
            self.put(side, key, body, **params)

    def upload(self, side: str, key: str, *parts: bytes, **params: Any) -> None:
        s3 = self.new if side == "new" else self.old
        which = {"Bucket": self.bucket, "Key": key}
        upload = {**which, "UploadId": s3.create_multipart_upload(**which, **params)["UploadId"]}
        done = [
            {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}
            for number, body in enumerate(parts, start=1)
        ]
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": done})

    def bury(self, key: str) -> None:
        self.new.put_object(**tombstone(self.bucket, key).params)

    def keys(self, side: str) -> set[str]:
        s3 = self.new if side == "new" else self.old
        return {item["Key"] for item in s3.list_objects_v2(Bucket=self.bucket).get("Contents", ())}

    def differences(self, phase: str, *, route: dict[str, Any] | None = None, **options: Any) -> list[Difference]:
        run = verify(self.configuration(phase, **(route or {})), "ours", **options)
        self.summary = run.summary
        return list(run)

    def found(self, phase: str, **options: Any) -> dict[str, str]:
        """The kinds of the differences, by key; of those that are still there."""
        return {one.key: one.kind for one in self.differences(phase, **options) if not one.repaired}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(standalone, "PATIENCE_SECONDS", (0.0, 0.0))


@pytest.fixture
def sides(moto_store: MotoStore, moto_store_2: MotoStore, bucket_name: str) -> Iterator[Sides]:
    both = Sides(moto_store.server, moto_store_2.server, bucket_name)
    yield both
    for s3 in (both.new, both.old):
        s3.close()


@pytest.fixture
def make_sides() -> Any:
    return Sides
