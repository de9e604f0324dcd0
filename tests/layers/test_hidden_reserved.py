"""The reserved location does not show in listings of one store, and leaves no holes in their pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paging import flow_of, named, pages

from foodco_storage.backends.memory import MemoryBackend
from foodco_storage.drivers.simulation import Simulation
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Request
from foodco_storage.layers.route import Route

RESERVED = ".foodco-storage/"
names = st.text(st.sampled_from(["a", "-", "/", ".", "é"]), min_size=1, max_size=4)


class Store(MemoryBackend):
    """Counts requests, encodes names where it is asked to as RGW does, and lists versions."""

    def __init__(self, keys: set[str]) -> None:
        super().__init__("p", ["b"])
        self.asked: list[dict[str, Any]] = []
        for key in keys:
            super().call(Request("PutObject", {"Bucket": "b", "Key": key, "Body": b""}))

    def call(self, request: Request) -> Any:
        self.asked.append(dict(request.params))
        page = super().call(request)
        if request.params.get("EncodingType") == "url":
            for item in page.get("Contents", ()):
                item["Key"] = quote(item["Key"], safe="")
            for item in page.get("CommonPrefixes", ()):
                item["Prefix"] = quote(item["Prefix"], safe="")
            if "NextMarker" in page:
                page["NextMarker"] = quote(page["NextMarker"], safe="")
        return page

    def _list_object_versions(self, params: dict[str, Any]) -> dict[str, Any]:
        after = {"Marker": params["KeyMarker"]} if "KeyMarker" in params else {}
        page = self._list_objects({**params, **after})
        contents = page.pop("Contents", ())
        # Of every second key, the last version is a delete marker.
        versions = [{"Key": item["Key"], "VersionId": "1"} for item in contents]
        page |= {"Versions": versions[::2], "DeleteMarkers": versions[1::2]}
        if page["IsTruncated"]:
            page |= {"NextKeyMarker": versions[-1]["Key"], "NextVersionIdMarker": "1"}
        return {name: value for name, value in page.items() if value != []}


def listed(store: Store, operation: str, **params: Any) -> list[dict[str, Any]]:
    return pages({"p": store}, flow_of(operation, Route("r", Place("p"))), operation, **params)


@settings(deadline=None)
@given(
    shown=st.sets(names, max_size=8).map(lambda keys: {key for key in keys if not key.startswith(RESERVED)}),
    hidden=st.sets(names, max_size=8).map(lambda keys: {RESERVED + key for key in keys}),
    operation=st.sampled_from(["ListObjectsV2", "ListObjects", "ListObjectVersions"]),
    delimiter=st.sampled_from(["", "/"]),
    size=st.sampled_from([1, 2, 3, None]),
)
def test_what_is_reserved_might_as_well_not_be_there(
    shown: set[str], hidden: set[str], operation: str, delimiter: str, size: int | None
) -> None:
    if operation == "ListObjectVersions":
        delimiter = ""
    params = ({"Delimiter": delimiter} if delimiter else {}) | ({"MaxKeys": size} if size else {})
    without = listed(Store(shown), operation, **params)
    found = listed(Store(shown | hidden), operation, **params)
    assert [name for page in found for name in named(page)] == [name for page in without for name in named(page)]
    # Every page but the last is full.
    assert all(len(named(page)) == (size or 1000) for page in found[:-1])
    for page in found:
        assert page.get("KeyCount", len(named(page))) == len(named(page))


@pytest.mark.parametrize("operation", ["ListObjectsV2", "ListObjects"])
def test_one_key_to_see_whether_there_is_any(operation: str) -> None:
    store = Store({RESERVED + "capabilities.json", RESERVED + "control", "menu"})
    (page,) = listed(store, operation, MaxKeys=1)
    assert (named(page), page["MaxKeys"]) == (["menu"], 1)
    (page,) = listed(Store({RESERVED + "control"}), operation, MaxKeys=1)
    assert "Contents" not in page


@pytest.mark.parametrize("operation", ["ListObjectsV2", "ListObjects"])
def test_encoded_names_are_recognised(operation: str) -> None:
    store = Store({RESERVED + "a", RESERVED + "b", "a b", "é"})
    found = listed(store, operation, MaxKeys=3, EncodingType="url")
    assert [item["Key"] for page in found for item in page["Contents"]] == ["a%20b", "%C3%A9"]
    assert named(listed(store, operation, Delimiter="/", EncodingType="url")[0]) == ["%C3%A9", "a%20b"]


def test_a_page_without_anything_hidden_costs_one_request() -> None:
    store = Store({"a", "b", "c"})
    assert len(listed(store, "ListObjectsV2", MaxKeys=2)) == 2
    assert len(store.asked) == 2


@pytest.mark.parametrize("lost", [{}, {"NextContinuationToken": "again"}])
@pytest.mark.parametrize("operation", ["ListObjectsV2", "ListObjects", "ListObjectVersions"])
def test_a_store_that_does_not_lead_on_is_not_asked_forever(operation: str, lost: dict[str, str]) -> None:
    """Its page is handed on as it is: what is wrong with it is for the caller's paginator to say."""

    class Lost(Store):
        def call(self, request: Request) -> Any:
            self.asked.append(dict(request.params))
            hidden = [{"Key": RESERVED + "control", "VersionId": "1"}]
            name = "Versions" if operation == "ListObjectVersions" else "Contents"
            return {"IsTruncated": True, "ResponseMetadata": {}, name: hidden, **lost}

    store = Lost(set())
    flow = flow_of(operation, Route("r", Place("p")))
    simulation = Simulation({"p": store})
    page = simulation.run(simulation.start("list", flow(Request(operation, {"Bucket": "b"}))))
    assert (named(page), page["IsTruncated"]) == ([], True)
    assert len(store.asked) <= 2
