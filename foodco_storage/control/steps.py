"""Requests yielded, not sent: what is done with the control object and the reports is written as generators.

`carry_out` sends the requests. Tests send them themselves, in any order among several processes, with answers that come
late or never.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeAlias, TypeVar

from foodco_storage.flows.request import Parameters, Response

Call: TypeAlias = Callable[[str, Parameters], Response]
"""Sends a request to the primary, once: botocore's name of the operation, its parameters; raises botocore's errors."""

T = TypeVar("T")


class Ask(NamedTuple):
    """One request to the primary."""

    operation: str
    params: Parameters


Steps: TypeAlias = Generator[Ask, Any, T]
"""Yields requests, is sent their answers, or has botocore's errors thrown in."""


def carry_out(steps: Steps[T], call: Call) -> T:
    """Send what the steps ask for, one after the other."""
    try:
        asked = next(steps)
        while True:
            try:
                answer = call(*asked)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is for the steps to judge
                asked = steps.throw(error)
            else:
                asked = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
