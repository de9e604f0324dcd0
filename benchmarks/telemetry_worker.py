"""One fresh process that measures what telemetry costs: a step of `benchmarks.telemetry`.

Reads what to do from stdin and writes what it found to stdout, both JSON.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.telemetry_cells import Cell, cells
from benchmarks.telemetry_statistics import kept
from benchmarks.worker import in_turn


def main() -> None:
    """Measure what stdin asks for."""
    task = json.load(sys.stdin)
    is_memory = task.pop("part") == "memory"
    found: Any = kept(**task) if is_memory else _operations(**task)
    json.dump(found, sys.stdout)


def _operations(kind: str, rounds: int, turns: int, repeats: int) -> list[dict[str, Any]]:
    """Samples of every operation, cell and round: `cpu_ns` is that of one operation, the mean of a round.

    Args:
        kind: as for `cells`.
        rounds: of each operation.
        turns: that each cell has in a round.
        repeats: of the operation in a turn.
    """
    samples = []
    with ExitStack() as stack:
        found = cells(kind, Path(stack.enter_context(tempfile.TemporaryDirectory())), stack)
        # What has been made so far is never looked at again: a collection would cost whoever has the turn.
        gc.collect()
        gc.freeze()
        for operation in found[0].actions:
            # The first round is to warm up.
            for number in range(-1, rounds):
                spent = dict.fromkeys((cell.name for cell in found), 0)
                for turn in range(turns):
                    for cell in in_turn(found, number * turns + turn):
                        spent[cell.name] += _turn(cell, operation, repeats)
                if number >= 0:
                    done = turns * repeats
                    samples += [
                        {"operation": operation, "cell": name, "round": number, "cpu_ns": ns / done}
                        for name, ns in spent.items()
                    ]
    return samples


def _turn(cell: Cell, operation: str, repeats: int) -> int:
    """Nanoseconds of CPU."""
    action = cell.actions[operation]
    with cell.listening():
        # Somebody else had the turn before.
        action()
        if cell.before is not None:
            return _apart(action, cell.before, repeats)
        begun = time.process_time_ns()
        for _ in range(repeats):
            action()
        return time.process_time_ns() - begun


def _apart(action: Callable[[], object], before: Callable[[], object], repeats: int) -> int:
    spent = 0
    for _ in range(repeats):
        before()
        begun = time.process_time_ns()
        action()
        spent += time.process_time_ns() - begun
    return spent


if __name__ == "__main__":
    main()
