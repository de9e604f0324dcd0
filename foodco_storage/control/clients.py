"""The clients of a route, by their reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from foodco_storage.control.control_object import Found
from foodco_storage.control.place import ControlPlace
from foodco_storage.control.report import Report, read_report
from foodco_storage.control.steps import Ask, Steps
from foodco_storage.control.text import DamagedError, parsed
from foodco_storage.errors import PhaseRefusedError

# HTTP dates, and the times in listings of some stores, have whole seconds.
_COARSE_SECONDS: Final = 1.0
_MAX_PAGES: Final = 100


@dataclass(frozen=True, slots=True)
class Client:
    """A client, as the operator sees it.

    Args:
        id: its id.
        report: what it says of itself; None where that can't be made sense of.
        problem: why not.
        age_seconds: since it said so, by the store's clock.
        gone_seconds: with a report older than this it is gone, or has stopped writing.
    """

    id: str
    report: Report | None
    problem: str
    age_seconds: float
    gone_seconds: float

    @property
    def is_stale(self) -> bool:
        """Whether it is gone, most likely; in any case it begins no write any more."""
        return self.age_seconds > self.gone_seconds + _COARSE_SECONDS

    def __str__(self) -> str:
        report = self.report
        where = f" ({report.program or 'a program'} on {report.host}, pid {report.pid})" if report is not None else ""
        return f"client {self.id}{where}"


class Clients:
    """Looks for the clients of a route.

    A report that did not change since the last look is not read again.

    Args:
        place: where they lie.
    """

    def __init__(self, place: ControlPlace) -> None:
        self._place = place
        self._read: dict[str, tuple[str, Report | None, str]] = {}

    def look(self, found: Found) -> Steps[tuple[Client, ...]]:
        """All clients that have a report.

        Args:
            found: the control object, read just before: ages are counted up to then. Counted up to the listing's own date,
                a report that was renewed while the listing was made would seem old.

        Raises:
            PhaseRefusedError: the listing is not complete.
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: they can't be read.
        """
        clients = []
        for row in (yield from self._rows()):
            client = self._place.client_of(row["Key"])
            if client is None:
                continue
            etag, report, problem = self._read.get(client, ("", None, ""))
            if not etag or etag != row.get("ETag"):
                read = yield from self._report(client)
                if read is None:
                    # It has left since the listing.
                    continue
                report, problem = read
                self._read[client] = (row.get("ETag", ""), report, problem)
            age = (found.asked_at - _at(row)).total_seconds()
            clients.append(Client(client, report, problem, max(age, 0.0), found.record.gone_seconds))
        self._read = {client.id: self._read[client.id] for client in clients}
        return tuple(clients)

    def remove(self, client: str) -> Steps[None]:
        """Take a client's report away."""
        yield Ask("DeleteObject", {"Bucket": self._place.bucket, "Key": self._place.client_key(client)})

    def _rows(self) -> Steps[list[dict[str, Any]]]:
        rows: list[dict[str, Any]] = []
        params = {"Bucket": self._place.bucket, "Prefix": self._place.prefix}
        for _ in range(_MAX_PAGES):
            page = yield Ask("ListObjectsV2", params)
            rows += page.get("Contents", ())
            if not page.get("IsTruncated"):
                break
            params = {**params, "ContinuationToken": page.get("NextContinuationToken", "")}
        else:
            raise PhaseRefusedError([f"the listing of {self._place.prefix!r} does not end"])
        # A listing that lags behind, or of a bucket without an index, would show no clients either.
        if not any(row["Key"] == self._place.control_key for row in rows):
            what = f"the listing of {self._place.prefix!r} does not show the control object"
            raise PhaseRefusedError([f"{what}, so it may not show all clients either"])
        return rows

    def _report(self, client: str) -> Steps[tuple[Report | None, str] | None]:
        try:
            answer = yield Ask("GetObject", {"Bucket": self._place.bucket, "Key": self._place.client_key(client)})
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "NoSuchKey":
                return None
            raise
        try:
            report = read_report(parsed(answer))
        except DamagedError as error:
            return None, str(error)
        if report.client != client:
            return None, f"it is the report of {report.client!r}"
        return report, ""


def _at(row: dict[str, Any]) -> datetime:
    modified: datetime = row["LastModified"]
    return modified
