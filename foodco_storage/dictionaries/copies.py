"""Where dictionaries lie: a copy in each bucket of each backend of a route."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from foodco_storage.drivers.threads import ThreadDriver
from foodco_storage.flows.effects import Call, Discard, ReadBody
from foodco_storage.flows.outcomes import Deleted, NoBucket, NotThere
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.layers.dictionaries import FOLDER, MOST_BYTES, id_of, location

_DATA: Final = "data"
_KEYS: Final = "keys"


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that there is, or should be.

    Args:
        dictionary: its id.
        backend: where.
        bucket: as callers say it.
        size: in bytes; None where it could not be read.
        state: `ok`; `missing`; `damaged`; or what went wrong.
        in_use: whether the configuration names the dictionary.
        repaired: whether it was put there now.
        is_spare: whether it lies on a fallback, where nothing is compressed: it is there to be put back from.
    """

    dictionary: str
    backend: str
    bucket: str
    size: int | None
    state: str
    in_use: bool = False
    repaired: bool = False
    is_spare: bool = False

    @property
    def where(self) -> str:
        """Backend and bucket."""
        return f"{self.backend}/{self.bucket}"


def copies_of(
    places: Sequence[Place], driver: ThreadDriver, buckets: Sequence[str], in_use: str | None, *, repair: bool
) -> Iterator[Copy]:
    """Every copy of every dictionary that lies anywhere in these buckets, or is named by the configuration."""
    ids = {in_use} if in_use else set()
    for place in places:
        for bucket in buckets:
            ids |= set(_listed(place, driver, bucket, must=place is places[0]))
    for one in sorted(ids):
        found = [_looked_at(place, driver, bucket, one) for place in places for bucket in buckets]
        right = next((data for _, data in found if data is not None), None)
        where = [(place, bucket) for place in places for bucket in buckets]
        for (place, bucket), (copy, data) in zip(where, found, strict=True):
            told = copy
            if repair and data is None and right is not None:
                told = _put(place, driver, bucket, one, right)
            yield replace(told, in_use=one == in_use, is_spare=place is not places[0])


def spread(
    places: Sequence[Place], driver: ThreadDriver, buckets: Sequence[str], dictionary: str, data: bytes
) -> list[Copy]:
    """Put a dictionary everywhere where it is not, the primary last: what lies there may be used."""
    lies = []
    for place in reversed(places):
        for bucket in buckets:
            copy, there = _looked_at(place, driver, bucket, dictionary)
            lies.append(copy if there is not None else _put(place, driver, bucket, dictionary, data))
    return lies[::-1]


def _listed(place: Place, driver: ThreadDriver, bucket: str, *, must: bool) -> list[str]:
    try:
        keys: list[str] = driver.run(_keys(place.as_stored, bucket))[_KEYS]
    except (BotoCoreError, ClientError):
        if must:
            raise
        # Looking at each by itself tells what is wrong.
        return []
    return keys


def _keys(place: Place, bucket: str) -> Flow:
    prefix = f"{place.reserved_prefix}{FOLDER}"
    request, names = Request("ListObjectsV2", {"Bucket": bucket, "Prefix": prefix}), []
    while True:
        page: Response = yield Call(place, request)
        names += [item["Key"].removeprefix(prefix) for item in page.get("Contents", ())]
        token = page.get("NextContinuationToken")
        if not page.get("IsTruncated") or not token:
            return {_KEYS: names}
        request = request.with_params(ContinuationToken=token)


def _looked_at(place: Place, driver: ThreadDriver, bucket: str, dictionary: str) -> tuple[Copy, bytes | None]:
    """A copy as it is, and its bytes where they are right."""
    try:
        data: bytes | None = driver.run(_read(place.as_stored, bucket, dictionary))[_DATA]
    except (BotoCoreError, ClientError) as error:
        return Copy(dictionary, place.backend, bucket, None, str(error)), None
    if data is None:
        return Copy(dictionary, place.backend, bucket, None, "missing"), None
    is_right = id_of(data) == dictionary
    return (
        Copy(dictionary, place.backend, bucket, len(data), "ok" if is_right else "damaged"),
        data if is_right else None,
    )


def _read(place: Place, bucket: str, dictionary: str) -> Flow:
    """The bytes of a copy; None where there is none, nothing where it can't be one."""
    request = Request("GetObject", {"Bucket": bucket, "Key": location(place, dictionary)})
    try:
        answer: Response = yield Call(place, request)
    except (NotThere, Deleted, NoBucket):
        return {_DATA: None}
    size = answer["ContentLength"]
    if size > MOST_BYTES:
        yield Discard(answer["Body"])
        return {_DATA: b""}
    data: bytes | None = yield ReadBody(answer["Body"], size)
    return {_DATA: data or b""}


def _put(place: Place, driver: ThreadDriver, bucket: str, dictionary: str, data: bytes) -> Copy:
    """Put a copy there, and read it back."""
    try:
        driver.run(_written(place.as_stored, bucket, dictionary, data))
    except (BotoCoreError, ClientError) as error:
        return Copy(dictionary, place.backend, bucket, None, str(error))
    copy, _ = _looked_at(place, driver, bucket, dictionary)
    return replace(copy, repaired=copy.state == "ok")


def _written(place: Place, bucket: str, dictionary: str, data: bytes) -> Flow:
    params = {"Bucket": bucket, "Key": location(place, dictionary), "Body": data}
    answer: Response = yield Call(place, Request("PutObject", params | {"ContentType": "application/octet-stream"}))
    return answer
