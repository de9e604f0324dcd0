"""`foodco-storage cache`."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from foodco_storage.cli.failures import explained
from foodco_storage.cli.options import ConfigFile, loaded
from foodco_storage.config.read import suggestion
from foodco_storage.errors import ConfigurationError, Problem

EPILOG: Final = "Exit code: 0; 1 when 'verify' has found damaged files; 2 when it could not be done."

_DAMAGED: Final = 1

out = Console()


class Action(StrEnum):
    """What to do with what is cached on disk."""

    STATS = "stats"
    CLEAR = "clear"
    VERIFY = "verify"


@explained
def cache(
    action: Annotated[
        Action,
        typer.Argument(
            help="'stats': how much there is of each route. 'clear': take it away; running services ask anew. "
            "'verify': read every file, and take away those that are damaged."
        ),
    ] = Action.STATS,
    *,
    route: Annotated[str | None, typer.Option("--route", metavar="ROUTE", help="Only this route.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line, for scripts.")] = False,
    config: ConfigFile = None,
) -> None:
    """Look at what services of this user keep on disk on this host of the objects that they read.

    What they keep in memory, and how often it was of use, each of them counts for itself: `foodco_storage.counters()`.
    """
    from foodco_storage.cache.folders import folders, forget_all  # noqa: PLC0415 - slow to import, and only used here
    from foodco_storage.front.caching import cache_directory  # noqa: PLC0415 - the same

    configuration = loaded(config)
    directory = cache_directory(configuration, os.environ)
    found = folders(directory)
    known = {*configuration.routes, *(one.route for one in found)} - {""}
    if route is not None and route not in known:
        raise ConfigurationError([Problem(f"routes.{route}", f"there is no such route{suggestion(route, known)}")])
    if not found and not as_json:
        out.print(
            f"nothing is cached in {escape(str(directory))} (user {os.geteuid()})", highlight=False, soft_wrap=True
        )
    if found and action is Action.CLEAR:
        forget_all(directory)
    damaged = 0
    for one in found:
        if route is not None and one.route != route:
            continue
        contents = one.contents()
        told = asdict(contents)
        name = f"{contents.route or 'a route'} ({contents.directory})"
        if action is Action.CLEAR:
            told["removed"] = one.clear()
            text = f"{name}: {_files(told['removed'])} removed"
        elif action is Action.VERIFY:
            paths = list(one.damaged())
            damaged += len(paths)
            told["damaged"] = paths
            text = f"{name}: {_files(contents.files)} read, {len(paths):,} of them damaged, and removed"
        else:
            text = f"{name}: {_files(contents.files)}, {contents.bytes:,} bytes"
            if contents.oldest_use is not None:
                text += f", the oldest not used for {max(0.0, time.time() - contents.oldest_use):,.0f} s"
        if as_json:
            print(json.dumps(told))  # noqa: T201 - not to be wrapped or coloured
        else:
            out.print(escape(text), highlight=False, soft_wrap=True)
    raise typer.Exit(_DAMAGED if damaged else 0)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"
