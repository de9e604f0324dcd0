"""`import foodco_storage as boto3`: what is public there is here, and boto3 itself stays what it was."""

from __future__ import annotations

import importlib
import threading
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient

import foodco_storage
from foodco_storage.front.client import StorageClient

ROUTES = {"routes": {"all": {"bucket": "*", "primary": "caller"}}}


def public(module: Any) -> set[str]:
    return {name for name in dir(module) if not name.startswith("_")}


def test_everything_public_in_boto3_is_here() -> None:
    importlib.import_module("boto3.s3.transfer")
    missing = public(boto3) - public(foodco_storage)
    assert not missing
    for name in public(boto3):
        assert hasattr(foodco_storage, name), name
    assert foodco_storage.exceptions is boto3.exceptions
    assert foodco_storage.s3.transfer is boto3.s3.transfer
    assert foodco_storage.set_stream_logger is boto3.set_stream_logger


def test_everything_of_our_own_is_there_by_its_name() -> None:
    for name in foodco_storage.__all__:
        assert getattr(foodco_storage, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        foodco_storage.nonsense  # noqa: B018
    with pytest.raises(AttributeError):
        foodco_storage._get_default_session  # noqa: B018


def test_its_session_module_stands_in_for_boto3s() -> None:
    assert foodco_storage.session.Session is foodco_storage.Session
    assert issubclass(foodco_storage.Session, boto3.session.Session)


def test_the_default_session_is_boto3s() -> None:
    foodco_storage.client(region_name="eu-west-1")
    assert foodco_storage.DEFAULT_SESSION is boto3.DEFAULT_SESSION is not None
    # As tests write to be rid of it: `boto3.DEFAULT_SESSION = None`.
    setattr(foodco_storage, "DEFAULT_SESSION", None)  # noqa: B010 - mypy would take it for None from here on
    assert boto3.DEFAULT_SESSION is None
    foodco_storage.setup_default_session(region_name="ap-south-1")
    assert foodco_storage.DEFAULT_SESSION is boto3.DEFAULT_SESSION
    assert foodco_storage.client().meta.region_name == boto3.client("s3").meta.region_name == "ap-south-1"


def test_setup_default_session_sets_the_configuration_as_well() -> None:
    foodco_storage.setup_default_session(storage=ROUTES)
    assert foodco_storage.client()._dispatch is not None
    assert foodco_storage.resource().meta.client._dispatch is not None
    foodco_storage.setup_default_session()
    assert foodco_storage.client()._dispatch is None


def test_s3_is_the_default_service() -> None:
    for client in (
        foodco_storage.client(),
        foodco_storage.client("s3"),
        foodco_storage.client(service_name="s3"),
        foodco_storage.client("s3", "eu-west-1"),
        foodco_storage.Session().client(),
        foodco_storage.Session().client(service_name="s3"),
        foodco_storage.resource().meta.client,
        foodco_storage.resource(service_name="s3").meta.client,
        foodco_storage.Session().resource().meta.client,
    ):
        assert isinstance(client, BaseClient)
        assert isinstance(client, StorageClient)
        assert type(client).__name__ == "S3"


def test_other_services_are_plain_boto3() -> None:
    for client in (
        foodco_storage.client("sqs"),
        foodco_storage.client(service_name="sqs"),
        foodco_storage.Session().client("sqs"),
        foodco_storage.resource("sqs").meta.client,
        foodco_storage.Session().resource("sqs").meta.client,
    ):
        assert client.meta.service_model.service_name == "sqs"
        assert not isinstance(client, StorageClient)


@pytest.mark.parametrize("storage", [None, ROUTES], ids=["no-configuration", "routes"])
def test_boto3_stays_plain_in_the_same_session(storage: Any) -> None:
    before = boto3.client("s3")
    session = boto3.DEFAULT_SESSION
    ours = foodco_storage.client(storage=storage)
    foodco_storage.resource(storage=storage)
    after, resource = boto3.client("s3"), boto3.resource("s3")
    assert boto3.DEFAULT_SESSION is session
    assert isinstance(ours, StorageClient)
    for client in (before, after, resource.meta.client, session.client("s3")):
        assert not isinstance(client, StorageClient)
        assert type(client).__mro__[1] is not StorageClient


def test_boto3_stays_plain_while_another_thread_makes_ours() -> None:
    """The other thread stands still in the middle of making its client, where our class is being put in."""
    session = foodco_storage.Session()
    inside, go_on = threading.Event(), threading.Event()
    ours: list[Any] = []

    def wait(**_: Any) -> None:
        if threading.current_thread() is thread:
            inside.set()
            assert go_on.wait(60)

    # Before our own handler has run for it, and while it counts.
    session.events.register_first("creating-client-class.s3", wait)
    thread = threading.Thread(target=lambda: ours.append(session.client()))
    thread.start()
    assert inside.wait(60)
    plain = boto3.session.Session.client(session, "s3")
    go_on.set()
    thread.join()
    assert not isinstance(plain, StorageClient)
    assert isinstance(ours[0], StorageClient)


def test_a_client_that_could_not_be_made_leaves_boto3_plain() -> None:
    with pytest.raises(ValueError, match="Invalid endpoint"):
        foodco_storage.client(endpoint_url="nonsense")
    assert not isinstance(boto3.client("s3"), StorageClient)


def test_a_session_of_ours_can_be_the_default(two: Any) -> None:
    """boto3 then goes through the routes too, and the clients behind a client do not have routes of their own."""
    two.put("old", "k", b"old")
    boto3.DEFAULT_SESSION = foodco_storage.Session(storage=two.storage())
    for s3 in (boto3.client("s3"), foodco_storage.client(), foodco_storage.resource().meta.client):
        assert s3.get_object(Bucket=two.bucket, Key="k")["Body"].read() == b"old"
        assert not any(
            isinstance(backend.client, StorageClient)
            for name, backend in s3._dispatch.backends.items()
            if name != "caller"
        )
        s3.close()


def test_a_client_without_a_configuration_is_not_slowed_down_by_routes() -> None:
    client = foodco_storage.client()
    assert client._dispatch is None
    assert type(client.meta.events) is type(boto3.client("s3").meta.events)
