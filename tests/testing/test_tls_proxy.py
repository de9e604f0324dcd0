"""Any store over https, verified against a certificate authority of our own."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, SSLError

from foodco_storage.testing import FaultProxy, MotoStore, Reset, TlsProxy, make_ca

BODY = bytes(range(256)) * 20_000


def client(server: Any) -> Any:
    return boto3.client("s3", config=Config(retries={"total_max_attempts": 1}), **server.client_arguments())


@pytest.fixture
def proxy(moto_store: MotoStore, tmp_path: Path) -> Iterator[TlsProxy]:
    with TlsProxy(moto_store.server, make_ca(tmp_path)) as proxy:
        yield proxy


def test_large_bodies_pass_both_ways(proxy: TlsProxy, bucket_name: str) -> None:
    s3 = client(proxy.server)
    s3.create_bucket(Bucket=bucket_name)
    s3.put_object(Bucket=bucket_name, Key="k", Body=BODY)
    assert s3.get_object(Bucket=bucket_name, Key="k")["Body"].read() == BODY


def test_another_authority_is_not_trusted(proxy: TlsProxy) -> None:
    with pytest.raises(SSLError):
        client(dataclasses.replace(proxy.server, verify=True)).list_buckets()


def test_the_certificate_passes_a_strict_check(tmp_path: Path) -> None:
    tls = make_ca(tmp_path)
    context = ssl.create_default_context(cafile=str(tls.ca_file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    browser = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    server = tls.server_context().wrap_bio(outgoing, incoming, server_side=True)
    for side in (browser, server, browser):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert browser.getpeercert()


def test_the_private_key_is_private(tmp_path: Path) -> None:
    assert make_ca(tmp_path).private_key_file.stat().st_mode & 0o077 == 0


def test_an_encrypted_stream_can_be_cut(proxy: TlsProxy, bucket_name: str) -> None:
    client(proxy.server).create_bucket(Bucket=bucket_name)
    with FaultProxy(proxy.server.host, proxy.server.port, scheme="https") as faulty:
        s3 = client(dataclasses.replace(proxy.server, endpoint_url=faulty.endpoint_url))
        s3.put_object(Bucket=bucket_name, Key="k", Body=BODY)
        faulty.refuse()
        faulty.inject(Reset(0))
        with pytest.raises((ConnectionClosedError, EndpointConnectionError, SSLError)):
            s3.head_object(Bucket=bucket_name, Key="k")
        faulty.pass_through()
        assert s3.get_object(Bucket=bucket_name, Key="k")["Body"].read() == BODY


def test_closing_drops_open_connections(proxy: TlsProxy) -> None:
    s3 = client(proxy.server)
    s3.list_buckets()
    proxy.close()
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        s3.list_buckets()
