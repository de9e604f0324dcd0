"""A circuit breaker: after some failures in a row a store is left alone for a while, and then tried with one request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from foodco_storage.errors import CircuitOpenError


class Breaker:
    """One backend's breaker, shared by all threads.

    Closed: everything goes through. After `failures` outages in a row it opens: requests fail at once with
    `CircuitOpenError`. After `open_seconds` one request is let through (half-open): its success closes the breaker, its
    failure opens it again.

    Args:
        endpoint: what the error names.
        failures: outages in a row before it opens.
        open_seconds: how long it stays open before one request is tried.
        clock: seconds that only grow.
    """

    def __init__(
        self, endpoint: str, failures: int = 5, open_seconds: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._endpoint = endpoint
        self._threshold = failures
        self._open_seconds = open_seconds
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._trying = False
        self._lock = threading.Lock()

    @property
    def state(self) -> str:
        """`closed`, `open`, or `half-open`."""
        if self._opened_at is None:
            return "closed"
        return "half-open" if self._trying else "open"

    def before(self) -> None:
        """Ask to send a request.

        Raises:
            CircuitOpenError: when the store is being left alone.
        """
        # Read without the lock: the closed breaker is on the way of every request.
        if self._opened_at is None:
            return
        with self._lock:
            if self.state == "closed":
                return
            left = self._opened_at + self._open_seconds - self._clock()
            if left > 0 or self._trying:
                raise CircuitOpenError(
                    endpoint_url=self._endpoint, failures=self._failures, retry_after_seconds=max(left, 0.0)
                )
            self._trying = True

    def succeeded(self) -> None:
        """Tell that the store answered."""
        if self._failures or self._opened_at is not None:
            with self._lock:
                self._failures, self._opened_at, self._trying = 0, None, False

    def failed(self) -> None:
        """Tell that the store could not answer."""
        with self._lock:
            self._failures += 1
            if self._trying or self._failures >= self._threshold:
                self._opened_at, self._trying = self._clock(), False

    def released(self) -> None:
        """Tell that the request ended before it showed anything."""
        if self._trying:
            with self._lock:
                self._trying = False

    def after_fork(self) -> None:
        """A lock that another thread held at the fork would stay locked in the child."""
        self._lock = threading.Lock()
        self._trying = False
