"""As much HTTP/1.1 as tells where requests begin and where the heads of responses end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True)
class RequestHead:
    """The first line of a request and what its headers say about its body.

    Args:
        method: `GET`.
        target: the path and query, as sent.
        expects_continue: the client waits for `100 Continue` before it sends the body.
    """

    method: str = ""
    target: str = ""
    expects_continue: bool = False


class RequestPiece(NamedTuple):
    """Bytes of one request: the whole head where `head` is given, part of the body else.

    `ends` says that they are the last.
    """

    data: bytes
    head: RequestHead | None
    ends: bool


class RequestFraming:
    """Cuts the bytes of a client into the pieces of its requests.

    A head is held back until it is complete.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._in_body = False
        self._left = 0  # bytes of the body, or of the chunk
        self._chunked = False

    def feed(self, data: bytes) -> list[RequestPiece]:
        """The pieces that are complete with these bytes."""
        self._buffer += data
        pieces: list[RequestPiece] = []
        while (piece := self._next()) is not None:
            pieces.append(piece)
        return pieces

    def _next(self) -> RequestPiece | None:
        if not self._in_body:
            return self._next_head()
        if self._chunked and not self._left:
            return self._next_chunk_size()
        if not self._buffer:
            return None
        data, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
        self._left -= len(data)
        self._in_body = self._chunked or self._left > 0
        return RequestPiece(data, None, not self._in_body)

    def _next_head(self) -> RequestPiece | None:
        raw, found, rest = self._buffer.partition(_END_OF_HEAD)
        if not found:
            return None
        self._buffer = rest
        first, *lines = raw.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self._chunked = headers.get("transfer-encoding", "").lower().endswith("chunked")
        self._left = 0 if self._chunked else int(headers.get("content-length", "0") or "0")
        self._in_body = self._chunked or self._left > 0
        method, target = [*first.split(" "), "", ""][:2]
        head = RequestHead(method, target, headers.get("expect", "").lower() == "100-continue")
        return RequestPiece(raw + _END_OF_HEAD, head, not self._in_body)

    def _next_chunk_size(self) -> RequestPiece | None:
        # The last chunk, `0`, is followed by trailers and an empty line: all of it is one piece.
        last = (
            self._buffer.startswith(b"0")
            and int(self._buffer.partition(b"\r\n")[0].partition(b";")[0] or b"0", 16) == 0
        )
        line, found, rest = self._buffer.partition(_END_OF_HEAD if last else b"\r\n")
        if not found:
            return None
        self._buffer = rest
        if last:
            self._in_body = self._chunked = False
            return RequestPiece(line + found, None, ends=True)
        self._left = int(line.partition(b";")[0], 16) + len(b"\r\n")
        return RequestPiece(line + found, None, ends=False)


ResponseKind: TypeAlias = Literal["interim", "head", "body"]


class ResponseFraming:
    """Tells the head of one response from its body.

    Interim responses (`100 Continue`) come before the head.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._in_body = False

    def feed(self, data: bytes) -> list[tuple[ResponseKind, bytes]]:
        """The pieces that are complete with these bytes.

        A head is held back until it is complete.
        """
        pieces: list[tuple[ResponseKind, bytes]] = []
        self._buffer += data
        while not self._in_body:
            raw, found, rest = self._buffer.partition(_END_OF_HEAD)
            if not found:
                return pieces
            interim = raw[len(b"HTTP/1.1 ") :].startswith(b"1") and b" 101" not in raw[:13]
            self._in_body = not interim
            self._buffer = rest
            pieces.append(("interim" if interim else "head", raw + found))
        if self._buffer:
            pieces.append(("body", self._buffer))
            self._buffer = b""
        return pieces
