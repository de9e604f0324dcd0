"""The stage: two stores on this machine, documents in one of them, and the configuration of the move."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import botocore
from botocore.config import Config

from foodco_storage.testing import CephCluster, MotoStore, Server

BUCKET = "foodco-catalog"
SOURCE_BUCKET = "foodco-catalog-s3"
THREADS = 8

_LEFT_OUT = "endpoint-rule-set"
"""A quarter of botocore's files, all much the same: without them the demo ends within 30 s on two slow cores."""

_CONFIGURATION = """\
[backends.s3]
preset = "s3"
endpoint_url = "{s3.endpoint_url}"
access_key_id = "${{DEMO_S3_KEY}}"
secret_access_key = "${{DEMO_S3_SECRET}}"

[backends.ceph]
preset = "ceph"
endpoint_url = "{ceph.endpoint_url}"
access_key_id = "${{DEMO_CEPH_KEY}}"
secret_access_key = "${{DEMO_CEPH_SECRET}}"

[routes.catalog]
bucket = "{bucket}"
buckets = {{ s3 = "{source_bucket}" }}
primary = "ceph"
fallbacks = ["s3"]
"""


@dataclass(frozen=True)
class Document:
    """A file of this machine, and the key that it has as an object."""

    key: str
    path: Path


def documents(directory: Path | None, limit: int | None) -> list[Document]:
    """The files to load: those under a directory, or the API descriptions that botocore ships.

    Raises:
        FileNotFoundError: when the directory is none, or holds no file.
    """
    top = directory if directory is not None else Path(botocore.__file__).parent / "data"
    if not top.is_dir():
        raise FileNotFoundError(f"{top} is no directory")
    paths = sorted(path for path in top.rglob("*") if path.is_file() and not path.is_symlink())
    if directory is None:
        paths = [path for path in paths if not path.name.startswith(_LEFT_OUT)]
    if not paths:
        raise FileNotFoundError(f"{top} holds no file")
    return [Document(path.relative_to(top).as_posix(), path) for path in paths[:limit]]


@dataclass(frozen=True)
class Stage:
    """Both stores, running.

    Args:
        s3: plain boto3 client of the store that stands for S3.
        primary: plain boto3 client of the store that everything moves to.
        primary_name: what the primary is.
        configuration: path of the configuration file.
    """

    s3: Any
    primary: Any
    primary_name: str
    configuration: Path


@contextmanager
def stage(*, ceph: bool) -> Iterator[Stage]:
    """Start the stores, write the configuration, and point the environment at it; all of it goes at the end.

    Args:
        ceph: a real Ceph as the primary, instead of moto.

    Raises:
        ServerUnavailable: when a store can't be started; says what is missing.
    """
    with ExitStack() as stack:
        # Before the stores start: they inherit it, and moto asks boto3 for credentials of its own.
        stack.enter_context(_environment_of_our_own())
        s3 = stack.enter_context(MotoStore()).server
        primary = (stack.enter_context(CephCluster()) if ceph else stack.enter_context(MotoStore())).server
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="foodco-demo-")))
        path = folder / "storage.toml"
        path.write_text(_CONFIGURATION.format(s3=s3, ceph=primary, bucket=BUCKET, source_bucket=SOURCE_BUCKET))
        os.environ.update(
            FOODCO_STORAGE_CONFIG=str(path),
            DEMO_S3_KEY=s3.access_key_id,
            DEMO_S3_SECRET=s3.secret_access_key,
            DEMO_CEPH_KEY=primary.access_key_id,
            DEMO_CEPH_SECRET=primary.secret_access_key,
        )
        started = Stage(_plain_client(s3), _plain_client(primary), "Ceph" if ceph else "moto", path)
        started.s3.create_bucket(Bucket=SOURCE_BUCKET)
        started.primary.create_bucket(Bucket=BUCKET)
        yield started


def load(client: Any, files: list[Document], done: Callable[[int], None]) -> None:
    """Put the files into the store that stands for S3; `done` is told the size of each."""

    def put(document: Document) -> None:
        body = document.path.read_bytes()
        client.put_object(Bucket=SOURCE_BUCKET, Key=document.key, Body=body, ContentType="application/octet-stream")
        done(len(body))

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(put, files):
            pass


def contents(client: Any, bucket: str) -> dict[str, str]:
    """The ETag of every key in a bucket."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", [])}


def _plain_client(server: Server) -> Any:
    config = Config(
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        max_pool_connections=THREADS,
    )
    return boto3.client("s3", **server.client_arguments(), config=config)


@contextmanager
def _environment_of_our_own() -> Iterator[None]:
    """Take away what would send the demo elsewhere (profiles, endpoints, proxies, settings), and put it back at the end."""
    before = dict(os.environ)
    for name in before:
        if name.upper().startswith(("AWS_", "FOODCO_STORAGE_")) or name.upper().endswith("_PROXY"):
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
