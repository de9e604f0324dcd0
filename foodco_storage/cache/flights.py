"""Single flight: of many that miss one object at once, one asks the store, and the others look again when it has.

Nobody waits for long: who leads may be slow, or dead. Hits never come here.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from foodco_storage.cache.shared_file import SharedFile

WAIT_SECONDS: Final = 2.0
"""After that a follower asks the store itself."""

_FIRST_LOOK_SECONDS: Final = 0.002
_LAST_LOOK_SECONDS: Final = 0.05


class Flights:
    """Who is asking for what.

    Args:
        path: a file that processes share, for locks on single bytes of it; None for this process only. The kernel drops the
            locks of a process that dies.
        wait_seconds: for others, at most.
        clock: seconds that only grow.
        sleep: waits for so many seconds.

    Raises:
        OSError: the file can't be made or used.
    """

    def __init__(
        self,
        path: Path | None = None,
        wait_seconds: float = WAIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._under_way: dict[str, threading.Event] = {}
        # One for each path and process: closing any descriptor of a file drops all of a process's locks on it.
        self._file = None if path is None else SharedFile(path, [path.parent.parent, path.parent])

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Lead, or wait until another that leads has ended: then what it brought may be in the cache.

        Args:
            name: what is asked for, the same in every process.
        """
        own = threading.Event()
        try:
            with self._lock:
                other = self._under_way.setdefault(name, own)
            if other is own:
                with self._alone_on_the_host(_position(name)):
                    yield
                return
            if not other.wait(self._wait_seconds):
                # Slow; or interrupted before it could take its leave.
                self._forget(name, other)
            yield
        finally:
            self._forget(name, own)
            own.set()

    def _forget(self, name: str, event: threading.Event) -> None:
        with self._lock:
            if self._under_way.get(name) is event:
                del self._under_way[name]

    @contextmanager
    def _alone_on_the_host(self, position: int) -> Iterator[None]:
        """Lead among processes as well; who had to wait leads nobody, since what the other brought may be of no use."""
        descriptor = self._lock_now(position)
        try:
            yield
        finally:
            if descriptor is not None and self._file is not None and self._file.is_open():
                fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, position)

    def _lock_now(self, position: int) -> int | None:
        """The descriptor that holds the lock; None, at the latest after a while, where another process has had it."""
        if self._file is None:
            return None
        until, pause, waited = self._clock() + self._wait_seconds, _FIRST_LOOK_SECONDS, False
        while True:
            try:
                descriptor = self._file.descriptor()
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, position)
            except OSError as error:
                if error.errno not in {errno.EACCES, errno.EAGAIN}:
                    # No locks, no file: each process asks for itself.
                    return None
            else:
                if not waited:
                    return descriptor
                fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, position)
                return None
            waited = True
            if self._clock() + pause > until:
                return None
            self._sleep(pause)
            pause = min(2 * pause, _LAST_LOOK_SECONDS)

    def after_fork(self) -> None:
        """In a forked child: the parent's threads lead nothing here, and its locks are not inherited."""
        self._lock = threading.Lock()
        self._under_way = {}
        if self._file is not None:
            self._file.after_fork()


def _position(name: str) -> int:
    """The byte to lock, far beyond the end of the file: so many that no two names meet."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=7).digest()
    return int.from_bytes(digest, "little")
