"""Collecting tombstones that nothing needs any more (DESIGN 6, rule 3)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from foodco_storage.flows.effects import Able, Call
from foodco_storage.flows.outcomes import BackendError, Deleted, NotThere, Rejected
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.front.scopes import Scope
from foodco_storage.front.standalone import Standalone, server_date
from foodco_storage.layers.sight import Found, find
from foodco_storage.tombstones.refusal import TombstonesRefusedError
from foodco_storage.tombstones.survey import Tombstone, tombstones_of

GRACE_SECONDS: Final = 7 * 24 * 3600.0
"""Longer than any promote, mirror or reconcile step may take."""

Fate: TypeAlias = Literal["collected", "too young", "held by the source", "written over", "gone", "left as a version"]
"""What became of a tombstone.

* `collected`: it is gone, and nothing shows.
* `too young`: it stays, for something that began before the delete may still be on its way.
* `held by the source`: it stays, for the source's object would show again.
* `written over`: somebody has written the key.
* `gone`: somebody else has collected it.
* `left as a version`: the bucket is versioned: it was deleted and takes its room still, as an old version.
"""

_LACKING: Final = MappingProxyType(
    {
        "delete_if_match": "can't delete under a condition",
        "delete_race_safe": "may lose a write that races with a conditional delete",
    }
)
_PRECONDITION_FAILED: Final = 412


@dataclass(frozen=True, slots=True)
class Collected:
    """A tombstone that was looked at."""

    tombstone: Tombstone
    fate: Fate


class Collection:
    """Collects the tombstones of one bucket of a route.

    Args:
        route: an opened one.
        scope: the bucket.
        grace_seconds: younger ones stay.
        no_writers: the operator's word that nobody writes the bucket now.
    """

    def __init__(self, route: Standalone, scope: Scope, grace_seconds: float, *, no_writers: bool) -> None:
        self._route = route
        self._scope = scope
        self._grace = dt.timedelta(seconds=grace_seconds)
        self._conditional = self._check(no_writers=no_writers)
        self._asked: set[str] = set()
        """Keys whose delete was sent, and not answered yet."""

    def _check(self, *, no_writers: bool) -> bool:
        """Whether to delete under a condition.

        Raises:
            TombstonesRefusedError: a write could be lost, or something deleted could come back.
        """
        able = self._route.driver.run(_abilities(self._route, self._scope.bucket))
        lacks = next((name for name in _LACKING if not able[name]), None)
        if lacks is None:
            return True
        phase, name, primary = self._route.route.phase, self._route.route.name, self._route.primary.backend
        why = (
            f"{primary!r} {_LACKING[lacks]} (the capability {lacks} is false, or not known; `foodco-storage doctor --probe` "
            "finds out)"
        )
        if phase in {"cutover", "drain"}:
            raise TombstonesRefusedError(
                f"route {name!r} takes writes in phase {phase!r}, and {why}: its tombstones stay until the phase 'target'"
            )
        if not no_writers:
            raise TombstonesRefusedError(
                f"{why}: make sure that nobody writes bucket {self._scope.bucket!r} while tombstones are collected, and say "
                "so by --no-writers"
            )
        return bool(able["delete_if_match"])

    def __iter__(self) -> Iterator[Collected]:
        """Collect; what became of each, as it does.

        Raises:
            TombstonesRefusedError: the primary does not tell the time.
            PhaseMovedError: the phase was moved meanwhile.
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: a store can't be asked. What was collected
                until then is, the rest stays: run it again.
        """
        for page in tombstones_of(self._route, self._scope):
            old = []
            for one in page:
                if one.age_seconds is None:
                    raise TombstonesRefusedError(
                        f"{self._route.primary.backend!r} does not tell the time: nobody knows how old its tombstones are"
                    )
                if one.age_seconds < self._grace.total_seconds():
                    yield Collected(one, "too young")
                else:
                    old.append(one)
            if old:
                yield from self._collected(old)

    def _collected(self, old: Sequence[Tombstone]) -> Iterator[Collected]:
        with self._route.changing("tombstones --collect"):
            results = self._route.gather([partial(self._collect, one) for one in old])
        failure: Exception | None = None
        for one, result in zip(old, results, strict=True):
            if isinstance(result, Exception):
                failure = failure or (result.error if isinstance(result, BackendError) else result)
            else:
                yield Collected(one, result[_FATE])
        if failure is not None:
            raise failure

    def _collect(self, tombstone: Tombstone) -> Flow:
        which = {"Bucket": tombstone.bucket, "Key": tombstone.key}
        fate: Fate = yield from self._attempt(which)
        if fate == "gone" and tombstone.key in self._asked:
            # By the request whose answer was lost.
            fate = "collected"
        self._asked.discard(tombstone.key)
        return {_FATE: fate}

    def _attempt(self, which: dict[str, Any]) -> Any:
        """Look once more, at the primary first: what is seen in the source after it is no older."""
        head = Request("HeadObject", which)
        found: Found | None = yield from find([self._route.primary], head)
        if found is None or (found.is_deleted and not found.head):
            return "gone"
        if not found.is_deleted:
            return "written over"
        now = server_date(found.head)
        if now is None or now - found.head["LastModified"] < self._grace:
            # It was deleted again since the listing.
            return "too young"
        if self._route.source is not None:
            held: Found | None = yield from find([self._route.source], head)
            if held is not None and not held.is_deleted:
                return "held by the source"
        return (yield from self._delete(which, found.head["ETag"]))

    def _delete(self, which: dict[str, Any], etag: str) -> Any:
        condition = {"IfMatch": etag} if self._conditional else {}
        delete = Request("DeleteObject", {**which, **condition})
        self._asked.add(which["Key"])
        try:
            answer: Response = yield Call(self._route.primary, delete, once=self._conditional)
        except (NotThere, Deleted):
            return "gone"
        except Rejected as error:
            if error.status != _PRECONDITION_FAILED:
                raise
            return "written over"
        return "left as a version" if answer.get("DeleteMarker") else "collected"


_FATE: Final = "fate"


def _abilities(route: Standalone, bucket: str) -> Flow:
    able = {}
    for name in _LACKING:
        able[name] = yield Able(route.primary, bucket, name)
    return able
