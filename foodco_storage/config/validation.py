"""Validating a configuration: what each key must be, then what they must be together. All mistakes are told at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from foodco_storage.config.backend_checks import backends
from foodco_storage.config.cache_checks import caches
from foodco_storage.config.compression_checks import compression
from foodco_storage.config.model import CALLER, Configuration
from foodco_storage.config.plain import joined, plain
from foodco_storage.config.read import read
from foodco_storage.config.route_checks import default, routes, twice
from foodco_storage.config.telemetry_checks import telemetry
from foodco_storage.errors import ConfigurationError, Problem

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)
_T = TypeVar("_T")


def check(source: Configuration | Mapping[str, Any], problems: list[Problem] | None = None) -> Configuration:
    """Validate a configuration, given as objects or as the mapping that a file holds.

    Args:
        source: the configuration.
        problems: mistakes found before, to be told with the others.

    Raises:
        ConfigurationError: with every mistake.
    """
    found = list(problems or ())
    configuration = _told_once(found, lambda new: read(plain(source, "", new), new))
    # Without backends every name of one would be told as a mistake.
    if configuration is not None and all(problem.path != "backends" for problem in found):
        _told_once(found, lambda new: new.extend(problem for one in _CHECKS for problem in one(configuration)))
    if found or configuration is None:
        raise ConfigurationError(found)
    return configuration


def _told_once(found: list[Problem], stage: Callable[[list[Problem]], _T]) -> _T:
    """Run a stage; of what it finds, keep what is not the echo of a mistake found before at the same place."""
    new: list[Problem] = []
    result = stage(new)
    known = tuple({problem.path for problem in found})
    below = tuple(f"{path}{separator}" for path in known for separator in ".[")
    found += [
        problem
        for problem in new
        if problem.path not in known
        and not problem.path.startswith(below)
        # A list without its unreadable items may look empty.
        and not any(path.startswith(f"{problem.path}[") for path in known)
    ]
    return result


def _names(configuration: Configuration) -> Iterator[Problem]:
    for kind, names in (("backends", configuration.backends), ("routes", configuration.routes)):
        for name in names:
            if not _NAME.fullmatch(name):
                yield Problem(joined(kind, name), "a name is made of letters, digits, '-' and '_'")
    if CALLER in configuration.backends:
        yield Problem(f"backends.{CALLER}", "'caller' is reserved for the caller's own arguments; choose another name")


_CHECKS: tuple[Callable[[Configuration], Iterator[Problem]], ...] = (
    _names,
    backends,
    default,
    routes,
    twice,
    caches,
    compression,
    telemetry,
)
