"""Which filesystems are the same one.

fsspec keeps an instance for every set of arguments. What ours stands for is the stores behind it as well, which the
environment and a file may say: an instance made before they changed is not given out again.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fsspec.asyn import AsyncFileSystem
from fsspec.config import apply_config
from fsspec.utils import tokenize
from msgspec import Struct

from foodco_storage.config.load import FILE_VARIABLE, OVERLAY_PREFIX
from foodco_storage.config.load import find as find_file
from foodco_storage.config.secret import Secret
from foodco_storage.session import default_storage


class Instances(type(AsyncFileSystem)):  # type: ignore[misc] # fsspec is untyped
    """The class of the filesystem's class: tells instances apart by their configuration too."""

    _asked = threading.local()

    @property
    def origin(cls) -> str | None:
        """Part of fsspec's key of an instance (`_extra_tokenize_attributes`): the origin of what this thread asks for."""
        return getattr(cls._asked, "origin", None)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Give the instance for some arguments, a new one where those there are know another configuration."""
        kwargs = apply_config(cls, kwargs)
        before = cls.origin
        origin = cls._asked.origin = _origin_now(kwargs)
        try:
            instance = super().__call__(*args, **kwargs)
        finally:
            cls._asked.origin = before
        if "_stable_token" not in instance.__dict__:
            instance.__dict__["_origin"] = origin
            instance.__dict__["_stable_token"] = _stable_token(cls, args, instance.storage_options)
        return instance

    def opened(cls, instance: Any) -> None:
        """An instance has read its configuration: where that changed since it was asked for, it is not given out again."""
        known = instance.__dict__.get("_origin")
        if known is None or known == _origin_now(instance.storage_options):
            return
        with cls._instantiation_lock:
            for token in [token for token, one in cls._cache.items() if one is instance]:
                del cls._cache[token]
        instance.__dict__["_stable_token"] = _stable_token(cls, instance.storage_args, instance.storage_options)


def _origin_now(options: Mapping[str, Any]) -> str:
    """What a client of some arguments would be made from now. Instances hold their sessions, so no two have one `id`."""
    return _digest(options, _state, id)


def _digest(options: Mapping[str, Any], file_state: Callable[[Path], Any], session_state: Callable[[Any], Any]) -> str:
    """A digest of all that a client is made from: secrets are part of it."""
    storage = options.get("storage")
    if storage is None:
        storage = default_storage()
    if storage is None or isinstance(storage, str | os.PathLike):
        path = find_file(storage)
        storage = None if path is None else (str(path), file_state(path))
    environment = sorted(
        item for item in os.environ.items() if item[0].startswith(OVERLAY_PREFIX) or item[0] == FILE_VARIABLE
    )
    said = (environment, session_state(options.get("session")), _spelled(storage))
    return hashlib.sha256(repr(said).encode("utf-8", "surrogateescape")).hexdigest()


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


def _said_by_session(session: Any) -> Any:
    """Whose a session is; its repr hides it, and asking it for credentials may ask the network."""
    if session is None:
        return None
    inner = getattr(session, "_session", None)
    credentials = getattr(inner, "_credentials", None)
    return (
        getattr(session, "profile_name", None),
        getattr(session, "region_name", None),
        getattr(credentials, "access_key", None),
        getattr(credentials, "secret_key", None),
        getattr(credentials, "token", None),
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


def _stable_token(cls: type, args: tuple[Any, ...], options: Mapping[str, Any]) -> str:
    """A name for what an instance stands for, the same in every process (fsspec's own holds the process's number)."""
    others = {name: value for name, value in sorted(options.items()) if name not in {"storage", "session", "loop"}}
    token: str = tokenize(
        cls.__module__, cls.__qualname__, *args, origin=_digest(options, _content, _said_by_session), **others
    )
    return token
