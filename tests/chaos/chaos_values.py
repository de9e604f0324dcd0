"""Bodies that say who wrote them: whoever reads one can tell whether it is whole, and which write it is of."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass

PART_BYTES = 5 * 1024**2
"""Of an upload in parts, the last one apart: real stores want no less."""


class WrongBodyError(Exception):
    """What was read is no version that anybody could have written, or only a piece of one."""


@dataclass(frozen=True)
class Version:
    """One write of one key.

    Args:
        key: what was written.
        writer: by whom; a key belongs to one writer.
        number: 0 for what lay in the source before, then one more for each write, deletes included.
        size: of the body.
    """

    key: str
    writer: str
    number: int
    size: int

    def body(self) -> bytes:
        """A line that names the version and the padding's checksum, and the padding; to half of its size it compresses."""
        seed = f"{self.key}/{self.writer}/{self.number}"
        padding = random.Random(seed).randbytes(self.size // 2 + 1).hex().encode()
        line = f"{self.key} {self.writer} {self.number} {self.size} {hashlib.sha256(padding).hexdigest()}\n"
        return (line.encode() + padding)[: self.size]

    def metadata(self) -> dict[str, str]:
        """The same as user metadata, so that answers without a whole body tell it too."""
        return {"writer": self.writer, "number": str(self.number), "size": str(self.size)}

    def etag(self) -> str:
        """As a store gives it, without quotes."""
        body = self.body()
        if self.size <= PART_BYTES:
            return hashlib.md5(body).hexdigest()
        digests = [hashlib.md5(body[at : at + PART_BYTES]).digest() for at in range(0, self.size, PART_BYTES)]
        return f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(digests)}"


def version_of(key: str, metadata: Mapping[str, str]) -> Version:
    """The version that an answer's metadata names.

    Raises:
        WrongBodyError: it names none.
    """
    try:
        return Version(key, metadata["writer"], int(metadata["number"]), int(metadata["size"]))
    except (KeyError, ValueError) as error:
        raise WrongBodyError(f"{key}: nobody writes such metadata: {dict(metadata)}") from error


def check_body(version: Version, body: bytes, start: int = 0, size: int | None = None) -> None:
    """Hold a body, or `size` bytes of it from `start`, against the version that it is said to be of.

    Raises:
        WrongBodyError: it is something else.
    """
    whole = version.body()
    expected = whole[start : None if size is None else start + size]
    if body == expected:
        return
    at = next((n for n, (ours, theirs) in enumerate(zip(body, expected, strict=False)) if ours != theirs), -1)
    said = body[:120] if start == 0 else b""
    raise WrongBodyError(
        f"{version}: {len(body)} bytes in place of {len(expected)}, the first wrong one at {start + at}; it begins {said!r}"
    )
