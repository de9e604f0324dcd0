"""Which filesystems are the same one.

fsspec keeps an instance for every set of arguments. What ours stands for is the stores behind it as well, which the
environment and a file may say: an instance made before they changed is not given out again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from fsspec.asyn import AsyncFileSystem
from fsspec.config import apply_config
from fsspec.utils import tokenize

from foodco_storage.filesystem import origin


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
        session = origin.session_of(kwargs)
        known = cls._asked.origin = origin.now(kwargs)
        try:
            instance = super().__call__(*args, **kwargs)
        finally:
            cls._asked.origin = before
        if "_stable_token" not in instance.__dict__:
            instance.__dict__["_origin"] = known
            # While it lives, no other session has its `id`.
            instance.__dict__["_session"] = session
            instance.__dict__["_stable_token"] = _stable_token(cls, args, instance.storage_options)
            cls._forget(lambda one: one is not instance and _replaces(instance, one))
        return instance

    def opened(cls, instance: Any) -> None:
        """An instance has read its configuration: where that changed since it was asked for, it is not given out again."""
        known = instance.__dict__.get("_origin")
        if known is None or known == origin.now(instance.storage_options):
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


def _stable_token(cls: type, args: tuple[Any, ...], options: Mapping[str, Any]) -> str:
    """A name for what an instance stands for, the same in every process (fsspec's own holds the process's number)."""
    others = {name: value for name, value in sorted(options.items()) if name not in {"storage", "session", "loop"}}
    token: str = tokenize(cls.__module__, cls.__qualname__, *args, origin=origin.by_content(options), **others)
    return token
