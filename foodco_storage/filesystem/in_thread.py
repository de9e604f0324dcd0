"""Asynchronous forms of methods that block."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any


def in_thread(method: Callable[..., Any]) -> Callable[..., Any]:
    """A coroutine function that runs a method in the filesystem's threads.

    Synchronous callers call the method itself: fsspec's way, by an event loop in another thread, would cost them two changes
    of threads for each request.
    """

    @wraps(method)
    async def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await self.store.pools.run(method, self, *args, **kwargs)

    return run
