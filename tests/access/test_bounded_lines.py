"""Lines of any length."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from foodco_storage.access.bounded_lines import bounded_lines


@given(st.text("ab\r\n"), st.integers(1, 6))
def test_long_lines_lose_their_rest(text: str, most: int) -> None:
    expected = [
        line if len(line.rstrip("\n")) <= most else line[: most + 1] for line in io.StringIO(text, newline="\n")
    ]
    assert list(bounded_lines(io.StringIO(text, newline="\n"), most)) == expected
