"""Text files: as `io.TextIOWrapper`, but what fails midway leaves no half a file."""

from __future__ import annotations

import io
from types import TracebackType

from foodco_storage.filesystem.compressed_file import CompressedFile
from foodco_storage.filesystem.write_file import WriteFile


class TextFile(io.TextIOWrapper):
    """A file in text mode. An exception in its `with` block discards what was written, as in binary mode."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and isinstance(self.buffer, WriteFile | CompressedFile):
            self.buffer.discard()
            if isinstance(self.buffer, WriteFile):
                self.buffer.ignores_writes = True
        self.close()
