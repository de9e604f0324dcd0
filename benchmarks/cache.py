"""Reads that a cache answers, beside other caches and beside reading a file: `python -m benchmarks.cache`.

Every cell reads the same object again and again, some times in a row, in turns with the others. The first read, which
brings it, does not count.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3

import foodco_storage
from foodco_storage.testing import SeaweedFS, Server

BUCKET = "cached"
SIZES = {"4 KiB": 4096, "1 MiB": 1024 * 1024}
KEY = {name: name.replace(" ", "-") for name in SIZES}

MEMORY, DISK, BOTH = "library, memory", "library, disk", "library, memory and disk"
BOTO3, DICT, FILE = "boto3, uncached", "floor: a dict", "floor: open and read a file"

_IN_A_ROW = 10

Cell = Callable[[], bytes]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether it is good enough (`--check`)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3000, help="reads of each (default: %(default)s)")
    parser.add_argument(
        "--threads", type=int, default=16, help="in the second table of each size (default: %(default)s)"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 when a hit takes too long")
    parser.add_argument("--quick", action="store_true", help="only to see that it runs: the numbers mean nothing")
    options = parser.parse_args(arguments)
    if (missing := SeaweedFS.missing()) is not None:
        _say(f"skipped: {missing}")
        return 2 if options.check else 0
    rounds = 3 if options.quick else options.rounds
    met = True
    with ExitStack() as stack:
        server = stack.enter_context(SeaweedFS()).server
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _fill(server)
        for size, length in SIZES.items():
            cells = _cells(server, directory / size, size)
            own = {name: cells[name] for name in (FILE, MEMORY, DISK)}
            if not _begin(own, size, length):
                return 2
            # Without the peers, whose threads go on when it is not their turn.
            met = _say_bars(size, _measured(own, rounds)) and met
            if not _begin(cells, size, length):
                return 2
            _say(f"\n## {size}, one thread\n\n{_table(_measured(cells, rounds))}")
            times = _in_threads(cells, rounds, options.threads)
            _say(f"\n## {size}, {options.threads} threads, reads a second of all together\n\n{_rates(times)}")
    if options.quick:
        _say("\nquick: these numbers mean nothing")
        return 0
    return 1 if options.check and not met else 0


def _begin(cells: Mapping[str, Cell], size: str, length: int) -> bool:
    """Bring the object into every cache."""
    for name, read in cells.items():
        if len(read()) != length:
            _say(f"{name} does not read {size}")
            return False
    return True


def _fill(server: Server) -> None:
    s3 = boto3.client("s3", **server.client_arguments())
    s3.create_bucket(Bucket=BUCKET)
    for name, size in SIZES.items():
        s3.put_object(Bucket=BUCKET, Key=KEY[name], Body=bytes(range(256)) * (size // 256))


def _cells(server: Server, directory: Path, size: str) -> dict[str, Cell]:
    directory.mkdir()
    key = KEY[size]
    plain = boto3.client("s3", **server.client_arguments())
    data = plain.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    held = {key: data}
    file = directory / "file"
    file.write_bytes(data)
    path = str(file)

    def read_file() -> bytes:
        with open(path, "rb") as opened:  # noqa: PTH123 - as one would who is in a hurry
            return opened.read()

    cells: dict[str, Cell] = {
        DICT: lambda: held[key],
        FILE: read_file,
        BOTO3: partial(_read, plain, key),
    }
    levels = {"memory_max_bytes": "64MiB"}, {"disk_max_bytes": "64MiB"}
    for name, cache in ((MEMORY, levels[0]), (DISK, levels[1]), (BOTH, levels[0] | levels[1])):
        cells[name] = _library(server, directory / name.replace(" ", "-"), key, cache)
    peers = {"s3fs": _fsspec, "diskcache": _diskcache, "multistorageclient": _multi_storage_client}
    for module, make in peers.items():
        if find_spec(module) is not None:
            cells |= make(server, directory, key)
        else:
            _say(f"{module} is not installed, and left out")
    return cells


def _library(server: Server, directory: Path, key: str, cache: Mapping[str, str]) -> Cell:
    backend = {
        "preset": "s3",
        "endpoint_url": server.endpoint_url,
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
        "allow_plaintext_secrets": True,
    }
    route = {"bucket": BUCKET, "primary": "store", "cache": {**cache, "ttl_seconds": 3600}}
    storage = {"backends": {"store": backend}, "routes": {"r": route}, "cache": {"directory": str(directory)}}
    s3 = foodco_storage.client(storage=storage)
    return partial(_read, s3, key)


def _read(s3: Any, key: str) -> bytes:
    return bytes(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def _fsspec(server: Server, directory: Path, key: str) -> dict[str, Cell]:
    import fsspec  # noqa: PLC0415 - may be missing

    target = {
        "key": server.access_key_id,
        "secret": server.secret_access_key,
        "endpoint_url": server.endpoint_url,
        "client_kwargs": {"region_name": "us-east-1"},
    }
    cells: dict[str, Cell] = {}
    for protocol in ("simplecache", "filecache", "blockcache"):
        storage = str(directory / protocol)
        files = fsspec.filesystem(
            protocol, target_protocol="s3", target_options=target, cache_storage=storage, check_files=False
        )

        def read(files: Any = files) -> bytes:
            with files.open(f"{BUCKET}/{key}", "rb") as opened:
                return bytes(opened.read())

        cells[f"fsspec {protocol} over s3fs"] = read
    return cells


def _diskcache(server: Server, directory: Path, key: str) -> dict[str, Cell]:
    import diskcache  # noqa: PLC0415 - may be missing

    s3 = boto3.client("s3", **server.client_arguments())
    cache = diskcache.Cache(str(directory / "diskcache"))

    def read() -> bytes:
        data = cache.get(key)
        if data is None:
            data = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            cache.set(key, data)
        return bytes(data)

    return {"diskcache, body alone": read}


def _multi_storage_client(server: Server, directory: Path, key: str) -> dict[str, Cell]:
    from multistorageclient import StorageClient, StorageClientConfig  # noqa: PLC0415 - may be missing

    provider = {"base_path": BUCKET, "endpoint_url": server.endpoint_url, "region_name": "us-east-1"}
    keys = {"access_key": server.access_key_id, "secret_key": server.secret_access_key}
    cells: dict[str, Cell] = {}
    for says, checks in (("asks each time", True), ("never asks", False)):
        config = {
            "profiles": {
                "p": {
                    "storage_provider": {"type": "s3", "options": provider},
                    "credentials_provider": {"type": "S3Credentials", "options": keys},
                    "caching_enabled": True,
                }
            },
            "cache": {"size": "100M", "location": str(directory / f"msc-{checks}"), "check_source_version": checks},
        }
        client = StorageClient(StorageClientConfig.from_dict(config, "p"))
        cells[f"multi-storage-client, {says}"] = lambda client=client: client.read(key)  # type: ignore[misc]
    return cells


def _measured(cells: Mapping[str, Cell], rounds: int) -> dict[str, list[tuple[int, int]]]:
    """Nanoseconds of each read, and of CPU, in turns."""
    samples: dict[str, list[tuple[int, int]]] = {name: [] for name in cells}
    for _ in range(-(-rounds // _IN_A_ROW)):
        for name, read in cells.items():
            for _ in range(1 if _is_slow(name) else _IN_A_ROW):
                cpu, start = time.process_time_ns(), time.perf_counter_ns()
                read()
                samples[name].append((time.perf_counter_ns() - start, time.process_time_ns() - cpu))
    return samples


def _is_slow(name: str) -> bool:
    return name == BOTO3 or name.startswith(("fsspec", "multi"))


def _in_threads(cells: Mapping[str, Cell], rounds: int, threads: int) -> dict[str, float]:
    rates = {}
    with ThreadPoolExecutor(threads) as pool:
        for name, read in cells.items():
            count = max(1, rounds // (100 if _is_slow(name) else 10))

            def work(count: int = count, read: Cell = read) -> None:
                for _ in range(count):
                    read()

            start = time.perf_counter()
            for done in [pool.submit(work) for _ in range(threads)]:
                done.result()
            rates[name] = threads * count / (time.perf_counter() - start)
    return rates


def _quantiles(samples: Sequence[tuple[int, int]]) -> tuple[float, float, float]:
    times = sorted(wall for wall, _ in samples)
    p99 = times[min(len(times) - 1, int(0.99 * len(times)))]
    return statistics.median(times) / 1000, p99 / 1000, statistics.fmean(cpu for _, cpu in samples) / 1000


def _table(samples: Mapping[str, Sequence[tuple[int, int]]]) -> str:
    boto3_cpu, file = _quantiles(samples[BOTO3])[2], _quantiles(samples[FILE])[0]
    lines = [
        "| cell | p50 us | p99 us | CPU us | of boto3's CPU | of the file's p50 |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, found in samples.items():
        p50, p99, cpu = _quantiles(found)
        lines.append(f"| {name} | {p50:.1f} | {p99:.1f} | {cpu:.1f} | {cpu / boto3_cpu:.3f} | {p50 / file:.2f} |")
    return "\n".join(lines)


def _rates(rates: Mapping[str, float]) -> str:
    lines = ["| cell | reads a second | of boto3's |", "|---|---:|---:|"]
    return "\n".join(
        [*lines, *(f"| {name} | {rate:,.0f} | {rate / rates[BOTO3]:.1f} |" for name, rate in rates.items())]
    )


def _say_bars(size: str, samples: Mapping[str, Sequence[tuple[int, int]]]) -> bool:
    p50 = {name: _quantiles(found)[0] for name, found in samples.items()}
    if size == "4 KiB":
        bars = [(MEMORY, p50[MEMORY], 15.0, "us"), (DISK, p50[DISK], 25.0, "us")]
    else:
        bars = [(DISK, p50[DISK] / p50[FILE], 1.6, "times a file")]
    _say("")
    for name, value, bar, unit in bars:
        _say(f"{name}, {size}: {value:.2f} {unit}, at most {bar} {unit}: {'met' if value <= bar else 'NOT MET'}")
    return all(value <= bar for _, value, bar, _ in bars)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
