"""From samples to tables: paired ratios, their medians and their spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TITLES = (
    "client",
    "CPU us",
    "CPU ratio",
    "95 % of the median",
    "quartiles",
    "by process",
    "per second",
    "p50 us",
    "p99 us",
    "time ratio",
)
_QUARTERS = 4
_FEWEST = 2


@dataclass(frozen=True)
class Ratio:
    """Ratios of a cell to boto3, one of each round.

    Args:
        by_process: the ratios of each process.
    """

    by_process: tuple[tuple[float, ...], ...]

    @property
    def all(self) -> list[float]:
        """Every ratio, sorted."""
        return sorted(ratio for process in self.by_process for ratio in process)

    @property
    def median(self) -> float:
        """The median of all rounds."""
        return statistics.median(self.all)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the median lies with 95 % confidence if rounds are independent (by order statistics)."""
        ratios = self.all
        reach = 0.98 * math.sqrt(len(ratios))
        low, high = math.floor(len(ratios) / 2 - reach), math.ceil(len(ratios) / 2 + reach)
        return ratios[max(low, 0)], ratios[min(high, len(ratios) - 1)]

    @property
    def quartiles(self) -> tuple[float, float]:
        """The middle half of the rounds."""
        ratios = self.all
        if len(ratios) < _FEWEST:
            return ratios[0], ratios[0]
        first, _, third = statistics.quantiles(ratios, n=_QUARTERS)
        return first, third

    @property
    def process_range(self) -> tuple[float, float]:
        """The least and the greatest median of one process."""
        medians = [statistics.median(process) for process in self.by_process]
        return min(medians), max(medians)


def ratio(
    processes: Sequence[Iterable[Mapping[str, Any]]], operation: str, cell: str, base: str, quantity: str
) -> Ratio:
    """The ratios cell/base of a quantity, paired by process and round."""
    by_process = []
    for samples in processes:
        taken = {
            (s["cell"], s["round"]): s[quantity]
            for s in samples
            if s["operation"] == operation and s["cell"] in {cell, base}
        }
        by_process.append(tuple(value / taken[base, number] for (name, number), value in taken.items() if name == cell))
    return Ratio(tuple(by_process))


def table(processes: Sequence[Sequence[Mapping[str, Any]]], operation: str, base: str) -> str:
    """A Markdown table of one operation, a row for each client; empty where nobody did it."""
    rows = [_row(processes, operation, cell, base) for cell in _cells(processes, operation)]
    return markdown(_TITLES, rows) if rows else ""


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns aligned for a terminal."""
    widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(titles))]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join([first, *rest])} |"

    ruler = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    return "\n".join([line(titles), f"|{ruler}|", *(line(row) for row in rows)])


def _cells(processes: Sequence[Sequence[Mapping[str, Any]]], operation: str) -> list[str]:
    return list(dict.fromkeys(s["cell"] for samples in processes for s in samples if s["operation"] == operation))


def _row(processes: Sequence[Sequence[Mapping[str, Any]]], operation: str, cell: str, base: str) -> list[str]:
    samples = [s for samples in processes for s in samples if s["operation"] == operation and s["cell"] == cell]
    latencies = sorted(latency for s in samples for latency in s["latencies_ns"])
    numbers = [f"{statistics.median(s['cpu_ns'] for s in samples) / 1000:.0f}"]
    if cell == base:
        numbers += ["1", "", "", ""]
    else:
        cpu = ratio(processes, operation, cell, base, "cpu_ns")
        numbers += [f"{cpu.median:.3f}", _span(cpu.interval), _span(cpu.quartiles), _span(cpu.process_range)]
    numbers += [
        f"{1e9 / statistics.median(s['wall_ns'] for s in samples):.4g}",
        f"{statistics.median(latencies) / 1000:.0f}",
        f"{latencies[math.ceil(len(latencies) * 0.99) - 1] / 1000:.0f}",
        "1" if cell == base else f"{ratio(processes, operation, cell, base, 'wall_ns').median:.3f}",
    ]
    return [cell, *numbers]


def _span(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.3f} to {ends[1]:.3f}"
