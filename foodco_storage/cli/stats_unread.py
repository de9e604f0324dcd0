"""What an operator must know who is told that nobody has read an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foodco_storage.cli.options import printable
from foodco_storage.cli.stats_output import moment_of, note, within

if TYPE_CHECKING:
    from foodco_storage.access.questions import Source
    from foodco_storage.cli.stats_sources import Asked


def tell_what_is_known(who: Asked, bucket: str, days: int, *, is_empty: bool) -> None:
    """Say from when the objects are known, and whether reads were recorded on all of these days.

    Args:
        who: was asked.
        bucket: whose objects it is about.
        days: the last ones, today included.
        is_empty: whether there is no object that was not read.
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
        return
    all_were_read = ": all of them were read" if is_empty else ""
    note(f"by the inventory of {moment_of(seen_at)} with {objects:,} objects{all_were_read}")
    begin = who.store.today(days - 1)
    first, last = _recorded(who.source, begin)
    if last is None or last < begin:
        note(f"nothing was recorded {within(days)} in {who.place}: whether anything was read is not known")
        return
    if first > begin:
        # What was shipped before is looked at only where there is need.
        first, _ = _recorded(who.source, "")
    if first > begin:
        note(f"records begin on {first}: what was read before is not known")


def _recorded(source: Source, since: str) -> tuple[Any, Any]:
    """The first and the last day with a record of anything, None for none; what was shipped before `since` left out."""
    ((first, last),) = source.ask("SELECT min(day), max(day) FROM told", {}, since).rows
    return first, last
