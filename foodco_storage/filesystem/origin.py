"""What a filesystem's client is made from: arguments, the configuration, the environment, a session. As digests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
from msgspec import Struct

from foodco_storage.config.load import FILE_VARIABLE, OVERLAY_PREFIX
from foodco_storage.config.load import find as find_file
from foodco_storage.config.secret import REFERENCE, Secret
from foodco_storage.session import default_storage


def session_of(options: Mapping[str, Any]) -> Any:
    """The session that the client is made by; None where a profile says which to make."""
    if options.get("session") is not None:
        return options["session"]
    return None if options.get("profile") is not None else boto3._get_default_session()  # noqa: SLF001 - `client` asks it too


def now(options: Mapping[str, Any]) -> str:
    """What a client of some arguments would be made from now. Instances hold their sessions, so no two have one `id`."""
    return _digest(options, _state, id)


def by_content(options: Mapping[str, Any]) -> str:
    """The same by what is said in files and to sessions: equal in every process."""
    return _digest(options, _content, _said_by_session)


def _digest(options: Mapping[str, Any], file_state: Callable[[Path], Any], session_state: Callable[[Any], Any]) -> str:
    """A digest of all that a client is made from: secrets are part of it."""
    storage = options.get("storage")
    if storage is None:
        storage = default_storage()
    if storage is None or isinstance(storage, str | os.PathLike):
        path = find_file(storage)
        said, named = (
            (None, frozenset()) if path is None else ((str(path), file_state(path)), _named_in(path, _state(path)))
        )
    else:
        said = _spelled(storage)
        named = frozenset(REFERENCE.findall(repr(said)))
    prefixes = (OVERLAY_PREFIX, "AWS_")
    # By names first: there are many more values than are wanted, each is decoded, and paths are opened by the thousand.
    environment = sorted(
        (name, os.environ.get(name))
        for name in os.environ
        if name.startswith(prefixes) or name == FILE_VARIABLE or name in named
    )
    whole = (environment, session_state(session_of(options)), said)
    return hashlib.sha256(repr(whole).encode("utf-8", "surrogateescape")).hexdigest()


def _state(path: Path) -> Any:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _content(path: Path) -> Any:
    try:
        return path.read_bytes()
    except OSError:
        return None


@lru_cache(maxsize=16)
def _named_in(path: Path, _state: Any) -> frozenset[str]:
    """Variables that a file refers to, as long as it is in one state."""
    return frozenset(REFERENCE.findall((_content(path) or b"").decode("utf-8", "replace")))


def _said_by_session(session: Any) -> Any:
    """Whose a session is, as far as it was told: what it finds by itself is the environment's."""
    if session is None:
        return None
    inner = getattr(session, "_session", None)
    credentials: Any = getattr(inner, "_credentials", None)
    told = credentials is not None and credentials.method == "explicit"
    return (
        getattr(session, "profile_name", None),
        getattr(session, "region_name", None),
        (credentials.access_key, credentials.secret_key, credentials.token) if told else None,
        _spelled(getattr(session, "_storage", None)),
    )


def _spelled(value: Any) -> Any:
    """A configuration with nothing hidden and in one order, whose repr tells it from every other."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Struct):
        return type(value).__name__, [(name, _spelled(getattr(value, name))) for name in value.__struct_fields__]
    if isinstance(value, Mapping):
        return sorted((repr(name), _spelled(one)) for name, one in value.items())
    if isinstance(value, list | tuple):
        return [_spelled(one) for one in value]
    return value
