"""https for test servers: a certificate authority, and a proxy that ends TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from foodco_storage.testing.lifecycle import Started
from foodco_storage.testing.listener import Listener
from foodco_storage.testing.server import LOOPBACK, Server, free_port
from foodco_storage.testing.tls_relay import relay

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

_VALID = dt.timedelta(days=2)


@dataclass(frozen=True)
class TlsFiles:
    """Where a test server's certificate lies.

    Args:
        ca_file: certificate of the authority (PEM): boto3's `verify=`.
        certificate_file: the server's certificate for 127.0.0.1 and localhost (PEM).
        private_key_file: its key (PEM, mode 0600).
    """

    ca_file: Path
    certificate_file: Path
    private_key_file: Path

    def server_context(self) -> ssl.SSLContext:
        """For a server socket."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate_file, self.private_key_file)
        return context


def make_ca(directory: Path) -> TlsFiles:
    """Make a certificate authority and a certificate for 127.0.0.1 and localhost, for two days.

    Args:
        directory: takes `ca.pem`, `server.pem` and `server.key`; must exist.

    Raises:
        ModuleNotFoundError: the package `cryptography` is not installed.

    Example:
        >>> tls = make_ca(tmp_path)
        >>> server = ceph.start_gateway(tls=tls)
    """
    # ruff: noqa: PLC0415 - only these functions need the package
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def name(common_name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])

    def builder(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("foodco-storage test CA"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _VALID)
            .not_valid_after(now + _VALID)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
                critical=False,
            )
        )

    def usage(*, ca: bool) -> x509.KeyUsage:
        return x509.KeyUsage(
            digital_signature=not ca,
            key_cert_sign=ca,
            crl_sign=ca,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )

    ca_key = ec.generate_private_key(ec.SECP256R1())
    server_key = ec.generate_private_key(ec.SECP256R1())
    # What a strict verification, Python 3.13's default, asks for: basic constraints, key usage, key
    # identifiers.
    ca = (
        builder("foodco-storage test CA", ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(ca=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.IPAddress(ipaddress.ip_address(LOOPBACK)), x509.DNSName("localhost")]
    certificate = (
        builder("localhost", server_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(ca=False), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    files = TlsFiles(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    files.ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    files.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_key(files.private_key_file, server_key)
    return files


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    from cryptography.hazmat.primitives import serialization

    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            # The traditional form, which radosgw 16 reads as well.
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )


class TlsProxy(Started):
    """Serves https on loopback and hands the plain bytes to a server that speaks http.

    Args:
        target: the server behind.
        tls: the certificate to serve, from `make_ca`.

    Attributes:
        server: how to reach the target over https: its credentials, our endpoint, the authority to
            verify by.

    Example:
        >>> with TlsProxy(moto_store.server, make_ca(tmp_path)) as proxy:
        ...     s3 = boto3.client("s3", **proxy.server.client_arguments())
    """

    def __init__(self, target: Server, tls: TlsFiles) -> None:
        self._target = target
        self._context = tls.server_context()
        port = free_port()
        self.server = replace(target, endpoint_url=f"https://{LOOPBACK}:{port}", verify=str(tls.ca_file))
        self._listener = Listener(port, self._serve, name="tls-proxy")

    def _start(self) -> None:
        self._listener.open()

    def close(self) -> None:
        """Stop listening and drop every connection. Safe to call twice."""
        self._listener.close()

    def _serve(self, client: socket.socket) -> None:
        with self._listener.connected(self._target.host, self._target.port) as upstream:
            relay(client, upstream, self._context)
