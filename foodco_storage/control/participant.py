"""A client's part in changing phases: reading the control object, and reporting."""

from __future__ import annotations

import logging
import math
import os
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Final

from botocore.exceptions import ClientError

from foodco_storage.control.control_object import ControlObject
from foodco_storage.control.operation import View
from foodco_storage.control.place import ControlPlace
from foodco_storage.control.report import Report
from foodco_storage.control.standing import Standing
from foodco_storage.control.steps import Ask, Steps
from foodco_storage.control.text import MAX_LETTERS

logger = logging.getLogger("foodco_storage")

_FIRST_REFRESH_SECONDS: Final = 2.0
"""How soon the control object is looked for again while it could never be read."""

_HASTE: Final = 10
_HTTP_FORBIDDEN: Final = 403


class Participant:
    """Keeps a client in touch with its route.

    Only one `round` or `leaving` may be under way at a time; everything else may happen beside it.

    Args:
        place: where the control object lies.
        journal_depth: how many entries are left in this client's journal.
        clock: seconds that only grow, also while the machine sleeps.

    Attributes:
        changed: guards `standing` and `view`; notified when they change.
        standing: what the client knows, and may do.
        view: what reads go by.
        is_wanted: whether the client is to write, and so has to register.
        next_round: when a round is due.
        trouble: why the last round failed; empty when it did not.
        is_denied: whether the store does not let this client report.
    """

    def __init__(self, place: ControlPlace, journal_depth: Callable[[], int], clock: Callable[[], float]) -> None:
        self._place = place
        self._control = ControlObject(place)
        self._journal_depth = journal_depth
        self._clock = clock
        self._begin(Standing(), "")

    def begin_anew(self) -> None:
        """In a forked child: be another client. Only what was read stays."""
        self._begin(Standing(self.standing.record, self.standing.lease_until), self.view.phase)

    def _begin(self, standing: Standing, phase: str) -> None:
        self.changed = threading.Condition()
        self.standing = standing
        # Overdue, so that the next read looks closer, and finds that nobody re-reads in this process.
        self.view = View(phase, -math.inf, deque())
        self._earlier_readers: list[deque[None]] = []
        self._told: Report | None = None
        self._stored: set[str] = set()
        self._doing = ""
        self.is_wanted = False
        self.next_round = -math.inf
        self.trouble = ""
        self.is_denied = False

    @property
    def has_read(self) -> bool:
        """Whether the control object could ever be read."""
        return self.standing.record is not None

    def round(self) -> Steps[None]:
        """Read the control object, and report where there is something to tell. Never fails: see `trouble`."""
        self.next_round = self._clock() + self._refresh_seconds()
        try:
            yield from self._round()
        except Exception as error:  # noqa: BLE001 - an outage, garbage, a broken journal: all leave us out of touch
            self._failed(f"{self._doing}: {error}")
        else:
            if self.trouble:
                logger.info("route %r: back in touch with %r", self._place.route, self._place.control_key)
            self.trouble = ""
        with self.changed:
            if self._reads_of_before():
                self.next_round = min(self.next_round, self._clock() + self._refresh_seconds() / _HASTE)
            self.changed.notify_all()

    def leaving(self) -> Steps[None]:
        """Take the report away, or leave it to tell of what is left in the journal."""
        with self.changed:
            # Nothing begins from here on.
            self.standing.registered = self.is_wanted = False
            busy = self.standing.in_flight
        if not self._stored:
            return
        journal = self._journal_depth()
        if busy or journal:
            logger.warning(
                "route %r: %d entries of the journal and %d operations are left, so the report of client %s stays: a change "
                "of the phase will name it",
                *(self._place.route, journal, busy, self.standing.client),
            )
            if self.standing.announced:
                yield from self._send(self._compose())
            return
        for client in sorted(self._stored):
            yield from self._take_away(client)
        with self.changed:
            self.standing = Standing(self.standing.record, self.standing.lease_until)
            self._told = None

    def _round(self) -> Steps[None]:
        with self.changed:
            self._note_former(self.standing.give_up(self._clock()))
        if not self._must_announce() or not self.has_read:
            yield from self._look()
        if self._must_announce():
            yield from self._send(self._compose())
            yield from self._look()
        if self.standing.announced:
            yield from self._tell_news()
        if self.standing.announced:
            for former in sorted(self._stored - {self.standing.client}):
                yield from self._take_away(former)

    def _must_announce(self) -> bool:
        return self.is_wanted and not self.standing.announced

    def _look(self) -> Steps[None]:
        self._doing = "the control object can't be read"
        asked_at = self._clock()
        found = yield from self._control.read()
        if found is None:
            raise LookupError("there is none, make it with `foodco-storage phase init`")
        with self.changed:
            self.standing.adopt(found.record, asked_at)
            readers = self.view.readers
            if self.view.phase != found.record.phase:
                self._earlier_readers.append(readers)
                readers = deque()
            self.view = View(found.record.phase, self.standing.lease_until, readers)
            self.changed.notify_all()

    def _tell_news(self) -> Steps[None]:
        standing, told = self.standing, self._told
        record = standing.record
        if record is None or told is None:
            return
        due = not told.has_acknowledged(record) or self._clock() >= standing.reported_at + record.report_seconds
        if due or record.paused:
            report = self._compose()
            if due or report.numbers != told.numbers:
                yield from self._send(report)

    def _compose(self) -> Report:
        self._doing = "the journal can't be read"
        with self.changed:
            standing = self.standing
            sealed = standing.is_sealed
            # Counted first, sealed, and only then the journal read: nothing can come into it in between.
            newly = not sealed and standing.seal()
            record, in_flight, reading = standing.record, standing.in_flight, self._reads_of_before()
        settled = False
        try:
            journal = self._journal_depth()
            settled = journal == 0
        finally:
            if newly and not settled:
                with self.changed:
                    standing.unseal()
        return Report(
            client=standing.client,
            host=_short(socket.gethostname()),
            pid=os.getpid(),
            program=_short(PurePath(sys.argv[0]).name if sys.argv else ""),
            epoch=record.epoch if record is not None else 0,
            phase=record.phase if record is not None else "",
            paused=record.paused if record is not None else False,
            in_flight=in_flight,
            reading=reading,
            journal=journal,
            reported_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )

    def _send(self, report: Report) -> Steps[None]:
        self._doing = "the report can't be stored"
        sent_at = self._clock()
        key = self._place.client_key(report.client)
        self._stored.add(report.client)
        body = {"Body": report.format(), "ContentType": "application/json", "CacheControl": "no-store"}
        try:
            yield Ask("PutObject", {"Bucket": self._place.bucket, "Key": key, **body})
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            self.is_denied = status == _HTTP_FORBIDDEN
            raise
        with self.changed:
            self.is_denied = False
            self._told = report
            self._note_former(self.standing.reported(sent_at, self._clock()))
            self.changed.notify_all()

    def _take_away(self, client: str) -> Steps[None]:
        self._doing = "the report can't be taken away"
        yield Ask("DeleteObject", {"Bucket": self._place.bucket, "Key": self._place.client_key(client)})
        self._stored.discard(client)

    def _note_former(self, former: str | None) -> None:
        if former is not None:
            self._told = None
            logger.warning(
                "route %r: client %s could not report in time, and goes on as %s",
                *(self._place.route, former, self.standing.client),
            )

    def _reads_of_before(self) -> int:
        self._earlier_readers = [readers for readers in self._earlier_readers if readers]
        return sum(map(len, self._earlier_readers))

    def _refresh_seconds(self) -> float:
        record = self.standing.record
        return record.refresh_seconds if record is not None else _FIRST_REFRESH_SECONDS

    def _failed(self, trouble: str) -> None:
        if not self.trouble:
            logger.warning("route %r: out of touch with %r: %s", self._place.route, self._place.control_key, trouble)
        self.trouble = trouble


def _short(text: str) -> str:
    """What every reader of reports takes."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:MAX_LETTERS]
