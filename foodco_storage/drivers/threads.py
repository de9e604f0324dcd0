"""The driver that users run: each effect is done at once, in the thread that called."""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from tempfile import SpooledTemporaryFile
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.response import StreamingBody

from foodco_storage.backends.interface import Backend
from foodco_storage.counting import add
from foodco_storage.drivers.background import Background
from foodco_storage.drivers.held_stream import HeldStream
from foodco_storage.drivers.kept_body import KeptBody
from foodco_storage.drivers.resumable_body import ResumableBody
from foodco_storage.drivers.tee_body import TeeBody
from foodco_storage.drivers.unpacked_body import UnpackedBody
from foodco_storage.errors import JournalError
from foodco_storage.flows.cache_effects import (
    Alone,
    CachedBlocks,
    Forget,
    Hit,
    Keep,
    KeepAsRead,
    KeepMissing,
    Look,
    PassOn,
    Renew,
)
from foodco_storage.flows.cached import Looked
from foodco_storage.flows.compression_effects import Pack, Packed, Unpack
from foodco_storage.flows.effects import (
    Able,
    BytesBody,
    Call,
    Count,
    Defer,
    Discard,
    Enter,
    Gather,
    Later,
    NewId,
    Pause,
    ReadBody,
    Resumable,
    Settle,
    Spool,
    Spooled,
    Tee,
    Tell,
    Warn,
)
from foodco_storage.flows.outcomes import BackendError, Unavailable
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.flows.s3_errors import error_response
from foodco_storage.journal import Journal
from foodco_storage.telemetry.recording import clock, current
from foodco_storage.telemetry.steps import tell_step
from foodco_storage.telemetry.telling import PLAIN, Telling

if TYPE_CHECKING:
    # Most routes have no cache, and need none of what it needs.
    from foodco_storage.cache.route_cache import RouteCache

logger = logging.getLogger("foodco_storage")

SPOOL_MEMORY_BYTES = 8 * 1024 * 1024
"""A streamed copy is held in memory up to here, and in an unnamed temporary file beyond (s3transfer's part size)."""

THREADS = 10
"""Flows that are gathered run on so many threads: as many as botocore keeps connections by default."""

_CHUNK_BYTES = 1024 * 1024


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
        self._journal = journal
        self._background = background
        self._deferred = deferred
        self._caches = caches
        self.tellings = tellings
        self._warned: set[Any] = set()
        self._threads: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._here = threading.local()

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
                    if type(effect) is Call:
                        result: Any = self._call(effect)
                    else:
                        result = self._others[type(effect)](self, effect)
                        if type(effect) is Enter:
                            entered.update(result)
                        elif type(effect) is Settle or type(effect) is Defer:
                            entered.difference_update(effect.numbers)
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
                self._defer(Defer(tuple(entered), f"interrupted: {type(error).__name__}"))
            raise

    def after_fork(self) -> None:
        """In a forked child: the parent's threads are not there."""
        self._threads = None
        self._lock = threading.Lock()
        self._here = threading.local()

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

    def _spool(self, effect: Spool) -> Spooled:
        # Closed by the flow's Discard, so no `with` here.
        file = SpooledTemporaryFile(max_size=SPOOL_MEMORY_BYTES)  # noqa: SIM115
        digest = hashlib.md5(usedforsecurity=False)
        size = 0
        try:
            while chunk := effect.body.read(_CHUNK_BYTES):
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        except BaseException:
            file.close()
            raise
        finally:
            effect.body.close()
        file.seek(0)
        return Spooled(file, size, digest.digest())  # type: ignore[arg-type] # a BinaryIO in all but name

    def _discard(self, effect: Discard) -> None:
        effect.body.close()

    def _gather(self, effect: Gather) -> list[Any]:
        if len(effect.flows) <= 1 or getattr(self._here, "is_gathered", False):
            # Flows that are gathered already must not wait for threads that they hold themselves.
            return [self._outcome(flow) for flow in effect.flows]
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(THREADS, "foodco-storage")
            threads = self._threads
        context = copy_context()
        results: dict[int, Any] = {}
        runs: list[Future[None]] = []
        try:
            for number, flow in enumerate(effect.flows):
                runs.append(threads.submit(context.copy().run, self._gathered, results, number, flow))
        except RuntimeError:
            # The interpreter is ending, or the system has no thread left. What was submitted, the last one perhaps without
            # saying so, has run when these threads have ended, or never will; the rest runs in this one.
            with self._lock:
                if self._threads is threads:
                    self._threads = None
            threads.shutdown()
            return [
                results[number] if number in results else self._outcome(flow)
                for number, flow in enumerate(effect.flows)
            ]
        try:
            for run in runs:
                run.result()
        except BaseException:
            # An interrupt: what has not begun never does, and none goes on behind the back of whoever comes next.
            for run in runs:
                run.cancel()
            wait(runs)
            raise
        return [results[number] for number in range(len(effect.flows))]

    def _gathered(self, results: dict[int, Any], number: int, flow: Flow) -> None:
        self._here.is_gathered = True
        results[number] = self._outcome(flow)

    def _outcome(self, flow: Flow) -> Any:
        try:
            return self.carry_out(flow)
        except Exception as error:  # noqa: BLE001 - the gathering flow judges each by itself
            return error

    def _pack(self, effect: Pack) -> Packed:
        from foodco_storage.compression.packer import pack  # noqa: PLC0415 - most routes do not compress

        recording = current.get()
        begun = clock()
        packed = pack(effect)
        if recording is not None:
            recording.pack_seconds += clock() - begun
            if packed.form is not None:
                recording.size = packed.form.size
        return packed

    def _unpack(self, effect: Unpack) -> StreamingBody:
        from foodco_storage.compression.unpacking import pieces  # noqa: PLC0415 - most routes do not compress

        return StreamingBody(UnpackedBody(effect.body, pieces(effect)), effect.size)

    def _new_id(self, _: NewId) -> str:
        return secrets.token_urlsafe(15)

    def _pause(self, effect: Pause) -> None:
        time.sleep(effect.seconds)

    def _enter(self, effect: Enter) -> Sequence[int]:
        try:
            return self._the_journal().enter(effect.entries)
        except JournalError as error:
            # Nothing was sent: a write that can't be journalled could be lost on the other side.
            response = error_response("ServiceUnavailable", 503, f"foodco_storage: {error}")
            raise Unavailable("", ClientError(response, "Journal")) from error

    def _settle(self, effect: Settle) -> None:
        if effect.numbers:
            try:
                self._the_journal().settle(effect.numbers)
            except JournalError as error:
                # Both sides are equal, which is what counts; the entry is found equal once more, later.
                logger.warning("a mirrored write could not be taken out of the journal: %s", error)
                with suppress(JournalError):
                    self._the_journal().defer(effect.numbers)
                # Whoever looks after the journal goes on trying.
                self._deferred()

    def _defer(self, effect: Defer) -> None:
        if not effect.numbers:
            return
        try:
            self._the_journal().defer(effect.numbers, effect.why)
        except JournalError as error:
            # The entry is there still, in this process's name.
            logger.warning("an unfinished write could not be marked in the journal: %s", error)
        self._deferred()

    def _the_journal(self) -> Journal:
        if self._journal is None:
            raise LookupError("a route mirrors, and has no journal")
        return self._journal

    def _look(self, effect: Look) -> Looked:
        return self._caches[effect.route].look(effect.bucket, effect.key)

    def _cached_blocks(self, effect: CachedBlocks) -> list[bytes | None]:
        return self._caches[effect.route].blocks(effect.head, effect.first, effect.last)

    def _keep(self, effect: Keep) -> None:
        self._caches[effect.route].keep(effect.head, effect.blocks, effect.looked)

    def _keep_missing(self, effect: KeepMissing) -> None:
        params = effect.request.params
        cache = self._caches[effect.route]
        cache.keep_missing(effect.looked, params["Bucket"], params["Key"], effect.request.operation, effect.response)

    def _renew(self, effect: Renew) -> None:
        self._caches[effect.route].renew(effect.looked)

    def _forget(self, effect: Forget) -> None:
        self._caches[effect.route].drop(effect.bucket, effect.key)

    def _pass_on(self, effect: PassOn) -> None:
        self._caches[effect.route].pass_on(effect.bucket, effect.topic)

    def _alone(self, effect: Alone) -> Response:
        with self._caches[effect.route].alone(effect.bucket, effect.topic):
            return self.carry_out(effect.flow())

    def _read_body(self, effect: ReadBody) -> bytes | None:
        try:
            data = effect.body.read()
        except (BotoCoreError, OSError, BackendError) as error:
            logger.debug("a body broke while it was read for the cache: %s", error)
            return None
        finally:
            effect.body.close()
        return data if len(data) == effect.size else None

    def _bytes_body(self, effect: BytesBody) -> StreamingBody:
        return StreamingBody(HeldStream(effect.data), len(effect.data))

    def _hit(self, effect: Hit) -> StreamingBody | None:
        data = effect.data
        if data is None:
            self._caches[effect.route].count_hit(effect.looked)
            return None
        size = len(data)
        self._caches[effect.route].count_hit(effect.looked, size)
        return StreamingBody(HeldStream(data), size)

    def _keep_as_read(self, effect: KeepAsRead) -> StreamingBody:
        cache, head = self._caches[effect.route], effect.head
        cache.keep(head, {}, effect.looked)
        body = KeptBody(
            effect.body,
            head,
            lambda number, data: cache.keep_blocks(head, {number: data}),
            lambda: cache.spoil(head),
        )
        return StreamingBody(body, head.size)

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

    _others: Mapping[type, Callable[[ThreadDriver, Any], Any]] = {
        Able: _able,
        Alone: _alone,
        BytesBody: _bytes_body,
        CachedBlocks: _cached_blocks,
        Count: _count,
        Defer: _defer,
        Discard: _discard,
        Enter: _enter,
        Forget: _forget,
        Gather: _gather,
        Hit: _hit,
        Keep: _keep,
        KeepAsRead: _keep_as_read,
        KeepMissing: _keep_missing,
        Later: _later,
        Look: _look,
        NewId: _new_id,
        Pack: _pack,
        PassOn: _pass_on,
        Pause: _pause,
        ReadBody: _read_body,
        Renew: _renew,
        Resumable: _resumable,
        Settle: _settle,
        Spool: _spool,
        Tee: _tee,
        Tell: _tell,
        Unpack: _unpack,
        Warn: _warn,
    }


def _renamed(buckets: Mapping[str, str], request: Request) -> Request:
    bucket = request.params.get("Bucket")
    if bucket is not None and bucket in buckets:
        return request.with_params(Bucket=buckets[bucket])
    return request
