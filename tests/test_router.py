"""Which requests go which way."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Any

import pytest

from foodco_storage.config import check
from foodco_storage.flows.place import Place
from foodco_storage.front.assembly import Assembly
from foodco_storage.front.router import Plan, Router
from foodco_storage.layers.route import Route


def router(routes: dict[str, dict[str, Any]], caller: dict[str, Any] | None = None, **default: Any) -> Router:
    backends = {name: {"preset": "s3", "endpoint_url": f"http://{name}.invalid"} for name in ("ceph", "aws")}
    configuration = check({"backends": backends, "routes": routes, **default})
    return Assembly(configuration, caller or {}).router()


def taken(router: Router, operation: str, **params: Any) -> str | None:
    plan: Plan | None = router.plan(operation, params)
    return None if plan is None else plan.route.name


ONE = {"images": {"bucket": "images", "primary": "ceph"}}


def test_a_bucket_without_a_route_is_the_default_backends() -> None:
    assert taken(router(ONE), "GetObject", Bucket="other", Key="k") is None
    assert taken(router(ONE), "ListBuckets") is None


@pytest.mark.parametrize("bucket", [None, 7, b"images"])
def test_what_is_no_name_of_a_bucket_is_left_to_botocore(bucket: Any) -> None:
    assert taken(router(ONE), "GetObject", Bucket=bucket, Key="k") is None


class Buckets(StrEnum):
    IMAGES = "images"


class OldBuckets(str, Enum):  # noqa: UP042 - what older code has
    IMAGES = "images"


class Keys(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not the characters"


@pytest.mark.parametrize("bucket", [Buckets.IMAGES, OldBuckets.IMAGES, Keys("images")])
def test_a_string_of_another_class_is_routed_by_its_characters(bucket: str) -> None:
    routes = ONE | {"thumbs": {"bucket": "images", "prefix": "thumbs/", "primary": "aws"}}
    for operation in ("PutObject", "DeleteObject"):
        assert taken(router(ONE), operation, Bucket=bucket, Key="k") == "images"
        assert taken(router(routes), operation, Bucket=bucket, Key=Keys("thumbs/k")) == "thumbs"
    assert taken(router(routes), "ListObjectsV2", Bucket=bucket, Prefix=Keys("thumbs/")) == "thumbs"
    found = router(routes).route(bucket, Keys("thumbs/k"))
    assert found is not None
    assert found.name == "thumbs"


def test_an_operation_that_the_table_does_not_know_goes_to_the_authority() -> None:
    plan = router(ONE).plan("SomethingNew", {"Bucket": "images"})
    assert plan is not None
    assert (plan.place.backend, plan.flow) == ("ceph", None)


def test_the_more_specific_route_wins() -> None:
    routes = {
        "all": {"bucket": "*", "primary": "aws"},
        "some": {"bucket": "images-*", "primary": "aws"},
        "one": {"bucket": "images-eu", "primary": "ceph"},
        "thumbs": {"bucket": "images-eu", "prefix": "thumbs/", "primary": "aws"},
    }
    found = router(routes)
    assert taken(found, "GetObject", Bucket="images-eu", Key="a") == "one"
    assert taken(found, "GetObject", Bucket="images-eu", Key="thumbs/a") == "thumbs"
    assert taken(found, "GetObject", Bucket="images-us", Key="thumbs/a") == "some"
    assert taken(found, "GetObject", Bucket="menus", Key="thumbs/a") == "all"
    assert taken(found, "GetObject", Bucket="arn:aws:s3:eu-west-1:123456789012:accesspoint/images", Key="a") is None


def test_each_pattern_of_a_route_is_as_specific_as_it_is_itself() -> None:
    routes: dict[str, dict[str, Any]] = {
        "several": {"bucket": ["archive-of-everything", "images-*"], "primary": "aws"},
        "one": {"bucket": "images-eu", "primary": "ceph"},
        "some": {"bucket": "images-e*", "primary": "ceph"},
    }
    found = router(routes)
    assert taken(found, "GetObject", Bucket="images-eu", Key="a") == "one"
    assert taken(found, "GetObject", Bucket="images-en", Key="a") == "some"
    assert taken(found, "GetObject", Bucket="images-us", Key="a") == "several"
    assert taken(found, "GetObject", Bucket="archive-of-everything", Key="a") == "several"


def test_an_operation_on_the_bucket_goes_to_the_route_of_the_whole_bucket() -> None:
    thumbs = {"thumbs": {"bucket": "images", "prefix": "thumbs/", "primary": "ceph"}}
    assert taken(router(thumbs), "GetBucketLocation", Bucket="images") is None
    whole = thumbs | {"whole": {"bucket": "images", "primary": "aws"}}
    assert taken(router(whole), "GetBucketLocation", Bucket="images") == "whole"


@pytest.mark.parametrize(
    ("prefix", "sides"),
    [("", ["aws", "ceph"]), ("th", ["aws", "ceph"]), ("thumbs/", ["ceph"]), ("thumbs/x", ["ceph"]), ("x", ["aws"])],
)
def test_a_listing_spans_the_routes_under_its_prefix(prefix: str, sides: list[str]) -> None:
    routes = {
        "whole": {"bucket": "images", "primary": "aws"},
        "thumbs": {"bucket": "images", "prefix": "thumbs/", "primary": "ceph"},
    }
    plan = router(routes).plan("ListObjectsV2", {"Bucket": "images", "Prefix": prefix})
    assert plan is not None
    assert sorted(_asked(plan, prefix)) == sides


@pytest.mark.parametrize("operation", ["ListObjectVersions", "ListMultipartUploads"])
def test_versions_and_uploads_are_listed_by_the_route_of_their_prefix(operation: str) -> None:
    routes = {
        "whole": {"bucket": "images", "primary": "aws"},
        "thumbs": {"bucket": "images", "prefix": "thumbs/", "primary": "ceph"},
    }
    found = router(routes)
    assert taken(found, operation, Bucket="images", Prefix="thumbs/x") == "thumbs"
    assert taken(found, operation, Bucket="images", Prefix="menus/") == "whole"
    assert taken(found, operation, Bucket="images") == "whole"


def _asked(plan: Plan, prefix: str) -> list[str]:
    from foodco_storage.backends.memory import MemoryBackend  # noqa: PLC0415
    from foodco_storage.drivers.simulation import Simulation  # noqa: PLC0415
    from foodco_storage.flows.request import Request  # noqa: PLC0415

    asked = []

    class Listening(MemoryBackend):
        def call(self, request: Request) -> Any:
            asked.append(self.name)
            return super().call(request)

    simulation = Simulation({name: Listening(name, ["images"]) for name in ("aws", "ceph")})
    assert plan.flow is not None
    simulation.run(
        simulation.start("list", plan.flow(Request("ListObjectsV2", {"Bucket": "images", "Prefix": prefix})))
    )
    return asked


def test_phases_choose_the_authority() -> None:
    migration = {"bucket": "images", "primary": "ceph", "fallbacks": ["aws"]}
    for phase, expected in (("source", ["aws"]), ("target", ["ceph"]), (None, ["ceph", "aws"])):
        route = router({"images": migration | ({"phase": phase} if phase else {})}).route("images", "k")
        assert route is not None
        assert [place.backend for place in route.places] == expected


@pytest.mark.parametrize(
    "argument", ["endpoint_url", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"]
)
def test_explicit_arguments_leave_only_the_callers_routes(argument: str) -> None:
    routes = ONE | {"own": {"bucket": "own", "primary": "caller"}}
    found = router(routes, {argument: "x"})
    assert taken(found, "GetObject", Bucket="images", Key="k") is None
    assert taken(found, "GetObject", Bucket="own", Key="k") == "own"


def test_config_and_region_leave_the_routes_on() -> None:
    assert (
        taken(router(ONE, {"region_name": "eu-west-1", "config": object()}), "GetObject", Bucket="images") == "images"
    )


def test_a_copy_from_a_routed_bucket_to_one_without_a_route_looks_where_the_source_lies() -> None:
    found = router(ONE)
    params = {"Bucket": "other", "Key": "k", "CopySource": "images/k"}
    plan = found.plan("CopyObject", params)
    assert plan is not None
    assert plan.flow is not None
    assert plan.place.backend == "caller"
    assert found.plan("CopyObject", params | {"CopySource": "menus/k"}) is None


def test_the_names_of_buckets_do_not_pile_up() -> None:
    found = Router([("images-*", Route("images", Place("ceph")))], Route("", Place("caller")))
    for number in range(5000):
        found.plan("GetObject", {"Bucket": f"images-{number}", "Key": "k"})
    assert found._bucket.cache_info().currsize <= 1024  # type: ignore[attr-defined]
