"""A process of `test_killed_processes`: reads and writes through a cache until it is killed, and ends when it sees a wrong answer."""

from __future__ import annotations

import json
import mmap
import random
import sys
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

import foodco_storage

KEYS = 6
ISSUED, ACKNOWLEDGED = 0, KEYS
"""Where numbers of writes stand, for each key: begun, and ended."""

AT_WORK = 2 * KEYS
"""Where each process counts what it does."""


def body_of(key: int, number: int) -> bytes:
    """What the write with this number puts: small and large ones in turns."""
    size = (100, 40_000, 0, 9_000)[number % 4]
    return (f"{key}:{number};".encode() * (size // 4 + 1))[:size]


def numbers(path: Path) -> memoryview[int]:
    """The numbers that all processes share."""
    with path.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")


def write(s3: Any, bucket: str, shared: memoryview[int], key: int) -> None:
    """Of each key one process writes at a time, so that numbers grow."""
    shared[ISSUED + key] += 1
    number = shared[ISSUED + key]
    s3.put_object(Bucket=bucket, Key=f"k{key}", Body=body_of(key, number), Metadata={"number": str(number)})
    shared[ACKNOWLEDGED + key] = number


def read(s3: Any, bucket: str, shared: memoryview[int], key: int, span: tuple[int, int] | None) -> None:
    """What is answered is no older than what was acknowledged before it was asked for, and whole."""
    least = shared[ACKNOWLEDGED + key]
    params = {} if span is None else {"Range": f"bytes={span[0]}-{span[1]}"}
    try:
        answer = s3.get_object(Bucket=bucket, Key=f"k{key}", **params)
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidRange":
            raise
        return
    data = answer["Body"].read()
    number = int(answer["Metadata"]["number"])
    level = answer["ResponseMetadata"]["Storage"].get("cache")
    assert least <= number <= shared[ISSUED + key], f"write {number} of k{key} after {least} was acknowledged ({level})"
    whole = body_of(key, number)
    expected = whole if span is None else whole[span[0] : span[1] + 1]
    assert data == expected, f"write {number} of k{key}, {span}: {len(data)} bytes, {data[:30]!r} ({level})"


def main() -> None:
    """Run until killed."""
    given = json.load(sys.stdin)
    s3 = foodco_storage.client(storage=given["storage"])
    shared = numbers(Path(given["numbers"]))
    own = given["own"]
    choose = random.Random(given["seed"])
    while True:
        shared[AT_WORK + given["number"]] += 1
        if choose.random() < 0.1:
            write(s3, given["bucket"], shared, choose.choice(own))
        else:
            start = choose.randrange(45_000)
            span = choose.choice([None, (start, start + choose.randrange(20_000)), (0, 99)])
            read(s3, given["bucket"], shared, choose.randrange(KEYS), span)


if __name__ == "__main__":
    main()
