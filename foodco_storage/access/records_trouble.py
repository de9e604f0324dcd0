"""What is wrong with S3's own records, and how their places are told."""

from __future__ import annotations

import re
from typing import Any

from foodco_storage.errors import StorageError

_USER = re.compile(r"(?<=://)[^/@]*@")
_WITH_QUERY = re.compile(r"(?:.*::)?https?://")


class RecordsError(StorageError):
    """S3's own records (server access logs, an inventory) can't be read as such: name others, or mend them.

    Args:
        place: the file or location; told without user, password and query.
        problem: what is wrong, and the fix.
    """

    def __init__(self, place: str, problem: str) -> None:
        self.place = shown(place)
        self.problem = problem
        super().__init__(f"{self.place}: {problem}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.place, self.problem)


def shown(place: str) -> str:
    """A path or URL without user, password and query: those may be credentials, or a presigned URL's signature.

    Example:
        shown("https://me:secret@host/log?X-Amz-Signature=1") == "https://host/log"
    """
    told = _USER.sub("", place, count=1)
    # Elsewhere a question mark is a part of a name like any other.
    return told.partition("?")[0] if _WITH_QUERY.match(told) else told
