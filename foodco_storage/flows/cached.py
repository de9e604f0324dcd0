"""What a cache keeps of an object, and what it answers when it is asked."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Head(Struct, frozen=True):
    """One object as a store answered for it, without its bytes.

    Args:
        bucket: as callers say it.
        key: the object's.
        etag: as the store gave it.
        size: bytes of the whole object.
        block_bytes: how it is cut: block `n` begins at `n * block_bytes`.
        generation: that of the key before the object was asked for; the head is good while the key's is the same.
        response: of a GET of the whole object, without `Body`.
        since: seconds since 1970, before the response was asked for.
    """

    bucket: str
    key: str
    etag: str
    size: int
    block_bytes: int
    generation: int
    response: dict[str, Any]
    since: float = 0.0

    @property
    def blocks(self) -> int:
        """How many blocks it has; an empty object has one, that is empty."""
        return max(1, -(-self.size // self.block_bytes))

    def length_of(self, block: int) -> int:
        """Bytes of a block; the last may be shorter."""
        return max(0, min(self.block_bytes, self.size - block * self.block_bytes))


class Looked(Struct, frozen=True):
    """What a cache says of a key.

    Args:
        generation: the key's, to be kept with what is asked for now.
        at: seconds since 1970, by which what is asked for now is dated.
        clock: the same by a clock that only grows.
        head: of the object; None where nothing is known.
        level: where it was found: `memory` or `disk`; empty where nothing is known.
        fresh: whether it may be answered without asking.
        asked: whether a store was asked about it just now.
        stale: whether it is answered all the same, since nobody could be asked.
        data: the object's only block, where it has one and that is at hand.
        missing: by operation, the answers for a key that is not there, where that is remembered and fresh.
    """

    generation: int
    at: float
    clock: float
    head: Head | None = None
    level: str = ""
    fresh: bool = False
    asked: bool = False
    stale: bool = False
    data: bytes | None = None
    missing: dict[str, dict[str, Any]] | None = None
