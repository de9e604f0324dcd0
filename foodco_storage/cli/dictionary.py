"""`foodco-storage dictionary`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from foodco_storage.cli.failures import explained
from foodco_storage.cli.options import BucketName, ConfigFile, RouteName, loaded

if TYPE_CHECKING:
    from foodco_storage.dictionaries import Trained

TRAIN_EPILOG: Final = (
    "Exit code: 0 when it was stored, or with --dry-run made; 2 when it was refused or could not be done."
)
LIST_EPILOG: Final = (
    "Exit code: 0 when every copy on the primary is there and right, 1 when not, 2 when it could not be found out."
)

_WRONG: Final = 1

out = Console()

dictionary_app = typer.Typer(
    help="Dictionaries, with which small objects are compressed to a fraction of what zstd makes of them alone.",
    no_args_is_help=True,
)


@dictionary_app.command(epilog=TRAIN_EPILOG)
@explained
def train(  # noqa: PLR0913 - the command's options
    route: RouteName,
    *,
    bucket: BucketName = None,
    prefix: Annotated[
        str | None, typer.Option("--prefix", metavar="PREFIX", help="Only objects whose keys start with this.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=50, max=100_000, help="How many objects at most.")] = 4000,
    size: Annotated[
        int,
        typer.Option("--size", min=1024, max=1024 * 1024, metavar="BYTES", help="The dictionary's size at most."),
    ] = 112_640,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Train and measure, and store nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")] = False,
    config: ConfigFile = None,
) -> None:
    """Train a dictionary on objects of a route, measure what it saves, and store it in every bucket of every backend.

    Four fifths of the objects are trained on, and the rest tells what it saves. Reads objects of up to 64 KiB; writes below
    the reserved prefix only. Put the id that it prints into the configuration, `routes.NAME.compression.dictionary`.
    """
    from foodco_storage.dictionaries import train as trained  # noqa: PLC0415 - slow to import, and only used here

    result = trained(
        loaded(config),
        route,
        bucket=bucket,
        prefix=prefix,
        samples=samples,
        dictionary_bytes=size,
        store=not dry_run,
    )
    if as_json:
        told = {name: value for name, value in asdict(result).items() if name != "data"}
        print(json.dumps(told | {"size": len(result.data)}))  # noqa: T201 - not to be wrapped or coloured
    else:
        _show(route, result)


def _show(route: str, result: Trained) -> None:
    def say(text: str) -> None:
        out.print(escape(text), highlight=False, soft_wrap=True)

    say(f"{result.listed:,} objects could be of use; trained on {result.samples:,} of them")
    say(
        f"{result.held_out:,} others, {result.held_out_bytes:,} bytes: {result.plain_bytes:,} with zstd alone "
        f"({result.held_out_bytes / result.plain_bytes:.2f} times smaller), {result.dictionary_bytes:,} with the dictionary "
        f"({result.held_out_bytes / result.dictionary_bytes:.2f} times)"
    )
    for copy in result.copies:
        say(f"{copy.where}: {'stored' if copy.repaired else copy.state}")
    if result.copies:
        say(f"now say in the configuration: routes.{route}.compression.dictionary = {result.id!r}")
    else:
        say(f"its id would be {result.id!r}; nothing was stored")


@dictionary_app.command("list", epilog=LIST_EPILOG)
@explained
def list_copies(
    route: RouteName,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put back what is missing or damaged, from a copy that is right.")
    ] = False,
    bucket: BucketName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line, for scripts.")] = False,
    config: ConfigFile = None,
) -> None:
    """Read and verify every copy of every dictionary of a route: objects that were compressed with one need it for ever."""
    from foodco_storage.dictionaries import copies  # noqa: PLC0415 - slow to import, and only used here

    wrong = count = 0
    for copy in copies(loaded(config), route, bucket=bucket, repair=repair):
        count += 1
        wrong += copy.state != "ok" and not copy.is_spare
        if as_json:
            print(json.dumps(asdict(copy)))  # noqa: T201 - not to be wrapped or coloured
            continue
        size = "" if copy.size is None else f", {copy.size:,} bytes"
        state = "put back" if copy.repaired else copy.state
        use = ", in use" if copy.in_use else ""
        out.print(escape(f"{copy.dictionary} {copy.where}: {state}{size}{use}"), highlight=False, soft_wrap=True)
    if not count and not as_json:
        out.print(f"route {route!r} has no dictionaries", highlight=False)
    raise typer.Exit(_WRONG if wrong else 0)
