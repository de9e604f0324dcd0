"""Work that nobody waits for: a bounded queue, and a few threads that come when there is work and go when there is none."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from contextvars import Context, copy_context
from dataclasses import dataclass
from os import register_at_fork
from typing import Any

from foodco_storage.flows.effects import Later
from foodco_storage.flows.outcomes import BackendError
from foodco_storage.flows.request import Flow
from foodco_storage.telemetry.recording import work
from foodco_storage.telemetry.steps import tell_step
from foodco_storage.telemetry.telling import PLAIN, Telling

logger = logging.getLogger("foodco_storage")

THREADS = 2
"""Promotes run beside the service's own requests: more would slow those down."""

MAX_WORKS = 1000
MAX_BYTES = 256 * 1024 * 1024
"""What waiting works may hold in all: bodies that were read, in memory or in temporary files."""

IDLE_SECONDS = 5.0

CarryOut = Callable[[Flow], Any]


@dataclass(slots=True)
class _Work:
    later: Later
    carry_out: CarryOut
    until: float
    context: Context
    telling: Telling


class Background:
    """A queue of works.

    Under pressure work is dropped, never made to wait: what it would have done is done at the next read. Works still
    waiting when the process ends are dropped too.

    Args:
        max_works: how many may wait.
        max_bytes: what they may hold.
        clock: seconds that only grow.
    """

    def __init__(
        self, max_works: int = MAX_WORKS, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_works = max_works
        self._max_bytes = max_bytes
        self._clock = clock
        self._renew()

    def _renew(self) -> None:
        self._waiting: deque[_Work] = deque()
        self._topics: set[Any] = set()
        self._bytes = 0
        self._threads = 0
        self._idle = 0
        self._changed = threading.Condition()

    def submit(self, later: Later, carry_out: CarryOut, telling: Telling = PLAIN) -> bool:
        """Take work, unless there is too much already, or some on the same topic.

        Args:
            later: the work.
            carry_out: runs its flow.
            telling: what may be told of its route.
        """
        new = _Work(later, carry_out, self._clock() + later.deadline_seconds, copy_context(), telling)
        with self._changed:
            is_known = later.topic in self._topics
            taken = (
                not is_known and len(self._waiting) < self._max_works and self._bytes + later.size <= self._max_bytes
            )
            if taken:
                self._topics.add(later.topic)
                self._bytes += later.size
                self._waiting.append(new)
                if len(self._waiting) <= self._idle:
                    self._changed.notify()
                elif self._threads < THREADS:
                    taken = self._start_thread(new)
        if not taken:
            _drop(later, telling, is_known=is_known)
        return taken

    def _start_thread(self, new: _Work) -> bool:
        """Another thread; whether there is one at all now. The interpreter starts none when it ends."""
        thread = threading.Thread(target=self._serve, name="foodco-storage-background", daemon=True)
        self._threads += 1
        try:
            thread.start()
        except RuntimeError:
            self._threads -= 1
            if not self._threads:
                self._waiting.remove(new)
                self._topics.discard(new.later.topic)
                self._bytes -= new.later.size
                return False
        return True

    def now(self, later: Later, carry_out: CarryOut, telling: Telling = PLAIN) -> None:
        """Do work in this thread; what goes wrong is logged, and nobody's."""
        gate = later.gate.try_writing() if later.gate is not None else None
        if later.gate is not None and gate is None:
            # Its route is on the move: not now.
            _drop(later, telling)
            return
        bucket, key = (None, None) if later.which is None else (later.which["Bucket"], later.which["Key"])
        try:
            with gate or nullcontext() as phase:
                if phase is not None and phase not in later.phases:
                    _drop(later, telling)
                    return
                with work("promote", later.route, bucket, key, telling):
                    carry_out(later.flow())
        except BackendError as error:
            logger.info("%s could not be promoted: %s", later.topic, error.error)
        except Exception:
            # A mistake of ours in a thread that nobody looks at must not end in silence.
            logger.exception("%s could not be promoted", later.topic)

    def join(self, timeout_seconds: float = 30.0) -> bool:
        """Wait until nothing is left to do; whether that was so in time. For tests and orderly ends."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._topics, timeout_seconds)

    def after_fork(self) -> None:
        """In a forked child: the parent's threads are not there, and its works are the parent's."""
        for waiting in self._waiting:
            if waiting.later.dropped is not None:
                waiting.later.dropped()
        self._renew()

    def _serve(self) -> None:
        while (next_one := self._next()) is not None:
            later = next_one.later
            try:
                if self._clock() > next_one.until:
                    _drop(later, next_one.telling)
                else:
                    next_one.context.run(self.now, later, next_one.carry_out, next_one.telling)
            finally:
                with self._changed:
                    self._topics.discard(later.topic)
                    self._bytes -= later.size
                    self._changed.notify_all()

    def _next(self) -> _Work | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._waiting, IDLE_SECONDS)
            self._idle -= 1
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
            return None


def _drop(later: Later, telling: Telling, *, is_known: bool = False) -> None:
    if later.dropped is not None:
        later.dropped()
    if not is_known:
        tell_step("promote", "dropped", later.route, later.which, telling)


background = Background()
"""The process's own."""

register_at_fork(after_in_child=background.after_fork)
