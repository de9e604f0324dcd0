"""`foodco-storage demo`: a service reads from "S3" and writes to the primary, on this machine, every byte checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from foodco_storage.demo.scenario import Scenario, Tally
from foodco_storage.demo.stage import documents, load, stage


def run(*, ceph: bool = False, directory: Path | None = None, limit: int | None = None) -> None:
    """Run the demo and print what it does.

    Args:
        ceph: a real Ceph as the primary; its programs must be installed.
        directory: files to load instead of botocore's API descriptions.
        limit: at most so many files.

    Raises:
        DemoFailed: when something was not as it must be.
        ServerUnavailable: when a store can't be started; says what is missing.
        FileNotFoundError: when there is nothing to load.
    """
    console = Console()
    files = documents(directory, limit)
    console.print("Starting two stores on this machine...")
    with stage(ceph=ceph) as both:
        console.print(f'"S3" is moto, the primary is {both.primary_name}. The configuration:\n')
        console.print(both.configuration.read_text(), markup=False, highlight=False, style="dim")
        with _bars(console) as bars:
            _step(bars, f'load {len(files)} files into "S3" only', len(files), lambda tick: load(both.s3, files, tick))
            scenario = Scenario(both, files)
            _step(bars, "service: read them all", len(files), scenario.read_everything)
            _step(bars, "service: publish, revise, archive", 1, scenario.write)
            _step(bars, "service: read back, download", 1, scenario.read_back)
            _step(bars, "service: list everything", 1, scenario.list_everything)
            _step(bars, "check both stores", 1, scenario.check_the_stores)
        console.print(_table(scenario.tally))
        console.print(
            f"{scenario.tally.checked} bodies compared with the files byte for byte: all equal. "
            'Nothing was written to "S3"; what the service wrote lies on the primary.'
        )


def _bars(console: Console) -> Progress:
    columns = (TextColumn("{task.description:<38}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def _step(bars: Progress, name: str, total: int, work: Callable[[Callable[[int], None]], Any]) -> None:
    task = bars.add_task(name, total=total)
    work(lambda _: bars.advance(task))


def _table(tally: Tally) -> Table:
    table = Table(title="Who served what")
    for heading, justify in (
        ("the service did", "left"),
        ("served by", "left"),
        ("operations", "right"),
        ("bytes", "right"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for (what, backend), count in sorted(tally.operations.items()):
        table.add_row(what, backend, f"{count:,}", f"{tally.sizes[what, backend]:,}")
    return table
