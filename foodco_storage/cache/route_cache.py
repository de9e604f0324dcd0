"""The cache of one route in one scope: both levels, and what is true of an entry whatever level holds it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from cachetools import LRUCache

from foodco_storage.cache.flights import Flights
from foodco_storage.cache.generations import Generations, seed_of, slots_of
from foodco_storage.cache.memory import HEAD, Memory, item
from foodco_storage.flows.cached import Head, Looked

if TYPE_CHECKING:
    # Needs the extra.
    from foodco_storage.cache.disk import Disk

MAX_MISSING: Final = 10_000
"""Keys that are remembered not to be there."""


class Missing:
    """Answers for keys that are not there; the last that were asked for."""

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._answers: LRUCache[tuple[str, str, str], tuple[int, float, dict[str, Any]]] = LRUCache(MAX_MISSING)

    def get(self, scope: str, bucket: str, key: str) -> tuple[int, float, dict[str, Any]] | None:
        """Generation, until when they are good, and the answers by operation."""
        with self._lock:
            return self._answers.get((scope, bucket, key))

    def put(self, scope: str, bucket: str, key: str, known: tuple[int, float, dict[str, Any]]) -> None:
        """Remember what `get` tells."""
        with self._lock:
            self._answers[scope, bucket, key] = known

    def after_fork(self) -> None:
        """In a forked child: another thread of the parent may have been in the midst of a change."""
        self._renew()


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
        generations: tell what is out of date.
        flights: keep many from asking for one thing.
        memory: the level in memory; None for none.
        disk: the level on disk; None for none.
        missing: what is known not to be there.
        hits: what was answered.
    """

    generations: Generations
    flights: Flights
    memory: Memory | None
    disk: Disk | None
    missing: Missing = field(default_factory=Missing)
    hits: Hits = field(default_factory=Hits)

    def after_fork(self) -> None:
        """In a forked child: what is in memory goes, since another thread may have been changing it."""
        self.missing.after_fork()
        self.hits.after_fork()
        self.flights.after_fork()
        if self.memory is not None:
            self.memory.after_fork()
        if self.disk is not None:
            self.disk.after_fork()


class RouteCache:
    """What is kept for one route, in one scope.

    Args:
        levels: the route's.
        scope: who sees it: which stores are asked, as whom.
        names: of a bucket as callers say it, what the stores call it.
        ttl_seconds: how long an object is answered without asking.
        missing_ttl_seconds: how long "not there" is; 0 for never.
        clock: seconds that only grow.
        wall: seconds since 1970.
    """

    def __init__(
        self,
        levels: Levels,
        scope: str,
        names: Callable[[str], Iterable[str]],
        *,
        ttl_seconds: float,
        missing_ttl_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
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
        if self._memory is not None:
            found = self._memory.get((self._scope, bucket, key, HEAD))
            if found is not None and found.head.generation == generation:
                fresh = self._clock() < found.fresh_until
                return Looked(generation, self._wall(), found.head, "memory", fresh=fresh, data=found.data)
        return self._look_further(bucket, key, generation)

    def _look_further(self, bucket: str, key: str, generation: int) -> Looked:
        now = self._wall()
        if self._missing_ttl_seconds:
            missing = self._missing.get(self._scope, bucket, key)
            if missing is not None and missing[0] == generation and self._clock() < missing[1]:
                return Looked(generation, now, missing=missing[2])
        if self._disk is not None and (on_disk := self._disk.head(self._scope, bucket, key)) is not None:
            head, data, asked_at = on_disk
            if head.generation == generation:
                left = self._ttl_seconds - (now - asked_at) if asked_at <= now else 0.0
                only = data if head.blocks == 1 else None
                self._put_in_memory(head, HEAD, only, self._clock() + left)
                return Looked(generation, now, head, "disk", fresh=left > 0, data=only)
        return Looked(generation, now)

    def _put_in_memory(self, head: Head, block: int, data: bytes | None, fresh_until: float = 0.0) -> None:
        if self._memory is not None:
            name = (self._scope, head.bucket, head.key, block)
            self._memory.put(name, item(head, data, fresh_until, shares_head=block != HEAD))

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
            if found is not None and (found.head.etag, found.head.generation) == (head.etag, head.generation):
                return found.data
        if self._disk is None or (data := self._disk.block(self._scope, head, number)) is None:
            return None
        self._put_in_memory(head, number, data)
        return data

    def keep(self, head: Head, blocks: Mapping[int, bytes], asked_at: float) -> None:
        """Keep what was asked for, unless its key was written since.

        Args:
            head: the object's.
            blocks: those that came; of an object of one block that one.
            asked_at: seconds since 1970, before it was asked for.
        """
        if self._generation(head.bucket, head.key) != head.generation:
            return
        only = blocks[0] if head.blocks == 1 else None
        self._put_in_memory(head, HEAD, only, self._fresh_until(asked_at))
        if self._disk is not None:
            self._disk.put_head(self._scope, head, only or b"", asked_at)
        if head.blocks > 1:
            self.keep_blocks(head, blocks)

    def _fresh_until(self, asked_at: float) -> float:
        return self._clock() + self._ttl_seconds - max(0.0, self._wall() - asked_at)

    def keep_blocks(self, head: Head, blocks: Mapping[int, bytes]) -> None:
        """Keep blocks of an object of several whose head is kept."""
        for number, data in blocks.items():
            self._put_in_memory(head, number, data)
            if self._disk is not None:
                self._disk.put_block(self._scope, head, number, data)

    def spoil(self, head: Head) -> None:
        """What came of an object was not what the store holds: nothing of it is good."""
        self._generations.change(slots_of(self._seeds(head.bucket), head.key))

    def keep_missing(self, looked: Looked, bucket: str, key: str, operation: str, response: dict[str, Any]) -> None:
        """Keep the answer that a key is not there."""
        if not self._missing_ttl_seconds:
            return
        told = {**(looked.missing or {}), operation: response}
        until = self._clock() + self._missing_ttl_seconds - max(0.0, self._wall() - looked.at)
        self._missing.put(self._scope, bucket, key, (looked.generation, until, told))

    def renew(self, looked: Looked) -> None:
        """An object was found unchanged."""
        head = looked.head
        if head is None:
            return
        self._put_in_memory(head, HEAD, looked.data, self._fresh_until(looked.at))
        if self._disk is not None:
            self._disk.renew(self._scope, head, looked.at)

    @contextmanager
    def alone(self, bucket: str, topic: str) -> Iterator[None]:
        """Lead the asking for something, or wait until another has (`foodco_storage.cache.flights`)."""
        with self._flights.alone(f"{self._scope}/{bucket}/{topic}"):
            yield
