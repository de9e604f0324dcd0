"""Stores behind https, certified by an authority of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest
from botocore.config import Config

import foodco_storage
from foodco_storage.testing import CephCluster, MotoStore, SeaweedFS, Server, TlsFiles, TlsProxy, make_ca


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def other_ca(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An authority that has certified none of the stores."""
    return str(make_ca(tmp_path_factory.mktemp("other-ca")).ca_file)


@pytest.fixture(scope="session")
def moto_https(moto_store: MotoStore, tls: TlsFiles) -> Iterator[Server]:
    with TlsProxy(moto_store.server, tls) as proxy:
        yield proxy.server


@pytest.fixture(scope="session")
def moto_2_https(moto_store_2: MotoStore, tls: TlsFiles) -> Iterator[Server]:
    with TlsProxy(moto_store_2.server, tls) as proxy:
        yield proxy.server


@pytest.fixture(scope="session")
def seaweedfs_https(seaweedfs: SeaweedFS, tls: TlsFiles) -> Iterator[Server]:
    with TlsProxy(seaweedfs.server, tls) as proxy:
        yield proxy.server


@pytest.fixture(scope="session")
def ceph_https(ceph: CephCluster, tls: TlsFiles) -> Iterator[Server]:
    """A gateway that serves https itself."""
    gateway = ceph.start_gateway(tls=tls)
    yield gateway
    ceph.stop_gateway(gateway)


@pytest.fixture(params=["moto_https", "seaweedfs_https", pytest.param("ceph_https", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the stores in turn."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def plain() -> Iterator[Callable[..., Any]]:
    """Makes boto3 clients, without the library: with its own defaults, or with a `Config`."""
    with ExitStack() as stack:

        def make(server: Server, config: Config | None = None) -> Any:
            s3 = boto3.client("s3", config=config, **server.client_arguments())
            stack.callback(s3.close)
            return s3

        yield make


@pytest.fixture
def direct(plain: Callable[..., Any]) -> Callable[[Server], Any]:
    """Makes boto3 clients that every store understands, to look at what was stored."""
    return lambda server: plain(server, Config(request_checksum_calculation="when_required"))


@pytest.fixture
def routed() -> Iterator[Callable[..., Any]]:
    """Makes clients of the library."""
    with ExitStack() as stack:

        def make(storage: dict[str, Any], **arguments: Any) -> Any:
            s3 = foodco_storage.client(storage=storage, **arguments)
            stack.callback(s3.close)
            return s3

        yield make


@pytest.fixture
def backend() -> Callable[..., dict[str, Any]]:
    """Describes a server as the configuration does; it trusts its authority unless told otherwise."""

    def describe(server: Server, **more: Any) -> dict[str, Any]:
        described = {
            "preset": "s3",
            "endpoint_url": server.endpoint_url,
            "access_key_id": server.access_key_id,
            "secret_access_key": server.secret_access_key,
            "allow_plaintext_secrets": True,
            "max_attempts": 1,
            "verify": str(server.verify),
            **more,
        }
        return {name: value for name, value in described.items() if value is not None}

    return describe
