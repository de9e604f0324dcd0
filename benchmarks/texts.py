"""Real text to compress: what botocore ships."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

import botocore

_SMALL_BYTES = (1024, 4096)
_MOST_RECORDS = 4000


def descriptions(count: int) -> list[bytes]:
    """The descriptions of so many services, in the order of their names."""
    return [data for path, data in _files() if path.name.startswith("service-2.json")][:count]


def records() -> dict[str, list[bytes]]:
    """Documents of 1 to 4 KiB: files of that size as they are; and each operation and each shape of the services, as JSON."""
    found: dict[str, list[bytes]] = {"files": [], "operations": [], "shapes": []}
    for path, data in _files():
        if _is_small(data):
            found["files"].append(data)
        if path.name.startswith("service-2.json"):
            described = json.loads(data)
            for kind in ("operations", "shapes"):
                bodies = (json.dumps(one).encode() for one in described.get(kind, {}).values())
                found[kind] += filter(_is_small, bodies)
    for bodies in found.values():
        random.Random(1).shuffle(bodies)  # noqa: S311 - the same each time
        del bodies[_MOST_RECORDS:]
    return found


def jpeg(size: int) -> bytes:
    """What looks like a JPEG, and compresses like one: not at all."""
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + random.Random(2).randbytes(size - 13) + b"\xff\xd9"  # noqa: S311 - the same each time


def _is_small(data: bytes) -> bool:
    return _SMALL_BYTES[0] <= len(data) <= _SMALL_BYTES[1]


def _files() -> Iterator[tuple[Path, bytes]]:
    for path in sorted(Path(botocore.__file__).with_name("data").rglob("*.json*")):
        yield path, gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
