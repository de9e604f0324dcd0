"""What a migration costs over plain boto3, on a real store: `python -m benchmarks.coexistence`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import boto3

from benchmarks.cells import BOTO3
from benchmarks.coexistence_cells import CUTOVER, TARGET, coexistence_cells
from benchmarks.environment import REPOSITORY, clean_environment
from benchmarks.report import ratio, table
from benchmarks.stores import FALLBACK, PRIMARY, SMALL, small_body
from benchmarks.worker import measure
from foodco_storage.testing import CephCluster, SeaweedFS, Server

_SERVERS: dict[str, Any] = {"ceph": CephCluster, "seaweedfs": SeaweedFS}
_SMALL = ("get", "head", "put", "delete", "get from the source")
_LARGE = "delete 1000 keys"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coexistence", description=__doc__)
    parser.add_argument("--server", choices=list(_SERVERS), default="ceph", help="both stores (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=3, help="fresh processes (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=100, help="of small operations (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="only to see that it runs: the numbers mean nothing")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        return _work()
    if (missing := _SERVERS[options.server].missing()) is not None:
        _say(f"skipped: {missing}")
        return 0
    rounds = dict.fromkeys(_SMALL, 1 if options.quick else options.rounds)
    rounds[_LARGE] = 1 if options.quick else max(options.rounds // 20, 3)
    with _SERVERS[options.server]() as store:
        _fill(store.server)
        processes = [_measured(store.server, rounds) for _ in range(1 if options.quick else options.processes)]
    _say(f"server {options.server}, {len(processes)} processes, rounds in each: {rounds}")
    for operation in rounds:
        _say(f"\n## {operation}\n\n{table(processes, operation, BOTO3)}")
    for operation in ("get", "head"):
        median = ratio(processes, operation, CUTOVER, TARGET, "cpu_ns").median
        _say(f"\n{operation} in cutover that the primary answers, client CPU over target: {100 * (median - 1):+.1f} %")
    return 0


def _fill(server: Server) -> None:
    client = boto3.client("s3", **server.client_arguments())
    for bucket in (PRIMARY, FALLBACK):
        client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=PRIMARY, Key=SMALL, Body=small_body())
    client.put_object(Bucket=FALLBACK, Key="source", Body=small_body())
    client.close()


def _measured(server: Server, rounds: Mapping[str, int]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.coexistence", "--worker"],
        input=json.dumps({"endpoint_url": server.endpoint_url, "rounds": rounds}),
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=clean_environment(server.access_key_id, server.secret_access_key),
        check=True,
    )
    samples: list[dict[str, Any]] = json.loads(done.stdout)
    return samples


def _work() -> int:
    """Measure in this process what stdin asks for."""
    task = json.load(sys.stdin)
    json.dump(measure(coexistence_cells(task["endpoint_url"]), task["rounds"]), sys.stdout)
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
