"""Rules about single objects."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from dict_model import Object, State, etag_of
from hypothesis import strategies as st
from hypothesis.stateful import rule
from machine import (
    Machine,
    OutageError,
    code_of,
    ignoring_outages,
    numbers,
    objects,
    some_tags,
    status_of,
)

from foodco_storage.drivers.background import background

IN_THIS_THREAD = TransferConfig(use_threads=False)


class Stream(io.RawIOBase):
    """A body that can be read once, and not wound back."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


class Writing(Machine):
    @rule(number=numbers, state=objects, form=st.sampled_from(["bytes", "bytearray", "file"]))
    def put(self, number: int, state: Object, form: str) -> None:
        body = {"bytes": state.body, "bytearray": bytearray(state.body), "file": io.BytesIO(state.body)}[form]
        self.put_object(self.keys[number], state, Body=body)

    @rule(number=numbers, state=objects, seekable=st.booleans())
    def put_by_transfer(self, number: int, state: Object, seekable: bool) -> None:
        key, file = self.keys[number], io.BytesIO(state.body) if seekable else Stream(state.body)

        def call(**params: Any) -> Any:
            return self.client.upload_fileobj(
                file, params["Bucket"], key, ExtraArgs=state.parameters(), Config=IN_THIS_THREAD
            )

        with ignoring_outages():
            self.write(key, state, call)

    @rule(number=numbers, state=objects, condition=st.sampled_from(["absent", "current", "current", "old"]))
    def put_under_a_condition(self, number: int, state: Object, condition: str) -> None:
        key = self.keys[number]
        with ignoring_outages():
            held = self.known(key)
            if condition == "absent":
                holds, params = held is None, {"IfNoneMatch": "*"}
            elif condition == "current" and held is not None:
                etag = self.call(self.client.head_object, Key=key)["ETag"]
                holds, params = True, {"IfMatch": etag}
            else:
                holds, params = False, {"IfMatch": '"00000000000000000000000000000000"'}
            try:
                self.put_object(key, state, Body=state.body, plain=False, **params)
            except ClientError as error:
                assert not holds, (key, condition, error)
                assert status_of(error) == (404 if held is None else 412), error
            else:
                assert holds or not self.model.is_known(key), (key, condition)

    @rule(number=numbers)
    def delete(self, number: int) -> None:
        key = self.keys[number]
        with ignoring_outages():
            answer = self.write(key, None, self.client.delete_object, Key=key)
            assert answer is None or answer["ResponseMetadata"]["HTTPStatusCode"] == 204

    @rule(chosen=st.sets(numbers, min_size=1), quiet=st.sampled_from([True, False, None]))
    def delete_several(self, chosen: set[int], quiet: bool | None) -> None:
        keys = [self.keys[number] for number in sorted(chosen)]
        request: dict[str, Any] = {"Objects": [{"Key": key} for key in keys]}
        if quiet is not None:
            request["Quiet"] = quiet
        try:
            answer = self.call(self.client.delete_objects, Delete=request)
        except OutageError:
            assert self.authority in self.down or self.is_armed
            for key in keys:
                self.model.may_hold(key, None)
                if not self.mirrors:
                    self.followed.discard(key)
            return
        failed = {error["Key"] for error in answer.get("Errors", [])}
        assert not failed or self.authority in self.down, answer
        for key in keys:
            if key not in failed:
                self.wrote(key, None)
            else:
                self.model.may_hold(key, None)
        told = {item["Key"] for item in answer.get("Deleted", [])}
        # Where the store answers itself: moto is never quiet.
        is_quiet = quiet and self.phase in {"cutover", "drain"}
        assert told == (set() if is_quiet else set(keys) - failed) or (quiet and not is_quiet), answer

    @rule(source=numbers, number=numbers, replaces=st.booleans(), retags=st.booleans(), other=objects)
    def copy(self, source: int, number: int, replaces: bool, retags: bool, other: Object) -> None:
        origin, key, store = self.keys[source], self.keys[number], self.side(self.authority).kind
        # Onto itself S3 copies only what is described anew.
        replaces = replaces or origin == key
        with ignoring_outages():
            made = held = self.known(origin)
            if held and store.copies_lose_tags:
                retags, replaces = False, replaces and not held.tags
                if origin == key and not replaces:
                    return
            params: dict[str, Any] = {"CopySource": {"Bucket": self.bucket, "Key": origin}, "Key": key}
            if made and replaces:
                made = replace(made, content_type=other.content_type, metadata=other.metadata)
                params |= {"MetadataDirective": "REPLACE", "ContentType": made.content_type}
                params["Metadata"] = dict(made.metadata)
            if made and (retags or store.copies_merge_tags):
                made = replace(made, tags=other.tags if retags else made.tags)
                params |= {"TaggingDirective": "REPLACE", "Tagging": urlencode(made.tags)}
            if made is None:
                with no_such_key():
                    self.call(self.client.copy_object, **params)
                return
            self.write(key, made, self.client.copy_object, plain=False, **params)

    @rule(number=numbers, tags=some_tags, removes=st.booleans())
    def tag(self, number: int, tags: dict[str, str], removes: bool) -> None:
        key = self.keys[number]
        with ignoring_outages():
            held = self.known(key)
            # moto fails to answer when there is no object to take tags from.
            removes = removes and held is not None and self.can_untag
            call = self.client.delete_object_tagging
            params: dict[str, Any] = {"Key": key}
            if not removes:
                call = self.client.put_object_tagging
                params["Tagging"] = {"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]}
            if held is None:
                with no_such_key():
                    self.call(call, **params)
            else:
                self.write(key, replace(held, tags={} if removes else tags), call, plain=False, **params)

    def put_object(self, key: str, state: State, **params: Any) -> None:
        assert state is not None
        with ignoring_outages():
            answer = self.write(key, state, self.client.put_object, Key=key, **state.parameters(), **params)
            assert answer is None or etag_of(answer) in state.etags


class Reading(Machine):
    @rule(number=numbers, waits=st.booleans())
    def get(self, number: int, waits: bool) -> None:
        with ignoring_outages():
            self.check_get(self.keys[number])
        if waits:
            assert background.join()

    @rule(number=numbers, first=st.integers(0, 50), size=st.integers(1, 50), suffix=st.booleans())
    def get_range(self, number: int, first: int, size: int, suffix: bool) -> None:
        key = self.keys[number]
        with ignoring_outages():
            held = self.known(key)
            if held is None or not held.body:
                return
            wanted = held.body[-size:] if suffix else held.body[first : first + size]
            text = f"bytes=-{size}" if suffix else f"bytes={first}-{first + size - 1}"
            try:
                answer = self.call(self.client.get_object, Key=key, Range=text)
            except ClientError as error:
                assert code_of(error) == "InvalidRange", error
                assert not wanted, (key, text, error)
                return
            assert self.read_body(answer) == wanted
            assert answer["ContentRange"].endswith(f"/{len(held.body)}")
            assert held.is_described_by(answer)
            self.check_marks(answer)

    @rule(number=numbers, matches=st.booleans(), negated=st.booleans())
    def get_under_a_condition(self, number: int, matches: bool, negated: bool) -> None:
        key = self.keys[number]
        with ignoring_outages():
            held = self.known(key)
            if held is None:
                return
            etag = self.call(self.client.head_object, Key=key)["ETag"] if matches else '"1"'
            params = {"IfNoneMatch" if negated else "IfMatch": etag}
            if matches != negated:
                self.check_get(key, **params)
                return
            try:
                self.call(self.client.get_object, Key=key, **params)
            except ClientError as error:
                assert status_of(error) == (304 if negated else 412), error
            else:
                raise AssertionError((key, params))

    @rule(number=numbers)
    def head(self, number: int) -> None:
        key = self.keys[number]
        with ignoring_outages():
            try:
                answer = self.call(self.client.head_object, Key=key)
            except ClientError as error:
                assert status_of(error) == 404, error
                self.saw_nothing(key)
                return
            self.check_marks(answer)
            size = answer["ContentLength"]
            states: list[State] = [
                s for s in self.model.states(key) if s and len(s.body) == size and s.is_described_by(answer)
            ]
            self.model.saw(key, states, f"a HEAD answered {answer}")

    @rule(number=numbers)
    def download(self, number: int) -> None:
        key, file = self.keys[number], io.BytesIO()

        def call(**params: Any) -> Any:
            return self.client.download_fileobj(params["Bucket"], key, file, Config=IN_THIS_THREAD)

        with ignoring_outages():
            try:
                self.call(call)
            except ClientError as error:
                assert status_of(error) == 404, error
                self.saw_nothing(key)
                return
            states: list[State] = [s for s in self.model.states(key) if s and s.body == file.getvalue()]
            self.model.saw(key, states, f"a download gave {file.getvalue()[:30]!r}")

    @rule(number=numbers)
    def get_tags(self, number: int) -> None:
        with ignoring_outages():
            self.check_tags(self.keys[number])

    @rule(number=numbers, after=st.sampled_from([0, 1, 300, 70_000]), name=st.sampled_from(["new", "old"]))
    def get_with_a_cut(self, number: int, after: int, name: str) -> None:
        """The connection breaks midway, once."""
        if self.down:
            return
        self.is_armed = True
        self.side(name).cut_once(after)
        try:
            with ignoring_outages():
                self.check_get(self.keys[number])
        finally:
            self.is_armed = False
            self.side(name).proxy.pass_through()


class no_such_key:  # noqa: N801 - reads as a context
    """The call must fail so."""

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if isinstance(error, OutageError):
            return False
        assert isinstance(error, ClientError), f"no failure, or another: {error!r}"
        assert code_of(error) in {"NoSuchKey", "404"}, error
        return True
