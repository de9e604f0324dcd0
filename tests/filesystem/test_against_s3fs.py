"""The same asked of s3fs and of ours, on the same stores: the same answers, or a difference that is listed with its reason."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from s3fs_cases import CONTENT, READS, WRITES

from foodco_storage.filesystem import FoodcoFileSystem
from foodco_storage.testing import MotoStore

pytestmark = pytest.mark.slow  # s3fs is among the data tools, which one Python has

DIFFERENT: dict[str, str] = {
    "cat_file bucket": "IsADirectoryError, with the path, in place of botocore's ParamValidationError",
    "cat_file nothing": "an empty range is empty; s3fs sends `bytes=2-1`, which S3 takes for no range, and gives all",
    "cat_file past the end": "nothing, as slices and fsspec's other filesystems have it; s3fs raises OSError",
    "cat_file positional": "fsspec's order, (path, start, end); s3fs has version_id second, and fails",
    "created": "objects are never changed, so this is `modified`; s3fs has none",
    "find withdirs bucket": "a path that is an object and a directory is told once, as `info` tells it; s3fs tells both",
    "mkdir": "s3fs names the region us-east-1, which S3 and moto refuse by name",
    "mkdir and bucket": "the same",
    "mv recursive": "moves what lies below; s3fs copies all, fails with directories, and leaves everything twice",
    "open bucket": "IsADirectoryError in place of ValueError",
    "open directory": "FileNotFoundError; s3fs opens a file of no bytes",
    "pipe_file unknown": "an unknown parameter is told; s3fs leaves it out",
    "rm maxdepth": "maxdepth is heeded; s3fs removes all levels",
    "rm recursive": "tells the objects that were removed; s3fs names directories among them",
    "setxattr keeps the type": "what else the object carries stays; s3fs loses its Content-Type",
    "with that fails": "an exception in the `with` block leaves no object; s3fs leaves half of it",
    "with that fails, text": "the same",
    "write bucket": "IsADirectoryError in place of ValueError",
}
"""Cases that answer otherwise than s3fs, and why."""


@pytest.fixture(scope="module")
def pair(moto_store: MotoStore) -> Iterator[tuple[Any, Any]]:
    import s3fs  # noqa: PLC0415

    server = moto_store.server
    options: dict[str, Any] = {
        "endpoint_url": server.endpoint_url,
        "key": server.access_key_id,
        "secret": server.secret_access_key,
    }
    options["client_kwargs"] = {"region_name": server.region}
    theirs = s3fs.S3FileSystem(**options, skip_instance_cache=True, use_listings_cache=False)
    ours = FoodcoFileSystem(**options, skip_instance_cache=True)
    yield theirs, ours
    ours.s3.close()


@pytest.fixture(scope="module")
def s3(moto_store: MotoStore) -> Iterator[Any]:
    client = boto3.client("s3", **moto_store.server.client_arguments())
    yield client
    client.close()


def _fill(s3: Any, bucket: str) -> None:
    s3.create_bucket(Bucket=bucket)
    for key, body in CONTENT.items():
        s3.put_object(
            Bucket=bucket, Key=key, Body=body, Metadata={"kitchen": "naples"}, Tagging="a=b", ContentType="text/plain"
        )


def _stored(s3: Any, bucket: str) -> Any:
    """The bytes of each object, by their hash."""
    try:
        found = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    except s3.exceptions.NoSuchBucket:
        return None
    return {entry["Key"]: _hash(s3, bucket, entry) for entry in found}


def _hash(s3: Any, bucket: str, entry: Any) -> str:
    if "-" not in entry["ETag"]:
        return str(entry["ETag"])
    # Of parts, whose sizes may differ.
    body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


@pytest.fixture(scope="module")
def filled(s3: Any) -> str:
    bucket = f"test-{uuid.uuid4().hex[:20]}"
    _fill(s3, bucket)
    return bucket


def _outcome(case: Any, fs: Any, bucket: str, tmp: Path) -> Any:
    tmp.mkdir()
    try:
        return _plain(case(fs, bucket, tmp), bucket)
    except Exception as error:  # noqa: BLE001 - whatever s3fs raises is to be compared
        return type(error).__name__


_TIMES = frozenset({"LastModified", "Owner"})


def _plain(value: Any, bucket: str) -> Any:
    if isinstance(value, dict):
        return {_plain(k, bucket): _plain(v, bucket) for k, v in value.items() if k not in _TIMES}
    if isinstance(value, list | tuple):
        return [_plain(v, bucket) for v in value]
    return value.replace(bucket, "BUCKET") if isinstance(value, str) else value


@pytest.mark.parametrize("name", READS)
def test_reads(name: str, pair: tuple[Any, Any], filled: str, tmp_path: Path) -> None:
    theirs, ours = (_outcome(READS[name], fs, filled, tmp_path / str(number)) for number, fs in enumerate(pair))
    _judge(name, theirs, ours)


@pytest.mark.parametrize("name", WRITES)
def test_writes(name: str, pair: tuple[Any, Any], s3: Any, tmp_path: Path) -> None:
    outcomes = []
    for number, fs in enumerate(pair):
        bucket = f"test-{uuid.uuid4().hex[:20]}"
        _fill(s3, bucket)
        outcome = _outcome(WRITES[name], fs, bucket, tmp_path / str(number))
        outcomes.append((outcome, _stored(s3, bucket)))
    _judge(name, *outcomes)


def _judge(name: str, theirs: Any, ours: Any) -> None:
    if name in DIFFERENT:
        assert ours != theirs, "no difference any more: take it off the list"
    else:
        assert ours == theirs


def test_every_listed_difference_is_a_case() -> None:
    assert DIFFERENT.keys() <= READS.keys() | WRITES.keys()
