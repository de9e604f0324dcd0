"""What a migration costs: the clients that are compared, and what each of them does in an operation."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import boto3

import foodco_storage
from benchmarks.cells import BOTO3, CONTROL, Cell
from benchmarks.stores import FALLBACK, PRIMARY, SMALL, SMALL_BYTES, small_body
from foodco_storage.backends.presets import client_config
from foodco_storage.config import Backend, Configuration, Journal, Mirror, Promote, Route
from foodco_storage.drivers.background import background

TWO_PUTS = "boto3, two requests by hand"
TARGET = "library, target"
CUTOVER = "library, cutover"
ASYNC = "library, cutover, async mirror"
DRAIN = "library, drain"
NOT_PROMOTING = "library, cutover, promote off"
PROMOTING = "library, cutover, promotes in the background"
WAITING = "library, cutover, promotes before the end"

DELETED_KEYS = 1000


def coexistence_cells(endpoint_url: str) -> list[Cell]:
    """boto3, the same by hand on two stores, and this library in the phases of a migration."""
    store = Backend(preset="ceph", endpoint_url=endpoint_url, region="us-east-1")
    plain = partial(boto3.client, "s3", endpoint_url=endpoint_url, region_name="us-east-1", config=client_config(store))
    body = small_body()
    hand = plain()
    keys = (f"promoted/{number}" for number in itertools.count())
    client = partial(_client, store)
    return [
        Cell(BOTO3, _plain(hand, body)),
        Cell(CONTROL, _plain(plain(), body)),
        Cell(TWO_PUTS, _by_hand(plain(), body)),
        Cell(TARGET, _plain(client("target"), body)),
        Cell(CUTOVER, _plain(client("cutover"), body)),
        Cell(ASYNC, {"put": _put(client("cutover", mirror=Mirror(mode="async")), body)}),
        Cell(DRAIN, {"put": _put(client("drain"), body)}),
        Cell(NOT_PROMOTING, {"get from the source": _get(client("cutover", promote=Promote(enabled=False)), "source")}),
        Cell(PROMOTING, {"get from the source": _get_new(client("cutover"), hand, keys, body)}),
        Cell(
            WAITING,
            {"get from the source": _get_new(client("cutover", promote=Promote(background=False)), hand, keys, body)},
        ),
    ]


def _client(store: Backend, phase: str, **options: Any) -> Any:
    route = Route(bucket=PRIMARY, primary="ceph", fallbacks=["old"], buckets={"old": FALLBACK}, phase=phase, **options)
    return foodco_storage.client(
        storage=Configuration(
            backends={"ceph": store, "old": store},
            routes={f"bench-{phase}-{len(options)}": route},
            journal=Journal(directory=tempfile.mkdtemp(prefix="foodco-bench-journal-")),
        )
    )


def _plain(client: Any, body: bytes) -> Mapping[str, Callable[[], Any]]:
    return {
        "get": _get(client, SMALL),
        "head": partial(client.head_object, Bucket=PRIMARY, Key=SMALL),
        "put": _put(client, body),
        "delete": partial(client.delete_object, Bucket=PRIMARY, Key="deleted"),
        "delete 1000 keys": partial(client.delete_objects, Bucket=PRIMARY, Delete=_thousand()),
        "get from the source": partial(_read, client, SMALL),
    }


def _by_hand(client: Any, body: bytes) -> Mapping[str, Callable[[], Any]]:
    """What a service does that writes two stores itself: no journal, no second look, nothing safe about it."""

    def put() -> None:
        for bucket in (PRIMARY, FALLBACK):
            client.put_object(Bucket=bucket, Key="written", Body=body)

    def delete() -> None:
        for bucket in (PRIMARY, FALLBACK):
            client.delete_object(Bucket=bucket, Key="deleted")

    def delete_thousand() -> None:
        for bucket in (PRIMARY, FALLBACK):
            client.delete_objects(Bucket=bucket, Delete=_thousand())

    return {"put": put, "delete": delete, "delete 1000 keys": delete_thousand}


def _thousand() -> dict[str, Any]:
    return {"Objects": [{"Key": f"deleted/{number}"} for number in range(DELETED_KEYS)], "Quiet": True}


def _get(client: Any, key: str) -> Callable[[], Any]:
    return partial(_read, client, key)


def _put(client: Any, body: bytes) -> Callable[[], Any]:
    return partial(client.put_object, Bucket=PRIMARY, Key="written", Body=body)


def _get_new(client: Any, hand: Any, keys: Any, body: bytes) -> Callable[[], Any]:
    """A GET of a key that only the source holds: of another one each time, since the one before has been promoted.

    Laying it there is outside of what is timed: each call reads what the call before has laid.
    """
    ready = [next(keys)]
    hand.put_object(Bucket=FALLBACK, Key=ready[0], Body=body)

    def get() -> Callable[[], None]:
        _read(client, ready[0])

        def afterwards() -> None:
            background.join()
            ready[0] = next(keys)
            hand.put_object(Bucket=FALLBACK, Key=ready[0], Body=body)

        return afterwards

    return get


def _read(client: Any, key: str) -> None:
    data = client.get_object(Bucket=PRIMARY, Key=key)["Body"].read()
    if len(data) != SMALL_BYTES:
        raise RuntimeError(f"expected {SMALL_BYTES}, got {len(data)}")
