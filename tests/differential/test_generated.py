"""Generated sequences of calls: what boto3 answers on one store, the library answers over one and over two."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outcomes import outcome
from script import renamed
from stores import AS_PRESET, backend, boto3_client, same

import foodco_storage
from foodco_storage.testing import MotoStore

# No `+`: moto echoes StartAfter as it came, and botocore decodes the plus to a space.
KEYS = ["a", "a/b", "a/c d", "b&é", "c/", "c/d/e"]
keys = st.sampled_from(KEYS)
bodies = st.binary(max_size=40)
ranges = st.one_of(
    st.builds("bytes={}-{}".format, st.integers(0, 45), st.integers(0, 45)),
    st.builds("bytes={}-".format, st.integers(0, 45)),
    st.builds("bytes=-{}".format, st.integers(1, 45)),
)
etags = st.sampled_from(['"5d41402abc4b2a76b9719d911017c592"', '"d41d8cd98f00b204e9800998ecf8427e"', "*"])
texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)


def maybe(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


def call(name: str, required: dict[str, Any], optional: dict[str, Any] | None = None) -> st.SearchStrategy[Any]:
    parameters = st.fixed_dictionaries(required, optional=optional or {})
    return st.tuples(st.just(name), parameters)


puts = call(
    "put_object",
    {"Key": keys, "Body": bodies, "ContentType": st.just("text/plain")},
    {
        "Metadata": st.dictionaries(st.sampled_from(["chef", "dish"]), texts, max_size=2),
        "CacheControl": texts,
        "IfNoneMatch": st.just("*"),
        "Tagging": st.just("k=v"),
    },
)
conditions = {"IfMatch": etags, "IfNoneMatch": etags}
gets = st.one_of(
    call("get_object", {"Key": keys}, {"Range": ranges, "IfMatch": etags}),
    call("get_object", {"Key": keys}, {"IfNoneMatch": etags, "ResponseContentType": texts}),
    call("head_object", {"Key": keys}, conditions),
    call("get_object_tagging", {"Key": keys}),
)
lists = call(
    "list_objects_v2",
    {},
    {
        "Prefix": st.sampled_from(["", "a", "a/", "c", "zz"]),
        "Delimiter": st.just("/"),
        "MaxKeys": st.integers(0, 4),
        "StartAfter": keys,
    },
)
copies = st.tuples(st.just("copy_object"), st.fixed_dictionaries({"Key": keys, "from": keys}))
deletes = st.one_of(
    call("delete_object", {"Key": keys}),
    st.tuples(
        st.just("delete_objects"),
        st.fixed_dictionaries(
            {
                "Delete": st.fixed_dictionaries(
                    {
                        "Objects": st.lists(
                            st.builds(lambda k: {"Key": k}, keys), min_size=1, max_size=3, unique_by=lambda o: o["Key"]
                        )
                    }
                )
            }
        ),
    ),
)
wrong = st.tuples(
    st.sampled_from(["get_object", "head_object", "put_object", "list_objects_v2", "copy_object"]),
    maybe(Key=st.one_of(st.none(), st.integers()), MaxKeys=st.just("x"), Nonsense=st.none()),
)


def play(client: Any, bucket: str, calls: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    results = []
    for name, given_params in calls:
        params = {"Bucket": bucket, **given_params}
        if "from" in params:
            params["CopySource"] = {"Bucket": bucket, "Key": params.pop("from")}
        results.append(renamed(outcome(getattr(client, name), **params), bucket))
    return results


@pytest.fixture(scope="module")
def plain(moto_store: MotoStore) -> Any:
    return boto3_client(moto_store.server)


@pytest.fixture(scope="module")
def old(moto_store_2: MotoStore) -> Any:
    return boto3_client(moto_store_2.server)


@pytest.fixture(scope="module")
def routed(moto_store: MotoStore, moto_store_2: MotoStore) -> Any:
    """One client for all examples: buckets `one-*` have one backend, `two-*` two, others no route."""
    return foodco_storage.client(
        storage={
            "backends": {"new": backend(moto_store.server, "s3"), "old": backend(moto_store_2.server, "s3")},
            "routes": {
                "one": {"bucket": "one-*", "primary": "new"},
                "two": {"bucket": "two-*", "primary": "new", "fallbacks": ["old"]},
            },
            "default": {"backend": "new"},
        }
    )


@pytest.fixture(scope="module")
def unconfigured(moto_store: MotoStore) -> Any:
    return foodco_storage.client("s3", **moto_store.server.client_arguments(), config=AS_PRESET)


def made(client: Any, prefix: str, objects: dict[str, bytes], name: str | None = None) -> str:
    name = name or f"{prefix}-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name)
    for key, body in objects.items():
        client.put_object(Bucket=name, Key=key, Body=body, ContentType="text/plain")
    return name


generated = settings(deadline=None, max_examples=40)


@generated
@given(calls=st.lists(st.one_of(puts, gets, lists, copies, deletes, wrong), max_size=12))
def test_one_backend(plain: Any, routed: Any, unconfigured: Any, calls: list[Any]) -> None:
    expected = play(plain, made(plain, "theirs", {}), calls)
    same({"routed": play(routed, made(plain, "one", {}), calls)}, {"routed": expected})
    same({"unrouted": play(routed, made(plain, "none", {}), calls)}, {"unrouted": expected})
    same({"unconfigured": play(unconfigured, made(plain, "none", {}), calls)}, {"unconfigured": expected})


@generated
@given(
    calls=st.lists(st.one_of(puts, gets, lists, copies), max_size=12),
    objects=st.dictionaries(keys, bodies),
    moved=st.sets(keys),
)
def test_two_backends(
    plain: Any, old: Any, routed: Any, calls: list[Any], objects: dict[str, bytes], moved: set[str]
) -> None:
    theirs = made(plain, "theirs", objects)
    ours = made(plain, "two", {key: body for key, body in objects.items() if key in moved})
    # What was moved may lie in the fallback still, in an older form.
    made(old, "two", {key: body if key not in moved else b"older" for key, body in objects.items()}, ours)
    same({"calls": play(routed, ours, calls)}, {"calls": play(plain, theirs, calls)})
