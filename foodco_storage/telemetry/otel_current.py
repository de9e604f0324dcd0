"""Which span is the current one, where they begin and end in any order.

OpenTelemetry's own `attach` and `detach` expect pairs that enclose each other: where an outer one is detached first, the
inner one's `detach` makes it current again, for good.
"""

from __future__ import annotations

from contextvars import Token
from threading import get_ident
from typing import cast

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.trace import Span, get_current_span, set_span_in_context

_KEY = context.create_key("foodco-storage-entered")


class Entered:
    """A span that was made the current one.

    Args:
        span: the span.
    """

    __slots__ = ("_token", "below", "left_by", "outer", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.outer = context.get_current()
        """What was current before."""
        self.left_by: int | None = None
        """The thread in which it ceased to be current."""
        self.below = _live(self.outer)
        """Whose span was current before; None where it is not of ours."""
        self._token: Token[Context] | None = None

    def attach(self) -> None:
        """Make the span current."""
        self._token = context.attach(context.set_value(_KEY, self, set_span_in_context(self.span, self.outer)))

    def detach(self) -> None:
        """Make current what was so before; nothing happens the second time."""
        token, self._token = self._token, None
        if token is not None:
            context.detach(token)


def _live(current: Context) -> Entered | None:
    """Whose span is the current one, unless it has ended: work that goes on after an operation is rightly below it."""
    found = context.get_value(_KEY, current)
    is_ours = isinstance(found, Entered) and found.left_by is None and get_current_span(current) is found.span
    return cast("Entered", found) if is_ours else None


def enter(span: Span) -> Entered:
    """Make a span the current one, until `leave`."""
    entered = Entered(span)
    entered.attach()
    return entered


def leave(entered: Entered) -> None:
    """Make current again what was so before, in the same thread and context; or, where that has ended, what was before that.

    Args:
        entered: what `enter` returned. What was entered since and is not left yet is no longer current either.
    """
    here = get_ident()
    entered.left_by = here
    entered.detach()
    outer, below = entered.outer, entered.below
    while below is not None and below.left_by == here:
        outer, below = below.outer, below.below
    if outer is not entered.outer:
        context.attach(outer)
