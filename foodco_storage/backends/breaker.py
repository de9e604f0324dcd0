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
    failure opens it again. If it has not ended after another `open_seconds` (it sends a large body, say), the next request is
    let through as well.

    `before` answers a number where it lets a request through to try the store; the request's end is told with it, so that
    one that was under way when the breaker opened is not taken for the trial.

    Args:
        endpoint: what the error names.
        failures: outages in a row before it opens.
        open_seconds: how long it stays open before one request is tried.
        clock: seconds that only grow.
        changed: is told each new state, and how many outages in a row there were.
    """

    def __init__(
        self,
        endpoint: str,
        failures: int = 5,
        open_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[str, int], None] = lambda _state, _failures: None,
    ) -> None:
        self._endpoint = endpoint
        self._threshold = failures
        self._open_seconds = open_seconds
        self._clock = clock
        self._changed = changed
        self._failures = 0
        self._opened_at: float | None = None
        self._trial = 0
        self._tried_at: float | None = None
        self._lock = threading.Lock()

    @property
    def state(self) -> str:
        """`closed`, `open`, or `half-open`."""
        if self._opened_at is None:
            return "closed"
        return "open" if self._tried_at is None else "half-open"

    @property
    def refuses(self) -> bool:
        """Whether a request would fail now without being sent."""
        opened_at = self._opened_at
        if opened_at is None:
            return False
        return self._clock() < max(opened_at, self._tried_at or opened_at) + self._open_seconds

    def before(self) -> int | None:
        """Ask to send a request.

        Returns:
            The number of the trial that the request is; None while the breaker is closed.

        Raises:
            CircuitOpenError: when the store is being left alone.
        """
        # Read without the lock: the closed breaker is on the way of every request.
        if self._opened_at is None:
            return None
        with self._lock:
            if self.state == "closed":
                return None
            now = self._clock()
            left = max(self._opened_at, self._tried_at or self._opened_at) + self._open_seconds - now
            if left > 0:
                raise CircuitOpenError(endpoint_url=self._endpoint, failures=self._failures, retry_after_seconds=left)
            self._trial += 1
            self._tried_at = now
            trial, failures = self._trial, self._failures
        self._changed("half-open", failures)
        return trial

    def succeeded(self) -> None:
        """Tell that the store answered."""
        if self._failures or self._opened_at is not None:
            with self._lock:
                was_open = self._opened_at is not None
                self._failures, self._opened_at, self._tried_at = 0, None, None
            if was_open:
                self._changed("closed", 0)

    def failed(self, trial: int | None = None) -> None:
        """Tell that the store could not answer; `trial` is what `before` answered."""
        with self._lock:
            opens = False
            if self._opened_at is None:
                self._failures += 1
                opens = self._failures >= self._threshold
                if opens:
                    self._opened_at = self._clock()
            elif self._is_under_way(trial):
                self._failures += 1
                self._opened_at, self._tried_at = self._clock(), None
                opens = True
            failures = self._failures
        if opens:
            # Not under the lock: who is told may ask for the state.
            self._changed("open", failures)

    def released(self, trial: int | None = None) -> None:
        """Tell that the request ended before it showed anything; `trial` is what `before` answered."""
        if trial is not None:
            with self._lock:
                was_tried, failures = self._is_under_way(trial), self._failures
                if was_tried:
                    self._tried_at = None
            if was_tried:
                self._changed("open", failures)

    def _is_under_way(self, trial: int | None) -> bool:
        return trial is not None and trial == self._trial and self._tried_at is not None

    def after_fork(self) -> None:
        """A lock that another thread held at the fork would stay locked in the child."""
        self._lock = threading.Lock()
        self._tried_at = None
