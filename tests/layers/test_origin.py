"""The mark of a promoted copy: where it came from."""

from __future__ import annotations

import datetime as dt
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodco_storage.flows.origin import Origin

WHEN = dt.datetime(2026, 3, 29, 1, 30, tzinfo=dt.UTC)
etags = st.from_regex(r"[0-9a-f]{32}(-[1-9][0-9]{0,3})?", fullmatch=True)
dates = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(9999, 1, 1)).map(  # noqa: DTZ001
    lambda date: date.replace(tzinfo=dt.UTC, microsecond=0)
)
# As uploads have them: a few sizes, many times.
layouts = st.lists(st.tuples(st.integers(1, 5 * 1024**3), st.integers(1, 400)), max_size=8).map(
    lambda runs: tuple(size for size, count in runs for _ in range(count))
)
names = st.text(min_size=1, max_size=20)


def read(text: str | None, bucket: str = "b", key: str = "k") -> Origin | None:
    return Origin.of({"Metadata": {"foodco-origin": text}}, bucket, key)


@given(etags, dates, layouts, names, names)
def test_read_back_as_it_was_written(
    etag: str, date: dt.datetime, parts: tuple[int, ...], bucket: str, key: str
) -> None:
    origin = Origin(etag, date, parts)
    text = origin.text(bucket, key)
    # What a header can carry.
    assert text.isascii()
    assert text.isprintable()
    assert text == text.strip()
    assert read(text, bucket, key) == origin


@given(st.text(max_size=60))
def test_what_nobody_here_wrote_is_no_origin(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    "tail",
    [
        "",
        "etag",
        "etag now",
        "etag 1e9",
        "etag 99999999999999999999",
        "etag -99999999999999",
        "etag 1 8x8 more",
        "etag 1 x",
        "etag 1 8x",
        "etag 1 8xx8",
        "etag 1 -8",
        "etag 1 8x-1",
        "etag 1 0",
        "etag 1 8,,8",
        "etag 1 8x10001",
        "etag 1 8x9999999999999",
        "etag 1 8x5000,9x5001",
    ],
)
def test_hostile_text_is_no_origin(tail: str) -> None:
    """Metadata is anybody's to write: it must not cost memory, nor answer parts that are none."""
    head = " ".join(Origin("etag", WHEN).text("b", "k").split(" ")[:2])
    assert read(f"{head} etag 1 8x8,4") is not None
    assert read(f"{head} {tail}") is None


def test_the_mark_of_another_key_is_none_of_this() -> None:
    """A server copies metadata along: the copy is an object of its own."""
    text = Origin("etag", WHEN).text("b", "k")
    assert read(text, "b", "k") is not None
    assert read(text, "b", "copy") is None
    assert read(text, "c", "k") is None


def test_of_a_part_layout_runs_are_kept() -> None:
    text = Origin("e-10000", WHEN, (8 * 1024**2,) * 9999 + (5,)).text("b", "k")
    assert text.endswith(" 8388608x9999,5")
    assert len(text) < 100


def test_no_origin_at_all() -> None:
    assert Origin.of({}, "b", "k") is None
    assert Origin.of({"Metadata": {}}, "b", "k") is None
    assert read("") is None


def test_names_that_are_members_of_an_enumeration() -> None:
    class Buckets(str, Enum):  # noqa: UP042 - a StrEnum's `str()` is its value
        PHOTOS = "b"

    assert Origin("etag", WHEN).text(Buckets.PHOTOS, "k") == Origin("etag", WHEN).text("b", "k")


def test_in_whatever_case_the_store_gives_the_name() -> None:
    text = Origin("etag", WHEN).text("b", "k")
    assert Origin.of({"Metadata": {"Foodco-Origin": text}}, "b", "k") == Origin("etag", WHEN)
