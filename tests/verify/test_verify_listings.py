"""Listings of many pages, of stores with an order of their own, and of buckets that several routes share."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from foodco_storage.backends.memory import MemoryBackend
from foodco_storage.drivers.threads import ThreadDriver
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Request
from foodco_storage.front.scopes import Scope
from foodco_storage.front.standalone import Standalone
from foodco_storage.layers.route import Route
from foodco_storage.verify import VerifyRefusedError
from foodco_storage.verify.listing import Listing, Row
from foodco_storage.verify.pairs import pairs


class Store(MemoryBackend):
    """In memory, with pages that a test can change."""

    def __init__(self, *keys: str, page: int = 1000) -> None:
        super().__init__("p", ["b"])
        self.asked: list[dict[str, Any]] = []
        self._page = page
        self._one = threading.Lock()
        for key in keys:
            super().call(Request("PutObject", {"Bucket": "b", "Key": key, "Body": key.encode()}))

    def call(self, request: Request) -> Any:
        with self._one:
            if request.operation == "ListObjectsV2":
                self.asked.append(request.params)
                request = request.with_params(MaxKeys=self._page)
            return self.changed(super().call(request))

    def changed(self, page: Any) -> Any:
        return page


def listed(store: Store, prefix: str = "", others: tuple[str, ...] = ()) -> list[Row]:
    route = Standalone(Route("r", Place("p")), Place("p"), None, ThreadDriver({"p": store}))
    with ThreadPoolExecutor(1) as threads:
        return list(Listing(route, Place("p"), Scope("b", prefix, others), threads, tombstones=True))


@pytest.mark.parametrize("page", [1, 2, 7, 1000])
def test_pages(page):
    keys = [f"{number:04}" for number in range(20)]
    store = Store(*keys, page=page)
    assert [row.key for row in listed(store)] == keys
    assert len(store.asked) == -(-20 // page)


def test_an_empty_bucket():
    assert listed(Store()) == []


@pytest.mark.parametrize("page", [1, 3, 1000])
def test_what_belongs_to_others_is_passed_over(page):
    mine = ["a", "t", "u/1", "z"]
    store = Store(*mine, *(f"t/{number}" for number in range(50)), ".foodco-storage/x", page=page)
    assert [row.key for row in listed(store, others=("t/", ".foodco-storage/"))] == mine
    assert len(store.asked) < 15


def test_a_prefix():
    store = Store("a/1", "a/2", "b/1", "a")
    assert [row.key for row in listed(store, prefix="a/")] == ["a/1", "a/2"]


def test_an_order_of_its_own_within_a_page():
    class Unordered(Store):
        def changed(self, page: Any) -> Any:
            return page | {"Contents": page["Contents"][::-1]} if page.get("Contents") else page

    with pytest.raises(
        VerifyRefusedError, match=r"'p' does not list bucket 'b' in UTF-8 byte order \('a' comes after 'b'\)"
    ):
        listed(Unordered("a", "b"))


def test_an_order_of_its_own_between_pages():
    class Backwards(Store):
        def changed(self, page: Any) -> Any:
            number = len(self.asked)
            return page | {"Contents": [page["Contents"][0] | {"Key": f"{9 - number}"}]} if "Contents" in page else page

    with pytest.raises(VerifyRefusedError, match="'7' comes after '8'"):
        listed(Backwards("a", "b", page=1))


def test_a_listing_that_leads_nowhere():
    class Stuck(Store):
        def changed(self, page: Any) -> Any:
            return page | {"NextContinuationToken": "a", "IsTruncated": True, "Contents": []}

    with pytest.raises(VerifyRefusedError, match="no token that leads on"):
        listed(Stuck("a", "b", page=1))


def test_many_keys_side_by_side():
    every = [f"{number:05}" for number in range(4500)]
    ours, theirs = Store(*every[::2], page=700), Store(*every[::3], page=900)
    found = list(pairs(listed(ours), listed(theirs)))
    assert [pair.key for pair in found] == sorted({*every[::2], *every[::3]})
    assert {pair.key for pair in found if pair.primary} == set(every[::2])
    assert {pair.key for pair in found if pair.source} == set(every[::3])
