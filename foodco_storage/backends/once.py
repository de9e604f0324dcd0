"""Sending a request once, through a client that would send it again.

The user's event handlers stand on that client, and shall see such requests too; so it is the one client, told for the length
of a call to leave it at one attempt. botocore asks `needs-retry` handlers after each attempt: ours comes first, and ends the
call there.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from foodco_storage.backends.watched import MakeApiCall
from foodco_storage.flows.request import Parameters, Response

_HTTP_SERVER_ERROR = 500

_once: ContextVar[bool] = ContextVar("foodco_storage_once", default=False)


class _AnsweredError(Exception):
    """The store answered with an error that botocore would retry.

    Args:
        parsed: the response, as botocore has parsed it.
    """

    def __init__(self, parsed: Response) -> None:
        super().__init__(parsed)
        self.parsed = parsed


def sends_once(client: Any, make_api_call: MakeApiCall) -> MakeApiCall:
    """`make_api_call` of a client, without its retries."""
    client.meta.events.register_first("needs-retry.s3", _leave_it_at_that, unique_id="foodco-storage-once")

    def send(operation: str, params: Parameters) -> Response:
        token = _once.set(True)
        try:
            return make_api_call(operation, params)
        except _AnsweredError as answer:
            code = answer.parsed.get("Error", {}).get("Code")
            raise client.exceptions.from_code(code)(answer.parsed, operation) from None
        finally:
            _once.reset(token)

    return send


def _leave_it_at_that(response: Any, caught_exception: Exception | None, attempts: int, **_: Any) -> None:
    if not _once.get():
        return
    if caught_exception is not None:
        raise caught_exception
    if response is None:
        return
    http, parsed = response
    # Redirects of S3 are told by this event as well, and go on: nothing took place there.
    if http.status_code >= _HTTP_SERVER_ERROR:
        parsed.setdefault("ResponseMetadata", {})["RetryAttempts"] = attempts - 1
        raise _AnsweredError(parsed)
