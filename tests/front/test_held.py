"""Which clients of a process share the phase of a route."""

from __future__ import annotations

from typing import Any

from foodco_storage.config import Backend, Secret
from foodco_storage.config.model import Control, Route
from foodco_storage.front.held import hold
from foodco_storage.front.routes import account_of

ROUTE = Route(bucket="images", primary="ceph", fallbacks=["aws"], control=Control(enabled=True))


def held_as(key: str) -> Any:
    account = account_of(Backend(endpoint_url="https://rgw", access_key_id=Secret(key)))
    return hold("images", ROUTE, "digest", account, lambda **_: None, lambda _: 0)


def test_a_command_is_a_client_beside_those_of_its_process() -> None:
    """Which have a journal, whose depth they report; whoever came first."""
    account = account_of(Backend(endpoint_url="https://rgw"))
    command = hold("images", ROUTE, "digest", account, lambda **_: None, None)
    service = hold("images", ROUTE, "digest", account, lambda **_: None, lambda _: 7)
    try:
        assert service.held is not command.held
        assert service.held._participant._journal_depth() == 7
        assert command.held._participant._journal_depth() == 0
    finally:
        command.release()
        service.release()


def test_another_tenants_control_object_is_another() -> None:
    one, same, other = held_as("tenant a"), held_as("tenant a"), held_as("tenant b")
    try:
        assert one.held is same.held
        assert one.held is not other.held
    finally:
        for each in (one, same, other):
            each.release()
