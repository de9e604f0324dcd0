"""What one backend must be beyond the types of its keys, and when two are one store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from foodco_storage.config.model import SECRETS, Backend, Configuration
from foodco_storage.config.plain import joined
from foodco_storage.config.secret import Secret
from foodco_storage.errors import Problem

# urlsplit drops line breaks and tabs without a word.
_SPACE = re.compile(r"[\s\x00-\x1f]")


def backends(configuration: Configuration) -> Iterator[Problem]:
    """Mistakes in the backends."""
    for name, backend in configuration.backends.items():
        yield from _backend(joined("backends", name), backend)


def _backend(path: str, backend: Backend) -> Iterator[Problem]:
    url = backend.endpoint_url
    if url is None:
        if backend.preset in ("ceph", "s3"):
            yield Problem(f"{path}.endpoint_url", f"is missing: preset {backend.preset!r} needs the store's URL")
    elif (why := _wrong_url(url)) is not None:
        yield Problem(f"{path}.endpoint_url", why)
    yield from _credentials(path, backend)
    if backend.verify == "":
        yield Problem(f"{path}.verify", "is empty; name a CA bundle, or leave it out")


def _credentials(path: str, backend: Backend) -> Iterator[Problem]:
    pair = (backend.access_key_id, backend.secret_access_key)
    if pair.count(None) == 1:
        missing = "secret_access_key" if backend.secret_access_key is None else "access_key_id"
        yield Problem(f"{path}.{missing}", "is missing: a key pair needs both")
    keys = any(value is not None for value in (*pair, backend.session_token))
    if backend.session_token is not None and None in pair:
        yield Problem(f"{path}.session_token", "needs access_key_id and secret_access_key beside it")
    if keys and backend.profile is not None:
        yield Problem(f"{path}.profile", "stands beside keys; keep one of the two")
    if backend.anonymous and (keys or backend.profile is not None):
        yield Problem(f"{path}.anonymous", "stands beside credentials; keep one of the two")
    for key in (*SECRETS, "profile", "region"):
        if getattr(backend, key) in ("", Secret("")):
            yield Problem(f"{path}.{key}", "is empty; leave it out, or set the variable that it refers to")


def _wrong_url(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine or _SPACE.search(url):
        return "must be a URL as in 'https://rgw.example.internal:8443'"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user or a password; use access_key_id and secret_access_key"
    if parts.query or parts.fragment:
        return "must not hold a query or a fragment"
    return None


def store_of(backend: Backend) -> tuple[object, ...] | None:
    """What has one name space of buckets; None where the configuration does not say."""
    if backend.endpoint_url is None:
        # A profile may name an endpoint or a region of its own.
        if backend.preset not in (None, "aws") or backend.profile is not None:
            return None
        # AWS has one in each of its partitions, whoever asks.
        return ("aws", next((start for start in ("cn-", "us-gov-") if (backend.region or "").startswith(start)), ""))
    if _wrong_url(backend.endpoint_url) is not None:
        return None
    url = urlsplit(backend.endpoint_url)
    port = url.port or (443 if url.scheme == "https" else 80)
    # Other credentials may mean another tenant of the same Ceph, with buckets of its own.
    return (url.hostname, port, url.path.rstrip("/"), backend.access_key_id, backend.profile, backend.anonymous)
