"""Counts of what the library does beside answering: promotes, mirrored writes, tombstones, degraded reads, failures.

One set of counters for the process; they only grow. `foodco_storage.counters()` reads them.
"""

from __future__ import annotations

import threading
from collections import Counter
from os import register_at_fork

_counts: Counter[tuple[str, str]] = Counter()
# Reentrant: a body that is dropped counts too, wherever the garbage collector happens to run.
_lock = threading.RLock()


def add(name: str, route: str, amount: int = 1) -> None:
    """Add to a counter."""
    with _lock:
        _counts[route, name] += amount


def counters() -> dict[str, dict[str, int]]:
    """What was counted in this process so far.

    Returns:
        For each route's name, the counters that are not zero by their names: `promotes`, `promoted_bytes`,
        `promotes_overtaken`, `promotes_dropped`, `promotes_too_large`, `promotes_stopped`, `promote_failures`, `mirrored`,
        `mirror_failures`, `tombstones`, `degraded_reads`, `presigned_writes`, `cache_hits`, `cache_hit_bytes`,
        `cache_misses`, `cache_revalidated`, `cache_stale`.

    Example:
        foodco_storage.counters()["images"]["promotes"]
    """
    read: dict[str, dict[str, int]] = {}
    with _lock:
        for (route, name), count in _counts.items():
            if count:
                read.setdefault(route, {})[name] = count
    return read


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.RLock()
    _counts.clear()


register_at_fork(after_in_child=_after_fork_in_child)
