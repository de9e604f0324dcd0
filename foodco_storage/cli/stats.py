"""`foodco-storage stats`: what is read how often, from where, by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from foodco_storage.cli import stats_readers, stats_records
from foodco_storage.cli.failures import explained
from foodco_storage.cli.options import ConfigFile
from foodco_storage.cli.stats_options import As, Days, Fleet, From, Limit, OfBucket, Record, Shipped
from foodco_storage.cli.stats_output import Format, note, show, within
from foodco_storage.cli.stats_sources import asked
from foodco_storage.cli.stats_unread import tell, what_is_known
from foodco_storage.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from foodco_storage.access.questions import Answer
    from foodco_storage.cli.stats_sources import Asked

EPILOG: Final = "Exit code: 0, also where the answer is empty; 2 when it could not be found out."

_DEEPEST: Final = 1024
"""Slashes of a key: it has at most 1024 bytes."""

stats_app = typer.Typer(
    help="What is read how often, from where, by whom: by the access statistics of this host, or of all hosts.",
    no_args_is_help=True,
)


@stats_app.command(epilog=EPILOG)
@explained
def keys(  # noqa: PLR0913 - the command's options
    *,
    days: Days = 7,
    limit: Limit = 100,
    bucket: OfBucket = None,
    prefix: Annotated[str, typer.Option("--prefix", metavar="PREFIX", help="Only keys that start with this.")] = "",
    record: From = Record.LIBRARY,
    form: As = Format.TABLE,
    fleet: Fleet = False,
    shipped: Shipped = None,
    config: ConfigFile = None,
) -> None:
    """Print the keys that were read most.

    The true number of reads lies between 'reads' and 'reads' + 'missing at most'; the score counts older reads less.
    """
    from foodco_storage.access.questions import most_read_keys  # noqa: PLC0415 - slow to import, and only used here

    of = _named(record, is_shipped=fleet or shipped is not None)
    with asked(config, fleet=fleet, shipped=shipped) as who:
        answer = most_read_keys(
            who.source,
            since_days=days,
            limit=limit,
            bucket=bucket,
            prefix=prefix,
            half_life_days=who.half_life_days,
            of=of,
        )
    _show_reads(answer, form, who, days, record)


@stats_app.command(epilog=EPILOG)
@explained
def prefixes(  # noqa: PLR0913 - the command's options
    *,
    depth: Annotated[
        int,
        typer.Option(
            "--depth", min=0, max=_DEEPEST, metavar="N", help="Prefixes with so many slashes; 0: whole buckets."
        ),
    ] = 1,
    days: Days = 7,
    limit: Limit = 100,
    bucket: OfBucket = None,
    record: From = Record.LIBRARY,
    form: As = Format.TABLE,
    fleet: Fleet = False,
    shipped: Shipped = None,
    config: ConfigFile = None,
) -> None:
    """Print the prefixes below which was read most.

    Keys with fewer slashes count for the prefix up to their last. 'missing at most': reads of which only a shorter prefix is
    known.
    """
    from foodco_storage.access.questions import most_read_prefixes  # noqa: PLC0415 - slow to import, and only used here

    of = _named(record, is_shipped=fleet or shipped is not None)
    with asked(config, fleet=fleet, shipped=shipped) as who:
        answer = most_read_prefixes(
            who.source,
            depth=depth,
            since_days=days,
            limit=limit,
            bucket=bucket,
            half_life_days=who.half_life_days,
            of=of,
        )
    _show_reads(answer, form, who, days, record)


@stats_app.command(epilog=EPILOG)
@explained
def unread(
    bucket: Annotated[str, typer.Argument(metavar="BUCKET", help="As callers say it, whatever its store calls it.")],
    *,
    days: Days = 90,
    form: As = Format.TABLE,
    fleet: Fleet = False,
    shipped: Shipped = None,
    config: ConfigFile = None,
) -> None:
    """Print how many objects of a bucket nobody has read, and their bytes, by age.

    Of the objects in the inventory that was imported, by whatever record, server logs too. 'maybe read': reads below a prefix
    of theirs were seen whose keys are not known. Reads are GETs by this library: no HEADs, no sources of copies, no presigned
    URLs; server logs have those that are GETs or copies.
    """
    from foodco_storage.access.questions import never_read  # noqa: PLC0415 - slow to import, and only used here

    with asked(config, fleet=fleet, shipped=shipped) as who:
        known = what_is_known(who, bucket, days)
        answer = never_read(who.source, bucket, since_days=days)
    show(answer, form)
    tell(known, sum(row[answer.columns.index("objects")] for row in answer.rows))


@stats_app.command(epilog=EPILOG)
@explained
def source(
    *,
    days: Days = 7,
    limit: Limit = 100,
    bucket: OfBucket = None,
    form: As = Format.TABLE,
    fleet: Fleet = False,
    shipped: Shipped = None,
    config: ConfigFile = None,
) -> None:
    """Print who still reads from another store than the primary, and why: what has to end before the source can go.

    Why: 'no route' (of the bucket), 'phase' (source or backfill), 'not on the primary', 'primary down'.
    """
    from foodco_storage.access.asking import in_tables  # noqa: PLC0415 - slow to import, and only used here
    from foodco_storage.access.questions import Answer, still_reads  # noqa: PLC0415 - the same

    with asked(config, fleet=fleet, shipped=shipped) as who:
        answer = still_reads(who.source, since_days=days)
    at = answer.columns.index("bucket")
    rows = [row for row in answer.rows if bucket is None or row[at] == in_tables(bucket)]
    show(Answer(answer.columns, rows[:limit]), form)
    if not rows:
        note(f"no read from another store than the primary is known {within(days)} in {who.place}")
    elif len(rows) > limit:
        note(f"{len(rows) - limit:,} rows more: see --limit")


@stats_app.command(epilog=EPILOG)
@explained
def hits(
    *, days: Days = 7, form: As = Format.TABLE, fleet: Fleet = False, shipped: Shipped = None, config: ConfigFile = None
) -> None:
    """Print how many reads the caches answered, from memory and from disk, for each route."""
    from foodco_storage.access.questions import hit_ratios  # noqa: PLC0415 - slow to import, and only used here

    with asked(config, fleet=fleet, shipped=shipped) as who:
        answer = hit_ratios(who.source, since_days=days)
    show(answer, form)
    if not answer.rows:
        note(f"no read is known {within(days)} in {who.place}")


@stats_app.command(epilog=EPILOG)
@explained
def backends(
    *, days: Days = 7, form: As = Format.TABLE, fleet: Fleet = False, shipped: Shipped = None, config: ConfigFile = None
) -> None:
    """Print what the stores were asked, and how they answered: requests, retries, errors, bytes, time."""
    from foodco_storage.access.questions import backends as by_backend  # noqa: PLC0415 - slow to import

    with asked(config, fleet=fleet, shipped=shipped) as who:
        answer = by_backend(who.source, since_days=days)
    show(answer, form)
    if not answer.rows:
        note(f"no request is known {within(days)} in {who.place}")


stats_app.command("readers", epilog=EPILOG)(stats_readers.readers)
stats_app.command("import-logs", epilog=stats_records.IMPORT_EPILOG)(stats_records.import_logs)
stats_app.command("import-inventory", epilog=stats_records.IMPORT_EPILOG)(stats_records.import_inventory)
stats_app.command("ship", epilog=stats_records.SHIP_EPILOG)(stats_records.ship)


def _named(record: Record, *, is_shipped: bool) -> str:
    """What the statistics call a record."""
    from foodco_storage.access.rows import LIBRARY, SERVER_LOG  # noqa: PLC0415 - slow to import, and only used here

    if record is Record.LIBRARY:
        return LIBRARY
    if is_shipped:
        message = "is of this host: what server logs tell is not shipped; ask where they were imported, without --fleet"
        raise ConfigurationError([Problem("--from server-logs", message)])
    return SERVER_LOG


def _show_reads(answer: Answer, form: Format, who: Asked, days: int, record: Record) -> None:
    show(answer, form)
    if not answer.rows:
        by = "" if record is Record.LIBRARY else " from server logs; see `foodco-storage stats import-logs`"
        note(f"no such read is known {within(days)} in {who.place}{by}")
