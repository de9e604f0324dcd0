"""What verifying says: one difference at a time, and a summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal[
    "missing",
    "extra",
    "differs",
    "not deleted",
    "hidden",
    "unproven",
    "unreadable",
    "not yet on the primary",
]
"""How two sides can differ in a key.

* `missing`: the side that decides holds it, the other one does not.
* `extra`: the other side holds it, the one that decides does not.
* `differs`: both hold it, and it is not the same.
* `not deleted`: the primary says that it was deleted, the source still holds it.
* `hidden`: the source decides and holds it, the primary says that it was deleted: it would be gone once the primary decides.
* `unproven`: both hold an object of one size and description, whose ETags can't be compared: only its content can tell.
* `unreadable`: a store refused to say what it holds.
* `not yet on the primary`: only the source holds it. Reads find it there, and so it is counted and not reported.
"""

NOT_YET: Final = "not yet on the primary"


@dataclass(frozen=True, slots=True)
class Difference:
    """A key in which two sides are not as they should be.

    Args:
        route: the route's name.
        bucket: as callers say it.
        key: the key.
        kind: how they differ.
        detail: what was seen; after a repair that failed, why.
        repaired: whether it was put right; None where that was not asked for.
        size: bytes of the object on the side that decides; None where it holds none.
    """

    route: str
    bucket: str
    key: str
    kind: Kind
    detail: str
    repaired: bool | None = None
    size: int | None = None


@dataclass(slots=True)
class Summary:
    """How far a verification has come, and what it has found.

    Args:
        route: the route's name.
        phase: in which it was verified.
        says: what is compared with what, and what counts as a difference.
        compared: keys looked at, on whichever side.
        same: of them, those on which both sides agree.
        not_on_primary: those that only the source holds. They must come over before the phase `target`.
        in_source: objects that the source holds.
        tombstones: keys that the primary holds a tombstone for.
        differences: how many of each kind were found, those put right since included.
        repaired: how many were put right.
        at: the key that it has come to.
    """

    route: str
    phase: str
    says: str
    compared: int = 0
    same: int = 0
    not_on_primary: int = 0
    in_source: int = 0
    tombstones: int = 0
    differences: Counter[Kind] = field(default_factory=Counter)
    repaired: int = 0
    at: str = ""

    @property
    def left(self) -> int:
        """Differences that there still are."""
        return self.differences.total() - self.repaired

    @property
    def is_clean(self) -> bool:
        """Whether both sides are as they should be."""
        return self.left == 0
