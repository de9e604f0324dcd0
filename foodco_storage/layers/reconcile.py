"""Bringing the other side up to date with the authority: a reconciliation, not a replay of bodies (DESIGN 6, rule 5).

Look at the authority; bring what it holds to the other side; look again; until what was brought is what the authority still
holds. Only then is the entry in the journal settled.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from botocore.exceptions import BotoCoreError

from foodco_storage.flows.effects import Call, Settle, Tell
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.flows.marks import tombstone
from foodco_storage.flows.outcomes import Deleted, NotThere, Rejected, Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Parameters, Request
from foodco_storage.layers.carried import tag_set
from foodco_storage.layers.object_copy import copy
from foodco_storage.layers.route import Route
from foodco_storage.layers.sameness import same, unchanged
from foodco_storage.layers.sight import Found, find

_PRECONDITION_FAILED = 412

ROUNDS = 8
"""A key that is written more often than it can be copied is left to a quieter time."""


class KeepsChangingError(BotoCoreError):  # type: ignore[misc] # botocore is untyped
    """The authority's object changed every time that it had been copied."""

    fmt = "{bucket}/{key} was overwritten each of the {rounds} times that it was being mirrored"


class Reconcile:
    """Brings keys of one route up to date on the side that is not the authority.

    Args:
        route: in a phase in which writes are mirrored.
    """

    def __init__(self, route: Route) -> None:
        if route.other is None:
            raise ValueError(f"{route.name}: nothing is mirrored in phase {route.phase!r}")
        self._authority = route.authority
        self._other = route.other
        self._route = route

    def settled(self, entry: Entry, number: int, since: float | None = None) -> Flow:
        """Reconcile a key, and settle its entry.

        Args:
            entry: the entry.
            number: its number.
            since: when it was entered, in seconds since the epoch; None where nobody knows.

        Raises:
            BackendError: a side could not be asked or written; the entry stays.
        """
        yield from self.key({"Bucket": entry.bucket, "Key": entry.key}, tags=entry.tags)
        yield Settle([number])
        which = {"Bucket": entry.bucket, "Key": entry.key}
        yield Tell("mirror", "done", self._route.name, which, since=since)
        return {}

    def key(self, which: Parameters, *, tags: bool = False) -> Flow:
        """Reconcile a key; returns when both sides were seen to agree on one state of the authority.

        Args:
            which: bucket and key, as callers say them.
            tags: also compare the tags of an object that is the same otherwise.
        """
        head = Request("HeadObject", which)
        seen = yield from find([self._authority], head)
        for _ in range(ROUNDS):
            try:
                brought = yield from self._bring(which, seen, tags=tags)
            except (NotThere, Deleted, Rejected) as error:
                # Deleted, or written over, between the look and the copy.
                is_gone = not isinstance(error, Rejected) or error.status == _PRECONDITION_FAILED
                if not is_gone or error.backend != self._authority.backend:
                    raise
                seen = yield from find([self._authority], head)
                continue
            again = yield from find([self._authority], head)
            if unchanged(brought, again):
                return {}
            # What changed may be the tags alone.
            seen, tags = again, True
        raise Unavailable(
            self._authority.backend, KeepsChangingError(bucket=which["Bucket"], key=which["Key"], rounds=ROUNDS)
        )

    def _bring(self, which: Parameters, seen: Found | None, *, tags: bool) -> Generator[Any, Any, Found | None]:
        """Make the other side like what was seen; returns what was brought, which may be newer."""
        if seen is None or seen.is_deleted:
            yield from self._bring_absence(which, seen)
            return seen
        if self._route.phase == "drain":
            # The source only loses objects now.
            return seen
        there = yield from find([self._other], Request("HeadObject", which))
        if there is None or there.is_deleted or not same(seen, there):
            return Found(seen.place, (yield from copy(self._authority, self._other, which, seen.head)))
        if tags:
            yield from self._bring_tags(which)
        return seen

    def _bring_absence(self, which: Parameters, seen: Found | None) -> Generator[Any, Any, None]:
        if self._route.marks_deletes:
            # The primary is the authority: what it does not know of is never taken for a delete, a tombstone is.
            if seen is not None:
                yield from delete_plainly(self._other, which)
            return
        there = yield from find([self._other], Request("HeadObject", which))
        if there is None or not there.is_deleted:
            yield Call(self._other, tombstone(which["Bucket"], which["Key"]))

    def _bring_tags(self, which: Parameters) -> Generator[Any, Any, None]:
        """Until the tags that were brought are those that the authority has."""
        for _ in range(ROUNDS):
            ours = yield from tag_set(self._authority, which)
            theirs = yield from tag_set(self._other, which)
            if ours == theirs:
                return
            tags = {"TagSet": [{"Key": key, "Value": value} for key, value in ours]}
            yield Call(self._other, Request("PutObjectTagging", {**which, "Tagging": tags}))
        raise Unavailable(
            self._authority.backend, KeepsChangingError(bucket=which["Bucket"], key=which["Key"], rounds=ROUNDS)
        )


def delete_plainly(place: Place, which: Parameters) -> Generator[Any, Any, None]:
    """Delete a key that a tombstone on the other side keeps deleted; it may be gone already."""
    try:
        yield Call(place, Request("DeleteObject", which))
    except (NotThere, Deleted):
        return
