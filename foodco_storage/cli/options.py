"""Options that several commands have, and what they are read as."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Annotated

import typer

from foodco_storage.config import Configuration, load
from foodco_storage.errors import ConfigurationError, Problem

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration file. By default FOODCO_STORAGE_CONFIG, then ~/.config/foodco_storage/config.toml, then "
        "/etc/foodco_storage/config.toml.",
    ),
]
RouteName = Annotated[str, typer.Argument(metavar="ROUTE", help="The route's name in the configuration.")]
BucketName = Annotated[
    str | None,
    typer.Option(
        "--bucket", metavar="NAME", help="Only this bucket; needed where the route names its buckets by a pattern."
    ),
]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_LONGEST_DAYS = 36500


def loaded(path: Path | None) -> Configuration:
    """The configuration, which there must be.

    Raises:
        ConfigurationError: there is none, or it is wrong.
    """
    configuration = load(path)
    if configuration is None:
        raise ConfigurationError([Problem("configuration", "there is none; name a file by --config")])
    return configuration


def seconds(text: str) -> float:
    """A duration: `90`, `90s`, `15m`, `12h`, `7d` or `2w`, as seconds.

    Raises:
        typer.BadParameter: it is none.
    """
    match = _DURATION.fullmatch(text.strip())
    value = float(match[1]) * _SECONDS[match[2]] if match else None
    if value is None or value > _LONGEST_DAYS * 86400:
        raise typer.BadParameter(f"{text!r} is no duration: say 90s, 15m, 12h, 7d or 2w")
    return value


def moment(text: str) -> dt.datetime | dt.timedelta:
    """A time, `2026-11-24` or `2026-11-24T06:30`, in UTC where it names no zone; or a duration before now, with its unit.

    Raises:
        typer.BadParameter: it is neither.
    """
    text = text.strip()
    # A date without hyphens looks like a number.
    if text[-1:].isalpha() and text[-1:] != "Z" and not text.isalpha():
        return dt.timedelta(seconds=seconds(text))
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no time and no duration: say 2026-11-24, 2026-11-24T06:30+01:00, 12h or 7d"
        raise typer.BadParameter(message) from None
    return time if time.tzinfo is not None else time.replace(tzinfo=dt.UTC)


def printable(key: str) -> str:
    """A key on one line: as it is where it has nothing but characters that can be seen, else in quotes with escapes."""
    return key if key.isprintable() and key.strip() == key else repr(key)
