"""What all rules share: a client over two stores, the dict, and what may fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as BotoConnectionError
from dict_model import Dict, Object, State
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize
from two_sides import Raw, Side, TwoSides
from urllib3.exceptions import ProtocolError

# The last is what botocore lets through when an error's answer to a GetObject breaks off.
FAILURES = (ClientError, HTTPClientError, BotoConnectionError, IncompleteReadError, ProtocolError)

SLASHED = ("a", "a/b", "a/b/c d", "b&\u00e9", "b/\u4e2d")
FLAT = ("a", "a-b", "b c", "b&\u00e9", "\u4e2d")
"""For a store that lists like a file system does."""

numbers = st.integers(0, 4)
"""Which of the keys."""

words = st.text("abcXYZ019-_.", min_size=1, max_size=6)
some_tags = st.dictionaries(st.sampled_from(["k", "chef"]), words, min_size=1, max_size=2)
tag_sets = st.dictionaries(st.sampled_from(["k", "chef"]), words, max_size=2)
bodies = st.one_of(
    st.binary(max_size=40),
    # As long as a tombstone; and longer than one read of a socket.
    st.sampled_from([509, 70_000]).map(lambda size: (bytes(range(251)) * 300)[:size]),
)
objects = st.builds(
    Object,
    body=bodies,
    content_type=st.sampled_from(["text/plain", "image/jpeg"]),
    metadata=st.dictionaries(st.sampled_from(["dish", "x"]), words, max_size=2),
    tags=tag_sets,
)


@dataclass
class Upload:
    """One that has begun: the object it will be, once there are parts."""

    upload_id: str
    key: str
    like: Object
    parts: list[bytes]
    etags: list[str]
    holder: str


class OutageError(Exception):
    """A store is down, and the call failed as it should then."""


class Machine(RuleBasedStateMachine):
    """State and checks; rules are in the mixins."""

    sides: ClassVar[TwoSides]
    keys: ClassVar[tuple[str, ...]] = SLASHED
    first_phase: ClassVar[str] = "source"
    cache: ClassVar[Mapping[str, Any]] = {}
    """The route's; with a ttl nobody but the library may write."""
    compression: ClassVar[Mapping[str, Any]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.model = Dict(self.keys)
        self.phase = self.first_phase
        # So many writes since all was looked at.
        self.writes = 0
        self.options: dict[str, Any] = {}
        self.bucket = ""
        self.client: Any = None
        self.down: set[str] = set()
        self.is_armed = False
        # Keys that the library has written last while it mirrored: both sides hold the same once nothing is pending.
        self.followed: set[str] = set()
        self.upload: Upload | None = None
        self.big_uploads = 0

    @initialize(
        mode=st.sampled_from(["sync", "async"]),
        background=st.booleans(),
        legacy=st.dictionaries(numbers, objects, max_size=4),
    )
    def begin(self, mode: str, background: bool, legacy: dict[int, Object]) -> None:
        self.options = {"mirror": {"mode": mode}, "promote": {"background": background}, "cache": self.cache}
        if self.compression:
            self.options["compression"] = self.compression
        self.bucket = self.sides.new_bucket()
        for number, state in legacy.items():
            self.put_legacy(self.keys[number], state)
        self.open()

    def teardown(self) -> None:
        try:
            if self.bucket:
                self.settle()
                for key in self.keys:
                    self.check_get(key)
        finally:
            if self.client is not None:
                self.client.close()

    # Who decides, who follows.

    @property
    def authority(self) -> str:
        return "old" if self.phase in {"source", "backfill"} else "new"

    @property
    def mirrors(self) -> bool:
        return self.phase in {"backfill", "cutover"}

    @property
    def can_untag(self) -> bool:
        """Whether the side that follows takes a removal of all tags."""
        follower = self.sides.primary if self.authority == "old" else self.sides.source
        return not (self.mirrors and follower.kind.needs_tags)

    def side(self, name: str) -> Side:
        return self.sides.primary if name == "new" else self.sides.source

    def open(self, *, in_a_new_session: bool = False) -> None:
        if self.client is not None:
            self.client.close()
        self.client = self.sides.client(self.bucket, self.phase, self.options, in_a_new_session=in_a_new_session)

    def put_legacy(self, key: str, state: Object) -> None:
        self.sides.source.s3.put_object(Bucket=self.bucket, Key=key, Body=state.body, **state.parameters())
        self.model.holds(key, state)
        self.followed.discard(key)

    # Calls that may fail while a store is down.

    def call(self, call: Callable[..., Any], **params: Any) -> Any:
        """Call, in the example's bucket; `OutageError` when it failed as it may while a store is down."""
        try:
            return call(Bucket=self.bucket, **params)
        except FAILURES as error:
            if (self.down or self.is_armed) and is_outage(error):
                raise OutageError from error
            raise

    def read_body(self, answer: Mapping[str, Any]) -> bytes:
        try:
            data: bytes = answer["Body"].read()
        except FAILURES as error:
            if (self.down or self.is_armed) and is_outage(error):
                raise OutageError from error
            raise
        return data

    def write(self, key: str, state: State, call: Callable[..., Any], *, plain: bool = True, **params: Any) -> Any:
        """Carry out a write; None where nobody knows what became of it.

        Args:
            key: what is written.
            state: what it holds then.
            call: of the client.
            plain: whether the authority alone takes it: then it is acknowledged whoever else is down.
            **params: of the call.
        """
        try:
            answer = self.call(call, **params)
        except OutageError:
            if plain and not self.is_armed and self.authority not in self.down:
                raise
            self.model.may_hold(key, state)
            if not self.mirrors:
                self.followed.discard(key)
            return None
        self.wrote(key, state)
        self.writes += 1
        return answer

    def wrote(self, key: str, state: State) -> None:
        self.model.holds(key, state)
        if self.mirrors:
            self.followed.add(key)
        else:
            self.followed.discard(key)

    def known(self, key: str) -> State:
        """What a key holds; `OutageError` where that can't be found out now."""
        if not self.model.is_known(key):
            self.check_get(key)
            if not self.model.is_known(key):
                self.check_tags(key)
        return self.model.get(key)

    # Checks.

    def check_get(self, key: str, **params: Any) -> Mapping[str, Any] | None:
        """Read a key, and hold it against the dict."""
        try:
            answer: Mapping[str, Any] = self.call(self.client.get_object, Key=key, **params)
        except ClientError as error:
            assert code_of(error) == "NoSuchKey", error
            self.saw_nothing(key)
            return None
        body = self.read_body(answer)
        self.check_marks(answer)
        states: list[State] = [s for s in self.model.states(key) if s and s.body == body and s.is_described_by(answer)]
        self.model.saw(key, states, f"a GET answered {body[:30]!r} ({len(body)}), {answer}")
        assert answer["ContentLength"] == len(body)
        return answer

    def saw_nothing(self, key: str) -> None:
        self.model.saw(key, [s for s in self.model.states(key) if s is None], "it was not there")

    def check_tags(self, key: str) -> None:
        try:
            answer = self.call(self.client.get_object_tagging, Key=key)
        except ClientError as error:
            assert code_of(error) == "NoSuchKey", error
            self.saw_nothing(key)
            return
        tags = {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}
        self.model.saw(key, [s for s in self.model.states(key) if s and s.tags == tags], f"its tags are {tags}")

    @staticmethod
    def check_marks(answer: Mapping[str, Any]) -> None:
        assert not [name for name in answer["Metadata"] if name.startswith("foodco-")]
        headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
        assert not [name for name in headers if name.startswith("x-amz-meta-foodco-")]

    def settle(self) -> None:
        """Everything is up again and all that was pending is done: what lies in the stores is what the phase promises."""
        self.recover()
        self.writes = 0
        self.sides.wait_until_mirrored(self.bucket)
        for key in self.keys:
            self.known(key)
            self.check_raw(key)
        left_over = self.sides.source.keys(self.bucket) - set(self.keys)
        assert not left_over, left_over

    def recover(self) -> None:
        self.down.clear()
        for side in (self.sides.primary, self.sides.source):
            side.proxy.pass_through()

    def check_raw(self, key: str) -> None:
        state = self.model.get(key)
        new, old = self.sides.primary.raw(self.bucket, key), self.sides.source.raw(self.bucket, key)
        found = f"{key!r} is to hold {state or 'nothing'}; the primary {new}, the source {old}"
        assert old is None or not old.is_tombstone, found
        if self.authority == "old":
            assert is_same(old, state), found
        elif self.phase == "target" or new is not None:
            assert is_same(new, state), found
        else:
            assert is_same(old, state), found
        if key not in self.followed:
            return
        if state is None:
            assert old is None, found
            assert new is not None, found
            assert new.is_tombstone, found
        else:
            assert is_same(old, state), found
            assert is_same(new, state), found


def is_same(raw: Raw | None, state: State) -> bool:
    if raw is None or raw.is_tombstone:
        return state is None
    return state is not None and (raw.body, raw.content_type, raw.metadata, raw.tags) == (
        state.body,
        state.content_type,
        state.metadata,
        state.tags,
    )


def code_of(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def status_of(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def is_outage(error: Exception) -> bool:
    return status_of(error) >= 500 if isinstance(error, ClientError) else True


def ignoring_outages() -> Any:
    """Of calls whose result nobody needs."""
    return suppress(OutageError)
