"""Copies between objects, made by the stores where they can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from foodco_storage.filesystem.addresses import Address
from foodco_storage.filesystem.attributes import encoded_tags
from foodco_storage.filesystem.carried import KEPT
from foodco_storage.filesystem.failures import code_of, fail
from foodco_storage.filesystem.store import FAILURES, Store
from foodco_storage.filesystem.uploads import MEBIBYTE, MOST_PART_BYTES, MOST_PARTS, Upload, even_ranges

COPIED_AT_ONCE: Final = 150 * MEBIBYTE
"""Larger objects are copied in parts, as in s3fs: the limit of S3 is 5 GiB, but such a copy takes minutes."""

PART_BYTES: Final = 50 * MEBIBYTE


def copy_file(
    store: Store,
    source: Address,
    target: Address,
    params: Mapping[str, Any],
    *,
    preserve_etag: bool = False,
    block: int = PART_BYTES,
) -> None:
    """Copy an object with its metadata.

    Args:
        store: who is asked.
        source: of the object.
        target: where to.
        params: of CopyObject.
        preserve_etag: make the parts that the source was made of, so that the copy has the same ETag.
        block: size of parts, of what is copied in parts.

    Raises:
        FileNotFoundError: there is no such object.
        ValueError: the parts have a size that S3 does not take; a parameter that CopyObject does not take.
    """
    if not 5 * MEBIBYTE <= block <= MOST_PART_BYTES:
        raise ValueError(f"block must be between 5 MiB and 5 GiB, not {block}")
    if unknown := store.unknown("copy_object", params):
        raise ValueError(f"{target.path}: CopyObject takes no {', '.join(unknown)}")
    head = store.call("head_object", source.versioned, source.params, params)
    size, etag = int(head["ContentLength"]), str(head.get("ETag", ""))
    parts = etag.strip('"').rpartition("-")[2] if "-" in etag else ""
    if preserve_etag and parts.isdigit():
        ranges = _ranges_of_parts(store, source, int(parts))
    elif size <= COPIED_AT_ONCE:
        wanted = {"CopySource": _named(source), "Bucket": target.bucket, "Key": target.key}
        try:
            store.send("copy_object", wanted, params)
        except FAILURES as error:
            # The source was there just now.
            no_target = isinstance(error, ClientError) and code_of(error) == "NoSuchBucket"
            fail(error, target.path if no_target else source.path)
        return
    else:
        ranges = list(even_ranges(size, max(block, -(-size // MOST_PARTS))))
    kept = {name: head[name] for name in KEPT if name in head}
    if head.get("TagCount"):
        kept["Tagging"] = encoded_tags(store, source)
    upload = Upload(store, target, {**kept, **params})
    try:
        for start, end in ranges:
            upload.add_range(source, start, end, etag)
    except BaseException:
        upload.abort()
        raise
    upload.complete({})


def _ranges_of_parts(store: Store, source: Address, count: int) -> list[tuple[int, int]]:
    ranges, start = [], 0
    for number in range(1, count + 1):
        head = store.call("head_object", source.path, {**source.params, "PartNumber": number})
        end = start + int(head["ContentLength"])
        ranges.append((start, end))
        start = end
    return ranges


def merge(store: Store, target: Address, sources: list[Address], params: Mapping[str, Any]) -> None:
    """Make one object of several, in order. All but the last must have 5 MiB or more."""
    if unknown := store.unknown("create_multipart_upload", params):
        raise ValueError(f"{target.path}: CreateMultipartUpload takes no {', '.join(unknown)}")
    heads = [store.call("head_object", source.path, source.params) for source in sources]
    upload = Upload(store, target, params)
    try:
        for source, head in zip(sources, heads, strict=True):
            for start, end in even_ranges(int(head["ContentLength"]), MOST_PART_BYTES):
                upload.add_range(source, start, end, head.get("ETag"))
    except BaseException:
        upload.abort()
        raise
    upload.complete({})


def _named(source: Address) -> dict[str, str]:
    named = {"Bucket": source.bucket, "Key": source.key}
    return named if source.version is None else {**named, "VersionId": source.version}
