"""Flows that run at the same time, in threads, while the one that gathers them waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any

from foodco_storage.flows.request import Flow

THREADS = 10
"""As many as botocore keeps connections by default."""


class Gathering:
    """Runs flows side by side. They share its threads, which are started when they are first needed."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._here = threading.local()

    def after_fork(self) -> None:
        """In a forked child: the parent's threads are not there."""
        self._begin()

    def outcomes(self, flows: Sequence[Flow], carry_out: Callable[[Flow], Any]) -> list[Any]:
        """Run flows to their ends.

        Args:
            flows: in any order.
            carry_out: runs one.

        Returns:
            What each returned or raised, in their order.
        """
        if len(flows) <= 1 or getattr(self._here, "is_gathered", False):
            # Flows that are gathered already must not wait for threads that they hold themselves.
            return [_outcome(flow, carry_out) for flow in flows]
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(THREADS, "foodco-storage")
            threads = self._threads
        context = copy_context()
        results: dict[int, Any] = {}
        runs: list[Future[None]] = []
        try:
            for number, flow in enumerate(flows):
                runs.append(threads.submit(context.copy().run, self._gathered, results, number, flow, carry_out))
        except RuntimeError:
            # The interpreter is ending, or the system has no thread left. What was submitted, the last one perhaps without
            # saying so, has run when these threads have ended, or never will; the rest runs in this one.
            with self._lock:
                if self._threads is threads:
                    self._threads = None
            threads.shutdown()
            return [
                results[number] if number in results else _outcome(flow, carry_out) for number, flow in enumerate(flows)
            ]
        try:
            for run in runs:
                run.result()
        except BaseException:
            # An interrupt: what has not begun never does, and none goes on behind the back of whoever comes next.
            for run in runs:
                run.cancel()
            wait(runs)
            raise
        return [results[number] for number in range(len(flows))]

    def _gathered(self, results: dict[int, Any], number: int, flow: Flow, carry_out: Callable[[Flow], Any]) -> None:
        self._here.is_gathered = True
        results[number] = _outcome(flow, carry_out)


def _outcome(flow: Flow, carry_out: Callable[[Flow], Any]) -> Any:
    try:
        return carry_out(flow)
    except Exception as error:  # noqa: BLE001 - the gathering flow judges each by itself
        return error
