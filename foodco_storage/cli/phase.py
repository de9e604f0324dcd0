"""`foodco-storage phase`: who holds which phase, and moving it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from foodco_storage.cli.failures import explained
from foodco_storage.cli.options import ConfigFile, RouteName, loaded
from foodco_storage.config import Configuration
from foodco_storage.config.read import suggestion
from foodco_storage.control.existence import create
from foodco_storage.control.flip import Checks, Flip
from foodco_storage.control.look import Shown, show
from foodco_storage.control.look import explained as told
from foodco_storage.control.phases import PHASES
from foodco_storage.errors import ConfigurationError, PhaseRefusedError, Problem
from foodco_storage.front.control_access import control_access
from foodco_storage.front.standalone import configured

phase_app = typer.Typer(
    help="Look at the phase of a route whose control object says it, and move it while clients run.",
    no_args_is_help=True,
)

out = Console()

_NO_WAY_BACK = frozenset({"drain", "target"})
_REFUSED = 1
_INTERRUPTED = 130

Phase = Annotated[str, typer.Argument(metavar="PHASE", help="source, backfill, cutover, drain or target.")]


@phase_app.command("show", epilog="Exit code: 0; 2 when it could not be found out.")
@explained
def phase_show(
    route: RouteName,
    *,
    tombstones: Annotated[
        bool, typer.Option("--tombstones", help="Count the tombstones too: lists the whole route.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    config: ConfigFile = None,
) -> None:
    """Print the phase of a route, the clients that hold it, and how much is left in their journals."""
    from foodco_storage.doctor.phase_checks import tombstones as count  # noqa: PLC0415 - slow to import

    configuration = loaded(config)
    with control_access(configuration, route, configured(configuration, route)) as access:
        shown = show(access.place, access.call)
    left = count(configuration, route, shown.record.phase) if tombstones and shown is not None else None
    if as_json:
        print(json.dumps(_plain(shown, left)))  # noqa: T201 - not to be wrapped or coloured
    elif shown is None:
        _tell(f"there is no control object; `foodco-storage phase init {route} PHASE` makes it")
    else:
        _show(shown, left)


@phase_app.command(
    "set",
    epilog="Exit code: 0 when the route is in the phase, 1 when you said no, 2 when it is not: the reasons say why.",
)
@explained
def phase_set(
    route: RouteName,
    phase: Phase,
    *,
    forget: Annotated[
        list[str] | None,
        typer.Option(
            "--forget", metavar="CLIENT", help="A client that is dead and has nothing left in its journal; repeatable."
        ),
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait for the clients, in each of the two pauses.")
    ] = 60.0,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="Read the content of objects that nothing else tells to be the same on both sides."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask before a move that can't be taken back.")] = False,
    config: ConfigFile = None,
) -> None:
    """Move a route to the next phase, or back, while its clients run: writes wait meanwhile, reads go on.

    Refused, with the reasons, where it is not safe. Interrupted, it leaves the route paused: run it again to go on, or name
    the old phase to take it back.
    """
    from foodco_storage.doctor.phase_checks import PhaseChecks  # noqa: PLC0415 - slow to import

    configuration = loaded(config)
    checks = PhaseChecks(configuration, route, deep=deep)
    if phase in _NO_WAY_BACK and not yes and not typer.confirm(f"There is no way back from {phase!r}. Move {route!r}?"):
        _tell("nothing was changed")
        raise typer.Exit(_REFUSED)
    with control_access(configuration, route, configured(configuration, route)) as access:
        flip = Flip(
            access.place,
            phase,
            checks=Checks(checks.before, checks.paused),
            forget=frozenset(forget or ()),
            wait_seconds=wait,
            quoted=access.quoted,
        )
        try:
            for line in flip.run(access.call):
                _tell(line)
        except KeyboardInterrupt:
            _tell("interrupted")
            if (shown := show(access.place, access.call)) is not None:
                for line in told(shown):
                    _tell(line)
            raise typer.Exit(_INTERRUPTED) from None


@phase_app.command("init", epilog="Exit code: 0 when it was made, 2 when it was not.")
@explained
def phase_init(route: RouteName, phase: Phase, *, config: ConfigFile = None) -> None:
    """Make the control object of a route that has none, in the phase in which the route is."""
    from foodco_storage.doctor.phase_checks import control_reasons  # noqa: PLC0415 - slow to import

    configuration: Configuration = loaded(config)
    settings = configured(configuration, route)
    if phase not in PHASES:
        raise ConfigurationError([Problem("PHASE", f"there is no phase {phase!r}{suggestion(phase, PHASES)}")])
    if reasons := control_reasons(configuration, route):
        raise PhaseRefusedError(reasons)
    with control_access(configuration, route, settings) as access:
        record = create(
            access.place,
            access.call,
            phase,
            lease_seconds=settings.control.lease_seconds,
            refresh_seconds=settings.control.refresh_seconds,
        )
    _tell(f"made, in phase {record.phase!r}")


def _show(shown: Shown, tombstones: int | None) -> None:
    record = shown.record
    for line in told(shown):
        _tell(line)
    _tell(f"epoch {record.epoch}, changed at {record.changed_at} by {record.changed_by}")
    for client in shown.clients:
        report = client.report
        held = client.problem
        if report is not None:
            held = f"holds {report.phase!r} (epoch {report.epoch}){', paused' if report.paused else ''}, "
            held += f"{report.in_flight} operations under way, {report.journal} in its journal"
        _tell(f"{client}: {held}; reported {client.age_seconds:.0f} s ago")
    if not shown.clients:
        _tell("no client writes")
    if tombstones is not None:
        _tell(f"{tombstones} tombstones on the primary")


def _plain(shown: Shown | None, tombstones: int | None) -> dict[str, Any]:
    if shown is None:
        return {"control": None}
    clients = [
        {
            "client": client.id,
            "age_seconds": client.age_seconds,
            "stale": client.is_stale,
            "problem": client.problem,
            "report": asdict(client.report) if client.report is not None else None,
        }
        for client in shown.clients
    ]
    return {"control": asdict(shown.record), "clients": clients, "tombstones": tombstones}


def _tell(text: str) -> None:
    out.print(escape(text), soft_wrap=True, highlight=False)
