"""One fresh process that measures: cells next to each other, round by round.

Reads what to do from stdin and writes its samples to stdout, both JSON.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from benchmarks.cells import BOTO3, Cell, library_cells
from benchmarks.peers import peer_cells
from benchmarks.stores import Sizes

T = TypeVar("T")

# Short rounds, so that what they are compared with was measured milliseconds ago: 1500 rounds of 3 tell more than 360 of 10.
_REPEATS = {"get": 3, "head": 3, "put": 3}


def main() -> None:
    """Measure what stdin asks for."""
    task = json.load(sys.stdin)
    sizes = Sizes(**task["sizes"])
    cells = library_cells(task["endpoint_url"], sizes)
    if task["peers"]:
        cells = [cell for cell in cells if cell.name == BOTO3] + peer_cells(task["endpoint_url"])
    json.dump(measure(cells, task["rounds"]), sys.stdout)


def measure(cells: Sequence[Cell], rounds: Mapping[str, int]) -> list[dict[str, Any]]:
    """Samples of every operation, cell and round; the cells in the order that they were given in."""
    samples = []
    for operation, count in rounds.items():
        doing = [cell for cell in cells if operation in cell.actions]
        for cell in doing:
            for _ in range(3):
                _sample(cell.actions[operation], 1)
        for number in range(count):
            for cell in in_turn(doing, number):
                sample = _sample(cell.actions[operation], _REPEATS.get(operation, 1))
                samples.append({"operation": operation, "cell": cell.name, "round": number, **sample})
    return [sample for cell in cells for sample in samples if sample["cell"] == cell.name]


def in_turn(cells: Sequence[T], number: int) -> list[T]:
    """The order of a round: shuffled, in the next round the other way round, so that nobody always follows the same one."""
    order = list(cells)
    random.Random(number // 2).shuffle(order)  # noqa: S311 - an order, not a secret
    return order[::-1] if number % 2 else order


def _sample(action: Callable[[], Any], repeats: int) -> dict[str, Any]:
    clock = time.perf_counter_ns
    latencies = []
    cpu = time.process_time_ns()
    for _ in range(repeats):
        start = clock()
        afterwards = action()
        latencies.append(clock() - start)
        if callable(afterwards):
            # What has to be done before it can be done again, and belongs to nobody's time.
            paused = time.process_time_ns()
            afterwards()
            cpu += time.process_time_ns() - paused
    cpu = time.process_time_ns() - cpu
    return {"cpu_ns": cpu / repeats, "wall_ns": sum(latencies) / repeats, "latencies_ns": latencies}


if __name__ == "__main__":
    main()
