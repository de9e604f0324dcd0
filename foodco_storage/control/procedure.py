"""What an operator's command does, as a generator: requests, waiting, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple, TypeAlias, TypeVar

from foodco_storage.control.steps import Ask, Call

T = TypeVar("T")


class Wait(NamedTuple):
    """Let time pass."""

    seconds: float


class Say(NamedTuple):
    """Tell the operator how far it is."""

    text: str


Procedure: TypeAlias = Generator[Ask | Wait | Say, Any, T]


def performed(procedure: Procedure[Any], call: Call, sleep: Callable[[float], None]) -> Iterator[str]:
    """Do it; what it tells."""
    answer: Any = None
    failure: Exception | None = None
    while True:
        try:
            step = procedure.send(answer) if failure is None else procedure.throw(failure)
        except StopIteration:
            return
        answer = failure = None
        if isinstance(step, Say):
            yield step.text
        elif isinstance(step, Wait):
            sleep(step.seconds)
        else:
            try:
                answer = call(*step)
            except Exception as error:  # noqa: BLE001 - for the procedure to judge
                failure = error
