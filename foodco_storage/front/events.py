"""One emitter for the user, whatever number of clients stands behind it.

`client.meta.events` of a routed client registers and unregisters on the emitters of all backends' clients, so a handler
sees the requests of each backend; s3transfer drives its progress callbacks by such handlers. Handlers of the two events
that come before a backend is chosen, `provide-client-params` and `before-parameter-build`, are kept at the front door
instead: they see the caller's own parameters, once per call, and may change them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.hooks import EventAliaser, HierarchicalEmitter

_BEFORE_ROUTING = frozenset({"provide-client-params", "before-parameter-build"})


class SharedEvents(EventAliaser):  # type: ignore[misc] # botocore is untyped
    """The emitter of one client, that registers on several.

    It shares its inner emitter with the client that it belongs to, so emitting costs what it did.

    Args:
        own: the client's own emitter.
        others: the emitters of its siblings.
    """

    def __init__(self, own: EventAliaser, others: Iterable[EventAliaser]) -> None:
        super().__init__(own._emitter, own._event_aliases)  # noqa: SLF001
        self._all = (own, *others)
        self.front = HierarchicalEmitter()
        self.has_front_handlers = False

    def register(self, event_name: str, handler: Any, *args: Any, **kwargs: Any) -> None:
        """Register a handler on every client."""
        self._each("register", event_name, handler, *args, **kwargs)

    def register_first(self, event_name: str, handler: Any, *args: Any, **kwargs: Any) -> None:
        """Register a handler on every client, before others."""
        self._each("register_first", event_name, handler, *args, **kwargs)

    def register_last(self, event_name: str, handler: Any, *args: Any, **kwargs: Any) -> None:
        """Register a handler on every client, after others."""
        self._each("register_last", event_name, handler, *args, **kwargs)

    def unregister(self, event_name: str, handler: Any = None, *args: Any, **kwargs: Any) -> None:
        """Take a handler off every client."""
        self._each("unregister", event_name, handler, *args, **kwargs)
        if event_name.partition(".")[0] in _BEFORE_ROUTING:
            # botocore's own handlers of these events stand on the clients.
            for emitter in self._all:
                emitter.unregister(event_name, handler, *args, **kwargs)

    def _each(self, method: str, event_name: str, *args: Any, **kwargs: Any) -> None:
        if event_name.partition(".")[0] in _BEFORE_ROUTING:
            getattr(self.front, method)(event_name, *args, **kwargs)
            self.has_front_handlers = True
            return
        for emitter in self._all:
            getattr(emitter, method)(event_name, *args, **kwargs)
