"""A place: one backend as one route sees it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

RESERVED_PREFIX = ".foodco-storage/"
"""Where the library keeps its own objects, unless the configuration names another place."""


class Translation(Protocol):
    """Translates between the objects of users and what lies in a place."""

    @property
    def operations(self) -> Collection[str]:
        """The operations that it has to do with, by botocore's names."""

    def call(self, effect: Any) -> Any:
        """The flow that carries out a `Call` to the place, by calls to the place as it is stored."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a route's objects lie: a backend, and what that backend calls the route's bucket.

    Args:
        backend: the backend's name in the configuration.
        buckets: what callers call a bucket, and what this backend calls it, where that differs.
        reserved_prefix: where the library's own objects lie in the bucket.
        translation: between users' objects and what lies there; None where they are the same.
    """

    backend: str
    buckets: Mapping[str, str] = field(default_factory=dict, hash=False)
    reserved_prefix: str = RESERVED_PREFIX
    translation: Translation | None = field(default=None, compare=False)

    @property
    def as_stored(self) -> Place:
        """The same place, its objects as they lie there."""
        return self if self.translation is None else replace(self, translation=None)

    def translates(self, operation: str) -> bool:
        """Whether an operation on users' objects is another one on what lies there."""
        return self.translation is not None and operation in self.translation.operations

    def bucket(self, name: str) -> str:
        """What this backend calls the bucket that callers call `name`."""
        return self.buckets.get(name, name)
