"""A listing by pages goes on where it was while the phase of its route moves."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from urllib.parse import unquote_plus

import pytest
from phased_world import PHASES, PhasedWorld

KEYS = ["000", "001", "002", "A", "Q", "W", "a/1", "a/2", "b", "z", "é", "\U0001f600"]
MOVES = [*pairwise(PHASES), *[(end, start) for start, end in pairwise(PHASES[:4])], ("cutover", "cutover")]


def world_in(phase: str) -> PhasedWorld:
    world = PhasedWorld(phase)
    for key in KEYS:
        world.put(world.p, key, b"x")
        world.put(world.s, key, b"x")
    return world


def listed(page: dict[str, Any]) -> list[str]:
    names = [item["Key"] for item in page.get("Contents", [])]
    return sorted(map(unquote_plus, names + [item["Prefix"] for item in page.get("CommonPrefixes", [])]))


@pytest.mark.parametrize(("start", "end"), MOVES)
@pytest.mark.parametrize("params", [{}, {"Delimiter": "/"}, {"EncodingType": "url"}, {"Prefix": "a"}])
@pytest.mark.parametrize("size", [1, 5])
def test_over_a_move(start: str, end: str, params: dict[str, Any], size: int) -> None:
    world = world_in(start)
    whole = listed(world.call("ListObjectsV2", **params))
    params = {"MaxKeys": size, **params}
    found: list[str] = []
    page = world.call("ListObjectsV2", **params)
    world.move_to(end)
    while True:
        found += listed(page)
        if not page["IsTruncated"]:
            break
        page = world.call("ListObjectsV2", ContinuationToken=page["NextContinuationToken"], **params)
    assert sorted(found) == whole
    assert len(found) == len(set(found))


@pytest.mark.parametrize("phase", ["source", "backfill", "target"])
def test_a_token_of_the_store(phase: str) -> None:
    """Given by a client without the library."""
    world = world_in(phase)
    token = world.authority.directly("ListObjectsV2", "", MaxKeys=3)["NextContinuationToken"]
    page = world.call("ListObjectsV2", ContinuationToken=token)
    assert listed(page) == KEYS[3:]


def test_a_client_without_the_library_is_given_no_token_of_it() -> None:
    world = world_in("source")
    token = world.call("ListObjectsV2", MaxKeys=3)["NextContinuationToken"]
    assert listed(world.s.directly("ListObjectsV2", "", ContinuationToken=token)) == KEYS[3:]


def test_what_was_asked_is_told() -> None:
    world = world_in("backfill")
    first = world.call("ListObjectsV2", MaxKeys=2, StartAfter="000")
    token = first["NextContinuationToken"]
    second = world.call("ListObjectsV2", MaxKeys=2, StartAfter="000", ContinuationToken=token)
    assert listed(second) == ["A", "Q"]
    assert (second["ContinuationToken"], second["StartAfter"]) == (token, "000")
    assert "StartAfter" not in world.call("ListObjectsV2", ContinuationToken=token)


def test_a_store_with_an_order_of_its_own_goes_on_by_its_own_token() -> None:
    world = world_in("backfill")

    def disorder(request: Any, answer: Any) -> None:
        answer["Contents"].reverse()

    world.s.after = disorder
    page = world.call("ListObjectsV2", MaxKeys=3)
    world.s.after = lambda *_: None
    assert listed(world.call("ListObjectsV2", ContinuationToken=page["NextContinuationToken"])) == KEYS[3:]
