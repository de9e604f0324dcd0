"""How paths and URLs are told, in errors, logs and reports."""

from __future__ import annotations

import re

_USER = re.compile(r"(?<=://)[^/@]*@")
_WITH_QUERY = re.compile(r"(?:.*::)?https?://")


def shown(place: str) -> str:
    """A path or URL without user, password and query: those may be credentials, or a presigned URL's signature.

    Example:
        shown("https://me:secret@host/log?X-Amz-Signature=1") == "https://host/log"
    """
    told = _USER.sub("", place, count=1)
    # Elsewhere a question mark is a part of a name like any other.
    return told.partition("?")[0] if _WITH_QUERY.match(told) else told
