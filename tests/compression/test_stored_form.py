"""The mark: read back as it was written, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodco_storage.flows.marks import CODEC
from foodco_storage.flows.stored_form import (
    LARGEST_FRAME_BYTES,
    MARK_BYTES,
    SMALLEST_FRAME_BYTES,
    LaterVersionError,
    StoredForm,
    UnreadableMarkError,
    ends_with_zstd,
)

hexes = st.text("0123456789abcdef", min_size=32, max_size=32)


@st.composite
def forms(draw):
    frames = draw(st.integers(1, 20_000))
    size = draw(st.integers((frames - 1) * SMALLEST_FRAME_BYTES + 1, frames * LARGEST_FRAME_BYTES))
    return StoredForm(
        size,
        draw(st.integers(frames, size)),
        draw(st.integers(0, 2**32 - 1)),
        draw(hexes),
        frames,
        draw(st.integers(0, 2**32 - 1)),
        draw(st.just("") | hexes),
        draw(st.none() | st.text(max_size=20)),
        draw(st.just("") | st.just("SHA256:" + "A" * 43 + "=")),
    )


def answer(text: str, encoding: str = "zstd") -> dict[str, object]:
    return {"Metadata": {CODEC: text}, "ContentEncoding": encoding}


@given(forms())
def test_it_is_read_as_it_was_written(form):
    assert StoredForm.of(answer(form.text, form.stored_encoding), {}) == form
    # Names of headers have no case.
    shouted = {"Metadata": {"Foodco-Codec": form.text}, "ContentEncoding": form.stored_encoding}
    assert StoredForm.of(shouted, {}) == form
    assert form.text.isascii()
    own = 9 * len(form.content_encoding or "")
    assert len(CODEC) + len(form.text) <= MARK_BYTES + own


@given(forms(), st.data())
def test_a_changed_mark_is_refused_or_is_another_possible_one(form, data):
    text = list(form.text)
    where = data.draw(st.integers(0, len(text) - 1))
    text[where] = data.draw(st.sampled_from([c for c in "0 9-=afxZ:/\n\u00e9" if c != text[where]]))
    try:
        read = StoredForm.of(answer("".join(text)), {})
    except (LaterVersionError, UnreadableMarkError):
        return
    assert read is not None
    assert read != form or form.content_encoding is not None
    assert 1 <= read.frames <= read.stored_size <= read.size <= read.frames * LARGEST_FRAME_BYTES


@given(st.text(max_size=200))
def test_any_text_for_a_mark(text):
    with pytest.raises((LaterVersionError, UnreadableMarkError)):
        StoredForm.of(answer(text), {})


@pytest.mark.parametrize(
    ("size", "stored", "frames"),
    [(10, 11, 1), (10, 0, 1), (10, 5, 0), (10, 5, 2), (LARGEST_FRAME_BYTES + 1, 5, 1), (10**13, 10**12, 2**20 + 1)],
)
def test_numbers_that_no_object_has(size, stored, frames):
    with pytest.raises(UnreadableMarkError):
        StoredForm.of(answer(StoredForm(size, stored, 0, "0" * 32, frames).text), {})


def test_a_later_version_is_told_apart():
    form = StoredForm(10, 5, 0, "0" * 32)
    with pytest.raises(LaterVersionError):
        StoredForm.of(answer("2" + form.text[1:]), {})
    with pytest.raises(UnreadableMarkError, match="it has been changed"):
        StoredForm.of(answer(form.text + " more"), {})


@pytest.mark.parametrize(
    ("encoding", "is_ours"),
    [
        ("zstd", True),
        ("gzip,zstd", True),
        ("gzip, ZSTD", True),
        ("zstd,aws-chunked", True),
        ("aws-chunked,zstd", True),
        ("", False),
        ("gzip", False),
        ("zstd,gzip", False),
        ("x-zstd", False),
    ],
)
def test_the_mark_alone_says_nothing(encoding, is_ours):
    """A program without the library reads metadata, and writes them back with other content."""
    form = StoredForm(10, 5, 0, "0" * 32)
    assert ends_with_zstd(encoding) == is_ours
    assert (StoredForm.of(answer(form.text, encoding), {}) == form) == is_ours
    # Asked for a header in place of the object's, the store does not tell.
    assert StoredForm.of(answer(form.text, encoding), {"ResponseContentEncoding": encoding}) == form


def test_the_encoding_alone_says_nothing():
    assert StoredForm.of({"Metadata": {"a": "b"}, "ContentEncoding": "zstd"}, {}) is None
    assert StoredForm.of({"ContentEncoding": "zstd"}, {}) is None
