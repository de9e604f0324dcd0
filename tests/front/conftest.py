"""Two stores with one bucket on both, clients over them, and a server that keeps what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest

import foodco_storage
import foodco_storage.session
from foodco_storage.testing import MotoStore, SeaweedFS, Server


@pytest.fixture(autouse=True)
def _fresh_default_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(foodco_storage.session, "_default_storage", None)


def described(server: Server, **more: Any) -> dict[str, Any]:
    return {
        "preset": "s3",
        "endpoint_url": server.endpoint_url,
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
        **more,
    }


class Two:
    """`new` and `old`, with a bucket of the same name on both."""

    def __init__(self, new: Server, old: Server, bucket: str, stack: ExitStack) -> None:
        self.bucket = bucket
        self.servers = {"new": new, "old": old}
        self.backends = {name: described(server) for name, server in self.servers.items()}
        self.direct = {name: boto3.client("s3", **server.client_arguments()) for name, server in self.servers.items()}
        self._stack = stack
        for s3 in self.direct.values():
            stack.callback(s3.close)
            s3.create_bucket(Bucket=bucket)

    def put(self, where: str, key: str, body: bytes = b"body") -> None:
        self.direct[where].put_object(Bucket=self.bucket, Key=key, Body=body)

    def content(self, where: str) -> dict[str, bytes]:
        s3 = self.direct[where]
        items = s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {i["Key"]: s3.get_object(Bucket=self.bucket, Key=i["Key"])["Body"].read() for i in items}

    def storage(
        self, *, fallbacks: tuple[str, ...] = ("old",), default: str = "caller", **route: Any
    ) -> dict[str, Any]:
        return {
            "backends": self.backends,
            "routes": {"ours": {"bucket": self.bucket, "primary": "new", "fallbacks": list(fallbacks), **route}},
            "default": {"backend": default},
        }

    def client(self, session: Any = foodco_storage, **storage: Any) -> Any:
        s3 = session.client("s3", storage=self.storage(**storage))
        self._stack.callback(s3.close)
        return s3


@pytest.fixture
def two(moto_store: MotoStore, moto_store_2: MotoStore, bucket_name: str) -> Iterator[Two]:
    with ExitStack() as stack:
        yield Two(moto_store.server, moto_store_2.server, bucket_name, stack)


@pytest.fixture
def two_alive(seaweedfs: SeaweedFS, moto_store_2: MotoStore, bucket_name: str) -> Iterator[Two]:
    """`new` is SeaweedFS, which keeps connections open; moto closes them after each answer."""
    with ExitStack() as stack:
        yield Two(seaweedfs.server, moto_store_2.server, bucket_name, stack)


@dataclass(frozen=True)
class Seen:
    """One request that reached a `Listener`."""

    method: str
    path: str
    headers: Any
    body: bytes

    @property
    def access_key_id(self) -> str:
        """Whom the request says it is from."""
        authorization: str = self.headers["Authorization"]
        return authorization.split("Credential=")[1].split("/", maxsplit=1)[0]

    @property
    def region(self) -> str:
        """What the request was signed for."""
        authorization: str = self.headers["Authorization"]
        return authorization.split("Credential=")[1].split("/")[2]


class Listener:
    """Keeps every request and answers it 200, or as told, with an empty body."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.status = 200
        self.answer = b""
        self.answer_headers: dict[str, str] = {}
        keep = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                keep.seen.append(Seen(self.command, self.path, self.headers, body))
                self.send_response(keep.status)
                self.send_header("Content-Length", str(len(keep.answer)))
                for name, value in keep.answer_headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(keep.answer)

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815 - http.server's names

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def make_listener() -> Iterator[Callable[[], Listener]]:
    with ExitStack() as stack:

        def make() -> Listener:
            listener = Listener()
            stack.callback(listener.close)
            return listener

        yield make


@pytest.fixture
def listener(make_listener: Callable[[], Listener]) -> Listener:
    return make_listener()
