"""The threads that bulk operations and parts of large files run on.

There are two pools, so that a file that waits for its parts never holds up the threads that its parts need.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from os import register_at_fork
from typing import Any, Final, TypeVar

T = TypeVar("T")

FILE_THREADS: Final = 16
"""Operations of one filesystem that run at once, whatever fsspec's `batch_size` lets in."""


class Pools:
    """Threads of one filesystem, started when they are needed.

    Args:
        part_threads: parts of files that are moved at once.
    """

    def __init__(self, part_threads: int) -> None:
        self._part_threads = part_threads
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        # Starting a pool may collect garbage, files that write when they end among it.
        self._lock = threading.RLock()
        self._files: ThreadPoolExecutor | None = None
        self._parts: ThreadPoolExecutor | None = None

    @property
    def parts(self) -> ThreadPoolExecutor:
        """For parts of files. What runs here must not wait for others that do."""
        with self._lock:
            if self._parts is None:
                self._parts = ThreadPoolExecutor(self._part_threads, "foodco-storage-part")
            return self._parts

    async def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a blocking function beside the event loop, in the caller's context."""
        with self._lock:
            if self._files is None:
                self._files = ThreadPoolExecutor(FILE_THREADS, "foodco-storage-file")
            pool = self._files
        call = partial(copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(pool, call)

    def after_fork(self) -> None:
        """In a forked child, which has none of the parent's threads."""
        self._reset()


_all: weakref.WeakSet[Pools] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for pools in list(_all):
        pools.after_fork()


register_at_fork(after_in_child=_after_fork_in_child)
