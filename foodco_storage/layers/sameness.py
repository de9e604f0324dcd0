"""Whether two sides hold the same object, judged by what a HEAD of each tells (DESIGN 6, rule 5)."""

from __future__ import annotations

from typing import Any

from foodco_storage.flows.conditions import bare
from foodco_storage.flows.marks import has_marks, write_id
from foodco_storage.flows.request import Response
from foodco_storage.layers.carried import CONTENT_HEADERS, without_aws_chunked
from foodco_storage.layers.sight import Found

_UNSAID = "binary/octet-stream"
_SHOWN = ("ContentLength", "ETag", "LastModified", *CONTENT_HEADERS)


def unchanged(before: Found | None, after: Found | None) -> bool:
    """Whether one place still holds what it held: the same write, not only the same content.

    Two writes of one body with other headers have one ETag; so everything that a HEAD shows counts.
    """
    if before is None or after is None or before.is_deleted or after.is_deleted:
        return _kind(before) == _kind(after)
    ours, theirs = before.head, after.head
    # Tags change nothing but their count. Some stores tell that only of what is read whole.
    counted = "TagCount" in theirs and theirs["TagCount"] != ours.get("TagCount", 0)
    return (
        not counted
        and ours.get("Metadata", {}) == theirs.get("Metadata", {})
        and all(ours.get(name) == theirs.get(name) for name in _SHOWN)
    )


def _kind(found: Found | None) -> str:
    return "absent" if found is None else ("deleted" if found.is_deleted else "object")


def same(one: Found, other: Found) -> bool:
    """Whether two places hold the same object.

    By the id of the write that made it, where the library did; by the origin of a promoted copy; else by ETag, size, content
    headers and metadata. ETags that can't be compared (other part layouts, encryption) say "not the same". An id alone
    proves nothing: a program without the library reads metadata and writes it back, to other content or with more in it.
    """
    a, b = one.head, other.head
    if a["ContentLength"] != b["ContentLength"] or described(a) != described(b):
        return False
    if any(ids := (write_id(a), write_id(b))):
        return ids[0] == ids[1] and not _differ(a, b)
    return bool(_names(one) & _names(other))


def _names(found: Found) -> set[str]:
    """What an object goes by: its ETags, and what would be one if it were not compressed."""
    md5 = recorded_md5(found.head)
    return found.etags | ({md5} if md5 is not None else set())


def _differ(one: Response, other: Response) -> bool:
    """Whether two ETags are of one kind, and not the same."""
    etags = [recorded_md5(head) or bare(head["ETag"]) for head in (one, other)]
    return etags[0] != etags[1] and not any("-" in etag for etag in etags)


def recorded_md5(head: Response) -> str | None:
    """The MD5 of what the user stored, in hex, of an object that lies compressed: its ETag is that of something else."""
    recorded: str | None = head.get("ResponseMetadata", {}).get("Storage", {}).get("md5")
    return recorded


def described(head: Response) -> dict[str, Any]:
    """What describes the content and belongs to the user, comparable across stores."""
    shown = {name: str(head[name]) for name in CONTENT_HEADERS if head.get(name)}
    # What S3 gives where nobody said anything; other stores have another word for it.
    if shown.get("ContentType", "application/octet-stream") == "application/octet-stream":
        shown["ContentType"] = _UNSAID
    # Copies leave it out.
    if encoding := without_aws_chunked(shown.pop("ContentEncoding", "")):
        shown["ContentEncoding"] = encoding
    metadata = {name.lower(): value for name, value in (head.get("Metadata") or {}).items() if not has_marks([name])}
    return {**shown, "Metadata": metadata}


def etag_of(found: Found) -> str:
    """The bare ETag that a place gives its object."""
    return bare(found.head["ETag"])
