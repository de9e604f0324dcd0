"""What callers call the buckets that records of a store are about."""

from __future__ import annotations

from collections.abc import Callable

from foodco_storage.errors import RecordsError

Naming = Callable[[str], str]
"""Tells what callers call a bucket, from what its store calls it."""


def naming_of(bucket: str | Naming | None, location: str) -> Naming:
    """What tells the names of buckets, as a caller has given it.

    Args:
        bucket: what tells it; or the name of the only bucket there is; or None where stores' names are callers'.
        location: of the records, for errors.
    """
    if callable(bucket):
        return bucket
    if bucket is None:
        return lambda name: name
    names: set[str] = set()

    def only(name: str) -> str:
        names.add(name)
        if len(names) > 1:
            listed = " and ".join(sorted(names))
            raise RecordsError(
                location,
                f"it has logs of several buckets ({listed}), and one name was given: read those of each by itself",
            )
        return bucket

    return only
