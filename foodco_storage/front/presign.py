"""Presigned URLs and posts: signed by the client of the backend that the URL is for.

A presigned URL is used without the library, so the choice of a backend is made when it is signed. `presign` of a route says
how: for the authority, or for the holder of the object as it lies now (one HEAD per URL).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from foodco_storage.errors import OperationRefusedError
from foodco_storage.operations import OPERATIONS, OperationClass
from foodco_storage.telemetry.recording import work
from foodco_storage.telemetry.steps import tell_step

if TYPE_CHECKING:
    from foodco_storage.front.router import Plan
    from foodco_storage.layers.route import Route

logger = logging.getLogger("foodco_storage")

_NOT_FOUND = 404
_HELD = frozenset({"GetObject", "HeadObject"})
_WRITES = frozenset({OperationClass.OBJECT_WRITE, OperationClass.MULTIPART})
_READS = frozenset({"GET", "HEAD"})


def presigned_url(original: Callable[..., str]) -> Callable[..., str]:
    """`generate_presigned_url` that looks at the bucket and key of its parameters."""

    @wraps(original)
    def generate_presigned_url(
        self: Any,
        ClientMethod: str,  # noqa: N803 - boto3's names
        Params: dict[str, Any] | None = None,  # noqa: N803
        ExpiresIn: int = 3600,  # noqa: N803
        HttpMethod: str | None = None,  # noqa: N803
    ) -> str:
        operation = self._PY_TO_OP_NAME.get(ClientMethod)
        # An unknown method: botocore has an error for it.
        if self._dispatch is None or operation is None:
            return original(self, ClientMethod, Params, ExpiresIn, HttpMethod)
        model = self.meta.service_model.operation_model(operation)
        with self._events.before_routing(model, dict(Params or {}), {"is_presign_request": True}) as params:
            signer, theirs = _signer(self, operation, params, HttpMethod)
            return original(signer, ClientMethod, theirs, ExpiresIn, HttpMethod)

    return generate_presigned_url


def presigned_post(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """`generate_presigned_post` that looks at its bucket and key."""

    @wraps(original)
    def generate_presigned_post(
        self: Any,
        Bucket: str,  # noqa: N803 - boto3's names
        Key: str,  # noqa: N803
        Fields: dict[str, Any] | None = None,  # noqa: N803
        Conditions: list[Any] | None = None,  # noqa: N803
        ExpiresIn: int = 3600,  # noqa: N803
    ) -> dict[str, Any]:
        signer, params = self, {"Bucket": Bucket, "Key": Key}
        if self._dispatch is not None:
            signer, params = _signer(self, "PutObject", params, "POST")
        return original(signer, params["Bucket"], Key, Fields, Conditions, ExpiresIn)

    return generate_presigned_post


def _signer(client: Any, operation: str, params: dict[str, Any], method: str | None) -> tuple[Any, dict[str, Any]]:
    """The client that signs, and the parameters as its backend knows them.

    Args:
        client: the caller's.
        operation: botocore's name.
        params: as the caller knows them.
        method: the HTTP method that the caller wants in place of the operation's own; it decides what the URL does.
    """
    dispatch = client._dispatch  # noqa: SLF001
    plan: Plan | None = dispatch.router.plan(operation, params)
    if plan is None:
        return client, params
    route = plan.route
    deletes = OPERATIONS.get(operation) is OperationClass.OBJECT_DELETE or operation == "DeleteBucket"
    if route.fallbacks and (deletes or (method or "").upper() == "DELETE"):
        message = (
            f"a presigned {operation} would take from {route.authority.backend!r} what its fallbacks still hold; "
            "delete through the library"
        )
        raise OperationRefusedError(message, operation)
    if route.fallbacks and route.phase is not None and _writes(operation, method):
        # It goes past the mirror: verify finds what it leaves.
        tell_step("presign", "done", route.name, _named(params), dispatch.driver.telling(route.name))
    place = route.authority
    reads = operation in _HELD and (method or "GET").upper() in _READS
    if reads and (route.presign == "holder" or _looks_first(route)):
        storage = _looked_at(client, route, params)
        _check_compressed(route, storage, operation)
        if route.presign == "holder":
            place = next(p for p in route.places if p.backend == storage["backend"])
    return dispatch.backends[place.backend].client, {**params, "Bucket": place.bucket(params["Bucket"])}


def _named(params: dict[str, Any]) -> dict[str, Any] | None:
    return {name: params[name] for name in ("Bucket", "Key")} if "Key" in params else None


def _writes(operation: str, method: str | None) -> bool:
    if method is not None:
        return method.upper() in {"POST", "PUT"}
    return OPERATIONS.get(operation) in _WRITES


def _looks_first(route: Route) -> bool:
    """Whether objects of the route may lie compressed: whoever follows a URL would get that."""
    return route.compressing is not None and route.compressing.table


def _check_compressed(route: Route, storage: dict[str, Any], operation: str) -> None:
    if "codec" not in storage:
        return
    if route.compressing is None or not route.compressing.presigned:
        message = (
            "the object lies compressed, and whoever follows the URL would get that: read it through the library, exclude "
            "such objects from compression, or, where all who follow URLs decode zstd, say "
            f"routes.{route.name}.compression.presigned = 'encoded'"
        )
        raise OperationRefusedError(message, operation)
    if "dictionary" in storage:
        message = (
            "the object lies compressed with a dictionary, which nobody has who follows the URL; read it through the "
            "library"
        )
        raise OperationRefusedError(message, operation)


def _looked_at(client: Any, route: Route, params: dict[str, Any]) -> dict[str, Any]:
    """Who holds an object, and how; the authority where nobody is found."""
    names = ("Bucket", "Key", "VersionId", "RequestPayer", "ExpectedBucketOwner")
    asked = {name: params[name] for name in names if name in params}
    telling = client._dispatch.driver.telling(route.name)  # noqa: SLF001 - ours
    try:
        with work("presign", route.name, params.get("Bucket"), params.get("Key"), telling):
            head = _head(client, asked)
    except (BotoCoreError, ClientError) as error:
        if _looks_first(route):
            # Nobody knows what the URL would lead to.
            raise
        logger.debug("signing for the authority of route %r, since no holder could be found: %s", route.name, error)
        head = None
    if head is None:
        # Signing never fails in boto3 for what lies in the store, and nobody holds a key that is yet to be written.
        return {"backend": route.authority.backend}
    storage: dict[str, Any] = head["ResponseMetadata"]["Storage"]
    return storage


def _head(client: Any, params: dict[str, Any]) -> dict[str, Any] | None:
    """What is known of an object; None where nobody holds it."""
    try:
        # Below the front door: the caller's handlers have seen these parameters, and may have changed them.
        head: dict[str, Any] = client._routed("HeadObject", params)  # noqa: SLF001 - ours
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == _NOT_FOUND:
            return None
        raise
    return head
