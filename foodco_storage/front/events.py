"""One emitter for the user, whatever number of clients stands behind it.

`client.meta.events` of a routed client registers and unregisters on the emitters of all backends' clients, so a handler
sees the requests of each backend; s3transfer drives its progress callbacks by such handlers. Handlers of the two events
that come before a backend is chosen, `provide-client-params` and `before-parameter-build`, are kept at the front door
instead: they see the caller's own parameters, once per call, and may change them. What they leave in the request's
`context` is there for the handlers of every request that is made for the call.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from botocore.hooks import EventAliaser, HierarchicalEmitter, first_non_none_response

from foodco_storage.flows.request import Parameters

_BEFORE_ROUTING = frozenset({"provide-client-params", "before-parameter-build"})
_HANDLER_ID = "foodco-storage-context"

_left_in_context: ContextVar[dict[str, Any] | None] = ContextVar("foodco_storage_left_in_context", default=None)


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
        self._front = HierarchicalEmitter()
        self.has_front_handlers = False

    @contextmanager
    def before_routing(self, model: Any, params: Parameters, context: dict[str, Any]) -> Iterator[Parameters]:
        """Let the user's handlers see, and change, the parameters before a backend is chosen, as botocore does after it.

        Args:
            model: botocore's model of the operation.
            params: the caller's.
            context: what the handlers get as the request's context.

        Yields:
            The parameters to use; requests made inside have what the handlers left in the context.
        """
        given = set(context)
        responses = self._front.emit(
            f"provide-client-params.s3.{model.name}", params=params, model=model, context=context
        )
        params = first_non_none_response(responses, default=params)
        self._front.emit(f"before-parameter-build.s3.{model.name}", params=params, model=model, context=context)
        token = _left_in_context.set({name: value for name, value in context.items() if name not in given})
        try:
            yield params
        finally:
            _left_in_context.reset(token)

    def __copy__(self) -> EventAliaser:
        """An emitter with the same handlers that registers on no client, as botocore's copies."""
        return EventAliaser(copy.copy(self._emitter), copy.copy(self._event_aliases))

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
            getattr(self._front, method)(self._alias_event_name(event_name), *args, **kwargs)
            if method != "unregister":
                self._have_front_handlers()
            return
        for emitter in self._all:
            getattr(emitter, method)(event_name, *args, **kwargs)

    def _have_front_handlers(self) -> None:
        if not self.has_front_handlers:
            for emitter in self._all:
                emitter.register_first("provide-client-params.s3", _fill_context, unique_id=_HANDLER_ID)
            self.has_front_handlers = True


def _fill_context(context: dict[str, Any], **_: Any) -> None:
    context.update(_left_in_context.get() or {})
