"""The errors that a route held by lease gives in a store's place."""

from __future__ import annotations

from botocore.exceptions import ClientError

from foodco_storage.control.place import ControlPlace
from foodco_storage.errors import OperationRefusedError, PhaseUnknownError
from foodco_storage.flows.s3_errors import error_response


def slow_down(place: ControlPlace, operation: str, why: str) -> ClientError:
    """503 SlowDown: S3's answer for "later"."""
    message = f"route {place.route!r} takes no writes at the moment: {why}. Try again"
    return ClientError(error_response("SlowDown", 503, message), operation)


def unknown(place: ControlPlace, operation: str, why: str) -> PhaseUnknownError:
    """Nobody can say where an object lies."""
    message = (
        f"the phase of route {place.route!r} is not known: {why} ({place.control_key!r} in bucket {place.bucket!r})"
    )
    return PhaseUnknownError(message, operation)


def denied(place: ControlPlace, operation: str, why: str) -> OperationRefusedError:
    """This client will never write."""
    message = (
        f"route {place.route!r} takes writes only from clients that report to {place.client_key('*')!r} in bucket "
        f"{place.bucket!r}, and this one may not ({why}): allow its credentials to put and delete there"
    )
    return OperationRefusedError(message, operation)
