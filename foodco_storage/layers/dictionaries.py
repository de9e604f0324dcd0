"""Dictionaries: where they lie, and how they come here. Content-addressed, and so never changed and never in doubt.

A dictionary lies under the reserved prefix of each bucket whose objects may need it, `dictionaries/<id>`; its id is the
beginning of its SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from typing import Any, Final

from foodco_storage.errors import MissingDictionaryError
from foodco_storage.flows.compression_effects import Dictionary
from foodco_storage.flows.effects import Call, Discard, ReadBody
from foodco_storage.flows.outcomes import BackendError, Deleted, NoBucket, NotThere, Rejected, Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Request, Response

FOLDER: Final = "dictionaries/"
"""Below the reserved prefix."""

MOST_BYTES: Final = 1024 * 1024
"""Of one; `zstd --train` makes 110 KiB by default."""

_MOST: Final = 64
_ID_HEX: Final = 32
_ATTEMPTS: Final = 3


def id_of(data: bytes) -> str:
    """The id of a dictionary."""
    return hashlib.sha256(data).hexdigest()[:_ID_HEX]


def location(place: Place, dictionary: str) -> str:
    """The key under which a place holds a dictionary."""
    return f"{place.reserved_prefix}{FOLDER}{dictionary}"


class Dictionaries:
    """Those that this process has."""

    def __init__(self) -> None:
        self._known: dict[str, Dictionary] = {}

    def get(self, place: Place, bucket: str, dictionary: str) -> Generator[Any, Any, Dictionary]:
        """A dictionary for reading: from memory, wherever it came from, or from the place.

        Args:
            place: as it is stored.
            bucket: as callers say it, of the object that needs it.
            dictionary: its id.

        Raises:
            BackendError: it is not there, is not what its name says, or the store could not be asked.
        """
        found = self._known.get(dictionary)
        return found if found is not None else (yield from self.fetched(place, bucket, dictionary))

    def fetched(self, place: Place, bucket: str, dictionary: str) -> Generator[Any, Any, Dictionary]:
        """A dictionary as it lies in a bucket of the place: whoever uses it there has seen that it is there."""
        found = Dictionary(dictionary, (yield from self._read(place, bucket, dictionary)))
        if len(self._known) >= _MOST:
            # A bound against hostile names; no route has so many.
            self._known.clear()
        self._known[dictionary] = found
        return found

    def _read(self, place: Place, bucket: str, dictionary: str) -> Generator[Any, Any, bytes]:
        key = location(place, dictionary)
        broken: Unavailable | None = None
        for _ in range(_ATTEMPTS):
            try:
                answer: Response = yield Call(place, Request("GetObject", {"Bucket": bucket, "Key": key}))
            except (NotThere, Deleted, NoBucket) as error:
                raise _missing(place, bucket, dictionary, "there is none") from error
            size = answer["ContentLength"]
            if size > MOST_BYTES:
                yield Discard(answer["Body"])
                raise _missing(place, bucket, dictionary, f"something of {size} bytes lies")
            data: bytes | None = yield ReadBody(answer["Body"], size)
            if data is None:
                broken = Unavailable(place.backend, _missing(place, bucket, dictionary, "could not be read").error)
                continue
            if id_of(data) != dictionary:
                raise _missing(place, bucket, dictionary, "something else lies")
            return data
        raise broken or LookupError(dictionary)


def _missing(place: Place, bucket: str, dictionary: str, problem: str) -> BackendError:
    key = location(place, dictionary)
    error = MissingDictionaryError(
        bucket=bucket, dictionary=dictionary, location=key, backend=place.backend, problem=problem
    )
    return Rejected(place.backend, error)
