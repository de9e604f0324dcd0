"""The library's own errors, grouped by what the caller can do about them.

Where a boto3 user would see an error of botocore, botocore's is raised; the two of ours that can come out of an S3
operation are botocore errors as well, so handlers written for boto3 catch them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from foodco_storage.places import shown


class StorageError(Exception):
    """Any error that this library makes itself."""


@dataclass(frozen=True)
class Problem:
    """One mistake in a configuration.

    Args:
        path: where it stands, `routes.images.primary`, or the environment variable that it comes from.
        message: what is wrong, and the fix.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ConfigurationError(StorageError):
    """Mend the configuration: every mistake in it is listed.

    Args:
        problems: at least one.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,)


class OperationRefusedError(StorageError, ClientError):  # type: ignore[misc] # botocore is untyped
    """Do it another way: the operation would not be safe on its route. Nothing was sent, nothing changed.

    A `ClientError` with code `MethodNotAllowed` and status 405, S3's answer for what a resource does not allow.

    Args:
        message: why, and what to do instead.
        operation: botocore's name of the operation.
    """

    def __init__(self, message: str, operation: str) -> None:
        response = {
            "Error": {"Code": "MethodNotAllowed", "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": 405, "HTTPHeaders": {}, "RetryAttempts": 0},
        }
        ClientError.__init__(self, response, operation)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.response["Error"]["Message"], self.operation_name)


class CircuitOpenError(StorageError, EndpointConnectionError):  # type: ignore[misc] # botocore is untyped
    """Try again later: the store has been failing and is left alone for a moment. Nothing was sent."""

    fmt = (
        'Could not connect to the endpoint URL: "{endpoint_url}" (not tried: it failed {failures} times in a row; '
        "the next try is in {retry_after_seconds:.1f} s)"
    )

    def __init__(self, *, endpoint_url: str, failures: int, retry_after_seconds: float) -> None:
        EndpointConnectionError.__init__(
            self, endpoint_url=endpoint_url, failures=failures, retry_after_seconds=retry_after_seconds
        )


class JournalError(StorageError):
    """The journal can't be used: mend its directory, or make room. What was to be written into it has not been.

    Args:
        directory: the journal's.
        problem: what is wrong, and the fix.
    """

    def __init__(self, directory: str, problem: str) -> None:
        self.directory = directory
        self.problem = problem
        super().__init__(f"journal {directory}: {problem}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.directory, self.problem)


class CacheError(StorageError):
    """The cache on disk can't be used: mend its directory, or install what is missing.

    Args:
        directory: the cache's.
        problem: what is wrong, and the fix.
    """

    def __init__(self, directory: str, problem: str) -> None:
        self.directory = directory
        self.problem = problem
        super().__init__(f"cache {directory}: {problem}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.directory, self.problem)


class StatisticsError(StorageError):
    """The access statistics can't be used: mend their directory or location, or install what is missing.

    Args:
        place: their directory, or the location of what was shipped.
        problem: what is wrong, and the fix.
    """

    def __init__(self, place: str, problem: str) -> None:
        self.place = place
        self.problem = problem
        super().__init__(f"statistics {place}: {problem}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.place, self.problem)


class RecordsError(StorageError):
    """S3's own records (server access logs, an inventory) can't be read as such: name others, or mend them.

    Args:
        place: the file or location; told without user, password and query.
        problem: what is wrong, and the fix.
    """

    def __init__(self, place: str, problem: str) -> None:
        self.place = shown(place)
        self.problem = problem
        super().__init__(f"{self.place}: {problem}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.place, self.problem)


class CorruptObjectError(StorageError, BotoCoreError):  # type: ignore[misc] # botocore is untyped
    """Restore the object: what lies in the store under its key is not what was written, and so was not handed out.

    A `BotoCoreError`, as botocore's own errors of checksums and lengths are.

    Args:
        bucket: as callers say it.
        key: the object's.
        problem: what does not fit.
    """

    fmt = "{bucket}/{key} is stored compressed, and damaged: {problem}. Restore it from a copy, or write it again"

    def __init__(self, *, bucket: str, key: str, problem: str) -> None:
        BotoCoreError.__init__(self, bucket=bucket, key=key, problem=problem)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self.kwargs), ()


class MissingDictionaryError(StorageError, BotoCoreError):  # type: ignore[misc] # botocore is untyped
    """Bring the dictionary back: objects that were compressed with it can't be read without.

    Args:
        bucket: as callers say it.
        dictionary: its id.
        location: the key under which it is looked for.
        backend: where.
        problem: what was found there.
    """

    fmt = (
        "objects of {bucket} on {backend!r} need the dictionary {dictionary}, and {problem} under {location}. Put it back "
        "there from another backend or bucket of the route (`foodco-storage dictionary list ROUTE --repair`)"
    )

    def __init__(self, *, bucket: str, dictionary: str, location: str, backend: str, problem: str) -> None:
        BotoCoreError.__init__(
            self, bucket=bucket, dictionary=dictionary, location=location, backend=backend, problem=problem
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self.kwargs), ()


class PhaseUnknownError(StorageError, ClientError):  # type: ignore[misc] # botocore is untyped
    """Try again, or make the control object: where a route's objects lie can't be said. Nothing was sent.

    A `ClientError` with code `ServiceUnavailable` and status 503, since it is no answer about any object.

    Args:
        message: which route, and why.
        operation: botocore's name of the operation.
    """

    def __init__(self, message: str, operation: str) -> None:
        response = {
            "Error": {"Code": "ServiceUnavailable", "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": 503, "HTTPHeaders": {}, "RetryAttempts": 0},
        }
        ClientError.__init__(self, response, operation)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.response["Error"]["Message"], self.operation_name)


class PhaseMovedError(StorageError):
    """Run it again: the phase of the route was moved meanwhile, and what was still to do may be wrong in the new one.

    Args:
        route: the route's name.
        begun: the phase in which the work was begun.
        phase: the one that the route is in now.
    """

    def __init__(self, route: str, begun: str, phase: str) -> None:
        self.route = route
        self.begun = begun
        self.phase = phase
        super().__init__(
            f"route {route!r} has moved from phase {begun!r} to {phase!r} meanwhile: what was done is right, the rest was "
            "left; run it again"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.route, self.begun, self.phase)


class PhaseRefusedError(StorageError):
    """Do what the reasons say: the phase can't be changed safely now.

    Args:
        reasons: at least one.
    """

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("\n".join(self.reasons))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reasons,)
