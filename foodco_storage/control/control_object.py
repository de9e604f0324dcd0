"""Reading the control object, and changing it only as it was last seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from foodco_storage.control.place import ControlPlace
from foodco_storage.control.record import Record, read_record
from foodco_storage.control.steps import Ask, Steps
from foodco_storage.control.text import DamagedError, parsed
from foodco_storage.errors import PhaseRefusedError
from foodco_storage.flows.request import Parameters, Response

_ATTEMPTS: Final = 3
_PRECONDITION_FAILED: Final = 412
# Of the 4xx answers, those that leave open what became of the request: a timeout, two conditional writes at once, the
# condition, throttling. Any other is a plain no.
_UNDECIDED: Final = frozenset({408, 409, _PRECONDITION_FAILED, 429})


@dataclass(frozen=True, slots=True)
class Found:
    """The control object as it was read, or written.

    Args:
        record: what it says.
        etag: without quotes.
        asked_at: the store's clock just before.
    """

    record: Record
    etag: str
    asked_at: datetime


class ControlObject:
    """The control object of one route.

    Args:
        place: where it lies.
        quoted: whether the store wants the ETag of `If-Match` in quotes (capability `put_if_match_quoted`).
    """

    def __init__(self, place: ControlPlace, *, quoted: bool = False) -> None:
        self._place = place
        self._quoted = quoted

    def read(self) -> Steps[Found | None]:
        """Read it; None where there is none.

        Raises:
            DamagedError: it can't be made sense of.
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: it can't be read.
        """
        try:
            answer = yield Ask("GetObject", self._address())
        except ClientError as error:
            # Only the store itself says NoSuchKey; a 404 of something in between does not.
            if _code(error) == "NoSuchKey":
                return None
            raise
        try:
            record = read_record(parsed(answer), self._place.route)
        except DamagedError as error:
            where = f"{self._place.bucket}/{self._place.control_key}"
            raise DamagedError(
                f"the control object {where} of route {self._place.route!r} is damaged: {error}. Put it right; or stop the "
                "writers, delete it, and make it again by `foodco-storage phase init`"
            ) from error
        return Found(record, _bare(answer.get("ETag", "")), _server_time(answer))

    def create(self, record: Record) -> Steps[Found]:
        """Make it where there is none.

        Raises:
            PhaseRefusedError: there is one already.
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: it can't be written.
        """
        return self._write(record, None)

    def replace(self, found: Found, record: Record) -> Steps[Found]:
        """Change it, if it is still as it was found.

        Raises:
            PhaseRefusedError: somebody else changed it.
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: it can't be written, or whether it was can't
                be found out.
        """
        return self._write(record, found)

    def remove(self) -> Steps[None]:
        """Take it away, whatever it says."""
        yield Ask("DeleteObject", self._address())

    def _write(self, record: Record, seen: Found | None) -> Steps[Found]:
        condition = {"IfNoneMatch": "*"} if seen is None else {"IfMatch": self._as_sent(seen.etag)}
        written = self._address() | {"Body": record.format(), "ContentType": "application/json"} | condition
        for attempt in range(_ATTEMPTS):
            try:
                # No cache on the way may hold it.
                answer = yield Ask("PutObject", {**written, "CacheControl": "no-store"})
            except Exception as error:
                if _is_a_plain_no(error):
                    raise
                # The answer was lost, or is no to a request that was sent twice: what counts is what is there now.
                found = yield from self.read()
                if found is not None and found.record == record:
                    return found
                if (found and found.etag) != (seen and seen.etag):
                    raise PhaseRefusedError([_who_changed(found)]) from error
                if _status(error) == _PRECONDITION_FAILED:
                    raise PhaseRefusedError([_unable()]) from error
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return Found(record, _bare(answer.get("ETag", "")), _server_time(answer))
        raise AssertionError  # the last attempt returns or raises

    def _address(self) -> Parameters:
        return {"Bucket": self._place.bucket, "Key": self._place.control_key}

    def _as_sent(self, etag: str) -> str:
        return f'"{etag}"' if self._quoted else etag


def _who_changed(found: Found | None) -> str:
    if found is None:
        return "the control object was taken away meanwhile"
    record = found.record
    return (
        f"somebody else has changed the control object: {record.changed_by} at {record.changed_at}, to phase "
        f"{record.phase!r}{', paused' if record.paused else ''} (epoch {record.epoch})"
    )


def _unable() -> str:
    return (
        "the store refuses the condition although it holds, so the control object can't be changed safely: is the bucket "
        "versioned (Ceph RGW 16 knows no conditions there), or does the store want the ETag of If-Match the other way, in "
        "quotes or without (capability put_if_match_quoted; `foodco-storage doctor --probe` finds it out)?"
    )


def _is_a_plain_no(error: Exception) -> bool:
    status = _status(error)
    return 400 <= status < 500 and status not in _UNDECIDED  # noqa: PLR2004 - HTTP's


def _status(error: Exception) -> int:
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _bare(etag: str) -> str:
    return etag.strip('"')


def _server_time(answer: Response) -> datetime:
    """The clock of the store that answered; this machine's where it does not tell."""
    said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        time = parsedate_to_datetime(said)
    except ValueError:
        return datetime.now(UTC)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
