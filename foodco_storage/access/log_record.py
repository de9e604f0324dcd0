"""One line of a log of S3, read."""

from __future__ import annotations

from msgspec import Struct


class LogRecord(Struct, frozen=True, kw_only=True, gc=False):
    """One request, as the store logged it; None where it logged `-`.

    Not kept: bucket owner, referer, host id, cipher suite, source region, the query of the request URI.

    Args:
        bucket: the bucket.
        at: when it came in, in seconds since the epoch.
        remote_ip: the address that it came from.
        requester: a canonical user id or an ARN; None for an anonymous request.
        request_id: the store's.
        operation: `REST.GET.OBJECT`.
        key: the object's, decoded.
        method: of HTTP.
        path: of the request URI, as it was sent.
        status: of HTTP; None for what a lifecycle rule did.
        error: S3's error code.
        sent_bytes: of the answer's body. RGW does not tell those of a GET.
        size: of the whole object, in bytes.
        seconds: from the first byte of the request to the last one of the answer.
        turnaround_seconds: from the last byte of the request to the first one of the answer.
        user_agent: the header.
        version_id: that was asked for.
        signature: `SigV2` or `SigV4`.
        authentication: `AuthHeader`, or `QueryString` for a presigned URL.
        host: the endpoint that was asked.
        tls: `TLSv1.2`.
        access_point: its ARN.
        needs_acl: whether an ACL granted it.
        is_rgw: Ceph RGW has logged it.
    """

    bucket: str
    at: float
    operation: str
    remote_ip: str | None = None
    requester: str | None = None
    request_id: str | None = None
    key: str | None = None
    method: str | None = None
    path: str | None = None
    status: int | None = None
    error: str | None = None
    sent_bytes: int = 0
    size: int | None = None
    seconds: float | None = None
    turnaround_seconds: float | None = None
    user_agent: str | None = None
    version_id: str | None = None
    signature: str | None = None
    authentication: str | None = None
    host: str | None = None
    tls: str | None = None
    access_point: str | None = None
    needs_acl: bool = False
    is_rgw: bool = False
