"""Which cells of a matrix run: those that were chosen, or every one with `FOODCO_STORAGE_TEST_EVERY=1`."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from typing import Any

# Read before conftest.py takes it out of the environment.
EVERY = os.environ.get("FOODCO_STORAGE_TEST_EVERY") == "1"


def cells(*axes: Iterable[Any], chosen: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The chosen cells, in which each value of each axis stands at least once; or all."""
    whole = list(itertools.product(*axes))
    some = list(chosen)
    missing = [axis for at, axis in enumerate(axes) if {cell[at] for cell in some} != set(axis)]
    if missing or not set(some) <= set(whole):
        raise ValueError(f"chosen cells leave something out, or are none: {missing or some}")
    return whole if EVERY else some
