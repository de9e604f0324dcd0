"""Files that coroutines read: in order, from one object, and whole also when a read is cancelled."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from proxied import ProxiedStore

from foodco_storage.filesystem import FileChangedError
from foodco_storage.filesystem.pools import FILE_THREADS
from foodco_storage.testing import Delay, Hang, Reset

BODY = random.Random(9).randbytes(300_000)


def run(store: ProxiedStore, path: str, use: Any, **options: Any) -> Any:
    async def opened() -> Any:
        async with await store.fs.open_async(path, **options) as file:
            return await use(file)

    return asyncio.run(opened())


def test_step_by_step(store: ProxiedStore) -> None:
    async def read(file: Any) -> list[bytes]:
        return [await file.read(length) for length in (0, 1, 100_000, 50_000, None, 10, -1)]

    parts = run(store, store.put("steps", BODY), read)
    assert b"".join(parts) == BODY
    assert list(map(len, parts)) == [0, 1, 100_000, 50_000, len(BODY) - 150_001, 0, 0]


def test_many_at_once_come_in_order(store: ProxiedStore) -> None:
    async def read(file: Any) -> bytes:
        return b"".join(await asyncio.gather(*(file.read(7_000) for _ in range(60))))

    assert run(store, store.put("order", BODY), read) == BODY


def test_a_read_that_is_cancelled_loses_nothing(store: ProxiedStore) -> None:
    path = store.put("cancelled", BODY)

    async def read(file: Any) -> bytes:
        first = await file.read(1_000)
        thrown_away = 0
        for _ in range(20):
            reading = asyncio.ensure_future(file.read(5_000))
            # Its thread has begun, and goes on.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            thrown_away += reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        assert thrown_away == 20
        return bytes(first + await file.read())

    assert run(store, path, read) == BODY


def test_also_the_first_one(store: ProxiedStore) -> None:
    path = store.put("cancelled", BODY)

    async def read(file: Any) -> bytes:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(file.read(), 0.05)
        store.proxy.pass_through()
        return bytes(await file.read())

    store.proxy.inject(Delay(0.5), times=1)
    assert run(store, path, read) == BODY


def test_a_read_that_hangs_holds_up_nobody(store: ProxiedStore) -> None:
    path = store.put("hangs", BODY)

    async def use() -> bytes:
        store.proxy.inject(Hang(), times=1)
        file = await store.fs.open_async(path)
        for _ in range(FILE_THREADS + 1):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(file.read(), 0.01)
        await file.close()
        assert not file._reading.done()
        with pytest.raises(ValueError, match="closed file"):
            await file.read()
        async with await store.fs.open_async(path) as other:
            return bytes(await other.read())

    assert asyncio.run(use()) == BODY


def test_one_that_another_task_closes(store: ProxiedStore) -> None:
    path = store.put("closed", BODY)

    async def use() -> None:
        file = await store.fs.open_async(path)
        reading = asyncio.ensure_future(file.read())
        await asyncio.sleep(0.1)
        await file.close()
        # Not the part that came before.
        with pytest.raises(ValueError, match="closed file"):
            await reading

    store.proxy.inject(Delay(0.5), times=1)
    asyncio.run(use())


def test_a_connection_that_breaks(store: ProxiedStore) -> None:
    path = store.put("breaks", BODY)
    faults = store.proxy.faults
    store.proxy.inject(Reset(after_bytes=100_000), times=2, methods=["GET"])
    assert run(store, path, lambda file: file.read()) == BODY
    assert store.proxy.faults == faults + 2


def test_one_object_only(store: ProxiedStore) -> None:
    path = store.put("changes", BODY)

    async def read(file: Any) -> None:
        await file.read(10)
        store.put("changes", BODY[::-1])
        file._let_go()
        with pytest.raises(FileChangedError):
            await file.read(10)

    run(store, path, read)


def test_what_it_can_not(store: ProxiedStore) -> None:
    path = store.put("limits", BODY)

    async def use(file: Any) -> None:
        assert not file.seekable()
        with pytest.raises(OSError, match="can't be moved in"):
            file.seek(10)
        await file.close()
        await file.close()
        with pytest.raises(ValueError, match="closed file"):
            await file.read()

    # Tools hand on what they were given.
    run(store, path, use, block_size=1000, RequestPayer="requester")
    for options in ({"mode": "wb"}, {"mode": "r"}, {"compression": "gzip"}):
        with pytest.raises(ValueError, match="open_async reads files as they are"):
            run(store, path, use, **options)
    with pytest.raises(FileNotFoundError):
        run(store, f"{store.bucket}/missing", lambda file: file.read())


def test_one_that_nobody_closes(store: ProxiedStore) -> None:
    async def use() -> bytes:
        file = await store.fs.open_async(store.put("left", BODY))
        return bytes(await file.read(10))

    assert asyncio.run(use()) == BODY[:10]
