"""What was read of a file last, for readers that step back."""

from __future__ import annotations

from collections import deque


class Recent:
    """Bytes up to where the last read ended; each piece knows its place, so an interrupt can't shift any.

    Args:
        most: bytes that are kept; more as long as the oldest piece reaches into them.
        head: bytes of the file's beginning that are there already.
    """

    def __init__(self, most: int, head: bytes) -> None:
        self._most = most
        self._pieces = deque([(0, head)])

    @property
    def end(self) -> int:
        """The byte of the file after the last."""
        start, data = self._pieces[-1]
        return start + len(data)

    def add(self, start: int, data: bytes) -> None:
        """Keep what was just read; what went before is forgotten unless this goes on from it.

        Args:
            start: its place in the file.
            data: of it the last bytes are kept.
        """
        if len(data) > self._most:
            start, data = start + len(data) - self._most, data[-self._most :]
        if start != self.end:
            self._pieces = deque([(start, data)])
            return
        self._pieces.append((start, data))
        while len(self._pieces) > 1 and self.end - self._pieces[1][0] >= self._most:
            self._pieces.popleft()

    def get(self, start: int, end: int) -> bytes | None:
        """A range (`end` is exclusive); None unless all of it is here."""
        first, data = self._pieces[-1]
        if end > first + len(data) or start < self._pieces[0][0]:
            return None
        if start < first:
            first, data = self._joined()
        return data[start - first : end - first]

    def _joined(self) -> tuple[int, bytes]:
        """All in one piece."""
        one = (self._pieces[0][0], b"".join(data for _, data in self._pieces))
        self._pieces = deque([one])
        return one
