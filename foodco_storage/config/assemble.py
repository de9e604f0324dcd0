"""A file, the environment's overlay, its references: one document, and then a configuration."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from foodco_storage.config.load import FILE_VARIABLE
from foodco_storage.config.model import SECRETS, Configuration, to_document
from foodco_storage.config.overlay import overlay
from foodco_storage.config.validation import check
from foodco_storage.errors import ConfigurationError, Problem

_REFERENCE = re.compile(r"\$\{([^}]*)\}")


def assemble(source: Any, environ: Mapping[str, str]) -> Configuration:
    """The configuration of a path, a mapping or objects, with the environment laid over it.

    Raises:
        ConfigurationError: with every mistake.
    """
    try:
        return _assemble(source, environ)
    except RecursionError:
        problem = Problem(
            str(source) if isinstance(source, Path) else "", "holds too many tables or lists inside each other"
        )
    raise ConfigurationError([problem])


def _assemble(source: Any, environ: Mapping[str, str]) -> Configuration:
    problems: list[Problem] = []
    document = to_document(_parsed(source, environ) if isinstance(source, Path) else source or {})
    if isinstance(document, dict):
        plaintext = list(_plaintext(document)) if isinstance(source, Path) else []
        overlay(document, environ, problems)
        # Afterwards, since the overlay may insist.
        problems += (problem for backend, problem in plaintext if not _insisted(document, backend))
    return check(_resolved(document, "", environ, problems), problems)


def _parsed(path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except UnicodeDecodeError as error:
        problem = Problem(str(path), f"is not UTF-8: {error.reason} at byte {error.start}")
    except OSError as error:
        named = f" (named by {FILE_VARIABLE})" if path == Path(environ.get(FILE_VARIABLE, "")) else ""
        problem = Problem(str(path), f"can't be read{named}: {error.strerror}")
    except ValueError as error:
        # Beside TOML's own errors: a number with thousands of digits, and a path that can't be one.
        problem = Problem(str(path), f"is not TOML: {error}")
    raise ConfigurationError([problem])


def _plaintext(document: Mapping[str, Any]) -> Iterator[tuple[str, Problem]]:
    """The secrets that stand in a file themselves, each with the name of its backend."""
    backends = document.get("backends")
    for name, backend in backends.items() if isinstance(backends, dict) else ():
        for key in SECRETS if isinstance(backend, dict) else ():
            value = backend.get(key)
            if isinstance(value, str) and not _REFERENCE.fullmatch(value):
                message = (
                    "stands in the file in plain text; write a reference as in '${CEPH_SECRET_ACCESS_KEY}', or use profile "
                    "(allow_plaintext_secrets = true accepts it)"
                )
                yield name, Problem(f"backends.{name}.{key}", message)


def _insisted(document: Mapping[str, Any], name: str) -> bool:
    backends = document["backends"]
    backend = backends.get(name) if isinstance(backends, dict) else None
    return isinstance(backend, dict) and backend.get("allow_plaintext_secrets") is True


def _resolved(value: Any, path: str, environ: Mapping[str, str], problems: list[Problem]) -> Any:
    """The document with `${NAME}` replaced by what the environment says."""
    if isinstance(value, dict):
        return {
            name: _resolved(inner, f"{path}.{name}" if path else str(name), environ, problems)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_resolved(inner, f"{path}[{number}]", environ, problems) for number, inner in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        if name not in environ:
            problems.append(Problem(path, f"refers to ${{{name}}}, which is not set in the environment"))
        return environ.get(name, "")

    return _REFERENCE.sub(replaced, value)
