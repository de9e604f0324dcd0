"""Repairs of requests, as they arrive at a server."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import foodco_storage


class Server:
    """Keeps the requests, and answers each as if it had been carried out."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any, bytes]] = []
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                seen.append((f"{self.command} {self.path}", self.headers, body))
                answer = b"<DeleteResult></DeleteResult>" if self.command == "POST" else b""
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_PUT = do_POST = _answer  # noqa: N815 - http.server's names

            def log_message(self, *_: Any) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


def client(server: Server, preset: str, default: str = "caller", **capabilities: bool) -> Any:
    backend = {
        "preset": preset,
        "endpoint_url": server.url,
        "max_attempts": 1,
        "addressing_style": "path",
        "capabilities": capabilities,
    }
    return foodco_storage.client(
        storage={
            "backends": {"store": backend},
            "routes": {"images": {"bucket": "images", "primary": "store"}},
            "default": {"backend": default},
        }
    )


def delete(s3: Any, bucket: str = "images") -> None:
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "ü"}]})


@pytest.mark.parametrize("preset", ["s3", "ceph"])
@pytest.mark.parametrize("default", ["caller", "store"])
def test_delete_objects_has_a_content_md5(server: Server, preset: str, default: str) -> None:
    delete(client(server, preset, default))
    (request, headers, body) = server.seen[0]
    assert request == "POST /images?delete"
    assert headers["Content-MD5"] == base64.b64encode(hashlib.md5(body).digest()).decode()
    assert "content-md5" in headers["Authorization"]


def test_the_default_backend_is_repaired_for_buckets_without_a_route(server: Server) -> None:
    delete(client(server, "s3", "store"), "elsewhere")
    assert server.seen[0][1]["Content-MD5"]


def test_aws_needs_none(server: Server) -> None:
    delete(client(server, "aws"))
    assert server.seen[0][1]["Content-MD5"] is None


def test_the_configuration_can_say_otherwise(server: Server) -> None:
    delete(client(server, "s3", delete_objects_without_md5=True))
    delete(client(server, "aws", delete_objects_without_md5=False))
    assert [headers["Content-MD5"] is not None for _, headers, _ in server.seen] == [False, True]


def test_a_callers_own_md5_stays(server: Server) -> None:
    s3 = client(server, "s3")
    s3.meta.events.register_first(
        "before-call.s3.DeleteObjects", lambda params, **_: params["headers"].update({"Content-MD5": "mine"})
    )
    delete(s3)
    assert server.seen[0][1]["Content-MD5"] == "mine"


@pytest.mark.parametrize(
    ("preset", "capabilities", "expected"),
    [
        ("ceph", {}, "abc"),
        ("aws", {}, '"abc"'),
        ("s3", {}, '"abc"'),
        ("ceph", {"put_if_match_quoted": True}, '"abc"'),
        ("s3", {"put_if_match_quoted": False, "put_if_match": True}, "abc"),
    ],
)
def test_the_quotes_of_if_match(server: Server, preset: str, capabilities: dict[str, bool], expected: str) -> None:
    s3 = client(server, preset, "caller", **capabilities)
    arguments = {"Bucket": "images", "Key": "k", "Body": b"x", "IfMatch": '"abc"'}
    s3.put_object(**arguments)
    assert server.seen[0][1]["If-Match"] == expected
    assert arguments["IfMatch"] == '"abc"'


def test_a_put_without_a_condition_has_none(server: Server) -> None:
    client(server, "ceph").put_object(Bucket="images", Key="k", Body=b"x")
    assert server.seen[0][1]["If-Match"] is None
