"""What the library asks on its own account: once, unrepaired, and out of the sight of the user's handlers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ResponseStreamingError
from botocore.hooks import HierarchicalEmitter

import foodco_storage
from foodco_storage.backends.plain_client import PlainClient
from foodco_storage.testing import Answer, FaultProxy, MotoStore


@pytest.fixture
def proxy(moto_store: MotoStore, bucket_name: str) -> Iterator[FaultProxy]:
    server = moto_store.server
    direct = boto3.client("s3", **server.client_arguments())
    direct.create_bucket(Bucket=bucket_name)
    direct.close()
    with FaultProxy(server.host, server.port) as proxy:
        yield proxy


@pytest.fixture
def routed(proxy: FaultProxy, moto_store: MotoStore, bucket_name: str) -> Iterator[Any]:
    server = moto_store.server
    known = {"access_key_id": server.access_key_id, "secret_access_key": server.secret_access_key}
    backends = {
        "new": {"preset": "s3", "endpoint_url": proxy.endpoint_url, "max_attempts": 5, **known},
        "old": {"preset": "s3", "endpoint_url": server.endpoint_url, **known},
    }
    routes = {"ours": {"bucket": bucket_name, "primary": "new", "fallbacks": ["old"], "buckets": {"old": "empty"}}}
    with ExitStack() as stack:
        direct = boto3.client("s3", **server.client_arguments())
        stack.callback(direct.close)
        direct.create_bucket(Bucket="empty")
        s3 = foodco_storage.client(storage={"backends": backends, "routes": routes})
        stack.callback(s3.close)
        yield s3


def test_a_probe_is_no_request_of_the_users(routed: Any, bucket_name: str) -> None:
    seen: list[str] = []
    routed.meta.events.register("before-send.s3", lambda event_name, **_: seen.append(event_name.split(".")[-1]))
    routed.put_object(Bucket=bucket_name, Key="k", Body=b"", IfNoneMatch="*")
    assert seen == ["HeadObject", "PutObject"]


LISTED = (
    b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>k</Key><Size>%s</Size>"
    b"<LastModified>%s</LastModified></Contents></ListBucketResult>"
)


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>Welcome</body></html>",
        LISTED % (b"1", b"yesterday"),
        LISTED % (b"x", b"2026-01-01T00:00:00Z"),
        b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents></ListBucketResult>",
    ],
)
def test_what_no_store_answers_is_an_error_of_botocores_tree(
    proxy: FaultProxy, moto_store: MotoStore, bucket_name: str, body: bytes
) -> None:
    made = boto3.client("s3", **moto_store.server.client_arguments() | {"endpoint_url": proxy.endpoint_url})
    plain = PlainClient(lambda: made)
    proxy.inject(Answer(200, body, {"Content-Type": "application/xml"}))
    try:
        with pytest.raises(ResponseStreamingError):
            plain.send("ListObjectsV2", {"Bucket": bucket_name})
    finally:
        plain.close()


def test_a_probe_is_not_retried(routed: Any, proxy: FaultProxy, bucket_name: str) -> None:
    proxy.inject(Answer(503))
    with pytest.raises(ClientError, match="503"):
        routed.put_object(Bucket=bucket_name, Key="k", Body=b"", IfNoneMatch="*")
    assert proxy.requests == 1


def test_one_client_is_made_when_it_is_needed_and_another_after_a_fork() -> None:
    class Client:
        closed = 0
        meta = SimpleNamespace(events=HierarchicalEmitter())

        def _make_api_call(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
            return {"answered": (operation, params)}

        def close(self) -> None:
            self.closed += 1

    made: list[Client] = []

    def make() -> Client:
        made.append(Client())
        return made[-1]

    plain = PlainClient(make)
    plain.close()
    assert made == []
    threads = [threading.Thread(target=plain.send, args=("HeadBucket", {})) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert plain.send("HeadBucket", {"Bucket": "b"}) == {"answered": ("HeadBucket", {"Bucket": "b"})}
    plain.close()
    assert [client.closed for client in made] == [1]
    with plain._lock:
        plain.after_fork()
        plain.send("HeadBucket", {})
    assert len(made) == 2
