"""Time to import this library and to make clients, next to boto3's: `python -m benchmarks.import_time`."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.environment import REPOSITORY, clean_environment
from benchmarks.report import markdown

BAR_MILLISECONDS = 10.0
"""Importing this library may take at most so much CPU time on top of importing boto3, which it does first."""

_BASE = "boto3"
_KINDS = {
    _BASE: "boto3",
    "no-configuration": "library, no configuration",
    "one-backend": "library, one backend",
    "fallback": "library, fallback configured (two clients)",
}
_STEPS = ("import boto3", "import of what the library adds", "first client", "second client")
_ADDED = 1
_TITLES = ("", "CPU ms", "over boto3", "quartiles", "least CPU ms", "wall ms", "over boto3")
_QUARTERS = 4
_FEWEST = 2


@dataclass(frozen=True)
class Start:
    """What one process took for one step, in milliseconds."""

    cpu: float
    wall: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether it is good enough (`--check`)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.import_time", description=__doc__)
    parser.add_argument("--rounds", type=int, default=31, help="fresh processes of each kind (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit with 1 when the import takes too long")
    options = parser.parse_args(arguments)
    environment = clean_environment()
    for kind in _KINDS:
        _start(kind, environment)  # writes the byte code
    taken: dict[str, list[list[Start]]] = {kind: [] for kind in _KINDS}
    for number in range(options.rounds):
        kinds = list(_KINDS)
        for kind in kinds[::-1] if number % 2 else kinds:
            taken[kind].append(_start(kind, environment))
    for step, title in enumerate(_STEPS):
        rows = [_row(taken, kind, step) for kind in _KINDS]
        sys.stdout.write(f"\n## {title}\n\n{markdown(_TITLES, rows)}\n")
    # Not the difference of two imports: either is so long that noise would be all there is to see.
    added = statistics.median([start[_ADDED].cpu for kind in _KINDS if kind != _BASE for start in taken[kind]])
    met = added <= BAR_MILLISECONDS
    verdict = "met" if met else "NOT MET"
    sys.stdout.write(f"\nimport: {added:.1f} ms of CPU over boto3, at most {BAR_MILLISECONDS:.0f} ms: {verdict}\n")
    return 1 if options.check and not met else 0


def _start(kind: str, environment: dict[str, str]) -> list[Start]:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "benchmarks.start", kind],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=environment,
        check=True,
    )
    spent = [int(number) / 1e6 for number in done.stdout.split()]
    return [Start(cpu, wall) for cpu, wall in zip(spent[::2], spent[1::2], strict=True)]


def _over(taken: dict[str, list[list[Start]]], kind: str, step: int, clock: str) -> list[float]:
    """How much longer than boto3, round by round."""
    pairs = zip(taken[kind], taken[_BASE], strict=True)
    return [getattr(ours[step], clock) - getattr(theirs[step], clock) for ours, theirs in pairs]


def _row(taken: dict[str, list[list[Start]]], kind: str, step: int) -> list[str]:
    row = [_KINDS[kind]]
    for clock in ("cpu", "wall"):
        row.append(f"{statistics.median(getattr(start[step], clock) for start in taken[kind]):.1f}")
        over = _over(taken, kind, step, clock)
        row.append("" if kind == _BASE else f"{statistics.median(over):+.1f}")
        if clock == "cpu":
            row.append("" if kind == _BASE else _quartiles(over))
            row.append(f"{min(start[step].cpu for start in taken[kind]):.1f}")
    return row


def _quartiles(values: Sequence[float]) -> str:
    if len(values) < _FEWEST:
        return ""
    first, _, third = statistics.quantiles(values, n=_QUARTERS)
    return f"{first:+.1f} to {third:+.1f}"


if __name__ == "__main__":
    sys.exit(main())
