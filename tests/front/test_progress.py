"""Progress callbacks of managed transfers: every byte once, whoever holds the key."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig

MIB = 1024 * 1024
IN_PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)


class Progress:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.total = 0
        self.calls = 0

    def __call__(self, amount: int) -> None:
        with self._lock:
            self.total += amount
            self.calls += 1


sizes = pytest.mark.parametrize("size", [1, 100_000, 11 * MIB + 7])
routes = pytest.mark.parametrize("fallbacks", [(), ("old",)], ids=["one-backend", "fallback"])


@sizes
@routes
def test_uploads(two: Any, tmp_path: Path, size: int, fallbacks: tuple[str, ...]) -> None:
    data = b"x" * size
    (tmp_path / "file").write_bytes(data)
    s3 = two.client(fallbacks=fallbacks)
    file, fileobj = Progress(), Progress()
    s3.upload_file(str(tmp_path / "file"), two.bucket, "file", Callback=file, Config=IN_PARTS)
    s3.upload_fileobj(io.BytesIO(data), two.bucket, "fileobj", Callback=fileobj, Config=IN_PARTS)
    assert (file.total, fileobj.total) == (size, size)
    assert two.content("new") == {"file": data, "fileobj": data}


@sizes
@pytest.mark.parametrize("holder", ["new", "old"])
def test_downloads(two: Any, tmp_path: Path, size: int, holder: str) -> None:
    data = b"x" * size
    two.put(holder, "k", data)
    s3 = two.client()
    file, fileobj, target = Progress(), Progress(), io.BytesIO()
    s3.download_file(two.bucket, "k", str(tmp_path / "file"), Callback=file, Config=IN_PARTS)
    s3.download_fileobj(two.bucket, "k", target, Callback=fileobj, Config=IN_PARTS)
    assert (file.total, fileobj.total) == (size, size)
    assert (tmp_path / "file").read_bytes() == target.getvalue() == data


@sizes
@pytest.mark.parametrize("holder", ["new", "old"])
def test_copies(two_alive: Any, size: int, holder: str) -> None:
    """Not into moto, which answers UploadPartCopy of a key that it lacks with a bare 404."""
    two, data = two_alive, b"x" * size
    two.put(holder, "k", data)
    s3, progress = two.client(), Progress()
    s3.copy({"Bucket": two.bucket, "Key": "k"}, two.bucket, "copy", Callback=progress, Config=IN_PARTS)
    assert progress.total == size
    assert two.content("new")["copy"] == data


def test_other_clients_siblings_and_plain_requests_are_not_counted(two: Any) -> None:
    """s3transfer turns its counting handlers off for what it did not start itself."""
    s3, progress = two.client(), Progress()
    s3.upload_fileobj(io.BytesIO(b"x" * 10), two.bucket, "k", Callback=progress)
    s3.put_object(Bucket=two.bucket, Key="other", Body=b"y" * 1000)
    assert progress.total == 10
