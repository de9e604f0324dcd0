"""Who brings up to date what the journal holds: one thread of the process, for as long as there is something to do.

Left over are the entries of asynchronous mirrors, of writes whose other side could not be reached, and of processes that
died.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from contextlib import nullcontext
from os import register_at_fork
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError

from foodco_storage.config import Configuration
from foodco_storage.drivers.threads import ThreadDriver
from foodco_storage.errors import ConfigurationError, JournalError, Problem
from foodco_storage.flows.outcomes import BackendError
from foodco_storage.front.measures import Backlog
from foodco_storage.front.state_directory import state_directory
from foodco_storage.journal import Journal, Taken
from foodco_storage.layers.reconcile import Reconcile
from foodco_storage.layers.route import Route
from foodco_storage.telemetry.recording import work
from foodco_storage.telemetry.steps import tell_step

logger = logging.getLogger("foodco_storage")

AT_ONCE = 100
"""Entries that are taken from the journal together."""

WAIT_SECONDS = 1.0
"""How often the journal is looked at again while it holds entries that are not due yet."""


class RouteNow(Protocol):
    """A route, or one whose phase moves."""

    @property
    def name(self) -> str:
        """The route's name."""

    def now(self) -> Route:
        """The route as it is now."""


class Mirroring:
    """Reconciles what a journal holds for the routes of the clients that are alive.

    Args:
        journal: whose entries.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._lock = threading.Lock()
        self._serving: list[tuple[weakref.ref[ThreadDriver], RouteNow]] = []
        self._thread: threading.Thread | None = None
        self._woken = threading.Event()
        self._backlog = Backlog(journal)

    def serve(self, driver: ThreadDriver, route: RouteNow) -> None:
        """Take up the entries of a route, for as long as the driver is in use."""
        with self._lock:
            self._serving = [one for one in self._serving if one[0]() is not None]
            self._serving.append((weakref.ref(driver), route))
            self._backlog.watch(route.name)

    def take_up(self) -> None:
        """See whether processes that died have left anything."""
        if self.journal.depth():
            self.wake()

    def wake(self) -> None:
        """There may be something to do."""
        self._woken.set()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="foodco-storage-mirror", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:
                    # The interpreter is ending: what is left waits in the journal.
                    self._thread = None

    def replay(self, limit: int = AT_ONCE) -> tuple[int, int]:
        """Reconcile entries that are due, in this thread.

        Returns:
            How many were settled, and how many were left.
        """
        routes = self._routes()
        taken = self.journal.take(list(routes), limit)
        settled = sum(self._reconcile(one, *routes[one.entry.identity]) for one in taken)
        return settled, len(taken) - settled

    def after_fork(self) -> None:
        """In a forked child: the parent's thread is not there."""
        self._lock = threading.Lock()
        self._thread = None
        self._woken = threading.Event()
        self.journal.after_fork()

    def _routes(self) -> dict[str, tuple[ThreadDriver, Route]]:
        with self._lock:
            serving = list(self._serving)
        routes = {}
        for reference, route in serving:
            driver = reference()
            if driver is None:
                continue
            try:
                now = route.now()
            except ClientError as error:
                # Nobody can say its phase now: its entries wait.
                logger.debug("entries of a route wait for its phase to be known: %s", error)
                continue
            if now.other is not None:
                routes[now.identity] = driver, now
        return routes

    def _run(self) -> None:
        trouble = ""
        while True:
            self._woken.clear()
            try:
                settled, left = self.replay()
                waiting = settled or left or any(self.journal.depth(identity) for identity in self._routes())
            except JournalError as error:
                if str(error) != trouble and not self.journal.is_closed:
                    # It is tried every second, and told once.
                    trouble = str(error)
                    logger.warning("the journal can't be replayed now: %s", error)
                settled, waiting = 0, not self.journal.is_closed
            except Exception:
                # A mistake of ours in a thread that nobody looks at must not end in silence.
                logger.exception("the journal could not be replayed")
                settled, waiting = 0, True
            else:
                trouble = ""
            if settled:
                continue
            if not self._woken.wait(WAIT_SECONDS) and not waiting:
                with self._lock:
                    if not self._woken.is_set():
                        self._thread = None
                        return

    def _reconcile(self, taken: Taken, driver: ThreadDriver, route: Route) -> bool:
        gate = route.gate.try_reconciling() if route.gate is not None else None
        if route.gate is not None and gate is None:
            self._defer(taken, "the phase of the route is on the move")
            return False
        try:
            with gate or nullcontext() as phase:
                if phase is not None and phase != route.phase:
                    self._defer(taken, "the phase of the route has moved")
                    return False
                entry, telling = taken.entry, driver.telling(route.name)
                with work("mirror", route.name, entry.bucket, entry.key, telling):
                    driver.carry_out(Reconcile(route).settled(entry, taken.number, taken.entered))
        except BackendError as error:
            self._left(taken, driver, error.error)
        except Exception as error:
            self._left(taken, driver, error)
            logger.exception("%s/%s could not be mirrored", taken.entry.bucket, taken.entry.key)
        else:
            return True
        return False

    def _left(self, taken: Taken, driver: ThreadDriver, why: Exception) -> None:
        entry = taken.entry
        which = {"Bucket": entry.bucket, "Key": entry.key}
        tell_step("mirror", "failed", entry.route, which, driver.telling(entry.route), since=taken.entered, why=why)
        self._defer(taken, str(why))

    def _defer(self, taken: Taken, why: str) -> None:
        try:
            self.journal.defer([taken.number], why)
        except JournalError as error:
            # The journal does it when it can. The others that were taken with it must not be stranded.
            logger.warning("an unfinished write could not be marked in the journal: %s", error)


_opened: dict[Path, Mirroring] = {}
_opening = threading.Lock()


def mirroring_of(configuration: Configuration) -> Mirroring:
    """The one of the journal that a configuration names; opened once in a process.

    Raises:
        JournalError: the journal can't be used.
        ConfigurationError: nothing says where it lies.
    """
    directory = journal_directory(configuration, os.environ)
    with _opening:
        if directory not in _opened:
            _opened[directory] = Mirroring(Journal(directory, max_entries=configuration.journal.max_entries))
        return _opened[directory]


def journal_directory(configuration: Configuration, environ: Any) -> Path:
    """Where the journal lies: as configured, or under the user's state directory.

    Raises:
        ConfigurationError: there is no such directory, since the process has no home.
    """
    return state_directory(configuration.journal.directory, environ, "journal", "journal.directory")


def journal_exists(configuration: Configuration) -> bool:
    """Whether there is a journal where the configuration says."""
    try:
        # Also where this process may not look: that is no journal of its.
        return os.path.isdir(journal_directory(configuration, os.environ))  # noqa: PTH112 - Path.is_dir raises there
    except ConfigurationError:
        return False


def check_authority(journal: Journal, route: Route, stores: str) -> None:
    """Refuse a route whose journal holds writes that another authority took.

    Args:
        journal: of the host.
        route: as it is to be served.
        stores: of the route, whoever decides.

    Raises:
        ConfigurationError: the phase was moved before the other side had everything.
    """
    if route.phase is None:
        return
    for one in journal.summary():
        theirs, _, authority = one.identity.rpartition(":")
        if theirs == stores and one.identity != route.identity and one.entries:
            message = (
                f"is {route.phase!r}, but the journal holds {one.entries} writes of route {route.name!r} that "
                f"{authority!r} took and the other side does not have: go back to the phase in which {authority!r} decides, "
                "until `foodco-storage journal` shows none"
            )
            raise ConfigurationError([Problem(f"routes.{route.name}.phase", message)])


def _after_fork_in_child() -> None:
    global _opening  # noqa: PLW0603 - another thread of the parent may have held it
    _opening = threading.Lock()
    for one in _opened.values():
        one.after_fork()


register_at_fork(after_in_child=_after_fork_in_child)
