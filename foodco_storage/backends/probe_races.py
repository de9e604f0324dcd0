"""What only races show of a store: whether an acknowledged write can be lost to another.

Every round uses a key of its own and starts its requests at one moment. One loss in any round is an answer; no loss in many
rounds is as good as it gets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError

from foodco_storage.backends.probe_sandbox import THREADS, NotAnswered, Sandbox

_PATIENCE_SECONDS = 60.0
_DECIDED = 0.5
"""Rounds in which a request was neither carried out nor refused show nothing; this share of them has to show something."""

Racer = Callable[[], bool]


def conditional_put_is_atomic(place: Sandbox, rounds: int, *, writers: int = THREADS) -> bool:
    """PUT with If-None-Match: one winner among several, and never at the cost of a plain PUT.

    Args:
        place: where.
        rounds: how many races against a plain PUT. Those among writers, whose every round has several chances of two
            winners, are a quarter of it: SeaweedFS takes a second for each.
        writers: how many write one key at once.
    """
    return _no_loss(max(1, rounds // 4), lambda race: _one_winner(place, race, writers)) and _no_loss(
        rounds, lambda race: _plain_put_wins(place, race)
    )


def put_race_safe(place: Sandbox, rounds: int, *, quoted: bool) -> bool:
    """A plain PUT that races with an If-Match PUT is never dropped.

    Args:
        place: where.
        rounds: how many races.
        quoted: whether the store takes the ETag of If-Match in quotes.
    """

    def overwritten(race: Race) -> bool | None:
        key = place.new_key()
        etag = place.put(key, b"before")
        condition = f'"{etag}"' if quoted else etag
        plain, _ = race(
            lambda: place.holds("PutObject", key, Body=b"plain"),
            lambda: place.holds("PutObject", key, Body=b"conditional", IfMatch=condition),
        )
        # Whichever came first: after the plain one the condition no longer holds.
        return place.read(key) == b"plain" if plain else None

    return _no_loss(rounds, overwritten)


def delete_race_safe(place: Sandbox, rounds: int) -> bool:
    """A PUT that races with an If-Match DELETE is never dropped."""

    def deleted(race: Race) -> bool | None:
        key = place.new_key()
        etag = place.put(key, b"before")
        put, _ = race(
            lambda: place.holds("PutObject", key, Body=b"after"),
            lambda: place.holds("DeleteObject", key, IfMatch=f'"{etag}"'),
        )
        return place.read(key) == b"after" if put else None

    return _no_loss(rounds, deleted)


def _one_winner(place: Sandbox, race: Race, writers: int) -> bool | None:
    key = place.new_key()
    bodies = [f"writer {number}".encode() for number in range(writers)]

    def writer(body: bytes) -> Racer:
        return lambda: place.holds("PutObject", key, Body=body, IfNoneMatch="*")

    outcomes = race(*map(writer, bodies))
    winners = [body for body, outcome in zip(bodies, outcomes, strict=True) if outcome]
    if len(winners) > 1:
        return False
    if None in outcomes or not winners:
        return None
    return place.read(key) == winners[0]


def _plain_put_wins(place: Sandbox, race: Race) -> bool | None:
    key = place.new_key()
    plain, _ = race(
        lambda: place.holds("PutObject", key, Body=b"plain"),
        lambda: place.holds("PutObject", key, Body=b"conditional", IfNoneMatch="*"),
    )
    return place.read(key) == b"plain" if plain else None


class Race:
    """Starts requests at one moment, and waits for all of them."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads

    def __call__(self, *racers: Racer) -> Sequence[bool | None]:
        """What each came to: carried out, refused, or (None) nobody knows."""
        start = threading.Barrier(len(racers))

        def run(racer: Racer) -> bool | None:
            start.wait(_PATIENCE_SECONDS)
            try:
                return racer()
            except (BotoCoreError, ClientError):
                return None

        return [future.result() for future in [self._threads.submit(run, racer) for racer in racers]]


def _no_loss(rounds: int, one: Callable[[Race], bool | None]) -> bool:
    """Whether no round lost a write; the first loss ends it.

    Raises:
        NotAnswered: too few rounds came to anything.
    """
    decided = 0
    with ThreadPoolExecutor(THREADS) as threads:
        race = Race(threads)
        for _ in range(rounds):
            kept = one(race)
            if kept is False:
                return False
            decided += kept is True
    if decided < rounds * _DECIDED:
        raise NotAnswered(f"only {decided} of {rounds} races came to anything")
    return True
