"""Two processes over one cache on disk, writes behind its back, crashes, damage and a small disk, against a history of each key."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError
from cached_world import TTL, World, on_disk
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from foodco_storage.cache.usage import Usage

_writev = os.writev
DISK = 4000
KEYS = ["a", "b/c"]
keys = st.sampled_from(KEYS)
sizes = st.sampled_from([0, 1, 7, 8, 9, 26, 33])
spans = st.sampled_from([None, "bytes=0-0", "bytes=3-9", "bytes=8-15", "bytes=-3", "bytes=20-"])
who = st.integers(0, 1)


class Machine(RuleBasedStateMachine):
    """What a read may answer: what the key holds, or what others have written over it by no more than the ttl ago."""

    @initialize(memory=st.booleans())
    def begin(self, memory: bool) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.full = False
        self.patched = ExitStack()
        self.patched.enter_context(mock.patch.object(os, "writev", self.writev))
        # Not in a thread, so that an example is the same when it is played again.
        self.patched.enter_context(mock.patch.object(Usage, "_make_room", Usage.sweep))
        self.world = World(Path(self.directory.name), memory=4000 if memory else None, disk=DISK)
        self.processes: list[Any] = [self.world.process, self.world.another()]
        self.number = 0
        self.now: dict[str, bytes | None] = dict.fromkeys(KEYS)
        self.overwritten: dict[str, list[tuple[float, bytes | None]]] = {key: [] for key in KEYS}

    def teardown(self) -> None:
        if hasattr(self, "directory"):
            self.patched.close()
            self.directory.cleanup()

    def body(self, size: int) -> bytes:
        self.number += 1
        return (f"{self.number:04}" * 9).encode()[:size]

    @rule(key=keys, size=sizes, by=who)
    def put(self, key: str, size: int, by: int) -> None:
        body = self.body(size)
        self.processes[by].call("PutObject", Key=key, Body=body)
        self.now[key], self.overwritten[key] = body, []

    @rule(key=keys, by=who)
    def delete(self, key: str, by: int) -> None:
        self.processes[by].call("DeleteObject", Key=key)
        self.now[key], self.overwritten[key] = None, []

    @rule(key=keys, size=sizes)
    def put_by_others(self, key: str, size: int) -> None:
        self.overwritten[key].append((self.world.clock.now, self.now[key]))
        self.now[key] = self.body(size)
        self.world.put(self.now[key] or b"", key)

    @rule(key=keys, span=spans, by=who)
    def read(self, key: str, span: str | None, by: int) -> None:
        params: dict[str, Any] = {"Key": key} if span is None else {"Key": key, "Range": span}
        found: Any
        try:
            found = self.processes[by].read(**params)
        except ClientError as error:
            found = error.response["Error"]["Code"]
        bodies = [self.now[key]]
        bodies += [body for at, body in self.overwritten[key] if self.world.clock.now - at < TTL]
        assert found in [_expected(body, span) for body in bodies]

    @rule(key=keys, by=who)
    def head(self, key: str, by: int) -> None:
        try:
            size = self.processes[by].call("HeadObject", Key=key)["ContentLength"]
        except ClientError:
            size = None
        bodies = [self.now[key]]
        bodies += [body for at, body in self.overwritten[key] if self.world.clock.now - at < TTL]
        assert size in [None if body is None else len(body) for body in bodies]

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.world.clock.now += seconds

    @rule(by=who)
    def restart(self, by: int) -> None:
        self.processes[by] = self.world.another()

    @rule(data=st.data())
    def damage(self, data: st.DataObject) -> None:
        # Room may be made meanwhile.
        with self.processes[0].levels.disk.usage._sweeping, self.processes[1].levels.disk.usage._sweeping:
            files = sorted(
                path for path in Path(self.directory.name).rglob("*") if path.is_file() and path.stat().st_size
            )
        path = data.draw(st.sampled_from(files))
        size = path.stat().st_size
        how = data.draw(st.sampled_from(["flip", "cut", "remove"]))
        if how == "flip" or path.parent == Path(self.directory.name):
            # Those of the cache's own are in use.
            position, bit = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, 7))
            with path.open("r+b") as file:
                file.seek(position)
                byte = file.read(1)[0]
                file.seek(position)
                file.write(bytes([byte ^ 1 << bit]))
        elif how == "cut":
            os.truncate(path, data.draw(st.integers(0, size - 1)))
        else:
            path.unlink()

    @rule(full=st.booleans())
    def disk_fills_up(self, full: bool) -> None:
        self.full = full
        for process in self.processes:
            process.levels.disk._rests_until = 0.0

    def writev(self, descriptor: int, pieces: list[bytes]) -> int:
        if not self.full:
            return _writev(descriptor, pieces)
        os.write(descriptor, pieces[0][:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    @rule()
    def sweep(self) -> None:
        self.processes[0].levels.disk.usage.sweep()

    @invariant()
    def never_more_than_it_may(self) -> None:
        if hasattr(self, "directory"):
            # Files that are being written are nobody's yet.
            assert sum(on_disk(Path(self.directory.name)).values()) <= DISK


def _expected(body: bytes | None, span: str | None) -> Any:
    if body is None:
        return "NoSuchKey"
    if span is None:
        return body
    first, _, last = span.removeprefix("bytes=").partition("-")
    if not first:
        return body[-int(last) :] if body else "InvalidRange"
    if int(first) >= len(body):
        return "InvalidRange"
    return body[int(first) : int(last) + 1 if last else None]


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestMachine = pytest.mark.slow(TestMachine)
