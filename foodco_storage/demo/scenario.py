"""What the demo does, and what it checks: every byte that the service reads, and where every object lies afterwards."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from foodco_storage.demo.service import Catalog
from foodco_storage.demo.stage import BUCKET, SOURCE_BUCKET, THREADS, Document, Stage, contents

Progress = Callable[[int], None]

_NEW = 20
"""So many documents are published anew, revised, archived and downloaded."""


class DemoFailed(RuntimeError):  # noqa: N818 - what the demo says when the library did not keep its word
    """Something was not as it must be."""


@dataclass
class Tally:
    """Who served what: operations and bytes, by (what was done, backend)."""

    operations: Counter[tuple[str, str]] = field(default_factory=Counter)
    sizes: Counter[tuple[str, str]] = field(default_factory=Counter)
    checked: int = 0
    _lock: Lock = field(default_factory=Lock)

    def add(self, what: str, answer: dict[str, Any], size: int) -> None:
        """Count one answer by what it says under `ResponseMetadata["Storage"]`."""
        backend = answer["ResponseMetadata"]["Storage"]["backend"]
        with self._lock:
            self.operations[what, backend] += 1
            self.sizes[what, backend] += size

    def same(self, key: str, body: bytes, expected: bytes) -> None:
        """Compare a body with what it must be, and count it.

        Raises:
            DemoFailed: it is something else.
        """
        if hashlib.sha256(body).digest() != hashlib.sha256(expected).digest():
            raise DemoFailed(f"{key}: {len(body)} bytes that are not those of the file ({len(expected)} bytes)")
        with self._lock:
            self.checked += 1


class Scenario:
    """The service at work on a stage.

    Args:
        stage: both stores, the documents in "S3" only.
        files: what was loaded.
    """

    def __init__(self, stage: Stage, files: list[Document]) -> None:
        self._stage = stage
        self._files = files
        self._before = contents(stage.s3, SOURCE_BUCKET)
        self._written: dict[str, bytes] = {}
        self._catalog = Catalog(BUCKET)
        self.tally = Tally()

    def read_everything(self, progress: Progress) -> None:
        """The service reads every document; none lies on the primary yet."""

        def read(document: Document) -> None:
            answer = self._catalog.document(document.key)
            body = answer["Body"].read()
            self.tally.same(document.key, body, document.path.read_bytes())
            self.tally.add("read", answer, len(body))
            progress(len(body))

        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(read, self._files):
                pass

    def write(self, progress: Progress) -> None:
        """The service publishes new documents, revises old ones, and archives some that it never wrote."""
        for document in self._files[:_NEW]:
            old = document.path.read_bytes()
            for what, key, body in (
                ("publish", f"new/{document.key}", old[::-1]),
                ("revise", document.key, old + b"\nrevised\n"),
            ):
                self.tally.add(what, self._catalog.publish(key, body, "application/octet-stream"), len(body))
                self._written[key] = body
        for document in self._files[_NEW : 2 * _NEW]:
            body = document.path.read_bytes()
            self.tally.add("archive", self._catalog.archive(document.key), len(body))
            self._written[f"archive/{document.key}"] = body
        progress(len(self._written))

    def read_back(self, progress: Progress) -> None:
        """What was written is read again, and some documents are downloaded into files."""
        for key, expected in self._written.items():
            answer = self._catalog.document(key)
            self.tally.same(key, body := answer["Body"].read(), expected)
            self.tally.add("read back", answer, len(body))
        with TemporaryDirectory(prefix="foodco-demo-") as folder:
            for number, document in enumerate(self._files[-_NEW:]):
                path = Path(folder, str(number))
                self._catalog.download(document.key, path)
                self.tally.same(
                    document.key, path.read_bytes(), self._written.get(document.key, document.path.read_bytes())
                )
        progress(len(self._written) + min(_NEW, len(self._files)))

    def list_everything(self, progress: Progress) -> int:
        """The service lists the bucket: both stores as one."""
        expected = sorted({document.key for document in self._files} | set(self._written), key=str.encode)
        listed = self._catalog.keys()
        if listed != expected:
            raise DemoFailed(f"the listing has {len(listed)} names, expected {len(expected)}, each once and in order")
        progress(len(listed))
        return len(listed)

    def check_the_stores(self, progress: Progress) -> None:
        """Nothing was written to "S3", and everything that was written lies on the primary."""
        if contents(self._stage.s3, SOURCE_BUCKET) != self._before:
            raise DemoFailed("the store that stands for S3 has changed, but a fallback is never written")
        on_primary = contents(self._stage.primary, BUCKET)
        if set(on_primary) != set(self._written):
            raise DemoFailed("the primary does not hold exactly what the service wrote")
        progress(len(self._before) + len(on_primary))
