"""What a caller or a file gave, as a document of plain dicts and lists, and the paths that name its places."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from foodco_storage.errors import Problem

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_DEEPEST = 16
"""Deeper than any key of the contract; ends cycles, and parsers' recursion, too."""


def joined(path: str, name: str) -> str:
    """The path of a key in a table, quoted as in TOML where it must be: one line, whatever the name."""
    key = name if _BARE.fullmatch(name) else json.dumps(name)
    return f"{path}.{key}" if path else key


def plain(value: Any, path: str, problems: list[Problem], depth: int = 0) -> Any:
    """A copy in dicts and lists. Secrets stay secrets, and what is left out of objects is left out."""
    if depth > _DEEPEST:
        problems.append(Problem(path, "is nested too deeply"))
        return None
    if isinstance(value, msgspec.Struct):
        fields = ((name, getattr(value, name)) for name in value.__struct_fields__)
        value = {name: inner for name, inner in fields if inner is not None}
    if isinstance(value, Mapping):
        table = {}
        for name, inner in value.items():
            if isinstance(name, str):
                table[name] = plain(inner, joined(path, name), problems, depth + 1)
            else:
                problems.append(Problem(path, f"has a key that is no string: {type(name).__name__}"))
        return table
    if isinstance(value, list | tuple):
        return [plain(inner, f"{path}[{number}]", problems, depth + 1) for number, inner in enumerate(value)]
    return value
