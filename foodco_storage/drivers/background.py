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

from foodco_storage.counting import add
from foodco_storage.flows.effects import Later
from foodco_storage.flows.outcomes import BackendError
from foodco_storage.flows.request import Flow

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

    def submit(self, later: Later, carry_out: CarryOut) -> bool:
        """Take work, unless there is too much already, or some on the same topic.

        Args:
            later: the work.
            carry_out: runs its flow.
        """
        work = _Work(later, carry_out, self._clock() + later.deadline_seconds, copy_context())
        with self._changed:
            is_known = later.topic in self._topics
            taken = (
                not is_known and len(self._waiting) < self._max_works and self._bytes + later.size <= self._max_bytes
            )
            if taken:
                self._topics.add(later.topic)
                self._bytes += later.size
                self._waiting.append(work)
                if len(self._waiting) <= self._idle:
                    self._changed.notify()
                elif self._threads < THREADS:
                    taken = self._start_thread(work)
        if not taken:
            _drop(later, "" if is_known else "promotes_dropped")
        return taken

    def _start_thread(self, work: _Work) -> bool:
        """Another thread; whether there is one at all now. The interpreter starts none when it ends."""
        thread = threading.Thread(target=self._serve, name="foodco-storage-background", daemon=True)
        self._threads += 1
        try:
            thread.start()
        except RuntimeError:
            self._threads -= 1
            if not self._threads:
                self._waiting.remove(work)
                self._topics.discard(work.later.topic)
                self._bytes -= work.later.size
                return False
        return True

    def now(self, later: Later, carry_out: CarryOut) -> None:
        """Do work in this thread; what goes wrong is logged, and nobody's."""
        gate = later.gate.try_writing() if later.gate is not None else None
        if later.gate is not None and gate is None:
            # Its route is on the move: not now.
            _drop(later, "promotes_dropped")
            return
        try:
            with gate or nullcontext() as phase:
                if phase is not None and phase not in later.phases:
                    _drop(later, "promotes_dropped")
                    return
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
        for work in self._waiting:
            if work.later.dropped is not None:
                work.later.dropped()
        self._renew()

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            try:
                if self._clock() > work.until:
                    _drop(work.later, "promotes_dropped")
                else:
                    work.context.run(self.now, work.later, work.carry_out)
            finally:
                with self._changed:
                    self._topics.discard(work.later.topic)
                    self._bytes -= work.later.size
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


def _drop(later: Later, counter: str) -> None:
    if later.dropped is not None:
        later.dropped()
    if counter:
        add(counter, later.route)


background = Background()
"""The process's own."""

register_at_fork(after_in_child=background.after_fork)
