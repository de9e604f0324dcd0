"""Requests, responses and the type of a flow."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeAlias

Parameters: TypeAlias = dict[str, Any]
Response: TypeAlias = dict[str, Any]
"""What botocore returns for an operation: its keys, its types."""


class Request:
    """One S3 operation as a caller asked for it.

    Args:
        operation: botocore's name of the operation, `GetObject`.
        params: boto3's keyword arguments. Never changed in place: `with_params` makes a new request.
        exact_sizes: of a listing, whether it must tell the sizes of what users stored, whatever that costs.
    """

    __slots__ = ("exact_sizes", "operation", "params")

    def __init__(self, operation: str, params: Parameters, *, exact_sizes: bool = False) -> None:
        self.operation = operation
        self.params = params
        self.exact_sizes = exact_sizes

    def with_params(self, **changes: Any) -> Request:
        """The same request with some parameters replaced."""
        return Request(self.operation, {**self.params, **changes}, exact_sizes=self.exact_sizes)

    def without_params(self, *names: str) -> Request:
        """The same request with some parameters left out."""
        params = {name: value for name, value in self.params.items() if name not in names}
        return Request(self.operation, params, exact_sizes=self.exact_sizes)

    def __repr__(self) -> str:
        # Parameters may hold SSE-C keys and bodies: a repr that ends in a log shows their names only.
        return f"Request({self.operation}, {sorted(self.params)})"


Flow: TypeAlias = Generator[Any, Any, Response]
"""Yields effects (`foodco_storage.flows.effects`), is sent their results, returns a response."""

Below: TypeAlias = Callable[[Request], Flow]
"""What a layer hands a request on to: the flow of the layers under it."""
