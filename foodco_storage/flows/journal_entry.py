"""What the journal holds of an unfinished write."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A key whose two sides may differ.

    Args:
        route: the route's name in the configuration.
        identity: which stores and buckets that route joins: the same name may mean other stores in another configuration.
        bucket: as callers say it.
        key: the object's key.
        tags: whether its tags may differ although the object is the same.
    """

    route: str
    identity: str
    bucket: str
    key: str
    tags: bool = False
