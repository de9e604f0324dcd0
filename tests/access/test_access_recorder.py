"""A recorder writes down what its process sees, and harms nobody; however the process ends, what it loses is known."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from queue import Empty
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from foodco_storage.access import shipments as shipments_module
from foodco_storage.access import shipping as shipping_module
from foodco_storage.access.counting import MAX_DAYS
from foodco_storage.access.ending import install_sigterm
from foodco_storage.access.recorder import Recorder
from foodco_storage.access.shipments import Shipments
from foodco_storage.access.store import Store
from foodco_storage.access.window import Window
from foodco_storage.errors import StatisticsError
from foodco_storage.telemetry.events import Operation


def got(key="k", at=1_700_000_000.0):
    return Operation(operation="GetObject", bucket="b", key=key, route="r", size=10, at=at)


@pytest.fixture
def store(tmp_path):
    # Events of 2023 are not old by this clock.
    return Store(tmp_path / "access", ships=True, clock=lambda: 1_700_000_000.0)


@pytest.fixture
def recorder(store):
    recorder = Recorder(store, "web", flush_seconds=3600)
    yield recorder
    recorder.close()


def reads(store):
    with store.use() as connection:
        return dict(connection.execute("SELECT key, sum(reads) FROM accesses GROUP BY key"))


def noticed(store):
    """Is set once something was written down."""
    flushed = threading.Event()
    add = store.add

    def add_and_tell(batch, service):
        add(batch, service)
        if batch:
            flushed.set()

    store.add = add_and_tell
    return flushed


def test_flush_and_close(store, recorder):
    recorder(got("a"))
    recorder.flush()
    assert reads(store) == {"a": 1}
    recorder(got("a"))
    recorder(got("b"))
    assert recorder.close()
    assert recorder.close()
    recorder(got("late"))
    assert reads(store) == {"a": 2, "b": 1}


def test_it_flushes_by_itself(store):
    flushed = noticed(store)
    recorder = Recorder(store, "web", flush_seconds=0.01)
    try:
        recorder(got("a"))
        assert flushed.wait(60)
        assert reads(store) == {"a": 1}
    finally:
        recorder.close()


def test_it_flushes_when_there_are_many_keys(store):
    flushed = noticed(store)
    recorder = Recorder(store, "web", flush_seconds=3600, max_keys=100)
    try:
        for n in range(128):
            recorder(got(f"k{n}"))
        assert flushed.wait(60)
        assert len(reads(store)) == 128
    finally:
        recorder.close()


def test_a_store_that_can_not_be_used(store, caplog):
    store.directory.mkdir()
    store.directory.chmod(0o777)
    recorder = Recorder(store, "web", max_keys=100)
    # No thread: what it would do is done here.
    recorder._start = lambda: True  # type: ignore[method-assign] # as said
    try:
        for n in range(5000):
            recorder(got(f"k{n}"))
        for _ in range(2):
            recorder._work()
        assert caplog.text.count("access statistics are not written down for now, and tried again") == 1
        with pytest.raises(StatisticsError, match="others may write to it"):
            recorder.flush()
        assert (recorder.failed_flushes, recorder.failed_shipments, recorder.lost_days) == (3, 0, 0)
        store.directory.chmod(0o700)
        recorder.flush()
        assert sum(reads(store).values()) == 5000
        assert len(reads(store)) <= 301
    finally:
        recorder.close()


def test_what_the_telemetry_bucket_answers_is_told(store, caplog):
    def refused(_key, _data):
        raise ClientError({"Error": {"Code": "InvalidAccessKeyId", "Message": "AKIA-secret"}}, "PutObject")

    recorder = Recorder(store, "web", flush_seconds=3600, shipments=Shipments(store, refused, every_seconds=0.001))
    recorder(got())
    recorder._work(everything=True)
    assert "tried again: InvalidAccessKeyId (PutObject)" in caplog.text
    assert "secret" not in caplog.text


def test_a_bucket_that_can_not_be_reached(store, caplog):
    put = {}
    is_reachable = False

    def put_object(key, data):
        if not is_reachable:
            raise OSError("https://user:secret@host?signature=secret")
        put[key] = data

    recorder = Recorder(store, "web", flush_seconds=3600, shipments=Shipments(store, put_object, every_seconds=0.001))
    recorder(got())
    for _ in range(3):
        recorder._work(everything=True)
    assert caplog.text.count("can't be shipped for now, and are kept and tried again: OSError") == 1
    assert "secret" not in caplog.text
    assert (recorder.failed_flushes, recorder.failed_shipments) == (0, 3)
    is_reachable = True
    assert recorder.close()
    assert len(put) == 2


def test_days_that_are_lost_are_told_of(store, caplog):
    store.directory.mkdir()
    store.directory.chmod(0o777)
    recorder = Recorder(store, "web")
    recorder._start = lambda: True  # type: ignore[method-assign] # no thread
    for n in range(MAX_DAYS + 2):
        recorder(got(at=n * 86_400.0))
    for _ in range(2):
        with pytest.raises(StatisticsError):
            recorder.flush()
    assert recorder.lost_days == 2
    assert caplog.text.count("access statistics of 2 days were dropped") == 1


def test_what_is_seen_while_much_is_shipped_is_written_down(store, monkeypatch):
    """Between objects, after a second at most, and without a pause until all is put."""
    now = [0.0]
    for module in (shipping_module, shipments_module):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    time_of_store = [1_700_000_000.0]
    store.clock = lambda: time_of_store[0]
    written = []

    def put(_key, _data):
        now[0] += 0.6
        written.append(reads(store).get("new", 0))
        recorder(got("new"))

    for n in range(3):
        store.add(window_of(got(f"old{n}")), "web")
        time_of_store[0] += 10
        with pytest.raises(OSError, match="away"):
            Shipments(store, away, every_seconds=10).ship()

    recorder = Recorder(store, "web", flush_seconds=3600, shipments=Shipments(store, put, every_seconds=1e6))
    recorder._start = lambda: True  # type: ignore[method-assign] # it is run here
    waited = []

    class Orders:
        def get(self, timeout):
            waited.append(timeout)
            if waited.count(3600) == 2:
                return "stop"
            raise Empty

        def put(self, order):
            pass

    monkeypatch.setattr(recorder, "_work", at_the_end_nothing(recorder._work))
    recorder._run(Orders(), recorder._ended)  # type: ignore[arg-type] # as said
    assert waited == [3600, 0.0, 0.0, 0.0, 3600]
    assert written == [0, 0, 2, 2, 4, 4]


def away(_key, _data):
    raise OSError("away")


def window_of(*events):
    window = Window(100)
    for event in events:
        window(event)
    return window.take()


def at_the_end_nothing(work):
    return lambda *, everything=False, **_: None if everything else work()


@pytest.fixture
def _only_our_garbage():
    # What other tests have left is not collected, nor complained of, in this one.
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_only_our_garbage")
def test_many_threads_and_the_garbage_collector(store, recorder):
    class Dropped:
        def __init__(self):
            self.myself = self

        def __del__(self):
            recorder(got("dropped"))

    def work(number):
        for _ in range(500):
            Dropped()
            recorder(got(f"k{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        recorder.flush()
    for thread in threads:
        thread.join()
    gc.collect()
    recorder.close()
    assert reads(store) == {"dropped": 2000, **{f"k{number}": 500 for number in range(4)}}


def test_forks(store, recorder):
    recorder(got("parent"))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            recorder(got("child"))
            code = 0 if recorder.close() else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert reads(store) == {"child": 1}
    recorder.flush()
    assert reads(store) == {"child": 1, "parent": 1}


def test_forks_in_the_midst_of_flushes(store):
    recorder = Recorder(store, "web", flush_seconds=0.001)
    try:
        for n in range(8):
            recorder(got("parent"))
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    recorder(got("child"))
                    code = 0 if recorder.close(60) else 2
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, n
    finally:
        recorder.close()
    assert reads(store) == {"child": 8, "parent": 8}


def test_a_process_of_multiprocessing_ends_without_a_word(store, recorder):
    process = multiprocessing.get_context("fork").Process(target=recorder, args=(got("child"),))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert reads(store) == {"child": 1}


def test_sigterm_is_left_to_who_handles_it(recorder):
    before = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, lambda *_: None)
        assert not install_sigterm(recorder)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        answers = []
        thread = threading.Thread(target=lambda: answers.append(install_sigterm(recorder)))
        thread.start()
        thread.join()
        assert answers == [False]
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


PRELUDE = """
import os, sys, threading
from pathlib import Path
from foodco_storage.access.ending import install_sigterm
from foodco_storage.access.recorder import Recorder
from foodco_storage.access.shipments import Shipments
from foodco_storage.access.store import Store
from foodco_storage.telemetry.events import Operation

place = Path(sys.argv[1])
store = Store(place / "access", ships=True, clock=lambda: 1_700_000_000.0)

def put(key, data):
    path = place / "shipped" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)

def got(key="k"):
    return Operation(operation="GetObject", bucket="b", key=key, route="r", at=1_700_000_000.0)

def wait():
    # Not for ever at once: a signal that comes after Python has looked for some, and before it waits, does not wake it.
    while True:
        threading.Event().wait(0.1)

recorder = Recorder(store, "web", flush_seconds=3600, shipments=Shipments(store, put))
"""


@contextmanager
def run(tmp_path, source):
    """A program that runs; it is killed where the test fails, and is not waited for."""
    with subprocess.Popen(
        [sys.executable, "-c", PRELUDE + source, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process):
    _, errors = process.communicate(timeout=60)
    assert errors == ""
    return process.returncode


def shipped(tmp_path):
    return sorted(path.parent.parent.name for path in (tmp_path / "shipped").rglob("*.gz"))


def test_the_end_of_the_interpreter(tmp_path, store):
    with run(tmp_path, "recorder(got())\n") as process:
        assert ended(process) == 0
    assert reads(store) == {"k": 1}
    assert shipped(tmp_path) == ["accesses", "traffic"]


@pytest.mark.parametrize("put", ["put", "stuck"])
def test_sigterm(tmp_path, store, put):
    """What was seen is written down and shipped; where that takes too long, the process ends all the same."""
    program = f"""
stuck = lambda key, data: wait()
recorder = Recorder(store, "web", flush_seconds=3600, shipments=Shipments(store, {put}))
assert install_sigterm(recorder, {50 if put == "put" else 0.3})
recorder(got())
if {put} is stuck:
    # However slow this computer is.
    recorder.flush()
print("ready", flush=True)
wait()
"""
    with run(tmp_path, program) as process:
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert ended(process) == -signal.SIGTERM
    assert reads(store) == {"k": 1}
    assert shipped(tmp_path) == (["accesses", "traffic"] if put == "put" else [])


def test_the_first_process_of_a_container_lives_on(tmp_path, store):
    """By default PID 1 does not die of SIGTERM; what it has seen is written down and shipped, and what comes after as well."""
    program = """
from foodco_storage.access import ending
ending._is_first = lambda: True
shipped = threading.Semaphore(0)
def put_and_tell(key, data):
    put(key, data)
    shipped.release()
recorder = Recorder(store, "web", flush_seconds=3600, shipments=Shipments(store, put_and_tell))
assert install_sigterm(recorder)
for _ in range(2):
    recorder(got())
    os.kill(os.getpid(), 15)
    assert shipped.acquire(timeout=50) and shipped.acquire(timeout=50)
recorder(got())
"""
    with run(tmp_path, program) as process:
        assert ended(process) == 0
    assert reads(store) == {"k": 3}
    assert shipped(tmp_path) == ["accesses"] * 3 + ["traffic"] * 3


def test_sigterm_in_the_midst_of_counting(tmp_path, store):
    """The main thread stands still, within the handler, in the midst of the window's."""
    program = """
assert install_sigterm(recorder, 60)
recorder(got())
with recorder._window._counting:
    os.kill(os.getpid(), 15)
    wait()
"""
    with run(tmp_path, program) as process:
        assert ended(process) == -signal.SIGTERM
    assert reads(store) == {"k": 1}


def test_a_kill_loses_what_was_not_written_down_and_no_more(tmp_path, store):
    program = """
n = 0
while True:
    n += 1
    recorder(got())
    if n % 50 == 0:
        print(n, flush=True)
        recorder.flush()
"""
    with run(tmp_path, program) as process:
        for _ in range(20):
            process.stdout.readline()
        process.kill()
        said = [int(line) for line in process.stdout if line.endswith("\n")]
    written = reads(store)["k"]
    # The last that was said may have been written down, or not.
    last = said[-1] if said else 1000
    assert written in {last, last - 50}
    put: dict[str, bytes] = {}
    assert Shipments(store, put.__setitem__).ship(everything=True) == 2
    with store.use() as connection:
        assert connection.execute("SELECT sum(operations) FROM traffic").fetchone() == (written,)
