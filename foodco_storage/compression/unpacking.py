"""From stored forms back to what was stored: pieces of bounded size, of which none is handed out that is not the right one.

Nothing here believes a number that came with the object: what a frame says is compared with the mark, or with the seek table
that the mark vouches for, before memory is taken for it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, Final

import zstandard

from foodco_storage.compression.codecs import decompressor, fresh_decompressor
from foodco_storage.errors import CorruptObjectError
from foodco_storage.flows.compression_effects import Unpack
from foodco_storage.flows.stored_form import LARGEST_FRAME_BYTES

_PIECE_BYTES: Final = 256 * 1024
_FRAME_CHECKSUM: Final = 4


def pieces(effect: Unpack) -> Iterator[Any]:
    """What the user stored, piece by piece; the last one only after everything was verified.

    Raises:
        CorruptObjectError: what lies in the store is not what was written.
        botocore.exceptions.BotoCoreError: the connection broke, as a body's own reads raise it.
    """
    try:
        if effect.frames is not None:
            yield from _of_frames(effect)
        elif effect.form.frames == 1:
            yield _at_once(effect)
        else:
            yield from _of_the_whole(effect)
    except zstandard.ZstdError as error:
        raise _corrupt(effect, str(error)) from error


def _at_once(effect: Unpack) -> Any:
    """An object of one frame, or a part of it."""
    form = effect.form
    stored = effect.body.read()
    if len(stored) != form.stored_size:
        raise _corrupt(effect, f"{len(stored)} bytes lie there, {form.stored_size} were written")
    content = _content(effect, stored, form.size)
    if zlib.crc32(content) != form.crc32:
        raise _corrupt(effect, "its content does not have the checksum that was recorded")
    return content if effect.size == form.size else memoryview(content)[effect.skip : effect.skip + effect.size]


def _content(effect: Unpack, frame: bytes, size: int) -> bytes:
    """The content of one frame, of a size that is known."""
    told = zstandard.get_frame_parameters(frame)
    if told.content_size != size or size > LARGEST_FRAME_BYTES:
        raise _corrupt(effect, f"a frame says that it has {told.content_size} bytes, {size} were written")
    return decompressor(effect.dictionary).decompress(frame, allow_extra_data=False)


def _of_frames(effect: Unpack) -> Iterator[memoryview]:
    skip, left = effect.skip, effect.size
    for frame in effect.frames or ():
        stored = _exactly(effect.body, frame.stored_size)
        if len(stored) != frame.stored_size:
            raise _corrupt(effect, "it ends before its last frame does")
        if int.from_bytes(stored[-_FRAME_CHECKSUM:], "little") != frame.checksum:
            raise _corrupt(effect, "a frame is not the one that the seek table names")
        content = memoryview(_content(effect, stored, frame.size))[skip : skip + left]
        skip, left = 0, left - len(content)
        yield content
    if left:
        raise _corrupt(effect, "its frames have less content than the seek table says")


def _exactly(body: Any, size: int) -> bytes:
    data: bytes = body.read(size)
    while len(data) < size and (more := body.read(size - len(data))):
        data += more
    return data


def _of_the_whole(effect: Unpack) -> Iterator[bytes]:
    form, crc32, position = effect.form, 0, 0
    stored: Any = effect.body
    reader = fresh_decompressor(effect.dictionary).stream_reader(stored, read_across_frames=True, closefd=False)
    while position < form.size:
        piece = reader.read(min(_PIECE_BYTES, form.size - position))
        if not piece:
            raise _corrupt(effect, f"its content ends after {position} of {form.size} bytes")
        position += len(piece)
        crc32 = zlib.crc32(piece, crc32)
        if position == form.size:
            # The last frame's own checksum, the seek table and the end of the stream are still to come.
            if reader.read(1):
                raise _corrupt(effect, f"its content goes on after {form.size} bytes")
            if crc32 != form.crc32:
                raise _corrupt(effect, "its content does not have the checksum that was recorded")
        yield piece


def _corrupt(effect: Unpack, problem: str) -> CorruptObjectError:
    bucket, key = effect.whose
    return CorruptObjectError(bucket=bucket, key=key, problem=problem)
