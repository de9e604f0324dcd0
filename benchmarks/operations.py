"""Operations of boto3 and of this library side by side: `python -m benchmarks.operations`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

import boto3

from benchmarks.cells import BOTO3, FALLBACK_CONFIGURED, ONE_BACKEND
from benchmarks.environment import REPOSITORY, clean_environment
from benchmarks.report import ratio, table
from benchmarks.static_server import StaticServer
from benchmarks.stores import Sizes, fill
from foodco_storage.testing import CephCluster, MotoStore, SeaweedFS, Server

BARS = {ONE_BACKEND: 1.03, FALLBACK_CONFIGURED: 1.08}
"""Client CPU of a small GET, HEAD or PUT, at most so many times boto3's."""

_WITH_BAR = ("get", "head", "put")
_PEERS_DO = ("get", "list")
_SERVERS: dict[str, Any] = {
    "nginx": StaticServer,
    "seaweedfs": SeaweedFS,
    "moto": MotoStore,
    "ceph": CephCluster,
}
_COULD_NOT_MEASURE = 2


@dataclass(frozen=True)
class Extent:
    """How long to measure.

    Args:
        processes: fresh processes, one after another.
        rounds: of each operation, in each process.
        sizes: of what is stored.
    """

    processes: int
    rounds: Mapping[str, int]
    sizes: Sizes


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether it is good enough (`--check`)."""
    options = _options(arguments)
    if (missing := _SERVERS[options.server].missing()) is not None:
        _say(f"skipped: {missing}")
        return _COULD_NOT_MEASURE if options.check else 0
    extent = _extent(options)
    with _serving(options.server, extent.sizes) as store:
        server = store.server
        if options.server != "nginx":
            fill(boto3.client("s3", **server.client_arguments()), extent.sizes)
        library = [_measured(server, extent, peers=False) for _ in range(extent.processes)]
        peers = [] if options.no_peers else [_measured(server, extent, peers=True) for _ in range(extent.processes)]
    _say(f"server {options.server}, {extent.processes} processes, rounds in each: {dict(extent.rounds)}")
    for operation in extent.rounds:
        _say(f"\n## {operation}\n\n{table(library, operation, BOTO3)}")
    _say_peers(peers)
    if options.quick:
        _say("\nquick: these numbers mean nothing")
        return 0
    met = _say_bars(library)
    return 1 if options.check and not met else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operations", description=__doc__)
    parser.add_argument("--server", choices=list(_SERVERS), default="nginx", help="what answers (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=5, help="fresh processes (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=300, help="of small operations (default: %(default)s)")
    parser.add_argument("--only-small", action="store_true", help="get, head and put of 4 KiB")
    parser.add_argument("--no-peers", action="store_true", help="leave out s3fs and obstore")
    parser.add_argument("--check", action="store_true", help="exit with 1 when the library costs too much")
    parser.add_argument("--quick", action="store_true", help="only to see that it runs: the numbers mean nothing")
    return parser.parse_args(arguments)


def _extent(options: argparse.Namespace) -> Extent:
    rounds = dict.fromkeys(_WITH_BAR, options.rounds)
    if not options.only_small:
        # They take far longer.
        rounds["list"] = max(options.rounds // 12, 1)
        rounds["large get"] = rounds["large upload"] = max(options.rounds // 30, 1)
    if options.quick:
        # Large enough for an upload in parts.
        return Extent(1, dict.fromkeys(rounds, 1), Sizes(listed_keys=10, large_bytes=9 * 1024 * 1024))
    return Extent(options.processes, rounds, Sizes())


def _serving(name: str, sizes: Sizes) -> AbstractContextManager[Any]:
    served: AbstractContextManager[Any] = StaticServer(sizes) if name == "nginx" else _SERVERS[name]()
    return served


def _measured(server: Server, extent: Extent, *, peers: bool) -> list[dict[str, Any]]:
    rounds = {name: count for name, count in extent.rounds.items() if not peers or name in _PEERS_DO}
    task = {
        "endpoint_url": server.endpoint_url,
        "rounds": rounds,
        "sizes": asdict(extent.sizes),
        "peers": peers,
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.worker"],
        input=json.dumps(task),
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=clean_environment(server.access_key_id, server.secret_access_key),
        check=True,
    )
    samples: list[dict[str, Any]] = json.loads(done.stdout)
    return samples


def _say_peers(processes: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    clients = {sample["cell"] for samples in processes for sample in samples}
    for operation in _PEERS_DO:
        if clients > {BOTO3} and (rows := table(processes, operation, BOTO3)):
            _say(f"\n## {operation}, other clients (whole clients, other interfaces and guarantees)\n\n{rows}")


def _say_bars(processes: Sequence[Sequence[Mapping[str, Any]]]) -> bool:
    _say("\n## client CPU over boto3's\n")
    met = True
    for cell, bar in BARS.items():
        for operation in _WITH_BAR:
            median = ratio(processes, operation, cell, BOTO3, "cpu_ns").median
            met = met and median <= bar
            verdict = "met" if median <= bar else "NOT MET"
            _say(f"{cell}, {operation}: {100 * (median - 1):+.1f} %, at most {100 * (bar - 1):+.0f} %: {verdict}")
    return met


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
