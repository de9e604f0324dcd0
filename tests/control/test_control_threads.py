"""Held phases in real threads, forks and processes, with a real clock or one that the test turns."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from control_world import PLACE, Primary, Service

from foodco_storage.backends.plain_client import PlainClient
from foodco_storage.control.existence import create
from foodco_storage.control.flip import Flip
from foodco_storage.control.held_phase import HeldPhase, lease_clock
from foodco_storage.control.look import show
from foodco_storage.control.place import ControlPlace
from foodco_storage.control.process import Process
from foodco_storage.control.watcher import Watcher
from foodco_storage.errors import PhaseRefusedError
from foodco_storage.testing import MotoStore

PATIENCE = 30.0
QUICK = {"lease_seconds": 1.0, "refresh_seconds": 0.1}
SLOWER = {"lease_seconds": 1.0, "refresh_seconds": 0.2}


def eventually(what: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < until
        time.sleep(0.005)


def is_paused(service: Service) -> bool:
    record = service.held._participant.standing.record
    return record is not None and record.paused


class Connection:
    def __init__(self, primary: Primary) -> None:
        self.send = primary.call
        self.closed = 0
        self.forks = 0

    def close(self) -> None:
        self.closed += 1

    def after_fork(self) -> None:
        self.forks += 1


@pytest.fixture
def primary() -> Primary:
    """Its dates stand still; leases run by the real clock."""
    primary = Primary()
    primary.begin("backfill", **QUICK)
    return primary


def real(primary: Primary, watcher: Watcher, **settings: Any) -> Service:
    service = Service(primary, watcher=watcher, **settings)
    service.held._clock = service.held._participant._clock = lease_clock
    return service


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    watcher = Watcher()
    yield watcher
    for held in watcher._held:
        held.close()
    eventually(lambda: watcher._thread is None)


def test_leases_are_kept_alive(primary: Primary, watcher: Watcher) -> None:
    service = real(primary, watcher)
    assert service.held.phase == "backfill"
    asked = len(primary.asked)
    eventually(lambda: len(primary.asked) > asked + 5)
    with service.held.writing() as phase:
        assert phase == "backfill"
    eventually(lambda: service.held._participant.standing.lease_until > lease_clock())


def test_one_thread_for_all_routes_of_a_store(primary: Primary, watcher: Watcher) -> None:
    services = [real(primary, watcher) for _ in range(5)]
    for service in services:
        assert service.held.phase == "backfill"
    assert sum(thread.name == "foodco-storage-phases" for thread in threading.enumerate()) == 1


def test_a_flip_under_load(primary: Primary, watcher: Watcher) -> None:
    """Threads of two processes write and read as fast as they can while the phase goes there and back."""
    services = [real(primary, watcher, pause_seconds=PATIENCE) for _ in range(2)]
    by: dict[str, int] = {"backfill": 0, "cutover": 0}
    lock = threading.Lock()
    stop = threading.Event()
    mixed: list[dict[str, int]] = []
    seen: set[str] = set()

    def write(service: Service) -> None:
        while not stop.is_set():
            with service.held.writing() as phase:
                with lock:
                    by[phase] += 1
                    if all(by.values()):
                        mixed.append(dict(by))
                    seen.add(phase)
                time.sleep(0.0005)
                with lock:
                    by[phase] -= 1

    def read(service: Service) -> None:
        while not stop.is_set():
            with service.held.reading() as phase, lock:
                if by["cutover" if phase == "backfill" else "backfill"]:
                    mixed.append(dict(by))

    with ThreadPoolExecutor(12) as pool:
        work = [pool.submit(write, service) for service in services for _ in range(3)]
        eventually(lambda: len(primary.reports()) == 2)
        work += [pool.submit(read, service) for service in services for _ in range(2)]
        try:
            for target in ("cutover", "backfill", "cutover"):
                told = list(Flip(PLACE, target, wait_seconds=PATIENCE).run(primary.call))
                assert told[-1].startswith("done")
        finally:
            stop.set()
        for one in work:
            one.result(PATIENCE)
    assert mixed == []
    assert seen == {"backfill", "cutover"}


def test_a_write_waits_for_the_pause_to_end(primary: Primary, watcher: Watcher) -> None:
    service = real(primary, watcher, pause_seconds=PATIENCE)
    with service.held.writing():
        pass
    flip = Flip(PLACE, "cutover", wait_seconds=PATIENCE).run(primary.call)
    assert next(flip).startswith("paused")
    eventually(lambda: is_paused(service))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(service.held.writing)
        list(flip)
        with waiting.result(PATIENCE) as phase:
            assert phase == "cutover"


def test_a_write_does_not_wait_forever(primary: Primary, watcher: Watcher) -> None:
    service = real(primary, watcher, pause_seconds=0.05)
    with service.held.writing():
        pass
    flip = Flip(PLACE, "cutover", wait_seconds=PATIENCE).run(primary.call)
    next(flip)
    eventually(lambda: is_paused(service))
    with pytest.raises(ClientError, match="SlowDown"):
        service.held.writing()
    list(flip)


def test_many_first_writes_at_once(primary: Primary, watcher: Watcher) -> None:
    service = real(primary, watcher, pause_seconds=PATIENCE)
    barrier = threading.Barrier(8)

    def write() -> None:
        barrier.wait(PATIENCE)
        with service.held.writing():
            pass

    with ThreadPoolExecutor(8) as pool:
        for one in [pool.submit(write) for _ in range(8)]:
            one.result(PATIENCE)
    assert primary.reports() == {service.id}


def test_many_first_reads_at_once_ask_once(primary: Primary) -> None:
    service = Service(primary)
    barrier = threading.Barrier(8)
    asked = len(primary.asked)

    def read() -> str:
        barrier.wait(PATIENCE)
        return service.held.phase

    with ThreadPoolExecutor(8) as pool:
        phases = {one.result(PATIENCE) for one in [pool.submit(read) for _ in range(8)]}
    assert phases == {"backfill"}
    assert len(primary.asked) == asked + 1


def test_the_thread_outlives_a_mistake(primary: Primary, watcher: Watcher, caplog: pytest.LogCaptureFixture) -> None:
    service = real(primary, watcher)
    assert service.held.phase == "backfill"
    whole = service.held._participant.round

    def broken() -> Any:
        service.held._participant.round = whole  # type: ignore[method-assign]
        raise ZeroDivisionError

    service.held._participant.round = broken  # type: ignore[method-assign]
    asked = len(primary.asked)
    eventually(lambda: len(primary.asked) > asked + 3)
    assert "ZeroDivisionError" in caplog.text


def in_a_fork(what: Callable[[], object]) -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            what()
            code = 0
        except BaseException:  # noqa: BLE001 - must not return into the parent's test
            import traceback  # noqa: PLC0415

            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("held_locks", [False, True])
def test_a_fork_is_another_client(primary: Primary, watcher: Watcher, held_locks: bool) -> None:
    service = real(primary, watcher, pause_seconds=PATIENCE)
    with service.held.writing():
        pass
    parent = service.id
    reading = service.held.reading()
    reading.__enter__()
    operation = service.held.try_writing()
    assert operation is not None
    primary._lock = threading.Lock()

    def child() -> None:
        # The store in memory may have been locked by the parent's thread.
        primary._lock = threading.Lock()
        watcher.after_fork()
        service.held.after_fork()
        assert service.held.phase == "backfill"
        assert watcher._thread is not None
        assert service.id != parent
        with service.held.writing() as phase:
            assert phase == "backfill"
        assert service.held._participant.standing.in_flight == 0
        operation.end()
        assert service.held._participant.standing.in_flight == 0
        assert primary.reports() == {parent, service.id}
        service.held.close()
        # The parent's report is the parent's to take away.
        assert primary.reports() == {parent}

    if held_locks:
        with service.held._turn, service.held._participant.changed, watcher._changed:
            in_a_fork(child)
    else:
        in_a_fork(child)
    reading.__exit__(None, None, None)
    operation.end()
    assert service.id == parent


def test_one_phase_for_all_clients_of_a_process(primary: Primary) -> None:
    process = Process()
    connection = Connection(primary)
    helds = [
        process.acquire(
            "images",
            "ceph",
            lambda: connection,
            lambda call, watcher: HeldPhase(PLACE, call, journal_depth=lambda: 0, watcher=watcher),
        )
        for _ in range(3)
    ]
    assert len({id(held) for held in helds}) == 1
    with helds[0].writing():
        pass
    assert len(primary.reports()) == 1
    process.release("images")
    process.release("images")
    process.release("of somebody else")
    assert not connection.closed
    process.release("images")
    eventually(lambda: connection.closed)
    assert primary.reports() == set()
    process.close()


def test_given_back_by_the_garbage_collector(primary: Primary) -> None:
    """In the middle of anything: also of what takes the same locks."""
    process = Process()

    class Cycle:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            process.release("images")

    def hold(call: Any, watcher: Any) -> HeldPhase:
        Cycle()
        gc.collect()
        return HeldPhase(PLACE, call, journal_depth=lambda: 0, watcher=watcher)

    held = process.acquire("images", "ceph", lambda: Connection(primary), hold)
    with held._turn, held._participant.changed:
        Cycle()
        gc.collect()
    assert held.phase == "backfill"
    process.close()


def test_a_process_forks(primary: Primary) -> None:
    process = Process()
    connection = Connection(primary)
    held = process.acquire(
        "images",
        "ceph",
        lambda: connection,
        lambda call, watcher: HeldPhase(PLACE, call, journal_depth=lambda: 0, watcher=watcher),
    )
    with held.writing():
        pass

    def child() -> None:
        primary._lock = threading.Lock()
        process.after_fork()
        assert connection.forks == 1
        assert held.phase == "backfill"
        with held.writing():
            pass
        assert len(primary.reports()) == 2
        process.close()
        assert len(primary.reports()) == 1

    in_a_fork(child)
    process.close()
    assert primary.reports() == set()


PROGRAM = """
import multiprocessing, sys, time
import boto3
from botocore.config import Config
from foodco_storage.backends.plain_client import PlainClient
from foodco_storage.control.held_phase import HeldPhase
from foodco_storage.control.place import ControlPlace
from foodco_storage.control.process import this_process

url, bucket, how = sys.argv[1:]
place = ControlPlace("images", bucket, ".foodco-storage/")
config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})

def connect():
    return PlainClient(lambda: boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=config))

def write():
    held = this_process.acquire(
        "key", url, connect, lambda call, watcher: HeldPhase(place, call, journal_depth=lambda: 0, watcher=watcher)
    )
    return held.writing()

def child():
    write().end()

if how == "killed":
    with write():
        print("writing", flush=True)
        time.sleep(60)
elif how == "ends":
    write().end()
elif how == "fails":
    write().end()
    raise SystemExit(3)
elif how == "children":
    context = multiprocessing.get_context("fork")
    write().end()
    processes = [context.Process(target=child) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
"""


@pytest.fixture
def route(moto_store: MotoStore, bucket_name: str) -> Iterator[tuple[Any, ControlPlace, str]]:
    client = boto3.client(
        "s3", **moto_store.server.client_arguments(), config=Config(retries={"total_max_attempts": 1})
    )
    client.create_bucket(Bucket=bucket_name)
    place = ControlPlace("images", bucket_name, ".foodco-storage/")
    plain = PlainClient(lambda: client)
    create(place, plain.send, "backfill", **SLOWER)
    yield plain.send, place, moto_store.server.endpoint_url
    plain.close()


def start(tmp_path: Path, url: str, place: ControlPlace, how: str) -> subprocess.Popen[str]:
    program = tmp_path / "service.py"
    program.write_text(PROGRAM)
    return subprocess.Popen([sys.executable, str(program), url, place.bucket, how], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("how", ["ends", "fails", "children"])
def test_processes_that_end_leave_no_report(route: tuple[Any, ControlPlace, str], tmp_path: Path, how: str) -> None:
    call, place, url = route
    with start(tmp_path, url, place, how) as service:
        assert service.wait(PATIENCE) == (3 if how == "fails" else 0)
    shown = show(place, call)
    assert shown is not None
    assert shown.clients == ()
    assert list(Flip(place, "cutover", quoted=True).run(call))[-1].startswith("done")


def test_a_process_that_was_killed(route: tuple[Any, ControlPlace, str], tmp_path: Path) -> None:
    call, place, url = route
    with start(tmp_path, url, place, "killed") as service:
        assert service.stdout is not None
        assert service.stdout.readline() == "writing\n"
        with pytest.raises(PhaseRefusedError, match="1 operations under way"):
            list(Flip(place, "cutover", quoted=True, wait_seconds=5).run(call))
        service.send_signal(signal.SIGKILL)
    shown = show(place, call)
    assert shown is not None
    (client,) = shown.clients
    assert client.report is not None
    assert (client.report.pid, client.report.program) == (service.pid, "service.py")

    def is_stale() -> bool:
        shown = show(place, call)
        return shown is not None and bool(shown.stale)

    eventually(is_stale)
    with pytest.raises(PhaseRefusedError, match=f"probably dead(?s:.)*--forget {client.id}"):
        list(Flip(place, "cutover", quoted=True).run(call))
    told = list(Flip(place, "cutover", quoted=True, forget=frozenset({client.id})).run(call))
    assert told[-1].startswith("done")


def test_the_clock_of_leases_goes_on_while_the_machine_sleeps() -> None:
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert abs(lease_clock() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1
