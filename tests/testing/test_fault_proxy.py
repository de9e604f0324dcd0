"""Every fault does what it says, seen from a real socket, and from boto3."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from foodco_storage.testing import (
    LOAD_BALANCER_NOT_FOUND,
    Answer,
    Close,
    Delay,
    Fault,
    FaultProxy,
    Hang,
    MotoStore,
    Reset,
    SeaweedFS,
)

BODY = bytes(range(256)) * 4096


@pytest.fixture
def proxy(moto_store: MotoStore) -> Iterator[FaultProxy]:
    with FaultProxy(moto_store.server.host, moto_store.server.port) as proxy:
        yield proxy


@pytest.fixture
def s3(proxy: FaultProxy, moto_store: MotoStore, bucket_name: str) -> Any:
    """A client through the proxy, one try per call, and a bucket with one object of 1 MiB."""
    config = Config(retries={"total_max_attempts": 1}, read_timeout=20)
    arguments = moto_store.server.client_arguments() | {"endpoint_url": proxy.endpoint_url}
    s3 = boto3.client("s3", config=config, **arguments)
    s3.create_bucket(Bucket=bucket_name)
    s3.put_object(Bucket=bucket_name, Key="k", Body=BODY)
    return s3


def get(s3: Any, bucket_name: str) -> bytes:
    body: bytes = s3.get_object(Bucket=bucket_name, Key="k")["Body"].read()
    return body


def speak(proxy: FaultProxy, request: bytes) -> tuple[bytes, bool]:
    """What comes back on a bare socket until the end of the connection, and whether it ended with a reset."""
    received = b""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as connection:
        connection.sendall(request)
        try:
            while data := connection.recv(65536):
                received += data
        except ConnectionResetError:
            return received, True
        return received, False


def request_for(s3: Any, bucket_name: str) -> bytes:
    parts = urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": bucket_name, "Key": "k"}))
    return f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()


def body_of(response: bytes) -> bytes:
    return response.partition(b"\r\n\r\n")[2]


def test_without_a_fault_everything_passes(s3: Any, proxy: FaultProxy, bucket_name: str) -> None:
    before = proxy.requests
    for _ in range(5):
        assert get(s3, bucket_name) == BODY
    assert proxy.requests == before + 5
    assert proxy.faults == 0


def test_connections_are_kept(seaweedfs: SeaweedFS, bucket_name: str) -> None:
    """Not with moto, which closes the connection after every answer."""
    with FaultProxy(seaweedfs.server.host, seaweedfs.server.port) as proxy:
        s3 = boto3.client("s3", **(seaweedfs.server.client_arguments() | {"endpoint_url": proxy.endpoint_url}))
        s3.create_bucket(Bucket=bucket_name)
        for size in (0, 1, 100_000, 5_000_000):
            s3.put_object(Bucket=bucket_name, Key="k", Body=bytes(size))
            assert get(s3, bucket_name) == bytes(size)
            proxy.inject(Answer(503), times=1, methods=["HEAD"])
            s3.head_object(Bucket=bucket_name, Key="k")
        assert proxy.faults == 4
        assert proxy.connections == 1


@pytest.mark.parametrize(("fault", "is_reset"), [(Reset, True), (Close, False)])
@pytest.mark.parametrize("after_bytes", [0, 1, 100_000, len(BODY)])
def test_a_cut_comes_after_exactly_so_many_bytes_of_the_body(
    s3: Any,
    proxy: FaultProxy,
    bucket_name: str,
    fault: type[Reset | Close],
    is_reset: bool,
    after_bytes: int,
) -> None:
    proxy.inject(fault(after_bytes))
    received, was_reset = speak(proxy, request_for(s3, bucket_name))
    body = body_of(received)
    # A diff of bodies takes pytest minutes.
    assert (len(body), body == BODY[:after_bytes], was_reset) == (after_bytes, True, is_reset)
    assert proxy.faults == 1


@pytest.mark.parametrize("after_bytes", [0, 20])
def test_a_cut_of_the_stream_counts_the_head(s3: Any, proxy: FaultProxy, bucket_name: str, after_bytes: int) -> None:
    proxy.inject(Reset(after_bytes, of="stream"))
    received, was_reset = speak(proxy, request_for(s3, bucket_name))
    assert received == b"HTTP/1.1 200 OK\r\nServer"[:after_bytes]
    assert was_reset


def test_a_shorter_response_passes_whole(s3: Any, proxy: FaultProxy, bucket_name: str) -> None:
    proxy.inject(Reset(len(BODY) + 1))
    assert get(s3, bucket_name) == BODY
    assert proxy.faults == 0


@pytest.mark.parametrize(("of", "took_place"), [("stream", True), ("request", False)])
def test_a_write_fails_after_or_before_its_effect(
    s3: Any, proxy: FaultProxy, bucket_name: str, of: Any, took_place: bool
) -> None:
    proxy.inject(Reset(0, of=of), times=1)
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        s3.put_object(Bucket=bucket_name, Key="new", Body=BODY)
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket_name)["Contents"]]
    assert ("new" in keys) == took_place


def test_a_write_cut_within_its_body_is_not_stored(s3: Any, proxy: FaultProxy, bucket_name: str) -> None:
    proxy.inject(Close(1000, of="request"), times=1)
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        s3.put_object(Bucket=bucket_name, Key="k", Body=b"other" * 100_000)
    assert proxy.faults == 1


@pytest.mark.parametrize("fault", [Reset(0), Hang(), Answer(500)])
def test_a_fault_hits_only_the_methods_and_times_asked_for(
    s3: Any, proxy: FaultProxy, bucket_name: str, fault: Fault
) -> None:
    proxy.inject(fault, times=0)
    s3.head_object(Bucket=bucket_name, Key="k")
    proxy.inject(fault, methods=["DELETE", "POST"])
    assert get(s3, bucket_name) == BODY
    assert proxy.faults == 0


def test_an_answer_comes_from_the_proxy(s3: Any, proxy: FaultProxy, bucket_name: str) -> None:
    proxy.inject(LOAD_BALANCER_NOT_FOUND)
    for call in (s3.head_object, s3.get_object):
        with pytest.raises(ClientError) as refused:
            call(Bucket=bucket_name, Key="k")
        metadata = refused.value.response["ResponseMetadata"]
        assert metadata["HTTPStatusCode"] == 404
        assert metadata["HTTPHeaders"]["content-type"] == "text/html"
        assert not metadata.get("RequestId")
    with pytest.raises(ClientError):
        s3.put_object(Bucket=bucket_name, Key="k", Body=b"never arrives")
    proxy.pass_through()
    assert get(s3, bucket_name) == BODY


def test_a_delay_comes_before_the_answer(s3: Any, proxy: FaultProxy, bucket_name: str) -> None:
    proxy.inject(Delay(0.01))
    assert get(s3, bucket_name) == BODY
    assert proxy.faults == 1


def test_a_hang_ends_with_the_patience_of_the_client(
    s3: Any, proxy: FaultProxy, moto_store: MotoStore, bucket_name: str
) -> None:
    proxy.inject(Hang(), times=1)
    config = Config(retries={"total_max_attempts": 1}, read_timeout=0.2)
    arguments = moto_store.server.client_arguments() | {"endpoint_url": proxy.endpoint_url}
    with pytest.raises(ReadTimeoutError):
        boto3.client("s3", config=config, **arguments).head_object(Bucket=bucket_name, Key="k")
    assert get(s3, bucket_name) == BODY


def test_refused_then_accepted_again_on_the_same_port(s3: Any, proxy: FaultProxy, bucket_name: str) -> None:
    for _ in range(3):
        proxy.refuse()
        with pytest.raises(EndpointConnectionError):
            s3.head_object(Bucket=bucket_name, Key="k")
        proxy.pass_through()
        assert get(s3, bucket_name) == BODY


def test_closing_ends_a_hanging_connection(proxy: FaultProxy) -> None:
    proxy.inject(Hang())
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while proxy.faults == 0:
            pass
        proxy.close()
        assert connection.recv(1) == b""


def test_an_https_proxy_refuses_what_it_cannot_do() -> None:
    proxy = FaultProxy("127.0.0.1", 1, scheme="https")
    with pytest.raises(ValueError, match="encrypted"):
        proxy.inject(Answer(404))
    with pytest.raises(ValueError, match="encrypted"):
        proxy.inject(Reset(), methods=["GET"])
