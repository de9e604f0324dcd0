"""Single flight: of many that miss one object at once, one asks the store, and the others look again when it has.

Nobody waits for long: who leads may be slow, or dead. Hits never come here.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

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
        # Opened once, and never closed while the process lives: closing any descriptor of a file drops all of a process's
        # locks on it.
        self._file = (
            None if path is None else os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        )

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Lead, or wait until another that leads has ended: then what it brought may be in the cache.

        Args:
            name: what is asked for, the same in every process.
        """
        until = self._clock() + self._wait_seconds
        with self._lock:
            other = self._under_way.get(name)
            if other is None:
                own = self._under_way[name] = threading.Event()
        if other is not None:
            other.wait(self._wait_seconds)
            yield
            return
        try:
            position = _position(name)
            held = self._hold(position, until)
            try:
                yield
            finally:
                if held and self._file is not None:
                    fcntl.lockf(self._file, fcntl.LOCK_UN, 1, position)
        finally:
            with self._lock:
                self._under_way.pop(name, None)
            own.set()

    def _hold(self, position: int, until: float) -> bool:
        """Wait for other processes; whether this one leads now."""
        if self._file is None:
            return False
        pause = _FIRST_LOOK_SECONDS
        while True:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, position)
            except OSError as error:
                if error.errno not in {errno.EACCES, errno.EAGAIN}:
                    # A file system without locks: each process asks for itself.
                    return False
            else:
                return True
            if self._clock() + pause > until:
                return False
            self._sleep(pause)
            pause = min(2 * pause, _LAST_LOOK_SECONDS)

    def after_fork(self) -> None:
        """In a forked child: the parent's threads lead nothing here, and its locks are not inherited."""
        self._lock = threading.Lock()
        self._under_way = {}


def _position(name: str) -> int:
    """The byte to lock, far beyond the end of the file: so many that no two names meet."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=7).digest()
    return int.from_bytes(digest, "little")
