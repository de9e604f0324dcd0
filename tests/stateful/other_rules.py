"""Rules about uploads and lists."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError
from dict_model import Object, State, etag_of_parts, listing
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from machine import Machine, OutageError, Upload, ignoring_outages, numbers, objects

PART_BYTES = 5 * 1024**2
MAX_BIG_UPLOADS = 1
"""In one example: real stores want parts of 5 MiB, the last one apart."""


class Uploading(Machine):
    """One upload at a time; between its steps everything else may happen."""

    @precondition(lambda self: self.upload is None)
    @rule(number=numbers, like=objects)
    def begin_upload(self, number: int, like: Object) -> None:
        key, like = self.keys[number], replace(like, tags={})
        with ignoring_outages():
            answer = self.call(self.client.create_multipart_upload, Key=key, **like.parameters())
            self.upload = Upload(answer["UploadId"], key, like, [], [], self.authority)

    @precondition(lambda self: self.upload is not None)
    @rule(is_big=st.sampled_from([False] * 7 + [True]), content=st.sampled_from([b"1", b"2"]))
    def upload_part(self, is_big: bool, content: bytes) -> None:
        assert self.upload is not None
        upload = self.upload
        if upload.parts and len(upload.parts[-1]) < PART_BYTES:
            # That was the last.
            return
        is_big = is_big and self.big_uploads < MAX_BIG_UPLOADS
        self.big_uploads += is_big
        part = content * (PART_BYTES if is_big else 7)
        with ignoring_outages():
            which = {"Key": upload.key, "UploadId": upload.upload_id, "PartNumber": len(upload.parts) + 1}
            answer = self.call(self.client.upload_part, Body=part, **which)
            upload.parts.append(part)
            upload.etags.append(answer["ETag"])

    @precondition(lambda self: self.upload is not None and self.upload.parts)
    @rule()
    def complete_upload(self) -> None:
        assert self.upload is not None
        upload = self.upload
        parts = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(upload.etags, start=1)]
        which = {"Key": upload.key, "UploadId": upload.upload_id, "MultipartUpload": {"Parts": parts}}
        made = self.made(upload)
        with ignoring_outages():
            plain = upload.holder == self.authority
            self.write(upload.key, made, self.client.complete_multipart_upload, plain=plain, **which)
        self.upload = None

    @precondition(lambda self: self.upload is not None)
    @rule()
    def abort_upload(self) -> None:
        assert self.upload is not None
        with ignoring_outages():
            self.call(self.client.abort_multipart_upload, Key=self.upload.key, UploadId=self.upload.upload_id)
        self.upload = None

    @staticmethod
    def made(upload: Upload) -> State:
        return replace(upload.like, body=b"".join(upload.parts), parts_etag=etag_of_parts(upload.parts))


class Listing(Machine):
    @rule(
        prefix=st.sampled_from(["", "", "a", "a/", "b", "zz"]),
        delimiter=st.sampled_from([None, "/"]),
        page=st.sampled_from([None, 1, 2, 3]),
        version=st.sampled_from([1, 2]),
        after=st.one_of(st.none(), numbers),
    )
    def list_keys(self, prefix: str, delimiter: str | None, page: int | None, version: int, after: int | None) -> None:
        start = "" if after is None else self.keys[after]
        if delimiter and self.phase not in {"cutover", "drain"}:
            # One store's own list: moto shows common prefixes from before the marker.
            start = ""
        if delimiter and delimiter in start.removeprefix(prefix) and self.sides.primary.kind.repeats_prefixes:
            start = ""
        with ignoring_outages():
            for key in self.keys:
                self.known(key)
            params: dict[str, Any] = {"Prefix": prefix} if prefix else {}
            params |= {"Delimiter": delimiter} if delimiter else {}
            params |= {"MaxKeys": page} if page else {}
            if start:
                params["Marker" if version == 1 else "StartAfter"] = start
            pages = self.pages("list_objects" if version == 1 else "list_objects_v2", params)
            expected = listing(self.model, prefix, delimiter, start)
            contents = [item for answer in pages for item in answer.get("Contents", [])]
            shown = {item["Key"]: item["Size"] for item in contents}
            prefixes = [item["Prefix"] for answer in pages for item in answer.get("CommonPrefixes", [])]
            assert (list(shown.items()), prefixes) == (list(expected.sizes.items()), expected.prefixes), pages
            for item in contents:
                state = self.model.get(item["Key"])
                assert state is not None
                etag = item["ETag"].strip('"')
                # A listing does not tell what the ETag of a compressed object is of.
                is_odd = bool(self.compression) or (not etag and self.sides.primary.kind.untagging_hides_etags)
                assert etag in state.etags or is_odd, (item, state)

    def pages(self, operation: str, params: dict[str, Any]) -> list[Any]:
        pages = []
        for answer in self.call(self.pages_of, operation=operation, params=params):
            names = len(answer.get("Contents", [])) + len(answer.get("CommonPrefixes", []))
            if answer["IsTruncated"]:
                assert names == params.get("MaxKeys", 1000), answer
            if operation == "list_objects_v2":
                assert answer["KeyCount"] == names, answer
            pages.append(answer)
        return pages

    def pages_of(self, operation: str, params: dict[str, Any], **bucket: str) -> list[Any]:
        return list(self.client.get_paginator(operation).paginate(**bucket, **params))


__all__ = ["ClientError", "Listing", "OutageError", "Uploading"]
