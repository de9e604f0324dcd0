"""What a driver needs of a backend."""

from __future__ import annotations

from typing import Protocol

from foodco_storage.flows.request import Request, Response


class Backend(Protocol):
    """One S3-compatible store."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""

    def call(self, request: Request) -> Response:
        """Carry out one operation; `request` already speaks of buckets by this backend's names.

        Raises:
            BackendError: for every failure of the store, and of the way to it.
            botocore.exceptions.ParamValidationError: for a request that never left.
        """

    def call_once(self, request: Request) -> Response:
        """The same in one attempt, whatever the backend's retries."""

    def able(self, bucket: str, capability: str, reserved_prefix: str) -> bool:
        """Whether it has a capability on one of its buckets (`foodco_storage.backends.capabilities`).

        Args:
            bucket: as this backend calls it.
            capability: its name.
            reserved_prefix: where a record of it would lie in the bucket.
        """
