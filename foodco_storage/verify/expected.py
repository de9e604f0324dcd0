"""What the two sides of a route must be to one another, phase by phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from foodco_storage.config import Route
from foodco_storage.verify.difference import NOT_YET, Kind

State: TypeAlias = Literal["object", "tombstone", "absent"]

_UNKNOWN: tuple[Kind, ...] = ("unproven", "unreadable")


@dataclass(frozen=True, slots=True)
class Expected:
    """What counts as a difference.

    Args:
        says: the same for people.
        primary_decides: whether the primary is the side that decides.
        errors: the kinds that are reported.
        missing: what a key is that the source lacks, or, where that decides, the primary.
        repairs: whether differences can be put right.
    """

    says: str
    primary_decides: bool
    errors: frozenset[Kind]
    missing: Kind = "missing"
    repairs: bool = True

    def kind(self, primary: State, source: State) -> Kind | None:
        """What a key is whose two sides are in these states; None where they agree, `differs` where both hold an object."""
        if primary == "object" and source == "object":
            return "differs"
        if source == "object":
            if not self.primary_decides:
                return "hidden" if primary == "tombstone" else self.missing
            return "not deleted" if primary == "tombstone" else NOT_YET
        if primary == "object":
            return "missing" if self.primary_decides else "extra"
        return None

    def matters(self, kind: Kind | None) -> bool:
        """Whether anybody wants to know of such a key."""
        return kind == NOT_YET or kind in self.errors


def expected(phase: str, route: Route) -> Expected:
    """What a phase demands of a route.

    Args:
        phase: the phase.
        route: its configuration.
    """
    primary, source = route.primary, route.fallbacks[0]
    errors: tuple[Kind, ...]
    match phase:
        case "source":
            errors = ("extra", "hidden", "differs", *_UNKNOWN)
            says = (
                f"{source!r} decides, and nothing copies to {primary!r} yet: what {primary!r} lacks is counted, what it "
                f"holds must be as in {source!r}"
            )
        case "backfill":
            errors = ("missing", "extra", "hidden", "differs", *_UNKNOWN)
            says = f"{source!r} decides: {primary!r} must hold the same keys and objects, and no others"
        case "cutover" if route.mirror.mode != "off":
            errors = ("missing", "differs", "not deleted", *_UNKNOWN)
            says = (
                f"{primary!r} decides: {source!r} must hold all that it holds, and nothing that was deleted there; keys "
                f"that only {source!r} holds are counted"
            )
        case "cutover":
            errors = ()
            says = (
                f"{primary!r} decides, and mirror.mode is off: {source!r} is not kept up to date, so only the keys that it "
                "alone holds are counted"
            )
        case "drain":
            errors = ("not deleted",)
            says = (
                f"{primary!r} decides, and {source!r} only loses keys: what is left there is counted; what was deleted "
                "must be gone there"
            )
        case _:
            errors = ()
            says = f"{primary!r} alone counts: nothing is compared, what is left in {source!r} is counted"
    return Expected(
        says,
        primary_decides=phase not in {"source", "backfill"},
        errors=frozenset(errors),
        missing=NOT_YET if phase == "source" else "missing",
        repairs=phase not in {"source", "target"},
    )
