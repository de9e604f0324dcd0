"""Whatever a client does to a few keys, in whatever phases, it sees what one store would have answered."""

from __future__ import annotations

import io
from typing import Any

import pytest
from compressed_world import CompressedWorld, options
from hypothesis import given, settings
from hypothesis import strategies as st
from phased_world import PHASES, PhasedWorld

from foodco_storage.backends.memory import MemoryBackend
from foodco_storage.config import Promote
from foodco_storage.flows.outcomes import BackendError
from foodco_storage.flows.request import Request

KEYS = ["a", "a/b", "a/c", "d"]
keys = st.sampled_from(KEYS)
bodies = st.sampled_from([b"", b"1", b"22", b"x" * 509, b"yz" * 9000])
OTHER = '"ffffffffffffffffffffffffffffffff"'


def fixed(operation: str, required: dict[str, Any], **optional: Any) -> Any:
    return st.tuples(st.just(operation), st.fixed_dictionaries(required, optional=optional))


# An ETag stands for that of the object as the client last saw it, or for another.
etags = st.sampled_from(["current", OTHER, "*"])
read_conditions = {"IfMatch": etags, "IfNoneMatch": etags}
described = {
    "Metadata": st.sampled_from([{}, {"dish": "soup"}, {"Dish": "stew", "n": "1"}]),
    "ContentType": st.just("text/html"),
    "Tagging": st.just("a=1&b=2"),
}
items = st.lists(st.fixed_dictionaries({"Key": keys}), min_size=1, max_size=3)
calls = st.one_of(
    fixed("PutObject", {"Key": keys, "Body": bodies}, **described, IfNoneMatch=st.just("*")),
    fixed("PutObject", {"Key": keys, "Body": bodies}, **described, IfMatch=etags),
    fixed("PutObject", {"Key": keys, "Body": bodies.map(io.BytesIO)}, IfNoneMatch=st.just("*")),
    fixed("GetObject", {"Key": keys}, **read_conditions, Range=st.sampled_from(["bytes=0-0", "bytes=1-", "bytes=-2"])),
    fixed("HeadObject", {"Key": keys}, **read_conditions),
    fixed("DeleteObject", {"Key": keys}),
    fixed("DeleteObjects", {"Delete": st.fixed_dictionaries({"Objects": items}, optional={"Quiet": st.booleans()})}),
    fixed("CopyObject", {"Key": keys, "CopySource": keys}, CopySourceIfMatch=etags, IfNoneMatch=st.just("*")),
    fixed(
        "CopyObject",
        {"Key": keys, "CopySource": keys, "MetadataDirective": st.just("REPLACE")},
        Metadata=described["Metadata"],
    ),
    fixed("PutObjectTagging", {"Key": keys, "Tagging": st.just({"TagSet": [{"Key": "c", "Value": "3"}]})}),
    fixed("GetObjectTagging", {"Key": keys}),
    fixed("DeleteObjectTagging", {"Key": keys}),
    fixed("Upload", {"Key": keys, "Parts": st.lists(bodies, min_size=1, max_size=3)}, IfNoneMatch=st.just("*")),
    fixed("ListObjectsV2", {}, Prefix=st.sampled_from(["a", "a/"]), Delimiter=st.just("/"), MaxKeys=st.integers(1, 3)),
    fixed("ListObjects", {}, Delimiter=st.just("/")),
    st.tuples(st.just("move on"), st.just({})),
)


class Reference(MemoryBackend):
    """One store, called as the other is; it refuses what S3 refuses."""

    def __init__(self) -> None:
        super().__init__("one", ["b"])

    def do(self, operation: str, **params: Any) -> Any:
        return self.call(Request(operation, {"Bucket": "b", **params}))

    def _copy_object(self, params: dict[str, Any]) -> dict[str, Any]:
        onto_itself = params["CopySource"]["Key"] == params["Key"] and params.get("MetadataDirective") != "REPLACE"
        if onto_itself and params["Key"] in self.buckets["b"]:
            self._copied(params)
            raise pytest.skip.Exception("no client does that")
        return super()._copy_object(params)


class Client:
    """Of a world or of the reference."""

    def __init__(self, do: Any, held: Any) -> None:
        self._do, self._held = do, held

    def carry_out(self, operation: str, params: dict[str, Any]) -> Any:
        params = {name: self._actual(name, value, params) for name, value in params.items()}
        try:
            if operation == "Upload":
                return self._upload(**params)
            return self._do(operation, **params)
        except BackendError as error:
            return error.code, error.status
        except Exception as error:  # botocore's, with a response
            response: Any = getattr(error, "response", None)
            if response is None:
                raise
            return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]

    def _actual(self, name: str, value: Any, params: dict[str, Any]) -> Any:
        if value == "current":
            return self._held(params["CopySource"] if name.startswith("Copy") else params["Key"])
        if name == "CopySource":
            return {"Bucket": "b", "Key": value}
        return io.BytesIO(value.getvalue()) if isinstance(value, io.BytesIO) else value

    def _upload(self, Key: str, Parts: list[bytes], **condition: Any) -> Any:  # noqa: N803
        which = {"Key": Key, "UploadId": self._do("CreateMultipartUpload", Key=Key)["UploadId"]}
        parts = []
        for number, body in enumerate(Parts, start=1):
            etag = self._do("UploadPart", **which, PartNumber=number, Body=body)["ETag"]
            parts.append({"PartNumber": number, "ETag": etag})
        return self._do("CompleteMultipartUpload", **which, MultipartUpload={"Parts": parts}, **condition)


SEEN = ("ContentLength", "ContentRange", "ContentType", "Metadata", "TagCount", "TagSet", "IsTruncated", "KeyCount")


def seen(answer: Any) -> Any:
    """What has to be the same; ETags of copies by another store, and dates, need not."""
    if not isinstance(answer, dict):
        return answer
    shown = {name: answer[name] for name in SEEN if name in answer}
    if "Body" in answer:
        shown["Body"] = answer["Body"].read()
    for name in ("Contents", "CommonPrefixes", "Deleted", "Errors"):
        if name in answer:
            shown[name] = [(item.get("Key"), item.get("Prefix"), item.get("Size")) for item in answer[name]]
    return shown


@settings(max_examples=300)
@given(st.data(), st.sampled_from(PHASES), st.booleans(), st.lists(calls, max_size=14))
def test_as_one_store(data: Any, phase: str, promotes: bool, script: list[tuple[str, dict[str, Any]]]) -> None:
    check(data, PhasedWorld(phase, promote=Promote(enabled=promotes)), script)


@settings(max_examples=300)
@given(st.data(), st.sampled_from(PHASES), st.booleans(), st.lists(calls, max_size=14))
def test_as_one_store_that_compresses(
    data: Any, phase: str, promotes: bool, script: list[tuple[str, dict[str, Any]]]
) -> None:
    compression = options(exact_sizes=True)
    check(data, CompressedWorld(phase, promote=Promote(enabled=promotes), compression=compression), script)


def check(data: Any, world: PhasedWorld, script: list[tuple[str, dict[str, Any]]]) -> None:
    phase, reference = world.route.phase, Reference()
    for key in data.draw(st.sets(keys)):
        if phase != "target":
            # What was there before: of another program, in parts or in one.
            for store in (world.s, reference):
                store.call(Request("PutObject", {"Bucket": "b", "Key": key, "Body": b"old", "Metadata": {"by": "x"}}))
    held: dict[str, tuple[str, str]] = {}

    def etag_of(number: int) -> Any:
        return lambda key: held.get(key, (OTHER, OTHER))[number]

    ours, theirs = Client(world.call, etag_of(0)), Client(reference.do, etag_of(1))
    for operation, params in script:
        if operation == "move on":
            move_on(world)
            continue
        try:
            expected = theirs.carry_out(operation, params)
        except pytest.skip.Exception:
            continue
        found = ours.carry_out(operation, params)
        assert_same(world, operation, params, found, expected)
        if operation in {"GetObject", "HeadObject"} and isinstance(found, dict):
            held[params["Key"]] = found["ETag"], expected["ETag"]
    assert world.journal == []
    for key in KEYS:
        assert seen(ours.carry_out("GetObject", {"Key": key})) == seen(theirs.carry_out("GetObject", {"Key": key}))
        tags = ours.carry_out("GetObjectTagging", {"Key": key}), theirs.carry_out("GetObjectTagging", {"Key": key})
        assert seen(tags[0]) == seen(tags[1])


def assert_same(world: PhasedWorld, operation: str, params: dict[str, Any], found: Any, expected: Any) -> None:
    if operation == "CopyObject" and "IfNoneMatch" in params and isinstance(expected, tuple):
        # Of two reasons to refuse it, either.
        assert isinstance(found, tuple)
        return
    if "MaxKeys" in params and found["IsTruncated"] and not expected["IsTruncated"]:
        # Nothing but tombstones may be left for the next page.
        found["IsTruncated"] = bool(world.call(operation, **next_page(params, found)).get("KeyCount"))
    assert seen(found) == seen(expected), (world.route.phase, operation, params)


def move_on(world: PhasedWorld) -> None:
    """To the next phase; not to the last, before which everything has to be copied."""
    phase = world.route.phase or ""
    if phase in PHASES[:3]:
        following = PHASES[PHASES.index(phase) + 1]
        if following == "cutover":
            bring_up_to_date(world)
        world.move_to(following)


def next_page(params: dict[str, Any], page: dict[str, Any]) -> dict[str, Any]:
    return params | {"ContinuationToken": page["NextContinuationToken"]}


def bring_up_to_date(world: PhasedWorld) -> None:
    """What was written before the mirror, and lies on the primary in an older form, must not be there at the cutover."""
    for key in list(world.p.buckets["b"]):
        ours, theirs = world.p.stored(key), world.s.buckets["b"].get(key)
        if theirs is None or (ours.data, ours.described, ours.tags) != (theirs.data, theirs.described, theirs.tags):
            assert "foodco-tombstone" in ours.described.get("Metadata", {}), (key, ours, theirs)
