"""What is kept of an answer, and the answer that is made of what is kept."""

from __future__ import annotations

from typing import NamedTuple

from foodco_storage.flows.cached import Head, Looked
from foodco_storage.flows.conditions import bare
from foodco_storage.flows.outcomes import Rejected
from foodco_storage.flows.request import Response
from foodco_storage.layers.sight import whole_size
from foodco_storage.layers.spans import Span, drop_checksums, first_byte

_KEPT = ("backend", "codec", "dictionary", "md5", "stored_size")
"""What is said of the object itself, whoever reads it and however."""


class Part(NamedTuple):
    """A part that a store answered with, and the part in it that the caller wants.

    Args:
        first: the answer's first byte.
        length: bytes of the answer.
        start: the first byte that is wanted.
        end: the one after the last.
        size: of the whole object.
    """

    first: int
    length: int
    start: int
    end: int
    size: int


def part_of(response: Response, span: Span, largest: int) -> Part | None:
    """None where the answer is no part, has not all that is wanted, or is larger than what is kept."""
    length = response.get("ContentLength")
    first = first_byte(response)
    if first is None or length is None or length > largest:
        return None
    size = whole_size(response)
    wanted = span.within(size)
    if wanted is None or not first <= wanted[0] or not wanted[1] <= first + length:
        return None
    return Part(first, length, *wanted, size)


def confirms(error: Rejected, head: Head) -> bool:
    """Whether a 304 says that what is kept is what the route holds: of the same backend, which was the one to ask."""
    response: Response = getattr(error.error, "response", None) or {}
    metadata = response.get("ResponseMetadata", {})
    changed, known = (_last_modified(told) for told in (metadata, head.response["ResponseMetadata"]))
    if changed is not None and changed != known:
        # Metadata can be replaced without the ETag changing.
        return False
    return error.backend == head.response["ResponseMetadata"]["Storage"].get("backend") and not metadata.get(
        "Storage", {}
    ).get("degraded")


def _last_modified(metadata: Response) -> str | None:
    found: str | None = metadata.get("HTTPHeaders", {}).get("last-modified")
    return found


def is_met(params: Response, head: Head) -> bool:
    """Whether the caller's `IfMatch` certainly holds for what is kept."""
    wanted = params.get("IfMatch")
    return wanted is None or (isinstance(wanted, str) and bare(wanted) == bare(head.etag))


def may_be_kept(response: Response) -> bool:
    """Whether an answer is what others may be given as well."""
    storage = response.get("ResponseMetadata", {}).get("Storage", {})
    return bool(response.get("ETag")) and not storage.get("degraded") and "SSECustomerAlgorithm" not in response


def joined(blocks: list[bytes], start: int, length: int) -> bytes:
    """A part of several blocks, copied once."""
    if len(blocks) == 1:
        return blocks[0][start : start + length]
    views = [memoryview(block) for block in blocks]
    views[0] = views[0][start:]
    surplus = sum(map(len, views)) - length
    views[-1] = views[-1][: len(views[-1]) - surplus]
    return b"".join(views)


def whole_blocks(head: Head, first: int, data: bytes) -> dict[int, bytes]:
    """The blocks that lie whole in data which begins at a byte of the object."""
    blocks = {}
    number = -(-first // head.block_bytes)
    while number < head.blocks:
        start = number * head.block_bytes - first
        end = start + head.length_of(number)
        if end > len(data):
            break
        blocks[number] = data[start:end]
        number += 1
    return blocks


def of_the_whole(response: Response, size: int) -> Response:
    """What a GET of the whole object would have been answered with, as far as the answer to a part tells."""
    whole = {name: value for name, value in response.items() if name not in {"Body", "ContentRange"}}
    metadata = dict(whole["ResponseMetadata"])
    headers = {name: value for name, value in metadata.get("HTTPHeaders", {}).items() if name != "content-range"}
    if "ContentRange" in response:
        # They may be those of a part.
        drop_checksums(whole, headers)
    if "content-length" in headers:
        headers["content-length"] = str(size)
    storage = metadata.get("Storage", {})
    kept = {"backend": None} | {name: storage[name] for name in _KEPT if name in storage}
    metadata |= {"HTTPHeaders": headers, "HTTPStatusCode": 200, "Storage": kept}
    if "Metadata" in whole:
        # The caller may change his.
        whole["Metadata"] = dict(whole["Metadata"])
    return whole | {"ContentLength": size, "ResponseMetadata": metadata}


def copied(response: Response) -> Response:
    """A response that a caller may change."""
    mine = dict(response)
    metadata = mine["ResponseMetadata"] = dict(mine["ResponseMetadata"])
    metadata["HTTPHeaders"] = dict(metadata.get("HTTPHeaders", ()))
    metadata["Storage"] = dict(metadata.get("Storage", ()))
    for name in ("Error", "Metadata"):
        if name in mine:
            mine[name] = dict(mine[name])
    return mine


def as_get(head: Head, looked: Looked) -> Response:
    """The answer to a GET, but for its body."""
    answer = copied(head.response)
    storage = answer["ResponseMetadata"]["Storage"]
    storage["cache"] = looked.level
    if looked.stale:
        storage["stale"] = True
    return answer


def as_head(head: Head, looked: Looked) -> Response:
    """The answer to a HEAD."""
    # A HEAD tells checksums when it is asked for them alone.
    return {name: value for name, value in as_get(head, looked).items() if not name.startswith("Checksum")}
