"""Continuation tokens that stay good while the phase of a route moves.

A store's own token means nothing to another store: some refuse it, and Ceph RGW takes any token for the name of a key, so
that the listing would go on somewhere else, without a word. Phases that list over two sides give tokens of the library, which
say how far a listing has come. Here, where one side is listed, those are understood as well.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

from foodco_storage.flows.request import Below, Flow, Request, Response
from foodco_storage.layers.listing import Position, entries_of, past


class ListPositions:
    """Lists of one side by the library's tokens; those of the store are taken too.

    Args:
        gives: whether pages end with a token of the library. Not where clients without it may be given that token.
    """

    def __init__(self, *, gives: bool) -> None:
        self._gives = gives

    def list_objects_v2(self, request: Request, below: Below) -> Flow:
        """List by continuation token."""
        params = request.params
        after = _position(params.get("ContinuationToken"))
        ask = request
        if after is not None:
            ask = request.without_params("ContinuationToken").with_params(StartAfter=after)
        answer: Response = yield from below(ask)
        if after is not None:
            answer.pop("StartAfter", None)
            answer |= {name: params[name] for name in ("ContinuationToken", "StartAfter") if name in params}
        if self._gives and answer.get("IsTruncated"):
            end = _end(request, answer)
            if end is not None:
                answer["NextContinuationToken"] = Position(end).token()
        return answer


def _position(token: Any) -> str | None:
    """How far a token of the library says that a listing has come; None for any other."""
    if not isinstance(token, str):
        return None
    try:
        return Position.of_token(token, ()).after
    except ValueError:
        return None


def _end(request: Request, page: Response) -> str | None:
    """How far a page goes; None where the store does not list in order, so that its own token has to do."""
    if request.params.get("EncodingType") == "url":
        page = {
            name: [item | {field: unquote_plus(item[field])} for item in page.get(name, ())]
            for name, field in (("Contents", "Key"), ("CommonPrefixes", "Prefix"))
        }
    try:
        entries = entries_of(page)
    except ValueError:
        return None
    return past(entries[-1]) if entries else None
