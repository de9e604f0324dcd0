"""The 40 ms stall: small reads from a Ceph gateway in its default settings.

RGW sends headers and body of a small object as two segments. Nagle's algorithm holds the second until the first is
acknowledged, and the client's kernel delays that by 40 ms. A HEAD has no second segment.
"""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from foodco_storage.doctor.finding import Finding
from foodco_storage.doctor.stores import Place, Store

GETS = 9
OBJECT_BYTES = 1024
"""Below one segment of an Ethernet, beyond which the stall does not show there."""

STALL_SECONDS = 0.035
_MORE_THAN_HEAD_SECONDS = 0.025
_FIRST_REQUESTS = 3
"""A fresh connection acknowledges at once; and it has to be made first."""

_MIN_BYTES = 100


def small_reads(store: Store, place: Place, *, may_write: bool) -> Iterator[Finding]:
    """Measure reads of a small object against HEADs of it.

    Args:
        store: not AWS.
        place: a bucket of it.
        may_write: write an object for it, and remove it; else a small one that is there is read.
    """
    try:
        with _object(store, place, may_write=may_write) as key:
            if key is None:
                message = "small reads were not timed: no small object to read was found"
                advice = "run `foodco-storage doctor --probe`, which writes one" if place.role == "primary" else ""
                yield Finding("warning", store.subject, message, advice)
                return
            get, head = measure(store, str(place.bucket), key)
    except (BotoCoreError, ClientError) as error:
        yield Finding("warning", store.subject, f"small reads could not be timed: {error}")
        return
    yield judge(store.subject, get, head)


def judge(subject: str, get_seconds: float, head_seconds: float) -> Finding:
    """What the medians of GETs and HEADs say."""
    times = f"median {get_seconds * 1000:.1f} ms, of a HEAD {head_seconds * 1000:.1f} ms"
    if get_seconds >= STALL_SECONDS and get_seconds - head_seconds >= _MORE_THAN_HEAD_SECONDS:
        return Finding(
            "warning",
            subject,
            f"every small read waits about 40 ms for a delayed acknowledgement: {times}",
            "set tcp_nodelay=1 in rgw_frontends (rook issue 17988; Ceph pull request 27008)",
        )
    return Finding("ok", subject, f"small reads don't stall: {times}")


def measure(store: Store, bucket: str, key: str) -> tuple[float, float]:
    """Median seconds of a GET and of a HEAD of an object."""
    params = {"Bucket": bucket, "Key": key}

    def get() -> None:
        with store.call("GetObject", dict(params))["Body"] as body:
            body.read()

    def head() -> None:
        store.call("HeadObject", dict(params))

    return _median(get), _median(head)


def _median(request: Callable[[], None]) -> float:
    times = []
    for number in range(_FIRST_REQUESTS + GETS):
        started = time.perf_counter()
        request()
        if number >= _FIRST_REQUESTS:
            times.append(time.perf_counter() - started)
    return statistics.median(times)


@contextmanager
def _object(store: Store, place: Place, *, may_write: bool) -> Iterator[str | None]:
    """The key of a small object."""
    prefix = place.route.reserved_prefix
    if not may_write:
        yield _small_one(store, place, prefix) or _small_one(store, place, "")
        return
    params = {"Bucket": place.bucket, "Key": f"{prefix}probe/{secrets.token_hex(8)}"}
    # A write that fails may have taken place.
    removal = dict(params)
    try:
        version = store.call("PutObject", {**params, "Body": secrets.token_bytes(OBJECT_BYTES)}).get("VersionId")
        if version:
            removal["VersionId"] = version
        yield params["Key"]
    finally:
        store.call("DeleteObject", removal)


def _small_one(store: Store, place: Place, prefix: str) -> str | None:
    page = store.call("ListObjectsV2", {"Bucket": place.bucket, "Prefix": prefix, "MaxKeys": 1000})
    keys = (item["Key"] for item in page.get("Contents", ()) if _MIN_BYTES <= item["Size"] <= OBJECT_BYTES)
    return next(keys, None)
