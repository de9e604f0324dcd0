"""Prefixes of keys, and how a row says what it stands for.

A key that is no longer told apart goes into the row of a prefix of it, first of `FOLD_DEPTH` segments, of fewer where there
would be too many. So nothing is ever missing from totals; what a row of a prefix can't tell is which keys, or longer
prefixes, it was.
"""

from __future__ import annotations

WHOLE = 1025
"""The depth of a row that stands for one key: more segments than its 1024 bytes can have."""

FOLD_DEPTH = 3
"""How many segments are kept of a key that is told apart no more."""

ANY_BUCKET = "*"
"""Stands for buckets that are told apart no more."""


def prefix_of(key: str, depth: int) -> str:
    """The prefix of a key up to its slash number `depth`, or up to its last slash where it has fewer.

    For any shorter depth, the prefix of the prefix is the prefix of the key.

    Args:
        key: the object's, or a prefix.
        depth: 0 for the empty prefix; `WHOLE` for the key itself.

    Example:
        prefix_of("a/b/c.jpg", 1) == "a/"
        prefix_of("a/b/c.jpg", 9) == "a/b/"
    """
    if depth >= WHOLE:
        return key
    end = 0
    for _ in range(depth):
        slash = key.find("/", end)
        if slash < 0:
            break
        end = slash + 1
    return key[:end]


def as_text(text: str) -> str:
    """A text that any database takes: what is no Unicode (a lone surrogate), or is NUL, is written as Python escapes it."""
    if text.isascii():
        return text if "\0" not in text else text.replace("\0", "\\x00")
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
