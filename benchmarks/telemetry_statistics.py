"""What access statistics take: memory and time with very many keys, and how far off their counts are."""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from foodco_storage.access.database import DATABASE
from foodco_storage.access.prefixes import WHOLE
from foodco_storage.access.recorder import Recorder
from foodco_storage.access.rows import LOST, READS
from foodco_storage.access.store import Store
from foodco_storage.access.window import Window
from foodco_storage.telemetry.events import Event, Hook, Operation, Request

COUNTER, WINDOW, STORE = "a dict of Counter", "window", "window and store"
"""Who keeps counts: without a bound, in bounded memory, and in SQLite as well."""

_BUCKET = "bench"
_AT_ONCE = 10_000
_AT = 1_795_000_000.0  # all in one UTC date
_REQUESTS = (Request("ceph", "GetObject", 1, 0.002, 200, None, 0, 1024),)
_FLUSHES = 10
_HEAVIEST = 100
_PATIENCE_SECONDS = 3600.0


def kept(keeper: str, keys: int, max_keys: int) -> dict[str, Any]:
    """One read of each of many keys, as fast as they can be told.

    Args:
        keeper: `COUNTER`, `WINDOW` or `STORE`.
        keys: how many.
        max_keys: the keeper's; nothing to the first.

    Returns:
        `caller_ns`, CPU of the caller's thread for each event; `cpu_ns`, of all threads, until everything is kept;
        `held_bytes` and `peak_bytes`, by which the process had grown after the last event, and at most; `database_bytes`;
        `rows` of single keys.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hook, finish = _keeper(keeper, directory, max_keys)
        grown_from = _memory("VmRSS")
        all_begun, making, caller = time.process_time_ns(), 0, 0
        names = map(_key, range(keys))
        while True:
            begun = time.thread_time_ns()
            events = list(map(_read, islice(names, _AT_ONCE)))
            made = time.thread_time_ns()
            for event in events:
                hook(event)
            caller += time.thread_time_ns() - made
            making += made - begun
            if not events:
                break
        held = _memory("VmRSS") - grown_from
        rows = finish()
        return {
            "caller_ns": caller / keys,
            "cpu_ns": (time.process_time_ns() - all_begun - making) / keys,
            "held_bytes": held,
            "peak_bytes": _memory("VmHWM") - grown_from,
            "database_bytes": (directory / DATABASE).stat().st_size if keeper == STORE else 0,
            "rows": rows,
        }


def _key(number: int) -> str:
    return f"images/2026/{number % 1000:03}/{number:09}.jpg"


def _read(key: str) -> Operation:
    return Operation(
        "GetObject",
        _BUCKET,
        key,
        "images",
        "cutover",
        "ceph",
        _REQUESTS,
        size=1024,
        seconds=0.002,
        status=200,
        at=_AT,
    )


def _keeper(keeper: str, directory: Path, max_keys: int) -> tuple[Hook, Callable[[], int]]:
    """A hook, and what makes it keep everything, and tells how many keys it tells apart."""
    if keeper == COUNTER:
        counters: dict[tuple[str | None, ...], Counter[str]] = {}
        return _counting(counters), lambda: len(counters)
    if keeper == WINDOW:
        window = Window(max_keys)
        return window, lambda: len(_wholes(window))
    store = Store(directory, max_keys=max_keys)
    recorder = Recorder(store, "benchmark", max_keys=max_keys)

    def finish() -> int:
        if not recorder.close(_PATIENCE_SECONDS):
            raise RuntimeError("the statistics were not written down in time")
        return len(_stored(store)[0])

    return recorder, finish


def _counting(counters: dict[tuple[str | None, ...], Counter[str]]) -> Hook:
    """What one would write in five minutes."""

    def count(event: Event) -> None:
        if isinstance(event, Operation):
            row = counters.setdefault((event.route, event.bucket, event.key), Counter())
            row["reads"] += 1
            row["read_bytes"] += event.size

    return count


def _wholes(window: Window) -> dict[str, tuple[float, float]]:
    """Reads and what may be missing of them, by key."""
    return {
        key: (row[READS] or 0.0, row[LOST] or 0.0)
        for day in window.take().days.values()
        for (_, _, key, depth), row in day.accesses.items()
        if depth == WHOLE
    }


def _stored(store: Store) -> tuple[dict[str, tuple[float, float]], float]:
    with store.use() as connection:
        rows = connection.execute("SELECT key, reads, lost FROM accesses WHERE depth = ?", (WHOLE,))
        found = {key: (reads, lost) for key, reads, lost in rows}
        (floor,) = connection.execute("SELECT coalesce(sum(floor), 0.0) FROM floors").fetchone()
    return found, floor


def _memory(name: str) -> int:
    """A line of Linux's `/proc/self/status`, in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {name}")


def zipf(exponent: float, keys: int, events: int) -> list[int]:
    """Which key each event reads: by Zipf's law, the n-th key n ** -exponent times as often as the first."""
    weights = list(accumulate(n**-exponent for n in range(1, keys + 1)))
    # The same each time.
    return random.Random(1).choices(range(keys), cum_weights=weights, k=events)  # noqa: S311 - a trace, no secret


def sketched(keeper: str, trace: Sequence[int], max_keys: int) -> dict[str, Any]:
    """How far off the counts of a trace's keys are.

    Args:
        keeper: `WINDOW`, or `STORE`, which is written to ten times.
        trace: which key each event reads.
        max_keys: so many are told apart.

    Returns:
        `distinct` keys that were read; `error`, by how many reads a count was off at most; `outside`, how many keys were not
        read as often as their bounds say; `floor`, the bound that was stated; `bound`, which the floor never exceeds;
        `heaviest`, of the 100 most read keys, how many have rows.
    """
    truth = Counter(trace)
    found, floor = _kept_of(keeper, trace, max_keys)
    return {
        "distinct": len(truth),
        "bound": len(trace) / (max_keys + 1),
        "floor": floor,
        **_errors(truth, found, floor),
    }


def _kept_of(keeper: str, trace: Sequence[int], max_keys: int) -> tuple[dict[str, tuple[float, float]], float]:
    window = Window(max_keys)
    if keeper == WINDOW:
        for number in trace:
            window(_read(_key(number)))
        batch = window.take()
        window.put_back(batch)
        return _wholes(window), sum(day.floor for day in batch.days.values())
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory), max_keys=max_keys)
        some = -(-len(trace) // _FLUSHES)
        for begin in range(0, len(trace), some):
            for number in trace[begin : begin + some]:
                window(_read(_key(number)))
            store.add(window.take(), "benchmark")
        return _stored(store)


def _errors(truth: Mapping[int, int], found: Mapping[str, tuple[float, float]], floor: float) -> dict[str, int | float]:
    error, outside = 0.0, 0
    for number, reads in truth.items():
        counted, lost = found.get(_key(number), (0.0, floor))
        error = max(error, abs(reads - counted))
        outside += not counted <= reads <= counted + lost
    heaviest = sorted(truth, key=truth.__getitem__, reverse=True)[:_HEAVIEST]
    return {"error": error, "outside": outside, "heaviest": sum(_key(number) in found for number in heaviest)}
