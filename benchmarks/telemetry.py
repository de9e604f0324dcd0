"""What telemetry costs, and how good its statistics are: `python -m benchmarks.telemetry`."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.cells import BOTO3
from benchmarks.environment import REPOSITORY, clean_environment
from benchmarks.report import markdown, ratio
from benchmarks.telemetry_answers import OPERATIONS
from benchmarks.telemetry_cells import ALONE, BETWEEN, NOTHING, OFF, PEERS, ROUTED, UNROUTED, is_installed
from benchmarks.telemetry_statistics import COUNTER, STORE, WINDOW, sketched, zipf

BAR_US = 5.0
"""CPU that an operation with a hook that does nothing takes more, at most."""

PARTS = ("operations", "memory", "sketch")

_EXPONENTS = (0.8, 1.0, 1.2)
_TURNS = {UNROUTED: (32, 4), ROUTED: (32, 4), BETWEEN: (1, 128), ALONE: (1, 128)}
"""In a round, turns and operations in each. The statistics put off counting 127 times: each round has its share."""

_ROUNDS = {ALONE: 30}
"""So many times the rounds of the others, which take far longer."""

Processes = Sequence[Sequence[dict[str, Any]]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether it is good enough (`--check`)."""
    options = _options(arguments)
    met = True
    if "operations" in options.only:
        met = _operations(options)
    if "memory" in options.only:
        _memory(options.keys)
    if "sketch" in options.only:
        met = _sketch(options.keys, options.events) and met
    if options.quick:
        _say("\nquick: these numbers mean nothing")
        return 0
    return 1 if options.check and not met else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.telemetry", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="some parts (default: all)")
    parser.add_argument("--processes", type=int, default=3, help="fresh processes (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of whole operations (default: %(default)s)")
    parser.add_argument("--keys", type=int, default=1_000_000, help="distinct ones (default: %(default)s)")
    parser.add_argument("--events", type=int, default=1_000_000, help="of each trace (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a hook costs too much, or a bound fails")
    parser.add_argument("--quick", action="store_true", help="only to see that it runs: the numbers mean nothing")
    options = parser.parse_args(arguments)
    if options.quick:
        options.processes = options.rounds = 1
        options.keys, options.events = 2000, 5000
    return options


def _in_fresh_process(**task: Any) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.telemetry_worker"],
        input=json.dumps(task),
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=clean_environment(),
        check=True,
    )
    return json.loads(done.stdout)


def _operations(options: argparse.Namespace) -> bool:
    for module, package in PEERS.items():
        if not is_installed(module):
            _say(f"{package} is not installed, and left out")
    _say(f"{options.processes} processes, in each {options.rounds} rounds of {math.prod(_TURNS[UNROUTED])} operations")
    for kind, (turns, repeats) in _TURNS.items():
        rounds = options.rounds * _ROUNDS.get(kind, 1)
        task = {"part": "operations", "kind": kind, "rounds": rounds, "turns": turns, "repeats": repeats}
        if options.quick:
            task |= {"rounds": 1, "turns": 1, "repeats": 1}
        processes = [_in_fresh_process(**task) for _ in range(options.processes)]
        for operation in OPERATIONS:
            _say(f"\n## {operation}, {kind}\n\n{_table(processes, operation, with_boto3=kind in {UNROUTED, ROUTED})}")
    # Of the last ones, telemetry alone.
    return _say_bars(processes)


def _table(processes: Processes, operation: str, *, with_boto3: bool) -> str:
    titles = [
        "client",
        "CPU us",
        "least",
        "over off, us",
        *(("to boto3", "95 % of the median") if with_boto3 else ()),
        "to off",
    ]
    names = dict.fromkeys(sample["cell"] for samples in processes for sample in samples)
    rows = []
    for name in names:
        taken = [s["cpu_ns"] / 1000 for p in processes for s in p if (s["operation"], s["cell"]) == (operation, name)]
        row = [
            name,
            f"{statistics.median(taken):.2f}",
            f"{min(taken):.2f}",
            f"{_over_off(processes, operation, name):+.2f}",
        ]
        if with_boto3:
            to_boto3 = ratio(processes, operation, name, BOTO3, "cpu_ns")
            low, high = to_boto3.interval
            row += [f"{to_boto3.median:.3f}", f"{low:.3f} to {high:.3f}"]
        rows.append([*row, f"{ratio(processes, operation, name, OFF, 'cpu_ns').median:.3f}"])
    return markdown(titles, rows)


def _over_off(processes: Processes, operation: str, name: str) -> float:
    """Microseconds more than with telemetry off; the median of the differences within a round."""
    differences: list[float] = []
    for samples in processes:
        taken = {(s["cell"], s["round"]): s["cpu_ns"] for s in samples if s["operation"] == operation}
        differences += [value - taken[OFF, number] for (cell, number), value in taken.items() if cell == name]
    return statistics.median(differences) / 1000


def _say_bars(processes: Processes) -> bool:
    _say("")
    over = {operation: _over_off(processes, operation, NOTHING) for operation in OPERATIONS}
    for operation, microseconds in over.items():
        verdict = "met" if microseconds <= BAR_US else "NOT MET"
        _say(f"{NOTHING}, {operation}: {microseconds:.2f} us, at most {BAR_US:.0f} us: {verdict}")
    return all(microseconds <= BAR_US for microseconds in over.values())


def _memory(keys: int) -> None:
    titles = [
        "who keeps",
        "keys told apart",
        "caller's CPU us",
        "all CPU us",
        "held MiB",
        "peak MiB",
        "file MiB",
    ]
    rows = []
    for keeper, most in [(COUNTER, 0), *((keeper, most) for keeper in (WINDOW, STORE) for most in (keys // 10, keys))]:
        found = _in_fresh_process(part="memory", keeper=keeper, keys=keys, max_keys=most)
        file = found["database_bytes"] / 2**20
        rows.append(
            [
                f"{keeper}, max_keys {most:,}" if most else keeper,
                f"{found['rows']:,}",
                *(f"{found[name] / 1000:.2f}" for name in ("caller_ns", "cpu_ns")),
                *(f"{found[name] / 2**20:.0f}" for name in ("held_bytes", "peak_bytes")),
                f"{file:.0f}" if file else "",
            ]
        )
    _say(f"\n## memory, {keys:,} keys read once each\n\n{markdown(titles, rows)}")


def _sketch(keys: int, events: int) -> bool:
    titles = [
        "counts",
        "max_keys",
        "distinct keys",
        "most off by",
        "stated",
        "never above",
        "outside",
        "of the first 100",
    ]
    traces = {exponent: zipf(exponent, keys, events) for exponent in _EXPONENTS}
    wanted = itertools.product((WINDOW, STORE), _EXPONENTS, (keys // 1000, keys // 100))
    rows, met = [], True
    for keeper, exponent, most in wanted:
        found = sketched(keeper, traces[exponent], most)
        met = met and found["outside"] == 0 and found["error"] <= found["floor"] <= found["bound"]
        rows.append(
            [
                f"{keeper}, Zipf {exponent}",
                *(f"{number:,}" for number in (most, found["distinct"])),
                *(f"{found[name]:,.1f}" for name in ("error", "floor", "bound")),
                *(f"{found[name]}" for name in ("outside", "heaviest")),
            ]
        )
    _say(f"\n## counts, {events:,} reads of {keys:,} keys\n\n{markdown(titles, rows)}")
    _say(f"\nerrors, at most what is stated, at most reads / (max_keys + 1): {'met' if met else 'NOT MET'}")
    return met


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
