"""A second client of a store, for what the library asks on its own account."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ResponseStreamingError
from botocore.parsers import ResponseParserError

from foodco_storage.backends.breaker import Breaker
from foodco_storage.backends.watched import watched
from foodco_storage.backends.whole_answers import check_whole, is_of_the_parser
from foodco_storage.flows.request import Parameters, Response
from foodco_storage.telemetry import hooks
from foodco_storage.telemetry.requests import count_attempts, note
from foodco_storage.telemetry.telling import PLAIN, Telling


class PlainClient:
    """A client that never retries, repairs nothing and has no handlers of the user's; made when it is first needed.

    A retry turns a conditional write that took place into a 412, and a repair hides what a probe looks for; a user's
    handlers fire for the user's requests alone.

    Args:
        make: makes the botocore client.
        breaker: that of the store; None for none.
        backend: the store's name in the configuration, for those who are told of requests.
        telling: whether anything may be told of them.
    """

    def __init__(
        self, make: Callable[[], Any], breaker: Breaker | None = None, backend: str = "", telling: Telling = PLAIN
    ) -> None:
        self._make = make
        self._backend = backend
        self._telling = telling
        self._client: Any = None
        self._lock = threading.Lock()
        self.send = watched(self._send, breaker)
        """Sends a request, given botocore's name of the operation and its parameters."""

    def _send(self, operation: str, params: Parameters) -> Response:
        with self._lock:
            if self._client is None:
                self._client = self._make()
                count_attempts(self._client)
            client = self._client
        ask = client._make_api_call  # noqa: SLF001 - what its methods call
        try:
            if hooks.on and self._telling.enabled:
                response = note(self._backend, client.meta, ask, operation, params)
            else:
                response = ask(operation, params)
        except (ResponseParserError, ValueError) as error:
            # Of botocore's parsers, but no BotoCoreErrors.
            if not isinstance(error, ResponseParserError) and not is_of_the_parser(error):
                raise
            raise ResponseStreamingError(error=f"no S3 store answered: {error}") from error
        check_whole(operation, response)
        return response

    def close(self) -> None:
        """Close its connections, if it has any."""
        with self._lock:
            if self._client is not None:
                self._client.close()

    def after_fork(self) -> None:
        """Leave the parent its client and lock."""
        self._lock = threading.Lock()
        self._client = None
