"""Telemetry: every operation ends in one event, and hooks are told of it.

Example:
    from foodco_storage import telemetry

    def slow(event):
        if isinstance(event, telemetry.Operation) and event.seconds > 1:
            print(event.operation, event.bucket, event.key, event.backends)

    telemetry.add_hook(slow)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foodco_storage.telemetry.events import BreakerChange, Event, Hook, Operation, Request, Step, Work
    from foodco_storage.telemetry.hooks import add_hook, remove_hook
    from foodco_storage.telemetry.logs import JsonFormatter, LogHook

__all__ = [
    "BreakerChange",
    "Event",
    "Hook",
    "JsonFormatter",
    "LogHook",
    "Operation",
    "Request",
    "Step",
    "Work",
    "add_hook",
    "remove_hook",
]

# Most clients have nobody who listens, and need none of it.
_MODULES = {
    "JsonFormatter": "logs",
    "LogHook": "logs",
    "add_hook": "hooks",
    "remove_hook": "hooks",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'events')}"), name)
