"""Files that are compressed as they are written, by fsspec's codecs."""

from __future__ import annotations

import io
from types import TracebackType
from typing import Any

from foodco_storage.filesystem.write_file import WriteFile


class CompressedFile(io.BufferedWriter):
    """What a codec of fsspec's writes into a file of ours, closed together.

    Codecs do not close the file under them: what could not be written would be told to nobody.

    Args:
        codec: writes into the file.
        file: the object.
    """

    def __init__(self, codec: Any, file: WriteFile) -> None:
        super().__init__(codec)
        self._file = file

    def discard(self) -> None:
        """Leave no object and no parts."""
        self._file.discard()
        self._file.ignores_writes = True

    def close(self) -> None:
        """Write the rest, and make the object.

        Raises:
            OSError: it could not be written; nothing is left of it.
        """
        if self.closed:
            return
        try:
            super().close()
        except BaseException:
            self.discard()
            raise
        self._file.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.discard()
        self.close()
