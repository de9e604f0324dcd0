"""Whether two objects, as HEADs show them, are the same to a user; and how they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from foodco_storage.flows.conditions import bare
from foodco_storage.flows.request import Response
from foodco_storage.layers.sameness import described, recorded_md5
from foodco_storage.layers.sight import Found

_MD5 = frozenset("0123456789abcdef")
_MD5_HEX = 32


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two HEADs say.

    Args:
        content: whether the content is the same; None where only reading it can tell.
        detail: what is different, as far as that is known.
    """

    content: bool | None
    detail: str = ""

    @property
    def is_same(self) -> bool:
        """Whether nothing is different."""
        return bool(self.content) and not self.detail


def compare(primary: Found, source: Found) -> Comparison:
    """Compare what two places hold.

    MD5s tell about the content first: they find a copy that was damaged. Then the id of the write that made both, or the
    origin that a promoted copy names. Content headers and metadata must be the same as well.
    """
    ours, theirs = primary.head, source.head
    if ours["ContentLength"] != theirs["ContentLength"]:
        return Comparison(content=False, detail=f"{ours['ContentLength']} and {theirs['ContentLength']} bytes")
    content = _content(primary, source)
    if content is False:
        return Comparison(content=False, detail=f"ETags {bare(ours['ETag'])} and {bare(theirs['ETag'])}")
    return Comparison(content, _described_otherwise(described(ours), described(theirs)))


def _content(primary: Found, source: Found) -> bool | None:
    md5s = md5_of(primary.head), md5_of(source.head)
    if all(md5s):
        return md5s[0] == md5s[1]
    if primary.write_id is not None and primary.write_id == source.write_id:
        return True
    return True if primary.etags & source.etags else None


def md5_of(head: Response) -> str | None:
    """The MD5 of an object's content in hex, where its ETag is that, or where it was recorded."""
    if (recorded := recorded_md5(head)) is not None:
        return recorded
    etag = bare(str(head.get("ETag", ""))).lower()
    encrypted = "SSECustomerAlgorithm" in head or head.get("ServerSideEncryption", "AES256") != "AES256"
    return etag if len(etag) == _MD5_HEX and _MD5.issuperset(etag) and not encrypted else None


def _described_otherwise(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    metadata, other_metadata = ours.pop("Metadata"), theirs.pop("Metadata")
    names = _unequal(ours, theirs)
    names += [f"metadata {name}" for name in _unequal(metadata, other_metadata)]
    return f"other {', '.join(names)}" if names else ""


def _unequal(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
