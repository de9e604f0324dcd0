"""The place where a probe writes: keys that nobody else has, and their removal."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from foodco_storage.backends.capabilities import Call
from foodco_storage.flows.request import Response

logger = logging.getLogger("foodco_storage")

THREADS = 8
"""Requests at one time. botocore keeps 10 connections by default."""

_CONDITION_FAILED = frozenset({409, 412})
_NOT_SUPPORTED = frozenset({400, 405, 501})
_WRITES = frozenset({"PutObject", "CopyObject", "CreateMultipartUpload"})


class NotAnswered(Exception):  # noqa: N818 - an outcome, not a failure
    """The store's answer decides nothing."""


class Sandbox:
    """Keys below one random prefix; remembers what has to be removed.

    Args:
        call: sends a request; called from several threads.
        bucket: where.
        prefix: everything is written below it.
    """

    def __init__(self, call: Call, bucket: str, prefix: str) -> None:
        self.bucket = bucket
        self.versioned = False
        self._call = call
        self._prefix = prefix
        self._lock = threading.Lock()
        self._number = 0
        self._keys: list[str] = []
        self._uploads: list[tuple[str, str]] = []

    def new_key(self) -> str:
        """A key that does not exist yet."""
        with self._lock:
            self._number += 1
            return f"{self._prefix}{self._number:06}"

    def send(self, operation: str, key: str | None = None, **params: Any) -> Response:
        """Send a request about the bucket, or about a key in it."""
        if key is not None:
            params["Key"] = key
            if operation in _WRITES:
                with self._lock:
                    # Before it is sent: a write that fails may have taken place.
                    self._keys.append(key)
        response = self._call(operation, {"Bucket": self.bucket, **params})
        if operation == "CreateMultipartUpload" and key is not None:
            with self._lock:
                self._uploads.append((key, response["UploadId"]))
        return response

    def put(self, key: str, body: bytes) -> str:
        """Write a plain object; returns its ETag without quotes."""
        etag: str = self.send("PutObject", key, Body=body)["ETag"]
        return etag.strip('"')

    def holds(self, operation: str, key: str, **params: Any) -> bool:
        """Send a request under a condition: True when it was carried out, False when the condition failed.

        Raises:
            ClientError: anything else. `refuses` tells a store that does not know the condition.
        """
        try:
            self.send(operation, key, **params)
        except ClientError as error:
            if _status(error) in _CONDITION_FAILED:
                return False
            raise
        return True

    def read(self, key: str) -> bytes | None:
        """The body of an object; None when there is none."""
        try:
            body = self.send("GetObject", key)["Body"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "NoSuchKey":
                return None
            raise
        try:
            data: bytes = body.read()
        finally:
            body.close()
        return data

    def clean_up(self) -> None:
        """Remove everything, and say what could not be removed."""
        failed = self._each(self._abort, self._uploads) + self._each(self._remove, self._left_over())
        if failed:
            logger.warning(
                "a probe could not remove %d of its objects or uploads below %r in bucket %r: remove them by hand (%s)",
                len(failed),
                self._prefix,
                self.bucket,
                failed[0],
            )

    def _left_over(self) -> list[dict[str, str]]:
        keys = [{"Key": key} for key in dict.fromkeys(self._keys)]
        if not self.versioned:
            return keys
        try:
            return self._versions()
        except (BotoCoreError, ClientError) as error:
            logger.warning("versions below %r in bucket %r can't be listed: %s", self._prefix, self.bucket, error)
            return keys

    def _versions(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        markers: dict[str, Any] = {}
        while True:
            page = self.send("ListObjectVersions", Prefix=self._prefix, **markers)
            items = (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            found += [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in items]
            if not page.get("IsTruncated"):
                return found
            markers = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    def _remove(self, item: dict[str, str]) -> None:
        self._call("DeleteObject", {"Bucket": self.bucket, **item})

    def _abort(self, upload: tuple[str, str]) -> None:
        key, upload_id = upload
        try:
            self._call("AbortMultipartUpload", {"Bucket": self.bucket, "Key": key, "UploadId": upload_id})
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "NoSuchUpload":
                raise

    @staticmethod
    def _each(remove: Callable[[Any], None], items: list[Any]) -> list[BotoCoreError | ClientError]:
        def attempt(item: Any) -> BotoCoreError | ClientError | None:
            try:
                remove(item)
            except (BotoCoreError, ClientError) as error:
                return error
            return None

        with ThreadPoolExecutor(THREADS) as threads:
            return [error for error in threads.map(attempt, items) if error is not None]


def refuses(error: ClientError) -> bool:
    """Whether an error says that the store does not do such a thing, rather than that it could not do it now."""
    return _status(error) in _NOT_SUPPORTED


@contextmanager
def sandbox(call: Call, bucket: str, reserved_prefix: str) -> Iterator[Sandbox]:
    """A place to probe in, in a bucket that takes and gives back a plain object; cleaned up at the end, however it ends.

    Raises:
        ClientError: the bucket does not.
        BotoCoreError: the same.
    """
    place = Sandbox(call, bucket, f"{reserved_prefix}probe/{secrets.token_hex(8)}/")
    try:
        key = place.new_key()
        written = place.send("PutObject", key, Body=b"probe")
        # Who may not ask for the state still sees it here.
        place.versioned = bool(written.get("VersionId")) or _has_versions(place)
        place.read(key)
        yield place
    finally:
        place.clean_up()


def _has_versions(place: Sandbox) -> bool:
    try:
        return "Status" in place.send("GetBucketVersioning")
    except ClientError as error:
        logger.info("the versioning of bucket %r can't be read: %s", place.bucket, error)
        return False


def _status(error: ClientError) -> int:
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status
