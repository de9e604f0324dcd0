"""Asking a server for its HTTP status, without proxies, credentials or redirects in the way."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit


def http_status(url: str, *, timeout_seconds: float = 5.0) -> int:
    """The status of a plain GET; 0 when there is no HTTP answer. `http://` only."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_seconds)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
