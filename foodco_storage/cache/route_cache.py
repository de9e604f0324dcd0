"""The cache of one route: both levels, and what is true of an entry whatever level holds it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from cachetools import LRUCache

from foodco_storage.cache.disk import Disk
from foodco_storage.cache.flights import Flights
from foodco_storage.cache.generations import Generations, slot_of
from foodco_storage.cache.memory import HEAD, Memory, item
from foodco_storage.flows.cached import Head, Looked

MAX_MISSING: Final = 10_000
"""Keys that are remembered not to be there."""


class RouteCache:
    """What is kept for one route, in one scope of credentials.

    Args:
        generations: tell what is out of date.
        flights: keep many from asking for one thing.
        memory: the level in memory; None for none.
        disk: the level on disk; None for none.
        ttl_seconds: how long an object is answered without asking.
        missing_ttl_seconds: how long "not there" is; 0 for never.
        clock: seconds that only grow.
        wall: seconds since 1970.
    """

    def __init__(  # noqa: PLR0913 - the last two for tests
        self,
        generations: Generations,
        flights: Flights,
        memory: Memory | None,
        disk: Disk | None,
        *,
        ttl_seconds: float,
        missing_ttl_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._generations = generations
        self._flights = flights
        self.memory = memory
        self.disk = disk
        self._ttl_seconds = ttl_seconds
        self._missing_ttl_seconds = missing_ttl_seconds
        self._clock = clock
        self._wall = wall
        self._missing_lock = threading.Lock()
        self._missing: LRUCache[tuple[str, str], tuple[int, float, dict[str, dict[str, Any]]]] = LRUCache(MAX_MISSING)

    def look(self, bucket: str, key: str) -> Looked:
        """What is known of a key: in memory, else on disk."""
        generation = self._generations.of(slot_of(bucket, key))
        if self.memory is not None:
            found = self.memory.get((bucket, key, HEAD))
            if found is not None and found.head.generation == generation:
                fresh = self._clock() < found.fresh_until
                return Looked(generation, self._wall(), found.head, "memory", fresh=fresh, data=found.data)
        return self._look_further(bucket, key, generation)

    def _look_further(self, bucket: str, key: str, generation: int) -> Looked:
        now = self._wall()
        if self._missing_ttl_seconds:
            with self._missing_lock:
                missing = self._missing.get((bucket, key))
            if missing is not None and missing[0] == generation and self._clock() < missing[1]:
                return Looked(generation, now, missing=missing[2])
        if self.disk is not None and (on_disk := self.disk.head(bucket, key)) is not None:
            head, data, asked_at = on_disk
            if head.generation == generation:
                left = self._ttl_seconds - (now - asked_at) if asked_at <= now else 0.0
                only = data if head.blocks == 1 else None
                if self.memory is not None:
                    self.memory.put((bucket, key, HEAD), item(head, only or b"", self._clock() + left))
                return Looked(generation, now, head, "disk", fresh=left > 0, data=only)
        return Looked(generation, now)

    def blocks(self, head: Head, first: int, last: int) -> list[bytes | None]:
        """Blocks of an object of several, as far as they are at hand."""
        return [self._block(head, number) for number in range(first, last + 1)]

    def _block(self, head: Head, number: int) -> bytes | None:
        name = (head.bucket, head.key, number)
        if self.memory is not None:
            found = self.memory.get(name)
            if found is not None and found.head.etag == head.etag and len(found.data) == head.length_of(number):
                return found.data
        if self.disk is None or (data := self.disk.block(head, number)) is None:
            return None
        if self.memory is not None:
            self.memory.put(name, item(head, data, 0.0, shares_head=True))
        return data

    def keep(self, head: Head, blocks: Mapping[int, bytes], asked_at: float) -> None:
        """Keep what was asked for, unless its key was written since.

        Args:
            head: the object's.
            blocks: those that came; of an object of one block that one.
            asked_at: seconds since 1970, before it was asked for.
        """
        if self._generations.of(slot_of(head.bucket, head.key)) != head.generation:
            return
        only = blocks[0] if head.blocks == 1 else b""
        fresh_until = self._clock() + self._ttl_seconds - max(0.0, self._wall() - asked_at)
        if self.memory is not None:
            self.memory.put((head.bucket, head.key, HEAD), item(head, only, fresh_until))
        if self.disk is not None:
            self.disk.put_head(head, only, asked_at)
        if head.blocks > 1:
            self.keep_blocks(head, blocks)

    def keep_blocks(self, head: Head, blocks: Mapping[int, bytes]) -> None:
        """Keep blocks of an object of several whose head is kept."""
        for number, data in blocks.items():
            if self.memory is not None:
                self.memory.put((head.bucket, head.key, number), item(head, data, 0.0, shares_head=True))
            if self.disk is not None:
                self.disk.put_block(head, number, data)

    def keep_missing(self, looked: Looked, bucket: str, key: str, operation: str, response: dict[str, Any]) -> None:
        """Keep the answer that a key is not there."""
        if not self._missing_ttl_seconds:
            return
        told = dict(looked.missing or {})
        told[operation] = response
        until = self._clock() + self._missing_ttl_seconds - max(0.0, self._wall() - looked.at)
        with self._missing_lock:
            self._missing[bucket, key] = (looked.generation, until, told)

    def renew(self, looked: Looked) -> None:
        """An object was found unchanged."""
        head = looked.head
        if head is None:
            return
        fresh_until = self._clock() + self._ttl_seconds - max(0.0, self._wall() - looked.at)
        if self.memory is not None:
            self.memory.put((head.bucket, head.key, HEAD), item(head, looked.data or b"", fresh_until))
        if self.disk is not None:
            self.disk.renew(head, looked.at)

    def forget(self, bucket: str, key: str) -> None:
        """A key was written: what was asked for before is good no more, here and in every process that shares the cache."""
        self._generations.change(slot_of(bucket, key))

    @contextmanager
    def alone(self, bucket: str, topic: str) -> Iterator[None]:
        """Lead the asking for something, or wait until another has (`foodco_storage.cache.flights`)."""
        with self._flights.alone((bucket, topic), slot_of(bucket, topic)):
            yield

    def after_fork(self) -> None:
        """In a forked child: what is in memory stays there, but for what another thread may have been changing."""
        self._missing_lock = threading.Lock()
        self._missing.clear()
        self._flights.after_fork()
        if self.memory is not None:
            self.memory.after_fork()
        if self.disk is not None:
            self.disk.after_fork()
