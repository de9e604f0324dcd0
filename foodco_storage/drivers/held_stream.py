"""What is inside the `StreamingBody` of an answer whose bytes are at hand."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any, Final


class _NoSocket:
    """Stands where `StreamingBody.set_socket_timeout` looks for the connection (botocore.compat.set_socket_timeout)."""

    def settimeout(self, _: float | None) -> None:
        """Nothing is waited for."""


_NO_CONNECTION: Final[Any] = SimpleNamespace(fp=SimpleNamespace(raw=SimpleNamespace(_sock=_NoSocket())))


class HeldStream(BytesIO):
    """Bytes that behave as what came from a connection."""

    _fp = _NO_CONNECTION

    def read(self, size: int | None = -1, /) -> bytes:
        """At most so many bytes; as urllib3's response, nothing once it is closed."""
        return b"" if self.closed else super().read(size)
