"""A place: one backend as one route sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

RESERVED_PREFIX = ".foodco-storage/"
"""Where the library keeps its own objects, unless the configuration names another place."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a route's objects lie: a backend, and what that backend calls the route's bucket.

    Args:
        backend: the backend's name in the configuration.
        buckets: what callers call a bucket, and what this backend calls it, where that differs.
        reserved_prefix: where the library's own objects lie in the bucket.
    """

    backend: str
    buckets: Mapping[str, str] = field(default_factory=dict, hash=False)
    reserved_prefix: str = RESERVED_PREFIX

    def bucket(self, name: str) -> str:
        """What this backend calls the bucket that callers call `name`."""
        return self.buckets.get(name, name)
