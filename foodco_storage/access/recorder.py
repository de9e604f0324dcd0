"""Keeps the statistics of a process: a hook that counts, and a thread that writes down, and ships, what was counted."""

from __future__ import annotations

import _thread
import atexit
import logging
import os
import sys
import time
from queue import Empty, SimpleQueue
from weakref import WeakSet

from foodco_storage.access.shipments import Shipments
from foodco_storage.access.shipping import Shipping
from foodco_storage.access.store import Store
from foodco_storage.access.window import Window
from foodco_storage.errors import StorageError
from foodco_storage.telemetry.events import Event

logger = logging.getLogger("foodco_storage")

EXIT_SECONDS = 5.0
"""How long the end of the interpreter waits for the last flush and shipment."""

_PATIENCE_SECONDS = 0.5

_EXIT_PRIORITY = 10
_STOP = "stop"
_FULL = "full"
_ALL = "all"


class Recorder:
    """A hook of `foodco_storage.telemetry` that keeps access statistics.

    What was seen is written down every `flush_seconds`, when there are `max_keys` keys, by `flush`, by `close`, and when
    the interpreter ends; a process that is killed loses what came after. Nothing is raised into who calls the hook: a store
    that can't be used is warned of once, and tried again; meanwhile the counts stay in memory, bounded.

    A forked child begins with nothing, and records on its own; what the parent has seen is the parent's.

    Args:
        store: where it is written down.
        service: what this program is called.
        max_keys: so many keys are told apart between two flushes; up to twice as many rows of about 400 bytes are held.
        flush_seconds: between two flushes.
        shipments: sends it to the telemetry bucket too; None for nobody.

    Example:
        recorder = Recorder(Store(Path("/var/lib/foodco/access")), "thumbnails")
        foodco_storage.telemetry.add_hook(recorder)
    """

    def __init__(
        self,
        store: Store,
        service: str,
        *,
        max_keys: int = 100_000,
        flush_seconds: float = 10.0,
        shipments: Shipments | None = None,
    ) -> None:
        self.store = store
        self.service = service
        self._max_keys = max_keys
        self._flush_seconds = flush_seconds
        self._shipments = shipments
        self.failed_flushes = 0
        """So often what was seen could not be written down; it is tried again. Of this process; only grows."""
        self.lost_days = 0
        """So many days' counts were dropped, since they could not be written down for too long; likewise."""
        self._pid = os.getpid()
        self._begin()
        _recorders.add(self)

    def _begin(self) -> None:
        # Its `put` may be called in the midst of anything, by the garbage collector too; those of other queues and events
        # take a lock that does not bear that.
        self._orders: SimpleQueue[str] = SimpleQueue()
        self._window = Window(self._max_keys, full=self._is_full)
        # Until then nothing goes on: a process that forks others needs no thread before.
        self._starting = _thread.allocate_lock()
        self._is_running = False
        self._has_thread = False
        self._ended: SimpleQueue[None] = SimpleQueue()
        self._deadline: float | None = None
        self._is_warned = False
        self._shipping = None if self._shipments is None else Shipping(self._shipments)
        self._is_closed = False
        self._is_done = True

    def _is_full(self) -> None:
        self._orders.put(_FULL)

    def __call__(self, event: Event) -> None:
        """Count an event."""
        if self._is_running or self._start():
            self._window(event)

    def _start(self) -> bool:
        """Begin to record; whether it goes on."""
        if self._is_closed:
            return False
        if not self._starting.acquire(blocking=False):
            # Another thread is at it, or this one in whose midst this is called.
            return True
        self._is_running = True
        try:
            # Not by `threading`, whose own locks may be held where this is called from.
            _thread.start_new_thread(self._run, (self._orders, self._ended))
            self._has_thread = True
        except RuntimeError:
            # The interpreter is ending, or there are too many threads: `flush` and `close` do all by themselves.
            logger.debug("access statistics are written down at the end only: no thread could be started")
        processes = sys.modules.get("multiprocessing.process")
        if processes is not None and processes.parent_process() is not None:
            # A forked one ends without `atexit`.
            sys.modules["multiprocessing.util"].Finalize(None, _close_all, exitpriority=_EXIT_PRIORITY)
        return True

    def _run(self, orders: SimpleQueue[str], ended: SimpleQueue[None]) -> None:
        try:
            while True:
                try:
                    is_behind = self._shipping is not None and self._shipping.is_behind
                    order = orders.get(timeout=0.0 if is_behind else self._flush_seconds)
                except Empty:
                    order = ""
                if order == _STOP:
                    break
                self._work(everything=order == _ALL)
            self._work(everything=True, patience_seconds=_PATIENCE_SECONDS)
        finally:
            ended.put(None)

    def _work(self, *, everything: bool = False, patience_seconds: float = -1) -> None:
        try:
            self.flush(patience_seconds)
        except StorageError as error:
            if not self._is_warned:
                self._is_warned = True
                logger.warning("access statistics are not written down for now, and tried again: %s", error)
        except Exception:
            # The thread must go on.
            logger.warning("access statistics could not be written down", exc_info=True)
        else:
            self._is_warned = False
        self._ship(everything=everything)

    def flush(self, patience_seconds: float = -1) -> None:
        """Write down what was seen so far.

        Args:
            patience_seconds: as for `Window.take`.

        Raises:
            StatisticsError: the store can't be used; what was seen is kept for the next time, in bounded memory.
        """
        batch = self._window.take(patience_seconds)
        self._tell_of_losses()
        try:
            self.store.add(batch, self.service)
        except Exception:
            self.failed_flushes += 1
            self._window.put_back(batch)
            raise

    def _tell_of_losses(self) -> None:
        lost, self.lost_days = self._window.lost_days - self.lost_days, self._window.lost_days
        if lost > 0:
            logger.warning(
                "access statistics of %d days were dropped: they could not be written down for too long", lost
            )

    def hurry(self) -> None:
        """Have written down and shipped what there is, soon, and go on; does not wait. May be called at any time."""
        self._orders.put(_ALL)

    def _ship(self, *, everything: bool) -> None:
        if self._shipping is not None:
            self._shipping.turn(everything=everything, deadline=self._deadline)

    @property
    def failed_shipments(self) -> int:
        """So often it could not be shipped; likewise."""
        return 0 if self._shipping is None else self._shipping.failures

    def close(self, seconds: float = EXIT_SECONDS) -> bool:
        """Write down and ship what there is, and record no more.

        Args:
            seconds: to wait for it at most; no shipment is begun after.

        Returns:
            Whether that was done in time. What was written down and not shipped, the next process ships.
        """
        if self._is_closed or not self._is_running:
            # Nothing was seen, or it is over; a second call, in a handler of signals, does not wait again.
            self._is_closed = True
            return self._is_done
        self._is_closed = True
        self._is_running = False
        self._is_done = False
        self._deadline = time.monotonic() + seconds
        if not self._has_thread:
            self._work(everything=True, patience_seconds=_PATIENCE_SECONDS)
        else:
            self._orders.put(_STOP)
            try:
                self._ended.get(timeout=max(0.0, seconds))
            except Empty:
                return False
        self._is_done = True
        return True

    def after_fork(self) -> None:
        """In a forked child: begin anew. Forks by way of Python are seen anyway."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self.failed_flushes = self.lost_days = 0
            self._begin()


_recorders: WeakSet[Recorder] = WeakSet()


def _after_fork_in_child() -> None:
    for recorder in list(_recorders):
        recorder.after_fork()


def _close_all() -> None:
    deadline = time.monotonic() + EXIT_SECONDS
    for recorder in list(_recorders):
        recorder.close(max(0.0, deadline - time.monotonic()))


os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_close_all)
