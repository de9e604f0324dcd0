"""Reading small JSON objects that anybody may have written."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from foodco_storage.errors import StorageError
from foodco_storage.flows.request import Response

MAX_BYTES: Final = 64 * 1024
"""A control object or report is read up to here."""

MAX_LETTERS: Final = 200
"""Strings in them are no longer."""


class DamagedError(StorageError):
    """An object of ours can't be made sense of: put it right, or take it away."""


def parsed(answer: Response) -> dict[str, Any]:
    """The object that a GET answered with.

    Raises:
        DamagedError: it is too large, not JSON, not an object, or of another version.
    """
    body = answer["Body"]
    try:
        text = body.read(MAX_BYTES + 1)
    finally:
        body.close()
    if len(text) > MAX_BYTES:
        raise DamagedError(f"it has more than {MAX_BYTES} bytes")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"it is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise DamagedError("it is no JSON object")
    if found.get("version") != 1:
        raise DamagedError(f"it is of version {found.get('version')!r}, which this version of the library can't read")
    return found


def word(found: dict[str, Any], name: str) -> str:
    """A string that may be shown: bounded, and without characters that steer a terminal."""
    value = found.get(name)
    if not isinstance(value, str) or len(value) > MAX_LETTERS or not value.isprintable():
        raise DamagedError(f"{name!r} is missing, or no short printable string")
    return value


def number(found: dict[str, Any], name: str) -> int:
    """A whole number, 0 or more."""
    value = found.get(name)
    if type(value) is not int or value < 0:
        raise DamagedError(f"{name!r} is missing, or not a whole number from 0")
    return value


def seconds(found: dict[str, Any], name: str) -> float:
    """A duration."""
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise DamagedError(f"{name!r} is missing, or no duration")
    return float(value)


def truth(found: dict[str, Any], name: str) -> bool:
    """True or false."""
    value = found.get(name)
    if not isinstance(value, bool):
        raise DamagedError(f"{name!r} is missing, or neither true nor false")
    return value
