"""A body that breaks midway goes on with the same object on the same backend, or fails as boto3's does: never a splice."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from bodies import BROKEN, LARGE, OTHER, SMALL, cut_once, cuts
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
)

from foodco_storage.testing import Answer, Close, Fault, Reset, wait_until


def by_readinto(body: Any) -> bytes:
    data, buffer = bytearray(), bytearray(10_000)
    while size := body.readinto(buffer):
        data += buffer[:size]
    return bytes(data)


def by_copyfileobj(body: Any) -> bytes:
    target = io.BytesIO()
    shutil.copyfileobj(body, target)
    return target.getvalue()


def by_with(body: Any) -> bytes:
    with body as raw:
        data: bytes = raw.read()
        return data


WAYS: dict[str, Callable[[Any], bytes]] = {
    "read": lambda body: body.read(),
    "read(n)": lambda body: b"".join(iter(lambda: body.read(10_000), b"")),
    "read(a lot)": lambda body: body.read(10 << 20),
    "read(-1)": lambda body: body._raw_stream.read(-1),
    "iter": b"".join,
    "iter_chunks": lambda body: b"".join(body.iter_chunks(7_001)),
    "iter_lines": lambda body: b"".join(body.iter_lines(keepends=True)),
    "readinto": by_readinto,
    "BufferedReader": lambda body: io.BufferedReader(body).read(),
    "copyfileobj": by_copyfileobj,
    "with": by_with,
}


def record_gets(s3: Any) -> list[tuple[str, str]]:
    """Range and If-Match of every GetObject that is sent from now on."""
    sent: list[tuple[str, str]] = []

    def note(request: Any, **_: Any) -> None:
        names = ("Range", "If-Match")
        values = [request.headers.get(name, "") for name in names]
        sent.append(tuple(v.decode() if isinstance(v, bytes) else v for v in values))  # type: ignore[arg-type]

    s3.meta.events.register("before-send.s3.GetObject", note)
    return sent


@cuts
@pytest.mark.parametrize("way", WAYS)
def test_a_body_goes_on_with_the_rest_of_the_same_object(stores: Any, cut: Fault, way: str) -> None:
    etag = stores.primary.put("k", SMALL)
    stores.fallback.put("k", OTHER)
    s3 = stores.client()
    sent = record_gets(s3)
    cut_once(stores.primary, cut)
    got = s3.get_object(Bucket=stores.bucket, Key="k")
    assert got["ContentLength"] == len(SMALL)
    assert WAYS[way](got["Body"]) == SMALL
    assert got["Body"].tell() == len(SMALL)
    got["Body"].close()
    (first, again) = sent
    assert first == ("", "")
    wanted, condition = again
    assert condition == etag
    offset, last = wanted.removeprefix("bytes=").split("-")
    assert 0 <= int(offset) <= 300_000
    assert int(last) == len(SMALL) - 1
    assert stores.fallback.proxy.requests == 0


def test_a_short_read_is_the_end_of_the_object_not_of_a_connection(stores: Any) -> None:
    stores.primary.put("k", SMALL)
    s3 = stores.client()
    cut_once(stores.primary, Close(300_001))
    body = s3.get_object(Bucket=stores.bucket, Key="k")["Body"]
    pieces = [len(piece) for piece in iter(lambda: body.read(7_000), b"")]
    assert set(pieces[:-1]) == {7_000}
    assert sum(pieces) == len(SMALL)


@pytest.mark.parametrize("cut", [Reset(100_000), Close(100_000)], ids=["reset", "closed"])
@pytest.mark.parametrize("way", ["read", "read(a lot)", "read(n)"])
def test_a_body_survives_any_number_of_breaks_as_long_as_it_moves(stores: Any, cut: Fault, way: str) -> None:
    stores.primary.put("k", SMALL)
    s3 = stores.client()
    stores.primary.proxy.inject(cut, methods=["GET"])
    body = s3.get_object(Bucket=stores.bucket, Key="k")["Body"]
    assert WAYS[way](body) == SMALL
    assert stores.primary.proxy.faults > 4


@pytest.mark.parametrize("cut", [Reset(0), Close(0)], ids=["reset", "closed"])
def test_a_body_that_does_not_move_is_given_up(stores: Any, cut: Fault) -> None:
    stores.primary.put("k", SMALL)
    s3 = stores.client()
    sent = record_gets(s3)
    stores.primary.proxy.inject(cut, methods=["GET"])
    with s3.get_object(Bucket=stores.bucket, Key="k")["Body"] as body, pytest.raises(BROKEN):
        body.read()
    assert len(sent) == 4


@cuts
@pytest.mark.parametrize("way", ["read", "read(n)", "iter_chunks", "readinto"])
def test_an_object_that_was_overwritten_meanwhile_is_boto3s_error(stores: Any, cut: Fault, way: str) -> None:
    stores.primary.put("k", SMALL)
    s3 = stores.client()
    cut_once(stores.primary, cut)
    body = s3.get_object(Bucket=stores.bucket, Key="k")["Body"]
    assert body.read(100_000) == SMALL[:100_000]
    stores.primary.put("k", OTHER)
    with pytest.raises(BROKEN) as raised:
        WAYS[way](body)
    body.close()
    assert "could not resume after" in raised.value.__notes__[0]
    assert "PreconditionFailed" in raised.value.__notes__[0]
    assert isinstance(raised.value.__cause__, ClientError)


def test_an_object_that_was_deleted_meanwhile_is_boto3s_error(stores: Any) -> None:
    stores.primary.put("k", SMALL)
    stores.fallback.put("k", SMALL)
    s3 = stores.client()
    cut_once(stores.primary, Reset(300_000))
    with s3.get_object(Bucket=stores.bucket, Key="k")["Body"] as body:
        stores.primary.s3.delete_object(Bucket=stores.bucket, Key="k")
        with pytest.raises(BROKEN) as raised:
            body.read()
    assert "NoSuchKey" in raised.value.__notes__[0]
    assert stores.fallback.proxy.requests == 0


def test_a_version_goes_on_though_the_key_was_overwritten(stores: Any) -> None:
    versioned = {"Status": "Enabled"}
    stores.primary.s3.put_bucket_versioning(Bucket=stores.bucket, VersioningConfiguration=versioned)
    stores.primary.put("k", SMALL)
    version = stores.primary.s3.head_object(Bucket=stores.bucket, Key="k")["VersionId"]
    s3 = stores.client()
    cut_once(stores.primary, Reset(300_000))
    body = s3.get_object(Bucket=stores.bucket, Key="k", VersionId=version)["Body"]
    stores.primary.put("k", OTHER)
    assert body.read() == SMALL


@cuts
def test_a_fallbacks_body_is_never_continued_from_the_primary(stores: Any, cut: Fault) -> None:
    etag = stores.fallback.put("k", SMALL)
    s3 = stores.client()
    sent = record_gets(s3)
    cut_once(stores.fallback, cut)
    got = s3.get_object(Bucket=stores.bucket, Key="k")
    assert got["ResponseMetadata"]["Storage"] == {"backend": "fallback", "fallback": True}
    assert got["Body"].read(50_000) == SMALL[:50_000]
    stores.primary.put("k", OTHER)
    assert got["Body"].read() == SMALL[50_000:]
    assert sent[-1][1] == etag
    now = s3.get_object(Bucket=stores.bucket, Key="k")
    assert now["Body"].read() == OTHER


def test_a_fallback_that_stays_down_is_not_replaced_by_the_primary(stores: Any) -> None:
    stores.fallback.put("k", SMALL)
    s3 = stores.client()
    cut_once(stores.fallback, Close(300_000))
    with s3.get_object(Bucket=stores.bucket, Key="k")["Body"] as body:
        # Even the same object is another one, as far as anybody knows.
        stores.primary.put("k", SMALL)
        stores.fallback.proxy.refuse()
        with pytest.raises(BROKEN):
            body.read()


def test_a_store_that_stays_down_is_boto3s_error_with_a_note(stores: Any) -> None:
    stores.primary.put("k", SMALL)
    stores.fallback.put("k", SMALL)
    s3 = stores.client(read_when_primary_down=True)
    cut_once(stores.primary, Close(300_000))
    with s3.get_object(Bucket=stores.bucket, Key="k")["Body"] as body:
        stores.primary.proxy.refuse()
        with pytest.raises(BROKEN) as raised:
            body.read()
    assert "foodco_storage: could not resume after 0 bytes" in raised.value.__notes__[0]
    assert isinstance(raised.value.__cause__, EndpointConnectionError)
    assert stores.fallback.proxy.requests == 0


def test_a_failed_read_takes_nothing(stores: Any) -> None:
    """Who reads on after an error, when the store is back, finds no hole."""
    stores.primary.put("k", SMALL)
    s3 = stores.client()
    cut_once(stores.primary, Close(300_000))
    body = s3.get_object(Bucket=stores.bucket, Key="k")["Body"]
    assert body.read(250_000) == SMALL[:250_000]
    stores.primary.proxy.inject(Answer(503), methods=["GET"])
    with pytest.raises(BROKEN):
        body.read(100_000)
    assert body.tell() == 250_000
    stores.primary.proxy.pass_through()
    assert body.read() == SMALL[250_000:]


RANGES = {
    "bytes=1000-499999": (1000, 499_999),
    "bytes=1000-": (1000, len(SMALL) - 1),
    "bytes=-400000": (len(SMALL) - 400_000, len(SMALL) - 1),
    "bytes=0-99999999": (0, len(SMALL) - 1),
}


@pytest.mark.parametrize("asked", RANGES)
@pytest.mark.parametrize("side", ["primary", "fallback"])
def test_a_range_goes_on_within_itself(stores: Any, side: str, asked: str) -> None:
    first, last = RANGES[asked]
    store = getattr(stores, side)
    store.put("k", SMALL)
    s3 = stores.client()
    sent = record_gets(s3)
    cut_once(store, Close(300_000))
    got = s3.get_object(Bucket=stores.bucket, Key="k", Range=asked)
    assert got["ContentRange"] == f"bytes {first}-{last}/{len(SMALL)}"
    assert b"".join(iter(lambda: got["Body"].read(10_000), b"")) == SMALL[first : last + 1]
    assert sent[-1][0] == f"bytes={first + 300_000}-{last}"


def test_conditions_of_the_first_request_are_not_asked_again(stores: Any) -> None:
    etag = stores.primary.put("k", SMALL)
    modified = stores.primary.s3.head_object(Bucket=stores.bucket, Key="k")["LastModified"]
    s3 = stores.client()
    for condition in ({"IfMatch": etag}, {"IfNoneMatch": '"0"'}, {"IfUnmodifiedSince": modified}):
        cut_once(stores.primary, Reset(300_000))
        assert s3.get_object(Bucket=stores.bucket, Key="k", **condition)["Body"].read() == SMALL


@pytest.mark.parametrize(
    "wrong",
    [
        Answer(200, SMALL, {"ETag": '"another"'}),
        Answer(206, b"x" * 10, {"ETag": '"another"', "Content-Range": f"bytes 0-9/{len(SMALL)}"}),
    ],
    ids=["the whole object", "another range"],
)
def test_an_answer_that_is_not_the_rest_is_not_taken(stores: Any, wrong: Answer) -> None:
    stores.primary.put("k", SMALL)
    s3 = stores.client()
    cut_once(stores.primary, Close(300_000))
    body = s3.get_object(Bucket=stores.bucket, Key="k")["Body"]
    assert body.read(300_000) == SMALL[:300_000]
    stores.primary.proxy.inject(wrong, times=1, methods=["GET"])
    with pytest.raises(BROKEN) as raised:
        body.read()
    assert "another range, or another object" in raised.value.__notes__[0]


def test_checksums_of_a_store_that_sends_them_do_not_stand_in_the_way(stores: Any) -> None:
    """A checksum of the whole object does not fit the rest of it (Ceph pull request 61901)."""
    stores.primary.backend["response_checksum_validation"] = "when_supported"
    stores.primary.backend["request_checksum_calculation"] = "when_supported"
    stores.primary.put("k", SMALL, ChecksumAlgorithm="CRC32")
    s3 = stores.client()
    got = s3.get_object(Bucket=stores.bucket, Key="k", ChecksumMode="ENABLED")
    assert got["ChecksumCRC32"]
    assert got["Body"].read() == SMALL
    cut_once(stores.primary, Reset(300_000))
    got = s3.get_object(Bucket=stores.bucket, Key="k", ChecksumMode="ENABLED")
    assert b"".join(got["Body"].iter_chunks(10_000)) == SMALL


def test_a_socket_timeout_reaches_the_socket(large_stores: Any) -> None:
    large_stores.primary.put("k", LARGE)
    body = large_stores.client().get_object(Bucket=large_stores.bucket, Key="k")["Body"]
    body.set_socket_timeout(5)
    assert body._raw_stream._fp.fp.raw._sock.gettimeout() == 5
    assert body.read() == LARGE


def test_lines_that_cross_a_break(stores: Any) -> None:
    lines = SMALL[:3000]
    stores.primary.put("k", lines)
    s3 = stores.client()
    cut_once(stores.primary, Close(1000))
    body = s3.get_object(Bucket=stores.bucket, Key="k")["Body"]
    assert body.readlines() == lines.splitlines(keepends=True)


def test_a_body_dropped_unread_closes_its_connection(stores: Any) -> None:
    stores.primary.put("k", SMALL)
    s3 = stores.client()
    body = s3.get_object(Bucket=stores.bucket, Key="k")["Body"]
    assert len(stores.primary.proxy._listener._connections) == 2  # the client's and the server's end
    del body
    wait_until(lambda: not stores.primary.proxy._listener._connections, what="the connection to close")


def test_a_body_read_to_its_end_leaves_its_connection_for_the_next_request(large_stores: Any) -> None:
    large_stores.primary.put("k", SMALL)
    s3 = large_stores.client()
    for way in ("read", "read(n)", "readinto", "iter_chunks"):
        assert WAYS[way](s3.get_object(Bucket=large_stores.bucket, Key="k")["Body"]) == SMALL
    assert large_stores.primary.proxy.connections == 1


@pytest.mark.parametrize("amount", [None, 10, 0])
def test_a_closed_body_reads_as_boto3s_does(stores: Any, plain: Any, amount: int | None) -> None:
    stores.primary.put("k", SMALL)
    outcomes = []
    for s3 in (plain, stores.client()):
        body = s3.get_object(Bucket=stores.bucket, Key="k")["Body"]
        assert body.read(10) == SMALL[:10]
        body.close()
        asked = stores.primary.proxy.requests
        try:
            outcomes.append(repr(body.read(amount)))
        except BROKEN as error:
            outcomes.append(type(error).__name__)
        assert stores.primary.proxy.requests == asked
    assert outcomes[0] == outcomes[1]


@cuts
@pytest.mark.parametrize("way", ["read", "read(n)", "iter_lines", "readinto", "with"])
def test_a_route_of_one_backend_breaks_as_boto3_does(stores: Any, plain: Any, cut: Fault, way: str) -> None:
    stores.primary.put("k", SMALL)
    raised = []
    for s3 in (plain, stores.client(fallbacks=())):
        cut_once(stores.primary, cut)
        body = s3.get_object(Bucket=stores.bucket, Key="k")["Body"]
        with pytest.raises(Exception) as error:  # noqa: PT011 - boto3's, whatever it is
            WAYS[way](body)
        body.close()
        raised.append((type(error.value), getattr(error.value, "__notes__", None)))
    assert raised[0] == raised[1]


def test_empty_and_tiny_objects(stores: Any) -> None:
    stores.primary.put("empty", b"")
    stores.fallback.put("tiny", b"x")
    s3 = stores.client()
    empty = s3.get_object(Bucket=stores.bucket, Key="empty")["Body"]
    assert (empty.read(), empty.read(5), empty.read()) == (b"", b"", b"")
    tiny = s3.get_object(Bucket=stores.bucket, Key="tiny")["Body"]
    assert (tiny.read(5), tiny.read(5), tiny.read()) == (b"x", b"", b"")


@pytest.mark.parametrize("way", ["read", "read(n)", "iter_chunks", "readinto"])
def test_a_large_body(large_stores: Any, way: str) -> None:
    large_stores.primary.put("k", LARGE)
    s3 = large_stores.client()
    for cut in (Reset(9_000_001), Close(12_345_678)):
        cut_once(large_stores.primary, cut)
        body = s3.get_object(Bucket=large_stores.bucket, Key="k")["Body"]
        assert WAYS[way](body) == LARGE
    assert large_stores.primary.proxy.faults == 2


def test_a_large_body_overwritten_while_it_is_read(large_stores: Any) -> None:
    large_stores.primary.put("k", LARGE)
    s3 = large_stores.client()
    cut_once(large_stores.primary, Reset(9_000_001))
    with s3.get_object(Bucket=large_stores.bucket, Key="k")["Body"] as body:
        assert body.read(1_000_000) == LARGE[:1_000_000]
        large_stores.primary.put("k", LARGE[::-1])
        with pytest.raises(BROKEN):
            body.read()
