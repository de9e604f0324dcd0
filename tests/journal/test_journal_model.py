"""Two journals on one directory, against a dictionary."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from foodco_storage.errors import JournalError
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.journal import Journal

MAX_ENTRIES = 12
WHO = st.sampled_from(["a", "b"])
ENTRIES = st.builds(Entry, st.just("r"), st.sampled_from(["x", "y"]), st.just("b"), st.text(max_size=3), st.booleans())


@dataclass
class Modelled:
    entry: Entry
    owner: str | None
    due: float = 0
    attempts: int = 0
    last_error: str = ""


class JournalMachine(RuleBasedStateMachine):
    numbers = Bundle("numbers")

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.now = 1_700_000_000.0
        self.journals = {who: self.open() for who in "ab"}
        self.model: dict[int, Modelled] = {}
        self.highest = 0

    def open(self) -> Journal:
        return Journal(self.directory, max_entries=MAX_ENTRIES, clock=lambda: self.now)

    @rule(target=numbers, who=WHO, entries=st.lists(ENTRIES, max_size=4))
    def enter(self, who, entries):
        if len(self.model) + len(entries) > MAX_ENTRIES:
            try:
                self.journals[who].enter(entries)
            except JournalError:
                return multiple()
            raise AssertionError("it took more than it may")
        numbers = self.journals[who].enter(entries)
        assert len(numbers) == len(entries)
        for number, entry in zip(numbers, entries, strict=True):
            assert number > self.highest
            self.highest = number
            self.model[number] = Modelled(entry, who)
        return multiple(*numbers)

    @rule(who=WHO, numbers=st.lists(numbers, max_size=3))
    def settle(self, who, numbers):
        self.journals[who].settle(numbers)
        for number in numbers:
            self.model.pop(number, None)

    @rule(who=WHO, number=consumes(numbers))
    def settle_one(self, who, number):
        self.settle(who, [number])

    @rule(who=WHO, numbers=st.lists(numbers, max_size=3, unique=True), why=st.sampled_from(["", "timeout", "denied"]))
    def defer(self, who, numbers, why):
        self.journals[who].defer(numbers, why)
        for number in numbers:
            entry = self.model.get(number)
            if entry is not None and entry.owner in {None, who}:
                entry.owner = None
                entry.due = self.now
                if why:
                    entry.due += min(60, 2**entry.attempts)
                    entry.attempts += 1
                    entry.last_error = why

    @rule(who=WHO, identities=st.sets(st.sampled_from(["x", "y", "z"])), limit=st.integers(0, 5))
    def take(self, who, identities, limit):
        taken = self.journals[who].take(identities, limit)
        free = [
            (entry.due, number)
            for number, entry in self.model.items()
            if entry.owner is None and entry.due <= self.now and entry.entry.identity in identities
        ]
        assert [one.number for one in taken] == [number for _, number in sorted(free)[:limit]]
        for one in taken:
            entry = self.model[one.number]
            assert (one.entry, one.attempts) == (entry.entry, entry.attempts)
            entry.owner = who

    @rule(seconds=st.sampled_from([0.5, 1, 3, 60]))
    def wait(self, seconds):
        self.now += seconds

    @rule(who=WHO)
    def restart(self, who):
        self.journals[who].close()
        self.journals[who] = self.open()
        for entry in self.model.values():
            if entry.owner == who:
                entry.owner, entry.due = None, self.now

    @invariant()
    def holds_the_same(self):
        for journal in self.journals.values():
            assert {
                row.number: (row.entry, row.deferred, row.attempts, row.last_error) for row in journal.entries()
            } == {
                number: (entry.entry, entry.owner is None, entry.attempts, entry.last_error)
                for number, entry in self.model.items()
            }
            assert journal.depth() == len(self.model)
            for identity in "xyz":
                of_it = [entry for entry in self.model.values() if entry.entry.identity == identity]
                assert journal.depth(identity) == len(of_it)
            assert sum(summary.deferred for summary in journal.summary()) == sum(
                entry.owner is None for entry in self.model.values()
            )

    def teardown(self):
        for journal in self.journals.values():
            journal.close()
        shutil.rmtree(self.directory)


JournalMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
TestJournalMachine = JournalMachine.TestCase
