"""The level in memory: what was not used for longest goes first, by the bytes that things really take."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from typing import Any, Final

from cachetools import LRUCache

from foodco_storage.flows.cached import Head

_PER_ITEM: Final = 700
"""Bytes of an item beside its data: its names, and its places in the dictionaries of `LRUCache` (sys.getsizeof, 3.11)."""


@dataclass(frozen=True, slots=True)
class Item:
    """A block of an object; of an object of several blocks, item -1 is the head alone.

    Args:
        etag: the object's.
        generation: the head's.
        data: the block's bytes; None for a head alone.
        bytes: what the item takes.
        head: the object's, in the item that is asked for first.
        fresh_until: by the clock of `look`; of the same item.
    """

    etag: str
    generation: int
    data: bytes | None
    bytes: int
    head: Head | None = None
    fresh_until: float = 0.0


Name = tuple[str, str, str, int]
"""Scope, bucket, key, number of the block; `HEAD` for the head's item."""

HEAD: Final = -1


class Memory:
    """Items up to a number of bytes.

    Args:
        max_bytes: of memory, with what items cost beside their data.
    """

    def __init__(self, max_bytes: int) -> None:
        self._lock = threading.Lock()
        self._items: LRUCache[Name, Item] = LRUCache(max_bytes, getsizeof=_bytes_of)
        self.evictions = 0

    def get(self, name: Name) -> Item | None:
        """An item, which counts as used."""
        with self._lock:
            try:
                return self._items[name]
            except KeyError:
                return None

    def put(self, name: Name, item: Item) -> None:
        """Keep an item, in place of others that were not used for longer; nothing happens if it is too large for all."""
        with self._lock:
            before = len(self._items) + (name not in self._items)
            try:
                self._items[name] = item
            except ValueError:
                self._items.pop(name, None)
            self.evictions += before - len(self._items)

    def drop(self, name: Name) -> None:
        """Forget an item."""
        with self._lock:
            self._items.pop(name, None)

    @property
    def bytes(self) -> int:
        """What all items take."""
        with self._lock:
            return int(self._items.currsize)

    def after_fork(self) -> None:
        """In a forked child: another thread of the parent may have held the lock, in the midst of a change."""
        self._lock = threading.Lock()
        self._items = LRUCache(self._items.maxsize, getsizeof=_bytes_of)
        self.evictions = 0


def block(head: Head, data: bytes) -> Item:
    """A block of an object of several, weighed."""
    return Item(head.etag, head.generation, data, _PER_ITEM + sys.getsizeof(data) + sys.getsizeof(head.etag))


def first(head: Head, data: bytes | None, fresh_until: float) -> Item:
    """A head, with the object's only block where it has one, weighed."""
    size = _PER_ITEM + sys.getsizeof(data) + weight(head.response)
    return Item(head.etag, head.generation, data, size, head, fresh_until)


def _bytes_of(item: Item) -> int:
    return item.bytes


def weight(value: Any) -> int:
    """Bytes of memory of a value made of strings, numbers, dates, lists and dictionaries."""
    total = sys.getsizeof(value)
    if isinstance(value, dict):
        total += sum(weight(name) + weight(part) for name, part in value.items())
    elif isinstance(value, list | tuple):
        total += sum(weight(part) for part in value)
    return total
