"""Ranges of bytes as a GET asks for them, and as it is answered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from foodco_storage.flows.request import Response

_FORM: Final = re.compile(r"bytes=(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """What a `Range` asks for (RFC 9110, section 14.1.2).

    Args:
        first: the first byte; None where the last so many are asked for.
        last: the last byte, included; None up to the end.
        suffix: how many bytes at the end.
    """

    first: int | None = None
    last: int | None = None
    suffix: int = 0

    @classmethod
    def of(cls, text: Any) -> Span | None:
        """Read a range; None for what is none, of several parts, or empty: stores differ in what they make of it."""
        match = _FORM.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            return None
        first, last, suffix = match.groups()
        if suffix is not None:
            return cls(suffix=int(suffix)) if int(suffix) else None
        if not last:
            return cls(int(first))
        return cls(int(first), int(last)) if int(first) <= int(last) else None

    def within(self, size: int) -> tuple[int, int] | None:
        """First byte, and the one after the last, in an object of that size; None where it has none of them."""
        if self.first is None:
            start, end = max(0, size - self.suffix), size
        else:
            start, end = self.first, size if self.last is None else min(size, self.last + 1)
        return (start, end) if start < end else None


_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,19})-(\d{1,19})/\d{1,19}", re.ASCII)


def first_byte(response: Response) -> int | None:
    """The first byte of the part that a GET was answered with; None where it does not tell, or tells what can't be."""
    match = _CONTENT_RANGE.fullmatch(str(response.get("ContentRange", "")))
    if match is None or int(match[2]) - int(match[1]) + 1 != response.get("ContentLength"):
        return None
    return int(match[1])


def narrow(answer: Response, start: int, end: int, size: int) -> None:
    """Turn an answer into that to a range."""
    told = f"bytes {start}-{end - 1}/{size}"
    answer |= {"ContentRange": told, "ContentLength": end - start}
    metadata = answer["ResponseMetadata"]
    metadata["HTTPStatusCode"] = 206
    headers = metadata.get("HTTPHeaders", {})
    # Those are of the whole object.
    drop_checksums(answer, headers)
    if headers:
        headers |= {"content-range": told, "content-length": str(end - start)}


def drop_checksums(answer: Response, headers: dict[str, str]) -> bool:
    """Take checksums out of an answer and its headers, in place; whether there were any."""
    found = False
    for named, start in ((answer, "Checksum"), (headers, "x-amz-checksum-")):
        for name in [name for name in named if name.startswith(start)]:
            del named[name]
            found = True
    return found
