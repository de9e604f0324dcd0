"""A route as the layers see it: the configuration's names resolved to places, its phase applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from foodco_storage.flows.effects import Gate
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.flows.place import RESERVED_PREFIX, Place
from foodco_storage.layers.compressible import Compressing

NO_PHASES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Mirroring:
    """How the side that is not the authority follows.

    Args:
        mode: `sync`, before the write is acknowledged; `async`, after it; `off`, not at all.
        required: whether a write that could not be mirrored is an error, although the authority has taken it.
    """

    mode: str = "sync"
    required: bool = False


@dataclass(frozen=True, slots=True)
class Promoting:
    """How what only the source holds is copied to the primary when it is read.

    Args:
        enabled: whether it is.
        background: let readers go on at once.
        max_object_bytes: larger objects stay.
        deadline_seconds: work that can't be begun until then is dropped.
    """

    enabled: bool = True
    background: bool = True
    max_object_bytes: int = 5 * 1024**3
    deadline_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Caching:
    """How reads of a route are cached.

    Args:
        block_bytes: objects up to here are kept whole, larger ones in blocks of that.
        max_object_bytes: larger objects are kept by the parts that are asked for alone, and a part no larger than that.
        ttl_seconds: how long an object is answered without asking.
        stale_if_error: whether to answer with what is kept, though too old, when no store can be asked.
    """

    block_bytes: int
    max_object_bytes: int
    ttl_seconds: float
    stale_if_error: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """Where the objects of some buckets, or of a prefix in them, lie.

    Args:
        name: the route's name in the configuration.
        authority: who decides what a key holds: asked first, and written.
        fallbacks: who is asked when the authority does not hold a key, in order.
        prefix: the keys that the route speaks for start with it.
        reserved_prefix: where the primary holds the library's own objects.
        read_when_primary_down: whether reads fall back from an authority that could not answer.
        presign: who a presigned GET is signed for: "authority", or the "holder" of the object.
        phase: where the migration stands; None for a route that does not migrate.
        other: the side that follows the authority's writes, or loses what it deletes; None where nothing follows.
        mirroring: how it follows.
        promoting: how objects come over when they are read.
        identity: which stores and buckets the route joins, whatever it is called.
        caching: how its reads are cached; None where they are not.
        compressing: how objects of its places may be compressed; None where nobody looks.
        gate: lets writes through while the phase stands still; None where the configuration says the phase.
    """

    name: str
    authority: Place
    fallbacks: tuple[Place, ...] = ()
    prefix: str = ""
    reserved_prefix: str = RESERVED_PREFIX
    read_when_primary_down: bool = False
    presign: str = "authority"
    phase: str | None = None
    other: Place | None = None
    mirroring: Mirroring = field(default_factory=Mirroring)
    promoting: Promoting = field(default_factory=Promoting)
    identity: str = ""
    caching: Caching | None = None
    compressing: Compressing | None = None
    gate: Gate | None = field(default=None, compare=False)

    @property
    def places(self) -> tuple[Place, ...]:
        """Everyone that a read asks, in order.

        In drain the authority once more at the end: a key can move between the first two looks (DESIGN 6, rule 4).
        """
        again = (self.authority,) if self.phase == "drain" else ()
        return (self.authority, *self.fallbacks, *again)

    def names(self, bucket: str) -> set[str]:
        """What the places of the route call a bucket."""
        places = (self.authority, *self.fallbacks, *(() if self.other is None else (self.other,)))
        return {place.bucket(bucket) for place in places}

    @property
    def marks_deletes(self) -> bool:
        """Whether a delete leaves a tombstone on the authority, since a fallback may hold the key."""
        return self.phase in {"cutover", "drain"}

    @property
    def may_hold_marks(self) -> bool:
        """Whether the library may have left its marks on what the authority holds."""
        return self.phase is not None

    @property
    def may_hold_tombstones(self) -> bool:
        """Whether keys of the authority may be tombstones."""
        return self.phase in {"cutover", "drain", "target"}

    @property
    def mirrors_writes(self) -> bool:
        """Whether the other side follows what is written."""
        return self.phase in {"backfill", "cutover"} and self.mirroring.mode != "off"

    @property
    def mirrors_deletes(self) -> bool:
        """Whether the other side follows what is deleted; in drain that is all it follows."""
        return self.mirrors_writes or self.phase == "drain"

    def now(self, phases: Mapping[str, str] = NO_PHASES) -> Route:
        """The route as it is now."""
        return self

    def entry(self, params: dict[str, Any], *, tags: bool = False) -> Entry:
        """The journal's entry for the key that a request is about."""
        # What botocore sends of a member of an enumeration are its characters, whatever `str()` makes of it.
        return Entry(self.name, self.identity, str.__str__(params["Bucket"]), str.__str__(params["Key"]), tags)


@dataclass(frozen=True, slots=True)
class Moving:
    """A route whose phase moves while it is in use.

    Args:
        name: the route's name in the configuration.
        prefix: the keys that the route speaks for start with it.
        phases: the route as it is in each phase.
        gate: tells the phase.
    """

    name: str
    prefix: str
    phases: Mapping[str, Route]
    gate: Gate = field(compare=False)

    def now(self, phases: Mapping[str, str] = NO_PHASES) -> Route:
        """The route as it is now.

        Args:
            phases: by names of routes, the phases that an operation under way holds on to.

        Raises:
            botocore.exceptions.ClientError: nobody can say which phase it is in.
        """
        return self.phases[phases.get(self.name) or self.gate.phase]
