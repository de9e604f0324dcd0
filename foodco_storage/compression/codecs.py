"""Compressors and decompressors, used again: making one costs more than a small object."""

from __future__ import annotations

import threading
from typing import Final, TypeVar

import zstandard

from foodco_storage.flows.compression_effects import Dictionary
from foodco_storage.flows.stored_form import LARGEST_FRAME_BYTES

_K = TypeVar("_K")
_V = TypeVar("_V")

_MOST: Final = 64
"""Dictionaries, and codecs of one thread, that are kept; no configuration comes near it."""


class _Reused(threading.local):
    """Of one thread: zstd's contexts are not to be used by two at once."""

    def __init__(self) -> None:
        self.compressors: dict[tuple[int, str], zstandard.ZstdCompressor] = {}
        self.decompressors: dict[str, zstandard.ZstdDecompressor] = {}


_reused = _Reused()
_prepared: dict[tuple[str, int | None], zstandard.ZstdCompressionDict] = {}


def compressor(level: int, dictionary: Dictionary | None) -> zstandard.ZstdCompressor:
    """A compressor of this thread. Its frames say their content's size, and carry a checksum of it."""
    key = (level, dictionary.id if dictionary is not None else "")
    found = _reused.compressors.get(key)
    if found is None:
        prepared = _dictionary(dictionary, level) if dictionary is not None else None
        found = zstandard.ZstdCompressor(level=level, dict_data=prepared, write_checksum=True, write_content_size=True)
        _keep(_reused.compressors, key, found)
    return found


def decompressor(dictionary: Dictionary | None) -> zstandard.ZstdDecompressor:
    """A decompressor of this thread, for whole frames: whoever reads a stream takes a fresh one."""
    key = dictionary.id if dictionary is not None else ""
    found = _reused.decompressors.get(key)
    if found is None:
        found = fresh_decompressor(dictionary)
        _keep(_reused.decompressors, key, found)
    return found


def fresh_decompressor(dictionary: Dictionary | None) -> zstandard.ZstdDecompressor:
    """A decompressor that takes no frame which needs more memory than those that the library writes."""
    if dictionary is None:
        return zstandard.ZstdDecompressor(max_window_size=LARGEST_FRAME_BYTES)
    return zstandard.ZstdDecompressor(dict_data=_dictionary(dictionary, None), max_window_size=LARGEST_FRAME_BYTES)


def _dictionary(dictionary: Dictionary, level: int | None) -> zstandard.ZstdCompressionDict:
    # One object for each level: zstandard 0.25 crashes when one is prepared a second time.
    key = (dictionary.id, level)
    found = _prepared.get(key)
    if found is None:
        found = zstandard.ZstdCompressionDict(dictionary.data)
        if level is not None:
            found.precompute_compress(level=level)
        _keep(_prepared, key, found)
    return found


def _keep(kept: dict[_K, _V], key: _K, value: _V) -> None:
    if len(kept) >= _MOST:
        kept.clear()
    kept[key] = value
