"""A route that compresses, over stores in memory."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import msgspec
from phased_world import PhasedWorld

from foodco_storage.backends.memory import Stored
from foodco_storage.config import Compression
from foodco_storage.config.byte_size import ByteSize
from foodco_storage.flows.marks import CODEC
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Request
from foodco_storage.flows.stored_form import StoredForm
from foodco_storage.layers.copies import Copies

FRAME_BYTES = 16 * 1024
"""The smallest that the configuration takes."""


TEXT = b"".join(json.dumps({"id": n, "kcal": n * 7 % 900}).encode() + b"\n" for n in range(5000))


def options(**changes: Any) -> Compression:
    sizes = {name: ByteSize(changes.pop(name)) for name in ("min_bytes", "frame_bytes") if name in changes}
    given: dict[str, Any] = {
        "codec": "zstd",
        "min_bytes": ByteSize(1),
        "min_gain": 0.0,
        "frame_bytes": ByteSize(FRAME_BYTES),
    }
    return Compression(**(given | sizes | changes))


class CompressedWorld(PhasedWorld):
    """A primary `p` that compresses, and a source `s`."""

    def __init__(self, phase: str = "target", *, compression: Compression | None = None, **more: Any) -> None:
        super().__init__(phase, compression=compression or options(), **more)

    def recompressed(self, **changes: Any) -> None:
        """Serve the route with other options, as new clients do."""
        self.configured = msgspec.structs.replace(self.configured, compression=options(**changes))
        self.move_to(str(self.route.phase))

    def layers_of_elsewhere(self) -> Any:
        """The flow of a copy to a bucket that no route compresses."""
        copies = Copies(Place("p"), self._locate)
        return partial(_through, copies)

    def form(self, key: str) -> StoredForm | None:
        """How an object lies in the primary."""
        return form_of(self.p.stored(key))


def _through(copies: Copies, request: Request) -> Any:
    return copies.copy_object(request, lambda _: iter(()))  # type: ignore[arg-type,return-value]


def form_of(stored: Stored) -> StoredForm | None:
    return StoredForm.of(stored.described, {})


def with_mark(stored: Stored, text: str) -> None:
    stored.described["Metadata"] = {**stored.described["Metadata"], CODEC: text}
