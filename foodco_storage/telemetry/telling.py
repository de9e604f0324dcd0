"""What may be told of the operations of a route: all of them or a sample, their keys or none."""

from __future__ import annotations

import hashlib
import random
from typing import Literal

KEYED = "hmac:"
"""What stands before the digest of a key."""

_DIGEST_BYTES = 16


class Telling:
    """What may be told.

    Args:
        enabled: whether anything.
        sample: of operations, the share that is told of, in (0, 1].
        keys: `plain`; `hash`, a keyed digest in their place, the same for every process with the same secret; `drop`.
        secret: for digests. Without one, keys could be guessed and compared.
    """

    __slots__ = ("_keys", "_sample", "_secret", "enabled", "takes_all", "weight")

    def __init__(
        self,
        *,
        enabled: bool = True,
        sample: float = 1.0,
        keys: Literal["plain", "hash", "drop"] = "plain",
        secret: bytes = b"",
    ) -> None:
        self.enabled = enabled
        self.weight = 1.0 / sample
        """Of how many operations each that is told of stands."""
        self.takes_all = enabled and sample >= 1.0
        self._sample = sample
        self._keys = keys
        # The longest key that BLAKE2b takes is shorter than some secrets.
        self._secret = hashlib.blake2b(secret).digest() if secret else b""

    def takes(self) -> bool:
        """Whether the operation that begins now is told of."""
        return self.takes_all or (self.enabled and random.random() < self._sample)  # noqa: S311 - a sample, no secret

    def key(self, key: str | None) -> str | None:
        """A key as it may be told."""
        if self._keys == "plain" or key is None:
            return key
        if self._keys == "drop":
            return None
        data = key.encode("utf-8", "surrogatepass")
        return KEYED + hashlib.blake2b(data, key=self._secret, digest_size=_DIGEST_BYTES).hexdigest()


PLAIN = Telling()
"""Everything."""
