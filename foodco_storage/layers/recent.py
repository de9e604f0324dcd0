"""What was learnt of objects lately: bounded in bytes, and never needed."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")

MOST_BYTES: Final = 16 * 1024 * 1024


class Recent(Generic[_K, _V]):
    """A mapping that forgets what was used longest ago. Several threads may use it: what they lose is learnt again.

    Args:
        weigh: tells how many bytes a value takes, its key included.
    """

    def __init__(self, weigh: Callable[[_V], int]) -> None:
        self._weigh = weigh
        self._values: dict[_K, _V] = {}
        self._bytes = 0

    def __contains__(self, key: _K) -> bool:
        return key in self._values

    def get(self, key: _K) -> _V | None:
        """What is known; None also where nothing is."""
        value = self._values.get(key)
        if value is not None and self._values.pop(key, None) is not None:
            # The order of a dict is that of putting in.
            self._values[key] = value
        return value

    def put(self, key: _K, value: _V) -> None:
        """Remember something."""
        self._values.pop(key, None)
        self._values[key] = value
        self._bytes += self._weigh(value)
        if self._bytes > MOST_BYTES:
            self._forget()

    def drop(self, key: _K) -> None:
        """Forget something."""
        self._values.pop(key, None)

    def _forget(self) -> None:
        """Make a quarter of the room free; counted anew, since nobody counts what was dropped."""
        values = list(self._values.items())
        left = sum(self._weigh(value) for _, value in values)
        for key, value in values:
            if left <= MOST_BYTES * 3 // 4:
                break
            self._values.pop(key, None)
            left -= self._weigh(value)
        self._bytes = left
