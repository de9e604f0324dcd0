"""The phases in their order, and which moves between them there are."""

from __future__ import annotations

from typing import Final

PHASES: Final = ("source", "backfill", "cutover", "drain", "target")

_NO_WAY_BACK: Final = {
    "drain": "'drain' is the point of no return, since the fallbacks lack what was written in it",
    "target": "since 'target' began nobody looks into the fallbacks, and they may be gone",
}


def why_not(start: str, end: str) -> str | None:
    """Why a route can't go from one phase to another in one move; None where it can.

    Moves go to a neighbour. There is no way back from `drain` and `target`.
    """
    if end not in PHASES:
        return f"there is no phase {end!r}; the phases are {', '.join(PHASES)}"
    if PHASES.index(end) < PHASES.index(start) and start in _NO_WAY_BACK:
        return f"there is no way from {start!r} to {end!r}: {_NO_WAY_BACK[start]}"
    if end not in moves_from(start):
        return f"phases are moved one at a time: from {start!r} to {' or '.join(map(repr, moves_from(start)))}"
    return None


def moves_from(start: str) -> tuple[str, ...]:
    """The phases that a route can be moved to."""
    number = PHASES.index(start)
    back = PHASES[max(number - 1, 0) : number] if start not in _NO_WAY_BACK else ()
    return (*back, *PHASES[number + 1 : number + 2])
