"""`foodco-storage verify`."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape

from foodco_storage.cli.failures import explained
from foodco_storage.cli.options import BucketName, ConfigFile, RouteName, loaded, moment, printable

if TYPE_CHECKING:
    from foodco_storage.verify import Difference, Summary

EPILOG: Final = (
    "Exit code: 0 when both sides are as the phase demands, 1 when they are not, 2 when it could not be found out."
)

DIFFERENT: Final = 1
"""Exit code when the two sides are not as they should be."""

PROGRESS_SECONDS = 5.0
"""How often a long run tells how far it is."""

out = Console()
err = Console(stderr=True)


@explained
def verify(  # noqa: PLR0913 - the command's options
    route: RouteName,
    *,
    since: Annotated[
        Any,
        typer.Option(
            parser=moment,
            metavar="DATE|DURATION",
            help="Only keys that were changed later on either side: 2026-11-24, 2026-11-24T06:30+01:00 (UTC without a "
            "zone), or 12h, 7d before now. Does not find deletes that left no tombstone.",
        ),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Bring the other side up to date where it differs, as services would; on the primary, what the source does "
            "not hold is deleted by a tombstone. Then look at the key again.",
        ),
    ] = False,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Compare headers, metadata and tags of objects that look alike too (four requests a key), and read the "
            "content where ETags can't be compared.",
        ),
    ] = False,
    bucket: BucketName = None,
    limit: Annotated[int, typer.Option(min=0, help="Print at most so many differences; all are counted.")] = 100,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, the last one the summary, for scripts.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Compare the two sides of a route, as its phase demands, and print every difference.

    Both listings are laid side by side; what they can't tell is asked by HEAD. Before a difference is printed both sides are
    looked at again, so services may go on writing. Nothing is changed without --repair.
    """
    from foodco_storage.verify import verify as verification  # noqa: PLC0415 - slow to import, and only used here

    run = verification(
        loaded(config), route, since=since, repair=repair, deep=deep, bucket=bucket, progress=_Progress()
    )
    summary = run.summary
    if not as_json:
        out.print(f"phase {summary.phase}: {escape(summary.says)}", soft_wrap=True, highlight=False)
    try:
        for number, difference in enumerate(run):
            if number < limit:
                _show(difference, as_json=as_json)
    except Exception:
        if summary.at:
            where = escape(printable(summary.at))
            err.print(f"stopped after {summary.compared:,} keys, at {where}", soft_wrap=True, highlight=False)
        raise
    if as_json:
        print(json.dumps({"summary": _plain(summary)}))  # noqa: T201 - not to be wrapped or coloured
    else:
        _show_summary(summary, limit)
    raise typer.Exit(0 if summary.is_clean else DIFFERENT)


class _Progress:
    """Tells on stderr how far a verification is, now and then."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, summary: Summary) -> None:
        if time.monotonic() - self._told >= PROGRESS_SECONDS:
            self._told = time.monotonic()
            text = f"{summary.compared:,} keys, {summary.differences.total():,} differences, at {printable(summary.at)}"
            err.print(text, markup=False, soft_wrap=True, highlight=False)


def _show(difference: Difference, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(difference)))  # noqa: T201 - not to be wrapped or coloured
        return
    colour = "green" if difference.repaired else "bold red"
    end = " (repaired)" if difference.repaired else ""
    where = f"{difference.bucket}/{printable(difference.key)}: {difference.detail}{end}"
    out.print(f"[{colour}]{difference.kind:<11}[/] {escape(where)}", soft_wrap=True, highlight=False)


def _show_summary(summary: Summary, limit: int) -> None:
    found = summary.differences.total()
    if found > limit:
        out.print(f"... and {found - limit:,} more (--limit)", highlight=False)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(summary.differences.items()))
    parts = [f"{summary.compared:,} keys", f"{summary.same:,} the same", f"{found:,} differences"]
    line = ", ".join(parts) + (f" ({kinds})" if kinds else "")
    if summary.repaired:
        line += f", {summary.repaired:,} of them repaired"
    out.print(line, style="bold", highlight=False, soft_wrap=True)
    if summary.phase in {"drain", "target"}:
        out.print(f"{summary.in_source:,} objects are left in the source", highlight=False)
    if summary.not_on_primary:
        out.print(
            f"{summary.not_on_primary:,} keys are not yet on the primary: only the source holds them. They must come over "
            "before the phase 'target'",
            highlight=False,
            soft_wrap=True,
        )
    if summary.tombstones:
        out.print(f"{summary.tombstones:,} tombstones on the primary", highlight=False)


def _plain(summary: Summary) -> dict[str, Any]:
    return {**asdict(summary), "differences": dict(summary.differences), "is_clean": summary.is_clean}
