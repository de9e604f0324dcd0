"""A file, the environment's overlay, its references: one document, and then a configuration."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from foodco_storage.config.load import FILE_VARIABLE
from foodco_storage.config.model import SECRETS, Configuration
from foodco_storage.config.overlay import overlay
from foodco_storage.config.plain import joined, plain
from foodco_storage.config.secret import REFERENCE
from foodco_storage.config.validation import check
from foodco_storage.errors import ConfigurationError, Problem


def assemble(source: Any, environ: Mapping[str, str]) -> Configuration:
    """The configuration of a path, a mapping or objects, with the environment laid over it.

    Raises:
        ConfigurationError: with every mistake.
    """
    problems: list[Problem] = []
    document = _parsed(source, environ) if isinstance(source, Path) else {} if source is None else source
    document = plain(document, "", problems)
    if not isinstance(document, dict):
        return check(document, problems)
    plaintext = list(_plaintext(document)) if isinstance(source, Path) else []
    origins = overlay(document, environ, problems)
    # Found before, since a variable does not take a secret out of the file; told after, since one may accept it.
    problems += (problem for backend, problem in plaintext if not _accepts_plaintext(document, backend))
    document = _resolved(document, "", environ, problems)
    try:
        return check(document, problems)
    except ConfigurationError as error:
        found = [_with_variable(problem, origins) for problem in error.problems]
        raise ConfigurationError(found) from None


def _with_variable(problem: Problem, origins: Mapping[str, str]) -> Problem:
    """A problem with what a variable has set names the variable, and then the key."""
    for path, variable in origins.items():
        if problem.path == path or problem.path.startswith((f"{path}.", f"{path}[")):
            return Problem(variable, f"{problem.path} {problem.message}")
    return problem


def _parsed(path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        problem = Problem(str(path), f"is not TOML: {error}")
    except UnicodeDecodeError as error:
        problem = Problem(str(path), f"is not UTF-8: {error.reason} at byte {error.start}")
    except OSError as error:
        by = environ.get(FILE_VARIABLE)
        named = f" (named by {FILE_VARIABLE})" if by and path == Path(by) else ""
        problem = Problem(str(path), f"can't be read{named}: {error.strerror}")
    except (ValueError, RecursionError):  # a null byte in the path, a number of thousands of digits, deep nesting
        problem = Problem(str(path), "can't be read: not a path, or a number too long, or tables too deep")
    raise ConfigurationError([problem])


def _plaintext(document: Mapping[str, Any]) -> Iterator[tuple[str | None, Problem]]:
    """The secrets that a file holds itself, each with the name of its backend, if it is of one."""
    backends = document.get("backends")
    for name, backend in backends.items() if isinstance(backends, Mapping) else ():
        for key in SECRETS if isinstance(backend, Mapping) else ():
            value = backend.get(key)
            if isinstance(value, str) and not REFERENCE.fullmatch(value):
                message = (
                    "stands in the file in plain text; write a reference as in '${CEPH_SECRET_ACCESS_KEY}', or use "
                    "profile (allow_plaintext_secrets = true accepts it)"
                )
                yield name, Problem(joined(joined("backends", name), key), message)
    telemetry = document.get("telemetry")
    secret = telemetry.get("hash_secret") if isinstance(telemetry, Mapping) else None
    if isinstance(secret, str) and not REFERENCE.fullmatch(secret):
        message = "stands in the file in plain text; write a reference as in '${TELEMETRY_SECRET}'"
        yield None, Problem("telemetry.hash_secret", message)


def _accepts_plaintext(document: Mapping[str, Any], name: str | None) -> bool:
    backends = document.get("backends")
    backend = backends.get(name) if isinstance(backends, Mapping) and name is not None else None
    return isinstance(backend, Mapping) and backend.get("allow_plaintext_secrets") is True


def _resolved(value: Any, path: str, environ: Mapping[str, str], problems: list[Problem]) -> Any:
    """The document with `${NAME}` replaced by what the environment says."""
    if isinstance(value, dict):
        return {name: _resolved(inner, joined(path, name), environ, problems) for name, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner, f"{path}[{number}]", environ, problems) for number, inner in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        if name not in environ:
            problems.append(Problem(path, f"refers to ${{{name}}}, which is not set in the environment"))
        return environ.get(name, "")

    return REFERENCE.sub(replaced, value)
