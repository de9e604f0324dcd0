"""Which objects may be compressed, judged before a byte of them is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Any, Final

from foodco_storage.flows.compression_effects import Packing
from foodco_storage.flows.marks import CODEC, TOMBSTONE
from foodco_storage.flows.request import Parameters
from foodco_storage.flows.stored_form import MARK_BYTES

EXCLUDED_TYPES: Final = (
    "image/*",
    "video/*",
    "audio/*",
    "font/woff*",
    "application/*zip*",
    "application/gzip",
    "application/java-archive",
    "application/vnd.apache.parquet",
    "application/vnd.oasis.opendocument.*",
    "application/vnd.openxmlformats-officedocument.*",
    "application/x-7z-compressed",
    "application/x-bzip*",
    "application/x-gzip",
    "application/x-parquet",
    "application/x-rar*",
    "application/x-xz",
    "application/zstd",
)
"""Content types of what is compressed already."""

INCLUDED_TYPES: Final = ("image/svg+xml", "image/bmp", "image/x-ms-bmp", "audio/wav", "audio/x-wav")
"""Exceptions among them."""

# fmt: off
_EXCLUDED_ENDINGS: Final = frozenset({
    "7z", "aac", "apk", "arrow", "avif", "avro", "br", "bz2", "docx", "epub", "flac", "gif", "gz", "heic", "heif",
    "jar", "jpeg", "jpg", "jxl", "lz4", "lzma", "m4a", "m4v", "mkv", "mov", "mp3", "mp4", "mpeg", "mpg", "odp", "ods",
    "odt", "ogg", "opus", "orc", "parquet", "png", "pptx", "rar", "snappy", "tgz", "webm", "webp", "whl", "woff",
    "woff2", "xlsx", "xz", "zip", "zst", "zstd",
})
# fmt: on
"""Of names of such objects: `Content-Type` is often left to what S3 gives, which says nothing."""

_GENERIC: Final = ("binary/octet-stream", "application/octet-stream")
_UNSAID: Final = frozenset({"", *_GENERIC})
_COMPRESSED: Final = frozenset({"br", "compress", "dcb", "dcz", "deflate", "gzip", "x-compress", "x-gzip", "zstd"})
"""Content encodings of bytes that are compressed already
(https://www.iana.org/assignments/http-parameters/http-parameters.xhtml#content-coding)."""

_MOST_METADATA_BYTES: Final = 2048
"""Of user metadata (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html)."""

_CHECKSUMS: Final = {"ChecksumCRC32": "CRC32", "ChecksumSHA1": "SHA1", "ChecksumSHA256": "SHA256", "ContentMD5": "MD5"}
_ALGORITHMS: Final = frozenset({"CRC32", "SHA1", "SHA256"})
_NEVER: Final = frozenset({"SSECustomerAlgorithm", "SSECustomerKey", "WriteOffsetBytes"})


@dataclass(frozen=True, slots=True)
class Compressing:
    """How objects of a route are compressed.

    Args:
        packing: how bodies are; None where objects are read only.
        include_types: patterns of content types that are compressed whatever the next says.
        exclude_types: patterns of those that are left as they are.
        dictionary: the id of the dictionary for small objects; empty for none.
        exact_sizes: whether listings tell the sizes of what users stored.
        presigned: whether URLs may be signed for what lies compressed.
        table: whether the configuration says anything of it.
    """

    packing: Packing | None
    include_types: Sequence[str] = INCLUDED_TYPES
    exclude_types: Sequence[str] = EXCLUDED_TYPES
    dictionary: str = ""
    exact_sizes: bool = False
    presigned: bool = False
    table: bool = True
    _include: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _exclude: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, patterns in (("_include", self.include_types), ("_exclude", self.exclude_types)):
            object.__setattr__(self, name, _any_of(patterns))

    def may_be_compressed(self, params: Parameters) -> bool:
        """Whether the body of a PUT is one to look at; False also for what botocore has to say something about."""
        metadata, key = params.get("Metadata", {}), params.get("Key")
        encoding = params.get("ContentEncoding", "")
        return (
            isinstance(metadata, Mapping)
            and isinstance(key, str)
            and isinstance(encoding, str)
            and "Body" in params
            and isinstance(params.get("ContentLength", 0), int)
            and _NEVER.isdisjoint(params)
            and TOMBSTONE not in metadata
            and has_room(params)
            and _COMPRESSED.isdisjoint(name.strip().lower() for name in encoding.split(","))
            and checks(params) is not None
            and self.is_of_a_type(params.get("ContentType", ""), key)
        )

    def is_of_a_type(self, content_type: Any, key: str) -> bool:
        """Whether objects of a content type, or of such a name where that says nothing, are worth a look."""
        kind = str(content_type).partition(";")[0].strip().lower()
        if kind in _UNSAID:
            if any(self._include.fullmatch(generic) for generic in _GENERIC):
                return True
            return not has_excluded_ending(key) and not any(self._exclude.fullmatch(generic) for generic in _GENERIC)
        return bool(self._include.fullmatch(kind)) or not self._exclude.fullmatch(kind)


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern.lower()) for pattern in patterns) or "(?!)")


def has_excluded_ending(key: str) -> bool:
    """Whether a key ends as those of compressed files do."""
    return key.rpartition(".")[2].lower() in _EXCLUDED_ENDINGS


def checks(params: Parameters) -> dict[str, str] | None:
    """The digests that a caller says the body has, by algorithm; None where they are not all of those that are computed."""
    said: dict[str, str] = {}
    for name, value in params.items():
        if name == "ChecksumAlgorithm":
            if not isinstance(value, str) or str.__str__(value) not in _ALGORITHMS:
                return None
            # Ours shall have it too.
            said.setdefault(str.__str__(value), "")
        elif name.startswith("Checksum") or name == "ContentMD5":
            if name not in _CHECKSUMS or not isinstance(value, str):
                return None
            said[_CHECKSUMS[name]] = value
    return said


def has_room(params: Parameters) -> bool:
    """Whether a mark fits beside the caller's metadata: a store that refuses it would refuse what it took before."""
    metadata, encoding = params.get("Metadata", {}), str(params.get("ContentEncoding", ""))
    taken = sum(len(str(name).encode()) + len(str(value).encode()) for name, value in metadata.items())
    return taken + MARK_BYTES + 3 * len(encoding) <= _MOST_METADATA_BYTES and CODEC not in metadata
