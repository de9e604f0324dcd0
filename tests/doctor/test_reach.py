from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from foodco_storage.config import Backend, Configuration, Default
from foodco_storage.testing import Answer, FaultProxy, Hang, MotoStore, TlsProxy, free_port, make_ca
from foodco_storage.testing.fault_kinds import LOAD_BALANCER_NOT_FOUND, LOAD_BALANCER_UNAVAILABLE, Fault


def of(one: Backend) -> Configuration:
    return Configuration(backends={"x": one})


def test_a_store_that_is_well(moto_store: MotoStore, doctor: Any) -> None:
    findings = doctor(of(doctor.backend(moto_store.server)))
    assert [finding.level for finding in findings] == ["ok", "ok", "ok"]
    assert "answers in" in findings[1].message
    assert findings[2].message == "the clocks agree"


def test_nothing_listens(doctor: Any) -> None:
    one = Backend(endpoint_url=f"http://127.0.0.1:{free_port()}", anonymous=True)
    assert "nothing listens at http://127.0.0.1" in doctor(of(one))[-1].message


def test_no_such_host(doctor: Any) -> None:
    one = Backend(endpoint_url="http://rgw.invalid:8000", anonymous=True)
    assert "the name of the host in http://rgw.invalid:8000 can't be resolved" in doctor(of(one))[-1].message


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Hang(), "does not answer within the timeout"),
        (Answer(200, b"<html><body>It works!</body></html>", {"Content-Type": "text/html"}), "not as S3 does"),
        (Answer(200, b"<html><p>It works!</html>"), "Internal Server Error"),
        (LOAD_BALANCER_NOT_FOUND, "answers HTTP 404"),
        (LOAD_BALANCER_UNAVAILABLE, "answers HTTP 503"),
    ],
)
def test_something_else_answers(moto_store: MotoStore, doctor: Any, fault: Fault, says: str) -> None:
    with FaultProxy(moto_store.server.host, moto_store.server.port) as proxy:
        proxy.inject(fault)
        server = replace(moto_store.server, endpoint_url=proxy.endpoint_url)
        findings = doctor(of(doctor.backend(server, read_timeout_seconds=0.3)))
        assert proxy.requests == 1
    assert findings[-1].level == "error"
    assert says in findings[-1].message


def test_tls(moto_store: MotoStore, doctor: Any, tmp_path: Path) -> None:
    with TlsProxy(moto_store.server, make_ca(tmp_path)) as proxy:
        trusted = doctor(of(doctor.backend(proxy.server)))
        unknown = doctor(of(doctor.backend(proxy.server, verify=None)))
    assert [finding.level for finding in trusted] == ["ok", "ok", "ok"]
    assert unknown[-1].level == "error"
    assert "the certificate of https://127.0.0.1" in unknown[-1].message
    assert "verify" in unknown[-1].advice


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_tls_that_nobody_checks(moto_store: MotoStore, doctor: Any, tmp_path: Path) -> None:
    with TlsProxy(moto_store.server, make_ca(tmp_path)) as proxy:
        findings = doctor(of(doctor.backend(proxy.server, verify=False)))
    assert [finding.message.partition(" (")[0] for finding in findings if finding.level == "warning"] == [
        "the certificate is not checked"
    ]


def test_https_to_a_port_that_speaks_http(moto_store: MotoStore, doctor: Any) -> None:
    server = replace(moto_store.server, endpoint_url=moto_store.server.endpoint_url.replace("http:", "https:"))
    assert "no TLS with https://" in doctor(of(doctor.backend(server)))[-1].message


@pytest.mark.parametrize("store", ["ceph", "seaweedfs"])
@pytest.mark.parametrize(
    ("key", "says"), [("secret_access_key", "SignatureDoesNotMatch"), ("access_key_id", "InvalidAccessKeyId")]
)
def test_credentials_that_the_store_does_not_know(
    store: str, key: str, says: str, doctor: Any, request: pytest.FixtureRequest
) -> None:
    server = replace(request.getfixturevalue(store).server, **{key: "WRONGWRONGWRONG"})
    findings = doctor(of(doctor.backend(server)))
    assert findings[-2].level == "error"
    assert "the credentials are not accepted" in findings[-2].message
    assert says in findings[-2].message


def test_no_credentials(moto_store: MotoStore, doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    one = doctor.backend(moto_store.server, access_key_id=None, secret_access_key=None)
    assert "no credentials" in doctor(of(one))[-1].message


def test_no_such_profile(moto_store: MotoStore, doctor: Any) -> None:
    one = doctor.backend(moto_store.server, access_key_id=None, secret_access_key=None, profile="photos")
    finding = doctor(of(one), advised=False)[-1]
    assert (finding.level, finding.subject) == ("error", "backends.x.profile")


def test_what_boto3_resolves_by_itself(
    moto_store: MotoStore, doctor: Any, bucket_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_store.server.endpoint_url)
    source = {"routes": {"r": {"bucket": bucket_name, "primary": "caller"}}}
    findings = doctor(source)
    assert ("ok", "backends.caller") in [(finding.level, finding.subject) for finding in findings]
    assert "no such bucket" in findings[-1].message


def test_every_mistake_of_a_configuration(doctor: Any) -> None:
    findings = doctor({"backends": {"x": {"preset": "ceph", "colour": 1}}}, advised=False)
    assert {(finding.level, finding.subject) for finding in findings} == {
        ("error", "backends.x.endpoint_url"),
        ("error", "backends.x.colour"),
    }


def test_no_configuration(doctor: Any) -> None:
    (finding,) = doctor(None)
    assert finding.level == "error"


def test_a_backend_that_only_the_default_names(moto_store: MotoStore, doctor: Any) -> None:
    source = Configuration(backends={"x": doctor.backend(moto_store.server)}, default=Default(backend="x"))
    assert {finding.level for finding in doctor(source)} == {"ok"}
