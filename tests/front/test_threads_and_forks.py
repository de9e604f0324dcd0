"""Clients made and used by many threads, and across forks (gunicorn, multiprocessing)."""

from __future__ import annotations

import gc
import multiprocessing
import os
import socket
import threading
import traceback
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

import foodco_storage
from foodco_storage.front import opening

THREADS = 16


def test_clients_made_at_once_from_the_default_session(two: Any) -> None:
    two.put("new", "new", b"new")
    two.put("old", "old", b"old")
    storage = two.storage()
    at_once = threading.Barrier(THREADS)

    def work(number: int) -> tuple[bytes, bytes]:
        at_once.wait(60)
        s3 = foodco_storage.client("s3", storage=storage)
        try:
            read = tuple(s3.get_object(Bucket=two.bucket, Key=key)["Body"].read() for key in ("new", "old"))
            s3.put_object(Bucket=two.bucket, Key=f"by-{number}", Body=b"x")
            return read
        finally:
            s3.close()

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(work, range(THREADS))) == [(b"new", b"old")] * THREADS
    assert len(two.content("new")) == THREADS + 1


def test_one_client_used_by_many_threads(two: Any) -> None:
    expected = {f"k{number}": f"body of {number}".encode() for number in range(THREADS)}
    for number, (key, body) in enumerate(expected.items()):
        two.put("old" if number % 2 else "new", key, body)
    s3 = two.client()
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(3):
            read = pool.map(lambda key: s3.get_object(Bucket=two.bucket, Key=key)["Body"].read(), expected)
            assert list(read) == list(expected.values())


def in_child(work: Callable[[], None]) -> int:
    """Fork, work in the child; the exit code there is 0 if nothing was raised."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - told, and then the exit code tells
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def ended_well(pid: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def sockets(s3: Any) -> set[str]:
    """The local addresses of the connections that a client keeps open."""
    clients = [b.client for b in s3._dispatch.backends.values()] if s3._dispatch is not None else [s3]
    found = set()
    for client in clients:
        pools = client._endpoint.http_session._manager.pools
        for key in pools.keys():  # noqa: SIM118 - urllib3's container can't be iterated
            for connection in list(pools[key].pool.queue):
                if connection is not None and connection.sock is not None:
                    found.add(str(connection.sock.getsockname()))
    return found


@pytest.fixture(params=["no-configuration", "routed", "resource"])
def s3(request: pytest.FixtureRequest, two_alive: Any) -> Any:
    if request.param == "no-configuration":
        return foodco_storage.client(**two_alive.servers["new"].client_arguments())
    if request.param == "resource":
        return foodco_storage.resource(storage=two_alive.storage()).meta.client
    return two_alive.client()


def test_parent_and_child_use_a_client_at_once(s3: Any, two_alive: Any) -> None:
    """Over one connection each would read the other's answers, of the same length as its own."""
    two = two_alive
    for who in ("parent", "child!"):
        for number in range(5):
            two.put("new", f"{who}{number}", f"{who}{number}".encode() * 100)

    def read(who: str) -> None:
        for turn in range(40):
            key = f"{who}{turn % 5}"
            assert s3.get_object(Bucket=two.bucket, Key=key)["Body"].read() == key.encode() * 100

    read("parent")
    kept = sockets(s3)
    assert kept, "the server closed the connection, so nothing is shared"

    def child() -> None:
        assert not sockets(s3)
        read("child!")
        assert not sockets(s3) & kept

    pids = [in_child(child) for _ in range(3)]
    read("parent")
    # The parent has lost nothing to its children.
    assert kept <= sockets(s3)
    ended = [ended_well(pid) for pid in pids]
    assert all(ended)
    read("parent")
    assert kept <= sockets(s3)


def test_multiprocessing(two_alive: Any) -> None:
    two = two_alive
    two.put("new", "new", b"new")
    two.put("old", "old", b"old")
    s3 = two.client()

    def read(key: str) -> bytes:
        body: bytes = s3.get_object(Bucket=two.bucket, Key=key)["Body"].read()
        return body

    assert read("new") == b"new"
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    def work() -> None:
        answers.put([read("new"), read("old")])

    processes = [context.Process(target=work) for _ in range(4)]
    for process in processes:
        process.start()
    assert [answers.get(timeout=100) for _ in processes] == [[b"new", b"old"]] * 4
    for process in processes:
        process.join(100)
    assert read("old") == b"old"


def test_a_child_can_make_clients_though_the_lock_was_held_at_the_fork(two: Any) -> None:
    two.put("old", "k", b"old")
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with opening._creating:
            held.set()
            release.wait(100)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)

    def child() -> None:
        made = foodco_storage.client("s3", storage=two.storage())
        assert made.get_object(Bucket=two.bucket, Key="k")["Body"].read() == b"old"

    pid = in_child(child)
    try:
        assert ended_well(pid)
    finally:
        release.set()
        thread.join()


def test_a_child_is_not_held_up_by_locks_of_breakers_and_capabilities(two: Any) -> None:
    two.put("old", "k", b"old")
    s3 = two.client()
    backend = s3._dispatch.backends["new"]
    with backend.breaker._lock, backend._capabilities._lock:
        pid = in_child(lambda: work_with(s3, two.bucket))
    assert ended_well(pid)


def work_with(s3: Any, bucket: str) -> None:
    breaker = s3._dispatch.backends["new"].breaker
    breaker.failed()
    breaker.succeeded()
    s3.put_object(Bucket=bucket, Key="new", Body=b"x", IfNoneMatch="*")


def test_a_client_made_in_a_child_can_fork_again(two: Any) -> None:
    two.put("old", "k", b"old")

    def child() -> None:
        made = foodco_storage.client("s3", storage=two.storage())
        assert made.get_object(Bucket=two.bucket, Key="k")["Body"].read() == b"old"

        def grandchild() -> None:
            assert made.get_object(Bucket=two.bucket, Key="k")["Body"].read() == b"old"

        assert ended_well(in_child(grandchild))

    assert ended_well(in_child(child))


def test_clients_that_are_dropped_are_forgotten() -> None:
    made = foodco_storage.client()
    forgotten = weakref.ref(made)
    assert made in opening._clients
    del made
    gc.collect()
    assert forgotten() is None


def test_plain_clients_of_boto3_are_left_alone_by_a_fork() -> None:
    plain = boto3.client("s3")
    manager = plain._endpoint.http_session._manager

    def child() -> None:
        assert plain._endpoint.http_session._manager is manager

    assert ended_well(in_child(child))
    assert socket.getdefaulttimeout() is None
