"""The mark of an object that lies compressed: what it is to its user, and how it lies in the store.

User metadata `foodco-codec`, ten fields: `1 zstd <size> <stored size> <CRC32> <MD5> <frames> <CRC32 of the seek table>
<dictionary> <content encoding> <checksum>`; digests in hex, `-` for what there is not. The object's `Content-Encoding` ends
with `zstd`: both together, and the sizes, say that it is ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from foodco_storage.flows.marks import CODEC, mark
from foodco_storage.flows.request import Parameters, Response

ENCODING: Final = "zstd"
"""As RFC 8878 registers it for `Content-Encoding`."""

LARGEST_FRAME_BYTES: Final = 16 * 1024**2
"""Of what is compressed by itself; whoever reads holds one in memory."""

SMALLEST_FRAME_BYTES: Final = 16 * 1024
"""Of all frames but the last."""

MOST_FRAMES: Final = 1024 * 1024
"""Of one object: whoever reads a range holds the seek table in memory, 12 bytes for each."""

MARK_BYTES: Final = 512
"""More than a mark takes, its name included, but for what the user's own content encoding adds."""

_VERSION: Final = "1"
_NONE: Final = "-"
_NUMBER: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_CRC32: Final = re.compile(r"[0-9a-f]{8}", re.ASCII)
_MD5: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_DICTIONARY: Final = re.compile(r"-|[0-9a-f]{32}", re.ASCII)
_CHECKSUM: Final = re.compile(r"-|[A-Z0-9]{3,16}:[A-Za-z0-9+/=]{4,128}", re.ASCII)


class UnreadableMarkError(ValueError):
    """A mark is there, and it was damaged."""


class LaterVersionError(ValueError):
    """A mark is there, and another version of the library wrote it."""


@dataclass(frozen=True, slots=True)
class StoredForm:
    """An object as it lies compressed.

    Args:
        size: bytes of what the user stored.
        stored_size: bytes that lie in the store, the seek table included.
        crc32: of what the user stored.
        md5: of the same, in hex.
        frames: how many there are; more than one are followed by a seek table.
        table_crc32: of the seek table; 0 where there is none.
        dictionary: the id of the dictionary that the frames need; empty for none.
        content_encoding: the user's own; None where there is none.
        checksum: the user's own of the whole, as `SHA256:<base64>`; empty for none.
    """

    size: int
    stored_size: int
    crc32: int
    md5: str
    frames: int = 1
    table_crc32: int = 0
    dictionary: str = ""
    content_encoding: str | None = None
    checksum: str = ""

    @property
    def text(self) -> str:
        """As metadata."""
        encoding = _NONE if self.content_encoding is None else "=" + quote(self.content_encoding, safe="")
        fields = [
            _VERSION,
            ENCODING,
            str(self.size),
            str(self.stored_size),
            f"{self.crc32:08x}",
            self.md5,
            str(self.frames),
            f"{self.table_crc32:08x}",
            self.dictionary or _NONE,
            encoding,
            self.checksum or _NONE,
        ]
        return " ".join(fields)

    @property
    def stored_encoding(self) -> str:
        """The stored object's `Content-Encoding`: in the order in which they were applied (RFC 9110, section 8.4)."""
        return f"{self.content_encoding},{ENCODING}" if self.content_encoding else ENCODING

    @classmethod
    def of(cls, answer: Response, params: Parameters) -> StoredForm | None:
        """Read the form of what a GET or HEAD answered; None for an object that lies as it is.

        A program without the library may read metadata and write it back with other content: without the encoding, a mark
        says nothing.

        Args:
            answer: marks included.
            params: of the request, which may have asked for headers in place of the object's.

        Raises:
            UnreadableMarkError: it was damaged.
            LaterVersionError: another version of the library wrote it.
        """
        text = mark(answer, CODEC)
        if text is None:
            return None
        if "ResponseContentEncoding" not in params and not ends_with_zstd(answer.get("ContentEncoding", "")):
            return None
        fields = text.split(" ")
        if fields[:2] != [_VERSION, ENCODING]:
            raise LaterVersionError
        match fields[2:]:
            case [size, stored, crc32, md5, frames, table, dictionary, encoding, checksum] if (
                all(_NUMBER.fullmatch(number) for number in (size, stored, frames))
                and all(_CRC32.fullmatch(digest) for digest in (crc32, table))
                and _MD5.fullmatch(md5)
                and _DICTIONARY.fullmatch(dictionary)
                and _CHECKSUM.fullmatch(checksum)
                and (encoding == _NONE or encoding[:1] == "=")
            ):
                form = cls(
                    int(size),
                    int(stored),
                    int(crc32, 16),
                    md5,
                    int(frames),
                    int(table, 16),
                    dictionary.removeprefix(_NONE),
                    None if encoding == _NONE else unquote(encoding[1:]),
                    checksum.removeprefix(_NONE),
                )
                if form._is_possible():
                    return form
        raise UnreadableMarkError("it has been changed")

    def _is_possible(self) -> bool:
        # What gained nothing was not compressed.
        if not 1 <= self.frames <= self.stored_size <= self.size:
            return False
        most = min(MOST_FRAMES, self.size // SMALLEST_FRAME_BYTES + 1)
        return self.frames <= most and self.size <= self.frames * LARGEST_FRAME_BYTES


def ends_with_zstd(content_encoding: str) -> bool:
    """Whether zstd was applied last; `aws-chunked` is one of the transfer that some stores keep (boto3 issue 4564)."""
    names = [name.strip().lower() for name in content_encoding.split(",")]
    names = [name for name in names if name and name != "aws-chunked"]
    return names[-1:] == [ENCODING]
