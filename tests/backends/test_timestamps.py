"""Times in answers are read as botocore reads them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.utils import parse_timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import foodco_storage
from foodco_storage.backends import timestamps
from foodco_storage.testing import MotoStore

MOMENTS = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31))  # noqa: DTZ001 - UTC is appended
ODD = [
    "2026-11-24T19:37:60Z", "2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "2026-11-24T24:00:00Z", "2026-11-24",
    "2026-11-24T19:37:30", "2026-11-24T19:37:30+02:00", "2026-11-24T19:37:30.1Z", "\uff12026-11-24T19:37:30Z",
    "Tue, 24 Nov 2026 19:37:60 GMT", "Tue, 31 Feb 2026 19:37:30 GMT", "Mon, 24 Nov 2026 19:37:30 GMT",
    "Tue, 24 Nov 2026 19:37:30 UTC", "Tue, 4 Nov 2026 19:37:30 GMT", "Tue, 24 Nov 0000 19:37:30 GMT", "1764013050",
    "1764013050.5", 1764013050, 1.5, "", "soon", "2026-11-24T19:37:30Z\n",
]  # fmt: skip


def outcome(parse: Any, value: Any) -> Any:
    try:
        return repr(parse(value))
    except Exception as error:  # noqa: BLE001 - compared
        return type(error), str(error)


@pytest.fixture(params=["UTC", "Europe/Rome", "Europe/London", "XYZ3UTC"])
def _zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_zone")
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MOMENTS, st.sampled_from(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ", "%a, %d %b %Y %H:%M:%S GMT"]))
def test_every_moment(moment: datetime, form: str) -> None:
    value = moment.replace(tzinfo=UTC).strftime(form)
    assert outcome(timestamps.parse, value) == outcome(parse_timestamp, value)


@pytest.mark.usefixtures("_zone")
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MOMENTS)
def test_milliseconds(moment: datetime) -> None:
    value = moment.isoformat(timespec="milliseconds") + "Z"
    assert outcome(timestamps.parse, value) == outcome(parse_timestamp, value)


@pytest.mark.usefixtures("_zone")
@pytest.mark.parametrize("value", ODD)
def test_odd_ones(value: Any) -> None:
    assert outcome(timestamps.parse, value) == outcome(parse_timestamp, value)


def test_clients_read_so(moto_store: MotoStore) -> None:
    s3 = foodco_storage.client(**moto_store.server.client_arguments())
    factory = s3._endpoint._response_parser_factory
    assert factory._defaults == {"timestamp_parser": timestamps.parse}
    s3.close()


def test_a_parser_of_the_users_own_stays(moto_store: MotoStore) -> None:
    session = foodco_storage.Session()
    own = session._session.get_component("response_parser_factory")
    own.set_parser_defaults(timestamp_parser=str)
    s3 = session.client("s3", **moto_store.server.client_arguments())
    assert s3._endpoint._response_parser_factory is own
    s3.close()
