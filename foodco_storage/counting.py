"""Counts of what the library does: promotes, mirrored writes, tombstones, degraded reads, cache hits, failures.

One set of counters for the process; they only grow, but for bytes that are held now. `foodco_storage.counters()` reads them.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from os import register_at_fork

_counts: Counter[tuple[str, str]] = Counter()
_watched: list[tuple[str, str, Callable[[], int]]] = []
# Reentrant: a body that is dropped counts too, wherever the garbage collector happens to run.
_lock = threading.RLock()


def add(name: str, route: str, amount: int = 1) -> None:
    """Add to a counter."""
    with _lock:
        _counts[route, name] += amount


_COUNT, _SIZE, _STORED_SIZE = range(3)

_STEPS = {
    ("compress", "done"): (
        ("compressed", _COUNT),
        ("compressed_bytes", _SIZE),
        ("compressed_stored_bytes", _STORED_SIZE),
    ),
    ("mirror", "done"): (("mirrored", _COUNT),),
    ("mirror", "failed"): (("mirror_failures", _COUNT),),
    ("presign", "done"): (("presigned_writes", _COUNT),),
    ("promote", "done"): (("promotes", _COUNT), ("promoted_bytes", _SIZE)),
    ("promote", "dropped"): (("promotes_dropped", _COUNT),),
    ("promote", "failed"): (("promote_failures", _COUNT),),
    ("promote", "overtaken"): (("promotes_overtaken", _COUNT),),
    ("promote", "stopped"): (("promotes_stopped", _COUNT),),
    ("promote", "too_large"): (("promotes_too_large", _COUNT),),
    ("tombstone", "done"): (("tombstones", _COUNT),),
}
"""The counters of each step and outcome, and what is added to them."""


def counters_of(step: str, outcome: str, *, count: int, size: int, stored_size: int) -> Iterator[tuple[str, int]]:
    """The counters of a step of a flow, and what it adds to each.

    Args:
        step: as in `foodco_storage.telemetry.events.Step`, and so the others.
        outcome: what it came to.
        count: how many objects.
        size: bytes of them.
        stored_size: bytes that lie in the store.
    """
    amounts = (count, size, stored_size)
    for name, which in _STEPS.get((step, outcome), ()):
        yield name, amounts[which]


def watch(name: str, route: str, read: Callable[[], int]) -> None:
    """Have something told among the counters that is counted elsewhere.

    Args:
        name: of the counter; of several of one name the sum is told.
        route: the route's name.
        read: tells it as it is now.
    """
    with _lock:
        _watched.append((name, route, read))


def counters() -> dict[str, dict[str, int]]:
    """What was counted in this process so far.

    Returns:
        For each route's name, the counters that are not zero by their names: `promotes`, `promoted_bytes`,
        `promotes_overtaken`, `promotes_dropped`, `promotes_too_large`, `promotes_stopped`, `promote_failures`, `mirrored`,
        `mirror_failures`, `tombstones`, `degraded_reads`, `presigned_writes`; of a cache `cache_memory_hits`,
        `cache_disk_hits`, `cache_misses`, `cache_revalidated`, `cache_stale`, `cache_saved_requests`, `cache_saved_bytes`,
        `cache_memory_evictions`, `cache_disk_evictions`; `compressed` objects, `compressed_bytes` of them before and
        `compressed_stored_bytes` after; and as they are now `cache_memory_bytes` and `cache_disk_bytes`.

    Example:
        foodco_storage.counters()["images"]["promotes"]
    """
    read: dict[str, dict[str, int]] = {}
    with _lock:
        counts = _counts.copy()
        watched = list(_watched)
    # Not under the lock: reading them takes others.
    for name, route, now in watched:
        counts[route, name] += now()
    for (route, name), count in counts.items():
        if count:
            read.setdefault(route, {})[name] = count
    return read


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.RLock()
    _counts.clear()


register_at_fork(after_in_child=_after_fork_in_child)
