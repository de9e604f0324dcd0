"""What users are told of an object that lies compressed: all of it of what they stored, but for its ETag."""

from __future__ import annotations

import base64
from collections.abc import Generator
from dataclasses import replace
from typing import Any, Final

from foodco_storage.errors import CorruptObjectError
from foodco_storage.flows.effects import Discard
from foodco_storage.flows.marks import CODEC, mark
from foodco_storage.flows.outcomes import BackendError, Rejected
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Parameters, Request, Response
from foodco_storage.flows.s3_errors import refused
from foodco_storage.flows.stored_form import LaterVersionError, StoredForm, UnreadableMarkError
from foodco_storage.layers.spans import drop_checksums
from foodco_storage.layers.storage_metadata import note

_META: Final = f"x-amz-meta-{CODEC}"


def form_of(place: Place, request: Request, answer: Response) -> StoredForm | None:
    """The form of what a GET or HEAD answered; None for an object that lies as it is.

    Raises:
        Rejected: it lies compressed, and can't be read.
    """
    if mark(answer, CODEC) is None:
        return None
    try:
        form = StoredForm.of(answer, request.params)
    except LaterVersionError as error:
        raise refused(
            request,
            f"the object lies compressed on {place.backend!r} in a form that another version of foodco_storage has written; "
            "upgrade it here",
        ) from error
    except UnreadableMarkError as error:
        raise corrupt(place, request, f"of its metadata {CODEC}: {error}") from error
    if form is None:
        # Written back by a program that has read it: it says nothing, and no copy is to carry a name that is reserved.
        _without_mark(answer)
    return form


def form_or_drop(place: Place, request: Request, answer: Response) -> Generator[Any, Any, StoredForm | None]:
    """The same; where it can't be read the body is given back."""
    try:
        return form_of(place, request, answer)
    except BackendError:
        if "Body" in answer:
            yield Discard(answer["Body"])
        raise


def check_size(place: Place, request: Request, form: StoredForm, stored_size: int) -> None:
    """See that as much lies in the store as was written.

    Raises:
        Rejected: it does not.
    """
    if stored_size != form.stored_size:
        raise corrupt(place, request, f"{stored_size} bytes lie there, {form.stored_size} were written")


def corrupt(place: Place, request: Request, problem: str) -> Rejected:
    """The error for an object that is damaged."""
    params = request.params
    return Rejected(place.backend, CorruptObjectError(bucket=params["Bucket"], key=params["Key"], problem=problem))


def describe(answer: Response, form: StoredForm, params: Parameters) -> Response:
    """Turn what a store answered into what the user is told; in place, since the answer is the flow's own."""
    _without_mark(answer)
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if "ResponseContentEncoding" not in params:
        answer.pop("ContentEncoding", None)
        told = headers.pop("content-encoding", None)
        if form.content_encoding is not None:
            answer["ContentEncoding"] = form.content_encoding
            if told is not None:
                headers["content-encoding"] = form.content_encoding
    answer["ContentLength"] = form.size
    if "content-length" in headers:
        headers["content-length"] = str(form.size)
    if drop_checksums(answer, headers):
        checksum = checksum_of(form)
        answer |= checksum
        for name, value in checksum.items():
            headers[f"x-amz-checksum-{name.removeprefix('Checksum').lower()}"] = value
    return told_of(answer, form)


def _without_mark(answer: Response) -> None:
    answer["Metadata"] = {name: value for name, value in answer["Metadata"].items() if name.lower() != CODEC}
    answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).pop(_META, None)


def told_of(answer: Response, form: StoredForm) -> Response:
    """An answer that says how the object lies."""
    note(answer, codec="zstd", stored_size=form.stored_size, md5=form.md5)
    return note(answer, dictionary=form.dictionary) if form.dictionary else answer


def as_compressed(request: Request, form: StoredForm) -> Request:
    """A write that gives the stored form of an object the metadata of its own that the caller says."""
    described = replace(form, content_encoding=request.params.get("ContentEncoding"))
    metadata = {**request.params.get("Metadata", {}), CODEC: described.text}
    return request.with_params(ContentEncoding=described.stored_encoding, Metadata=metadata)


def checksum_of(form: StoredForm) -> dict[str, str]:
    """The checksum of the whole object, as S3 tells it."""
    algorithm, _, value = form.checksum.partition(":")
    if not value:
        algorithm, value = "CRC32", base64.b64encode(form.crc32.to_bytes(4, "big")).decode("ascii")
    return {f"Checksum{algorithm}": value, "ChecksumType": "FULL_OBJECT"}
