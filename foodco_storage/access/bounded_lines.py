"""Lines of a file whose lines may be of any length: what was to be a log may be anything, and unpacks to any size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO


def bounded_lines(text: TextIO, most: int) -> Iterator[str]:
    """The lines, each with its end; of those that are too long the beginning, without an end.

    Args:
        text: opened so that line feeds alone end lines.
        most: characters of a line, its end not counted. Of one that is too long so many and one more are given.
    """
    while line := text.readline(most + 1):
        yield line
        rest = line
        while len(rest) > most and not rest.endswith("\n") and (rest := text.readline(most + 1)):
            pass
