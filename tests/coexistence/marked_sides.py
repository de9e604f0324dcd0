"""What must be equal of two stores that hold the library's marks, and the emptying of a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from immutable_stores import BUCKET, KEY, PRIMARY, SOURCE
from users import EqualSides, shown

from foodco_storage.backends.memory import Stored
from foodco_storage.flows.effects import Call
from foodco_storage.flows.marks import TOMBSTONE, has_marks
from foodco_storage.flows.outcomes import NotThere, Rejected
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request
from foodco_storage.layers.sameness import same
from foodco_storage.layers.sight import find


def is_tombstone(stored: Stored) -> bool:
    return TOMBSTONE in stored.described.get("Metadata", {})


def shown_to_users(stored: Stored) -> Any:
    data, described, tags = shown(stored)
    metadata = {name: value for name, value in described.get("Metadata", {}).items() if not has_marks([name])}
    return data, described | {"Metadata": metadata}, tags


EQUAL = EqualSides(is_tombstone, shown_to_users)
"""The source holds what the primary holds, and nothing where that has a tombstone."""


def source_follows(primary: Mapping[str, Stored], source: Mapping[str, Stored]) -> bool:
    """The primary holds what the source holds, or else nothing that a reader would take for an object."""
    for key in primary.keys() | source.keys():
        ours, theirs = primary.get(key), source.get(key)
        if theirs is None:
            if ours is not None and not is_tombstone(ours):
                return False
        elif ours is not None and (is_tombstone(ours) or shown_to_users(ours) != shown_to_users(theirs)):
            return False
    return True


def source_is_emptied_with_proof() -> Flow:
    """Rule 7: a key leaves the source only where the primary has the same, and only as it was seen."""
    head = Request("HeadObject", {"Bucket": BUCKET, "Key": KEY})
    ours = yield from find([Place(PRIMARY)], head)
    theirs = yield from find([Place(SOURCE)], head)
    if ours is not None and theirs is not None and not ours.is_deleted and same(ours, theirs):
        yield from _delete(IfMatch=theirs.head["ETag"])
    return {}


def source_is_emptied_blindly() -> Flow:
    """The same without the proof."""
    theirs = yield from find([Place(SOURCE)], Request("HeadObject", {"Bucket": BUCKET, "Key": KEY}))
    if theirs is not None:
        yield from _delete()
    return {}


def _delete(**condition: Any) -> Flow:
    try:
        yield Call(Place(SOURCE), Request("DeleteObject", {"Bucket": BUCKET, "Key": KEY, **condition}))
    except (NotThere, Rejected):
        return {}
    return {}
