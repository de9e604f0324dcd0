"""Real processes over one cache on disk, killed at any moment, and files damaged under them: every answer is right."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from cache_child import ACKNOWLEDGED, AT_WORK, ISSUED, KEYS, body_of

import foodco_storage
from foodco_storage.testing import SeaweedFS

pytestmark = pytest.mark.slow  # ten seconds

SECONDS = 5
AT_MOST_SECONDS = 100
KILLS = 8
PROCESSES = 3
DISK = 200_000


def test_killed_processes(seaweedfs: SeaweedFS, bucket_name: str, tmp_path: Path) -> None:
    server = seaweedfs.server
    s3 = boto3.client("s3", **server.client_arguments())
    s3.create_bucket(Bucket=bucket_name)
    for key in range(KEYS):
        s3.put_object(Bucket=bucket_name, Key=f"k{key}", Body=body_of(key, 1), Metadata={"number": "1"})
    shared = tmp_path / "numbers"
    shared.write_bytes((1).to_bytes(8, "little") * (2 * KEYS) + bytes(8 * PROCESSES))
    backend = {
        "preset": "s3",
        "endpoint_url": server.endpoint_url,
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
        "allow_plaintext_secrets": True,
    }
    cache = {"disk_max_bytes": DISK, "memory_max_bytes": 100_000, "block_bytes": 8192, "ttl_seconds": 3600}
    storage = {
        "backends": {"one": backend},
        "routes": {"r": {"bucket": bucket_name, "primary": "one", "cache": cache}},
        "cache": {"directory": str(tmp_path / "cache")},
    }
    choose = random.Random(4)
    children = [begin(number, storage, bucket_name, shared, choose.randrange(1000)) for number in range(PROCESSES)]
    start = time.monotonic()
    killed = 0
    try:
        while time.monotonic() < start + SECONDS or killed < KILLS:
            assert time.monotonic() < start + AT_MOST_SECONDS
            time.sleep(choose.uniform(0.05, 0.4))
            for number, child in enumerate(children):
                if child.poll() is not None:
                    assert child.stderr is not None
                    pytest.fail(child.stderr.read())
                # On a machine that is busy a process may take long to begin.
                if choose.random() < 0.3 and number_at(shared, AT_WORK + number):
                    end(child)
                    set_number(shared, AT_WORK + number, 0)
                    killed += 1
                    children[number] = begin(number, storage, bucket_name, shared, choose.randrange(1000))
            files = list((tmp_path / "cache").glob("*/data/*/[!.]*"))
            if files and choose.random() < 0.3:
                damage(choose.choice(files), choose)
            taken = sum(size + -size % 4096 for size in map(size_of, files))
            assert taken <= DISK
    finally:
        for child in children:
            end(child)
    # What is left is of use to whoever comes next.
    client = foodco_storage.client(storage=storage)
    written = [number_at(shared, n) for n in range(2 * KEYS)]
    assert sum(written[ACKNOWLEDGED:]) > 2 * KEYS
    for key in range(KEYS):
        for _ in range(2):
            answer: Any = client.get_object(Bucket=bucket_name, Key=f"k{key}")
            number = int(answer["Metadata"]["number"])
            assert written[ACKNOWLEDGED + key] <= number <= written[ISSUED + key]
            assert answer["Body"].read() == body_of(key, number)
        assert answer["ResponseMetadata"]["Storage"]["cache"] in {"memory", "disk"}


def number_at(shared: Path, place: int) -> int:
    return int.from_bytes(shared.read_bytes()[8 * place : 8 * place + 8], "little")


def set_number(shared: Path, place: int, number: int) -> None:
    with shared.open("r+b") as file:
        file.seek(8 * place)
        file.write(number.to_bytes(8, "little"))


def begin(number: int, storage: dict[str, Any], bucket: str, shared: Path, seed: int) -> subprocess.Popen[str]:
    """A process, that alone writes some of the keys."""
    own = [key for key in range(KEYS) if key % PROCESSES == number]
    given = {"storage": storage, "bucket": bucket, "numbers": str(shared), "own": own, "seed": seed, "number": number}
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("cache_child.py"))],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    child.stdin.write(json.dumps(given))
    child.stdin.close()
    return child


def end(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert child.stderr is not None
    child.stderr.close()


def damage(path: Path, choose: random.Random) -> None:
    """In place, as a failing disk does it."""
    try:
        with path.open("r+b") as file:
            size = file.seek(0, 2)
            position = choose.randrange(max(1, size))
            file.seek(position)
            byte = file.read(1) or b"\0"
            file.seek(position)
            file.write(bytes([byte[0] ^ 1 << choose.randrange(8)]))
    except FileNotFoundError:
        return


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
