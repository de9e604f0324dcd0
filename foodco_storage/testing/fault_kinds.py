"""What a `foodco_storage.testing.faults.FaultProxy` can do wrong."""

from __future__ import annotations

import http
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Where: TypeAlias = Literal["body", "stream", "request"]
"""Where bytes are counted: in the response's body, in the whole response, in the request's body.

`Reset(0, of="request")` fails before the server knows of the request; `Reset(0, of="stream")` after
it was carried out, its answer lost. Bytes are counted as on the wire: a chunked body
with its frames.
"""


@dataclass(frozen=True)
class Hang:
    """Take the request and never answer.

    The connection stays open until the client or the proxy closes it.
    """


@dataclass(frozen=True)
class Reset:
    """Reset the connection (RST: the client gets ECONNRESET) once `after_bytes` have passed.

    Less passes whole.
    """

    after_bytes: int = 0
    of: Where = "body"


@dataclass(frozen=True)
class Close:
    """Close the connection (FIN: the client gets an end of file) once `after_bytes` have passed.

    Less passes whole.
    """

    after_bytes: int = 0
    of: Where = "body"


@dataclass(frozen=True)
class Delay:
    """Wait `seconds` before the first byte of each response."""

    seconds: float


@dataclass(frozen=True)
class Answer:
    """Answer in place of the server, which does not see the request."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self, *, with_body: bool, close: bool) -> bytes:
        """The bytes of the response.

        `Content-Length` is that of the body, also when it is left out, as for HEAD.
        """
        try:
            phrase = http.HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        headers = {
            "Content-Length": str(len(self.body)),
            "Connection": "close" if close else "keep-alive",
            **self.headers,
        }
        lines = [
            f"HTTP/1.1 {self.status} {phrase}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + (self.body if with_body else b"")


Fault: TypeAlias = Hang | Reset | Close | Delay | Answer

LOAD_BALANCER_NOT_FOUND = Answer(
    404,
    b"<html><body><h1>404 Not Found</h1>no backend for this host</body></html>",
    {"Content-Type": "text/html"},
)
"""A 404 that says nothing about any object: from something in front of a store."""

LOAD_BALANCER_UNAVAILABLE = Answer(
    503,
    b"<html><body><h1>503 Service Unavailable</h1></body></html>",
    {"Content-Type": "text/html"},
)
"""What a load balancer says of a pool without living members."""
