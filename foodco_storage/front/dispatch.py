"""From a boto3 call to its plan, and back with a botocore response or error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from typing import Any

from botocore.exceptions import ClientError

from foodco_storage.backends.boto import BotoBackend
from foodco_storage.drivers.threads import ThreadDriver
from foodco_storage.flows.request import Parameters, Request, Response
from foodco_storage.front.router import Plan, Router
from foodco_storage.operations import OPERATIONS, OperationClass
from foodco_storage.telemetry.recording import clock, current
from foodco_storage.telemetry.telling import PLAIN, Telling

EXACT_SIZES: ContextVar[bool] = ContextVar("foodco_storage_exact_sizes", default=False)
"""Whether listings that are asked for here must tell the sizes before compression (the filesystem's with details)."""

_CHANGING = frozenset({OperationClass.MULTIPART, OperationClass.OBJECT_DELETE, OperationClass.OBJECT_WRITE})


class Dispatch:
    """Carries out the operations of one client.

    Args:
        router: finds the plan of a request.
        backends: every backend that the routes name.
        driver: carries out flows over them.
        default: the backend of buckets without a route.
        telling: what may be told of these.
    """

    def __init__(
        self,
        router: Router,
        backends: Mapping[str, BotoBackend],
        driver: ThreadDriver,
        default: str,
        telling: Telling = PLAIN,
    ) -> None:
        self.router = router
        self.backends = backends
        self.driver = driver
        self.default = default
        self._telling = telling

    def telling(self, operation: str, params: Parameters) -> Telling:
        """What may be told of an operation."""
        if not self.driver.tellings:
            return self._telling
        if operation == "DeleteObjects":
            return self._telling_of_several(params)
        name = self.router.name_of_route(params)
        return self._telling if name is None else self.driver.telling(name)

    def _telling_of_several(self, params: Parameters) -> Telling:
        """Of keys of several routes: nothing, where nothing may be told of one of them."""
        bucket = params.get("Bucket")
        names = {self.router.name_of_route({"Bucket": bucket, "Key": key}) for key in _keys_of(params)}
        tellings = [self._telling if name is None else self.driver.telling(name) for name in names]
        off = [telling for telling in tellings if not telling.enabled]
        return next(iter([*off, *tellings]), self._telling)

    def pass_gates(self, operation: str, params: Parameters, plain: Callable[[str, Parameters], Response]) -> Response:
        """Carry out an operation where the phases of routes move: none of them does so before it has ended.

        Args:
            operation: botocore's name of it.
            params: its parameters.
            plain: carries it out where no route speaks for it.

        Raises:
            botocore.exceptions.ClientError: also `SlowDown`, where a phase on the move did not come to rest in time.
        """
        changes = OPERATIONS.get(operation) in _CHANGING and operation != "ListParts"
        with ExitStack() as stack:
            phases = {}
            recording, begun = current.get(), clock()
            try:
                for name, gate in sorted(self.router.gates(operation, params).items()):
                    if recording is not None:
                        # Whatever becomes of the wait.
                        recording.route = name
                    phases[name] = stack.enter_context(gate.writing(operation) if changes else gate.reading(operation))
            finally:
                if recording is not None:
                    recording.wait_seconds += clock() - begun
            plan = self.router.plan(operation, params, phases)
            return plain(operation, params) if plan is None else self.carry_out(plan, operation, params)

    def carry_out(self, plan: Plan, operation: str, params: Parameters) -> Response:
        """Do what the plan says.

        Raises:
            botocore.exceptions.ClientError: the store's own, with the backend's name under
                `response["ResponseMetadata"]["Storage"]`.
            botocore.exceptions.BotoCoreError: as boto3 raises it.
        """
        recording = current.get()
        if recording is not None:
            route = plan.route
            recording.route, recording.phase, recording.has_cache = route.name or None, route.phase, bool(route.caching)
        if plan.flow is not None:
            try:
                return self.driver.run(plan.flow(Request(operation, params, exact_sizes=EXACT_SIZES.get())))
            except ClientError as error:
                self._give_class(error)
                raise
        place = plan.place
        if place.buckets:
            params = {**params, "Bucket": place.bucket(params["Bucket"])}
        try:
            response = self.backends[place.backend].send(operation, params)
        except ClientError as error:
            _says_who(error.response, place.backend)
            raise
        _says_who(response, place.backend)
        return response

    def _give_class(self, error: ClientError) -> None:
        """Layers make errors without a client at hand; `except client.exceptions.NoSuchKey` shall catch those too."""
        if type(error) is ClientError:
            client = next(iter(self.backends.values())).client
            error.__class__ = client.exceptions.from_code(error.response.get("Error", {}).get("Code"))

    def after_fork(self) -> None:
        """In a forked child: leave the parent its connections and locks."""
        self.driver.after_fork()
        for backend in self.backends.values():
            backend.after_fork()


def _keys_of(params: Parameters) -> list[Any]:
    """The keys of a DeleteObjects, as far as it has the form of one."""
    delete = params.get("Delete")
    objects = delete.get("Objects") if isinstance(delete, Mapping) else None
    return [one.get("Key") for one in objects if isinstance(one, Mapping)] if isinstance(objects, list | tuple) else []


def _says_who(response: Mapping[str, Any], backend: str) -> None:
    metadata = response.get("ResponseMetadata")
    if metadata is not None:
        metadata["Storage"] = {"backend": backend}
