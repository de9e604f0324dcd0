"""Looking at keys on both sides, where listings can't tell or tell of something wrong."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ParamValidationError

from foodco_storage.flows.effects import Pause, sent
from foodco_storage.flows.outcomes import BackendError, Deleted, NotThere, Rejected
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.front.standalone import Standalone, server_date
from foodco_storage.layers.carried import tag_set
from foodco_storage.layers.sameness import recorded_md5
from foodco_storage.layers.sight import Found, find
from foodco_storage.verify.comparison import compare, md5_of
from foodco_storage.verify.difference import Kind
from foodco_storage.verify.expected import Expected, State

SETTLED_SECONDS: Final = 60.0
"""What the deciding side has held for so long is no write under way: one look is enough."""

PAUSE_SECONDS = 1.0
"""Between the two looks at a key that may be being written."""

_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at a key found.

    Args:
        kind: how the two sides differ; None where they agree.
        detail: what was seen.
        is_settled: whether the side that decides has been so for long enough that nothing is under way.
        size: bytes of the object on that side; None where it holds none.
    """

    kind: Kind | None
    detail: str = ""
    is_settled: bool = True
    size: int | None = None


class Looks:
    """Looks at keys of one bucket.

    Args:
        route: an opened one.
        expected: what counts as a difference.
        bucket: as callers say it.
        deep: whether tags are compared too.
        reads: whether content is read where nothing else can tell.
    """

    def __init__(self, route: Standalone, expected: Expected, bucket: str, *, deep: bool, reads: bool) -> None:
        assert route.source is not None  # noqa: S101 - for mypy
        self._route = route
        self._primary, self._source = route.primary, route.source
        self._expected = expected
        self._bucket = bucket
        self._deep = deep
        self._reads = reads

    def certain(self, keys: Sequence[str]) -> dict[str, Seen]:
        """Look at keys, and once more at those that differ and may be being written."""
        seen = self.at(keys)
        moving = [key for key in keys if seen[key].kind is not None and not seen[key].is_settled]
        if moving:
            self._route.driver.run(_pause())
            seen |= self.at(moving)
        unproven = [key for key in keys if self._reads and seen[key].kind == "unproven"]
        seen |= self._read(unproven)
        if self._deep:
            seen |= self._tags([key for key in unproven if seen[key].kind is None])
        return seen

    def at(self, keys: Sequence[str]) -> dict[str, Seen]:
        """Look at keys once.

        Raises:
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: a store can't be asked.
        """
        found = self._gathered(
            [partial(_look, place, self._which(key)) for key in keys for place in (self._primary, self._source)]
        )
        sides = dict(zip(keys, zip(found[::2], found[1::2], strict=True), strict=True))
        seen = {key: self._judged(*sides[key]) for key in keys}
        if self._deep:
            # That agree, and not in holding nothing.
            alike = [key for key in keys if seen[key].kind is None and _state(sides[key][0][_FOUND]) == "object"]
            seen |= self._tags(alike)
            # Of what lies compressed no ETag tells whether it is still what was written.
            compressed = [key for key in alike if any(recorded_md5(found[_FOUND].head) for found in sides[key])]
            seen |= self._read([key for key in compressed if seen[key].kind is None])
        return seen

    def _judged(self, primary: Any, source: Any) -> Seen:
        for place, result in ((self._primary, primary), (self._source, source)):
            if isinstance(result, Exception):
                return Seen("unreadable", f"{place.backend!r}: {_why(result)}")
        here, there = primary[_FOUND], source[_FOUND]
        kind = self._expected.kind(_state(here), _state(there))
        detail = ""
        if kind == "differs":
            comparison = compare(here, there)
            detail = comparison.detail
            if comparison.is_same:
                kind = None
            elif comparison.content is None and not detail:
                kind, detail = "unproven", "their ETags can't be compared"
        elif kind is not None:
            detail = self._who_holds(here, there)
        decides = here if self._expected.primary_decides else there
        size = decides.head["ContentLength"] if decides is not None and not decides.is_deleted else None
        return Seen(kind, detail, _is_settled(decides), size)

    def _who_holds(self, here: Found | None, there: Found | None) -> str:
        holder, lacks = (self._primary, self._source) if _state(here) == "object" else (self._source, self._primary)
        deleted = any(found is not None and found.is_deleted for found in (here, there))
        return f"{holder.backend!r} holds it, {lacks.backend!r} " + (
            "says that it was deleted" if deleted else "does not"
        )

    def _tags(self, keys: Sequence[str]) -> dict[str, Seen]:
        """Compare the tags of keys that are the same otherwise."""
        both = [partial(_tag_sets, self._primary, self._source, self._which(key)) for key in keys]
        # Nothing tells when tags were changed.
        differ = Seen("differs", "other tags", is_settled=False)
        return self._each(keys, both, differ, "tags")

    def _read(self, keys: Sequence[str]) -> dict[str, Seen]:
        """Compare contents."""
        both = [partial(_contents, self._primary, self._source, self._which(key)) for key in keys]
        return self._each(keys, both, Seen("differs", "other content"), "content")

    def _each(
        self, keys: Sequence[str], flows: Sequence[Callable[[], Flow]], differ: Seen, what: str
    ) -> dict[str, Seen]:
        seen = {}
        for key, result in zip(keys, self._gathered(flows), strict=True):
            if isinstance(result, NotThere | Deleted):
                seen[key] = Seen("differs", "it was deleted meanwhile", is_settled=False)
            elif isinstance(result, Exception):
                seen[key] = Seen("unreadable", f"its {what}: {_why(result)}")
            else:
                seen[key] = differ if result[_DIFFER] else Seen(None)
        return seen

    def _gathered(self, flows: Sequence[Callable[[], Flow]]) -> Sequence[Any]:
        """What several flows came to; what a store refuses for one key is told of that key, anything else ends the run."""
        results = self._route.gather(flows)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, _OF_ONE_KEY):
                raise result.error if isinstance(result, BackendError) else result
        return results

    def _which(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": key}


_OF_ONE_KEY: Final = (NotThere, Deleted, Rejected, ParamValidationError)
_FOUND: Final = "found"
_DIFFER: Final = "differ"


def _pause() -> Flow:
    yield Pause(PAUSE_SECONDS)
    return {}


def _look(place: Place, which: dict[str, Any]) -> Flow:
    return {_FOUND: (yield from find([place], Request("HeadObject", which)))}


def _tag_sets(primary: Place, source: Place, which: dict[str, Any]) -> Flow:
    ours = yield from tag_set(primary, which)
    theirs = yield from tag_set(source, which)
    return {_DIFFER: ours != theirs}


def _contents(primary: Place, source: Place, which: dict[str, Any]) -> Flow:
    ours = yield from _md5(primary, which)
    theirs = yield from _md5(source, which)
    return {_DIFFER: ours != theirs}


def _md5(place: Place, which: dict[str, Any]) -> Any:
    """The MD5 of what a place holds, read only where the ETag does not tell it."""
    head: Response = yield from sent(place, Request("HeadObject", which))
    known = md5_of(head)
    if known is not None and recorded_md5(head) is None:
        return known
    answer: Response = yield from sent(place, Request("GetObject", which))
    return _digest(place, answer["Body"])


def _digest(place: Place, body: Any) -> str:
    """Read a body and forget it: spooling a large one would cost its size in disk."""
    digest = hashlib.md5(usedforsecurity=False)
    try:
        while chunk := body.read(_CHUNK_BYTES):
            digest.update(chunk)
    except (BotoCoreError, OSError) as error:
        raise Rejected(place.backend, error) from error
    finally:
        body.close()
    return digest.hexdigest()


def _state(found: Found | None) -> State:
    if found is None:
        return "absent"
    return "tombstone" if found.is_deleted else "object"


def _is_settled(found: Found | None) -> bool:
    """Whether what a place holds has been there for a while; what it does not hold may just have been deleted."""
    if found is None or "LastModified" not in found.head:
        return False
    now = server_date(found.head)
    return now is not None and now - found.head["LastModified"] > dt.timedelta(seconds=SETTLED_SECONDS)


def _why(error: Any) -> str:
    return str(error.error if isinstance(error, BackendError) else error)
