"""When a process ships statistics: as often as they are due, again later where it fails, and not for long at once."""

from __future__ import annotations

import logging
import time

from botocore.exceptions import ClientError

from foodco_storage.access.shipments import Shipments
from foodco_storage.errors import StorageError

logger = logging.getLogger("foodco_storage")

_FIRST_RETRY_SECONDS = 60.0
_LAST_RETRY_SECONDS = 3600.0
_TURN_SECONDS = 1.0
"""So long objects are put until whoever ships looks again what else is to be done, and whether it is over."""


def _told(error: Exception) -> str:
    """An error's code and operation, or its class; never its text, which may hold an address with credentials."""
    if isinstance(error, ClientError):
        return f"{error.response.get('Error', {}).get('Code')} ({error.operation_name})"
    return type(error).__name__


class Shipping:
    """Ships in turns. By one thread at a time.

    Args:
        shipments: what there is to ship.
    """

    def __init__(self, shipments: Shipments) -> None:
        self._shipments = shipments
        self.is_behind = False
        """Whether the last turn has left something."""
        self.failures = 0
        """So often something could not be shipped; it is tried again."""
        self._is_warned = False
        self._again_at = 0.0
        self._retry_seconds = _FIRST_RETRY_SECONDS

    def turn(self, *, everything: bool, deadline: float | None) -> None:
        """Ship what is due, unless it failed a moment ago. Nothing is raised: failures are counted, and warned of once.

        Args:
            everything: what is not due as well, and at once.
            deadline: by the monotonic clock, until when objects are put; None for a short while.
        """
        if not everything and time.monotonic() < self._again_at:
            return
        self.is_behind = False
        until = time.monotonic() + _TURN_SECONDS if deadline is None else deadline
        try:
            # Nothing was put where another process is at it, or there is nothing: then it is not behind.
            self.is_behind = self._shipments.ship(everything=everything, until=until) > 0 and time.monotonic() >= until
        except Exception as error:  # noqa: BLE001 - whatever `put` raises: it is tried again
            self.failures += 1
            if not self._is_warned:
                self._is_warned = True
                what = str(error) if isinstance(error, StorageError) else _told(error)
                logger.warning("access statistics can't be shipped for now, and are kept and tried again: %s", what)
            self._again_at = time.monotonic() + self._retry_seconds
            self._retry_seconds = min(2 * self._retry_seconds, _LAST_RETRY_SECONDS)
        else:
            self._is_warned = False
            self._retry_seconds = _FIRST_RETRY_SECONDS
