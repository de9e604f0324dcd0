"""`GetObjectAttributes` on stores that do not answer it (Ceph RGW 16.2 answers 500): told from a HEAD instead."""

from __future__ import annotations

from typing import Any

from foodco_storage.flows.effects import Able
from foodco_storage.flows.outcomes import Deleted, NotThere
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Below, Flow, Request, Response
from foodco_storage.flows.s3_errors import rejected

_ONLY_HERE = ("ObjectAttributes", "MaxParts", "PartNumberMarker")
_HEADERS = ("DeleteMarker", "LastModified", "VersionId", "RequestCharged", "ResponseMetadata")


class ObjectAttributes:
    """The attributes of one object, wherever it lies.

    Args:
        primary: whose abilities decide; the fallbacks follow, so that an object has the same attributes before it moves
            and after.
    """

    def __init__(self, primary: Place) -> None:
        self._primary = primary

    def get_object_attributes(self, request: Request, below: Below) -> Flow:
        """What was asked for of the object's ETag, size, storage class, checksums and number of parts."""
        params = request.params
        wanted = params.get("ObjectAttributes")
        if not isinstance(wanted, list | tuple):
            # botocore says what is wrong with it.
            return (yield from below(request))
        if (yield Able(self._primary, params["Bucket"], "object_attributes")):
            return (yield from below(request))
        asked = {name: value for name, value in params.items() if name not in _ONLY_HERE}
        try:
            head: Response = yield from below(Request("HeadObject", {**asked, "ChecksumMode": "ENABLED"}))
        except (NotThere, Deleted) as error:
            # A HEAD can't say why.
            code, what = ("NoSuchVersion", "version") if "VersionId" in params else ("NoSuchKey", "key")
            raise rejected(request, code, 404, f"The specified {what} does not exist.") from error
        attributes = _attributes(head)
        answer = {name: head[name] for name in _HEADERS if name in head}
        return answer | {name: attributes[name] for name in wanted if name in attributes}


def _attributes(head: Response) -> dict[str, Any]:
    etag = head["ETag"].strip('"')
    attributes: dict[str, Any] = {
        "ETag": etag,
        "ObjectSize": head["ContentLength"],
        # A HEAD leaves the usual one out.
        "StorageClass": head.get("StorageClass", "STANDARD"),
    }
    if checksum := {name: value for name, value in head.items() if name.startswith("Checksum")}:
        attributes["Checksum"] = checksum
    # S3 also leaves out the list of parts where the object has no checksum of its own.
    _, dash, parts = etag.rpartition("-")
    if dash and parts.isdecimal():
        attributes["ObjectParts"] = {"TotalPartsCount": int(parts)}
    return attributes
