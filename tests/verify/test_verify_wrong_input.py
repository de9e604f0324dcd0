"""What can't be verified, and why."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.exceptions import ConnectionError as BotoConnectionError

from foodco_storage.config import load
from foodco_storage.config.model import Configuration
from foodco_storage.errors import ConfigurationError
from foodco_storage.front.scopes import scopes
from foodco_storage.front.standalone import opened
from foodco_storage.testing import free_port
from foodco_storage.verify import VerifyRefusedError, verify, verify_reasons

BACKEND = {"endpoint_url": "http://127.0.0.1:1", "access_key_id": "k", "secret_access_key": "s", "max_attempts": 1}


def configuration(backend: dict[str, Any] | None = None, **routes: dict[str, Any]) -> Configuration:
    given = dict.fromkeys(("new", "old"), backend or {**BACKEND, "allow_plaintext_secrets": True})
    given["old"] = {**given["old"], "endpoint_url": given["old"]["endpoint_url"] + "/old"}
    base = {"bucket": "images", "primary": "new", "fallbacks": ["old"], "phase": "backfill"}
    found = load({"backends": given, "routes": {name: base | route for name, route in routes.items()}})
    assert found is not None
    return found


def problem(config: Configuration, route: str, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as error:
        verify(config, route, **options)
    return str(error.value)


def test_an_unknown_route():
    config = configuration(images={})
    assert problem(config, "imagse") == "routes.imagse: there is no such route; did you mean 'images'?"
    with pytest.raises(ConfigurationError):
        verify_reasons(config, "imagse")


def test_a_route_without_a_phase():
    config = load({"routes": {"r": {"bucket": "images", "primary": "caller"}}})
    assert config is not None
    assert problem(config, "r").startswith("routes.r.phase: is missing")


def test_a_route_without_fallbacks():
    config = configuration(r={"fallbacks": [], "phase": "target"})
    with pytest.raises(VerifyRefusedError, match="route 'r' has no fallbacks"):
        verify(config, "r")
    assert "fallbacks: is empty" in problem(config, "r", phase="drain")


def test_a_phase_that_a_control_object_holds():
    config = configuration(r={"control": {"enabled": True}} | {"phase": None})
    # It is asked for; that it can't be is no mistake of the configuration.
    with pytest.raises(EndpointConnectionError):
        problem(config, "r")
    assert verify(config, "r", phase="cutover").summary.phase == "cutover"
    assert "did you mean 'cutover'" in problem(config, "r", phase="cutove")


def test_a_pattern_needs_a_bucket():
    config = configuration(r={"bucket": "img-*"}, other={"bucket": "img-raw"})
    assert "--bucket" in problem(config, "r")
    assert "belongs to route 'other'" in problem(config, "r", bucket="img-raw")
    assert "belongs to no route" in problem(config, "r", bucket="video")
    assert "is a pattern" in problem(config, "r", bucket="img-*")
    assert [scope.bucket for scope in scopes(config, "r", "img-small")] == ["img-small"]


def test_a_bucket_that_is_not_the_routes():
    config = configuration(r={"bucket": ["images", "thumbs"]})
    assert "belongs to no route; did you mean 'images'?" in problem(config, "r", bucket="image")
    assert [scope.bucket for scope in scopes(config, "r")] == ["images", "thumbs"]


def test_prefixes_of_other_routes():
    config = configuration(
        all={},
        thumbs={"prefix": "thumbs/"},
        deep={"prefix": "thumbs/deep/"},
        elsewhere={"prefix": "x/", "bucket": "videos"},
        pattern={"prefix": "raw/", "bucket": "ima*"},
    )
    found = {name: scopes(config, name, "images")[0] for name in ("all", "thumbs", "deep", "pattern")}
    assert found["all"].others == ("raw/", "thumbs/", "thumbs/deep/", ".foodco-storage/")
    assert found["thumbs"].others == ("thumbs/deep/", ".foodco-storage/")
    assert found["deep"].others == (".foodco-storage/",)
    assert (found["pattern"].prefix, found["pattern"].others) == ("raw/", (".foodco-storage/",))


def test_a_store_that_nobody_can_reach():
    backend = {**BACKEND, "allow_plaintext_secrets": True, "endpoint_url": f"http://127.0.0.1:{free_port()}"}
    config = configuration(backend, r={})
    with pytest.raises(BotoConnectionError):
        list(verify(config, "r"))
    (reason,) = verify_reasons(config, "r")
    assert reason.startswith("the two sides could not be compared: Could not connect")


@pytest.mark.parametrize("side", ["new", "old"])
def test_a_bucket_that_is_missing(sides, side):
    s3 = sides.new if side == "new" else sides.old
    s3.delete_bucket(Bucket=sides.bucket)
    with pytest.raises(VerifyRefusedError, match=f"'{side}' has no bucket '{sides.bucket}'"):
        sides.found("backfill")


def test_wrong_credentials(with_wrong_credentials):
    config, code = with_wrong_credentials
    with pytest.raises(ClientError, match=code):
        list(verify(config, "r"))


@pytest.fixture
def with_wrong_credentials(seaweedfs: Any, moto_store: Any) -> tuple[Configuration, str]:
    config = load(
        {
            "backends": {
                "new": {
                    "endpoint_url": seaweedfs.server.endpoint_url,
                    "access_key_id": "nobody",
                    "secret_access_key": "x",
                },
                "old": {
                    "endpoint_url": moto_store.server.endpoint_url,
                    "access_key_id": "any",
                    "secret_access_key": "x",
                },
            },
            "routes": {"r": {"bucket": "images", "primary": "new", "fallbacks": ["old"], "phase": "backfill"}},
        }
    )
    assert config is not None
    return config, "InvalidAccessKeyId"


def test_several_buckets_one_after_the_other(sides, bucket_name):
    second = f"{bucket_name}-2"
    for s3 in (sides.new, sides.old):
        s3.create_bucket(Bucket=second)
    sides.put("old", "a")
    sides.old.put_object(Bucket=second, Key="b", Body=b"")
    sides.bucket = [sides.bucket, second]
    found = sides.differences("backfill")
    assert [(one.bucket, one.key) for one in found] == [(bucket_name, "a"), (second, "b")]
    assert [one.key for one in sides.differences("backfill", bucket=second)] == ["b"]
    assert sides.summary.compared == 1


def test_a_bucket_by_another_name(sides, bucket_name):
    sides.old.create_bucket(Bucket=f"{bucket_name}-old")
    sides.old.put_object(Bucket=f"{bucket_name}-old", Key="k", Body=b"1")
    route = {"buckets": {"old": f"{bucket_name}-old"}}
    assert sides.found("backfill", route=route) == {"k": "missing"}
    assert sides.found("backfill", route=route, repair=True) == {}
    assert sides.keys("new") == {"k"}


def test_closed_early(sides):
    for key in "abc":
        sides.put("old", key)
    run = verify(sides.configuration("backfill"), "ours")
    assert next(run).key == "a"
    run.close()
    assert list(run) == []


def test_opened_closes_its_clients(sides):
    with opened(sides.configuration("drain"), "ours") as route:
        assert route.source is not None
        assert (route.route.phase, route.primary.backend, route.source.backend) == ("drain", "new", "old")
