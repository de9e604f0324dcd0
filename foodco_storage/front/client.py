"""The class that stands in front of `BaseClient` in every client that this library makes.

botocore builds a class for each client and lets handlers of `creating-client-class` put bases into it. Ours overrides the
one method that all operations pass through, `_make_api_call`, and what passes beside it: presigning (`front.presign`) and
managed transfers that would choose a transport of their own (`front.transfers`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from foodco_storage.telemetry import hooks
from foodco_storage.telemetry.requests import note
from foodco_storage.telemetry.telling import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from foodco_storage.flows.request import Parameters, Response
    from foodco_storage.front.dispatch import Dispatch
    from foodco_storage.front.events import SharedEvents
    from foodco_storage.front.invalidation import Invalidation
    from foodco_storage.telemetry.telling import Telling

    Record = Callable[[Callable[[str, Parameters], Response], str, Parameters, Telling], Response]


def _load_record() -> Record:
    # Nobody listens to most clients.
    from foodco_storage.front.recorded import recorded  # noqa: PLC0415

    StorageClient.record = staticmethod(recorded)
    return recorded


class StorageClient:
    """Sends operations on routed buckets through their routes, and everything else where boto3 sends it."""

    invalidation: ClassVar[Invalidation | None] = None
    """Tells caches of writes, once the process has one (`front.caching`)."""

    record: ClassVar[Record | None] = None
    """Carries out an operation and tells of it (`front.recorded`), once somebody has listened."""

    _dispatch: Dispatch | None = None
    _events: SharedEvents | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Wrap what botocore and boto3 put into the class itself, where a base class could not reach it."""
        super().__init_subclass__(**kwargs)
        # Imported here: halves what importing the library adds to importing boto3.
        from foodco_storage.front.presign import presigned_post, presigned_url  # noqa: PLC0415
        from foodco_storage.front.transfers import TRANSFERS, through_routes  # noqa: PLC0415

        cls.generate_presigned_url = presigned_url(cls.generate_presigned_url)  # type: ignore[attr-defined]
        cls.generate_presigned_post = presigned_post(cls.generate_presigned_post)  # type: ignore[attr-defined]
        for name in TRANSFERS:
            # boto3 puts them there; a bare botocore session does not.
            if (method := cls.__dict__.get(name)) is not None:
                setattr(cls, name, through_routes(method))

    def _make_api_call(self, operation_name: str, api_params: Parameters) -> Response:
        if not hooks.on:
            return self._heard(operation_name, api_params)
        record = StorageClient.record or _load_record()
        dispatch = self._dispatch
        telling = PLAIN if dispatch is None else dispatch.telling(operation_name, api_params)
        return record(self._heard, operation_name, api_params, telling)

    def _heard(self, operation_name: str, api_params: Parameters) -> Response:
        """Carry out an operation, with the parameters as the caller's event handlers leave them."""
        events = self._events
        if self._dispatch is None or events is None or not events.has_front_handlers:
            return self._told(operation_name, api_params)
        meta = self.meta  # type: ignore[attr-defined]
        model = meta.service_model.operation_model(operation_name)
        context = {
            "client_region": meta.region_name,
            "client_config": meta.config,
            "has_streaming_input": model.has_streaming_input,
            "auth_type": model.resolved_auth_type,
            "unsigned_payload": model.unsigned_payload,
            "auth_options": meta.service_model.metadata.get("auth"),
        }
        with events.before_routing(model, api_params, context) as changed:
            return self._told(operation_name, changed)

    def _told(self, operation_name: str, api_params: Parameters) -> Response:
        """Carry out an operation, and tell the caches of the process what it writes."""
        invalidation = StorageClient.invalidation
        if invalidation is not None and operation_name in invalidation.operations:
            # Before it is sent as well: who reads meanwhile asks a store, and who dies in the midst leaves nothing behind
            # that is older than the write's beginning.
            invalidation.change(self._bucket_names(api_params), operation_name, api_params)
        try:
            return self._routed(operation_name, api_params)
        finally:
            # Looked up again: the first cache may have been opened meanwhile, and keep what this write has overwritten.
            invalidation = StorageClient.invalidation
            if invalidation is not None and operation_name in invalidation.operations:
                invalidation.change(self._bucket_names(api_params), operation_name, api_params)

    def _bucket_names(self, api_params: Parameters) -> Iterable[str]:
        """What callers and stores call a request's bucket."""
        bucket = api_params.get("Bucket")
        if self._dispatch is not None:
            return self._dispatch.router.names(bucket)
        return [str.__str__(bucket)] if isinstance(bucket, str) else []

    def _routed(self, operation_name: str, api_params: Parameters) -> Response:
        dispatch = self._dispatch
        if dispatch is None:
            return self._plain(operation_name, api_params)
        if dispatch.router.moves:
            return dispatch.pass_gates(operation_name, api_params, self._plain)
        plan = dispatch.router.plan(operation_name, api_params)
        if plan is None:
            return self._plain(operation_name, api_params)
        return dispatch.carry_out(plan, operation_name, api_params)

    def _plain(self, operation_name: str, api_params: Parameters) -> Response:
        """What boto3 does, with the client that the caller has."""
        send = super()._make_api_call  # type: ignore[misc]
        if hooks.on:
            backend = "caller" if self._dispatch is None else self._dispatch.default
            return note(backend, self.meta, send, operation_name, api_params)  # type: ignore[attr-defined]
        response: Response = send(operation_name, api_params)
        return response

    def _get_credentials(self) -> Any:
        """None for a client with routes.

        boto3 asks for nothing but its transfers through the AWS Common Runtime (boto3.crt), which would go past the routes
        to AWS; a client without credentials keeps the classic ones, also under an `S3Transfer` that the user makes.
        """
        return super()._get_credentials() if self._dispatch is None else None  # type: ignore[misc]

    def close(self) -> None:
        """Close the connections to all backends."""
        super().close()  # type: ignore[misc]
        if self._dispatch is not None:
            for backend in self._dispatch.backends.values():
                backend.close()
