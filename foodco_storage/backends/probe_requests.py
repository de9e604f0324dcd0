"""What single requests show of a store. Each function says whether it has the capability of its name.

They raise botocore's errors, and `NotAnswered`, where the store's answer decides nothing. A capability is present when the
store does what it should in the good case *and* in the bad one: a store that ignores a condition passes the former.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from botocore.exceptions import ClientError

from foodco_storage.backends.probe_sandbox import NotAnswered, Sandbox, refuses

_WRONG_ETAG = "0" * 32
_PART_BYTES = 5 * 1024 * 1024
"""The smallest part that S3 accepts before the last one."""
_SAYS_NOTHING = frozenset({403, 429, 503})


def conditional_put(place: Sandbox) -> bool:
    """PUT with If-None-Match writes where nothing is, and nowhere else."""
    key = place.new_key()
    if not _holds(place, "PutObject", key, Body=b"first", IfNoneMatch="*"):
        return False
    return not _holds(place, "PutObject", key, Body=b"second", IfNoneMatch="*") and place.read(key) == b"first"


def put_if_match(place: Sandbox) -> bool:
    """PUT with If-Match overwrites the object that it names and no other, with the ETag in quotes or without."""
    return put_if_match_quoted(place) or _put_if_match(place, "{}")


def put_if_match_quoted(place: Sandbox) -> bool:
    """The same, with the ETag in quotes as HTTP has it."""
    return _put_if_match(place, '"{}"')


def _put_if_match(place: Sandbox, form: str) -> bool:
    key = place.new_key()
    etag = place.put(key, b"first")
    if _holds(place, "PutObject", key, Body=b"wrong", IfMatch=form.format(_WRONG_ETAG)):
        return False
    if not _holds(place, "PutObject", key, Body=b"second", IfMatch=form.format(etag)):
        return False
    return place.read(key) == b"second" and not _writes_nothing_to(place, form)


def _writes_nothing_to(place: Sandbox, form: str) -> bool:
    """Whether If-Match writes where there is no object at all; S3 answers NoSuchKey, RGW a failed condition."""
    try:
        return place.holds("PutObject", place.new_key(), Body=b"wrong", IfMatch=form.format(_WRONG_ETAG))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "NoSuchKey":
            return False
        raise


def delete_if_match(place: Sandbox) -> bool:
    """DELETE with If-Match removes the object that it names and no other."""
    key = place.new_key()
    etag = place.put(key, b"first")
    if _holds(place, "DeleteObject", key, IfMatch=f'"{_WRONG_ETAG}"') or place.read(key) is None:
        return False
    return _holds(place, "DeleteObject", key, IfMatch=f'"{etag}"') and place.read(key) is None


def complete_if_none_match(place: Sandbox) -> bool:
    """CompleteMultipartUpload with If-None-Match writes where nothing is, and nowhere else."""
    key = place.new_key()
    place.put(key, b"first")
    if _completes(place, key, IfNoneMatch="*") or place.read(key) != b"first":
        return False
    return _completes(place, place.new_key(), IfNoneMatch="*")


def _completes(place: Sandbox, key: str, **conditions: Any) -> bool:
    upload_id, parts = _upload(place, key, b"part")
    upload = {"UploadId": upload_id, "MultipartUpload": {"Parts": parts}}
    return _holds(place, "CompleteMultipartUpload", key, **upload, **conditions)


def _upload(place: Sandbox, key: str, *bodies: bytes) -> tuple[str, list[dict[str, Any]]]:
    upload_id = place.send("CreateMultipartUpload", key)["UploadId"]
    parts = []
    for number, body in enumerate(bodies, 1):
        answer = place.send("UploadPart", key, UploadId=upload_id, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    return upload_id, parts


def copy_if_none_match(place: Sandbox) -> bool:
    """CopyObject with If-None-Match writes where nothing is, and nowhere else."""
    source, key = place.new_key(), place.new_key()
    place.put(source, b"source")
    place.put(key, b"first")
    copy = {"CopySource": {"Bucket": place.bucket, "Key": source}, "IfNoneMatch": "*"}
    if _holds(place, "CopyObject", key, **copy) or place.read(key) != b"first":
        return False
    absent = place.new_key()
    return _holds(place, "CopyObject", absent, **copy) and place.read(absent) == b"source"


def part_number(place: Sandbox) -> bool:
    """GET and HEAD with PartNumber answer that part of an object that was uploaded in parts."""
    key = place.new_key()
    bodies = (bytes(_PART_BYTES), b"the last part")
    upload_id, parts = _upload(place, key, *bodies)
    place.send("CompleteMultipartUpload", key, UploadId=upload_id, MultipartUpload={"Parts": parts})
    try:
        head = place.send("HeadObject", key, PartNumber=2)
        answer = place.send("GetObject", key, PartNumber=2)
    except ClientError as error:
        return _missing(place, key, error)
    try:
        # No more than is needed to see: a store that ignores the number sends everything.
        body = answer["Body"].read(len(bodies[1]) + 1)
    finally:
        answer["Body"].close()
    return bool(head["ContentLength"] == len(bodies[1]) and body == bodies[1])


def object_attributes(place: Sandbox) -> bool:
    """GetObjectAttributes is answered."""
    key = place.new_key()
    place.put(key, b"attributes")
    try:
        answer = place.send("GetObjectAttributes", key, ObjectAttributes=["ETag", "ObjectSize"])
    except ClientError as error:
        return _missing(place, key, error)
    return bool(answer.get("ObjectSize") == len(b"attributes"))


def checksums(place: Sandbox) -> bool:
    """A checksum sent with a PUT is stored and returned."""
    key = place.new_key()
    checksum = base64.b64encode(hashlib.sha256(b"checksums").digest()).decode("ascii")
    try:
        place.send("PutObject", key, Body=b"checksums", ChecksumSHA256=checksum)
        return bool(place.send("HeadObject", key, ChecksumMode="ENABLED").get("ChecksumSHA256") == checksum)
    except ClientError as error:
        return _unless_refused(error)


def delete_objects_without_md5(place: Sandbox) -> bool:
    """DeleteObjects is carried out as botocore sends it, with a CRC32 and no Content-MD5."""
    key = place.new_key()
    place.put(key, b"delete")
    try:
        errors = place.send("DeleteObjects", Delete={"Objects": [{"Key": key}], "Quiet": True}).get("Errors")
    except ClientError as error:
        return _unless_refused(error)
    if errors:
        raise NotAnswered(f"DeleteObjects answered {errors[0].get('Code')}")
    return place.read(key) is None


def _holds(place: Sandbox, operation: str, key: str, **params: Any) -> bool:
    """`Sandbox.holds`; a store that refuses the condition as such answers False to everything, so it has it not."""
    try:
        return place.holds(operation, key, **params)
    except ClientError as error:
        if refuses(error):
            return False
        raise


def _unless_refused(error: ClientError) -> bool:
    if refuses(error):
        return False
    raise error


def _missing(place: Sandbox, key: str, error: ClientError) -> bool:
    """False, since the store answers about the key but not this; RGW 16 has 500 for what it does not know.

    Raises:
        ClientError: the error, if it says nothing of the capability: not allowed, too busy.
    """
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status in _SAYS_NOTHING:
        raise error
    place.send("HeadObject", key)
    return False
