"""Which filesystems are the same one.

fsspec keeps an instance for every set of arguments. What ours stands for is the stores behind it as well, which the
environment and a file may say: an instance made before they changed is not given out again.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from fsspec.asyn import AsyncFileSystem
from fsspec.utils import tokenize

from foodco_storage.config.load import FILE_VARIABLE, OVERLAY_PREFIX
from foodco_storage.config.load import find as find_file
from foodco_storage.session import default_storage


class Instances(type(AsyncFileSystem)):  # type: ignore[misc] # fsspec is untyped
    """The class of the filesystem's class: looks at the configuration before an instance is given out again."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Give the instance for some arguments, a new one where the old one knows another configuration."""
        origin = origin_of(kwargs.get("storage"), kwargs.get("session"))
        instance = super().__call__(*args, **kwargs)
        known = instance.__dict__.setdefault("_origin", origin)
        if known != origin:
            # Who has the old one may go on with it.
            cls._cache.pop(instance._fs_token_, None)
            instance = super().__call__(*args, **kwargs)
            instance.__dict__["_origin"] = origin
        return instance


def origin_of(storage: Any, session: Any) -> Any:
    """What a client is made from, as it is now: two that are equal say the same.

    Args:
        storage: the argument of the filesystem.
        session: the same; fsspec would tell sessions apart by their repr, which hides whose they are.
    """
    environment = tuple(
        sorted(item for item in os.environ.items() if item[0].startswith(OVERLAY_PREFIX) or item[0] == FILE_VARIABLE)
    )
    if storage is None:
        storage = default_storage()
    if storage is None or isinstance(storage, str | os.PathLike):
        return environment, session, _state(find_file(storage))
    return environment, session, deepcopy(storage) if isinstance(storage, Mapping) else storage


def _state(path: Path | None) -> tuple[Any, ...] | None:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return (str(path),)
    return str(path), found.st_mtime_ns, found.st_size, found.st_ino


def stable_token(cls: type, args: tuple[Any, ...], options: Mapping[str, Any]) -> str:
    """A name for what an instance stands for, the same in every process (fsspec's own holds the process's number).

    Args:
        cls: of the filesystem.
        args: its positional arguments.
        options: its keyword arguments.
    """
    storage = options.get("storage")
    others = {name: value for name, value in sorted(options.items()) if name not in {"storage", "loop"}}
    if storage is not None and not isinstance(storage, str | os.PathLike):
        # By its content, since its repr hides secrets.
        storage = hashlib.sha256(pickle.dumps(storage, protocol=4)).hexdigest()
    token: str = tokenize(cls.__module__, cls.__qualname__, *args, storage=str(storage), **others)
    return token
