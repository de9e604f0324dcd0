"""Values that must not be seen, and references to them."""

from __future__ import annotations

import re

REFERENCE = re.compile(r"\$\{([^}]*)\}")
"""Stands for an environment variable."""


class Secret:
    """A string that shows itself only when asked to by name: not in a repr, a log or an error."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)
