"""What the summary says of weights is true, however keys come, are dropped and are merged."""

from __future__ import annotations

import random
from collections import Counter

import hypothesis.strategies as st
import pytest
from hypothesis import given

from foodco_storage.access.counting import weight
from foodco_storage.access.prefixes import FOLD_DEPTH, WHOLE, as_text, prefix_of
from foodco_storage.access.rests import Rests, most_rests
from foodco_storage.access.rows import LOST, READS
from foodco_storage.access.summary import Summary

STREAM = st.lists(st.tuples(st.integers(0, 12), st.sampled_from([1, 1, 2, 5])), max_size=60)


def one(reads):
    return [0.0, reads, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, None, None]


def summarized(stream, max_keys, dropped=lambda key, row: None):
    summary = Summary(max_keys, weight, dropped)
    for key, reads in stream:
        summary.add(key, one(reads))
    return summary


def holds(summary, truth):
    """The bounds of the docstring."""
    assert len(summary.rows) <= 2 * summary.max_keys
    assert summary.floor <= sum(truth.values()) / (summary.max_keys + 1)
    for key, true in truth.items():
        row = summary.rows.get(key)
        if row is None:
            assert true <= summary.floor
        else:
            assert row[READS] <= true <= row[READS] + row[LOST]
            assert row[LOST] <= summary.floor
    assert set(summary.rows) <= set(truth)


def true_weights(stream):
    truth: Counter[int] = Counter()
    for key, reads in stream:
        truth[key] += reads
    return truth


@given(stream=STREAM, max_keys=st.integers(1, 5))
def test_bounds(stream, max_keys):
    holds(summarized(stream, max_keys), true_weights(stream))


@given(streams=st.lists(STREAM, min_size=2, max_size=4), max_keys=st.integers(1, 5))
def test_bounds_of_what_is_merged(streams, max_keys):
    merged: Summary[int] = Summary(max_keys, weight)
    for stream in streams:
        part = summarized(stream, max_keys)
        merged.merge(part.rows, part.floor)
    holds(merged, true_weights([pair for stream in streams for pair in stream]))


@given(stream=STREAM, max_keys=st.integers(1, 5))
def test_nothing_is_missing_from_totals(stream, max_keys):
    gone = []
    summary = summarized(stream, max_keys, lambda key, row: gone.append(row[READS]))
    assert sum(row[READS] for row in summary.rows.values()) + sum(gone) == sum(reads for _, reads in stream)


def test_a_zipf_trace_keeps_its_heavy_keys_exactly():
    drawn = random.Random(7)
    weights = [1 / (rank + 1) for rank in range(20_000)]
    stream = [(key, 1) for key in drawn.choices(range(20_000), weights, k=60_000)]
    truth = true_weights(stream)
    summary = summarized(stream, 500)
    holds(summary, truth)
    assert 0 < summary.floor < 60_000 / 501
    heaviest = [key for key, _ in truth.most_common(50)]
    assert [summary.rows[key][READS] for key in heaviest] == [truth[key] for key in heaviest]


def test_no_room_at_all():
    with pytest.raises(ValueError, match="max_keys is 0: it must be at least 1"):
        Summary(0, weight)


@given(key=st.text("ab/", max_size=12), depth=st.integers(0, 5), shorter=st.integers(0, 5))
def test_prefixes_of_prefixes(key, depth, shorter):
    prefix = prefix_of(key, depth)
    assert key.startswith(prefix)
    assert prefix == "" or prefix.endswith("/")
    assert prefix.count("/") == min(depth, key.count("/"))
    if shorter <= depth:
        assert prefix_of(prefix, shorter) == prefix_of(key, shorter)
    assert prefix_of(key, WHOLE) == key


@pytest.mark.parametrize(
    ("key", "text"), [("a", "a"), ("猫", "猫"), ("\ud800b", "\\ud800b"), ("a\0", "a\\x00"), ("é\0", "é\\x00")]
)
def test_any_key_becomes_text(key, text):
    assert as_text(key) == text


def test_rests_get_shorter_and_stay_few():
    rests = Rests(most_rests(1))
    for n in range(5000):
        rests.fold(("r", f"b{n % 150}", f"a{n % 3}/{n % 70}/{n}/{n}/x"), one(1.0))
        assert len(rests.rows) <= most_rests(1)
    assert sum(row[READS] or 0 for row in rests.rows.values()) == 5000
    for (_, bucket, prefix, depth), row in rests.rows.items():
        assert depth <= FOLD_DEPTH
        assert prefix.count("/") == depth
        assert (bucket == "*") <= (depth == 0)
        assert row[LOST] == 0
