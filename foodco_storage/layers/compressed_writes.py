"""Writing objects of a place that keeps them compressed."""

from __future__ import annotations

import base64
from collections.abc import Generator
from typing import Any, Final

from foodco_storage.flows.compression_effects import DICTIONARY_FOR_BYTES, Dictionary, Pack, Packed
from foodco_storage.flows.effects import Call, Discard, Tell, Warn, sent
from foodco_storage.flows.marks import CODEC
from foodco_storage.flows.outcomes import BackendError, Rejected
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Parameters, Request, Response
from foodco_storage.flows.s3_errors import refused, rejected
from foodco_storage.flows.stored_form import StoredForm
from foodco_storage.layers.compressed_answers import as_compressed, checksum_of, told_of
from foodco_storage.layers.compressible import Compressing, checks
from foodco_storage.layers.dictionaries import Dictionaries
from foodco_storage.layers.spans import drop_checksums

_OF_THE_BODY: Final = ("ChecksumCRC32", "ChecksumSHA1", "ChecksumSHA256", "ContentLength", "ContentMD5")
"""What a caller says of a body, and what does not hold for what is sent in its place."""

_WRITES_WITHOUT: Final = 1000
"""So many go by until a dictionary that was not there is looked for again."""

_BAD: Final = {
    "MD5": ("BadDigest", "The Content-MD5 you specified did not match what we received."),
    "length": (
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header.",
    ),
}


class CompressedWrites:
    """Writes to one place.

    Args:
        route: its name.
        place: as it is stored.
        options: what is compressed, and how.
        dictionaries: those that this process has.
    """

    def __init__(self, route: str, place: Place, options: Compressing, dictionaries: Dictionaries) -> None:
        self._route = route
        self._place = place
        self._options = options
        self._dictionaries = dictionaries
        # By bucket: True, or how many writes go by until it is looked for again.
        self._lies_there: dict[str, int | bool] = {}

    def put_object(self, call: Call) -> Flow:
        """Write an object, compressed where that pays."""
        request, params = call.request, call.request.params
        check_metadata(request)
        packing = self._options.packing
        is_ours = str(params.get("Key", "")).startswith(self._place.reserved_prefix)
        if packing is None or is_ours or not self._options.may_be_compressed(params):
            return (yield from sent(self._place, request, once=call.once))
        length = params.get("ContentLength")
        dictionary = yield from self._dictionary(params)
        packed: Packed = yield Pack(
            params["Body"],
            packing,
            dictionary=dictionary,
            checks=checks(params) or {},
            content_encoding=params.get("ContentEncoding"),
            length=length if isinstance(length, int) else None,
        )
        if packed.failed:
            raise _bad_digest(request, packed.failed)
        form, body = packed.form, packed.body
        if body is params["Body"]:
            return (yield from sent(self._place, request, once=call.once))
        ask = (
            _as_stored(request, packed, form)
            if form is not None
            else request.with_params(Body=body, ContentLength=packed.size)
        )
        try:
            response: Response = yield Call(self._place, ask, once=call.once)
        except Exception:
            # Not `finally`: a flow that is abandoned may not yield any more.
            yield from _dropped(body)
            raise
        yield from _dropped(body)
        if form is None:
            return response
        which = {"Bucket": params["Bucket"], "Key": params["Key"]}
        yield Tell("compress", "done", self._route, which, size=form.size, stored_size=form.stored_size)
        return _answered(response, form)

    def create_multipart_upload(self, call: Call) -> Flow:
        """Begin an upload: what comes in parts is stored as it comes."""
        check_metadata(call.request)
        return (yield from sent(self._place, call.request, once=call.once))

    def _dictionary(self, params: Parameters) -> Generator[Any, Any, Dictionary | None]:
        """The route's dictionary: it lies in the bucket of the object, as this client has seen, or is not used."""
        wanted, bucket = self._options.dictionary, params.get("Bucket")
        if not wanted or not isinstance(bucket, str) or _is_large(params):
            return None
        state = self._lies_there.get(bucket)
        if state is True:
            return (yield from self._dictionaries.get(self._place, bucket, wanted))
        if state:
            self._lies_there[bucket] = state - 1
            return None
        try:
            found = yield from self._dictionaries.fetched(self._place, bucket, wanted)
        except BackendError as error:
            self._lies_there[bucket] = _WRITES_WITHOUT
            yield Warn(
                ("no dictionary", self._route, bucket),
                f"small objects of route {self._route!r} are compressed without their dictionary: {error.error}",
            )
            return None
        self._lies_there[bucket] = True
        return found


def _is_large(params: Parameters) -> bool:
    """Whether a body is certainly none that dictionaries are for."""
    body, length = params.get("Body"), params.get("ContentLength", 0)
    known = len(body) if isinstance(body, bytes | bytearray | str) else length
    return bool(known > DICTIONARY_FOR_BYTES)


def check_metadata(request: Request) -> None:
    """Refuse a write that brings metadata of the name of the mark.

    Raises:
        Rejected: it does.
    """
    metadata = request.params.get("Metadata")
    for name in metadata if isinstance(metadata, dict) else ():
        if str(name).lower() == CODEC:
            raise refused(request, f"the metadata name {name!r} is reserved on routes that compress; choose another")


def _as_stored(request: Request, packed: Packed, form: StoredForm) -> Request:
    ask = as_compressed(request.without_params(*_OF_THE_BODY), form)
    ask = ask.with_params(Body=packed.body, ContentLength=packed.size)
    if "ContentMD5" in request.params:
        # The way to the store is to be checked as the caller wished.
        return ask.with_params(ContentMD5=base64.b64encode(packed.md5).decode("ascii"))
    said = [name for name in _OF_THE_BODY if name.startswith("Checksum") and name in request.params]
    if said and "ChecksumAlgorithm" not in request.params:
        return ask.with_params(ChecksumAlgorithm=said[0].removeprefix("Checksum"))
    return ask


def _answered(response: Response, form: StoredForm) -> Response:
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if drop_checksums(response, headers):
        response |= checksum_of(form)
    return told_of(response, form)


def _bad_digest(request: Request, algorithm: str) -> Rejected:
    told = f"The {algorithm} you specified did not match the calculated checksum."
    code, message = _BAD.get(algorithm, ("BadDigest", told))
    return rejected(request, code, 400, message)


def _dropped(body: Any) -> Generator[Any, Any, None]:
    if hasattr(body, "close"):
        yield Discard(body)
