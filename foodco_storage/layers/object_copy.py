"""One whole object from one place to another, with all that it takes along: for the mirror, for promotes, for repairs."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError

from foodco_storage.flows.conditions import bare
from foodco_storage.flows.effects import Able, Call, Discard, Spool, Spooled
from foodco_storage.flows.marks import ORIGIN
from foodco_storage.flows.origin import Origin
from foodco_storage.flows.outcomes import BackendError, Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Parameters, Request, Response
from foodco_storage.layers.carried import kept, tags
from foodco_storage.layers.sameness import recorded_md5

WHOLE_BYTES = 64 * 1024**2
"""Objects up to here are copied by one PUT, larger ones in parts."""

_MAX_PARTS = 10_000
_MD5_HEX = 32


class BodyDiffersError(BotoCoreError):  # type: ignore[misc] # botocore is untyped
    """What came over the network is not what the store says that it holds."""

    fmt = "the body of {bucket}/{key} from {backend!r} does not have the MD5 that its ETag names"


@dataclass(frozen=True, slots=True)
class Read:
    """A whole object, read.

    Args:
        answer: what the GET said, marks included.
        spooled: its body. Whoever gets it closes it.
    """

    answer: Response
    spooled: Spooled


def read_whole(place: Place, which: Parameters) -> Generator[Any, Any, Read]:
    """Read an object as it is stored.

    Raises:
        BackendError: as the store answers; `Unavailable` where the body is not the one that its ETag names.
    """
    answer: Response = yield Call(place, Request("GetObject", which))
    return (yield from spool(place, which, answer))


def spool(place: Place, which: Parameters, answer: Response) -> Generator[Any, Any, Read]:
    """Keep the body of a GET's answer."""
    spooled: Spooled = yield Spool(answer["Body"])
    if not is_whole(answer, spooled):
        yield Discard(spooled.file)
        raise Unavailable(
            place.backend, BodyDiffersError(bucket=which["Bucket"], key=which["Key"], backend=place.backend)
        )
    return Read(answer, spooled)


def is_whole(answer: Response, spooled: Spooled) -> bool:
    """Whether a body is what a GET's answer announced: its size, and its MD5 where the ETag is one."""
    if spooled.size != answer["ContentLength"]:
        return False
    if (recorded := recorded_md5(answer)) is not None:
        return recorded == spooled.md5.hex()
    etag = bare(answer.get("ETag", ""))
    is_md5 = len(etag) == _MD5_HEX and "SSECustomerAlgorithm" not in answer
    if not is_md5 or answer.get("ServerSideEncryption", "AES256") != "AES256":
        return True
    return etag.lower() == spooled.md5.hex()


def put_whole(
    source: Place,
    destination: Place,
    which: Parameters,
    read: Read,
    *,
    origin: Origin | None = None,
    only_if_absent: bool = False,
) -> Flow:
    """Write what was read by one PUT, and close it.

    Args:
        source: where it was read.
        destination: where it goes.
        which: bucket and key, as callers say them.
        read: the object.
        origin: what it is to be known as a promoted copy of.
        only_if_absent: `If-None-Match: *`, sent once.
    """
    try:
        params = yield from _described(source, which, read.answer, origin)
        put = {**which, **params, "Body": read.spooled.file, "ContentMD5": read.spooled.content_md5}
        put["ContentLength"] = read.spooled.size
        if only_if_absent:
            put["IfNoneMatch"] = "*"
        response: Response = yield Call(destination, Request("PutObject", put), once=only_if_absent)
    except Exception:
        # Not `finally`: a flow that is abandoned may not yield any more.
        yield Discard(read.spooled.file)
        raise
    yield Discard(read.spooled.file)
    return response


def copy(
    source: Place, destination: Place, which: Parameters, head: Response, *, pinned: bool = False
) -> Generator[Any, Any, Response]:
    """Bring a place's present object to another, unconditionally.

    Args:
        source: where it lies.
        destination: where it goes.
        which: bucket and key, as callers say them.
        head: what a HEAD of it answered.
        pinned: copy this very object or none.

    Returns:
        The head of what was copied, which may be a later object than `head` told of unless that is pinned.

    Raises:
        Rejected: 412, the pinned object is there no more.
        BackendError: a store could not be asked or written.
    """
    if head["ContentLength"] > WHOLE_BYTES:
        yield from _copy_in_parts(source, destination, which, head)
        return head
    read = yield from read_whole(source, {**which, "IfMatch": head["ETag"]} if pinned else which)
    origin = _origin_of_another_etag(which, read.answer, (yield from part_sizes(source, which, read.answer)))
    yield from put_whole(source, destination, which, read, origin=origin)
    return read.answer


def _origin_of_another_etag(which: Parameters, answer: Response, sizes: tuple[int, ...]) -> Origin | None:
    """What a copy has to remember of an object that was uploaded in parts, or lies compressed.

    Its ETag is of its parts, or of its stored form, and the copy has others: whoever holds that ETag is to go on when the
    copy's side decides, and without a write's id the two would never be known to be the same.
    """
    etag = bare(answer.get("ETag", ""))
    if ("-" not in etag and recorded_md5(answer) is None) or Origin.of(
        answer, which["Bucket"], which["Key"]
    ) is not None:
        return None
    return Origin(etag, answer["LastModified"], sizes)


def _described(
    place: Place, which: Parameters, answer: Response, origin: Origin | None = None
) -> Generator[Any, Any, Parameters]:
    params = kept(Request("PutObject", which), place, answer)
    if answer.get("WebsiteRedirectLocation"):
        params["WebsiteRedirectLocation"] = answer["WebsiteRedirectLocation"]
    if origin is not None:
        params["Metadata"] = {**params.get("Metadata", {}), ORIGIN: origin.text(which["Bucket"], which["Key"])}
    return params | (yield from tags(place, which, answer))


def _copy_in_parts(source: Place, destination: Place, which: Parameters, head: Response) -> Flow:
    sizes = yield from part_sizes(source, which, head)
    described = yield from _described(source, which, head, _origin_of_another_etag(which, head, sizes))
    created: Response = yield Call(destination, Request("CreateMultipartUpload", {**which, **described}))
    upload = {**which, "UploadId": created["UploadId"]}
    try:
        parts, start = [], 0
        for number, size in enumerate(sizes or _even_parts(head["ContentLength"]), start=1):
            span = f"bytes={start}-{start + size - 1}"
            # Tied to the object that the head told of: parts of two objects would be neither.
            get = Request("GetObject", {**which, "Range": span, "IfMatch": head["ETag"]})
            answer: Response = yield Call(source, get)
            spooled: Spooled = yield Spool(answer["Body"])
            try:
                _check_size(source, which, spooled, size)
                put = {**upload, "PartNumber": number, "Body": spooled.file, "ContentMD5": spooled.content_md5}
                done: Response = yield Call(destination, Request("UploadPart", put))
            except Exception:
                yield Discard(spooled.file)
                raise
            yield Discard(spooled.file)
            parts.append({"PartNumber": number, "ETag": done["ETag"]})
            start += size
        finish = {**upload, "MultipartUpload": {"Parts": parts}}
        response: Response = yield Call(destination, Request("CompleteMultipartUpload", finish))
    except Exception:
        yield from _abort(destination, upload)
        raise
    return response


def _check_size(place: Place, which: Parameters, spooled: Spooled, size: int) -> None:
    if spooled.size != size:
        raise Unavailable(
            place.backend, BodyDiffersError(bucket=which["Bucket"], key=which["Key"], backend=place.backend)
        )


def _abort(place: Place, upload: Parameters) -> Generator[Any, Any, None]:
    try:
        yield Call(place, Request("AbortMultipartUpload", upload))
    except BackendError:
        # The failure that led here is the one to tell of; a bucket's lifecycle rule collects abandoned uploads.
        return


def part_sizes(place: Place, which: Parameters, head: Response) -> Generator[Any, Any, tuple[int, ...]]:
    """Sizes of the parts that an object was uploaded in; empty where it has none, or where the store does not tell."""
    etag = bare(head.get("ETag", ""))
    if "-" not in etag or not (yield Able(place, which["Bucket"], "part_number")):
        return ()
    part = {**which, "IfMatch": head["ETag"]}
    try:
        first: Response = yield Call(place, Request("HeadObject", {**part, "PartNumber": 1}))
        size, count = int(first["ContentLength"]), int(first.get("PartsCount", 0))
        last = head["ContentLength"] - size * (count - 1)
        if not count or not 0 < last <= size:
            return ()
        if count > 2:  # noqa: PLR2004 - of two the first tells
            # Uploads have parts of one size and a smaller last one; of others each would have to be asked for.
            end: Response = yield Call(place, Request("HeadObject", {**part, "PartNumber": count}))
            if end["ContentLength"] != last:
                return ()
    except BackendError:
        return ()
    return (size,) * (count - 1) + (last,)


def _even_parts(size: int) -> list[int]:
    part = max(WHOLE_BYTES, -(-size // _MAX_PARTS))
    return [min(part, size - start) for start in range(0, size, part)]
