"""Writes that are not mirrored yet: entered in the journal before they are sent, and taken out once both sides are equal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from foodco_storage.errors import JournalError
from foodco_storage.flows.effects import Defer, Enter, Settle
from foodco_storage.flows.outcomes import Unavailable
from foodco_storage.flows.s3_errors import error_response
from foodco_storage.journal import Journal

logger = logging.getLogger("foodco_storage")


class JournalEffects:
    """Carries out the effects of a journal.

    Args:
        journal: None where no route mirrors.
        deferred: called when an entry was left to be reconciled.
    """

    def __init__(self, journal: Journal | None, deferred: Callable[[], None]) -> None:
        self.journal = journal
        self.deferred = deferred

    @property
    def carried_out(self) -> Mapping[type, Callable[[Any], Any]]:
        """What carries out each effect."""
        return {Enter: self.enter, Settle: self.settle, Defer: self.defer}

    def enter(self, effect: Enter) -> Sequence[int]:
        """Enter writes.

        Raises:
            Unavailable: they are not entered, and must not be sent.
        """
        try:
            return self._needed.enter(effect.entries)
        except JournalError as error:
            # Nothing was sent: a write that can't be journalled could be lost on the other side.
            response = error_response("ServiceUnavailable", 503, f"foodco_storage: {error}")
            raise Unavailable("", ClientError(response, "Journal")) from error

    def settle(self, effect: Settle) -> None:
        """Take writes out."""
        if effect.numbers:
            try:
                self._needed.settle(effect.numbers)
            except JournalError as error:
                # Both sides are equal, which is what counts; the entry is found equal once more, later.
                logger.warning("a mirrored write could not be taken out of the journal: %s", error)
                with suppress(JournalError):
                    self._needed.defer(effect.numbers)
                # Whoever looks after the journal goes on trying.
                self.deferred()

    def defer(self, effect: Defer) -> None:
        """Leave writes to be reconciled."""
        if not effect.numbers:
            return
        try:
            self._needed.defer(effect.numbers, effect.why)
        except JournalError as error:
            # The entry is there still, in this process's name.
            logger.warning("an unfinished write could not be marked in the journal: %s", error)
        self.deferred()

    @property
    def _needed(self) -> Journal:
        if self.journal is None:
            raise LookupError("a route mirrors, and has no journal")
        return self.journal
