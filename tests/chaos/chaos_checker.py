"""Whether what was read can be true, given what was written: each key is one register that one writer writes.

A write that failed, or was cut by a SIGKILL, may have taken place, and for a while may still: a request that has left the
process can reach the store after the next one. So it counts as under way until `LATE_SECONDS` after its end.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chaos_log import READS, WRITES, Record
from chaos_values import Version

LATE_SECONDS = 5.0


@dataclass(frozen=True)
class Write:
    """One write of a key.

    Args:
        number: of the version.
        start: it took place after this,
        until: and before this.
        is_acknowledged: whether the writer was told so.
        is_delete: whether the key holds nothing after it.
        etag: of what it wrote.
    """

    number: int
    start: float
    until: float
    is_acknowledged: bool
    is_delete: bool
    etag: str = ""


@dataclass(frozen=True)
class Read:
    """One look at a key.

    Args:
        reader: who.
        kind: how.
        start: it looked after this,
        end: and before this.
        number: of the version that it saw; None for nothing.
    """

    reader: str
    kind: str
    start: float
    end: float
    number: int | None


@dataclass
class History:
    """All that happened to one key."""

    key: str
    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)

    def possible(self, start: float, end: float) -> list[Write]:
        """The writes whose outcome a look in this span may show."""
        floor = max((w.start for w in self.writes if w.is_acknowledged and w.until <= start), default=-math.inf)
        return [w for w in self.writes if w.start <= end and w.until >= floor]

    def violations(self) -> list[str]:
        """What can't be."""
        found = []
        by_number = {write.number: write for write in self.writes}
        # No look may show less than one that had ended before it began.
        seen: list[tuple[float, float]] = []
        for read in sorted(self.reads, key=lambda r: r.start):
            possible = self.possible(read.start, read.end)
            floor = max((start for end, start in seen if end <= read.start), default=-math.inf)
            possible = [write for write in possible if write.until >= floor]
            if read.number is None:
                shown = [write for write in possible if write.is_delete]
            else:
                shown = [write for write in possible if write.number == read.number and not write.is_delete]
            if not shown:
                what = "nothing" if read.number is None else f"version {read.number}"
                known = "" if read.number is None or read.number in by_number else ", which nobody has written"
                may = ", ".join("nothing" if w.is_delete else str(w.number) for w in possible)
                found.append(f"{self.key}: {read} saw {what}{known}; it may have seen {may}")
            elif len(shown) == 1:
                seen.append((read.end, shown[0].start))
        return found

    def lines(self) -> list[str]:
        """The history, in order of time, for whoever has to find out."""
        events: list[tuple[float, str]] = []
        for w in self.writes:
            what = "delete" if w.is_delete else "put"
            outcome = "acknowledged" if w.is_acknowledged else "unknown"
            events.append((w.start, f"{w.start:14.4f} .. {w.until:14.4f} {what} {w.number}: {outcome} {w.etag}"))
        events += [
            (r.start, f"{r.start:14.4f} .. {r.end:14.4f} {r.reader} {r.kind} saw {r.number}") for r in self.reads
        ]
        return [line for _, line in sorted(events)]


def histories(records: Iterable[Record], before: Mapping[str, Version], keys: Sequence[str]) -> dict[str, History]:
    """Sort out by key what the workers wrote down.

    Args:
        records: of all workers and of the controller, in any order.
        before: what lay in the source before, by key.
        keys: all keys.
    """
    found = {key: History(key, [_first(before.get(key))]) for key in keys}
    begun: dict[tuple[str, int], Record] = {}
    killed: dict[str, list[float]] = defaultdict(list)
    looks: list[tuple[Record, Record]] = []
    for record in sorted(records, key=lambda r: r.at):
        if record.event == "killed":
            killed[record.worker].append(record.at)
        elif record.event == "begun":
            begun[record.worker, record.operation] = record
        elif record.event == "ended":
            start = begun.pop((record.worker, record.operation))
            if record.kind in WRITES:
                found[record.key].writes.append(_write(start, record))
            elif record.kind in READS:
                looks.append((start, record))
    for start in begun.values():
        if start.kind in WRITES:
            ends = [at for at in killed[start.worker] if at >= start.at]
            found[start.key].writes.append(_write(start, replace(start, at=min(ends, default=math.inf))))
    _add_reads(found, looks)
    return found


def _first(version: Version | None) -> Write:
    if version is None:
        return Write(0, -math.inf, -math.inf, is_acknowledged=True, is_delete=True)
    return Write(version.number, -math.inf, -math.inf, is_acknowledged=True, is_delete=False, etag=version.etag())


def _write(start: Record, end: Record) -> Write:
    is_acknowledged = end.outcome == "ok"
    is_delete = start.kind == "delete"
    version = Version(start.key, start.worker, start.version or 0, start.size)
    return Write(
        version.number,
        start.at,
        end.at + (0 if is_acknowledged else LATE_SECONDS),
        is_acknowledged,
        is_delete,
        "" if is_delete else version.etag(),
    )


def _add_reads(found: dict[str, History], looks: Iterable[tuple[Record, Record]]) -> None:
    for start, end in looks:
        if end.outcome not in {"ok", "absent"}:
            continue
        if end.kind != "list":
            number = end.version if end.outcome == "ok" else None
            found[end.key].reads.append(Read(end.worker, end.kind, start.at, end.at, number))
            continue
        for key, history in found.items():
            number = None
            if key in end.listed:
                # An ETag that nobody knows is a version that nobody has written.
                number = next((w.number for w in history.writes if w.etag == end.listed[key]), -1)
            history.reads.append(Read(end.worker, "list", start.at, end.at, number))
