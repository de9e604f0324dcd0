from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from foodco_storage.testing import MotoStore

EXAMPLES = Path(__file__).parents[1] / "examples"

CONFIGURATION = """\
[backends.aws]
endpoint_url = "{aws}"
[backends.ceph]
endpoint_url = "{ceph}"
[routes.menu]
bucket = "{bucket}"
primary = "ceph"
fallbacks = ["aws"]
"""


def keys(s3: Any, bucket: str) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_caching() -> None:
    ran = subprocess.run([sys.executable, str(EXAMPLES / "caching.py")], check=True, capture_output=True, text=True)
    assert ran.stdout.splitlines() == [
        "first read: 7000 bytes from ceph",
        "again: 7000 bytes from memory",
        "a part: 5 bytes from memory",
        "after a write: 14 bytes from ceph",
        "requests saved: 2, bytes: 7005",
    ]


def test_paths() -> None:
    ran = subprocess.run([sys.executable, str(EXAMPLES / "paths.py")], check=True, capture_output=True, text=True)
    assert ran.stdout.splitlines() == [
        "files: ['foodco-menus/2026/prices.csv']",
        "size: 160011",
        "columns: dish,price",
        "last line: margherita,7.50",
        "a service reads: no pineapple",
        "s3:// too: no pineapple",
    ]


def test_compression() -> None:
    ran = subprocess.run([sys.executable, str(EXAMPLES / "compression.py")], check=True, capture_output=True, text=True)
    menu, picture, part, other = ran.stdout.splitlines()
    assert menu.startswith("menu.json: 997,780 bytes, stored in ")
    assert picture == "pizza.jpg: 1,500 bytes, as they are"
    assert part == "a range: bytes 500000-500999/997780, right: True"
    assert other == "a client without the library sees: Content-Encoding zstd"


def test_migration() -> None:
    ran = subprocess.run([sys.executable, str(EXAMPLES / "migration.py")], check=True, capture_output=True, text=True)
    lines = ran.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["source", "backfill", "cutover", "drain", "target"]
    # The tombstone of what was deleted counts on Ceph alone, and is seen by nobody.
    assert "aws holds 5 objects, ceph 8" in lines[-1]
    assert "stew" in lines[1]
    assert "stew" not in lines[2]


@pytest.mark.parametrize("routed", [True, False])
def test_drop_in(
    moto_store: MotoStore, moto_store_2: MotoStore, bucket_name: str, tmp_path: Path, routed: bool
) -> None:
    aws, ceph = (boto3.client("s3", **store.server.client_arguments()) for store in (moto_store, moto_store_2))
    for s3 in (aws, ceph):
        s3.create_bucket(Bucket=bucket_name)
    aws.put_object(Bucket=bucket_name, Key="menu/margherita", Body=b"tomato" * 100)
    environment = {**os.environ, "AWS_ENDPOINT_URL": moto_store.server.endpoint_url}
    if routed:
        path = tmp_path / "storage.toml"
        urls = {"aws": moto_store.server.endpoint_url, "ceph": moto_store_2.server.endpoint_url}
        path.write_text(CONFIGURATION.format(bucket=bucket_name, **urls))
        environment["FOODCO_STORAGE_CONFIG"] = str(path)
    subprocess.run([sys.executable, str(EXAMPLES / "drop_in.py"), bucket_name], check=True, env=environment)
    writes_to, other = (ceph, aws) if routed else (aws, ceph)
    assert "previews/menu/margherita" in keys(writes_to, bucket_name)
    assert "previews/menu/margherita" not in keys(other, bucket_name)
    preview = writes_to.get_object(Bucket=bucket_name, Key="previews/menu/margherita")["Body"].read()
    assert preview == (b"tomato" * 100)[:64]
