"""Rules about what goes on around the clients: phases, outages, restarts, writers without the library."""

from __future__ import annotations

from urllib.parse import urlencode

from dict_model import Object
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from machine import Machine, ignoring_outages, is_same, numbers, objects
from two_sides import FAULTS

from foodco_storage.drivers.background import background


class Moving(Machine):
    @rule(copies=st.booleans(), leaves=st.sampled_from([False, False, True]))
    def move_on(self, copies: bool, leaves: bool) -> None:
        """To the next phase, by the book."""
        self.settle()
        match self.phase:
            case "source":
                self.phase = "backfill"
            case "backfill":
                self.bring_up_to_date(everything=copies)
                self.phase = "cutover"
            case "cutover":
                self.phase = "drain"
            case "drain" if leaves:
                self.leave_the_source()
            case _:
                return
        self.open()

    @precondition(lambda self: self.phase in {"backfill", "cutover"})
    @rule()
    def move_back(self) -> None:
        self.settle()
        if self.phase == "backfill":
            self.phase = "source"
            if self.upload is not None and self.upload.holder == "new":
                self.upload = None
        else:
            for key in self.keys:
                assert is_same(self.sides.source.raw(self.bucket, key), self.model.get(key)), key
            self.phase = "backfill"
        self.open()

    def bring_up_to_date(self, *, everything: bool) -> None:
        """What was written past the library, or while it did not mirror, may lie on the primary in an older form."""
        keys = []
        for key in self.keys:
            new, old = self.sides.primary.raw(self.bucket, key), self.sides.source.raw(self.bucket, key)
            if everything or (new is not None and new != old):
                keys.append(key)
                if not self.can_untag:
                    self.sides.primary.s3.delete_object(Bucket=self.bucket, Key=key)
        self.sides.reconcile(self.bucket, keys)
        for key in keys:
            new = self.sides.primary.raw(self.bucket, key)
            state = self.model.get(key)
            assert new is not None, key
            assert is_same(new, state), (key, new, state)
            self.followed.add(key)

    def leave_the_source(self) -> None:
        """Everything is read once, and so copied; then the source goes."""
        for key in self.keys:
            self.check_get(key)
        assert background.join()
        for key in self.keys:
            assert is_same(self.sides.primary.raw(self.bucket, key), self.model.get(key)), key
        self.phase = "target"
        self.followed.clear()
        self.upload = None
        for key in self.sides.source.keys(self.bucket):
            self.sides.source.s3.delete_object(Bucket=self.bucket, Key=key)

    @rule(in_a_new_session=st.sampled_from([False, False, False, True]))
    def restart(self, in_a_new_session: bool) -> None:
        self.open(in_a_new_session=in_a_new_session)

    @precondition(lambda self: not self.down and self.phase != "target")
    @rule(kind=st.sampled_from(sorted(FAULTS)))
    def fail_authority(self, kind: str) -> None:
        self.fail(self.authority, kind)

    @precondition(lambda self: not self.down and self.phase != "target")
    @rule(kind=st.sampled_from(sorted(FAULTS)))
    def fail_other(self, kind: str) -> None:
        self.fail("new" if self.authority == "old" else "old", kind)

    def fail(self, name: str, kind: str) -> None:
        self.down.add(name)
        self.side(name).fail(kind)

    @precondition(lambda self: self.down)
    @rule(waits=st.booleans())
    def recover_from_it(self, waits: bool) -> None:
        self.recover()
        if waits:
            self.sides.wait_until_mirrored(self.bucket)

    @precondition(lambda self: self.writes >= 5)
    @rule()
    def settle_everything(self) -> None:
        self.settle()


class Legacy(Machine):
    """Services that write the source with plain boto3, which they may until the end of backfill."""

    @precondition(lambda self: self.authority == "old")
    @rule(number=numbers, state=objects)
    def legacy_put(self, number: int, state: Object) -> None:
        self.put_legacy(self.keys[number], state)

    @precondition(lambda self: self.authority == "old")
    @rule(number=numbers)
    def legacy_delete(self, number: int) -> None:
        key = self.keys[number]
        self.sides.source.s3.delete_object(Bucket=self.bucket, Key=key)
        self.model.holds(key, None)
        self.followed.discard(key)

    @precondition(lambda self: self.authority == "old")
    @rule(source=numbers, number=numbers)
    def legacy_copy(self, source: int, number: int) -> None:
        """Takes the library's marks along."""
        origin, key = self.keys[source], self.keys[number]
        if origin == key:
            return
        with ignoring_outages():
            state = self.known(origin)
            if state is not None:
                source_of = {"Bucket": self.bucket, "Key": origin}
                tags = {"TaggingDirective": "REPLACE", "Tagging": urlencode(state.tags)}
                if not self.sides.source.kind.copies_merge_tags:
                    tags = {}
                self.sides.source.s3.copy_object(Bucket=self.bucket, Key=key, CopySource=source_of, **tags)
                self.model.holds(key, state)
                self.followed.discard(key)
