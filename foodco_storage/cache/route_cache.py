"""The cache of one route in one scope: both levels, and what is true of an entry whatever level holds it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from cachetools import LRUCache

from foodco_storage.cache.flights import Flights
from foodco_storage.cache.generations import Generations, seed_of, slots_of
from foodco_storage.cache.memory import HEAD, Memory, block, first
from foodco_storage.flows.cached import Head, Looked

if TYPE_CHECKING:
    # Needs the extra.
    from foodco_storage.cache.disk import Disk

MAX_MISSING: Final = 10_000
"""Keys that are remembered not to be there."""

MAX_UNKEPT: Final = 1000
"""Things that are remembered not to be kept."""


CLOCK: Final[Callable[[], float]] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)
"""Seconds; goes on while the machine sleeps, where there is such a clock."""


class Recent:
    """What was found out of late, and is forgotten before it takes much room.

    Args:
        most: things to remember.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.after_fork()

    def after_fork(self) -> None:
        """Begin with nothing; in a forked child, too: another thread of the parent may have been in the midst of a change."""
        self._lock = threading.Lock()
        self._known: LRUCache[tuple[str, ...], Any] = LRUCache(self._most)

    def get(self, *name: str) -> Any:
        """What was put; None where nothing is known."""
        with self._lock:
            return self._known.get(name)

    def put(self, *name: str, value: Any = True) -> None:
        """Remember something."""
        with self._lock:
            self._known[name] = value


class Hits:
    """Counts of reads that were answered."""

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self.memory = 0
        self.disk = 0
        self.saved_requests = 0
        self.saved_bytes = 0

    def add(self, level: str, size: int, *, asked: bool) -> None:
        """Count one.

        Args:
            level: that held it.
            size: bytes that no store had to send.
            asked: whether a store was asked all the same, whether they are good.
        """
        with self._lock:
            if level == "disk":
                self.disk += 1
            else:
                self.memory += 1
            self.saved_bytes += size
            if not asked:
                self.saved_requests += 1

    def after_fork(self) -> None:
        """In a forked child, which counts for itself."""
        self._renew()


@dataclass(frozen=True, slots=True)
class Levels:
    """What everything that is cached for a route shares, whoever it is cached for: so that bounds hold for all of it.

    Args:
        generations: tell what is out of date; those of the process, or of the host, for all routes.
        flights: keep many from asking for one thing.
        memory: the level in memory; None for none.
        disk: the level on disk; None for none.
        missing: answers for keys that are not there: generation, until when they are good, by operation.
        unkept: what was asked for, and not kept.
        hits: what was answered.
    """

    generations: Generations
    flights: Flights
    memory: Memory | None
    disk: Disk | None
    missing: Recent = field(default_factory=lambda: Recent(MAX_MISSING))
    unkept: Recent = field(default_factory=lambda: Recent(MAX_UNKEPT))
    hits: Hits = field(default_factory=Hits)

    def after_fork(self) -> None:
        """In a forked child: what is in memory goes, since another thread may have been changing it."""
        for one in (self.missing, self.unkept, self.hits, self.flights, self.memory, self.disk):
            if one is not None:
                one.after_fork()


class RouteCache:
    """What is kept for one route, in one scope.

    Args:
        levels: the route's.
        scope: who sees it: which stores are asked, as whom.
        names: of a bucket as callers say it, what the stores call it.
        ttl_seconds: how long an object is answered without asking.
        missing_ttl_seconds: how long "not there" is; 0 for never.
        not_before: seconds since 1970; what was asked for before is good when a store has confirmed it. A machine that lost
            its power may have lost the last writes' numbers as well.
        clock: seconds that only grow.
        wall: seconds since 1970.
    """

    def __init__(  # noqa: PLR0913 - the last two for tests
        self,
        levels: Levels,
        scope: str,
        names: Callable[[str], Iterable[str]],
        *,
        ttl_seconds: float,
        missing_ttl_seconds: float = 0.0,
        not_before: float = 0.0,
        clock: Callable[[], float] = CLOCK,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._generations = levels.generations
        self._flights = levels.flights
        self._memory = levels.memory
        self._disk = levels.disk
        self._missing = levels.missing
        self._hits = levels.hits
        self._scope = scope
        self._ttl_seconds = ttl_seconds
        self._missing_ttl_seconds = missing_ttl_seconds
        self._not_before = not_before
        self._unkept = levels.unkept
        self._clock = clock
        self._wall = wall
        # Buckets are few, but their names come from callers: bounded.
        self._seeds: Callable[[str], list[int]] = lru_cache(1024)(
            lambda bucket: [seed_of(name) for name in sorted(set(names(bucket)))]
        )

    def _generation(self, bucket: str, key: str) -> int:
        return self._generations.of(slots_of(self._seeds(bucket), key))

    def look(self, bucket: str, key: str) -> Looked:
        """What is known of a key: in memory, else on disk."""
        generation = self._generation(bucket, key)
        clock = self._clock()
        if self._memory is not None:
            found = self._memory.get((self._scope, bucket, key, HEAD))
            if found is not None and found.generation == generation:
                fresh = clock < found.fresh_until
                return Looked(generation, self._wall(), clock, found.head, "memory", fresh=fresh, data=found.data)
        return self._look_further(bucket, key, generation, clock)

    def _look_further(self, bucket: str, key: str, generation: int, clock: float) -> Looked:
        now = self._wall()
        if self._missing_ttl_seconds:
            missing = self._missing.get(self._scope, bucket, key)
            if missing is not None and missing[0] == generation and clock < missing[1]:
                return Looked(generation, now, clock, missing=missing[2])
        if self._disk is not None and (on_disk := self._disk.head(self._scope, bucket, key)) is not None:
            head, data, asked_at = on_disk
            if head.generation == generation:
                left = self._ttl_seconds - (now - asked_at) if self._not_before <= asked_at <= now else 0.0
                only = data if head.blocks == 1 else None
                self._remember(head, only, clock + left)
                return Looked(generation, now, clock, head, "disk", fresh=left > 0, data=only)
        return Looked(generation, now, clock)

    def _remember(self, head: Head, data: bytes | None, fresh_until: float) -> None:
        if self._memory is not None:
            self._memory.put((self._scope, head.bucket, head.key, HEAD), first(head, data, fresh_until))

    def _remember_block(self, head: Head, number: int, data: bytes) -> None:
        if self._memory is not None:
            self._memory.put((self._scope, head.bucket, head.key, number), block(head, data))

    def count_hit(self, looked: Looked, size: int = 0) -> None:
        """A read was answered, with so many bytes."""
        self._hits.add(looked.level, size, asked=looked.asked)

    def blocks(self, head: Head, first: int, last: int) -> list[bytes | None]:
        """Blocks of an object of several, as far as they are at hand."""
        return [self._block(head, number) for number in range(first, last + 1)]

    def _block(self, head: Head, number: int) -> bytes | None:
        if self._memory is not None:
            found = self._memory.get((self._scope, head.bucket, head.key, number))
            # The generation as well: what was spoilt while it was brought has the ETag of the object.
            if found is not None and (found.etag, found.generation) == (head.etag, head.generation):
                return found.data
        if self._disk is None or (data := self._disk.block(self._scope, head, number)) is None:
            return None
        self._remember_block(head, number, data)
        return data

    def keep(self, head: Head, blocks: Mapping[int, bytes], looked: Looked) -> None:
        """Keep what was asked for, unless its key was written since.

        Args:
            head: the object's.
            blocks: those that came; of an object of one block that one.
            looked: what was known before it was asked for.
        """
        if self._generation(head.bucket, head.key) != head.generation:
            return
        only = blocks[0] if head.blocks == 1 else None
        self._remember(head, only, looked.clock + self._ttl_seconds)
        if self._disk is not None:
            self._disk.put_head(self._scope, head, only or b"", looked.at)
        if head.blocks > 1:
            self.keep_blocks(head, blocks)

    def keep_blocks(self, head: Head, blocks: Mapping[int, bytes]) -> None:
        """Keep blocks of an object of several whose head is kept."""
        for number, data in blocks.items():
            self._remember_block(head, number, data)
            if self._disk is not None:
                self._disk.put_block(self._scope, head, number, data)

    def drop(self, bucket: str, key: str) -> None:
        """What is kept of a key is not what a store holds now.

        Its number stays: what a read is about to keep may be that.
        """
        if self._memory is not None:
            self._memory.drop((self._scope, bucket, key, HEAD))
        if self._disk is not None:
            self._disk.drop(self._scope, bucket, key)

    def spoil(self, head: Head) -> None:
        """What came of an object was not what a store holds: nothing of it is good, wherever it is kept."""
        self._generations.change(slots_of(self._seeds(head.bucket), head.key))

    def keep_missing(self, looked: Looked, bucket: str, key: str, operation: str, response: dict[str, Any]) -> None:
        """Keep the answer that a key is not there."""
        if self._missing_ttl_seconds:
            told = {**(looked.missing or {}), operation: response}
            until = looked.clock + self._missing_ttl_seconds
            self._missing.put(self._scope, bucket, key, value=(looked.generation, until, told))

    def renew(self, looked: Looked) -> None:
        """An object was found unchanged."""
        head = looked.head
        if head is None:
            return
        self._remember(head, looked.data, looked.clock + self._ttl_seconds)
        if self._disk is not None:
            self._disk.renew(self._scope, head, looked.at)

    def pass_on(self, bucket: str, topic: str) -> None:
        """Nothing of what was asked for is kept: nobody needs to wait for whoever asks for it."""
        self._unkept.put(self._scope, bucket, topic)

    @contextmanager
    def alone(self, bucket: str, topic: str) -> Iterator[None]:
        """Lead the asking for something, or wait until another has (`foodco_storage.cache.flights`)."""
        if self._ttl_seconds <= 0 or self._unkept.get(self._scope, bucket, topic):
            yield
            return
        with self._flights.alone(f"{self._scope}/{bucket}/{topic}"):
            yield
