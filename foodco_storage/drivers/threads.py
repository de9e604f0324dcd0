"""The driver that users run: each effect is done at once, in the thread that called."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from botocore.response import StreamingBody

from foodco_storage.backends.interface import Backend
from foodco_storage.counting import add
from foodco_storage.drivers import body_effects
from foodco_storage.drivers.background import Background
from foodco_storage.drivers.cache_effects import CacheEffects
from foodco_storage.drivers.gathering import Gathering
from foodco_storage.drivers.journal_effects import JournalEffects
from foodco_storage.drivers.resumable_body import ResumableBody
from foodco_storage.drivers.tee_body import TeeBody
from foodco_storage.flows.cache_effects import Alone
from foodco_storage.flows.effects import (
    Able,
    Call,
    Count,
    Defer,
    Enter,
    Gather,
    Later,
    NewId,
    Pause,
    Resumable,
    Settle,
    Spooled,
    Tee,
    Tell,
    Warn,
)
from foodco_storage.flows.outcomes import BackendError
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.journal import Journal
from foodco_storage.telemetry.steps import tell_step
from foodco_storage.telemetry.telling import PLAIN, Telling

if TYPE_CHECKING:
    # Most routes have no cache, and need none of what it needs.
    from foodco_storage.cache.route_cache import RouteCache

logger = logging.getLogger("foodco_storage")


class ThreadDriver:
    """Runs flows over real backends. Any number of threads may run flows at once.

    Args:
        backends: every backend that the flows' places name.
        journal: of writes that are not mirrored yet; None where no route mirrors.
        background: does what nobody waits for.
        deferred: called when an entry of the journal was left to be reconciled.
        caches: of the routes that have one, by the routes' names.
        tellings: what may be told of routes, by their names; of others everything.
    """

    def __init__(
        self,
        backends: Mapping[str, Backend],
        journal: Journal | None = None,
        background: Background | None = None,
        deferred: Callable[[], None] = lambda: None,
        caches: Mapping[str, RouteCache] = MappingProxyType({}),
        tellings: Mapping[str, Telling] = MappingProxyType({}),
    ) -> None:
        self._backends = backends
        self._calls = {name: backend.call for name, backend in backends.items()}
        self._once = {name: backend.call_once for name, backend in backends.items()}
        self._background = background
        self.tellings = tellings
        self._warned: set[Any] = set()
        self._gathering = Gathering()
        self._journal = JournalEffects(journal, deferred)
        self._caches = CacheEffects(caches)
        # Bound methods of others: its own would make the driver a cycle, which only the garbage collector takes down.
        self._parts = {**self._journal.carried_out, **self._caches.carried_out, **body_effects.CARRIED_OUT}

    def run(self, flow: Flow) -> Response:
        """Run a flow to its end.

        Raises:
            Exception: what a boto3 user would see; never a `BackendError`.
        """
        try:
            return self.carry_out(flow)
        except BackendError as failure:
            raise failure.error from failure.error.__cause__

    def carry_out(self, flow: Flow) -> Response:
        """Run a flow to its end; its failure stays what it is to flows.

        Raises:
            BackendError: the flow's.
        """
        entered: set[int] = set()
        try:
            effect = next(flow)
            while True:
                try:
                    kind = type(effect)
                    if kind is Call:
                        result: Any = self._call(effect)
                    elif kind in self._parts:
                        result = self._parts[kind](effect)
                        if kind in _OF_THE_JOURNAL:
                            _remember(entered, effect, result)
                    else:
                        result = self._own[kind](self, effect)
                except Exception as error:  # noqa: BLE001 - whatever goes wrong is the flow's to judge
                    effect = flow.throw(error)
                else:
                    effect = flow.send(result)
        except StopIteration as end:
            response: Response = end.value
            return response
        except BaseException as error:
            # An interrupt, or a mistake of ours: nobody will come back for these.
            if entered:
                self._journal.defer(Defer(tuple(entered), f"interrupted: {type(error).__name__}"))
            raise

    def after_fork(self) -> None:
        """In a forked child: the parent's threads are not there."""
        self._gathering.after_fork()

    def _call(self, effect: Call) -> Response:
        place, request = effect.place, effect.request
        if place.translation is not None and request.operation in place.translation.operations:
            return self.carry_out(place.translation.call(effect))
        call = (self._once if effect.once else self._calls)[place.backend]
        if not place.buckets:
            return call(request)
        response = call(_renamed(place.buckets, request))
        if "Bucket" in response:
            # Callers know it by their own name: some go on with what an upload's answers say.
            response["Bucket"] = request.params["Bucket"]
        return response

    def _able(self, effect: Able) -> bool:
        place = effect.place
        return self._backends[place.backend].able(place.bucket(effect.bucket), effect.capability, place.reserved_prefix)

    def _resumable(self, effect: Resumable) -> StreamingBody:
        # What the caller's context holds now (a trace, what event handlers left) belongs to the requests for the rest too,
        # whenever and wherever the body is read.
        context = copy_context()

        def reopen(offset: int) -> Any:
            return context.copy().run(self.run, effect.reopen(offset))["Body"]

        body = ResumableBody(effect.body, effect.size, reopen)
        return StreamingBody(body, effect.size)

    def _tee(self, effect: Tee) -> StreamingBody:
        def finished(spooled: Spooled) -> None:
            self._later(effect.finished(spooled))

        def abandoned() -> None:
            self._later(effect.abandoned())

        return StreamingBody(TeeBody(effect.body, effect.size, finished, abandoned), effect.size)

    def _later(self, effect: Later) -> bool:
        if self._background is None:
            if effect.dropped is not None:
                effect.dropped()
            return False
        if effect.inline:
            self._background.now(effect, self.carry_out, self.telling(effect.route))
            return True
        return self._background.submit(effect, self.carry_out, self.telling(effect.route))

    def _gather(self, effect: Gather) -> list[Any]:
        return self._gathering.outcomes(effect.flows, self.carry_out)

    def _alone(self, effect: Alone) -> Response:
        with self._caches.alone(effect):
            return self.carry_out(effect.flow())

    def _new_id(self, _: NewId) -> str:
        return secrets.token_urlsafe(15)

    def _pause(self, effect: Pause) -> None:
        time.sleep(effect.seconds)

    def _count(self, effect: Count) -> None:
        add(effect.name, effect.route, effect.amount)

    def telling(self, route: str) -> Telling:
        """What may be told of a route."""
        return self.tellings.get(route, PLAIN)

    def _tell(self, effect: Tell) -> None:
        tell_step(
            effect.step,
            effect.outcome,
            effect.route,
            effect.which,
            self.telling(effect.route),
            count=effect.count,
            size=effect.size,
            stored_size=effect.stored_size,
            since=effect.since,
            why=effect.why,
        )

    def _warn(self, effect: Warn) -> None:
        if effect.topic not in self._warned:
            self._warned.add(effect.topic)
            logger.warning("%s", effect.message)

    _own: Mapping[type, Callable[[ThreadDriver, Any], Any]] = {
        Able: _able,
        Alone: _alone,
        Count: _count,
        Gather: _gather,
        Later: _later,
        NewId: _new_id,
        Pause: _pause,
        Resumable: _resumable,
        Tee: _tee,
        Tell: _tell,
        Warn: _warn,
    }
    """What needs the driver itself, or next to nothing."""


_OF_THE_JOURNAL = frozenset({Enter, Settle, Defer})


def _remember(entered: set[int], effect: Any, result: Any) -> None:
    """Which entries of the journal a flow has made, and not left yet."""
    if type(effect) is Enter:
        entered.update(result)
    else:
        entered.difference_update(effect.numbers)


def _renamed(buckets: Mapping[str, str], request: Request) -> Request:
    bucket = request.params.get("Bucket")
    if bucket is not None and bucket in buckets:
        return request.with_params(Bucket=buckets[bucket])
    return request
