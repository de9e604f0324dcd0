"""The conditional writes and the listing that flips stand on, on a real Ceph."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from foodco_storage.backends.plain_client import PlainClient
from foodco_storage.control.control_object import ControlObject, Found
from foodco_storage.control.existence import create, remove
from foodco_storage.control.flip import Flip
from foodco_storage.control.held_phase import HeldPhase
from foodco_storage.control.look import show
from foodco_storage.control.place import ControlPlace
from foodco_storage.control.record import first_record
from foodco_storage.control.steps import carry_out
from foodco_storage.control.watcher import Watcher
from foodco_storage.errors import PhaseRefusedError
from foodco_storage.testing import CephCluster

PATIENCE = 60.0
SETTINGS = {"lease_seconds": 2.0, "refresh_seconds": 0.2}


@pytest.fixture
def client(ceph: CephCluster) -> Iterator[Any]:
    config = Config(
        retries={"total_max_attempts": 1},
        max_pool_connections=20,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client = boto3.client("s3", **ceph.server.client_arguments(), config=config)
    yield client
    client.close()


@pytest.fixture
def place(client: Any, bucket_name: str) -> ControlPlace:
    client.create_bucket(Bucket=bucket_name)
    return ControlPlace("images", bucket_name, ".foodco-storage/")


def found(place: ControlPlace, call: Any) -> Found:
    one = carry_out(ControlObject(place).read(), call)
    assert one is not None
    return one


@pytest.fixture
def call(client: Any) -> Any:
    return PlainClient(lambda: client).send


def test_one_of_many_makes_it(place: ControlPlace, call: Any) -> None:
    """20 rounds of 8 at once, each having seen that there is none."""
    for _ in range(20):
        barrier = threading.Barrier(8)

        def make(number: int, barrier: threading.Barrier = barrier) -> bool:
            record = first_record("images", "source", f"op{number}", **SETTINGS)
            barrier.wait(PATIENCE)
            try:
                carry_out(ControlObject(place).create(record), call)
            except PhaseRefusedError:
                return False
            assert found(place, call).record == record
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(make, range(8))) == 1
        remove(place, call)


def test_one_of_many_changes_it(place: ControlPlace, call: Any) -> None:
    """50 rounds of 4 at once; none of them makes another's change undone."""
    create(place, call, "source", **SETTINGS)
    for round_ in range(50):
        seen = found(place, call)
        barrier = threading.Barrier(4)

        def change(number: int, seen: Found = seen, barrier: threading.Barrier = barrier) -> int:
            record = seen.record.changed(f"op{number}", phase="source", paused=not seen.record.paused, moving_from=None)
            barrier.wait(PATIENCE)
            try:
                carry_out(ControlObject(place).replace(seen, record), call)
            except PhaseRefusedError:
                return -1
            return number

        with ThreadPoolExecutor(4) as pool:
            (winner,) = {number for number in pool.map(change, range(4)) if number >= 0}
        now = found(place, call).record
        assert (now.changed_by, now.epoch) == (f"op{winner}", round_ + 2)


def test_etags_in_quotes(place: ControlPlace, call: Any) -> None:
    create(place, call, "source", **SETTINGS)
    seen = found(place, call)
    record = seen.record.changed("op", phase="source", paused=True, moving_from=None)
    with pytest.raises(PhaseRefusedError, match="put_if_match_quoted"):
        carry_out(ControlObject(place, quoted=True).replace(seen, record), call)
    assert carry_out(ControlObject(place).replace(seen, record), call).record == record


def test_a_versioned_bucket(place: ControlPlace, client: Any, call: Any) -> None:
    """Ceph 16 knows no conditions there; this is noticed, and told."""
    client.put_bucket_versioning(Bucket=place.bucket, VersioningConfiguration={"Status": "Enabled"})
    create(place, call, "source", **SETTINGS)
    with pytest.raises(PhaseRefusedError, match="versioned"):
        list(Flip(place, "backfill").run(call))
    shown = show(place, call)
    assert shown is not None
    assert not shown.record.paused


def test_a_flip_under_load(place: ControlPlace, call: Any) -> None:
    create(place, call, "backfill", **SETTINGS)
    watchers = [Watcher(), Watcher()]
    services = [
        HeldPhase(place, call, journal_depth=lambda: 0, watcher=watcher, pause_seconds=PATIENCE) for watcher in watchers
    ]
    stop = threading.Event()
    lock = threading.Lock()
    under_way: list[str] = []
    mixed: list[tuple[str, ...]] = []
    seen: set[str] = set()

    def work(service: HeldPhase) -> None:
        while not stop.is_set():
            with service.writing() as phase:
                with lock:
                    under_way.append(phase)
                    seen.add(phase)
                    if len(set(under_way)) > 1:
                        mixed.append(tuple(under_way))
                stop.wait(0.002)
                with lock:
                    under_way.remove(phase)

    with ThreadPoolExecutor(6) as pool:
        works = [pool.submit(work, service) for service in services for _ in range(3)]
        try:
            for target in ("cutover", "drain", "target"):
                assert list(Flip(place, target, wait_seconds=PATIENCE).run(call))[-1].startswith("done")
                until = time.monotonic() + PATIENCE
                while target not in seen:
                    assert time.monotonic() < until
                    time.sleep(0.01)
        finally:
            stop.set()
        for one in works:
            one.result(PATIENCE)
    assert mixed == []
    shown = show(place, call)
    assert shown is not None
    assert len(shown.clients) == 2
    for service in services:
        service.close()
    remove(place, call)


def test_credentials_that_may_only_read(ceph: CephCluster, place: ControlPlace, client: Any, call: Any) -> None:
    create(place, call, "cutover", **SETTINGS)
    key, secret = ceph.create_user(f"reader-{place.bucket}")
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/reader-%s"]},'
        '"Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::%s","arn:aws:s3:::%s/*"]}]}'
    ) % ((place.bucket,) * 3)
    client.put_bucket_policy(Bucket=place.bucket, Policy=policy)
    arguments = {**ceph.server.client_arguments(), "aws_access_key_id": key, "aws_secret_access_key": secret}
    reader = PlainClient(lambda: boto3.client("s3", **arguments))
    held = HeldPhase(place, reader.send, journal_depth=lambda: 0, watcher=Watcher(), pause_seconds=1.0)
    assert held.phase == "cutover"
    with pytest.raises(ClientError, match=r"MethodNotAllowed.*may not.*AccessDenied"):
        held.writing()
    held.close()
    reader.close()
