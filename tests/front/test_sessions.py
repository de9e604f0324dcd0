"""Whose credentials, which region, which settings a request goes out with, and where to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.credentials import RefreshableCredentials

import foodco_storage
from foodco_storage import ConfigurationError

MakeListener = Callable[[], Any]


def storage(**backends: dict[str, Any]) -> dict[str, Any]:
    """One bucket per backend, of its name."""
    return {
        "backends": {
            name: {"preset": "s3", "max_attempts": 1, **backend} for name, backend in backends.items() if backend
        },
        "routes": {name: {"bucket": f"in-{name}", "primary": name} for name in backends},
    }


def keys(url: str, access_key_id: str) -> dict[str, Any]:
    return {"endpoint_url": url, "access_key_id": access_key_id, "secret_access_key": "secret"}


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "aws-config"
    config.write_text("""
[profile photos]
aws_access_key_id = OF-PHOTOS
aws_secret_access_key = secret
region = eu-north-1

[profile menus]
aws_access_key_id = OF-MENUS
aws_secret_access_key = secret
""")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))


def test_sessions_with_other_credentials_side_by_side(make_listener: MakeListener) -> None:
    store = make_listener()
    configuration = storage(store={"endpoint_url": store.url})
    sessions = [
        foodco_storage.Session(f"KEY{number}", "secret", region_name="eu-west-1", storage=configuration)
        for number in range(3)
    ]
    clients = [session.client() for session in sessions]
    for client in clients:
        client.head_bucket(Bucket="in-store")
    assert [seen.access_key_id for seen in store.seen] == ["KEY0", "KEY1", "KEY2"]


def test_a_subclass_of_a_session(listener: Any) -> None:
    made: list[str] = []

    class Counting(foodco_storage.Session):
        def client(self, *args: Any, **kwargs: Any) -> Any:
            made.append("client")
            return super().client(*args, **kwargs)

    session = Counting("KEY", "secret", storage=storage(store={"endpoint_url": listener.url}))
    session.client("s3").head_bucket(Bucket="in-store")
    session.resource("s3").meta.client.head_bucket(Bucket="in-store")
    assert [seen.access_key_id for seen in listener.seen] == ["KEY", "KEY"]
    assert made == ["client", "client"]


def test_each_backend_has_its_own_credentials(make_listener: MakeListener, profiles: None) -> None:
    one, two, three, own = (make_listener() for _ in range(4))
    client = foodco_storage.client(
        storage=storage(
            one=keys(one.url, "ONE"),
            two={"endpoint_url": two.url, "profile": "photos"},
            three={"endpoint_url": three.url, "anonymous": True},
            own={"endpoint_url": own.url},
        )
    )
    for name in ("one", "two", "three", "own"):
        client.head_bucket(Bucket=f"in-{name}")
    assert (one.seen[0].access_key_id, one.seen[0].region) == ("ONE", "us-east-1")
    assert (two.seen[0].access_key_id, two.seen[0].region) == ("OF-PHOTOS", "eu-north-1")
    assert three.seen[0].headers["Authorization"] is None
    assert own.seen[0].access_key_id == "testing"


def test_the_callers_session_token_stays_with_the_callers_keys(
    make_listener: MakeListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-the-environment")
    one, own = make_listener(), make_listener()
    client = foodco_storage.client(storage=storage(one=keys(one.url, "ONE"), own={"endpoint_url": own.url}))
    client.head_bucket(Bucket="in-one")
    client.head_bucket(Bucket="in-own")
    assert one.seen[0].headers["X-Amz-Security-Token"] is None
    assert own.seen[0].headers["X-Amz-Security-Token"] == "token-of-the-environment"


def test_a_profile_of_the_default_backend(listener: Any, profiles: None) -> None:
    configuration = storage(store={"endpoint_url": listener.url, "profile": "menus"})
    configuration["default"] = {"backend": "store"}
    client = foodco_storage.client(storage=configuration)
    client.list_buckets()
    assert listener.seen[0].access_key_id == "OF-MENUS"
    assert "OF-MENUS" in client.generate_presigned_url("get_object", {"Bucket": "in-store", "Key": "k"})
    assert "OF-MENUS" in str(client.generate_presigned_post("in-store", "k"))


def test_endpoints_of_the_environment_are_not_for_configured_backends(
    make_listener: MakeListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that names its old store there must not find it behind every backend."""
    own = make_listener()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://general.invalid")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", own.url)
    configuration = storage(aws={"preset": "aws", "region": "eu-west-1"})
    client = foodco_storage.client(storage=configuration)
    assert client._dispatch.backends["aws"].client.meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"
    client.head_bucket(Bucket="elsewhere")
    assert own.seen[0].path == "/elsewhere"
    configuration["default"] = {"backend": "aws"}
    assert foodco_storage.client(storage=configuration).meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"


@pytest.mark.parametrize("how", ["endpoint_url = {}", "services = local"])
def test_a_profile_may_name_the_endpoint(
    make_listener: MakeListener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    theirs, own = make_listener(), make_listener()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", own.url)
    path = tmp_path / "config"
    path.write_text(f"""\
[profile photos]
aws_access_key_id = OF-PHOTOS
aws_secret_access_key = secret
{how.format(theirs.url)}

[profile ignoring]
aws_access_key_id = OF-IGNORING
aws_secret_access_key = secret
region = eu-west-1
ignore_configured_endpoint_urls = true
{how.format(theirs.url)}

[services local]
s3 =
  endpoint_url = {theirs.url}
""")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    backends: dict[str, dict[str, Any]] = {
        "store": {"profile": "photos", "max_attempts": 1},
        "aws": {"profile": "ignoring"},
    }
    routes = {name: {"bucket": f"in-{name}", "primary": name} for name in backends}
    client = foodco_storage.client(storage={"backends": backends, "routes": routes})
    client.head_bucket(Bucket="in-store")
    assert (theirs.seen[0].access_key_id, own.seen) == ("OF-PHOTOS", [])
    # It is some store with an endpoint then, as if the configuration had named it.
    assert client._dispatch.backends["store"].client.meta.config.s3["addressing_style"] == "path"
    assert client._dispatch.backends["aws"].client.meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"
    # What the configuration says wins.
    backends["store"]["endpoint_url"] = own.url
    foodco_storage.client(storage={"backends": backends, "routes": routes}).head_bucket(Bucket="in-store")
    assert own.seen[0].access_key_id == "OF-PHOTOS"


def test_a_profile_that_does_not_exist_is_a_mistake_in_the_configuration(profiles: None) -> None:
    configuration = storage(store={"endpoint_url": "http://store.invalid", "profile": "nonsense"})
    with pytest.raises(ConfigurationError, match=r"backends\.store\.profile: no profile 'nonsense'"):
        foodco_storage.client(storage=configuration)


def test_credentials_that_expire_are_refreshed(listener: Any) -> None:
    """As of an assumed role: a client that had frozen them would be refused an hour later."""
    refreshed: list[int] = []

    def refresh() -> dict[str, str]:
        refreshed.append(1)
        # Due again at once.
        expiry = datetime.now(UTC) + timedelta(seconds=1)
        number = len(refreshed)
        return {
            "access_key": f"KEY{number}",
            "secret_key": "secret",
            "token": "token",
            "expiry_time": expiry.isoformat(),
        }

    core = botocore.session.Session()
    core._credentials = RefreshableCredentials.create_from_metadata(refresh(), refresh, "test")
    session = foodco_storage.Session(botocore_session=core, storage=storage(store={"endpoint_url": listener.url}))
    client = session.client()
    for _ in range(3):
        client.head_bucket(Bucket="in-store")
    used = [seen.access_key_id for seen in listener.seen]
    assert len(set(used)) == 3
    assert "KEY1" not in used


@pytest.mark.parametrize(
    ("backend", "caller", "expected"),
    [
        ({}, {}, "us-east-1"),
        ({}, {"region_name": "of-caller"}, "of-caller"),
        ({}, {"config": Config(region_name="of-config")}, "of-config"),
        ({"region": "of-backend"}, {"region_name": "of-caller"}, "of-backend"),
        ({"region": "us-east-1"}, {"config": Config(region_name="of-config")}, "us-east-1"),
        ({"profile": "photos"}, {"region_name": "of-caller"}, "eu-north-1"),
        ({"profile": "photos", "region": "of-backend"}, {}, "of-backend"),
        ({"profile": "menus"}, {"region_name": "of-caller"}, "of-caller"),
    ],
)
def test_regions(listener: Any, profiles: None, backend: dict[str, Any], caller: dict[str, Any], expected: str) -> None:
    client = foodco_storage.client(storage=storage(store={"endpoint_url": listener.url, **backend}), **caller)
    client.head_bucket(Bucket="in-store")
    assert listener.seen[0].region == expected


def sibling_config(backend: dict[str, Any], **caller: Any) -> Any:
    configuration = storage(store={"endpoint_url": "http://store.invalid", **backend})
    client = foodco_storage.client(storage=configuration, **caller)
    return client._dispatch.backends["store"].client.meta.config


def test_a_callers_config_is_laid_over_the_preset_and_under_the_configuration() -> None:
    theirs = Config(
        retries={"mode": "adaptive"}, s3={"payload_signing_enabled": True}, read_timeout=7, user_agent_extra="menus"
    )
    config = sibling_config({"max_attempts": 4}, config=theirs)
    assert config.retries == {"mode": "adaptive", "total_max_attempts": 4}
    assert config.s3["addressing_style"] == "path"
    assert config.s3["payload_signing_enabled"] is True
    assert (config.read_timeout, config.connect_timeout) == (7, 3.0)
    assert config.request_checksum_calculation == "when_required"
    assert config.user_agent_extra == "menus"

    ours = Config(read_timeout=7, s3={"addressing_style": "path"}, retries={"total_max_attempts": 9})
    config = sibling_config(
        {"read_timeout_seconds": 9, "addressing_style": "virtual", "request_checksum_calculation": "when_supported"},
        config=ours,
    )
    assert (config.read_timeout, config.s3["addressing_style"]) == (9, "virtual")
    assert config.request_checksum_calculation == "when_supported"
    assert config.retries == {"mode": "standard", "total_max_attempts": 1}
    # The caller's own objects are as they were.
    assert (theirs.s3, theirs.retries) == ({"payload_signing_enabled": True}, {"mode": "adaptive"})
    assert (ours.s3, ours.retries) == ({"addressing_style": "path"}, {"total_max_attempts": 9})


def test_the_preset_aws_is_boto3() -> None:
    backend = {"preset": "aws", "region": "eu-west-1"}
    client = foodco_storage.client(storage={"backends": {"aws": backend}, "default": {"backend": "aws"}})
    plain = boto3.client("s3", region_name="eu-west-1")
    for name in (
        "connect_timeout",
        "read_timeout",
        "retries",
        "s3",
        "request_checksum_calculation",
        "max_pool_connections",
    ):
        assert getattr(client.meta.config, name) == getattr(plain.meta.config, name), name
    assert client.meta.endpoint_url == plain.meta.endpoint_url


@pytest.mark.parametrize(
    ("backend", "caller", "expected"),
    [({}, {}, True), ({}, {"verify": False}, False), ({"verify": False}, {}, False)],
)
def test_verify(
    backend: dict[str, Any], caller: dict[str, Any], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    client = foodco_storage.client(
        storage=storage(store={"endpoint_url": "https://store.invalid", **backend}), **caller
    )
    assert client._dispatch.backends["store"].client._endpoint.http_session._verify is expected


@pytest.mark.parametrize("explicit", ["endpoint_url", "keys"])
def test_explicit_arguments_say_which_store(make_listener: MakeListener, explicit: str) -> None:
    theirs, own = make_listener(), make_listener()
    configuration = storage(theirs=keys(theirs.url, "THEIRS"), caller={})
    configuration["default"] = {"backend": "theirs"}
    # Credentials alone would go to AWS: an endpoint from the environment is none of the arguments.
    arguments: dict[str, Any] = {"endpoint_url": own.url}
    if explicit == "keys":
        arguments = {"aws_access_key_id": "EXPLICIT", "aws_secret_access_key": "secret", **arguments}
    client = foodco_storage.client(storage=configuration, **arguments)
    for bucket in ("in-theirs", "in-caller", "elsewhere"):
        client.head_bucket(Bucket=bucket)
    assert theirs.seen == []
    assert {seen.access_key_id for seen in own.seen} == {"EXPLICIT" if explicit == "keys" else "testing"}
    routed = client._dispatch.router.route("in-caller", None)
    assert routed is not None
    assert client._dispatch.router.route("in-theirs", None) is None


def test_credentials_alone_are_explicit_too(make_listener: MakeListener, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, own = make_listener(), make_listener()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", own.url)
    client = foodco_storage.client(
        storage=storage(theirs=keys(theirs.url, "THEIRS")),
        aws_access_key_id="EXPLICIT",
        aws_secret_access_key="secret",
    )
    client.head_bucket(Bucket="in-theirs")
    assert theirs.seen == []
    assert own.seen[0].access_key_id == "EXPLICIT"


@pytest.mark.parametrize("default", ["caller", "theirs"])
def test_buckets_without_a_route_go_to_the_default_backend(
    make_listener: MakeListener, monkeypatch: pytest.MonkeyPatch, default: str
) -> None:
    theirs, own = make_listener(), make_listener()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", own.url)
    configuration = storage(theirs=keys(theirs.url, "THEIRS")) | {"default": {"backend": default}}
    client = foodco_storage.client(storage=configuration)
    client.head_bucket(Bucket="elsewhere")
    client.head_bucket(Bucket="in-theirs")
    elsewhere = theirs if default == "theirs" else own
    assert elsewhere.seen[0].path == "/elsewhere"
    assert theirs.seen[-1].path == "/in-theirs"
    assert client.meta.endpoint_url == elsewhere.url


def test_an_error_of_any_backend_is_caught_by_the_clients_exceptions(two: Any, profiles: None) -> None:
    profile = {"preset": "s3", "endpoint_url": two.servers["new"].endpoint_url, "profile": "photos"}
    for new in (two.backends["new"], profile):
        two.backends["new"] = new
        for fallbacks in ((), ("old",)):
            s3 = two.client(fallbacks=fallbacks)
            with pytest.raises(s3.exceptions.NoSuchKey) as raised:
                s3.get_object(Bucket=two.bucket, Key="absent")
            assert raised.value.response["ResponseMetadata"]["Storage"]["backend"] == "new"
            with pytest.raises(s3.exceptions.ClientError):
                s3.head_object(Bucket=two.bucket, Key="absent")


def test_an_error_that_no_backend_made_has_its_class_too(two: Any) -> None:
    s3 = two.client()
    two.put("old", "k")
    with pytest.raises(s3.exceptions.InvalidRequest):
        s3.copy_object(Bucket=two.bucket, Key="k", CopySource={"Bucket": two.bucket, "Key": "k"})


def test_close_closes_the_connections_of_every_backend(two: Any) -> None:
    s3 = two.client()
    pools = [backend.client._endpoint.http_session._manager.pools for backend in s3._dispatch.backends.values()]
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=two.bucket, Key="absent")
    assert sum(len(pool) for pool in pools) == 2
    s3.close()
    assert sum(len(pool) for pool in pools) == 0
