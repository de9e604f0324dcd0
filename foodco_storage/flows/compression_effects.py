"""The effects of compression: making the stored form of a body, and reading one back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from foodco_storage.flows.effects import Body
from foodco_storage.flows.seek_table import Frame
from foodco_storage.flows.stored_form import StoredForm

DICTIONARY_FOR_BYTES: Final = 64 * 1024
"""Bodies up to here are compressed with the dictionary: larger ones gain nothing by it, and would depend on it."""

NO_CHECKS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Dictionary:
    """What the frames of small objects are compressed with.

    Args:
        id: the first 32 hex digits of its SHA-256.
        data: as `zstd --train` makes it.
    """

    id: str
    data: bytes = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Packing:
    """How bodies are compressed.

    Args:
        level: zstd's.
        min_bytes: smaller bodies are left as they are.
        min_gain: the share of a body that compressing must save.
        frame_bytes: so much is compressed by itself.
    """

    level: int = 3
    min_bytes: int = 1024
    min_gain: float = 0.1
    frame_bytes: int = 512 * 1024


@dataclass(frozen=True, slots=True)
class Packed:
    """What is to be sent in place of a body.

    Args:
        body: bytes, or a seekable file.
        size: bytes of it; None where it is the body as it was given.
        form: what it is; None where it is not compressed.
        md5: of what is to be sent, 16 bytes; empty where it is not compressed.
        failed: which of the caller's checks does not hold; then there is nothing to send.
    """

    body: Any
    size: int | None = None
    form: StoredForm | None = None
    md5: bytes = b""
    failed: str = ""


class Pack:
    """Make the stored form of a caller's body, where that pays. Sends back what was `Packed`.

    Args:
        body: as botocore takes it.
        packing: how.
        dictionary: for small ones.
        checks: by algorithm (`MD5`, `CRC32`, `SHA1`, `SHA256`), the digests in base64 that the caller says the body has; an
            empty one is to be found out.
        content_encoding: the caller's.
        length: how many bytes the caller says it has.
    """

    __slots__ = ("body", "checks", "content_encoding", "dictionary", "length", "packing")

    def __init__(
        self,
        body: Any,
        packing: Packing,
        *,
        dictionary: Dictionary | None = None,
        checks: Mapping[str, str] = NO_CHECKS,
        content_encoding: str | None = None,
        length: int | None = None,
    ) -> None:
        self.body = body
        self.packing = packing
        self.dictionary = dictionary
        self.checks = checks
        self.content_encoding = content_encoding
        self.length = length


class Unpack:
    """Make a body of what a user stored, out of a body of what lies in the store. Sends back the body to hand out.

    Args:
        body: of the whole object, or of `frames`.
        form: the object's.
        whose: bucket and key, for errors.
        dictionary: that the frames need.
        frames: those that the body holds; None where it holds all of the object.
        skip: bytes of their content to leave out at the beginning.
        size: bytes to hand out.
    """

    __slots__ = ("body", "dictionary", "form", "frames", "size", "skip", "whose")

    def __init__(
        self,
        body: Body,
        form: StoredForm,
        whose: tuple[str, str],
        *,
        dictionary: Dictionary | None = None,
        frames: Sequence[Frame] | None = None,
        skip: int = 0,
        size: int,
    ) -> None:
        self.body = body
        self.form = form
        self.whose = whose
        self.dictionary = dictionary
        self.frames = frames
        self.skip = skip
        self.size = size
