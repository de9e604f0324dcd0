"""Sizes: a number of bytes, or a string with a unit."""

from __future__ import annotations

import re
from typing import Any

_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B|B|)", re.ASCII)
_POWERS = {"": 0, "B": 0, "K": 1, "M": 2, "G": 3, "T": 4}


class ByteSize(int):
    """A number of bytes."""

    __slots__ = ()

    @classmethod
    def of(cls, value: Any) -> ByteSize:
        """Read a size: `67108864`, `"64MiB"` (powers of 1024), `"64MB"` (of 1000).

        Raises:
            ValueError: it is none.
        """
        if isinstance(value, str):
            match = _TEXT.fullmatch(value.strip())
            if match is None:
                raise ValueError("expected a number of bytes or a size such as '64MiB'")
            number, unit = match.groups()
            base = 1024 if "i" in unit else 1000
            value = int(float(number) * base ** _POWERS[unit[:1]])
        elif isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(  # noqa: TRY004 - one error for the reader of the configuration
                f"expected a number of bytes or a size such as '64MiB', got {type(value).__name__}"
            )
        if value <= 0:
            raise ValueError("expected a size above 0")
        return cls(value)
