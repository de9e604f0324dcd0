"""Whether the bucket is there to which access statistics are shipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from botocore.exceptions import BotoCoreError, ClientError

from foodco_storage.config.telemetry_model import Shipping
from foodco_storage.doctor.finding import Finding
from foodco_storage.doctor.stores import Store

_SUBJECT = "telemetry.shipping"
_REFUSED = 403


def telemetry_bucket(shipping: Shipping, stores: Mapping[str, Store]) -> Iterator[Finding]:
    """Look whether the bucket is there; nothing is written, and nothing said where nothing is shipped.

    Args:
        shipping: which one it is.
        stores: the backends that can be used.
    """
    backend, bucket = shipping.backend, shipping.bucket
    if backend is None or bucket is None:
        return
    subject, store = f"{_SUBJECT}, {bucket!r} on {backend}", stores.get(backend)
    if store is None:
        yield Finding("warning", subject, f"not looked at, since {backend!r} can't be used")
        return
    try:
        store.call("HeadBucket", {"Bucket": bucket})
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == _REFUSED:
            # Who only ships needs no more than s3:PutObject.
            yield Finding("ok", subject, "may not be looked at with these credentials, which may still write to it")
        elif error.response.get("Error", {}).get("Code") in {"404", "NoSuchBucket"}:
            advice = "make it; until then what is counted is kept on the hosts"
            yield Finding("error", subject, "there is no such bucket", advice)
        else:
            yield _failed(subject, error)
    except BotoCoreError as error:
        yield _failed(subject, error)
    else:
        yield Finding("ok", subject, "is there")


def _failed(subject: str, error: Exception) -> Finding:
    return Finding("error", subject, f"can't be looked at: {error}", f"look at {_SUBJECT}.bucket, and at the backend")
