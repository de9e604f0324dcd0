"""What an operator must know who is told that nobody has read an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foodco_storage.cli.options import printable
from foodco_storage.cli.stats_output import moment_of, note, within
from foodco_storage.errors import StatisticsError

if TYPE_CHECKING:
    from foodco_storage.access.questions import Source
    from foodco_storage.cli.stats_sources import Asked


def what_is_known(who: Asked, bucket: str, days: int) -> list[str]:
    """From when the objects are known, and since when reads: sentences to be told, none where no objects are.

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
        return []
    known = [f"by the inventory of {moment_of(seen_at)} with {objects:,} objects"]
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
    if first > begin:
        known.append(f"records begin on {first}: what was read before is not known")
    return known


def tell(known: list[str], *, is_empty: bool) -> None:
    """Tell what is known of the objects, and of the reads.

    Args:
        known: as `what_is_known` says.
        is_empty: whether there is no object that was not read.
    """
    if known and is_empty:
        known = [f"{known[0]}: all of them were read", *known[1:]]
    for sentence in known:
        note(sentence)


def _recorded(source: Source, since: str) -> tuple[Any, Any]:
    """The first and the last day with a record of anything, None for none; what was shipped before `since` left out."""
    ((first, last),) = source.ask("SELECT min(day), max(day) FROM told", {}, since).rows
    return first, last
