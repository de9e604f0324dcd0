"""Compression beside doing without, beside doing it by hand, and beside rclone's: `python -m benchmarks.compression`.

Real text: the API descriptions that botocore ships (JSON). The store is a Ceph on this machine, or SeaweedFS (`--server
seaweedfs`), so that stores and network cost next to nothing: on a slower way compressing gains, here it can only cost.
"""

from __future__ import annotations

import argparse
import gzip
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from shutil import which
from typing import Any

import boto3
import zstandard
from botocore.config import Config

import foodco_storage
from benchmarks.texts import descriptions, jpeg, records
from foodco_storage.dictionaries.sampling import Sample
from foodco_storage.dictionaries.training import trained_on
from foodco_storage.testing import CephCluster, SeaweedFS, Server

BUCKET = "compressed"
BOTO3, PLAIN, ZSTD = "boto3, as it is", "library, as it is", "library, zstd"
FIRST = "library, zstd, first read of an object"
RANGE_BYTES = 64 * 1024
RANGE_BAR = 2.5
DICTIONARY_BAR = 1.8

_SETTINGS = Config(
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    s3={"addressing_style": "path"},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether it is good enough (`--check`)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compression", description=__doc__)
    parser.add_argument("--server", choices=["ceph", "seaweedfs"], default="ceph")
    parser.add_argument("--rounds", type=int, default=300, help="of ranges and of small writes (default: %(default)s)")
    parser.add_argument("--level", type=int, default=3, help="zstd's (default: %(default)s)")
    parser.add_argument("--frame", default="512KiB", help="frame_bytes (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a bar is missed")
    parser.add_argument("--quick", action="store_true", help="only to see that it runs: the numbers mean nothing")
    options = parser.parse_args(arguments)
    store = SeaweedFS if options.server == "seaweedfs" else CephCluster
    if (missing := store.missing()) is not None:
        _say(f"skipped: {missing}")
        return 2 if options.check else 0
    rounds = 3 if options.quick else options.rounds
    with ExitStack() as stack:
        server = stack.enter_context(store()).server
        world = World(server, options.level, options.frame)
        texts = descriptions(2 if options.quick else 60)
        _objects(world, texts, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        met = _ranges(world, texts, rounds, (4 if options.quick else 256) * 1024 * 1024)
        met = _dictionaries(options.level) and met
        _decision(world, rounds)
    if options.quick:
        _say("\nquick: these numbers mean nothing")
        return 0
    return 1 if options.check and not met else 0


class World:
    """A store, and clients of it.

    Args:
        server: the store.
        level: zstd's.
        frame: how much is compressed by itself.
    """

    def __init__(self, server: Server, level: int, frame: str) -> None:
        self.server, self.level = server, level
        self.compression = {"codec": "zstd", "level": level, "frame_bytes": frame}
        self.boto3: Any = boto3.client("s3", **server.client_arguments(), config=_SETTINGS)
        self.boto3.create_bucket(Bucket=BUCKET)
        self.plain = self.client()
        self.zstd = self.client(compression=self.compression)

    def client(self, **route: Any) -> Any:
        """A client of the library with a route of its own."""
        keys = {"access_key_id": self.server.access_key_id, "secret_access_key": self.server.secret_access_key}
        backend = {"preset": "s3", "endpoint_url": self.server.endpoint_url, **keys}
        storage = {"backends": {"b": backend}, "routes": {"r": {"bucket": BUCKET, "primary": "b", **route}}}
        return foodco_storage.client("s3", storage=storage)

    def stored(self, prefix: str) -> int:
        """Bytes that lie in the store."""
        pages = self.boto3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return sum(item["Size"] for page in pages for item in page.get("Contents", ()))


def _objects(world: World, texts: Sequence[bytes], directory: Path) -> None:
    """Whole objects: how small they become, and how fast they come and go, one after the other."""
    total = sum(map(len, texts))
    encode = zstandard.ZstdCompressor(level=world.level).compress
    ways: dict[str, tuple[Any, Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
        BOTO3: (world.boto3, bytes, bytes),
        PLAIN: (world.plain, bytes, bytes),
        ZSTD: (world.zstd, bytes, bytes),
        "boto3, zstd by hand": (world.boto3, encode, zstandard.ZstdDecompressor().decompress),
        "boto3, gzip by hand": (world.boto3, partial(gzip.compress, compresslevel=6), gzip.decompress),
    }
    rows: dict[str, tuple[int, float, float]] = {}
    for name, (client, pack, unpack) in ways.items():
        puts, gets = [], []
        for turn in range(3):
            start = time.perf_counter()
            for number, text in enumerate(texts):
                client.put_object(
                    Bucket=BUCKET, Key=f"{name}/{number}", Body=pack(text), ContentType="application/json"
                )
            puts.append(time.perf_counter() - start)
            start = time.perf_counter()
            for number, text in enumerate(texts):
                with client.get_object(Bucket=BUCKET, Key=f"{name}/{number}")["Body"] as body:
                    if unpack(body.read()) != text:
                        raise AssertionError(f"{name} does not give back what it took ({turn})")
            gets.append(time.perf_counter() - start)
        rows[name] = world.stored(f"{name}/"), min(puts), min(gets)
    rows |= _rclone(world, texts, directory)
    _say(f"\n## {len(texts)} API descriptions, {total / 1e6:.1f} MB of JSON\n")
    _say("| way | stored MB | times smaller | put MB/s | of boto3's | get MB/s | of boto3's |")
    _say("|---|---:|---:|---:|---:|---:|---:|")
    _, put0, get0 = rows[BOTO3]
    for name, (stored, put, get) in rows.items():
        rates = f"{total / put / 1e6:.0f} | {put0 / put:.2f} | {total / get / 1e6:.0f} | {get0 / get:.2f}"
        _say(f"| {name} | {stored / 1e6:.2f} | {total / stored:.2f} | {rates} |")


def _rclone(world: World, texts: Sequence[bytes], directory: Path) -> dict[str, tuple[int, float, float]]:
    """Rclone's compress remote: one process for all objects, four transfers at once, its start included."""
    if (rclone := which("rclone")) is None:
        _say("rclone is not installed, and left out")
        return {}
    source, target = directory / "texts", directory / "back"
    source.mkdir()
    for number, text in enumerate(texts):
        (source / f"{number}.json").write_bytes(text)
    server = world.server
    environment = {
        **os.environ,
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_CONFIG_S_TYPE": "s3",
        "RCLONE_CONFIG_S_PROVIDER": "Other",
        "RCLONE_CONFIG_S_ENDPOINT": server.endpoint_url,
        "RCLONE_CONFIG_S_ACCESS_KEY_ID": server.access_key_id,
        "RCLONE_CONFIG_S_SECRET_ACCESS_KEY": server.secret_access_key,
        "RCLONE_CONFIG_Z_TYPE": "compress",
        "RCLONE_CONFIG_Z_REMOTE": f"s:{BUCKET}/rclone",
        "RCLONE_CONFIG_Z_MODE": "zstd",
        "RCLONE_CONFIG_Z_LEVEL": str(world.level),
    }
    times = []
    for one, other in ((str(source), "z:"), ("z:", str(target))):
        start = time.perf_counter()
        command = [rclone, "copy", one, other]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours
        times.append(time.perf_counter() - start)
        if done.returncode:
            _say(f"rclone does not do it, and is left out: {done.stderr.strip().splitlines()[-1:]}")
            return {}
    if any((target / f"{number}.json").read_bytes() != text for number, text in enumerate(texts)):
        raise AssertionError("rclone does not give back what it took")
    return {"rclone, compress remote": (world.stored("rclone/"), *times)}  # type: ignore[dict-item]


def _ranges(world: World, texts: Sequence[bytes], rounds: int, size: int) -> bool:
    """64 KiB out of the middle of a large object, in turns."""
    unit = b"".join(texts)
    large = (unit * (size // len(unit) + 1))[:size]
    world.boto3.put_object(Bucket=BUCKET, Key="large/plain", Body=large)
    world.zstd.put_object(Bucket=BUCKET, Key="large/zstd", Body=large)
    lies = {
        name: world.boto3.head_object(Bucket=BUCKET, Key=f"large/{name}")["ContentLength"] for name in ("plain", "zstd")
    }
    fetched: dict[str, int] = {}
    cells: Mapping[str, tuple[Callable[[], Any], str]] = {
        BOTO3: (lambda: world.boto3, "plain"),
        PLAIN: (lambda: world.plain, "plain"),
        ZSTD: (lambda: world.zstd, "zstd"),
        FIRST: (_fresh(world, rounds), "zstd"),
    }
    clients = {BOTO3: world.boto3, PLAIN: world.plain, ZSTD: world.zstd}
    for name, client in clients.items():
        client.meta.events.register("after-call.s3.GetObject", partial(_count, fetched, name))
    times: dict[str, list[float]] = {name: [] for name in cells}
    step = (size - RANGE_BYTES) // max(1, rounds)
    for number in range(rounds):
        first = number * step
        for name, (client_of, key) in cells.items():
            client = client_of()
            start = time.perf_counter()
            answer = client.get_object(
                Bucket=BUCKET, Key=f"large/{key}", Range=f"bytes={first}-{first + RANGE_BYTES - 1}"
            )
            with answer["Body"] as body:
                data = body.read()
            times[name].append(time.perf_counter() - start)
            if data != large[first : first + RANGE_BYTES]:
                raise AssertionError(f"{name} does not give back what it took")
    _say(
        f"\n## {RANGE_BYTES // 1024} KiB ranges of an object of {size // 1024**2} MiB, stored in {lies['zstd']:,} bytes\n"
    )
    _say("| way | p50 us | p99 us | of boto3's p50 | KiB fetched for each |")
    _say("|---|---:|---:|---:|---:|")
    base = statistics.median(times[BOTO3])
    for name, found in times.items():
        p50, p99 = statistics.median(found), sorted(found)[int(0.99 * (len(found) - 1))]
        kib = f"{fetched[name] / rounds / 1024:.1f}" if name in fetched else ""
        _say(f"| {name} | {p50 * 1e6:.0f} | {p99 * 1e6:.0f} | {p50 / base:.2f} | {kib} |")
    ratio = statistics.median(times[ZSTD]) / base
    met = ratio <= RANGE_BAR
    _say(f"\na range: {ratio:.2f} times boto3's, at most {RANGE_BAR}: {'met' if met else 'NOT MET'}")
    return met


def _fresh(world: World, rounds: int) -> Callable[[], Any]:
    """Clients that know nothing of any object yet, and that have a connection."""
    made: Iterator[Any] = iter([world.client(compression=world.compression) for _ in range(min(rounds, 40))])
    used: list[Any] = []

    def client() -> Any:
        one = next(made, None)
        if one is None:
            return used[-1]
        one.head_object(Bucket=BUCKET, Key="large/plain")
        used.append(one)
        return one

    return client


def _count(fetched: dict[str, int], name: str, http_response: Any, **_: Any) -> None:
    fetched[name] = fetched.get(name, 0) + int(http_response.headers["content-length"])


def _dictionaries(level: int) -> bool:
    """Small documents: on those that the dictionary was not trained on."""
    _say("\n## JSON of 1 to 4 KiB, on what was not trained on\n")
    _say("| documents | trained on | measured | zstd | with a dictionary | gain |")
    _say("|---|---:|---:|---:|---:|---:|")
    met = True
    for name, bodies in records().items():
        result = trained_on(Sample(len(bodies), bodies), level=level, dictionary_bytes=112_640)
        plain = result.held_out_bytes / result.plain_bytes
        better = result.held_out_bytes / result.dictionary_bytes
        _say(f"| {name} | {result.samples} | {result.held_out} | {plain:.2f} | {better:.2f} | {better / plain:.2f} |")
        if name == "operations":
            met = better / plain >= DICTIONARY_BAR
            told = f"\noperations: a gain of {better / plain:.2f}, at least {DICTIONARY_BAR}: {'met' if met else 'NOT MET'}"
    _say(told)
    return met


def _decision(world: World, rounds: int) -> None:
    """What it costs to see that a photo is one."""
    photo = jpeg(300_000)
    ways: dict[str, tuple[Any, dict[str, str]]] = {
        BOTO3: (world.boto3, {"ContentType": "image/jpeg"}),
        "library, as it is": (world.plain, {"ContentType": "image/jpeg"}),
        "library, zstd: told by its type": (world.zstd, {"ContentType": "image/jpeg"}),
        "library, zstd: told by a sample": (world.zstd, {}),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, (client, more) in ways.items():
            cpu, start = time.process_time(), time.perf_counter()
            client.put_object(Bucket=BUCKET, Key=f"photos/{number % 10}", Body=photo, **more)
            times[name].append((time.perf_counter() - start, time.process_time() - cpu))
    _say(f"\n## A PUT of a JPEG of {len(photo):,} bytes\n")
    _say("| way | p50 us | of boto3's | CPU us | of boto3's |")
    _say("|---|---:|---:|---:|---:|")
    wall0, cpu0 = (statistics.median(column) for column in zip(*times[BOTO3], strict=True))
    for name, found in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*found, strict=True))
        _say(f"| {name} | {wall * 1e6:.0f} | {wall / wall0:.2f} | {cpu * 1e6:.0f} | {cpu / cpu0:.2f} |")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
