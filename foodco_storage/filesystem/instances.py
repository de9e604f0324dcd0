"""Which filesystems are the same one.

fsspec keeps an instance for every set of arguments. What ours stands for is the stores behind it as well, which the
environment and a file may say: an instance made before they changed is not given out again.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
from fsspec.asyn import AsyncFileSystem
from fsspec.config import apply_config
from fsspec.utils import tokenize
from msgspec import Struct

from foodco_storage.config.load import FILE_VARIABLE, OVERLAY_PREFIX
from foodco_storage.config.load import find as find_file
from foodco_storage.config.model import REFERENCE
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
        # Kept until the first request and longer: the caller may go on to change what was given.
        kwargs = {name: _copied(value) for name, value in apply_config(cls, kwargs).items()}
        before = cls.origin
        session = _session_of(kwargs)
        origin = cls._asked.origin = _origin_now(kwargs)
        try:
            instance = super().__call__(*args, **kwargs)
        finally:
            cls._asked.origin = before
        if "_stable_token" not in instance.__dict__:
            instance.__dict__["_origin"] = origin
            # While it lives, no other session has its `id`.
            instance.__dict__["_session"] = session
            instance.__dict__["_stable_token"] = _stable_token(cls, args, instance.storage_options)
            cls._forget(lambda one: one is not instance and _replaces(instance, one))
        return instance

    def opened(cls, instance: Any) -> None:
        """An instance has read its configuration: where that changed since it was asked for, it is not given out again."""
        known = instance.__dict__.get("_origin")
        if known is None or known == _origin_now(instance.storage_options):
            return
        cls._forget(lambda one: one is instance)
        instance.__dict__["_stable_token"] = _stable_token(cls, instance.storage_args, instance.storage_options)

    def _forget(cls, which: Callable[[Any], bool]) -> None:
        """Give some instances out no more; who has one may go on with it."""
        with cls._instantiation_lock:
            for token in [token for token, one in cls._cache.items() if which(one)]:
                del cls._cache[token]


def _replaces(new: Any, old: Any) -> bool:
    """Whether two instances were asked for with the same arguments, under two configurations."""
    return bool(
        old.storage_args == new.storage_args
        and old.storage_options == new.storage_options
        and old.__dict__.get("_origin") != new.__dict__["_origin"]
    )


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(one) for name, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _session_of(options: Mapping[str, Any]) -> Any:
    """The session that the client is made by; None where a profile says which to make."""
    if options.get("session") is not None:
        return options["session"]
    return None if options.get("profile") is not None else boto3._get_default_session()  # noqa: SLF001 - `client` asks it too


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
    whole = (environment, session_state(_session_of(options)), said)
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


def _stable_token(cls: type, args: tuple[Any, ...], options: Mapping[str, Any]) -> str:
    """A name for what an instance stands for, the same in every process (fsspec's own holds the process's number)."""
    others = {name: value for name, value in sorted(options.items()) if name not in {"storage", "session", "loop"}}
    token: str = tokenize(
        cls.__module__, cls.__qualname__, *args, origin=_digest(options, _content, _said_by_session), **others
    )
    return token
