"""Tombstones that are collected while others write: step by step, on stores in memory."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from email.utils import format_datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from foodco_storage.backends.memory import MemoryBackend
from foodco_storage.config import Route
from foodco_storage.drivers.threads import ThreadDriver
from foodco_storage.flows.marks import TOMBSTONE_ETAG, tombstone
from foodco_storage.flows.outcomes import Rejected, Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Request
from foodco_storage.flows.s3_errors import error_response
from foodco_storage.front.routes import route_in_phase
from foodco_storage.front.scopes import Scope
from foodco_storage.front.standalone import Standalone
from foodco_storage.tombstones import GRACE_SECONDS, TombstonesRefusedError
from foodco_storage.tombstones.collection import Collection

ROUTE = Route(bucket="b", primary="p", fallbacks=["s"])
BEFORE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LATER = BEFORE + dt.timedelta(seconds=GRACE_SECONDS + 60)

Step = Callable[[], None]


class Store(MemoryBackend):
    """In memory; honours If-Match on DELETE, and does a step before, or after, one of its operations."""

    def __init__(self, name: str, *lacks: str) -> None:
        super().__init__(name, ["b"], lacks)
        self.now: dt.datetime | None = LATER
        self.before: dict[str, Step] = {}
        self.after: dict[str, Step] = {}
        self.seen: list[Request] = []
        self.sent_once: list[str] = []
        self._one = threading.RLock()

    def call(self, request: Request) -> Any:
        with self._one:
            self.seen.append(request)
            self.before.pop(request.operation, lambda: None)()
            answer = self._answer(request)
            self.after.pop(request.operation, lambda: None)()
            headers = {"date": format_datetime(self.now, usegmt=True)} if self.now else {}
            answer["ResponseMetadata"]["HTTPHeaders"] = headers
            return answer

    def call_once(self, request: Request) -> Any:
        self.sent_once.append(request.operation)
        return self.call(request)

    def _answer(self, request: Request) -> Any:
        if request.operation == "DeleteObject" and "IfMatch" in request.params:
            stored = self.buckets["b"].get(request.params["Key"])
            if stored is not None and stored.etag != request.params["IfMatch"]:
                raise Rejected(self.name, ClientError(error_response("PreconditionFailed", 412, ""), "DeleteObject"))
        return super().call(request)

    def put(self, key: str, body: bytes = b"x") -> None:
        super().call(Request("PutObject", {"Bucket": "b", "Key": key, "Body": body}))

    def bury(self, key: str) -> None:
        super().call(tombstone("b", key))

    @property
    def keys(self) -> set[str]:
        return set(self.buckets["b"])


class World:
    def __init__(self, *lacks: str) -> None:
        self.p, self.s = Store("p", *lacks), Store("s")
        self.p.bury("k")

    def collected(self, phase: str = "cutover", *, no_writers: bool = False) -> dict[str, str]:
        driver = ThreadDriver({"p": self.p, "s": self.s})
        opened = Standalone(route_in_phase("r", ROUTE, phase, {}), Place("p"), Place("s"), driver)
        scope = Scope("b", "", (".foodco-storage/",))
        found = Collection(opened, scope, GRACE_SECONDS, no_writers=no_writers)
        return {one.tombstone.key: one.fate for one in found}


@pytest.fixture
def world() -> World:
    return World()


def test_nothing_happens_meanwhile(world):
    assert world.collected() == {"k": "collected"}
    assert world.p.keys == set()
    assert world.p.seen[-1].params["IfMatch"] == TOMBSTONE_ETAG
    # A condition that is sent again after its answer was lost fails over what it did itself.
    assert world.p.sent_once == ["DeleteObject"]


def test_without_conditions_it_deletes_on_the_operators_word():
    world = World("delete_if_match", "delete_race_safe")
    assert world.collected("target", no_writers=True) == {"k": "collected"}
    # A store that does not know the condition might refuse it.
    assert "IfMatch" not in world.p.seen[-1].params


def test_more_than_a_page(world):
    for number in range(2500):
        world.p.bury(f"{number:04}")
    world.p.now = LATER + dt.timedelta(seconds=2500)
    assert set(world.collected().values()) == {"collected"}
    assert world.p.keys == set()


def test_by_the_primarys_clock(world):
    world.s.now = None
    world.p.now = BEFORE + dt.timedelta(seconds=GRACE_SECONDS - 60)
    assert world.collected() == {"k": "too young"}
    world.p.now = None
    with pytest.raises(TombstonesRefusedError, match="does not tell the time"):
        world.collected()
    assert world.p.keys == {"k"}


@pytest.mark.parametrize("operation", ["ListObjectsV2", "HeadObject"])
def test_a_write_after_a_look_is_kept(world, operation):
    world.p.after[operation] = lambda: world.p.put("k", b"written")
    assert world.collected() == {"k": "written over"}
    assert world.p.buckets["b"]["k"].data == b"written"


def test_a_write_just_before_the_delete_is_kept(world):
    world.p.before["DeleteObject"] = lambda: world.p.put("k", b"written")
    assert world.collected() == {"k": "written over"}
    assert world.p.buckets["b"]["k"].data == b"written"


def test_deleted_anew_since_the_listing(world):
    """The new tombstone has the old one's ETag, and a later date."""

    def anew() -> None:
        world.p._ticks += int(GRACE_SECONDS)
        world.p.bury("k")

    world.p.after["ListObjectsV2"] = anew
    assert world.collected() == {"k": "too young"}
    assert world.p.keys == {"k"}


def test_the_source_is_asked_after_the_primary(world):
    """A key that comes to the source after the primary was looked at is seen there."""
    world.p.after["HeadObject"] = lambda: world.s.put("k")
    assert world.collected() == {"k": "held by the source"}
    assert world.p.keys == {"k"}


def test_a_tombstone_in_the_source_is_no_object(world):
    world.s.bury("k")
    assert world.collected() == {"k": "collected"}


def test_somebody_else_collects_too(world):
    world.p.after["ListObjectsV2"] = lambda: world.p.buckets["b"].pop("k")
    assert world.collected() == {"k": "gone"}


def lost() -> None:
    raise Unavailable("p", EndpointConnectionError(endpoint_url="memory://p"))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delete_whose_answer_is_lost(world, when):
    getattr(world.p, when)["DeleteObject"] = lost
    assert world.collected() == {"k": "collected"}
    assert world.p.keys == set()


def test_a_delete_whose_answer_is_lost_and_a_write(world):
    def lost_and_written() -> None:
        world.p.put("k", b"written")
        lost()

    world.p.after["DeleteObject"] = lost_and_written
    assert world.collected() == {"k": "written over"}
    assert world.p.buckets["b"]["k"].data == b"written"


def test_interrupted_anywhere_nothing_is_lost(world):
    """One that fails for good ends the run; the others of its page are done and told, and the next run does the rest."""
    for key in ("a", "b", "c"):
        world.p.bury(key)
    world.s.put("b")
    answer = world.p.call

    def call(request: Request) -> Any:
        if request.operation == "DeleteObject" and request.params["Key"] == "k":
            lost()
        return answer(request)

    world.p.call = call
    with pytest.raises(EndpointConnectionError):
        world.collected()
    assert world.p.keys == {"b", "k"}
    world.p.call = answer
    assert world.collected() == {"b": "held by the source", "k": "collected"}


def test_a_listing_that_does_not_lead_on_is_never_taken_for_its_end(world):
    world.p.call = lambda _: {"ResponseMetadata": {}, "IsTruncated": True, "NextContinuationToken": ""}
    with pytest.raises(TombstonesRefusedError, match="does not lead on"):
        world.collected()
