"""Listings of a store that holds tombstones, against what a reader would find."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paging import flow_of, named, pages
from phased_world import PhasedWorld

from foodco_storage.backends.memory import MemoryBackend
from foodco_storage.config import Route as ConfiguredRoute
from foodco_storage.flows.marks import tombstone
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Request
from foodco_storage.front.routes import route_in_phase
from foodco_storage.layers.listed_tombstones import tombstoned
from foodco_storage.layers.merged_lists import MergedLists
from foodco_storage.layers.order import flow_through, sides_of
from foodco_storage.layers.route import Route

RESERVED = ".foodco-storage/"
names = st.text(st.sampled_from(["a", "b", "/", "-", "é", "😀"]), min_size=1, max_size=5)
LIVE, AS_LARGE, DEAD = "live", "as large as a tombstone", "a tombstone"
contents = st.dictionaries(names, st.sampled_from([LIVE, AS_LARGE, DEAD]), max_size=14)
prefixes = st.sampled_from(["", "a", "a/", "/", "é"])
delimiters = st.sampled_from(["", "/", "a"])
sizes = st.sampled_from([1, 2, 3, 5, None])
operations = st.sampled_from(["ListObjectsV2", "ListObjects"])


class Store(MemoryBackend):
    """Encodes names where it is asked to, lists versions, and may have ETags that are no MD5s."""

    def __init__(self, name: str, held: dict[str, str], *, encrypted: bool = False) -> None:
        super().__init__(name, ["b"])
        self.asked: list[str] = []
        for key, what in held.items():
            if what == DEAD:
                super().call(tombstone("b", key))
            else:
                body = b"x" * (509 if what == AS_LARGE else 3)
                super().call(Request("PutObject", {"Bucket": "b", "Key": key, "Body": body}))
            if encrypted:
                self.buckets["b"][key].etag = '"' + hashlib.md5(key.encode()).hexdigest() + '"'

    def call(self, request: Request) -> Any:
        self.asked.append(request.operation)
        page = super().call(request)
        if request.params.get("EncodingType") == "url":
            for items in ("Contents", "Versions", "CommonPrefixes"):
                for item in page.get(items, ()):
                    name = "Prefix" if items == "CommonPrefixes" else "Key"
                    item[name] = quote(item[name], safe="/*")
            for marker in ("NextMarker", "NextKeyMarker"):
                if marker in page:
                    page[marker] = quote(page[marker], safe="/*")
        return page

    def _rows(self, params: dict[str, Any]) -> Any:
        # Callers of `call` may change what they are given.
        return ((key, dict(row)) for key, row in super()._rows(params))

    def _list_object_versions(self, params: dict[str, Any]) -> dict[str, Any]:
        page = self._list_objects({**params, "Marker": params.get("KeyMarker", "")})
        page |= {"Versions": [item | {"VersionId": "null"} for item in page.pop("Contents", ())]}
        shown = [item["Key"] for item in page["Versions"]] + [i["Prefix"] for i in page.get("CommonPrefixes", ())]
        if page["IsTruncated"]:
            page |= {"NextKeyMarker": max(shown), "NextVersionIdMarker": "null"}
        return {name: value for name, value in page.items() if value != []}


def expected(keys: set[str], prefix: str, delimiter: str) -> list[str]:
    """The names of a listing, from S3's definition of one."""
    result: list[str] = []
    for key in sorted(keys, key=lambda key: key.encode()):
        if key.startswith(prefix) and not key.startswith(RESERVED):
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            name = key if end < 0 else key[: end + len(delimiter)]
            if name not in result:
                result.append(name)
    return result


def route(phase: str) -> Route:
    return route_in_phase("r", ConfiguredRoute(bucket="b", primary="p", fallbacks=["s"]), phase, {})


def parameters(prefix: str, delimiter: str, size: int | None, **more: Any) -> dict[str, Any]:
    params = {"Prefix": prefix, "Delimiter": delimiter, "MaxKeys": size, **more}
    return {name: value for name, value in params.items() if value not in ("", None)}


@given(
    primary=contents,
    source=st.dictionaries(names, st.sampled_from([LIVE, AS_LARGE]), max_size=14),
    phase=st.sampled_from(["cutover", "drain"]),
    prefix=prefixes,
    delimiter=delimiters,
    size=sizes,
    operation=operations,
    encrypted=st.booleans(),
)
def test_of_two_sides(
    primary: dict[str, str],
    source: dict[str, str],
    phase: str,
    prefix: str,
    delimiter: str,
    size: int | None,
    operation: str,
    encrypted: bool,
) -> None:
    hidden = {RESERVED + "control": LIVE, RESERVED + "dead": DEAD}
    backends: dict[str, MemoryBackend] = {
        "p": Store("p", primary | hidden, encrypted=encrypted),
        "s": Store("s", source, encrypted=encrypted),
    }
    dead = {key for key, what in primary.items() if what == DEAD}
    live = (primary.keys() | source.keys()) - dead
    listed = pages(backends, flow_of(operation, route(phase)), operation, **parameters(prefix, delimiter, size))
    found = [name for page in listed for name in named(page)]

    wanted = expected(live, prefix, delimiter)
    # A folder whose last keys are deleted, and not from the source yet, may show until they are.
    lingering = set(expected(dead & source.keys(), prefix, delimiter))
    assert {item["Key"] for page in listed for item in page.get("Contents", [])} <= live
    assert [name for name in found if name in wanted] == wanted
    assert set(found) - set(wanted) <= lingering
    assert found == sorted(set(found), key=lambda name: name.encode())
    assert all(len(named(page)) == (size or 1000) for page in listed[:-1])
    assert operation == "ListObjects" or all(page["KeyCount"] == len(named(page)) for page in listed)
    for page in listed:
        for item in page.get("Contents", []):
            holder = primary if item["Key"] in primary else source
            assert item["Size"] == (509 if holder[item["Key"]] == AS_LARGE else 3)


@given(
    primary=contents,
    prefix=prefixes,
    delimiter=delimiters,
    size=sizes,
    operation=st.sampled_from(["ListObjectsV2", "ListObjects", "ListObjectVersions"]),
    encrypted=st.booleans(),
    encoding=st.booleans(),
)
def test_of_the_primary_alone(
    primary: dict[str, str],
    prefix: str,
    delimiter: str,
    size: int | None,
    operation: str,
    encrypted: bool,
    encoding: bool,
) -> None:
    backends: dict[str, MemoryBackend] = {
        "p": Store("p", primary | {RESERVED + "control": LIVE}, encrypted=encrypted),
        "s": Store("s", {"not asked": LIVE}),
    }
    live = {key for key, what in primary.items() if what != DEAD}
    params = parameters(prefix, delimiter, size, EncodingType="url" if encoding else None)
    # In cutover the versions are the authority's too.
    phase = "cutover" if operation == "ListObjectVersions" and encrypted else "target"
    listed = pages_of(backends, flow_of(operation, route(phase)), operation, encoding=encoding, **params)
    found = [unquote_plus(name) if encoding else name for page in listed for name in named(page)]
    assert sorted(found) == sorted(expected(live, prefix, delimiter))
    assert len(found) == len(set(found))
    assert all(len(named(page)) == (size or 1000) for page in listed[:-1])
    assert operation != "ListObjectsV2" or all(page["KeyCount"] == len(named(page)) for page in listed)


def pages_of(backends: Any, flow: Any, operation: str, *, encoding: bool, **params: Any) -> list[dict[str, Any]]:
    """Every page; a client that asks for encoded names decodes the markers before it sends them."""
    if not encoding or operation == "ListObjectsV2":
        return pages(backends, flow, operation, **params)

    def decoding(request: Request) -> Any:
        markers = {
            name: unquote_plus(request.params[name]) for name in ("Marker", "KeyMarker") if name in request.params
        }
        return (yield from flow(request.with_params(**markers)))

    return pages(backends, decoding, operation, **params)


class TestCosts:
    def test_a_tombstone_is_told_by_its_size_and_etag(self) -> None:
        store = Store("p", {"a": DEAD, "b": LIVE})
        pages({"p": store}, flow_of("ListObjectsV2", route("target")), "ListObjectsV2")
        assert store.asked.count("HeadObject") == 0

    def test_an_object_as_large_costs_a_head(self) -> None:
        store = Store("p", {"a": AS_LARGE, "b": LIVE, "c": AS_LARGE})
        (page,) = pages({"p": store}, flow_of("ListObjectsV2", route("target")), "ListObjectsV2")
        assert named(page) == ["a", "b", "c"]
        assert store.asked.count("HeadObject") == 2

    def test_a_tombstone_whose_etag_is_no_md5_costs_a_head(self) -> None:
        store = Store("p", {"a": DEAD, "b": LIVE}, encrypted=True)
        (page,) = pages({"p": store}, flow_of("ListObjectsV2", route("target")), "ListObjectsV2")
        assert named(page) == ["b"]
        assert store.asked.count("HeadObject") == 1

    def test_a_folder_costs_a_list_of_a_few(self) -> None:
        store = Store("p", {"a/1": LIVE, "b/1": DEAD, "c": LIVE})
        (page,) = pages({"p": store}, flow_of("ListObjectsV2", route("target")), "ListObjectsV2", Delimiter="/")
        assert named(page) == ["a/", "c"]
        assert store.asked.count("ListObjectsV2") == 3

    def test_a_folder_with_many_tombstones_before_its_first_key(self) -> None:
        store = Store("p", {f"a/{number:04}": DEAD for number in range(1500)} | {"a/9999": LIVE, "b/1": DEAD})
        (page,) = pages({"p": store}, flow_of("ListObjectsV2", route("target")), "ListObjectsV2", Delimiter="/")
        assert named(page) == ["a/"]

    def test_what_both_sides_tell_of_costs_nothing(self) -> None:
        p, s = Store("p", {"a/1": LIVE}), Store("s", {"a/2": LIVE})
        pages({"p": p, "s": s}, flow_of("ListObjectsV2", route("cutover")), "ListObjectsV2", Delimiter="/")
        assert (p.asked, s.asked) == (["ListObjectsV2"], ["ListObjectsV2"])


class TestVersions:
    """A bucket on the primary that was versioned at some time."""

    class Versioned(Store):
        """One key has an old version under a delete marker, another a tombstone over an old version."""

        def _list_object_versions(self, params: dict[str, Any]) -> dict[str, Any]:
            rows = [
                ("deleted/k", {"VersionId": "2", "IsLatest": True}, "DeleteMarkers"),
                ("deleted/k", {"VersionId": "1", "IsLatest": False, "Size": 3, "ETag": '"e"'}, "Versions"),
                ("gone/k", {"VersionId": "null", "IsLatest": True, "Size": 509, "ETag": TOMBSTONE}, "Versions"),
                ("kept/k", {"VersionId": "2", "IsLatest": True, "Size": 509, "ETag": TOMBSTONE}, "Versions"),
                ("kept/k", {"VersionId": "1", "IsLatest": False, "Size": 3, "ETag": '"e"'}, "Versions"),
                ("marked/k", {"VersionId": "1", "IsLatest": True}, "DeleteMarkers"),
            ]
            page: dict[str, Any] = {"IsTruncated": False}
            for key, row, kind in rows:
                if not key.startswith(params.get("Prefix", "")):
                    continue
                if params.get("Delimiter") and "/" in key[len(params.get("Prefix", "")) :]:
                    folder = {"Prefix": key.partition("/")[0] + "/"}
                    if folder not in page.setdefault("CommonPrefixes", []):
                        page["CommonPrefixes"].append(folder)
                else:
                    page.setdefault(kind, []).append({"Key": key, **row})
            return page

    def test_folders_of_old_versions_are_no_ghosts(self) -> None:
        store = self.Versioned("p", {})
        flow = flow_of("ListObjectVersions", route("target"))
        (page,) = pages({"p": store}, flow, "ListObjectVersions", Delimiter="/")
        assert named(page) == ["deleted/", "kept/", "marked/"]

    def test_versions(self) -> None:
        store = self.Versioned("p", {})
        (page,) = pages({"p": store}, flow_of("ListObjectVersions", route("target")), "ListObjectVersions")
        assert [(item["Key"], item["VersionId"]) for item in page["Versions"]] == [("deleted/k", "1"), ("kept/k", "1")]
        assert [item["Key"] for item in page["DeleteMarkers"]] == ["deleted/k", "marked/k"]


TOMBSTONE = '"c4b32be3ac8ca0f26fb3e2354594a023"'


def test_another_routes_keys_are_not_hidden_by_tombstones_of_another_time() -> None:
    """`thumbs/` was in backfill once, and left a tombstone; it is in `source` again, and the key was written anew."""
    p, s = Store("p", {"k": LIVE, "thumbs/1": DEAD, "dead": DEAD}), Store("s", {"thumbs/1": LIVE, "dead": LIVE})
    thumbs = route_in_phase(
        "thumbs", ConfiguredRoute(bucket="b", primary="p", fallbacks=["s"], prefix="thumbs/"), "source", {}
    )
    layer = MergedLists(sides_of([route("cutover"), thumbs], ""))
    for operation in ("ListObjectsV2", "ListObjects"):
        flow = flow_through([layer], operation, Place("p"))
        (page,) = pages({"p": p, "s": s}, flow, operation)
        assert named(page) == ["k", "thumbs/1"]
        (page,) = pages({"p": p, "s": s}, flow, operation, Delimiter="/")
        assert named(page) == ["k", "thumbs/"]


def test_a_folder_of_tombstones_that_is_a_route_of_its_own() -> None:
    """Both routes list the same bucket of the primary: what the one sees of the other's keys proves nothing."""
    p, s = Store("p", {"k": LIVE, "thumbs/1": DEAD}), Store("s", {})
    thumbs = route_in_phase(
        "thumbs", ConfiguredRoute(bucket="b", primary="p", fallbacks=["s"], prefix="thumbs/"), "drain", {}
    )
    layer = MergedLists(sides_of([route("cutover"), thumbs], ""))
    flow = flow_through([layer], "ListObjectsV2", Place("p"))
    (page,) = pages({"p": p, "s": s}, flow, "ListObjectsV2", Delimiter="/")
    assert named(page) == ["k"]


def test_an_outage_while_looking_is_no_short_list() -> None:
    world = PhasedWorld("target")
    world.put(world.p, "a", b"x" * 509)
    world.p.fail("HeadObject")
    with pytest.raises(Exception, match="InternalError"):
        world.call("ListObjectsV2")


@given(held=contents, asked=st.sets(names, min_size=1, max_size=8))
def test_keys_that_are_tombstones_beyond_doubt(held: dict[str, str], asked: set[str]) -> None:
    store = Store("p", held)
    world = PhasedWorld("cutover")
    world.simulation.backends = {"p": store}
    found: set[str] = set()

    def look() -> Any:
        found.update((yield from tombstoned(Place("p"), "b", asked)))
        return {}

    world.simulation.run(world.simulation.start("look", look()))
    assert found == {key for key in asked if held.get(key) == DEAD}
