"""Why tombstones stay."""

from __future__ import annotations

from foodco_storage.errors import StorageError


class TombstonesRefusedError(StorageError):
    """Do what the message says: tombstones can't be counted, or not be collected safely, now. Nothing was deleted."""
