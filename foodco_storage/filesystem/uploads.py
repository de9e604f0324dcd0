"""Objects that are written in parts, several at once, in bounded memory."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, Final, NoReturn

from botocore.exceptions import ClientError

from foodco_storage.filesystem.addresses import Address
from foodco_storage.filesystem.failures import fail, is_precondition
from foodco_storage.filesystem.store import FAILURES, Store

logger = logging.getLogger("foodco_storage")

MEBIBYTE: Final = 1024**2

DEFAULT_PART_BYTES: Final = 16 * MEBIBYTE
LEAST_PART_BYTES: Final = 5 * MEBIBYTE
MOST_PART_BYTES: Final = 5 * 1024**3
MOST_PARTS: Final = 10_000
"""Limits of S3 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html)."""


class Upload:
    """One upload in parts.

    Args:
        store: who is asked, and whose threads send the parts.
        address: of the object.
        params: of CreateMultipartUpload; what it does not take is left out.
        concurrency: parts that are sent at once: so many are held in memory.
        told: called with the size of each part that was sent, from the caller's thread.

    Raises:
        OSError: by the table of `failures`; the upload is aborted then.
    """

    def __init__(
        self,
        store: Store,
        address: Address,
        params: Mapping[str, Any],
        concurrency: int | None = None,
        told: Callable[[int], Any] | None = None,
    ) -> None:
        self._store = store
        self._address = address
        self._params = params
        self._told = told
        self._most = concurrency or store.concurrency
        self._pending: deque[tuple[int, int, Future[dict[str, Any]]]] = deque()
        self._parts: list[dict[str, Any]] = []
        self._where = {"Bucket": address.bucket, "Key": address.key}
        created = store.call("create_multipart_upload", address.path, self._where, params)
        self._upload = {**self._where, "UploadId": created["UploadId"]}
        self.count = 0
        """Parts so far."""

    def add(self, data: bytes | memoryview) -> None:
        """Send the next part; waits while too many are on their way."""
        self._begin(len(data), "upload_part", Body=bytes(data))

    def add_range(self, source: Address, start: int, end: int, etag: str | None) -> None:
        """Make the next part of bytes of another object, without reading them.

        Args:
            source: of the other object.
            start: its first byte, and
            end: the byte after its last (exclusive): at least 5 MiB, but for the last part.
            etag: what it must have.
        """
        named = {"Bucket": source.bucket, "Key": source.key}
        if source.version is not None:
            named["VersionId"] = source.version
        params: dict[str, Any] = {"CopySource": named, "CopySourceRange": f"bytes={start}-{end - 1}"}
        if etag:
            params["CopySourceIfMatch"] = etag
        self._begin(end - start, "upload_part_copy", **params)

    def _begin(self, size: int, operation: str, **params: Any) -> None:
        while len(self._pending) >= self._most:
            self._settle()
        self.count += 1
        send = self._store.pools.parts.submit
        part = {**self._upload, "PartNumber": self.count, **params}
        self._pending.append((self.count, size, send(self._store.send, operation, part, self._params)))

    def _settle(self) -> None:
        """Wait for the part that was begun first."""
        number, size, future = self._pending[0]
        try:
            answer = future.result()
            self._pending.popleft()
            if self._told is not None:
                self._told(size)
        except FAILURES as error:
            self.abort()
            fail(error, self._address.path)
        except BaseException:
            self.abort()
            raise
        answer = answer.get("CopyPartResult", answer)
        checksums = {
            name: value for name, value in answer.items() if name.startswith("Checksum") and name != "ChecksumType"
        }
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"], **checksums})

    def complete(self, match: Mapping[str, str]) -> dict[str, Any]:
        """Make the object of the parts.

        Args:
            match: `IfNoneMatch` where there must be none yet.

        Raises:
            FileExistsError: there is one.
        """
        while self._pending:
            self._settle()
        if match:
            # Ceph takes the condition of the next request, and does not heed it.
            self._check_absent()
        done = {**self._upload, "MultipartUpload": {"Parts": self._parts}, **match}
        try:
            return self._store.send("complete_multipart_upload", done, self._params)
        except FAILURES as error:
            # Whether it came about nobody knows where the answer was lost. An upload that did is not there to be aborted.
            self.abort()
            fail_write(error, self._address.path, match)
        except BaseException:
            self.abort()
            raise

    def _check_absent(self) -> None:
        """Raises: FileExistsError."""
        try:
            self._store.call("head_object", self._address.path, self._where)
        except FileNotFoundError:
            return
        except BaseException:
            self.abort()
            raise
        self.abort()
        raise FileExistsError(17, "there is an object already", self._address.path)

    def abort(self) -> None:
        """Give up: the store keeps no part. Safe to call twice."""
        pending, self._pending = self._pending, deque()
        for _, _, future in pending:
            future.cancel()
        for _, _, future in pending:
            if not future.cancelled():
                future.exception()
        try:
            self._store.call("abort_multipart_upload", self._address.path, self._upload)
        except FileNotFoundError:
            logger.debug("the upload to %s had ended", self._address.path)
        except OSError as error:
            # What went wrong before is what the caller is to see.
            logger.warning(
                "the parts of an upload to %s that failed may still lie there (%s): clear_multipart_uploads() removes them",
                self._address.path,
                error,
            )


def send_all(upload: Upload, parts: Iterable[bytes | memoryview], match: Mapping[str, str]) -> None:
    """Send parts and make the object, or abort."""
    try:
        for part in parts:
            upload.add(part)
    except BaseException:
        upload.abort()
        raise
    upload.complete(match)


def fail_write(error: Exception, path: str, match: Mapping[str, str]) -> NoReturn:
    """Raise for a write that failed."""
    if match and isinstance(error, ClientError) and is_precondition(error):
        raise FileExistsError(17, "there is an object already", path) from error
    fail(error, path)


def even_ranges(size: int, most: int) -> Iterator[tuple[int, int]]:
    """Starts and ends (exclusive) of ranges of about one size, none too small for a part of many.

    Args:
        size: of all.
        most: of one; a little more where the parts would be too small else.
    """
    count = -(-size // most)
    if count > 1 and size // count < LEAST_PART_BYTES:
        count = max(size // LEAST_PART_BYTES, 1)
    for number in range(count):
        yield size * number // count, size * (number + 1) // count


def part_bytes_for(size: int, wanted: int | None) -> int:
    """The size of parts, such that an object of a known size has not too many.

    Raises:
        ValueError: S3 takes no parts of this size.
    """
    if wanted is not None and not LEAST_PART_BYTES <= wanted <= MOST_PART_BYTES:
        raise ValueError(f"chunksize must be between 5 MiB ({LEAST_PART_BYTES}) and 5 GiB, not {wanted}")
    return max(wanted or DEFAULT_PART_BYTES, -(-size // MOST_PARTS))
