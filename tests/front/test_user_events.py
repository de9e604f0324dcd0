"""Handlers of users on `client.meta.events` and `session.events`, counted against boto3."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import foodco_storage
from foodco_storage.testing import Close, FaultProxy

# Every event of a request that users hook into, in the order in which they come.
BEFORE_ROUTING = ["provide-client-params", "before-parameter-build"]
PER_REQUEST = [
    "before-endpoint-resolution",
    "before-call",
    "request-created",
    "choose-signer",
    "before-sign",
    "before-send",
    "response-received",
    "needs-retry",
    "after-call",
]
EVENTS = BEFORE_ROUTING + PER_REQUEST
AS_PRESET = Config(
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    s3={"addressing_style": "path"},
    retries={"mode": "standard", "total_max_attempts": 1},
)


def counting(events: Any, operation: str = "GetObject") -> Counter[str]:
    counted: Counter[str] = Counter()
    for name in EVENTS:
        # This one names no operation.
        full = f"{name}.s3" if name == "before-endpoint-resolution" else f"{name}.s3.{operation}"
        events.register(full, lambda event=name, **_: counted.update([event]))
    return counted


def boto3_client(two: Any, where: str) -> Any:
    return boto3.client("s3", **two.servers[where].client_arguments(), config=AS_PRESET)


def counted_with(s3: Any, bucket: str, key: str, missing: bool = False) -> Counter[str]:
    counted = counting(s3.meta.events)
    if missing:
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(Bucket=bucket, Key=key)
    else:
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"body"
    s3.close()
    return counted


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("kind", ["unrouted", "one-backend", "fallback"])
def test_each_handler_is_called_as_often_as_with_boto3(two: Any, kind: str, missing: bool) -> None:
    two.put("new", "k")
    key = "absent" if missing else "k"
    expected = counted_with(boto3_client(two, "new"), two.bucket, key, missing)
    assert set(expected) == set(EVENTS)
    if kind == "unrouted":
        storage = {"routes": {"other": {"bucket": "another", "primary": "caller"}}}
        s3 = foodco_storage.client(storage=storage, **two.servers["new"].client_arguments(), config=AS_PRESET)
    else:
        two.backends["new"]["max_attempts"] = two.backends["old"]["max_attempts"] = 1
        s3 = two.client(fallbacks=("old",) if kind == "fallback" else ())
    counted = counted_with(s3, two.bucket, key, missing)
    if kind == "fallback" and missing:
        expected = Counter({name: number * (1 if name in BEFORE_ROUTING else 2) for name, number in expected.items()})
    assert counted == expected


def test_a_key_on_the_fallback_shows_the_look_at_the_primary_too(two: Any) -> None:
    two.put("old", "k")
    two.backends["new"]["max_attempts"] = two.backends["old"]["max_attempts"] = 1
    miss = counted_with(boto3_client(two, "new"), two.bucket, "k", missing=True)
    hit = counted_with(boto3_client(two, "old"), two.bucket, "k")
    counted = counted_with(two.client(), two.bucket, "k")
    assert {name: counted[name] for name in BEFORE_ROUTING} == dict.fromkeys(BEFORE_ROUTING, 1)
    assert {name: counted[name] for name in PER_REQUEST} == {name: miss[name] + hit[name] for name in PER_REQUEST}


def test_handlers_see_which_store_each_request_goes_to(two: Any) -> None:
    two.put("old", "k")
    s3 = two.client()
    urls: list[str] = []
    s3.meta.events.register("before-send.s3.GetObject", lambda request, **_: urls.append(request.url))
    s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    assert urls == [f"{two.servers[name].endpoint_url}/{two.bucket}/k" for name in ("new", "old")]


def test_a_header_that_a_handler_adds_reaches_every_store(make_listener: Callable[[], Any]) -> None:
    new, old = make_listener(), make_listener()
    new.status, new.answer = 404, b"<Error><Code>NoSuchKey</Code></Error>"
    old.answer = b"body"
    s3 = client_of(new, old)
    s3.meta.events.register("before-sign.s3", lambda request, **_: request.headers.add_header("X-Tenant", "menus"))
    assert s3.get_object(Bucket="images", Key="k")["Body"].read() == b"body"
    for listener in (new, old):
        assert listener.seen[0].headers["X-Tenant"] == "menus"
        assert "x-tenant" in listener.seen[0].headers["Authorization"]


def client_of(new: Any, old: Any, **route: Any) -> Any:
    backends = {
        name: {"preset": "s3", "endpoint_url": store.url, "max_attempts": 1}
        for name, store in (("new", new), ("old", old))
    }
    routes = {"images": {"bucket": "images", "primary": "new", "fallbacks": ["old"], **route}}
    return foodco_storage.client(storage={"backends": backends, "routes": routes})


def test_handlers_before_routing_have_the_callers_own_names(make_listener: Callable[[], Any]) -> None:
    new, old = make_listener(), make_listener()
    new.status, new.answer = 404, b"<Error><Code>NoSuchKey</Code></Error>"
    s3 = client_of(new, old, buckets={"new": "new-images", "old": "old-images"})
    seen: list[str] = []
    for name in BEFORE_ROUTING:
        s3.meta.events.register(f"{name}.s3.GetObject", lambda params, **_: seen.append(params["Bucket"]))
    s3.get_object(Bucket="images", Key="k")["Body"].read()
    assert seen == ["images", "images"]
    assert (new.seen[0].path, old.seen[0].path) == ("/new-images/k", "/old-images/k")


@pytest.mark.parametrize("how", ["in-place", "returned"])
def test_a_handler_that_changes_the_bucket_or_key_changes_the_route(two: Any, how: str) -> None:
    two.put("old", "moved/k", b"old")
    s3 = two.client()

    def change(params: dict[str, Any], **_: Any) -> dict[str, Any] | None:
        changed = {**params, "Bucket": two.bucket, "Key": f"moved/{params['Key']}"}
        if how == "returned":
            return changed
        params.update(changed)
        return None

    name = "provide-client-params.s3.GetObject" if how == "returned" else "before-parameter-build.s3.GetObject"
    s3.meta.events.register(name, change)
    arguments = {"Bucket": "alias-of-it", "Key": "k"}
    answer = s3.get_object(**arguments)
    assert answer["Body"].read() == b"old"
    assert answer["ResponseMetadata"]["Storage"]["backend"] == "old"
    assert arguments == {"Bucket": "alias-of-it", "Key": "k"}
    # A presigned URL too, as with boto3.
    assert s3.generate_presigned_url("get_object", arguments).startswith(
        f"{two.servers['old'].endpoint_url}/{two.bucket}/moved/k?"
    )


def test_presigning_fires_what_it_fires_in_boto3(two: Any) -> None:
    two.put("new", "k")
    s3, plain = two.client(presign="authority"), boto3_client(two, "new")
    expected, counted = counting(plain.meta.events), counting(s3.meta.events)
    contexts: list[Any] = []
    s3.meta.events.register("before-parameter-build.s3", lambda context, **_: contexts.append(dict(context)))
    for client in (plain, s3):
        client.generate_presigned_url("get_object", {"Bucket": two.bucket, "Key": "k"})
    assert counted == expected
    assert counted["provide-client-params"] == 1
    assert [context["is_presign_request"] for context in contexts] == [True]


@pytest.mark.parametrize("key", ["on-new", "on-old"])
def test_what_a_handler_leaves_in_the_context_is_there_for_the_others(two: Any, key: str) -> None:
    two.put("new", "on-new")
    two.put("old", "on-old")
    s3 = two.client()
    left: list[Any] = []

    def leave(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["who"] = params["Key"]

    s3.meta.events.register("before-parameter-build.s3.GetObject", leave)
    s3.meta.events.register("before-call.s3.GetObject", lambda context, **_: left.append(context["who"]))
    s3.meta.events.register("after-call.s3.GetObject", lambda context, **_: left.append(context["who"]))
    s3.get_object(Bucket=two.bucket, Key=key)["Body"].read()
    assert left == [key] * (2 if key == "on-new" else 4)
    s3.meta.events.unregister("before-parameter-build.s3.GetObject", leave)
    s3.meta.events.register("before-call.s3.HeadObject", lambda context, **_: left.append("who" in context))
    s3.head_object(Bucket=two.bucket, Key="on-new")
    assert left[-1] is False


def test_the_context_has_what_it_has_in_boto3(two: Any) -> None:
    two.put("new", "k")
    contexts: list[dict[str, Any]] = []
    for s3 in (boto3_client(two, "new"), two.client()):
        s3.meta.events.register_first("provide-client-params.s3", lambda context, **_: contexts.append(dict(context)))
        s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    assert set(contexts[1]) == set(contexts[0])
    assert contexts[1]["auth_type"] == contexts[0]["auth_type"]


@pytest.mark.parametrize("pattern", ["before-send", "before-send.s3", "before-send.*.GetObject", "before-send.s3.*"])
def test_names_of_events_may_be_shortened_and_hold_wildcards(two: Any, pattern: str) -> None:
    two.put("old", "k")
    calls: list[int] = []
    s3 = two.client()
    s3.meta.events.register(pattern, lambda **_: calls.append(1))
    s3.meta.events.register("provide-client-params.*.GetObject", lambda **_: calls.append(100))
    s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    assert sum(calls) == 102


def test_everything_at_once(two: Any) -> None:
    """A handler of `*` stands with each client, so that it sees what the requests have in boto3: once for each."""
    two.put("new", "k")
    names: dict[str, list[str]] = {}
    for who, s3 in (("boto3", boto3_client(two, "new")), ("ours", two.client())):
        seen = names[who] = []
        s3.meta.events.register("*.s3.GetObject", lambda event_name, seen=seen, **_: seen.append(event_name))
        s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    assert names["ours"] == names["boto3"]


@pytest.mark.parametrize("event", ["before-send.s3.GetObject", "before-parameter-build.s3.GetObject"])
def test_first_and_last(two: Any, event: str) -> None:
    two.put("new", "k")
    order: list[str] = []
    s3 = two.client()
    s3.meta.events.register_last(event, lambda **_: order.append("last"))
    s3.meta.events.register(event, lambda **_: order.append("middle"))
    s3.meta.events.register_first(event, lambda **_: order.append("first"))
    s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    assert order == ["first", "middle", "last"]


@pytest.mark.parametrize("event", ["before-send.s3.GetObject", "before-parameter-build.s3.GetObject"])
def test_handlers_with_an_id(two: Any, event: str) -> None:
    two.put("old", "k")
    per_call = 2 if event.startswith("before-send") else 1
    calls: list[str] = []
    s3 = two.client()
    events = s3.meta.events

    def get() -> int:
        calls.clear()
        s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
        return len(calls)

    def handler(**_: Any) -> None:
        calls.append("called")

    events.register(event, handler, unique_id="mine")
    events.register(event, handler, unique_id="mine")
    assert get() == per_call
    events.unregister(event, unique_id="mine")
    assert get() == 0

    events.register(event, handler, unique_id="counted", unique_id_uses_count=True)
    events.register(event, handler, unique_id="counted", unique_id_uses_count=True)
    events.unregister(event, unique_id="counted", unique_id_uses_count=True)
    assert get() == per_call
    events.unregister(event, unique_id="counted", unique_id_uses_count=True)
    assert get() == 0

    events.register(event, handler)
    assert get() == per_call
    events.unregister(event, handler)
    assert get() == 0


def test_a_handler_of_botocores_own_can_be_taken_off_every_client(two: Any) -> None:
    """As users do with the check of bucket names (boto3 issue 1083)."""
    from botocore.handlers import validate_bucket_name  # noqa: PLC0415

    s3 = two.client()
    s3.meta.events.unregister("before-parameter-build.s3", validate_bucket_name)
    for client in [backend.client for backend in s3._dispatch.backends.values()]:
        responses = client.meta.events.emit(
            "before-parameter-build.s3.PutBucketAcl",
            params={"Bucket": "no bucket!"},
            model=client.meta.service_model.operation_model("PutBucketAcl"),
            context={},
        )
        assert not any(handler is validate_bucket_name for handler, _ in responses)


def test_a_signer_can_be_chosen(make_listener: Callable[[], Any]) -> None:
    import botocore  # noqa: PLC0415

    new, old = make_listener(), make_listener()
    new.status, new.answer = 404, b"<Error><Code>NoSuchKey</Code></Error>"
    s3 = client_of(new, old)
    s3.meta.events.register("choose-signer.s3.*", lambda **_: botocore.UNSIGNED)
    s3.get_object(Bucket="images", Key="k")["Body"].read()
    assert [store.seen[0].headers["Authorization"] for store in (new, old)] == [None, None]


def test_an_answer_in_place_of_a_request(two: Any) -> None:
    """before-call and before-send may answer themselves; that is how mocks work."""
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415

    s3 = two.client()
    s3.meta.events.register(
        "before-call.s3.HeadObject",
        lambda **_: (AWSResponse("", 200, {}, None), {"ContentLength": 5, "ResponseMetadata": {}}),
    )
    assert s3.head_object(Bucket=two.bucket, Key="absent")["ContentLength"] == 5


def test_needs_retry_can_ask_for_another_try(make_listener: Callable[[], Any]) -> None:
    new, old = make_listener(), make_listener()
    new.status = 200
    s3 = client_of(new, old)
    s3.meta.events.register("needs-retry.s3.HeadObject", lambda attempts, **_: 0 if attempts == 1 else None)
    s3.head_object(Bucket="images", Key="k")
    assert (len(new.seen), len(old.seen)) == (2, 0)


def test_an_error_in_a_handler_reaches_the_caller(two: Any) -> None:
    s3 = two.client()

    def fail(**_: Any) -> None:
        raise KeyError("handler")

    for event in ("before-send.s3.GetObject", "provide-client-params.s3.GetObject"):
        s3.meta.events.register(event, fail)
        with pytest.raises(KeyError, match="handler"):
            s3.get_object(Bucket=two.bucket, Key="k")
        s3.meta.events.unregister(event, fail)
    with pytest.raises(ClientError):
        s3.get_object(Bucket=two.bucket, Key="k")


def test_handlers_of_a_session_stand_with_each_client(two: Any) -> None:
    """botocore copies them when a client is made; so all of them fire per request, with the backend's names."""
    two.put("old", "k")
    session = foodco_storage.Session()
    counted: Counter[str] = Counter()
    for name in EVENTS:
        session.events.register(f"{name}.s3.GetObject", lambda event=name, **_: counted.update([event]))
    s3 = two.client(session)
    s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    assert counted["before-send"] == 2
    assert counted["before-parameter-build"] == 2


def test_two_clients_of_a_session_do_not_share_handlers(two: Any) -> None:
    two.put("new", "k")
    session = foodco_storage.Session()
    one, other = two.client(session), two.client(session)
    counted = counting(one.meta.events)
    other.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    assert not counted


def test_looking_for_the_holder_of_an_object_shows_no_handler_its_parameters_twice(two: Any) -> None:
    two.put("old", "moved/k")
    s3 = two.client()

    def move(params: dict[str, Any], **_: Any) -> None:
        params["Key"] = f"moved/{params['Key']}"

    s3.meta.events.register("before-parameter-build.s3.*", move)
    url = s3.generate_presigned_url("get_object", {"Bucket": two.bucket, "Key": "k"})
    assert url.startswith(f"{two.servers['old'].endpoint_url}/{two.bucket}/moved/k?")


def test_taking_off_what_was_never_registered_changes_nothing(two: Any) -> None:
    s3 = two.client()
    s3.meta.events.unregister("provide-client-params.s3.GetObject", print)
    assert not s3.meta.events.has_front_handlers


def test_a_copy_of_the_emitter_is_one_of_botocores(two: Any) -> None:
    calls: list[str] = []
    events = two.client().meta.events
    events.register("event-of-mine", lambda **_: calls.append("original"))
    copied = copy.copy(events)
    copied.register("event-of-mine", lambda **_: calls.append("copy"))
    events.emit("event-of-mine")
    assert calls == ["original"]
    copied.emit("event-of-mine")
    assert calls == ["original", "original", "copy"]


def test_requests_for_the_rest_of_a_body_have_the_context_too(two: Any) -> None:
    """Whoever reads the body, and whenever: here another thread, after the call has ended."""
    two.put("old", "k", bytes(300_000))
    server = two.servers["old"]
    with FaultProxy(server.host, server.port) as proxy:
        two.backends["old"]["endpoint_url"] = proxy.endpoint_url
        s3 = two.client()
        left: list[Any] = []
        s3.meta.events.register("before-parameter-build.s3", lambda context, **_: context.update(who="menus"))
        s3.meta.events.register("before-call.s3.GetObject", lambda context, **_: left.append(context.get("who")))
        proxy.inject(Close(100_000), times=1)
        body = s3.get_object(Bucket=two.bucket, Key="k")["Body"]
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(body.read).result(60) == bytes(300_000)
        assert left == ["menus"] * 3
