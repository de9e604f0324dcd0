"""Any two stores, in memory, verified in any phase and compared with what two dicts say."""

from __future__ import annotations

import io
import threading
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foodco_storage.backends.memory import MemoryBackend
from foodco_storage.config import Configuration, Route
from foodco_storage.drivers.threads import ThreadDriver
from foodco_storage.flows.marks import tombstone
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Request
from foodco_storage.front.routes import route_in_phase
from foodco_storage.front.scopes import Scope, scopes
from foodco_storage.front.standalone import Standalone
from foodco_storage.verify import Difference, Summary, VerifyRefusedError
from foodco_storage.verify.expected import expected
from foodco_storage.verify.verification import BucketVerification, Options

DELETED = "deleted"
ROUTE = Route(bucket="b", primary="p", fallbacks=["s"])
PREFIXED = Route(bucket="b", primary="p", fallbacks=["s"], prefix="a/")
LIBRARYS_OWN = ".foodco-storage/x"

# Whose order differs between code units, code points and lower case; and some that lie in other routes.
KEYS = [
    "a",
    "A",
    "a/",
    "a/b",
    "a/b/c",
    "a/x/1",
    "a/\uffff",
    "a/\U0001f355",
    "a-b",
    "é",
    "\uffff",
    "\U0001f355",
    LIBRARYS_OWN,
]
OBJECTS = [(b"1", "a/b"), (b"2", "a/b"), (b"22", "a/b"), (b"1", "c/d")]


class Store(MemoryBackend):
    """In memory, for several threads."""

    def __init__(self, name: str) -> None:
        super().__init__(name, ["b"])
        self._one = threading.Lock()

    def call(self, request: Request) -> Any:
        with self._one:
            return super().call(request)

    def put(self, key: str, what: Any) -> None:
        if what == DELETED:
            self.call(tombstone("b", key))
        elif what is not None:
            body, content_type = what
            self.call(
                Request("PutObject", {"Bucket": "b", "Key": key, "Body": io.BytesIO(body), "ContentType": content_type})
            )

    def content(self) -> dict[str, Any]:
        found = {}
        for key, stored in self.buckets["b"].items():
            is_dead = "foodco-tombstone" in stored.described.get("Metadata", {})
            found[key] = DELETED if is_dead else (stored.data, stored.described["ContentType"])
        return found


def opened(phase: str, primary: Store, source: Store, route: Route) -> Standalone:
    driver = ThreadDriver({"p": primary, "s": source})
    return Standalone(route_in_phase("r", route, phase, {}), Place("p"), Place("s"), driver)


def verified(
    phase: str, primary: Store, source: Store, scope: Scope, route: Route = ROUTE, **options: Any
) -> tuple[list[Difference], Summary]:
    demands = expected(phase, route)
    summary = Summary("r", phase, demands.says)
    run = BucketVerification(opened(phase, primary, source, route), scope, demands, Options(**options), summary)
    return list(run.differences()), summary


def naive(phase: str, primary: dict[str, Any], source: dict[str, Any], *, deep: bool) -> tuple[dict[str, str], int]:
    """What differs, and how many keys only the source holds, by the dicts alone."""
    found = {}
    not_yet = 0
    for key in primary.keys() | source.keys():
        ours, theirs = primary.get(key), source.get(key)
        live = ours is not None and ours != DELETED
        kind: str | None
        if live and theirs:
            assert ours is not None
            kind = "differs" if ours[0] != theirs[0] or (deep and ours != theirs) else None
        elif phase in {"source", "backfill"}:
            kind = ("hidden" if ours else "missing") if theirs else ("extra" if live else None)
        else:
            kind = "missing" if live else (("not deleted" if ours else "not yet") if theirs else None)
        if phase == "source" and kind == "missing":
            kind = "not yet"
        if kind == "not yet":
            not_yet += 1
        elif kind is not None and kind in REPORTED[phase]:
            found[key] = kind
    return found, not_yet


REPORTED: dict[str, set[str]] = {
    "source": {"extra", "hidden", "differs"},
    "backfill": {"missing", "extra", "hidden", "differs"},
    "cutover": {"missing", "differs", "not deleted"},
    "drain": {"not deleted"},
    "target": set(),
}

objects = st.sampled_from(OBJECTS)
held = st.dictionaries(
    st.sampled_from(KEYS), st.tuples(st.none() | st.just(DELETED) | objects, st.none() | objects), max_size=len(KEYS)
)


@settings(max_examples=150)
@given(held, st.sampled_from(sorted(REPORTED)), st.booleans(), st.booleans())
def test_as_two_dicts_say(planted, phase, deep, narrow):
    primary, source = Store("p"), Store("s")
    for key, (ours, theirs) in planted.items():
        primary.put(key, ours)
        source.put(key, theirs)
    route = PREFIXED if narrow else ROUTE
    configuration = Configuration(routes={"r": route, "x": Route(bucket="b", primary="p", prefix="a/x/")})
    (scope,) = scopes(configuration, "r")

    def of_route(content: dict[str, Any]) -> dict[str, Any]:
        others = ("a/x/", ".foodco-storage/")
        return {k: v for k, v in content.items() if k.startswith(route.prefix) and not k.startswith(others)}

    before = of_route(primary.content()), of_route(source.content())
    kinds, not_yet = naive(phase, *before, deep=deep)
    found, summary = verified(phase, primary, source, scope, route, deep=deep)
    assert [(one.key, one.kind) for one in found] == sorted(kinds.items())
    assert summary.differences == Counter(kinds.values())
    assert (summary.compared, summary.not_on_primary) == (len(before[0].keys() | before[1].keys()), not_yet)
    assert summary.in_source == len(before[1])
    assert summary.tombstones == list(before[0].values()).count(DELETED)
    assert (of_route(primary.content()), of_route(source.content())) == before
    if phase in {"source", "target"}:
        return
    if phase == "backfill" and not before[1]:
        with pytest.raises(VerifyRefusedError, match="the source holds nothing"):
            verified(phase, primary, source, scope, route, deep=deep, repair=True)
        return
    untouched = {k: v for k, v in primary.content().items() if k not in before[0]}
    found, summary = verified(phase, primary, source, scope, route, deep=deep, repair=True)
    assert all(one.repaired for one in found)
    assert verified(phase, primary, source, scope, route, deep=deep)[0] == []
    after = of_route(primary.content()), of_route(source.content())
    assert {k: v for k, v in primary.content().items() if k not in after[0]} == untouched
    decides, follows = (1, 0) if phase == "backfill" else (0, 1)
    # The side that decides is never written; what was no difference stays as it was on the other one.
    assert after[decides] == before[decides]
    kept = [(k, v) for k, v in before[follows].items() if k not in kinds]
    assert all(after[follows].get(k) == v for k, v in kept)
