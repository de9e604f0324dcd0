"""A filesystem whose store lies behind a proxy that counts requests and breaks connections."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import boto3

from foodco_storage.filesystem import FoodcoFileSystem
from foodco_storage.testing import FaultProxy, Server


class ProxiedStore:
    """A bucket, a client of its store, and a filesystem that goes through the proxy."""

    def __init__(self, server: Server, proxy: FaultProxy, **options: Any) -> None:
        self.proxy = proxy
        self.s3 = boto3.client("s3", **server.client_arguments())
        self.bucket = f"proxied-{uuid.uuid4().hex[:16]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self._server = server
        self.fs = self.open(**options)

    def open(self, **options: Any) -> FoodcoFileSystem:
        return FoodcoFileSystem(
            endpoint_url=self.proxy.endpoint_url,
            key=self._server.access_key_id,
            secret=self._server.secret_access_key,
            skip_instance_cache=True,
            config_kwargs={"retries": {"total_max_attempts": 1}},
            **options,
        )

    def put(self, key: str, body: bytes, **params: Any) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **params)
        return f"{self.bucket}/{key}"

    def fill(self, *keys: str) -> None:
        for key in keys:
            self.put(key, key.encode())

    def content(self) -> dict[str, bytes]:
        found = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {e["Key"]: self.s3.get_object(Bucket=self.bucket, Key=e["Key"])["Body"].read() for e in found}

    def nothing_is_left(self) -> bool:
        uploads = self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        return not uploads and not self.s3.list_objects_v2(Bucket=self.bucket).get("Contents")

    def close(self) -> None:
        self.fs.s3.close()
        self.s3.close()

    def requests(self, action: Callable[[], Any]) -> int:
        before = self.proxy.requests
        action()
        return self.proxy.requests - before
