"""Listings over several backends as one: in UTF-8 byte order, each name once, the primary's entry where both have one.

DESIGN section 6, rule 11. Both versions of the operation; paging by one opaque token (`ListObjectsV2`) or by the last name
(`ListObjects`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

from foodco_storage.flows.effects import Call
from foodco_storage.flows.outcomes import BackendError
from foodco_storage.flows.request import Below, Flow, Request, Response
from foodco_storage.flows.s3_errors import refused, rejected
from foodco_storage.layers.listed_tombstones import tombstones_among, without_ghosts
from foodco_storage.layers.listing import LAST_CHARACTER, Entry, Position, Side, entries_of, merge, past
from foodco_storage.layers.storage_metadata import note

_MAX_KEYS = 1000
"""S3 gives at most this many entries a page, whatever was asked for."""

_TEXTS = ("ContinuationToken", "Delimiter", "EncodingType", "Marker", "Prefix", "StartAfter")
_PAGING = ("ContinuationToken", "EncodingType", "Marker", "StartAfter")


@dataclass(slots=True)
class Page:
    """A merged page: an answer to fill, its entries, and how far it goes (None: to the end)."""

    answer: Response
    entries: list[Entry]
    end: Position | None


@dataclass(slots=True)
class Round:
    """One page of every side.

    Args:
        pages: by the side's number, first side first.
        ended: the numbers of those that end with it.
        dead: names that tombstones stand for.
    """

    pages: dict[int, tuple[Response, list[Entry]]]
    ended: set[int]
    dead: set[str] = field(default_factory=set)


class MergedLists:
    """Lists a bucket over several sides.

    Args:
        sides: in order of precedence, the primary first. They are asked in the opposite order: a key that something moves
            to the primary during the listing is then seen on one side or on both, never on neither.
    """

    def __init__(self, sides: Sequence[Side]) -> None:
        self._sides = tuple(sides)

    def list_objects_v2(self, request: Request, below: Below) -> Flow:
        """List by continuation token."""
        params = request.params
        yield from _check_types(request, below)
        position, shown = Position(params.get("StartAfter", "")), False
        if "ContinuationToken" in params:
            try:
                position, shown = Position.of_token(params["ContinuationToken"], self._sides), True
            except ValueError as error:
                raise rejected(
                    request, "InvalidArgument", 400, "The continuation token provided is incorrect"
                ) from error
        page = yield from self._page(request, "StartAfter", position, shown=shown)
        answer = page.answer
        answer["KeyCount"] = len(page.entries)
        if page.end is not None:
            answer["NextContinuationToken"] = page.end.token()
        for name in ("ContinuationToken", "StartAfter"):
            if name in params:
                answer[name] = params[name]
        return answer

    def list_objects(self, request: Request, below: Below) -> Flow:
        """List by marker."""
        params = request.params
        yield from _check_types(request, below)
        marker, delimiter = params.get("Marker", ""), params.get("Delimiter", "")
        shown = _is_common_prefix(marker, params.get("Prefix", ""), delimiter)
        position = Position(marker + LAST_CHARACTER if shown else marker)
        page = yield from self._page(request, "Marker", position, shown=shown)
        answer = page.answer
        if "Marker" in answer or "Marker" in params:
            answer["Marker"] = marker
        if page.end is not None and page.entries and delimiter:
            answer["NextMarker"] = _encoded(request, page.entries[-1].name)
        return answer

    def _page(self, request: Request, after_name: str, position: Position, *, shown: bool) -> Generator[Any, Any, Page]:
        """Ask rounds of pages until the merged one is full, or nothing is left."""
        params = request.params
        asked = params.get("MaxKeys", _MAX_KEYS)
        wanted = min(asked, _MAX_KEYS)
        base = request.without_params(*_PAGING, "MaxKeys")
        entries: list[Entry] = []
        answer: Response | None = None
        end: Position | None = position
        while end is not None and (answer is None or len(entries) < wanted):
            position = end
            ask = base
            if answer is not None:
                ask = base.with_params(MaxKeys=wanted - len(entries))
            elif "MaxKeys" in params:
                ask = base.with_params(MaxKeys=asked)
            if position.after or after_name in params:
                ask = ask.with_params(**{after_name: position.after})
            asked_round = yield from self._ask(ask, position, shown=shown)
            answer = answer or asked_round.pages[0][0]
            taken, end = self._take(asked_round, position, max(wanted - len(entries), 0))
            entries += taken
            shown = True
        if wanted <= 0:
            end = None
        answer = answer or {}
        _fill(answer, request, entries, truncated=end is not None)
        return Page(note(answer, backend=self._sides[0].place.backend), entries, end)

    def _take(self, asked: Round, position: Position, wanted: int) -> tuple[list[Entry], Position | None]:
        """What a round adds to the page, and how far the page has come with it."""
        open_ends = [
            self._sides[number].known_until(entries[-1].name)
            for number, (_, entries) in asked.pages.items()
            if number not in asked.ended
        ]
        until = min(open_ends, default=None)
        pages = ((self._sides[number], entries) for number, (_, entries) in asked.pages.items())
        merged = merge(pages, until, asked.dead)
        taken = merged[:wanted]
        if len(taken) < len(merged):
            # Some of what the sides told is left over; the next page asks them for it again.
            return taken, Position(past(taken[-1]) if taken else position.after)
        if until is None:
            return taken, None
        after = past(taken[-1]) if taken and taken[-1].name == until else until
        return taken, Position(after, frozenset(self._finished(asked, until)))

    def _finished(self, asked: Round, until: str) -> Iterator[int]:
        """The sides that need not be asked again: at their end, and shown whole."""
        for number in asked.ended:
            entries = asked.pages[number][1] if number in asked.pages else []
            if not self._sides[number].keeps and (not entries or entries[-1].name <= until):
                yield number

    def _ask(self, ask: Request, position: Position, *, shown: bool) -> Generator[Any, Any, Round]:
        """Ask every side that may hold more, the primary last."""
        pages: dict[int, tuple[Response, list[Entry]]] = {}
        ended = set(position.ended)
        for number in reversed(range(len(self._sides))):
            if number in position.ended:
                continue
            side = self._sides[number]
            own = ask
            if "Delimiter" not in ask.params and side.prefix.startswith(ask.params.get("Prefix", "")) and side.prefix:
                own = ask.with_params(Prefix=side.prefix)
            answer: Response = yield Call(side.place, own)
            entries = _new_entries(own, side, answer, position.after, shown=shown)
            while answer["IsTruncated"] and not entries and own.params.get("MaxKeys", _MAX_KEYS) > 0:
                # Nothing new in a page that is not the last: only the store's own token leads on from there.
                own = _following(own, side, answer)
                answer = yield Call(side.place, own)
                entries = _new_entries(own, side, answer, position.after, shown=shown)
            if not answer["IsTruncated"] or not entries or side.ends_with(entries[-1].name):
                ended.add(number)
            pages[number] = (answer, entries)
        return Round(dict(sorted(pages.items())), ended, (yield from self._dead(ask, pages)))

    def _dead(self, ask: Request, pages: dict[int, tuple[Response, list[Entry]]]) -> Generator[Any, Any, set[str]]:
        """Keys that were deleted, and common prefixes with nothing but such keys behind them."""
        dead: set[str] = set()
        for number, (_, entries) in pages.items():
            side = self._sides[number]
            if not side.has_tombstones:
                continue
            # What belongs to another route may be a tombstone here, from another time, and an object there.
            shown = [entry for entry in entries if side.shows(entry)]
            keys = [entry.answer for entry in shown if not entry.is_prefix]
            dead |= {key for key, _ in (yield from tombstones_among(side.place, ask, keys))}
            elsewhere = {
                entry.name
                for other, (_, found) in pages.items()
                for entry in found
                if other != number and self._sides[other].shows(entry)
            }
            alone = [entry.name for entry in shown if entry.is_prefix and entry.name not in elsewhere]
            dead |= set(alone) - (yield from without_ghosts(side.place, ask, alone, side.hidden))
        return dead


def _check_types(request: Request, below: Below) -> Generator[Any, Any, None]:
    """Let botocore say what is wrong with a parameter of a type that can't be merged by.

    Raises:
        ParamValidationError: as boto3 raises it.
        Rejected: botocore was told not to validate parameters; the primary's list alone would be no answer.
    """
    params = request.params
    texts = (params[name] for name in _TEXTS if name in params)
    if all(isinstance(text, str) for text in texts) and isinstance(params.get("MaxKeys", _MAX_KEYS), int):
        return
    yield from below(request)
    raise refused(request, "MaxKeys must be a whole number and every other parameter of a list a string")


def _is_common_prefix(marker: str, prefix: str, delimiter: str) -> bool:
    """Whether a marker is the NextMarker of a page that ended with a common prefix, and not with a key.

    A key that is listed by itself has no delimiter after the prefix: the object `a/` in a listing of `a/` is one.
    """
    if not delimiter:
        return False
    rest: str = marker.removeprefix(prefix)
    return (
        marker.startswith(prefix) and rest.endswith(delimiter) and rest.index(delimiter) == len(rest) - len(delimiter)
    )


def _new_entries(request: Request, side: Side, answer: Response, after: str, *, shown: bool) -> list[Entry]:
    """The entries of a page that come after a position.

    A store may list a common prefix again whose keys are all before the position, or which was shown itself; but a key
    from before it says that the store has an order of its own.
    """
    try:
        entries = entries_of(answer)
    except ValueError as error:
        raise _not_in_order(request, side, str(error)) from error
    new = []
    for entry in entries:
        if entry.name > after or (entry.is_prefix and not shown and after.startswith(entry.name)):
            new.append(entry)
        elif not entry.is_prefix:
            raise _not_in_order(request, side, f"{entry.name!r} comes after {after!r}")
    return new


def _following(request: Request, side: Side, answer: Response) -> Request:
    for theirs, ours in (("NextContinuationToken", "ContinuationToken"), ("NextMarker", "Marker")):
        # A store that leads back to where it was asked would be asked forever.
        if theirs in answer and answer[theirs] != request.params.get(ours):
            return request.without_params("StartAfter").with_params(**{ours: answer[theirs]})
    raise _not_in_order(request, side, "a page that is not the last has nothing new, and no token to go on with")


def _not_in_order(request: Request, side: Side, why: str) -> BackendError:
    return refused(
        request,
        f"the backend {side.place.backend!r} does not list in UTF-8 byte order ({why}), so a merged listing would lose keys; "
        "list each store by itself",
    )


def _fill(answer: Response, request: Request, entries: list[Entry], *, truncated: bool) -> None:
    """Turn one side's answer into the merged one."""
    for name in (
        "Contents",
        "CommonPrefixes",
        "ContinuationToken",
        "NextContinuationToken",
        "NextMarker",
        "StartAfter",
    ):
        answer.pop(name, None)
    keys = [entry.answer for entry in entries if not entry.is_prefix]
    prefixes = [entry.answer for entry in entries if entry.is_prefix]
    if request.params.get("EncodingType") == "url":
        answer["EncodingType"] = "url"
        keys = [item | {"Key": _encoded(request, item["Key"])} for item in keys]
        prefixes = [item | {"Prefix": _encoded(request, item["Prefix"])} for item in prefixes]
    if keys:
        answer["Contents"] = keys
    if prefixes:
        answer["CommonPrefixes"] = prefixes
    answer["IsTruncated"] = truncated
    for name, value in (
        ("Name", request.params["Bucket"]),
        ("Prefix", _encoded(request, request.params.get("Prefix", ""))),
        ("Delimiter", _encoded(request, request.params.get("Delimiter", ""))),
    ):
        if name in answer:
            answer[name] = value


def _encoded(request: Request, name: str) -> str:
    """A name as the caller asked for it: botocore decodes names unless `EncodingType` was given."""
    return quote_plus(name, safe="/*") if request.params.get("EncodingType") == "url" else name
