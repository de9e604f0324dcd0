"""Merged listings against a sorted dict, over generated keys, page sizes and stores."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from paging import flow_of, named, pages

from foodco_storage.backends.memory import MemoryBackend
from foodco_storage.drivers.simulation import Simulation
from foodco_storage.errors import OperationRefusedError
from foodco_storage.flows.effects import Call
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Request
from foodco_storage.layers.listing import Position
from foodco_storage.layers.merged_lists import MergedLists
from foodco_storage.layers.order import flow_through, sides_of
from foodco_storage.layers.route import Route

RESERVED = ".foodco-storage/"
names = st.text(st.sampled_from(["a", "b", "/", "-", "é", "😀", "\uffff"]), min_size=1, max_size=6)
keys = st.sets(names, max_size=14)


def store(name: str, contents: dict[str, bytes]) -> MemoryBackend:
    backend = MemoryBackend(name, ["b"])
    for key, body in contents.items():
        backend.call(Request("PutObject", {"Bucket": "b", "Key": key, "Body": body}))
    return backend


def expected(keys: set[str], prefix: str, delimiter: str, after: str = "") -> list[str]:
    """The names of a listing, from S3's definition of one."""
    result = []
    for key in sorted(keys, key=lambda key: key.encode()):
        if not key.startswith(prefix) or key <= after or key.startswith(RESERVED):
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        name = key if end < 0 else key[: end + len(delimiter)]
        if name not in result:
            result.append(name)
    return result


@settings(deadline=None)
@given(
    primary=keys,
    fallback=keys,
    archive=keys,
    prefix=st.sampled_from(["", "a", "a/", "é"]),
    delimiter=st.sampled_from(["", "/", "é"]),
    size=st.sampled_from([1, 2, 3, 7, 1000, None]),
    operation=st.sampled_from(["ListObjectsV2", "ListObjects"]),
)
@example({"b/1"}, {"a/1", "a/2", "c"}, set(), "", "/", 1, "ListObjectsV2")
@example({"a/", "a/b"}, set(), set(), "a/", "/", 1, "ListObjects")
def test_a_merged_listing_is_the_sorted_union(
    primary: set[str],
    fallback: set[str],
    archive: set[str],
    prefix: str,
    delimiter: str,
    size: int | None,
    operation: str,
) -> None:
    backends = {
        "p": store("p", dict.fromkeys(primary, b"new") | {RESERVED + "control": b"", RESERVED + "x/y": b""}),
        "f": store("f", dict.fromkeys(fallback, b"older") | {RESERVED + "capabilities.json": b""}),
        "a": store("a", dict.fromkeys(archive, b"the oldest")),
    }
    route = Route("r", Place("p"), (Place("f"), Place("a")))
    flow = flow_of(operation, route)
    params: dict[str, Any] = {"Prefix": prefix, "Delimiter": delimiter} if delimiter else {"Prefix": prefix}
    if size is not None:
        params["MaxKeys"] = size
    listed = pages(backends, flow, operation, **params)

    assert [name for page in listed for name in named(page)] == expected(
        primary | fallback | archive, prefix, delimiter
    )
    # Every page but the last is full; of two stores with one key the earlier one's is told.
    limit = size or 1000
    assert all(len(named(page)) == limit for page in listed[:-1])
    assert operation == "ListObjects" or all(page["KeyCount"] == len(named(page)) for page in listed)
    sizes = {item["Key"]: item["Size"] for page in listed for item in page.get("Contents", [])}
    for key, length in sizes.items():
        holder = b"new" if key in primary else b"older" if key in fallback else b"the oldest"
        assert length == len(holder)


@settings(deadline=None)
@given(everything=keys, after=names, delimiter=st.sampled_from(["", "/"]), size=st.sampled_from([1, 2, 1000]))
def test_start_after(everything: set[str], after: str, delimiter: str, size: int) -> None:
    # Whether a common prefix that equals StartAfter is listed, stores don't agree.
    assume(not delimiter or not after.endswith(delimiter))
    first, second = set(sorted(everything)[::2]), set(sorted(everything)[1::2])
    backends = {"p": store("p", dict.fromkeys(first, b"")), "f": store("f", dict.fromkeys(second, b""))}
    route = Route("r", Place("p"), (Place("f"),))
    flow = flow_of("ListObjectsV2", route)
    params = {"StartAfter": after, "MaxKeys": size} | ({"Delimiter": delimiter} if delimiter else {})
    found = [name for page in pages(backends, flow, "ListObjectsV2", **params) for name in named(page)]
    assert found == expected(everything, "", delimiter, after)


@settings(deadline=None)
@given(everything=keys, stray=keys, delimiter=st.sampled_from(["", "/"]), size=st.sampled_from([1, 2, 1000]))
def test_routes_by_prefix_share_a_bucket(everything: set[str], stray: set[str], delimiter: str, size: int) -> None:
    """A listing above the prefixes shows each key from the route that speaks for it, and only from there."""
    owners = {"a/": "thumbs", "a": "letters", "": "rest"}
    backends = {name: store(name, dict.fromkeys(stray, b"stray")) for name in owners.values()}
    mine: set[str] = set()
    for key in everything | stray:
        owner = next(name for prefix, name in owners.items() if key.startswith(prefix))
        if key in everything:
            backends[owner].call(Request("PutObject", {"Bucket": "b", "Key": key, "Body": b"own"}))
        mine.add(key)
    routes = [Route(name, Place(name), prefix=prefix) for prefix, name in owners.items()]
    layer = MergedLists(sides_of([routes[2], routes[1], routes[0]], ""))
    flow = flow_through([layer], "ListObjectsV2", Place("rest"))
    params = {"MaxKeys": size} | ({"Delimiter": delimiter} if delimiter else {})
    listed = pages(backends, flow, "ListObjectsV2", **params)
    if not delimiter:
        assert [name for page in listed for name in named(page)] == expected(mine, "", "")
        for page in listed:
            for item in page.get("Contents", []):
                assert item["Size"] == len(b"own" if item["Key"] in everything else b"stray")
    else:
        # A common prefix may stand for keys that belong to another route only; no name is missing, none comes twice.
        found = [name for page in listed for name in named(page)]
        assert set(expected(mine, "", "/")) <= set(found)
        assert len(found) == len(set(found))


def test_a_key_that_moves_to_the_primary_during_the_listing_is_seen() -> None:
    backends = {"p": store("p", {}), "f": store("f", {"k": b"1"})}
    route = Route("r", Place("p"), (Place("f"),))
    flow = flow_of("ListObjectsV2", route)
    simulation = Simulation(backends)
    listing = simulation.start("list", flow(Request("ListObjectsV2", {"Bucket": "b"})))
    simulation.step(listing)
    backends["p"].call(Request("PutObject", {"Bucket": "b", "Key": "k", "Body": b"1"}))
    backends["f"].call(Request("DeleteObject", {"Bucket": "b", "Key": "k"}))
    assert named(simulation.run(listing)) == ["k"]


class InTreeOrder(MemoryBackend):
    """Lists folder by folder, as SeaweedFS does: `a/b` before `a-c`."""

    def _list_objects_v2(self, params: dict[str, Any]) -> dict[str, Any]:
        keys = sorted(self.buckets["b"], key=lambda key: key.split("/"))
        if params.get("StartAfter"):
            keys = keys[keys.index(params["StartAfter"]) + 1 :]
        page = keys[: params["MaxKeys"]]
        return {"IsTruncated": len(page) < len(keys), "Contents": [{"Key": key, "Size": 0} for key in page]}


@pytest.mark.parametrize("size", [1, 1000])
def test_a_store_that_does_not_list_in_byte_order_is_refused(size: int) -> None:
    unordered = InTreeOrder("p", ["b"])
    for key in ("a/b", "a-c"):
        unordered.call(Request("PutObject", {"Bucket": "b", "Key": key, "Body": b""}))
    route = Route("r", Place("p"), (Place("f"),))
    flow = flow_of("ListObjectsV2", route)
    with pytest.raises(OperationRefusedError, match="byte order"):
        pages({"p": unordered, "f": store("f", {})}, flow, "ListObjectsV2", MaxKeys=size)


NESTED = base64.urlsafe_b64encode(b"[" * 200_000).decode()
"""Deeper than a parser goes."""


@pytest.mark.parametrize("token", ["", "rubbish", "é", Position("a").token()[:-4], "bnVsbA==", NESTED])
def test_a_token_that_is_not_ours(token: str) -> None:
    backends = {"p": store("p", {}), "f": store("f", {})}
    route = Route("r", Place("p"), (Place("f"),))
    flow = flow_of("ListObjectsV2", route)
    with pytest.raises(ClientError) as caught:
        pages(backends, flow, "ListObjectsV2", ContinuationToken=token)
    assert caught.value.response["Error"]["Code"] == "InvalidArgument"


@pytest.mark.parametrize("down", ["p", "f"])
def test_one_side_down_is_an_error_and_never_a_short_list(down: str) -> None:
    backends = {"p": store("p", {"a": b""}), "f": store("f", {"b": b""})}
    route = Route("r", Place("p"), (Place("f"),), read_when_primary_down=True)
    flow = flow_of("ListObjectsV2", route)
    simulation = Simulation(backends, down={down})
    with pytest.raises(Exception, match="Could not connect"):
        simulation.run(simulation.start("list", flow(Request("ListObjectsV2", {"Bucket": "b"}))))


@pytest.mark.parametrize("operation", ["ListObjectsV2", "ListObjects"])
@pytest.mark.parametrize(
    "wrong", [{"Prefix": None}, {"Prefix": 7}, {"Delimiter": None}, {"MaxKeys": "7"}, {"EncodingType": None}]
)
def test_what_is_of_no_type_that_botocore_takes_is_left_to_it(operation: str, wrong: dict[str, Any]) -> None:
    flow = flow_of(operation, Route("r", Place("p"), (Place("f"),)))
    request = Request(operation, {"Bucket": "b", **wrong})
    sent = next(flow(request))
    assert isinstance(sent, Call)
    assert sent.request is request


def test_half_a_list_is_no_answer_where_botocore_validates_nothing() -> None:
    backends = {"p": store("p", {"new": b""}), "f": store("f", {"old": b""})}
    flow = flow_of("ListObjectsV2", Route("r", Place("p"), (Place("f"),)))
    with pytest.raises(OperationRefusedError, match="every other parameter of a list a string"):
        pages(backends, flow, "ListObjectsV2", EncodingType=None)


class LeadingNowhere(MemoryBackend):
    """Every page holds one common prefix that was shown before, and the same token."""

    def _list_objects_v2(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"IsTruncated": True, "NextContinuationToken": "again", "CommonPrefixes": [{"Prefix": "a/"}]}


def test_a_store_that_leads_back_to_where_it_was_asked_is_not_asked_forever() -> None:
    flow = flow_of("ListObjectsV2", Route("r", Place("p"), (Place("f"),)))
    token = Position("b").token()
    with pytest.raises(OperationRefusedError, match="no token to go on with"):
        pages({"p": LeadingNowhere("p", ["b"]), "f": store("f", {})}, flow, "ListObjectsV2", ContinuationToken=token)
