"""One run of chaos on a real Ceph, and what it found.

Processes write, delete and read over Ceph and SeaweedFS in phase cutover, while gateways and processes are killed and
connections break. Then everything that was acknowledged has to be there, and nothing that was deleted. The seed decides what is
done and what is broken, not how fast: a run is not repeated exactly. Exit status 1 when something is wrong.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from chaos_checker import histories
from chaos_end import EndState
from chaos_faults import Faults
from chaos_load import BUCKET, Load
from chaos_log import Record, now

from foodco_storage.testing import CephCluster, SeaweedFS


@dataclass
class Report:
    """What was done, and what was wrong with it."""

    lines: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    reads: int = 0
    acknowledged: int = 0

    def text(self) -> str:
        return "\n".join([*self.lines, f"violations: {len(self.violations)}", *self.violations])


def run(
    ceph: CephCluster,
    seaweedfs: SeaweedFS,
    *,
    seconds: float,
    seed: int,
    directory: Path,
    bucket: str = BUCKET,
    compresses: bool = False,
) -> Report:
    """One run; all files lie in the directory afterwards."""
    with ExitStack() as stack:
        load = Load(ceph, seaweedfs, bucket, directory, stack, compresses=compresses)
        load.prepare()
        faults = Faults(load, seed)
        start = now()
        faults.start_workers()
        faults.run(seconds)
        broken = load.end()
        worked_seconds = now() - start
        records = load.records()
        report = Report(violations=[*broken, *(f"{r.worker}: {r.error}" for r in records if r.outcome == "wrong")])
        by_key = histories(records, load.before, load.keys)
        end = EndState(load, by_key)
        found = {key: history.violations() for key, history in by_key.items()}
        at_the_end = end.violations()
    for key, lines in found.items():
        about = [*lines, *(line for line in at_the_end if line.startswith(f"{key}:"))]
        if about:
            report.violations += [*about, *(f"    {line}" for line in by_key[key].lines())]
    report.violations += [line for line in at_the_end if line.startswith("in the end")]
    report.reads = sum(len(history.reads) for history in by_key.values())
    report.acknowledged = sum(write.is_acknowledged for history in by_key.values() for write in history.writes)
    report.lines = [
        f"seed {seed}, {worked_seconds:.0f} s: {len(load.writers)} writers, {len(load.readers)} readers, {len(load.keys)} keys",
        *_operations(records),
        f"faults, {faults.events} times something: " + _counts(faults.done),
        f"journal: {end.left_over} entries left by the load, empty after {end.drain_seconds:.1f} s",
        f"checked: {report.reads} looks at a key against its history, {end.checks} at the end",
    ]
    return report


def _operations(records: Iterable[Record]) -> list[str]:
    ended = [record for record in records if record.event == "ended"]
    begun = Counter(record.kind for record in records if record.event == "begun")
    lines = []
    for kind, count in sorted(begun.items()):
        outcomes = Counter(record.outcome for record in ended if record.kind == kind)
        cut = count - sum(outcomes.values())
        lines.append(f"{kind}: {count} begun, {_counts(outcomes)}, {cut} cut by SIGKILL")
    failures = Counter(record.error.partition(":")[0] for record in ended if record.outcome == "failed")
    return [*lines, f"failures: {_counts(failures)}"]


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def main() -> int:
    parser = argparse.ArgumentParser(description="Chaos on a real Ceph.")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compress", action="store_true", help="the primary keeps its objects compressed")
    parser.add_argument("--keep", action="store_true", help="leave the logs where they are")
    given = parser.parse_args()
    for missing in (CephCluster.missing(), SeaweedFS.missing()):
        if missing:
            sys.stdout.write(f"{missing}\n")
            return 2
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    directory = Path(tempfile.mkdtemp(prefix="foodco-chaos-"))
    with CephCluster() as ceph, SeaweedFS() as seaweedfs:
        report = run(
            ceph,
            seaweedfs,
            seconds=given.seconds,
            seed=given.seed,
            directory=directory,
            compresses=given.compress,
        )
    sys.stdout.write(f"{report.text()}\n")
    if given.keep or report.violations:
        sys.stdout.write(f"logs: {directory}\n")
    else:
        shutil.rmtree(directory)
    return 1 if report.violations else 0
