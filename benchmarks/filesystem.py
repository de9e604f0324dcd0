"""The file system for fsspec beside s3fs, other ones and boto3 by hand: `python -m benchmarks.filesystem`.

In every round of a row everybody does the same once (what is small, some times), in turns. The first time, before the
rounds, is not measured; what it gives must be right.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import boto3
from botocore.config import Config

from benchmarks.environment import clean_environment
from benchmarks.filesystem_cells import OWN, S3FS, Files, own, peers
from benchmarks.filesystem_rows import THREADS, Action, Extent, Row, rows
from benchmarks.filesystem_tools import tool_rows
from benchmarks.static_server import StaticServer
from benchmarks.stores import PRIMARY, Sizes
from benchmarks.worker import in_turn
from foodco_storage.backends.presets import client_config
from foodco_storage.config import Backend
from foodco_storage.testing import Server

Times = Mapping[str, Sequence[float]]
"""Milliseconds of everybody, round by round."""

BOTO3 = "boto3 by hand"
QUICK = Extent(
    Sizes(listed_keys=20, large_bytes=17 * 1024**2, page_keys=10),
    times=2,
    ranges=10,
    jumps=5,
    files=10,
    table_rows=1000,
    chunks=1,
)
_COULD_NOT_MEASURE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether it is good enough (`--check`)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.filesystem", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="of each row (default: %(default)s)")
    parser.add_argument("--only", metavar="WORD", default="", help="rows that have this in their names")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a bar is missed")
    parser.add_argument("--quick", action="store_true", help="only to see that it runs: the numbers mean nothing")
    options = parser.parse_args(arguments)
    if (missing := StaticServer.missing()) is not None:
        _say(f"skipped: {missing}")
        return _COULD_NOT_MEASURE if options.check else 0
    environment = clean_environment()
    os.environ.clear()
    os.environ.update(environment)
    extent = QUICK if options.quick else Extent(Sizes(listed_keys=10_000, large_bytes=256 * 1024**2))
    with ExitStack() as stack:
        static = stack.enter_context(StaticServer(extent.sizes, own_etags=True))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        compared = [*peers(static.server, directory, _say), own(static.server, directory)]
        # First the one that the others are compared with, then ours.
        compared.sort(key=lambda files: {S3FS: 0, OWN: 1}.get(files.name, 2))
        cached = own(static.server, directory, cached=True)
        bucket = static.files / PRIMARY
        prepared = [
            *rows(extent, bucket, _boto3(static.server), stack),
            *tool_rows(extent, bucket, stack, _say),
        ]
        found = _measured(prepared, compared, cached, 1 if options.quick else options.rounds, options.only)
    if options.quick:
        _say("\nquick: these numbers mean nothing")
        return 0
    if compared[0].name != S3FS:
        _say("\nno bars without s3fs: pip install -e '.[bench]'")
        return _COULD_NOT_MEASURE if options.check else 0
    met = _say_bars(found)
    return 1 if options.check and not met else 0


def _measured(
    prepared: Sequence[Row], compared: Sequence[Files], cached: Files, rounds: int, only: str
) -> list[tuple[Row, Times]]:
    """Measure row by row, and print each when it is done."""
    names = [*(files.name for files in compared), BOTO3]
    _say(f"\n## ms, median of {rounds} rounds (times as fast as s3fs, median within a round)\n")
    _say(f"| | {' | '.join(names)} |\n|---|{'---:|' * len(names)}")
    found = []
    for row in prepared:
        if only in row.name:
            times = _times(row, _cells(row, compared, cached), rounds)
            found.append((row, times))
            _say(f"| {row.name} | {' | '.join(_told(times, name) for name in names)} |")
    return found


def _boto3(server: Server) -> object:
    config = client_config(Backend(preset="ceph", endpoint_url=server.endpoint_url))
    return boto3.client("s3", **server.client_arguments(), config=config.merge(Config(max_pool_connections=THREADS)))


def _cells(row: Row, compared: Sequence[Files], cached: Files) -> dict[str, Action]:
    if row.cached:
        # The others have no cache, and are in a row of their own without.
        compared = [*(files for files in compared if files.name == S3FS), cached]
    cells = {files.name: row.action(files) for files in compared}
    return cells if row.by_hand is None else {**cells, BOTO3: row.by_hand}


def _times(row: Row, cells: Mapping[str, Action], rounds: int) -> Times:
    for name, act in cells.items():
        if not row.right(act()):
            raise RuntimeError(f"{row.name}: {name} does something else")
    times: dict[str, list[float]] = {name: [] for name in cells}
    for number in range(rounds):
        for name in in_turn(list(cells), number):
            act = cells[name]
            start = time.perf_counter()
            for _ in range(row.times):
                act()
            times[name].append((time.perf_counter() - start) * 1000 / row.times)
    return times


def _ratio(times: Times, name: str) -> float:
    """How many times as fast as s3fs."""
    return statistics.median(s3fs / took for s3fs, took in zip(times[S3FS], times[name], strict=True))


def _told(times: Times, name: str) -> str:
    if name not in times:
        return ""
    took = statistics.median(times[name])
    told = f"{took:,.0f}" if took >= 100 else f"{took:.2f}"  # noqa: PLR2004 - digits
    return told if S3FS not in times or name == S3FS else f"{told} ({_ratio(times, name):.2f})"


def _say_bars(found: Sequence[tuple[Row, Times]]) -> bool:
    _say("\n## how many times as fast as s3fs\n")
    met = True
    for row, times in found:
        ratio = _ratio(times, OWN)
        met = met and ratio >= row.bar
        _say(f"{row.name}: {ratio:.2f}, at least {row.bar}: {'met' if ratio >= row.bar else 'NOT MET'}")
    return met


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
