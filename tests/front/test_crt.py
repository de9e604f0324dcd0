"""boto3 may hand transfers to the AWS Common Runtime, which knows nothing of routes."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any

import awscrt.s3
import boto3.crt
import boto3.s3.transfer
import pytest
from boto3.s3.transfer import TransferConfig

import foodco_storage
from foodco_storage import OperationRefusedError
from foodco_storage.front import transfers

Transfer = Callable[..., Any]
CALLS: dict[str, Transfer] = {
    "upload_fileobj": lambda s3, bucket, **more: s3.upload_fileobj(io.BytesIO(b"new"), bucket, "k", **more),
    "upload_file": lambda s3, bucket, **more: s3.upload_file(__file__, bucket, "k", **more),
    "download_fileobj": lambda s3, bucket, **more: s3.download_fileobj(bucket, "k", io.BytesIO(), **more),
    "copy": lambda s3, bucket, **more: s3.copy({"Bucket": bucket, "Key": "k"}, bucket, "copy", **more),
}


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What boto3 chose, on a machine where it would choose the Common Runtime."""
    chosen: list[str] = []
    make = boto3.s3.transfer.create_transfer_manager

    def spy(client: Any, config: Any, osutil: Any = None) -> Any:
        chosen.append("crt" if boto3.s3.transfer._should_use_crt(config) else "classic")
        # boto3's own choice shown above; the transfer itself, without a runtime that would go to AWS.
        classic = TransferConfig(preferred_transfer_client="classic")
        return make(client, classic, osutil)

    monkeypatch.setattr(awscrt.s3, "is_optimized_for_system", lambda: True)
    monkeypatch.setattr(boto3.s3.transfer, "create_transfer_manager", spy)
    monkeypatch.setattr(boto3.s3.inject, "create_transfer_manager", spy)
    return chosen


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("config", [None, TransferConfig(), TransferConfig(max_concurrency=3)])
def test_a_routed_bucket_has_classic_transfers(two: Any, chosen: list[str], name: str, config: Any) -> None:
    two.put("old", "k")
    before = vars(config).copy() if config is not None else {}
    CALLS[name](two.client(), two.bucket, **({} if config is None else {"Config": config}))
    assert chosen == ["classic"]
    if config is not None:
        assert vars(config) == before


def test_a_config_by_position_counts_as_well(two: Any, chosen: list[str]) -> None:
    two.put("old", "k")
    two.client().download_fileobj(two.bucket, "k", io.BytesIO(), None, None, TransferConfig())
    assert chosen == ["classic"]
    with pytest.raises(OperationRefusedError):
        two.client().download_fileobj(
            two.bucket, "k", io.BytesIO(), None, None, TransferConfig(preferred_transfer_client="crt")
        )


def test_what_else_the_config_says_stays(two: Any) -> None:
    config = TransferConfig(max_concurrency=3, multipart_threshold=7, use_threads=False)
    classic = transfers._classic("upload_file", config)
    assert (classic.max_request_concurrency, classic.multipart_threshold, classic.use_threads) == (3, 7, False)
    assert classic.preferred_transfer_client == "classic"


@pytest.mark.parametrize("name", CALLS)
def test_an_explicit_crt_is_refused_on_a_routed_bucket(two: Any, chosen: list[str], name: str) -> None:
    two.put("old", "k")
    with pytest.raises(OperationRefusedError, match="past the routes"):
        CALLS[name](two.client(), two.bucket, Config=TransferConfig(preferred_transfer_client="crt"))
    assert chosen == []


@pytest.mark.parametrize("preferred", ["auto", "crt"])
def test_other_buckets_are_left_to_boto3(two: Any, chosen: list[str], preferred: str) -> None:
    server = two.servers["new"]
    for storage in (None, {"routes": {"own": {"bucket": "another", "primary": "caller"}}}):
        s3 = foodco_storage.client(storage=storage, **server.client_arguments())
        config = TransferConfig(preferred_transfer_client=preferred)
        CALLS["upload_fileobj"](s3, two.bucket, Config=config)
        s3.close()
    assert chosen == ["crt", "crt"]


def test_it_is_told_once(
    two: Any, chosen: list[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "_told", False)
    s3 = two.client()
    with caplog.at_level(logging.INFO, logger="foodco_storage"):
        for _ in range(3):
            CALLS["upload_fileobj"](s3, two.bucket, Config=TransferConfig())
    assert len([record for record in caplog.records if "classic" in record.getMessage()]) == 1


def test_a_transfer_of_the_users_own_keeps_to_the_routes_as_well(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 compares credentials before it hands a transfer to the Common Runtime: a client with routes shows it none."""
    monkeypatch.setattr(awscrt.s3, "is_optimized_for_system", lambda: True)
    monkeypatch.setattr(boto3.crt, "CRT_S3_CLIENT", None)
    made: list[Any] = []
    monkeypatch.setattr(boto3.crt, "CRTTransferManager", lambda **_: made.append(1))
    s3 = two.client()
    with boto3.s3.transfer.S3Transfer(s3, config=TransferConfig(preferred_transfer_client="auto")) as transfer:
        transfer.upload_file(__file__, two.bucket, "k")
    assert (made, list(two.content("new"))) == ([], ["k"])
    # So would boto3's, were it the same client without routes.
    plain = foodco_storage.client(**two.servers["new"].client_arguments())
    assert plain._get_credentials() is not None
    plain.close()
