"""The driver that users run: each effect is done at once, in the thread that called."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextvars import copy_context
from tempfile import SpooledTemporaryFile
from typing import Any

from botocore.response import StreamingBody

from foodco_storage.backends.interface import Backend
from foodco_storage.drivers.resumable_body import ResumableBody
from foodco_storage.flows.effects import Able, Call, Discard, Resumable, Spool, Warn
from foodco_storage.flows.outcomes import BackendError
from foodco_storage.flows.request import Flow, Request, Response

logger = logging.getLogger("foodco_storage")

SPOOL_MEMORY_BYTES = 8 * 1024 * 1024
"""A streamed copy is held in memory up to here, and in an unnamed temporary file beyond (s3transfer's part size)."""

_CHUNK_BYTES = 1024 * 1024


class ThreadDriver:
    """Runs flows over real backends. Any number of threads may run flows at once.

    Args:
        backends: every backend that the flows' places name.
    """

    def __init__(self, backends: Mapping[str, Backend]) -> None:
        self._backends = backends
        self._calls = {name: backend.call for name, backend in backends.items()}
        self._warned: set[Any] = set()

    def run(self, flow: Flow) -> Response:
        """Run a flow to its end.

        Raises:
            Exception: what a boto3 user would see; never a `BackendError`.
        """
        try:
            effect = next(flow)
            while True:
                try:
                    if type(effect) is Call:
                        result: Any = self._call(effect)
                    else:
                        result = self._others[type(effect)](self, effect)
                except Exception as error:  # noqa: BLE001 - whatever goes wrong is the flow's to judge
                    effect = flow.throw(error)
                else:
                    effect = flow.send(result)
        except StopIteration as end:
            response: Response = end.value
            return response
        except BackendError as failure:
            raise failure.error from failure.error.__cause__

    def _call(self, effect: Call) -> Response:
        place, request = effect.place, effect.request
        if place.buckets:
            request = _renamed(place.buckets, request)
        return self._calls[place.backend](request)

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

    def _spool(self, effect: Spool) -> Any:
        # Closed by the flow's Discard, so no `with` here.
        file = SpooledTemporaryFile(max_size=SPOOL_MEMORY_BYTES)  # noqa: SIM115
        try:
            while chunk := effect.body.read(_CHUNK_BYTES):
                file.write(chunk)
        except BaseException:
            file.close()
            raise
        finally:
            effect.body.close()
        file.seek(0)
        return file

    def _discard(self, effect: Discard) -> None:
        effect.body.close()

    def _warn(self, effect: Warn) -> None:
        if effect.topic not in self._warned:
            self._warned.add(effect.topic)
            logger.warning("%s", effect.message)

    _others: Mapping[type, Callable[[ThreadDriver, Any], Any]] = {
        Able: _able,
        Resumable: _resumable,
        Spool: _spool,
        Discard: _discard,
        Warn: _warn,
    }


def _renamed(buckets: Mapping[str, str], request: Request) -> Request:
    bucket = request.params.get("Bucket")
    if bucket is not None and bucket in buckets:
        return request.with_params(Bucket=buckets[bucket])
    return request
