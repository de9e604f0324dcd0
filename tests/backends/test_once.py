"""A request that is to be sent once is sent once, whatever the client's retries; and nothing else about it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, HTTPClientError

from foodco_storage.backends.once import sends_once
from foodco_storage.testing import Answer, FaultProxy, MotoStore, Reset

MODES = ["legacy", "standard", "adaptive"]
modes = pytest.mark.parametrize("mode", MODES)


class Proxied:
    """A client of a store behind a proxy that fails, and a bucket there."""

    def __init__(self, store: MotoStore, bucket: str, mode: str, stack: ExitStack) -> None:
        self.proxy = stack.enter_context(FaultProxy(store.server.host, store.server.port))
        server = replace(store.server, endpoint_url=self.proxy.endpoint_url)
        config = Config(
            retries={"mode": mode, "total_max_attempts": 3},
            s3={"addressing_style": "path"},
            connect_timeout=2,
            read_timeout=5,
        )
        self.s3 = boto3.client("s3", **server.client_arguments() | {"config": config})
        stack.callback(self.s3.close)
        self.direct = boto3.client("s3", **store.server.client_arguments())
        stack.callback(self.direct.close)
        self.direct.create_bucket(Bucket=bucket)
        self.bucket = bucket
        self.once = sends_once(self.s3, self.s3._make_api_call)

    def put(self, send: Any, **more: Any) -> Any:
        before = self.proxy.requests
        try:
            return send("PutObject", {"Bucket": self.bucket, "Key": "k", "Body": b"mine", **more})
        finally:
            self.sent = self.proxy.requests - before

    @property
    def holds(self) -> bool:
        return "Contents" in self.direct.list_objects_v2(Bucket=self.bucket)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between botocore's attempts."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


@pytest.fixture
def proxied(moto_store: MotoStore, bucket_name: str) -> Iterator[Callable[[str], Proxied]]:
    with ExitStack() as stack:
        yield lambda mode: Proxied(moto_store, bucket_name, mode, stack)


BROKEN = [Reset(0, of="request"), Reset(0, of="stream")]
ERROR = b'<?xml version="1.0"?><Error><Code>%s</Code><Message>no</Message></Error>'


@modes
class TestOnce:
    def test_it_takes_place(self, proxied: Callable[[str], Proxied], mode: str) -> None:
        client = proxied(mode)
        assert client.put(client.once, IfNoneMatch="*")["ETag"]
        assert client.sent == 1
        with pytest.raises(ClientError, match="PreconditionFailed"):
            client.put(client.once, IfNoneMatch="*")
        assert client.sent == 1

    @pytest.mark.parametrize("fault", BROKEN, ids=["before it took effect", "after it"])
    def test_a_broken_connection(self, proxied: Callable[[str], Proxied], mode: str, fault: Reset) -> None:
        client = proxied(mode)
        client.proxy.inject(fault, times=1)
        with pytest.raises((ConnectionClosedError, EndpointConnectionError, HTTPClientError)):
            client.put(client.once, IfNoneMatch="*")
        assert client.sent == 1
        assert client.holds is (fault.of == "stream")

    def test_nobody_listens(self, proxied: Callable[[str], Proxied], mode: str) -> None:
        client = proxied(mode)
        client.proxy.refuse()
        with pytest.raises(EndpointConnectionError):
            client.put(client.once)

    @pytest.mark.parametrize(
        ("status", "code"),
        [(500, "InternalError"), (503, "SlowDown"), (503, "ServiceUnavailable"), (502, "BadGateway"), (504, "")],
    )
    def test_an_error_of_the_store(self, proxied: Callable[[str], Proxied], mode: str, status: int, code: str) -> None:
        client = proxied(mode)
        client.proxy.inject(Answer(status, ERROR % code.encode() if code else b"<html></html>"), times=1)
        with pytest.raises(ClientError) as caught:
            client.put(client.once, IfNoneMatch="*")
        assert client.sent == 1
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0
        assert caught.value.response["Error"]["Code"] == code or not code
        assert caught.value.operation_name == "PutObject"

    @pytest.mark.parametrize("fault", [*BROKEN, Answer(500, ERROR % b"InternalError")])
    def test_other_requests_are_sent_again_as_ever(
        self, proxied: Callable[[str], Proxied], mode: str, fault: Any
    ) -> None:
        client = proxied(mode)
        for _ in range(2):
            client.proxy.inject(fault, times=1)
            assert client.put(client.s3._make_api_call)["ResponseMetadata"]["RetryAttempts"] == 1
            assert client.sent == 2
            client.proxy.inject(fault, times=1)
            with pytest.raises((ClientError, HTTPClientError, EndpointConnectionError)):
                client.put(client.once)
            assert client.sent == 1

    def test_exceptions_have_the_clients_classes(self, proxied: Callable[[str], Proxied], mode: str) -> None:
        client = proxied(mode)
        client.proxy.inject(Answer(500, ERROR % b"NoSuchUpload"), times=1)
        with pytest.raises(client.s3.exceptions.NoSuchUpload):
            client.put(client.once)

    def test_the_users_handlers_fire_once_for_the_one_request(
        self, proxied: Callable[[str], Proxied], mode: str
    ) -> None:
        client = proxied(mode)
        fired: list[str] = []
        names = ["provide-client-params", "before-parameter-build", "before-call", "before-send", "needs-retry"]
        for name in [*names, "after-call", "after-call-error"]:
            client.s3.meta.events.register(f"{name}.s3.PutObject", lambda name=name, **_: fired.append(name))
        client.put(client.once)
        assert fired == [*names, "after-call"]
        fired.clear()
        client.proxy.inject(Reset(0, of="request"), times=1)
        with pytest.raises((ConnectionClosedError, EndpointConnectionError, HTTPClientError)):
            client.put(client.once)
        assert [name for name in fired if name != "needs-retry"] == [*names[:-1], "after-call-error"]

    def test_a_users_handler_that_would_try_again(self, proxied: Callable[[str], Proxied], mode: str) -> None:
        """A handler of `needs-retry` that answers a number of seconds has the request sent again."""
        client = proxied(mode)
        client.s3.meta.events.register("needs-retry.s3.PutObject", lambda attempts, **_: 0 if attempts < 3 else None)
        client.proxy.inject(Answer(503, ERROR % b"SlowDown"))
        with pytest.raises(ClientError, match="SlowDown"):
            client.put(client.once)
        assert client.sent == 1


@pytest.mark.parametrize("mode", ["legacy", "standard"])
def test_both_at_the_same_time(proxied: Callable[[str], Proxied], mode: str) -> None:
    client = proxied(mode)
    client.proxy.inject(Answer(500, ERROR % b"InternalError"))
    counts: dict[str, int] = {}

    def attempts(name: str, send: Any) -> None:
        with pytest.raises(ClientError) as caught:
            send("PutObject", {"Bucket": client.bucket, "Key": name, "Body": b""})
        counts[name] = caught.value.response["ResponseMetadata"]["RetryAttempts"]

    sends = [("once", client.once), ("again", client.s3._make_api_call)] * 5
    threads = [
        threading.Thread(target=attempts, args=(f"{name}{number}", send)) for number, (name, send) in enumerate(sends)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {count for name, count in counts.items() if name.startswith("once")} == {0}
    # standard mode may have run out of its quota.
    assert max(count for name, count in counts.items() if name.startswith("again")) > 0


class Scripted:
    """Answers one script after another, and keeps what it was asked."""

    def __init__(self, *answers: tuple[int, dict[str, str], bytes]) -> None:
        self.seen: list[Any] = []
        left = list(answers)
        keep = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                keep.seen.append((self.command, self.path, self.headers))
                status, headers, body = left.pop(0) if left else (200, {}, b"")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_PUT = do_HEAD = do_GET = do_POST = _answer  # noqa: N815 - http.server's names

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def scripted() -> Iterator[Callable[..., tuple[Scripted, Any]]]:
    with ExitStack() as stack:

        def make(mode: str, *answers: tuple[int, dict[str, str], bytes]) -> tuple[Scripted, Any]:
            server = Scripted(*answers)
            stack.callback(server.close)
            s3 = boto3.client(
                "s3",
                endpoint_url=server.url,
                region_name="us-east-1",
                config=Config(retries={"mode": mode, "total_max_attempts": 3}, s3={"addressing_style": "path"}),
            )
            stack.callback(s3.close)
            return server, sends_once(s3, s3._make_api_call)

        yield make


@modes
class TestWhatStoresAnswer:
    def test_a_redirect_to_another_region_is_followed(self, scripted: Any, mode: str) -> None:
        """Nothing took place where it came from."""
        body = b"<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>"
        server, once = scripted(mode, (301, {"x-amz-bucket-region": "eu-west-1"}, body))
        once("PutObject", {"Bucket": "bbb", "Key": "k", "Body": b"mine"})
        regions = [headers["Authorization"].split("/")[2] for *_, headers in server.seen if headers["Authorization"]]
        assert (regions[0], regions[-1]) == ("us-east-1", "eu-west-1")

    @pytest.mark.parametrize(
        ("operation", "params"),
        [
            ("CopyObject", {"CopySource": "bbb/source"}),
            ("CompleteMultipartUpload", {"UploadId": "u", "MultipartUpload": {"Parts": []}}),
        ],
    )
    def test_an_error_that_came_with_status_200(
        self, scripted: Any, mode: str, operation: str, params: dict[str, Any]
    ) -> None:
        """S3 begins the answers to these before it knows how they end; it may have taken place."""
        failed = (200, {"Content-Type": "application/xml"}, ERROR % b"InternalError")
        server, once = scripted(mode, failed, failed, failed)
        with pytest.raises(ClientError, match="InternalError") as caught:
            once(operation, {"Bucket": "bbb", "Key": "k", **params})
        assert len(server.seen) == 1
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
