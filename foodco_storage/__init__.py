"""A drop-in for boto3 that moves objects between S3-compatible stores without their users noticing.

`import foodco_storage as boto3` keeps existing code working: everything public of boto3's top level is here. An S3 client
made here goes through the routes of a configuration, if there is one; without one it is boto3's.

Example:
    import foodco_storage

    s3 = foodco_storage.client()
    answer = s3.get_object(Bucket="foodco-images", Key="pizza.jpg")
    answer["ResponseMetadata"]["Storage"]["backend"]  # who served it
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import boto3 as _boto3
from boto3 import NullHandler, logging, set_stream_logger

from foodco_storage import session
from foodco_storage.registration import register_s3, register_s3_if_configured
from foodco_storage.session import Session, client, resource, setup_default_session

if TYPE_CHECKING:
    from foodco_storage import errors
    from foodco_storage.config import (
        Backend,
        Configuration,
        Control,
        Default,
        Filesystem,
        Journal,
        Mirror,
        Promote,
        Route,
    )
    from foodco_storage.counting import counters
    from foodco_storage.errors import (
        CircuitOpenError,
        ConfigurationError,
        JournalError,
        OperationRefusedError,
        StorageError,
    )
    from foodco_storage.filesystem import FileChangedError, FoodcoFileSystem

__version__ = "0.1.0"

# What a plain client does not need is imported when it is asked for.
_LAZY = {
    "Backend": "foodco_storage.config",
    "CircuitOpenError": "foodco_storage.errors",
    "Configuration": "foodco_storage.config",
    "Control": "foodco_storage.config",
    "ConfigurationError": "foodco_storage.errors",
    "Default": "foodco_storage.config",
    "FileChangedError": "foodco_storage.filesystem",
    "Filesystem": "foodco_storage.config",
    "FoodcoFileSystem": "foodco_storage.filesystem",
    "Journal": "foodco_storage.config",
    "JournalError": "foodco_storage.errors",
    "Mirror": "foodco_storage.config",
    "OperationRefusedError": "foodco_storage.errors",
    "Promote": "foodco_storage.config",
    "Route": "foodco_storage.config",
    "StorageError": "foodco_storage.errors",
    "counters": "foodco_storage.counting",
}

__all__ = [
    "Backend",
    "CircuitOpenError",
    "Configuration",
    "ConfigurationError",
    "Control",
    "Default",
    "FileChangedError",
    "Filesystem",
    "FoodcoFileSystem",
    "Journal",
    "JournalError",
    "Mirror",
    "NullHandler",
    "OperationRefusedError",
    "Promote",
    "Route",
    "Session",
    "StorageError",
    "client",
    "counters",
    "errors",
    "logging",
    "register_s3",
    "resource",
    "session",
    "set_stream_logger",
    "setup_default_session",
]


class _Module(ModuleType):
    """Lets `boto3.DEFAULT_SESSION = None`, as tests write to be rid of a session, reach boto3 under this name too."""

    @property
    def DEFAULT_SESSION(self) -> Any:  # noqa: N802 - boto3's name
        return _boto3.DEFAULT_SESSION

    @DEFAULT_SESSION.setter
    def DEFAULT_SESSION(self, session: Any) -> None:  # noqa: N802
        _boto3.DEFAULT_SESSION = session


sys.modules[__name__].__class__ = _Module


def __getattr__(name: str) -> Any:
    if (module := _LAZY.get(name)) is not None:
        return getattr(import_module(module), name)
    if name == "errors":
        return import_module("foodco_storage.errors")
    # boto3's modules (`exceptions`, `s3`, ...), as they are there now.
    if not name.startswith("_") and hasattr(_boto3, name):
        return getattr(_boto3, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, "errors", *(name for name in dir(_boto3) if not name.startswith("_"))})


register_s3_if_configured()
