"""`foodco-storage journal`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape

from foodco_storage.cli.failures import FAILED, explained
from foodco_storage.cli.options import ConfigFile, loaded, printable
from foodco_storage.config.read import suggestion
from foodco_storage.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from foodco_storage.config import Configuration
    from foodco_storage.journal import Journal, Row, Summary

EPILOG: Final = (
    "Exit code: 0; 1 when entries remain after 'replay' or you did not want to 'drop' them; 2 when it could not be done, and "
    "where there is no journal to 'replay'."
)

REMAIN: Final = 1
"""Exit code when entries remain after a replay."""

out = Console()


class Action(StrEnum):
    """What to do with the journal."""

    SHOW = "show"
    LIST = "list"
    REPLAY = "replay"
    DROP = "drop"


@explained
def journal(
    action: Annotated[
        Action,
        typer.Argument(
            help="'show': how much there is of each route, how old, and why it failed last. 'list': every entry. 'replay': "
            "bring the other side up to date now. 'drop': forget the entries of --route that nobody can replay."
        ),
    ] = Action.SHOW,
    *,
    route: Annotated[str | None, typer.Option("--route", metavar="ROUTE", help="Only this route.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="'list' prints at most so many entries, the oldest first.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line, for scripts.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask before 'drop'.")] = False,
    config: ConfigFile = None,
) -> None:
    """Look at the writes that this host has acknowledged and the other side does not have yet, or bring them over.

    Services do that by themselves; 'replay' is for a store that was down, or before a phase is moved. It takes what no living
    process is at work on, and does not wait where services would after a failure.

    'drop' is for entries that no configuration replays any more: of a phase that is over, or of a store that has another
    address now. Their keys may differ on the two sides: `foodco-storage verify` says whether they do.
    """
    configuration = loaded(config)
    with _opened(configuration) as found:
        if found is not None:
            known = {*configuration.routes, *(one.route for one in found.summary())}
        else:
            known = set(configuration.routes)
        if route is not None and route not in known:
            raise ConfigurationError([Problem(f"routes.{route}", f"there is no such route{suggestion(route, known)}")])
        if action is Action.DROP:
            _drop(configuration, found, route, yes=yes)
            return
        if action is Action.REPLAY:
            if found is None:
                # No all-clear: the services may write another one, in another home.
                raise typer.Exit(FAILED)
            results = list(_replayed(configuration, route))
            remain = sum(one.entries for one in found.summary() if route in {None, one.route})
            _show_replay(results, remain, as_json=as_json)
            raise typer.Exit(REMAIN if remain else 0)
        if action is Action.LIST:
            for row in () if found is None else found.entries(route, limit):
                _show_row(row, as_json=as_json)
        elif found is None:
            _show_summaries([], as_json=as_json)
        else:
            _show_summaries([one for one in found.summary() if route in {None, one.route}], as_json=as_json)


@contextmanager
def _opened(configuration: Configuration, clock: Callable[[], float] = time.time) -> Iterator[Journal | None]:
    """The journal; None where nobody has written one yet: looking must not make one."""
    from foodco_storage.front.mirroring import journal_directory  # noqa: PLC0415 - slow to import, and only used here
    from foodco_storage.journal import Journal  # noqa: PLC0415 - the same

    directory: Path = journal_directory(configuration, os.environ)
    if not directory.exists():
        user = f" (user {os.geteuid()})"
        Console(stderr=True).print(f"there is no journal at {directory}{user}", soft_wrap=True, highlight=False)
        yield None
        return
    journal = Journal(directory, max_entries=configuration.journal.max_entries, clock=clock)
    try:
        yield journal
    finally:
        journal.close()


@dataclass(frozen=True)
class _Replayed:
    """What became of a route's entries."""

    route: str
    settled: int
    left: int
    message: str = ""


def _replayed(configuration: Configuration, only: str | None) -> Iterator[_Replayed]:
    """Reconcile what the journal holds for the routes of the configuration."""
    from foodco_storage.front.mirroring import Mirroring  # noqa: PLC0415 - slow to import, and only used here
    from foodco_storage.front.routes import MIRRORED  # noqa: PLC0415 - the same
    from foodco_storage.front.standalone import opened, phase_of  # noqa: PLC0415 - the same
    from foodco_storage.journal.store import MAX_BACKOFF_SECONDS  # noqa: PLC0415 - the same

    def later() -> float:
        # Nothing is left alone for longer after a failure: by this clock all of it is due.
        return time.time() + MAX_BACKOFF_SECONDS

    for name in configuration.routes if only is None else [only] if only in configuration.routes else []:
        try:
            phase = phase_of(configuration, name)
        except ConfigurationError as error:
            if only is not None:
                raise
            yield _Replayed(name, 0, 0, str(error))
            continue
        if phase not in MIRRORED:
            continue
        with _opened(configuration, later) as journal:
            assert journal is not None  # noqa: S101 - for mypy
            with opened(configuration, name, phase=phase, journal=journal, changes=True) as route:
                mirroring = Mirroring(journal)
                mirroring.serve(route.driver, route.route)
                route.wait_to_reconcile()
                settled = left = 0
                # Services go on: what they add meanwhile is theirs.
                there = journal.depth(route.route.identity)
                while settled + left < there:
                    done, undone = mirroring.replay()
                    if not done + undone:
                        break
                    settled, left = settled + done, left + undone
        yield _Replayed(name, settled, left)


def _drop(configuration: Configuration, journal: Journal | None, route: str | None, *, yes: bool) -> None:
    """Take out what no living process works on."""
    from foodco_storage.journal.store import MAX_BACKOFF_SECONDS  # noqa: PLC0415 - slow to import, and only used here

    if route is None:
        raise ConfigurationError([Problem("--route", "is missing: which route's entries are to be dropped?")])
    if journal is None:
        return
    found = [one for one in journal.summary() if one.route == route]
    entries = sum(one.entries for one in found)
    question = f"Forget {entries:,} writes of route {route!r} that the other side may not have?"
    if not entries or not (yes or typer.confirm(question)):
        raise typer.Exit(REMAIN if entries else 0)
    dropped = 0
    with _opened(configuration, lambda: time.time() + MAX_BACKOFF_SECONDS) as later:
        while later is not None and (taken := later.take([one.identity for one in found])):
            later.settle([one.number for one in taken])
            dropped += len(taken)
    text = f"{dropped:,} dropped, {entries - dropped:,} are being worked on; see `foodco-storage verify {route}`"
    out.print(text, soft_wrap=True, highlight=False)


def _show_replay(results: list[_Replayed], remain: int, *, as_json: bool) -> None:
    for one in results:
        if as_json:
            print(json.dumps(asdict(one)))  # noqa: T201 - not to be wrapped or coloured
        else:
            message = one.message or f"{one.settled:,} settled, {one.left:,} left"
            out.print(f"{one.route}: {escape(message)}", soft_wrap=True, highlight=False)
    if as_json:
        print(json.dumps({"summary": {"settled": sum(one.settled for one in results), "remain": remain}}))  # noqa: T201 - as above
    else:
        text = f"{remain:,} entries remain" + (": `foodco-storage journal show` says why" if remain else "")
        out.print(text, style="bold", highlight=False, soft_wrap=True)


def _show_row(row: Row, *, as_json: bool) -> None:
    entry = row.entry
    if as_json:
        line: dict[str, Any] = {**asdict(row), **asdict(entry)}
        del line["entry"]
        print(json.dumps(line))  # noqa: T201 - not to be wrapped or coloured
        return
    state = "waits" if row.deferred else "is being worked on"
    text = f"{entry.route}: {entry.bucket}/{printable(entry.key)} {state}, {row.age_seconds:.0f} s old"
    if row.attempts:
        text += f", failed {row.attempts} times: {row.last_error}"
    out.print(escape(text), soft_wrap=True, highlight=False)


def _show_summaries(summaries: list[Summary], *, as_json: bool) -> None:
    for one in summaries:
        authority = one.identity.rpartition(":")[2]
        if as_json:
            print(json.dumps({**asdict(one), "authority": authority}))  # noqa: T201 - not to be wrapped or coloured
            continue
        text = f"{one.route}: {one.entries:,} writes that {authority!r} has taken, the oldest {one.oldest_seconds:.0f} s ago"
        if one.last_error:
            text += f"; failed last: {one.last_error}"
        out.print(escape(text), soft_wrap=True, highlight=False)
    if not summaries and not as_json:
        out.print("nothing is left to be mirrored", highlight=False)
