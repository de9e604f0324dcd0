"""What every stream is that stands between a backend's body and the `StreamingBody` that a caller gets."""

from __future__ import annotations

import io
from typing import Any

from foodco_storage.flows.effects import Body


class WrappedBody(io.RawIOBase):
    """A stream over a body.

    Args:
        body: the body.
    """

    def __init__(self, body: Body) -> None:
        self._body: Any = body
        self._position = 0

    def read(self, amt: int | None = None) -> bytes:
        """At most `amt` bytes; all that is left when None or negative."""
        raise NotImplementedError

    def readinto(self, buffer: Any) -> int:
        """Fill a writable buffer; returns the number of bytes, 0 at the end."""
        with memoryview(buffer) as view, view.cast("B") as target:
            data = self.read(len(target))
            target[: len(data)] = data
            return len(data)

    def readable(self) -> bool:
        """True until closed."""
        return not self.closed

    def tell(self) -> int:
        """Bytes read so far."""
        return self._position

    def close(self) -> None:
        """Close the connection's stream."""
        if not self.closed:
            self._body.close()
        super().close()

    @property
    def _fp(self) -> Any:
        # StreamingBody.set_socket_timeout reaches for the socket by this path (botocore.compat.set_socket_timeout).
        return self._body._raw_stream._fp  # noqa: SLF001
