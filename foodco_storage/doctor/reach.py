"""Whether a backend can be reached, lets us in, and agrees on the time."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
)

from foodco_storage.doctor.finding import Finding
from foodco_storage.doctor.stores import NotS3Error, Store

WARN_SKEW_SECONDS = 60.0
REFUSED_SKEW_SECONDS = 900.0
"""S3 refuses a signature that is 15 minutes off."""

_CLOCK = "keep the clocks of this machine and of the store in time (chrony, ntpd, systemd-timesyncd)"
_CREDENTIALS = {
    "InvalidAccessKeyId": "the store does not know the access key",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "ExpiredToken": "the session token has run out",
    "ExpiredTokenException": "the session token has run out",
    "InvalidToken": "the session token is not valid",
    "InvalidClientTokenId": "the store does not know the access key",
}

# What may lie under botocore's error, the first that does decides; the message; what to do.
_UNREACHABLE: tuple[tuple[type[BaseException], str, str], ...] = (
    (ProxyConnectionError, "the proxy can't be reached", "check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"),
    (socket.gaierror, "the name of the host in {url} can't be resolved", "check endpoint_url and DNS"),
    (
        ssl.SSLCertVerificationError,
        "the certificate of {url} is not valid here: {why}",
        "name the CA that signed it (verify), or mend the certificate or the host's name",
    ),
    (ssl.SSLError, "no TLS with {url}: {why}", "does the port speak https? try http:// or another"),
    (ConnectionRefusedError, "nothing listens at {url}", "is the store running, and is the port right?"),
    (
        ConnectTimeoutError,
        "no connection to {url} within the timeout",
        "a firewall or a wrong address drops the packets; connect_timeout_seconds sets how long we wait",
    ),
    (
        ReadTimeoutError,
        "{url} took the request and does not answer within the timeout",
        "the store is overloaded or hangs; read_timeout_seconds sets how long we wait",
    ),
    (NotS3Error, "{url} answers, but not as S3 does", "is endpoint_url the store's S3 endpoint?"),
)


def reach(store: Store) -> Iterator[Finding]:
    """Send one request, and explain what becomes of it. An error among the findings: the store can't be looked at further."""
    subject, url = store.subject, store.client.meta.endpoint_url
    started = time.monotonic()
    try:
        response = store.call("ListBuckets", {})
    except ClientError as error:
        seconds = time.monotonic() - started
        yield from _answered(subject, url, error, seconds)
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        if "date" not in headers:
            # Not the store itself, most likely.
            return
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
        yield Finding("error", subject, f"no credentials: {error}", _where_credentials_come_from(store))
        return
    except BotoCoreError as error:
        yield _unreachable(subject, url, error)
        return
    else:
        seconds = time.monotonic() - started
        if not {"Buckets", "Owner"} & response.keys():
            # botocore reads any page of well-formed HTML as an answer with nothing in it.
            yield _unreachable(subject, url, NotS3Error(endpoint_url=url))
            return
        buckets = len(response.get("Buckets", ()))
        yield Finding("ok", subject, f"{url} answers in {seconds * 1000:.0f} ms; the credentials see {buckets} buckets")
        headers = response["ResponseMetadata"].get("HTTPHeaders", {})
    yield from tls(store)
    yield clock(subject, headers, datetime.now(UTC), seconds)


def tls(store: Store) -> Iterator[Finding]:
    """Whether the store's certificate is checked."""
    backend = store.backend
    if backend is not None and backend.verify is False and (backend.endpoint_url or "https:").startswith("https:"):
        yield Finding(
            "warning",
            store.subject,
            "the certificate is not checked (verify = false): anyone on the way can read and change everything",
            'name the CA that signed it: verify = "/etc/ssl/certs/your-ca.pem"',
        )


def clock(subject: str, headers: Mapping[str, str], now: datetime, answered_in_seconds: float) -> Finding:
    """Compare the store's clock with ours.

    Args:
        subject: of the finding.
        headers: of an answer of the store.
        now: when it was received.
        answered_in_seconds: how long it took; the store's time is that of some moment in between.
    """
    try:
        theirs = parsedate_to_datetime(headers.get("date", ""))
    except (TypeError, ValueError):
        return Finding("warning", subject, "the store does not say its time (no Date header): clocks not compared")
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    skew = (theirs - now).total_seconds() + answered_in_seconds / 2
    direction = "ahead of" if skew > 0 else "behind"
    message = f"the store's clock is {abs(skew):.0f} s {direction} ours"
    if abs(skew) > REFUSED_SKEW_SECONDS:
        return Finding("error", subject, f"{message}; S3 refuses requests that are 900 s off", _CLOCK)
    if abs(skew) > WARN_SKEW_SECONDS:
        return Finding("warning", subject, f"{message}; from 900 s on S3 refuses every request", _CLOCK)
    return Finding("ok", subject, "the clocks agree")


def _answered(subject: str, url: str, error: ClientError, seconds: float) -> Iterator[Finding]:
    """A store that is there, and answered with an error."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _CREDENTIALS:
        advice = (
            "check access_key_id and secret_access_key, or the profile; is this endpoint the store that they are for?"
        )
        yield Finding("error", subject, f"the credentials are not accepted: {_CREDENTIALS[code]} ({code})", advice)
    elif code == "RequestTimeTooSkewed":
        yield Finding("error", subject, "the request was refused for its time (RequestTimeTooSkewed)", _CLOCK)
    elif code == "AccessDenied":
        yield Finding("ok", subject, f"{url} answers in {seconds * 1000:.0f} ms; the credentials may not list buckets")
    else:
        advice = (
            "is endpoint_url the store's S3 endpoint, and not that of a web page or a load balancer without stores?"
        )
        message = error.response.get("Error", {}).get("Message", "")
        yield Finding("error", subject, f"{url} answers HTTP {status} {code}: {message}".rstrip(": "), advice)


def _unreachable(subject: str, url: str, error: BotoCoreError) -> Finding:
    causes = list(_causes(error))
    for kind, message, advice in _UNREACHABLE:
        cause = next((cause for cause in causes if isinstance(cause, kind)), None)
        if cause is not None:
            why = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else cause
            return Finding("error", subject, message.format(url=url, why=why), advice)
    return Finding("error", subject, f"{url} can't be asked: {error}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it came from; urllib3 keeps some in `reason`, botocore in `kwargs`."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = getattr(cause, "kwargs", None)
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
        waiting.append(inner.get("error") if isinstance(inner, dict) else None)


def _where_credentials_come_from(store: Store) -> str:
    if store.backend is None:
        return "boto3 looks in AWS_ACCESS_KEY_ID, ~/.aws and the machine's role"
    return 'set access_key_id = "${VARIABLE}" and secret_access_key, profile, or anonymous = true'
