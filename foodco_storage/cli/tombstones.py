"""`foodco-storage tombstones`."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape

from foodco_storage.cli.failures import explained
from foodco_storage.cli.options import BucketName, ConfigFile, RouteName, loaded, printable, seconds

if TYPE_CHECKING:
    from foodco_storage.tombstones import Tombstone

EPILOG: Final = "Exit code: 0 when it was done, 2 when it was refused or could not be done."

_DAY_SECONDS: Final = 86400.0

out = Console()


@explained
def tombstones(  # noqa: PLR0913 - the command's options
    route: RouteName,
    *,
    show: Annotated[bool, typer.Option("--list", help="Print every tombstone, and with --collect its fate.")] = False,
    collect: Annotated[
        bool,
        typer.Option(
            "--collect",
            help="Delete those that are older than --grace and whose key the source does not hold. Refused while services "
            "write the route on a store that could lose a write by it.",
        ),
    ] = False,
    grace: Annotated[
        Any,
        typer.Option(parser=seconds, metavar="SECONDS|DURATION", help="How old a tombstone must be: 3600, 12h, 7d."),
    ] = "7d",
    no_writers: Annotated[
        bool,
        typer.Option(
            "--no-writers",
            help="Your word that nobody writes the route's buckets now. Needed for --collect in the phase 'target' where the "
            "primary can't delete under a condition, as Ceph can't.",
        ),
    ] = False,
    bucket: BucketName = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, the last one the summary, for scripts.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Count the tombstones of a route: what it has deleted on the primary while the source may still hold it.

    Ages are by the primary's clock. A run that is interrupted loses nothing; run it again.
    """
    # Slow to import, and only used here.
    from foodco_storage.tombstones import collect as collected  # noqa: PLC0415
    from foodco_storage.tombstones import survey  # noqa: PLC0415

    configuration = loaded(config)
    fates: Counter[str] = Counter()
    count = size = old = freed = 0
    if collect:
        for one in collected(configuration, route, grace_seconds=grace, no_writers=no_writers, bucket=bucket):
            fates[one.fate] += 1
            count += 1
            size += one.tombstone.size
            freed += one.tombstone.size if one.fate == "collected" else 0
            if show:
                _show(one.tombstone, one.fate, as_json=as_json)
    else:
        for tombstone in survey(configuration, route, bucket=bucket):
            count += 1
            size += tombstone.size
            old += tombstone.age_seconds is not None and tombstone.age_seconds >= grace
            if show:
                _show(tombstone, "", as_json=as_json)
    summary: dict[str, Any] = {"tombstones": count, "bytes": size}
    summary |= {"fates": dict(fates), "freed_bytes": freed} if collect else {"older_than_grace": old}
    if as_json:
        print(json.dumps({"summary": {"route": route, **summary}}))  # noqa: T201 - not to be wrapped or coloured
    else:
        _show_summary(summary, grace)


def _show(tombstone: Tombstone, fate: str, *, as_json: bool) -> None:
    if as_json:
        line = {**asdict(tombstone), "modified": tombstone.modified.isoformat()} | ({"fate": fate} if fate else {})
        print(json.dumps(line))  # noqa: T201 - not to be wrapped or coloured
        return
    age = "of unknown age" if tombstone.age_seconds is None else f"{tombstone.age_seconds / _DAY_SECONDS:.1f} days old"
    where = f"{tombstone.bucket}/{printable(tombstone.key)}: {age}{f', {fate}' if fate else ''}"
    out.print(escape(where), soft_wrap=True, highlight=False)


def _show_summary(summary: dict[str, Any], grace: float) -> None:
    line = f"{summary['tombstones']:,} tombstones, {summary['bytes']:,} bytes"
    if "fates" in summary:
        fates = ", ".join(f"{count:,} {fate}" for fate, count in sorted(summary["fates"].items()))
        line += f": {fates}" if fates else ""
        line += f"; {summary['freed_bytes']:,} bytes freed"
    else:
        line += f"; {summary['older_than_grace']:,} older than {grace / _DAY_SECONDS:g} days"
    out.print(line, style="bold", highlight=False, soft_wrap=True)
