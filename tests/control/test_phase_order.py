from __future__ import annotations

import pytest

from foodco_storage.config import Route
from foodco_storage.control.phases import PHASES, moves_from, why_not
from foodco_storage.control.place import ControlPlace, place_of
from foodco_storage.errors import ConfigurationError


def test_every_move() -> None:
    allowed = {(start, end) for start in PHASES for end in PHASES if why_not(start, end) is None}
    assert allowed == {
        ("source", "backfill"),
        ("backfill", "source"),
        ("backfill", "cutover"),
        ("cutover", "backfill"),
        ("cutover", "drain"),
        ("drain", "target"),
    }
    assert {(start, end) for start in PHASES for end in moves_from(start)} == allowed


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        ("source", "cutover", "one at a time: from 'source' to 'backfill'"),
        ("backfill", "target", "from 'backfill' to 'source' or 'cutover'"),
        ("drain", "cutover", "point of no return"),
        ("drain", "source", "point of no return"),
        ("target", "drain", "may be gone"),
        ("source", "cutoff", "there is no phase 'cutoff'"),
    ],
)
def test_why_not(start: str, end: str, says: str) -> None:
    assert says in (why_not(start, end) or "")


def test_the_place_of_a_route() -> None:
    route = Route(bucket="photos", primary="ceph", fallbacks=["aws"], buckets={"ceph": "p"}, reserved_prefix=".x/")
    place = place_of("images", route)
    assert place == ControlPlace("images", "p", ".x/")
    assert place.control_key == ".x/routes/images/control.json"
    assert place.client_key("0a") == ".x/routes/images/clients/0a.json"


@pytest.mark.parametrize("bucket", ["*", "photos-[ab]", ["one", "two"]])
def test_a_route_without_one_bucket(bucket: str | list[str]) -> None:
    with pytest.raises(ConfigurationError, match=r"routes\.images\.bucket: must name one bucket"):
        place_of("images", Route(bucket=bucket, primary="ceph", fallbacks=["aws"]))


def test_routes_can_not_be_taken_for_each_other() -> None:
    """A name may hold anything."""
    inner = ControlPlace("a/clients", "b", "r/")
    outer = ControlPlace("a", "b", "r/")
    assert outer.client_of(inner.control_key) is None
    assert not inner.prefix.startswith(outer.prefix)


def test_whose_report_a_key_is() -> None:
    place = ControlPlace("a", "b", "r/")
    assert place.client_of(place.client_key("c1")) == "c1"
    assert [place.client_of(key) for key in (place.control_key, "r/routes/a/clients/.json", "x", "")] == [None] * 4
