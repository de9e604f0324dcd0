"""Events add up to what the stores served, by the stores' own count: no request is told twice, and none is forgotten."""

from __future__ import annotations

import io
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

import foodco_storage
from foodco_storage import telemetry
from foodco_storage.drivers.background import background
from foodco_storage.front.mirroring import _opened
from foodco_storage.telemetry.events import Operation, Request, Work
from foodco_storage.testing import Answer, CephCluster, Close, FaultProxy, wait_until

KEYS = [f"k{number}" for number in range(6)]


class Added:
    """A hook that adds up the requests of all events."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.operations: Counter[str] = Counter()

    def __call__(self, event: Any) -> None:
        if isinstance(event, Operation | Work):
            self.requests += event.requests
        if isinstance(event, Operation):
            self.operations[event.operation] += 1

    def attempts(self, backend: str) -> int:
        return sum(request.attempts for request in self.requests if request.backend == backend)


@pytest.fixture
def added() -> Iterator[Added]:
    added = Added()
    telemetry.add_hook(added)
    yield added
    telemetry.remove_hook(added)


def read(s3: Any, **which: str) -> None:
    s3.get_object(**which)["Body"].read()


def read_in_part(s3: Any, **which: str) -> None:
    with s3.get_object(**which)["Body"] as body:
        body.read(100)


def put(s3: Any, choose: random.Random, **which: str) -> None:
    body = choose.choice([b"soup, " * 1000, io.BytesIO(b"x" * 3000), b""])
    s3.put_object(**which, Body=body, ContentType="text/plain")


def delete_some(s3: Any, bucket: str) -> None:
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": one} for one in KEYS[:3]]})


def copy(s3: Any, bucket: str, key: str) -> None:
    s3.copy_object(Bucket=bucket, Key=f"{key}-copy", CopySource={"Bucket": bucket, "Key": key})


def operate(s3: Any, bucket: str, choose: random.Random, steps: int) -> Counter[str]:
    """Random operations of a caller; which, and how often."""
    made: Counter[str] = Counter()
    for _ in range(steps):
        key = choose.choice(KEYS)
        which = {"Bucket": bucket, "Key": key}
        operations: list[tuple[str, Callable[..., Any]]] = [
            ("GetObject", partial(read, s3, **which)),
            ("GetObject", partial(read, s3, Range="bytes=10-1999", **which)),
            ("GetObject", partial(read_in_part, s3, **which)),
            ("PutObject", partial(put, s3, choose, **which)),
            ("HeadObject", partial(s3.head_object, **which)),
            ("ListObjectsV2", partial(s3.list_objects_v2, Bucket=bucket)),
            ("DeleteObject", partial(s3.delete_object, **which)),
            ("DeleteObjects", partial(delete_some, s3, bucket)),
            ("CopyObject", partial(copy, s3, bucket, key)),
        ]
        name, call = choose.choice(operations)
        made[name] += 1
        with suppress(ClientError, BotoCoreError):
            call()
    return made


ROUTES: list[dict[str, Any]] = [
    {"fallbacks": ()},
    {"phase": "backfill"},
    {"phase": "cutover", "cache": {"memory_max_bytes": "8MiB", "ttl_seconds": 0.01}},
    {"phase": "cutover", "mirror": {"mode": "async"}, "compression": {"codec": "zstd"}},
    {"phase": "drain", "promote": {"background": False}},
]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: "-".join(map(str, route.values())) or "one backend")
def test_every_request_that_a_store_saw_is_told_of_once(
    two: Any, added: Added, tmp_path: Path, route: dict[str, Any]
) -> None:
    choose = random.Random(str(route))
    for key in KEYS[:4]:
        two.put("old", key, bytes(5000))
    old, new = two.servers["old"], two.servers["new"]
    with FaultProxy(old.host, old.port) as source, FaultProxy(new.host, new.port) as primary:
        proxies = {"old": source, "new": primary}
        for name, proxy in proxies.items():
            two.backends[name] |= {"endpoint_url": proxy.endpoint_url, "max_attempts": 3}
        storage = two.storage(**route) | {"journal": {"directory": str(tmp_path)}}
        s3 = foodco_storage.client(storage=storage)
        made = Counter[str]()
        for fault in (None, Answer(status=503), Close(after_bytes=500)):
            for proxy in proxies.values():
                if fault is not None:
                    proxy.inject(fault, times=2)
            made += operate(s3, two.bucket, choose, 20)
        for proxy in proxies.values():
            proxy.pass_through()
        settle(s3)
        assert added.operations == made
        assert {name: added.attempts(name) for name in proxies} == {
            name: proxy.requests for name, proxy in proxies.items()
        }
        assert source.faults + primary.faults
        s3.close()


def settle(s3: Any) -> None:
    """Wait until nothing is left to be done in the background."""
    assert background.join()
    journal = s3._dispatch.driver._journal.journal
    while journal is not None and journal.depth():
        s3._dispatch.driver._journal.deferred()
        background.join()
    # Who reconciles tells of its work after the entry was settled.
    for mirroring in _opened.values():
        thread = mirroring._thread
        if thread is not None and journal is mirroring.journal:
            thread.join(30)


_LINE = re.compile(r'beast: \S+ \S+ \S+ \S+ \[[^]]+\] "(\w+) /([^/? ]+)(\S*) HTTP/1\.1" (\d+) (\d+)')


def served(ceph: CephCluster, bucket: str) -> list[tuple[str, int, int]]:
    """Method with "/" and perhaps a key, status and bytes sent of each request on a bucket, by radosgw's access log."""
    text = "".join(path.read_text(errors="replace") for path in sorted(ceph._place().path.glob("log/radosgw*")))
    return [(f"{m[1]} {m[3][:1]}", int(m[4]), int(m[5])) for m in _LINE.finditer(text) if m[2] == bucket]


@pytest.mark.slow
def test_events_add_up_to_what_ceph_logs(ceph: CephCluster, bucket_name: str, added: Added) -> None:
    telemetry.remove_hook(added)
    arguments = ceph.server.client_arguments()
    s3 = foodco_storage.client(**arguments)
    s3.create_bucket(Bucket=bucket_name)
    wait_until(lambda: bool(served(ceph, bucket_name)), what="the line of the first request")
    before = len(served(ceph, bucket_name))
    telemetry.add_hook(added)
    operate(s3, bucket_name, random.Random(7), 120)
    s3.close()
    # radosgw writes its log a moment after the answer.
    wait_until(lambda: len(served(ceph, bucket_name)) - before >= added.attempts("caller"), what="the last line")
    logged = served(ceph, bucket_name)[before:]
    assert len(logged) == added.attempts("caller") > 100
    # Of bodies that were read in part, a store sends more than is read: what it was asked for is what is told.
    sent = sum(size for what, status, size in logged if what == "GET /" and status in {200, 206})
    told = [request for request in added.requests if request.operation == "GetObject" and request.error is None]
    assert sum(request.received_bytes for request in told) == sent > 0
