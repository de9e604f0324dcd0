"""A file, the environment's overlay, its references: one document, and then a configuration."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from foodco_storage.config.check import check
from foodco_storage.config.load import FILE_VARIABLE, OVERLAY_PREFIX
from foodco_storage.config.model import Backend, Configuration, Default, Route, encode
from foodco_storage.config.read import suggestion
from foodco_storage.errors import ConfigurationError, Problem

_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_SECRETS = ("access_key_id", "secret_access_key", "session_token")


def assemble(source: Any, environ: Mapping[str, str]) -> Configuration:
    """The configuration of a path, a mapping or objects, with the environment laid over it.

    Raises:
        ConfigurationError: with every mistake.
    """
    problems: list[Problem] = []
    if isinstance(source, Path):
        document = _parsed(source, environ)
        _refuse_plaintext(document, problems)
    elif isinstance(source, Configuration):
        document = msgspec.to_builtins(source, enc_hook=encode)
    else:
        document = copy.deepcopy(dict(source or {}))
    _overlay(document, environ, problems)
    return check(_resolved(document, "", environ, problems), problems)


def _parsed(path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        problem = Problem(str(path), f"is not TOML: {error}")
    except UnicodeDecodeError as error:
        problem = Problem(str(path), f"is not UTF-8: {error.reason} at byte {error.start}")
    except OSError as error:
        named = " (named by " + FILE_VARIABLE + ")" if environ.get(FILE_VARIABLE) == str(path) else ""
        problem = Problem(str(path), f"can't be read{named}: {error.strerror}")
    raise ConfigurationError([problem])


def _refuse_plaintext(document: Mapping[str, Any], problems: list[Problem]) -> None:
    backends = document.get("backends")
    for name, backend in backends.items() if isinstance(backends, Mapping) else ():
        if not isinstance(backend, Mapping) or backend.get("allow_plaintext_secrets") is True:
            continue
        for key in _SECRETS:
            value = backend.get(key)
            if isinstance(value, str) and not _REFERENCE.fullmatch(value):
                message = (
                    "stands in the file in plain text; write a reference as in '${CEPH_SECRET_ACCESS_KEY}', or use profile "
                    "(allow_plaintext_secrets = true accepts it)"
                )
                problems.append(Problem(f"backends.{name}.{key}", message))


def _overlay(document: dict[str, Any], environ: Mapping[str, str], problems: list[Problem]) -> None:
    for variable in sorted(environ):
        if variable.startswith(OVERLAY_PREFIX):
            parts = variable.removeprefix(OVERLAY_PREFIX).split("__")
            _set(document, parts, environ[variable], variable, problems)


def _set(document: dict[str, Any], parts: list[str], value: str, variable: str, problems: list[Problem]) -> None:
    """Put one variable into the document; names are matched without regard to case and to `-` against `_`."""
    table: Any = document
    path: list[str] = []
    struct: Any = Configuration
    for part in parts:
        if not isinstance(table, dict):
            problems.append(Problem(variable, f"{'.'.join(path)} is no table"))
            return
        known = [*table, *(getattr(struct, "__struct_fields__", ()))]
        name = next((name for name in known if _folded(name) == _folded(part)), part.lower())
        if hasattr(struct, "__struct_fields__") and name not in struct.__struct_fields__:
            where = ".".join([*path, name])
            problems.append(Problem(variable, f"there is no key {where!r}{suggestion(name, struct.__struct_fields__)}"))
            return
        path.append(name)
        if len(path) == len(parts):
            table[name] = _typed(value, struct, name)
            return
        struct = _below(struct, name, path)
        table = table.setdefault(name, {})


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def _below(struct: Any, name: str, path: list[str]) -> Any:
    """The table that stands under a key; None for one whose keys are free names."""
    if path in (["backends"], ["routes"]):
        return None
    if len(path) == 2:  # noqa: PLR2004 - backends.NAME, routes.NAME, default.KEY
        return {"backends": Backend, "routes": Route}.get(path[0])
    if path == ["default"]:
        return Default
    factory = (
        next((f.default_factory for f in msgspec.structs.fields(struct) if f.name == name), None) if struct else None
    )
    return factory if isinstance(factory, type) and issubclass(factory, msgspec.Struct) else None


def _typed(value: str, struct: Any, name: str) -> Any:
    """The value as the key's type wants it: lists and tables are JSON, or names with commas between them."""
    field = next((f for f in msgspec.structs.fields(struct) if f.name == name), None) if struct else None
    if field is None:
        return value
    if (isinstance(field.default_factory, type) and issubclass(field.default_factory, list | dict)) or name == "bucket":
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
        if isinstance(parsed, list | dict):
            return parsed
        names = [part.strip() for part in value.split(",") if part.strip()]
        return names if name != "bucket" or len(names) != 1 else value
    for kind in (bool, float):
        try:
            loose = msgspec.convert(value, kind, strict=False)
            exact = msgspec.convert(
                int(loose) if kind is float and loose == int(loose) else loose, field.type, strict=True
            )
        except (msgspec.ValidationError, TypeError, ValueError):
            continue
        return exact if not isinstance(exact, str) else value
    return value


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
