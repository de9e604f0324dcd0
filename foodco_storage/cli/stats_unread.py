"""What an operator must know who is told that nobody has read an object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foodco_storage.cli.options import printable
from foodco_storage.cli.stats_output import moment_of, note, within
from foodco_storage.errors import StatisticsError

if TYPE_CHECKING:
    from foodco_storage.access.questions import Source
    from foodco_storage.cli.stats_sources import Asked


@dataclass(frozen=True)
class Known:
    """What an answer stands on.

    Args:
        objects: so many there are in the inventory.
        seen_at: when it was made, in seconds since the epoch.
        since: the first day with records; None where they go back far enough.
    """

    objects: int
    seen_at: float
    since: str | None = None


def what_is_known(who: Asked, bucket: str, days: int) -> Known | None:
    """From when the objects are known, and since when reads; None, and a note, where no objects are.

    Args:
        who: is asked.
        bucket: whose objects it is about.
        days: the last ones, today included.

    Raises:
        StatisticsError: nothing at all was recorded: that nobody has read an object would be said of all of them.
    """
    from foodco_storage.access.prefixes import as_text  # noqa: PLC0415 - slow to import, and only used here

    bucket = as_text(bucket)
    with who.store.use() as connection:
        question = "SELECT count(*), max(seen_at) FROM objects WHERE bucket = ?"
        objects, seen_at = connection.execute(question, (bucket,)).fetchone()
    if not objects:
        note(
            f"no objects of bucket {printable(bucket)} are known on this host: read its S3 Inventory by `foodco-storage "
            "stats import-inventory`"
        )
        return None
    begin = who.store.today(days - 1)
    first, last = _recorded(who.source, begin)
    if last is None or last < begin:
        raise StatisticsError(
            who.place,
            f"nothing was recorded {within(days)}, so whether anything was read is not known: ask where it is recorded, or "
            "for more days",
        )
    if first > begin:
        # What was shipped before is looked at only where there is need.
        first, _ = _recorded(who.source, "")
    return Known(objects, seen_at, first if first > begin else None)


def tell(known: Known | None, unread: int) -> None:
    """Tell what is known of the objects, and of the reads.

    Args:
        known: as `what_is_known` says.
        unread: so many of the objects were not read.
    """
    if known is None:
        return
    objects = f"by the inventory of {moment_of(known.seen_at)} with {known.objects:,} objects"
    note(f"{objects}: all of them were read" if not unread else objects)
    if known.since is not None:
        note(f"records begin on {known.since}: what was read before is not known")
    if unread == known.objects:
        note("not one of them was read: see that those who read this bucket are recorded, and under this name")


def _recorded(source: Source, since: str) -> tuple[Any, Any]:
    """The first and the last day with a record of anything, None for none; what was shipped before `since` left out."""
    ((first, last),) = source.ask("SELECT min(day), max(day) FROM told", {}, since).rows
    return first, last
