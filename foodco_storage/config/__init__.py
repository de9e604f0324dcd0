"""The configuration: which stores there are, and which buckets lie where."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from foodco_storage.config.load import load

if TYPE_CHECKING:
    from foodco_storage.config.model import Backend, Breaker, Capabilities, Configuration, Default, Filesystem, Route
    from foodco_storage.config.schema import json_schema
    from foodco_storage.config.secret import Secret
    from foodco_storage.config.validation import check

__all__ = [
    "Backend",
    "Breaker",
    "Cache",
    "CacheDirectory",
    "Capabilities",
    "Compression",
    "Configuration",
    "Control",
    "Default",
    "Filesystem",
    "Journal",
    "Mirror",
    "Promote",
    "Route",
    "Secret",
    "check",
    "json_schema",
    "load",
]

# No module of this package has the name of what is public: importing it would put the module there instead.
# msgspec, and the classes made with it, only for those who have a configuration.
_MODULES = {"check": "validation", "json_schema": "schema", "Secret": "secret"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'model')}"), name)
