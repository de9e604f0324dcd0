"""What a client says of itself."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from foodco_storage.control.record import Record
from foodco_storage.control.text import number, truth, word


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A client's report.

    Args:
        client: the client's id; another one for each process, and for a process that had lost touch.
        host: the machine.
        pid: the process there.
        program: what it runs.
        epoch: of the control object as the client last read it.
        phase: the same.
        paused: the same.
        in_flight: operations under way that change something.
        reading: reads under way that began by an earlier phase.
        journal: entries that are left in the client's journal.
        reported_at: by the client's clock; for people only.
    """

    client: str
    host: str
    pid: int
    program: str
    epoch: int
    phase: str
    paused: bool
    in_flight: int
    reading: int
    journal: int
    reported_at: str

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to be done by the phase that it speaks of."""
        return self.paused and self.in_flight == 0 and self.journal == 0

    @property
    def numbers(self) -> tuple[int, int, int]:
        """What a flip waits for."""
        return self.in_flight, self.reading, self.journal

    def has_acknowledged(self, record: Record) -> bool:
        """Whether the client has seen a record."""
        return self.epoch == record.epoch

    def format(self) -> bytes:
        """The bytes of the report."""
        return json.dumps({"version": 1, **asdict(self)}, indent=2).encode()


def read_report(found: dict[str, Any]) -> Report:
    """Make a report of its JSON.

    Raises:
        DamagedError: it is none.
    """
    return Report(
        client=word(found, "client"),
        host=word(found, "host"),
        pid=number(found, "pid"),
        program=word(found, "program"),
        epoch=number(found, "epoch"),
        phase=word(found, "phase"),
        paused=truth(found, "paused"),
        in_flight=number(found, "in_flight"),
        reading=number(found, "reading"),
        journal=number(found, "journal"),
        reported_at=word(found, "reported_at"),
    )
