"""Sides that change while they are verified, and stores that won't say what they hold."""

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
from foodco_storage.flows.marks import tombstone
from foodco_storage.flows.outcomes import Rejected, Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Request
from foodco_storage.flows.s3_errors import error_response
from foodco_storage.front.routes import route_in_phase
from foodco_storage.front.scopes import Scope
from foodco_storage.front.standalone import Standalone
from foodco_storage.verify import Difference, Summary
from foodco_storage.verify.expected import expected
from foodco_storage.verify.verification import BucketVerification, Options

ROUTE = Route(bucket="b", primary="p", fallbacks=["s"])
WRITTEN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class Store(MemoryBackend):
    """In memory; `before_head` is called with the number of each HEAD before it is answered."""

    def __init__(self, name: str) -> None:
        super().__init__(name, ["b"])
        self.before_head: Callable[[int], None] = lambda _: None
        self.heads = 0
        self.now = WRITTEN + dt.timedelta(hours=1)
        self._one = threading.RLock()

    def call(self, request: Request) -> Any:
        with self._one:
            if request.operation == "HeadObject":
                self.heads += 1
                self.before_head(self.heads)
            answer = super().call(request)
            answer["ResponseMetadata"]["HTTPHeaders"] = {"date": format_datetime(self.now, usegmt=True)}
            return answer

    def put(self, key: str, body: bytes = b"x") -> None:
        super().call(Request("PutObject", {"Bucket": "b", "Key": key, "Body": body}))

    def take(self, key: str) -> None:
        super().call(Request("DeleteObject", {"Bucket": "b", "Key": key}))

    def bury(self, key: str) -> None:
        super().call(tombstone("b", key))


class Pair:
    def __init__(self) -> None:
        self.p, self.s = Store("p"), Store("s")
        self.summary = Summary("r", "", "")

    def verified(self, phase: str, **options: Any) -> list[Difference]:
        driver = ThreadDriver({"p": self.p, "s": self.s})
        opened = Standalone(route_in_phase("r", ROUTE, phase, {}), Place("p"), Place("s"), driver)
        scope = Scope("b", "", (".foodco-storage/",))
        run = BucketVerification(opened, scope, expected(phase, ROUTE), Options(**options), self.summary)
        return list(run.differences())


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_what_stands_for_a_while_is_looked_at_once(pair):
    pair.p.put("k")
    assert [one.kind for one in pair.verified("cutover")] == ["missing"]
    assert (pair.p.heads, pair.s.heads) == (1, 1)


def test_what_was_written_just_now_is_looked_at_twice(pair):
    pair.p.put("k")
    pair.p.now = WRITTEN + dt.timedelta(seconds=59)
    assert [one.kind for one in pair.verified("cutover")] == ["missing"]
    assert (pair.p.heads, pair.s.heads) == (2, 2)


def test_a_mirror_under_way(pair):
    pair.p.put("k", b"new")
    pair.s.put("k", b"old")
    pair.p.now = WRITTEN
    pair.s.before_head = lambda number: pair.s.put("k", b"new") if number == 2 else None
    assert pair.verified("cutover") == []
    assert pair.summary.same == 1


def test_a_delete_under_way(pair):
    """Nothing tells how long ago a key was deleted in the source: so it is looked at twice."""
    pair.p.put("k")
    pair.p.before_head = lambda number: pair.p.bury("k") if number == 2 else None
    assert pair.verified("backfill") == []


def test_a_write_that_came_between_the_listings(pair):
    pair.p.put("k", b"old")
    pair.s.put("k", b"new")
    pair.p.before_head = lambda number: pair.p.put("k", b"new") if number == 1 else None
    assert pair.verified("backfill") == []


def test_a_key_that_vanishes(pair):
    pair.p.put("k")

    def vanish(_: int) -> None:
        pair.p.take("k")

    pair.p.before_head = vanish
    assert pair.verified("cutover") == []


def test_a_key_that_comes_to_the_source_before_it_was_listed(pair):
    """The primary was listed before it had the key, the source after."""
    pair.s.put("k")
    pair.s.now = WRITTEN
    pair.p.before_head = lambda _: pair.p.put("k")
    assert pair.verified("cutover") == []
    assert (pair.summary.not_on_primary, pair.summary.same) == (0, 1)


def test_a_key_that_never_rests_is_told_after_two_looks(pair):
    pair.p.put("k")
    pair.p.now = WRITTEN
    pair.p.before_head = lambda number: pair.p.put("k", b"%d" % number)
    assert [one.kind for one in pair.verified("cutover")] == ["missing"]
    assert pair.p.heads == 2


def refuse(pair: Pair, key: str) -> None:
    answer = pair.s.call

    def call(request: Request) -> Any:
        if request.operation == "HeadObject" and request.params["Key"] == key:
            raise Rejected("s", ClientError(error_response("400", 400, "Bad Request"), "HeadObject"))
        return answer(request)

    pair.s.call = call  # type: ignore[method-assign]


def test_a_key_that_a_store_refuses_to_show(pair):
    """As an object under the caller's own key (SSE-C): the rest is verified."""
    for key in "abc":
        pair.p.put(key, b"1")
        pair.s.put(key, b"2")
    refuse(pair, "b")
    found = pair.verified("backfill")
    assert [(one.key, one.kind) for one in found] == [("a", "differs"), ("b", "unreadable"), ("c", "differs")]
    assert found[1].detail.startswith("'s': An error occurred (400)")
    assert [one.repaired for one in pair.verified("backfill", repair=True)] == [True, False, True]
    (left,) = pair.verified("backfill")
    assert left.kind == "unreadable"


def test_a_store_that_goes_down_ends_it(pair):
    for key in "abc":
        pair.p.put(key)

    def down(_: int) -> None:
        raise Unavailable("s", EndpointConnectionError(endpoint_url="memory://s"))

    pair.s.before_head = down
    with pytest.raises(EndpointConnectionError):
        pair.verified("cutover")


def test_a_repair_that_fails_is_told(pair):
    pair.s.put("a")
    pair.s.put("b")

    def fails(request: Request) -> Any:
        if request.operation == "PutObject" and request.params["Key"] == "a":
            raise Rejected("p", ClientError(error_response("AccessDenied", 403, "Access Denied"), "PutObject"))
        return answer(request)

    answer = pair.p.call
    pair.p.call = fails
    one, other = pair.verified("backfill", repair=True)
    assert (one.repaired, other.repaired) == (False, True)
    assert "could not be repaired: An error occurred (AccessDenied)" in one.detail
    assert (pair.summary.left, pair.summary.is_clean) == (1, False)


def test_a_store_that_is_busy_for_a_moment(pair):
    for key in "abc":
        pair.p.put(key)

    def busy(number: int) -> None:
        if number in {1, 2, 4}:
            raise Unavailable("s", EndpointConnectionError(endpoint_url="memory://s"))

    pair.s.before_head = busy
    assert [one.key for one in pair.verified("cutover")] == ["a", "b", "c"]


def test_a_key_that_came_in_the_second_in_which_the_run_began(pair):
    """Dates have whole seconds: whether it came before or after can't be told."""
    pair.s.put("k")
    pair.s.now = pair.s.buckets["b"]["k"].modified
    pair.p.before_head = lambda _: pair.p.put("k")
    assert pair.verified("cutover") == []
    assert pair.summary.not_on_primary == 0


def test_since_goes_by_each_stores_clock(pair):
    """The source's clock is a day off; both sides are asked for what is less than two hours old."""
    pair.p.put("k")
    pair.s.put("old")
    pair.s.now = WRITTEN + dt.timedelta(days=1)
    assert [one.key for one in pair.verified("cutover", since=dt.timedelta(hours=2))] == ["k"]
    assert pair.summary.compared == 1
    assert pair.verified("cutover", since=WRITTEN + dt.timedelta(minutes=1)) == []


def test_progress(pair):
    for number in range(2100):
        pair.p.put(f"{number:04}")
        pair.s.put(f"{number:04}")
    told: list[str] = []
    pair.verified("backfill", progress=lambda summary: told.append(summary.at))
    assert told == ["0999", "1999"]
