"""As whom a store is asked: the same answer in every process, without asking anybody."""

from __future__ import annotations

from typing import Any

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    AssumeRoleWithWebIdentityCredentialFetcher,
    Credentials,
    DeferredRefreshableCredentials,
    RefreshableCredentials,
)
from botocore.utils import FileWebIdentityTokenLoader, InstanceMetadataFetcher

from foodco_storage.front.principals import principal_of


def client(credentials: Any = None, **arguments: Any) -> Any:
    session = botocore.session.Session()
    session._credentials = credentials
    return boto3.session.Session(botocore_session=session, region_name="us-east-1").client("s3", **arguments)


def keys(key: str, secret: str) -> Any:
    return client(aws_access_key_id=key, aws_secret_access_key=secret)


def role(arn: str, by: str = "alice", **extra: Any) -> Any:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("somebody was asked")

    source = Credentials(by, "s")
    fetcher = AssumeRoleCredentialFetcher(refuse, source, arn, extra_args=extra)
    return client(DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role"))


def test_keys() -> None:
    one = principal_of(keys("a", "s"))
    assert one == principal_of(keys("a", "s"))
    assert len({one, principal_of(keys("b", "s")), principal_of(keys("a", "t"))}) == 3
    assert "secret" not in principal_of(keys("a", "secret"))


def test_anonymous() -> None:
    unsigned = client(aws_access_key_id="a", aws_secret_access_key="s", config=Config(signature_version=UNSIGNED))
    assert principal_of(unsigned) == "anonymous"


def test_a_role_is_the_same_whoever_assumes_it() -> None:
    one = principal_of(role("arn:aws:iam::1:role/a"))
    assert one == principal_of(role("arn:aws:iam::1:role/a"))
    others = [
        role("arn:aws:iam::1:role/b"),
        role("arn:aws:iam::1:role/a", "bob"),
        role("arn:aws:iam::1:role/a", Policy="{}"),
    ]
    assert len({one, *map(principal_of, others)}) == 4


def test_a_role_by_a_token() -> None:
    def by(path: str) -> str:
        loader = FileWebIdentityTokenLoader(path)
        fetcher = AssumeRoleWithWebIdentityCredentialFetcher(dict, loader, "arn:aws:iam::1:role/a")
        return principal_of(client(DeferredRefreshableCredentials(fetcher.fetch_credentials, "custom")))

    assert by("/token") == by("/token") != by("/another")


def test_the_role_of_a_machine() -> None:
    found = {"access_key": "a", "secret_key": "s", "token": "t", "expiry_time": "2099-01-01T00:00:00Z"}

    def of(key: str) -> str:
        refresh = InstanceMetadataFetcher().retrieve_iam_role_credentials
        return principal_of(
            client(RefreshableCredentials.create_from_metadata({**found, "access_key": key}, refresh, "iam-role"))
        )

    assert of("a") == of("b")


def test_keys_that_are_refreshed() -> None:
    def refreshable(key: str) -> Any:
        found = {"access_key": key, "secret_key": "s", "token": "t", "expiry_time": "2099-01-01T00:00:00Z"}
        return client(RefreshableCredentials.create_from_metadata(found, lambda: found, "custom"))

    assert principal_of(refreshable("a")) == principal_of(refreshable("a")) != principal_of(refreshable("b"))


def test_who_can_not_be_told_is_nobody_else() -> None:
    unknown = DeferredRefreshableCredentials(dict, "custom")
    assert principal_of(client(unknown)) != principal_of(client(unknown))
