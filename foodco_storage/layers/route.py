"""A route as the layers see it: the configuration's names resolved to places."""

from __future__ import annotations

from dataclasses import dataclass

from foodco_storage.flows.place import RESERVED_PREFIX, Place


@dataclass(frozen=True, slots=True)
class Route:
    """Where the objects of some buckets, or of a prefix in them, lie.

    Args:
        name: the route's name in the configuration.
        primary: who is asked first, and written.
        fallbacks: who is asked when the primary does not hold a key, in order.
        prefix: the keys that the route speaks for start with it.
        reserved_prefix: where the primary holds the library's own objects.
        read_when_primary_down: whether reads fall back from a primary that could not answer.
        presign: who a presigned GET is signed for: "authority", or the "holder" of the object.
    """

    name: str
    primary: Place
    fallbacks: tuple[Place, ...] = ()
    prefix: str = ""
    reserved_prefix: str = RESERVED_PREFIX
    read_when_primary_down: bool = False
    presign: str = "authority"

    @property
    def places(self) -> tuple[Place, ...]:
        """Everyone that a read may ask, in order."""
        return (self.primary, *self.fallbacks)
