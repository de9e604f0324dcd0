"""Where a promoted copy came from: what callers may still hold of the object that it is a copy of.

A promoted copy has another ETag than its origin where that was a multipart upload, another date always, and no parts. All
three are kept in its metadata, and honoured: `IfMatch` with the origin's ETag still holds.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from foodco_storage.flows.marks import ORIGIN, mark
from foodco_storage.flows.request import Response

_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Origin:
    """The object that a copy was made of.

    Args:
        etag: its ETag, without quotes.
        modified: its LastModified.
        parts: sizes of its parts in bytes, in order; empty where they are not known or there is one.
    """

    etag: str
    modified: dt.datetime
    parts: tuple[int, ...] = ()

    def text(self, bucket: str, key: str) -> str:
        """As metadata: `1 <digest of the key> <etag> <seconds since 1970> <parts>`, parts as `8388608x12,77`."""
        fields = [_VERSION, _digest(bucket, key), self.etag, str(int(self.modified.timestamp())), _runs(self.parts)]
        return " ".join(field for field in fields if field)

    @classmethod
    def of(cls, answer: Response, bucket: str, key: str) -> Origin | None:
        """Read it from the metadata of a GET's or HEAD's answer; None where there is none, or none of this key.

        A copy that a server made of a promoted object has its metadata too, but is an object of its own: so the key is part
        of the mark.
        """
        text = mark(answer, ORIGIN)
        if not text:
            return None
        match text.split(" "):
            case [version, digest, etag, seconds, *parts] if (
                version == _VERSION and digest == _digest(bucket, key) and len(parts) <= 1
            ):
                try:
                    modified = dt.datetime.fromtimestamp(int(seconds), dt.UTC)
                    return cls(etag, modified, _sizes(parts[0]) if parts else ())
                except (ValueError, OverflowError, OSError):
                    return None
        return None


def _digest(bucket: str, key: str) -> str:
    # What botocore sends of a member of an enumeration are its characters, whatever `str()` makes of it.
    name = str.__str__(bucket) + "/" + str.__str__(key)
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _runs(parts: Iterable[int]) -> str:
    runs: list[list[int]] = []
    for size in parts:
        if runs and runs[-1][0] == size:
            runs[-1][1] += 1
        else:
            runs.append([size, 1])
    return ",".join(str(size) if count == 1 else f"{size}x{count}" for size, count in runs)


_MAX_PARTS = 10_000


def _sizes(text: str) -> tuple[int, ...]:
    sizes: list[int] = []
    for run in text.split(","):
        size, times = map(int, run.split("x")) if "x" in run else (int(run), 1)
        if size < 1 or times < 1 or len(sizes) + times > _MAX_PARTS:
            # S3 knows no more parts; metadata is not to be trusted with our memory.
            raise ValueError(text)
        sizes += [size] * times
    return tuple(sizes)
