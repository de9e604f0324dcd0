"""Bodies that are read whole, copied, packed or unpacked, and none that sends requests while it is read."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from tempfile import SpooledTemporaryFile
from types import MappingProxyType
from typing import Any

from botocore.exceptions import BotoCoreError
from botocore.response import StreamingBody

from foodco_storage.drivers.held_stream import HeldStream
from foodco_storage.drivers.unpacked_body import UnpackedBody
from foodco_storage.flows.compression_effects import Pack, Packed, Unpack
from foodco_storage.flows.effects import BytesBody, Discard, ReadBody, Spool, Spooled
from foodco_storage.flows.outcomes import BackendError
from foodco_storage.telemetry.recording import clock, current

logger = logging.getLogger("foodco_storage")

SPOOL_MEMORY_BYTES = 8 * 1024 * 1024
"""A streamed copy is held in memory up to here, and in an unnamed temporary file beyond (s3transfer's part size)."""

_CHUNK_BYTES = 1024 * 1024


def _spool(effect: Spool) -> Spooled:
    # Closed by the flow's Discard, so no `with` here.
    file = SpooledTemporaryFile(max_size=SPOOL_MEMORY_BYTES)  # noqa: SIM115
    digest = hashlib.md5(usedforsecurity=False)
    size = 0
    try:
        while chunk := effect.body.read(_CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    except BaseException:
        file.close()
        raise
    finally:
        effect.body.close()
    file.seek(0)
    return Spooled(file, size, digest.digest())  # type: ignore[arg-type] # a BinaryIO in all but name


def _discard(effect: Discard) -> None:
    effect.body.close()


def _read_body(effect: ReadBody) -> bytes | None:
    try:
        data = effect.body.read()
    except (BotoCoreError, OSError, BackendError) as error:
        logger.debug("a body broke while it was read for the cache: %s", error)
        return None
    finally:
        effect.body.close()
    return data if len(data) == effect.size else None


def _bytes_body(effect: BytesBody) -> StreamingBody:
    return StreamingBody(HeldStream(effect.data), len(effect.data))


def _pack(effect: Pack) -> Packed:
    from foodco_storage.compression.packer import pack  # noqa: PLC0415 - most routes do not compress

    recording = current.get()
    begun = clock()
    packed = pack(effect)
    if recording is not None:
        recording.pack_seconds += clock() - begun
        if packed.form is not None:
            recording.size = packed.form.size
    return packed


def _unpack(effect: Unpack) -> StreamingBody:
    from foodco_storage.compression.unpacking import pieces  # noqa: PLC0415 - most routes do not compress

    return StreamingBody(UnpackedBody(effect.body, pieces(effect)), effect.size)


CARRIED_OUT: Mapping[type, Callable[[Any], Any]] = MappingProxyType(
    {
        BytesBody: _bytes_body,
        Discard: _discard,
        Pack: _pack,
        ReadBody: _read_body,
        Spool: _spool,
        Unpack: _unpack,
    }
)
"""What carries out each effect."""
