"""Sending under a circuit breaker: what each way to end says about the store."""

from __future__ import annotations

from collections.abc import Callable

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from foodco_storage.backends.breaker import Breaker
from foodco_storage.flows.request import Parameters, Response

MakeApiCall = Callable[[str, Parameters], Response]
"""`BaseClient._make_api_call` of one client."""

_HTTP_SERVER_ERROR = 500
# S3's own answers with a 5xx status that say something about the request, not about the store.
_NOT_AN_OUTAGE = frozenset({"NotImplemented"})


def watched(make_api_call: MakeApiCall, breaker: Breaker | None) -> MakeApiCall:
    """Send as `make_api_call` does, errors and all, with a breaker watching; None for no breaker."""
    if breaker is None:
        return make_api_call

    def send(operation: str, params: Parameters) -> Response:
        trial = breaker.before()
        try:
            response = make_api_call(operation, params)
        except ClientError as error:
            if is_outage(error):
                breaker.failed(trial)
            else:
                breaker.succeeded()
            raise
        except (BotoConnectionError, HTTPClientError) as error:
            # Its bare class stands for anything else that was raised on the way, as by the caller's own file.
            if type(error) is HTTPClientError:
                breaker.released(trial)
            else:
                breaker.failed(trial)
            raise
        except BaseException:
            # Nothing was learnt about the store: a wrong parameter, missing credentials, an interrupt.
            breaker.released(trial)
            raise
        breaker.succeeded()
        return response

    return send


def is_outage(error: ClientError) -> bool:
    """Whether an answer says that the store could not answer."""
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= _HTTP_SERVER_ERROR and error.response.get("Error", {}).get("Code") not in _NOT_AN_OUTAGE
