"""What an operator sees of the clients."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from botocore.exceptions import ClientError
from control_world import GONE, PLACE, Primary, Service

from foodco_storage.control.existence import remove
from foodco_storage.control.look import Shown, explained, show
from foodco_storage.control.report import Report
from foodco_storage.control.text import MAX_BYTES
from foodco_storage.errors import PhaseRefusedError


@pytest.fixture
def primary() -> Primary:
    primary = Primary()
    primary.begin("source")
    return primary


def seen(primary: Primary) -> Shown:
    shown = show(PLACE, primary.call)
    assert shown is not None
    return shown


def put(primary: Primary, client: str, body: bytes) -> None:
    primary.call("PutObject", {"Bucket": "b", "Key": PLACE.client_key(client), "Body": body})


REPORT = Report(
    client="c",
    host="h",
    pid=1,
    program="service.py",
    epoch=1,
    phase="source",
    paused=False,
    in_flight=0,
    reading=0,
    journal=0,
    reported_at="2026-01-01T00:00:00+00:00",
)


def test_a_registered_client(primary: Primary) -> None:
    service = Service(primary).register()
    service.journal = 3
    for _ in range(4):
        primary.now += 2
        service.round()
    primary.now += 2
    with service.writing():
        service.round()
    primary.now += 5
    (client,) = seen(primary).clients
    assert client.report is not None
    assert client.id == client.report.client == service.id
    assert (client.report.epoch, client.report.in_flight, client.report.journal) == (1, 1, 3)
    assert client.age_seconds == 5
    assert not client.is_stale
    assert f"client {service.id} (" in str(client)


def test_a_report_is_as_documented(primary: Primary) -> None:
    service = Service(primary).register()
    body = json.loads(primary.memory.buckets["b"][PLACE.client_key(service.id)].data)
    assert body.keys() == {"version", *asdict(REPORT)}
    assert body["version"] == 1


def test_the_age_is_counted_by_the_clock_of_the_store(primary: Primary) -> None:
    put(primary, "c", REPORT.format())
    primary.now += GONE + 1
    assert not seen(primary).stale
    primary.now += 1
    (gone,) = seen(primary).stale
    assert gone.age_seconds == GONE + 2
    assert "--forget c" in "\n".join(explained(seen(primary)))


def test_a_report_that_is_renewed_while_the_listing_is_made(primary: Primary) -> None:
    """The listing's own date is too late to count by."""
    put(primary, "c", REPORT.format())
    primary.now += GONE - 1

    def slow(operation: str, params: dict[str, Any]) -> dict[str, Any]:
        answer = primary.call(operation, params)
        if operation == "ListObjectsV2":
            put(primary, "c", REPORT.format())
            primary.now += 10
        return answer

    shown = show(PLACE, slow)
    assert shown is not None
    assert not shown.stale


def test_without_a_date_this_machine_tells_the_time(primary: Primary) -> None:
    put(primary, "c", REPORT.format())

    def undated(operation: str, params: dict[str, Any]) -> dict[str, Any]:
        answer = primary.call(operation, params)
        answer["ResponseMetadata"]["HTTPHeaders"] = {"date": "noon"}
        return answer

    shown = show(PLACE, undated)
    assert shown is not None
    assert shown.clients[0].age_seconds > 0


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not JSON"),
        (b"x" * (MAX_BYTES + 1), "bytes"),
        (json.dumps({"version": 1, **asdict(REPORT), "journal": -1}).encode(), "'journal'"),
        (json.dumps({"version": 1, **asdict(REPORT), "host": "\x1b[2J"}).encode(), "'host'"),
        (json.dumps({"version": 1, **asdict(REPORT), "client": "d"}).encode(), "the report of 'd'"),
    ],
)
def test_a_report_that_can_not_be_read(primary: Primary, body: bytes, says: str) -> None:
    put(primary, "c", body)
    (client,) = seen(primary).clients
    assert client.report is None
    assert says in client.problem
    assert str(client) == "client c"


def test_more_clients_than_a_page_shows(primary: Primary) -> None:
    names = [f"c{number:04}" for number in range(1001)]
    for name in names:
        put(primary, name, REPORT.format())
    assert [client.id for client in seen(primary).clients] == names


def test_a_client_that_leaves_meanwhile(primary: Primary) -> None:
    put(primary, "c", REPORT.format())

    def call(operation: str, params: dict[str, Any]) -> dict[str, Any]:
        answer = primary.call(operation, params)
        if operation == "ListObjectsV2":
            primary.call("DeleteObject", {"Bucket": "b", "Key": PLACE.client_key("c")})
        return answer

    shown = show(PLACE, call)
    assert shown is not None
    assert shown.clients == ()


def test_a_report_that_may_not_be_read(primary: Primary) -> None:
    put(primary, "c", REPORT.format())
    primary.trouble("403", "GetObject", "clients/")
    with pytest.raises(ClientError, match="403"):
        seen(primary)


def test_a_listing_that_shows_nothing(primary: Primary) -> None:
    """A bucket without an index, a store whose listings lag behind."""

    def call(operation: str, params: dict[str, Any]) -> dict[str, Any]:
        answer = primary.call(operation, params)
        return answer if operation != "ListObjectsV2" else {**answer, "Contents": []}

    with pytest.raises(PhaseRefusedError, match="does not show the control object"):
        show(PLACE, call)


def test_a_listing_without_an_end(primary: Primary) -> None:
    def call(operation: str, params: dict[str, Any]) -> dict[str, Any]:
        answer = primary.call(operation, params)
        return answer if operation != "ListObjectsV2" else {**answer, "IsTruncated": True}

    with pytest.raises(PhaseRefusedError, match="does not end"):
        show(PLACE, call)


def test_what_is_explained(primary: Primary) -> None:
    assert list(explained(seen(primary))) == ["phase 'source'; it can be moved to 'backfill'"]


def test_the_control_object_goes_last(primary: Primary) -> None:
    service = Service(primary).register()
    with pytest.raises(PhaseRefusedError, match=f"client {service.id}.* is registered"):
        remove(PLACE, primary.call)
    service.held.close()
    remove(PLACE, primary.call)
    assert primary.keys() == []
