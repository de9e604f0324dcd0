"""Files, counts, locks and permissions under a cache."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import threading
import time
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cached_world import on_disk
from dateutil.tz import tzlocal, tzoffset, tzutc
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from foodco_storage.cache import entry_file
from foodco_storage.cache.disk import Disk
from foodco_storage.cache.flights import Flights
from foodco_storage.cache.generations import SLOTS, Generations, seed_of, slots_of
from foodco_storage.cache.memory import HEAD, Memory, first, weight
from foodco_storage.cache.opening import open_levels
from foodco_storage.cache.private import make_private
from foodco_storage.cache.route_cache import RouteCache
from foodco_storage.cache.usage import BEGIN, Usage
from foodco_storage.config import Cache
from foodco_storage.config.byte_size import ByteSize
from foodco_storage.errors import CacheError
from foodco_storage.flows.cached import Head


def head(key: str = "k", size: int = 4, etag: str = '"e"') -> Head:
    return Head("b", key, etag, size, 8, 1, {"ContentLength": size, "Metadata": {"dish": "soup"}})


class TestEntryFile:
    @settings(max_examples=60)
    @given(
        text=st.binary(max_size=300),
        data=st.binary(max_size=300),
        zeros=st.sampled_from([0, 70_000]),
        position=st.integers(0, 80_000),
        bit=st.integers(0, 7),
    )
    def test_a_bit_that_flips_is_seen(
        self, tmp_path_factory: pytest.TempPathFactory, text: bytes, data: bytes, zeros: int, position: int, bit: int
    ) -> None:
        data += bytes(zeros)
        path = tmp_path_factory.mktemp("entry") / "file"
        whole = bytearray(entry_file.header(text, data, 12.5) + data)
        path.write_bytes(whole)
        found = entry_file.read(str(path), 100_000)
        assert found is not None
        assert found[:3] == (text, data, 12.5)
        whole[position % len(whole)] ^= 1 << bit
        path.write_bytes(whole)
        found = entry_file.read(str(path), 100_000)
        # The date alone may be damaged: it is long ago then, and nothing is believed to be fresh.
        assert found is None or found[:3] == (text, data, entry_file.LONG_AGO)

    @pytest.mark.parametrize("length", [0, 10, 5000, 20_000, 150_000])
    def test_cut_short(self, tmp_path: Path, length: int) -> None:
        path, data = tmp_path / "file", os.urandom(length)
        whole = entry_file.header(b"text", data, 1.0) + data
        for size in {0, 1, 47, 48, 51, len(whole) // 2, len(whole) - 1}:
            if size < len(whole):
                path.write_bytes(whole[:size])
                assert entry_file.read(str(path), length) is None, size
        path.write_bytes(whole)
        assert entry_file.read(str(path), length) == (b"text", data, 1.0)

    @pytest.mark.parametrize("size", [10, 200_000])
    def test_more_than_is_allowed_is_not_read(self, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
        path, data = tmp_path / "file", bytes(size)
        path.write_bytes(entry_file.header(b"text", data, 1.0) + data)
        assert entry_file.read(str(path), size) is not None
        asked, read = [], os.read

        def counted(descriptor: int, amount: int) -> bytes:
            asked.append(amount)
            return read(descriptor, amount)

        monkeypatch.setattr(os, "read", counted)
        assert entry_file.read(str(path), size - 1) is None
        whole = bytearray(path.read_bytes())
        for where in (8, 16):
            # The lengths of the description, and of the data.
            claims = whole[:]
            claims[where : where + 8] = (1 << 62).to_bytes(8, "little")
            path.write_bytes(claims)
            assert entry_file.read(str(path), size) is None
        assert max(asked) <= 8192

    def test_renewed(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(entry_file.header(b"text", b"data", 1.0) + b"data")
        assert entry_file.renew(str(path), b"text", 2.0)
        assert not entry_file.renew(str(path), b"tex!", 3.0)
        found = entry_file.read(str(path), 100_000)
        assert found is not None
        assert found[2] == 2.0

    def test_links_are_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(entry_file.header(b"text", b"data", 1.0) + b"data")
        (tmp_path / "link").symlink_to(tmp_path / "file")
        with pytest.raises(OSError, match="link"):
            entry_file.read(str(tmp_path / "link"), 1000)


class TestGenerations:
    def test_shared(self, tmp_path: Path) -> None:
        one, other = Generations(tmp_path / "g"), Generations(tmp_path / "g")
        slots = slots_of([seed_of("b"), seed_of("other")], "k")
        before = one.of(slots)
        assert other.of(slots) == before
        other.change(slots[1:])
        assert one.of(slots) == other.of(slots) != before
        assert (tmp_path / "g").stat().st_mode & 0o777 == 0o600
        assert [path.name for path in tmp_path.iterdir()] == ["g"]

    def test_a_lost_file_begins_with_other_numbers(self, tmp_path: Path) -> None:
        before = Generations(tmp_path / "g").of([0])
        (tmp_path / "g").unlink()
        assert Generations(tmp_path / "g").of([0]) != before

    def test_a_file_cut_short(self, tmp_path: Path) -> None:
        one = Generations(tmp_path / "g")
        os.truncate(tmp_path / "g", 100)
        assert one.of([SLOTS - 1]) != one.of([SLOTS - 1])
        other = Generations(tmp_path / "g")
        assert (tmp_path / "g").stat().st_size == 8 * SLOTS
        assert one.of([SLOTS - 1]) == other.of([SLOTS - 1]) == one.of([SLOTS - 1])

    def test_a_file_that_is_removed_and_made_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("foodco_storage.cache.generations.LOOK_SECONDS", 0.0)
        one = Generations(tmp_path / "g")
        one.of([1])
        (tmp_path / "g").unlink()
        other = Generations(tmp_path / "g")
        assert one.of([1]) == other.of([1])
        other.change([1])
        assert one.of([1]) == other.of([1])
        (tmp_path / "g").unlink()
        one.change([1])
        assert one.of([1]) == other.of([1])

    def test_a_number_that_somebody_else_has_now(self, tmp_path: Path) -> None:
        """As after all descriptors were closed, by a process that becomes a daemon."""
        one = Generations(tmp_path / "g")
        os.close(one._descriptor)
        mine = tmp_path / "mine"
        with mine.open("w+b", buffering=0) as file:
            assert file.fileno() == one._descriptor
            file.write(bytes(100))
            before = one.of([1])
            one.change([1])
            assert one.of([1]) != before
            assert mine.read_bytes() == bytes(100)
            del one
            gc.collect()
            assert file.write(b"x") == 1

    def test_a_process_that_ends_keeps_its_numbers(self, tmp_path: Path) -> None:
        program = (
            "import atexit, os, sys\n"
            "from pathlib import Path\n"
            "one = None\n"
            "def last():\n"
            "    file = open(sys.argv[1] + '/mine', 'w+b', buffering=0)\n"
            "    file.write(bytes(100))\n"
            "    one.change(range(100))\n"
            "    assert Path(sys.argv[1] + '/mine').read_bytes() == bytes(100)\n"
            "    print('well')\n"
            "atexit.register(last)\n"
            "from foodco_storage.cache.generations import Generations\n"
            "one = Generations(Path(sys.argv[1]) / 'g')\n"
        )
        ran = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
        assert ran.stdout == "well\n"

    @pytest.mark.parametrize("shared", [False, True])
    def test_all(self, tmp_path: Path, shared: bool) -> None:
        one = Generations(tmp_path / "g" if shared else None)
        one.change([5])
        before = [one.of([slot]) for slot in range(5, SLOTS, 1000)]
        one.change_all()
        assert not set(before) & {one.of([slot]) for slot in range(5, SLOTS, 1000)}

    def test_a_disk_that_takes_no_change(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def full(*_: Any) -> int:
            raise OSError(28, "No space left on device")

        one = Generations(tmp_path / "g")
        before = one.of([1])
        monkeypatch.setattr(os, "pwrite", full)
        for _ in range(2):
            one.change([1])
            assert one.of([1]) != before
            before = one.of([1])
        assert caplog.text.count("other processes are not told") == 1

    def test_the_same_slot_in_every_process(self) -> None:
        # Written down in files of running processes: never to be changed without another name for the file.
        assert slots_of([seed_of("images")], "soup.png") == [zlib.crc32(b"images/soup.png") % 2**18]


class TestMemory:
    def test_the_least_recently_used_goes(self) -> None:
        one = first(head("a"), b"1234", 0.0)
        memory = Memory(3 * one.bytes)
        for key in "abc":
            memory.put(("s", "b", key, HEAD), first(head(key), b"1234", 0.0))
        assert memory.get(("s", "b", "a", HEAD)) is not None
        memory.put(("s", "b", "d", HEAD), first(head("d"), b"1234", 0.0))
        assert [key for key in "abcd" if memory.get(("s", "b", key, HEAD)) is not None] == ["a", "c", "d"]
        assert memory.evictions == 1
        assert memory.bytes <= 3 * one.bytes

    def test_what_is_larger_than_all_of_it_drives_nothing_out(self) -> None:
        memory = Memory(10_000)
        memory.put(("s", "b", "a", HEAD), first(head("a"), b"1234", 0.0))
        memory.put(("s", "b", "large", HEAD), first(head("large"), bytes(20_000), 0.0))
        assert memory.get(("s", "b", "a", HEAD)) is not None
        assert memory.get(("s", "b", "large", HEAD)) is None

    def test_weighed_with_all_that_it_holds(self) -> None:
        assert first(head(), bytes(1000), 0.0).bytes > 1000 + weight(head().response)
        assert weight({"a": ["x" * 1000]}) > 1000


def stored(usage: Usage, directory: Path, name: str, size: int) -> bool:
    return usage.write(str(directory / "data" / name[:2] / name), [bytes(size)])


@pytest.fixture
def usage(tmp_path: Path) -> Usage:
    return Usage(tmp_path, 1000, unit=1)


class TestUsage:
    def test_counts_what_is_there(self, usage: Usage, tmp_path: Path) -> None:
        for name, size in (("aa1", 100), ("aa2", 50), ("bb1", 25), ("aa1", 10)):
            assert stored(usage, tmp_path, name, size)
        assert usage.counted() == sum(on_disk(tmp_path).values()) == 85
        assert Usage(tmp_path, 1000, unit=1).counted() == 85
        assert usage.remove(str(tmp_path / "data/aa/aa2"), str(tmp_path / "data/aa/none")) == 1
        assert usage.counted() == 35
        assert usage.clear() == 2
        assert usage.counted() == 0

    def test_never_more_than_it_may(self, usage: Usage, tmp_path: Path) -> None:
        names = [f"{number:02}x" for number in range(40)]
        for name in names:
            stored(usage, tmp_path, name, 90)
            assert sum(on_disk(tmp_path).values()) <= 1000
        assert not stored(usage, tmp_path, "huge", 1001)

    def test_room_is_made_by_what_was_not_used_for_longest(self, usage: Usage, tmp_path: Path) -> None:
        for number in range(9):
            assert stored(usage, tmp_path, f"{number}{number}x", 100)
            os.utime(tmp_path / "data" / f"{number}{number}" / f"{number}{number}x", (100 + number, 100 + number))
        os.utime(tmp_path / "data/00/00x", (999, 999))
        assert stored(usage, tmp_path, "last", 80)
        usage._sweeping.acquire()
        usage._sweeping.release()
        left = on_disk(tmp_path)
        assert sum(left.values()) <= BEGIN * 1000
        assert {"00x", "88x", "last"} <= left.keys()
        assert "11x" not in left

    def test_what_a_crash_left(self, usage: Usage, tmp_path: Path) -> None:
        assert stored(usage, tmp_path, "aa1", 100)
        for name in ("abandoned", "written now"):
            (tmp_path / "new" / name).write_bytes(b"x")
        os.utime(tmp_path / "new" / "abandoned", (1, 1))
        with usage._locked() as file:
            usage._add(file, 500)
        usage.sweep()
        assert usage.counted() == 100
        assert on_disk(tmp_path) == {"aa1": 100}
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["written now"]
        os.utime(tmp_path / "new" / "written now", (1, 1))
        Usage(tmp_path, 1000)
        assert not list((tmp_path / "new").iterdir())

    def test_large_files_find_room_among_small_ones(self, usage: Usage, tmp_path: Path) -> None:
        """Also where all of them together are not yet enough to make room."""
        for number in range(46):
            assert stored(usage, tmp_path, f"{number:02}x", 20)
        assert not stored(usage, tmp_path, "large", 100)
        usage._sweeping.acquire()
        usage._sweeping.release()
        assert stored(usage, tmp_path, "large", 100)

    def test_nobody_waits_for_who_stands_still(self, usage: Usage, tmp_path: Path) -> None:
        other = Usage(tmp_path, 1000, unit=1)
        with other._locked():
            start = time.monotonic()
            with pytest.raises(TimeoutError):
                stored(usage, tmp_path, "aa1", 100)
            assert time.monotonic() - start < 5
        assert stored(usage, tmp_path, "aa1", 100)

    def test_a_fork_while_room_is_made(self, usage: Usage, tmp_path: Path) -> None:
        """A child inherits the lock's description, and lives on."""
        read, write = os.pipe()
        child = 0

        def files(_: Any = None) -> Any:
            nonlocal child
            child = os.fork()
            if not child:
                os.read(read, 1)
                os._exit(0)
            return iter(())

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(usage, "files", files)
            usage.sweep()
        try:
            with usage._locked() as file:
                usage._add(file, 500)
            other = Usage(tmp_path, 1000, unit=1)
            other.sweep()
            assert other.counted() == 0
        finally:
            os.write(write, b"x")
            os.waitpid(child, 0)

    def test_a_directory_that_is_removed_and_made_again(self, usage: Usage, tmp_path: Path) -> None:
        assert stored(usage, tmp_path, "aa1", 900)
        shutil.rmtree(tmp_path)
        make_private(tmp_path)
        other = Usage(tmp_path, 1000, unit=1)
        assert stored(other, tmp_path, "aa2", 300)
        assert stored(usage, tmp_path, "aa3", 300)
        assert usage.counted() == other.counted() == 600
        shutil.rmtree(tmp_path)
        stored(usage, tmp_path, "aa4", 300)
        assert stored(usage, tmp_path, "aa4", 300)
        assert usage.counted() == 300

    def test_the_machine_was_started_anew(self, usage: Usage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert stored(usage, tmp_path, "aa1", 100)
        monkeypatch.setattr("foodco_storage.cache.usage._start_of_the_machine", lambda: b"x" * 36)
        again = Usage(tmp_path, 1000, unit=1)
        assert again.counted() is None
        again.sweep()
        assert again.counted() == 100

    def test_a_lost_count_is_made_again(self, usage: Usage, tmp_path: Path) -> None:
        assert stored(usage, tmp_path, "aa1", 100)
        (tmp_path / "usage").unlink()
        again = Usage(tmp_path, 1000, unit=1)
        assert again.counted() is None
        assert not stored(again, tmp_path, "aa2", 1)
        again._sweeping.acquire()
        again._sweeping.release()
        assert again.counted() == 100

    def test_a_count_that_is_damaged_is_made_again(self, usage: Usage, tmp_path: Path) -> None:
        assert stored(usage, tmp_path, "aa1", 100)
        path = tmp_path / "usage"
        count = bytearray(path.read_bytes())
        count[0] ^= 64
        path.write_bytes(count)
        assert usage.counted() is None
        usage.sweep()
        assert usage.counted() == 100

    def test_many_at_once(self, usage: Usage, tmp_path: Path) -> None:
        others = [usage, Usage(tmp_path, 1000, unit=1)]

        def work(number: int) -> None:
            for turn in range(30):
                stored(others[number % 2], tmp_path, f"{(number * turn) % 17:02}x", 20 + turn)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with usage._sweeping:
            counted = usage.counted()
            assert counted is not None
            assert sum(on_disk(tmp_path).values()) <= counted <= 1000


class TestFlights:
    def test_who_waits_goes_on_when_the_other_ends(self) -> None:
        flights, order = Flights(), []
        inside, go_on = threading.Event(), threading.Event()

        def lead() -> None:
            with flights.alone("a"):
                inside.set()
                go_on.wait(10)
                order.append("leader")

        thread = threading.Thread(target=lead)
        thread.start()
        assert inside.wait(10)
        with flights.alone("b"):
            order.append("another")
        go_on.set()
        with flights.alone("a"):
            order.append("follower")
        thread.join()
        assert order == ["another", "leader", "follower"]

    def test_nobody_waits_for_long(self) -> None:
        flights = Flights(wait_seconds=0.05)
        with flights.alone("a"):
            start = time.monotonic()
            thread = threading.Thread(target=lambda: flights.alone("a").__enter__())
            thread.start()
            thread.join(10)
            assert not thread.is_alive()
            assert time.monotonic() - start < 5

    @pytest.mark.parametrize("how", ["ends", "dies"])
    def test_of_another_process(self, tmp_path: Path, how: str) -> None:
        flights = Flights(tmp_path / "flights", wait_seconds=30.0)
        read, write = os.pipe()
        child = os.fork()
        if not child:
            # The kernel drops the lock of a process however it ends.
            try:
                with Flights(tmp_path / "flights").alone("a"):
                    os.write(write, b"x")
                    time.sleep(0.2)
                    os.write(write, b"y")
                    if how == "dies":
                        os._exit(9)
            finally:
                os._exit(0)
        os.read(read, 1)
        start = time.monotonic()
        with flights.alone("b"):
            assert time.monotonic() - start < 0.15
        os.set_blocking(read, False)
        with flights.alone("a"):
            assert os.read(read, 1) == b"y"
            assert time.monotonic() - start < 20
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)

    def test_a_failure_lets_others_in(self) -> None:
        flights = Flights()
        with pytest.raises(RuntimeError), flights.alone("a"):
            raise RuntimeError
        with flights.alone("a"):
            pass
        assert flights._under_way == {}


def open_with(directory: Path | None, **options: Any) -> Any:
    sizes = {name: ByteSize(value) if name.endswith("bytes") else value for name, value in options.items()}
    return open_levels("images", Cache(**sizes), directory, Generations, Flights)


class TestOpening:
    def test_modes(self, tmp_path: Path) -> None:
        os.umask(old := os.umask(0))
        levels = open_with(tmp_path / "top", disk_max_bytes=10_000)
        cache = RouteCache(levels, "scope", lambda bucket: [bucket], ttl_seconds=1.0)
        looked = cache.look("b", "k")
        cache.keep(replace(head(), generation=looked.generation), {0: b"1234"}, looked)
        assert cache.look("b", "k").level == "disk"
        assert old is not None
        for path in [tmp_path / "top", *(tmp_path / "top").rglob("*")]:
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path

    def test_levels(self, tmp_path: Path) -> None:
        both = open_with(tmp_path / "a", disk_max_bytes=1000, memory_max_bytes=1000)
        assert both.memory is not None
        assert both.disk is not None
        one = open_with(None, memory_max_bytes=1000)
        assert (one.memory is not None, one.disk) == (True, None)
        other = open_with(tmp_path / "b", disk_max_bytes=1000)
        assert (other.memory, other.disk is not None) == (None, True)

    def test_others_may_write_it(self, tmp_path: Path) -> None:
        (tmp_path / "top").mkdir()
        (tmp_path / "top").chmod(0o770)
        with pytest.raises(CacheError, match="chmod go-w"):
            open_with(tmp_path / "top", disk_max_bytes=1000)

    def test_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir(mode=0o700)
        (tmp_path / "link").symlink_to(tmp_path / "real")
        with pytest.raises(CacheError, match="a link"):
            make_private(tmp_path / "link")

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(CacheError, match="a file"):
            make_private(tmp_path / "file")

    def test_another_users(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        with pytest.raises(CacheError, match="user 12345"):
            make_private(tmp_path)

    def test_a_disk_that_fails_leaves_the_rest(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        (tmp_path / "top").mkdir(mode=0o700)
        (tmp_path / "top" / "generations").mkdir()
        cache = open_with(tmp_path / "top", disk_max_bytes=1000, memory_max_bytes=1000)
        assert cache.disk is None
        assert "nothing is cached on disk" in caplog.text


class TestDisk:
    def test_a_full_disk_is_told_once_and_left_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        disk = Disk(tmp_path, 10_000, 8, unit=1)
        tries = []

        def full(*_: Any) -> int:
            tries.append(1)
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "writev", full)
        for _ in range(3):
            disk.put_head("s", head(), b"1234", 1.0)
        assert len(tries) == 1
        assert caplog.text.count("No space left") == 1
        monkeypatch.undo()
        disk._rests_until = 0.0
        disk.put_head("s", head(), b"1234", 1.0)
        found = disk.head("s", "b", "k")
        assert found is not None
        assert found[1] == b"1234"
        assert [name for name in on_disk(tmp_path) if name.startswith(".")] == []

    def test_what_is_no_entry_is_taken_away(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path, 10_000, 8, unit=1)
        disk.put_head("s", head(), b"1234", 1.0)
        (path,) = (path for path in (tmp_path / "data").rglob("*") if path.is_file())
        path.write_bytes(b"nonsense" * 20)
        assert disk.head("s", "b", "k") is None
        assert not path.exists()

    def test_odd_keys_are_never_paths(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path, 100_000, 8)
        keys = ["../../etc/passwd", "/", "a\0b", "é" * 400, "k\n1"]
        for key in keys:
            disk.put_head("s", head(key), b"1234", 1.0)
        for key in keys:
            found = disk.head("s", "b", key)
            assert found is not None
            assert found[0].key == key
        assert all(len(name) == 32 for name in on_disk(tmp_path))

    def test_what_can_not_be_written_down_is_not_kept(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path, 100_000, 8)
        disk.put_head("s", head("\ud800"), b"1234", 1.0)
        assert on_disk(tmp_path) == {}

    @pytest.mark.parametrize("zone", [None, tzoffset(None, 7200), tzlocal()])
    def test_a_date_that_would_come_back_as_another(self, tmp_path: Path, zone: Any) -> None:
        disk = Disk(tmp_path, 100_000, 8)
        for key, kept in (("odd", zone), ("gmt", tzutc())):
            response = {"Expires": datetime(2030, 1, 1, tzinfo=kept)}
            disk.put_head("s", replace(head(key), response=response), b"1234", 1.0)
            found = disk.head("s", "b", key)
            assert found is None if kept is zone else found is not None and found[0].response == response

    def test_a_block_of_another_object_is_not_taken(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path, 100_000, 8)
        disk.put_block("s", head(size=20), 1, b"12345678")
        assert disk.block("s", head(size=20), 1) == b"12345678"
        assert disk.block("s", head(size=20, etag='"other"'), 1) is None
        assert disk.block("s", head(size=20), 0) is None
        assert disk.block("s", head(size=12), 1) is None
