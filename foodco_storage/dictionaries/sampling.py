"""Objects to train on: some of those that a route holds, the same ones each time."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from foodco_storage.drivers.threads import ThreadDriver
from foodco_storage.flows.compression_effects import DICTIONARY_FOR_BYTES
from foodco_storage.flows.effects import Call, Gather, ReadBody
from foodco_storage.flows.marks import CODEC, is_tombstone, mark
from foodco_storage.flows.outcomes import BackendError, NoBucket
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.front.scopes import Scope
from foodco_storage.layers.compressible import has_excluded_ending

LISTED: Final = 200_000
"""So many keys of a bucket are looked at; a larger one is judged by its beginning."""

MOST_BYTES: Final = 256 * 1024 * 1024
"""Of all samples together."""

_AT_ONCE: Final = 100
_FOUND: Final = "found"


class Sample(NamedTuple):
    """What was read.

    Args:
        listed: how many keys were looked at.
        bodies: the objects' contents, in the order of their keys.
        unread: how many could not be read.
        why: of one of them.
    """

    listed: int
    bodies: list[bytes]
    unread: int = 0
    why: str = ""


class _Candidate(NamedTuple):
    place: Place
    bucket: str
    key: str


def sampled(
    places: Sequence[Place],
    driver: ThreadDriver,
    scopes: Sequence[Scope],
    *,
    prefix: str | None,
    most: int,
    smallest: int,
) -> Sample:
    """Objects of a route of a size that dictionaries are for, from whoever holds them.

    Args:
        places: of the route, the primary first.
        driver: over them.
        scopes: buckets, and the keys in them that are the route's.
        prefix: only keys that start with it.
        most: so many objects.
        smallest: smaller ones are not compressed.
    """
    chance = random.Random(0)  # noqa: S311 - the same objects each time, so that a result can be had again
    chosen: list[_Candidate] = []
    seen: set[tuple[str, str]] = set()
    for candidate in _candidates(places, driver, scopes, prefix, smallest):
        if (candidate.bucket, candidate.key) in seen:
            continue
        seen.add((candidate.bucket, candidate.key))
        if len(chosen) < most:
            chosen.append(candidate)
        elif (number := chance.randrange(len(seen))) < most:
            chosen[number] = candidate
    chosen.sort(key=lambda one: (one.bucket, one.key))
    bodies: list[bytes] = []
    size = unread = 0
    why = ""
    for start in range(0, len(chosen), _AT_ONCE):
        for body in _read(driver, chosen[start : start + _AT_ONCE]):
            if isinstance(body, Exception):
                unread += 1
                why = str(body.error if isinstance(body, BackendError) else body)
            elif body is not None and smallest <= len(body) <= DICTIONARY_FOR_BYTES and size < MOST_BYTES:
                bodies.append(body)
                size += len(body)
    return Sample(len(seen), bodies, unread, why)


def _candidates(
    places: Sequence[Place], driver: ThreadDriver, scopes: Sequence[Scope], prefix: str | None, smallest: int
) -> Iterator[_Candidate]:
    for scope in scopes:
        within = prefix if prefix is not None and prefix.startswith(scope.prefix) else scope.prefix
        for number, place in enumerate(places):
            try:
                for item in _listed(place, driver, scope.bucket, within):
                    key = item["Key"]
                    # What lies compressed is smaller than it is; what is too small then is found out when it is read.
                    may_do = item["Size"] <= DICTIONARY_FOR_BYTES and (number == 0 or item["Size"] >= smallest)
                    if scope.holds(key) and key.startswith(prefix or "") and may_do and not has_excluded_ending(key):
                        yield _Candidate(place, scope.bucket, key)
            except NoBucket as failure:
                if number == 0:
                    raise failure.error from failure
            except BackendError as failure:
                raise failure.error from failure


def _listed(place: Place, driver: ThreadDriver, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    request, listed = Request("ListObjectsV2", {"Bucket": bucket, "Prefix": prefix}), 0
    while listed < LISTED:
        page = driver.carry_out(_sent(place.as_stored, request))
        items = page.get("Contents", [])
        listed += len(items)
        yield from items
        token = page.get("NextContinuationToken")
        if not page.get("IsTruncated") or not token:
            return
        request = request.with_params(ContinuationToken=token)


def _sent(place: Place, request: Request) -> Flow:
    answer: Response = yield Call(place, request)
    return answer


def _read(driver: ThreadDriver, candidates: Sequence[_Candidate]) -> list[bytes | Exception | None]:
    flows = [partial(_body, one) for one in candidates]
    results: list[Any] = driver.run(_gathered([make() for make in flows]))[_FOUND]
    # One that is gone, or may not be read, is one less.
    return [result if isinstance(result, Exception) else result[_FOUND] for result in results]


def _gathered(flows: Sequence[Flow]) -> Flow:
    return {_FOUND: (yield Gather(flows))}


def _body(candidate: _Candidate) -> Flow:
    params = {"Bucket": candidate.bucket, "Key": candidate.key}
    answer: Response = yield Call(candidate.place, Request("GetObject", params))
    size = answer["ContentLength"]
    if size > DICTIONARY_FOR_BYTES or is_tombstone(answer) or mark(answer, CODEC) is not None:
        answer["Body"].close()
        return {_FOUND: None}
    data: bytes | None = yield ReadBody(answer["Body"], size)
    return {_FOUND: data}
