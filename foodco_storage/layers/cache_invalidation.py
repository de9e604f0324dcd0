"""Writes through a route with a cache: what was kept of a key is good no more when a write of it has ended, however."""

from __future__ import annotations

from typing import Any

from foodco_storage.flows.effects import Forget
from foodco_storage.flows.request import Below, Flow, Request, Response
from foodco_storage.operations import OPERATIONS, OperationClass, python_name

_WRITES = (OperationClass.OBJECT_WRITE, OperationClass.OBJECT_DELETE)


class CacheInvalidation:
    """Forgets the keys of every operation that may change an object.

    Before it is sent as well: who reads meanwhile asks a store, and who dies in the midst leaves nothing behind that is older
    than the write's beginning.

    Args:
        route: the route's name.
    """

    def __init__(self, route: str) -> None:
        self._route = route

    def _changing(self, request: Request, below: Below) -> Flow:
        keys = _keys(request)
        bucket = request.params.get("Bucket")
        if not keys or not isinstance(bucket, str):
            # botocore says what is missing.
            return (yield from below(request))
        forget = Forget(self._route, str.__str__(bucket), keys)
        yield forget
        try:
            response: Response = yield from below(request)
        except Exception:
            yield forget
            raise
        yield forget
        return response


def _keys(request: Request) -> list[str]:
    if request.operation == "DeleteObjects":
        delete: Any = request.params.get("Delete")
        objects = delete.get("Objects", ()) if isinstance(delete, dict) else ()
        keys = (
            [item.get("Key") for item in objects if isinstance(item, dict)] if isinstance(objects, list | tuple) else []
        )
    else:
        keys = [request.params.get("Key")]
    return [str.__str__(key) for key in keys if isinstance(key, str)]


for _name, _class in OPERATIONS.items():
    if _class in _WRITES or _name == "CompleteMultipartUpload":
        setattr(CacheInvalidation, python_name(_name), CacheInvalidation._changing)  # noqa: SLF001 - one for all
