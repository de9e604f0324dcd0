"""Holding the phase of a route whose control object says it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

from foodco_storage.backends.plain_client import PlainClient
from foodco_storage.config import Route
from foodco_storage.control.held_phase import HeldPhase, Watching
from foodco_storage.control.place import place_of
from foodco_storage.control.process import this_process
from foodco_storage.control.steps import Call


@dataclass(frozen=True, slots=True)
class Hold:
    """A phase that is held, until it is given back.

    Args:
        held: the phase, shared by all clients of the process.
        release: gives it back.
    """

    held: HeldPhase
    release: Callable[[], None]


def hold(
    name: str,
    route: Route,
    stores: str,
    account: Hashable,
    make_plain: Callable[..., Any],
    journal_depth: Callable[[str | None], int] | None,
) -> Hold:
    """Hold the phase of a route.

    Args:
        name: the route's name.
        route: its configuration.
        stores: which stores and buckets it joins (`foodco_storage.front.routes.stores`).
        account: as whom the primary is asked: another tenant of the same store has buckets, and a control object, of its own.
        make_plain: makes a client of the primary that does not retry (`foodco_storage.front.siblings.plain_client`).
        journal_depth: how much the journal of this host holds that the route's other side lacks, given the phase as it was
            last read; None before that. None for a command, which is a client beside those of its process: they report it.

    Raises:
        ConfigurationError: the route has no one bucket for its control object.
    """
    place = place_of(name, route)
    key = (stores, account, place, journal_depth is None)

    def made(call: Call, watcher: Watching) -> HeldPhase:
        held: HeldPhase = HeldPhase(
            place,
            call,
            journal_depth=lambda: 0 if journal_depth is None else journal_depth(held.last_phase),
            watcher=watcher,
            pause_seconds=route.control.pause_seconds,
        )
        return held

    held = this_process.acquire(
        key,
        (stores, account, route.primary),
        # One answer that never comes must not cost the lease: there has to be time to ask again.
        lambda: PlainClient(
            partial(make_plain, timeout_seconds=route.control.lease_seconds / 3), backend=route.primary
        ),
        made,
    )
    return Hold(held, partial(this_process.release, key))
