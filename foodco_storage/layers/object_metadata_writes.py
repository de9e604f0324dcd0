"""Writes that change what hangs on an object: tags, ACL, holds, retention, annotations."""

from __future__ import annotations

from foodco_storage.flows.effects import Call
from foodco_storage.flows.outcomes import NotThere
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Below, Flow, Request, Response
from foodco_storage.flows.s3_errors import refused
from foodco_storage.layers.fallback_reads import look_up
from foodco_storage.layers.storage_metadata import note


class ObjectMetadataWrites:
    """Sends them to the primary, and tells an object that lies only in a fallback from one that nobody holds."""

    def __init__(self, primary: Place, fallbacks: tuple[Place, ...]) -> None:
        self._primary = primary
        self._fallbacks = fallbacks

    def put_object_tagging(self, request: Request, below: Below) -> Flow:
        """Change the object on the primary.

        Raises:
            Rejected: refused where only a fallback holds the object: it would have to be written there.
        """
        try:
            response: Response = yield Call(self._primary, request)
        except NotThere:
            head = yield from look_up(self._fallbacks, request)
            if not head:
                raise
            holder = head["ResponseMetadata"]["Storage"]["backend"]
            raise refused(
                request,
                f"the object lies only in the fallback {holder!r}, which this route never writes; copy it onto itself "
                f"first (copy_object with StorageClass='STANDARD'), which brings it to {self._primary.backend!r} as it is",
            ) from None
        return note(response, backend=self._primary.backend)

    delete_object_annotation = put_object_tagging
    delete_object_tagging = put_object_tagging
    put_object_acl = put_object_tagging
    put_object_annotation = put_object_tagging
    put_object_legal_hold = put_object_tagging
    put_object_retention = put_object_tagging
    restore_object = put_object_tagging
    update_object_encryption = put_object_tagging
