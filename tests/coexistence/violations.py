"""What an exploration found, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from immutable_stores import Answer, FrozenCall, Held
from runs import Ended


class Step(NamedTuple):
    """One move of one process.

    Args:
        who: the program's name.
        call: what was sent; None where nothing was.
        answer: what came back.
        note: what was unusual about it.
        ended: how the program ended by it; None while it runs.
    """

    who: str
    call: FrozenCall | None = None
    answer: Answer | None = None
    note: str = ""
    ended: Ended | None = None

    def __str__(self) -> str:
        words = [f"{self.who}:"]
        if self.call is not None:
            words.append(str(self.call))
        if self.answer is not None:
            words.append(f"-> {self.answer}")
        if self.note:
            words.append(f"[{self.note}]")
        if self.ended is not None:
            words.append(f"=> {self.ended}")
        return " ".join(words)


Path = Any
"""Steps, the last first: None, or a pair of the path before and a step."""


def steps_of(path: Path) -> list[Step]:
    """The steps of a path, the first first."""
    steps: list[Step] = []
    while path is not None:
        path, step = path
        steps.append(step)
    return steps[::-1]


@dataclass(frozen=True)
class Violation:
    """A history that must not be.

    Args:
        reason: what is wrong with it.
        steps: how it came to it.
        stores: what the stores hold at its end, by name.
    """

    reason: str
    steps: Sequence[Step]
    stores: Sequence[tuple[str, Held]]

    def __str__(self) -> str:
        lines = [f"{number:3}. {step}" for number, step in enumerate(self.steps, 1)]
        held = [f"     {name} holds {held}" for name, held in self.stores]
        return "\n".join([self.reason, *lines, *held])


@dataclass(frozen=True)
class Outcome:
    """What an exploration came to.

    Args:
        name: of the case.
        states: how many there were, or had been visited when the violation was found.
        violation: the first that was found.
    """

    name: str
    states: int
    violation: Violation | None

    def check(self) -> None:
        """Fail with the history when there is a violation."""
        if self.violation is not None:
            raise AssertionError(f"{self.name} ({self.states} states): {self.violation}")


class TooManyStatesError(Exception):
    """The state space is larger than the test allows: nothing was shown."""


class NeverReturnedError(Exception):
    """An operation never returned in any history: the test shows less than it says."""
