"""What a backend's failure means to a flow.

A backend maps botocore's errors to these at the edge, once; flows decide by the class alone; the front door hands the
user `error`, which is botocore's own.
"""

from __future__ import annotations


class BackendError(Exception):
    """A backend did not do what it was asked.

    Args:
        backend: the backend's name.
        error: what a boto3 user would see; raised as it is when no flow knows better.
    """

    def __init__(self, backend: str, error: Exception) -> None:
        super().__init__(backend, error)
        self.backend = backend
        self.error = error

    @property
    def code(self) -> str:
        """The S3 error code, or an empty string where the store gave none."""
        response = getattr(self.error, "response", None) or {}
        return str(response.get("Error", {}).get("Code", ""))

    @property
    def status(self) -> int:
        """The HTTP status, or 0 where there was no answer."""
        response = getattr(self.error, "response", None) or {}
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


class NotThere(BackendError):
    """The backend answered that it does not hold the key (or the version). Only this, and `NoBucket`, may fall back."""


class Deleted(BackendError):
    """The key was deleted here, and the backend remembers it (a delete marker): nothing older may be shown instead."""


class NoBucket(BackendError):
    """The backend has no such bucket."""


class Unavailable(BackendError):
    """The backend could not answer: no connection, a timeout, a 5xx, or an answer that no S3 store gives."""


class Rejected(BackendError):
    """The backend understood and refused: a condition failed, access was denied, a parameter is wrong.

    Also where it could not be asked for a reason on this side: there are no credentials.
    """
