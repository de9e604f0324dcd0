"""Pages of listings, and how pages of several backends become one.

No effects here: `foodco_storage.layers.merged_lists` asks for the pages. Names are compared as Python strings: their order
by code points is the order of their UTF-8 bytes, which is the order of S3.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Response

LAST_CHARACTER = "\U0010ffff"
"""Sorts after every character that may follow a prefix: `prefix + LAST_CHARACTER` is past all that the prefix holds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key or a common prefix of a page."""

    name: str
    answer: dict[str, Any]
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """One backend's part in a merged listing.

    Args:
        place: who is asked.
        prefix: the keys that this side speaks for, and
        others: the prefixes under it that belong to other routes.
        hidden: prefixes that callers must not see (the reserved location).
        keeps: whether keys may come to this side while a listing goes on; such a side is asked for every page.
        has_tombstones: whether some of its keys say that they were deleted.
    """

    place: Place
    prefix: str = ""
    others: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    keeps: bool = True
    has_tombstones: bool = False

    def shows(self, entry: Entry) -> bool:
        """Whether a key or common prefix is this side's to show."""
        if self.prefix and not entry.name.startswith(self.prefix):
            # A common prefix may stand above the side's own prefix, and stands for it then.
            return entry.is_prefix and self.prefix.startswith(entry.name)
        return not any(entry.name.startswith(prefix) for prefix in (*self.others, *self.hidden))

    def ends_with(self, last: str) -> bool:
        """Whether a page that ends with `last` has passed everything that this side speaks for."""
        return bool(self.prefix) and last > self.prefix + LAST_CHARACTER

    def known_until(self, last: str) -> str:
        """How far a page that ends with `last` speaks: past a prefix that belongs to another route, at once."""
        for prefix in (*self.others, *self.hidden):
            if last.startswith(prefix):
                return prefix + LAST_CHARACTER
        return last


def entries_of(page: Response) -> list[Entry]:
    """The entries of one backend's page, in order.

    Raises:
        ValueError: when the backend's keys are not in UTF-8 byte order: merging such pages would lose keys.
    """
    keys = [Entry(item["Key"], item) for item in page.get("Contents", ())]
    prefixes = [Entry(item["Prefix"], item, is_prefix=True) for item in page.get("CommonPrefixes", ())]
    for entries in (keys, prefixes):
        for before, after in pairwise(entries):
            if before.name >= after.name:
                raise ValueError(f"{after.name!r} comes after {before.name!r}")
    return sorted([*keys, *prefixes], key=_name) if prefixes else keys


def _name(entry: Entry) -> str:
    return entry.name


@dataclass(frozen=True, slots=True)
class Position:
    """How far a merged listing has come.

    Args:
        after: every key and common prefix up to here has been shown.
        ended: numbers of the sides that hold nothing more.
    """

    after: str
    ended: frozenset[int] = frozenset()

    def token(self) -> str:
        """The position as an opaque continuation token."""
        text = json.dumps([1, self.after, sorted(self.ended)], ensure_ascii=False, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")

    @classmethod
    def of_token(cls, token: str, sides: Sequence[Side]) -> Position:
        """Read a token.

        Raises:
            ValueError: when it is none of ours.
        """
        text = base64.b64decode(token.encode("ascii", "strict"), altchars=b"-_", validate=True).decode("utf-8")
        try:
            found = json.loads(text)
        except RecursionError:
            # Tokens may come from a browser.
            raise ValueError("not a token of a merged listing") from None
        match found:
            case [1, str(after), [*ended]] if all(type(number) is int for number in ended):
                return cls(after, frozenset(number for number in ended if 0 <= number < len(sides)))
        raise ValueError("not a token of a merged listing")


def past(entry: Entry) -> str:
    """The position after an entry: of a common prefix, after all that it stands for."""
    return entry.name + LAST_CHARACTER if entry.is_prefix else entry.name


def merge(pages: Iterable[tuple[Side, list[Entry]]], until: str | None, dead: Collection[str] = ()) -> list[Entry]:
    """The entries of all sides up to `until`, each name once; of two sides that hold a name the earlier one wins.

    A dead name, a tombstone's or that of a folder of them, hides that name on the other sides too.
    """
    merged: dict[str, Entry] = {}
    for side, entries in pages:
        for entry in entries:
            if (until is None or entry.name <= until) and side.shows(entry):
                merged.setdefault(entry.name, entry)
    return sorted((entry for entry in merged.values() if entry.name not in dead), key=_name)
