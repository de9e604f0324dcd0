"""What was learnt lately is bounded, and what was used last stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from foodco_storage.layers.recent import MOST_BYTES, Recent

ONE = MOST_BYTES // 100


def test_it_is_bounded_and_forgets_what_was_used_longest_ago() -> None:
    recent: Recent[int, str] = Recent(lambda _: ONE)
    for number in range(100):
        recent.put(number, str(number))
    assert recent.get(0) == "0"
    for number in range(100, 120):
        recent.put(number, str(number))
    held = [number for number in range(120) if number in recent]
    assert len(held) <= 100
    assert 0 in held, "it was used"
    assert 1 not in held
    assert held[-20:] == list(range(100, 120))


def test_what_is_put_again_or_dropped_weighs_nothing_more() -> None:
    recent: Recent[str, int] = Recent(lambda _: ONE)
    recent.put("other", 0)
    for number in range(1000):
        recent.put("one", number)
    assert recent.get("one") == 999
    recent.drop("one")
    recent.drop("one")
    assert recent.get("one") is None
    for number in range(60):
        recent.put(str(number), number)
    assert all(str(number) in recent for number in range(60))


def test_none_is_something_to_know() -> None:
    recent: Recent[str, int | None] = Recent(lambda _: 1)
    recent.put("plain", None)
    assert "plain" in recent
    assert recent.get("plain") is None
    assert "unknown" not in recent


def test_several_threads() -> None:
    recent: Recent[int, int] = Recent(lambda _: ONE)

    def work(first: int) -> None:
        for number in range(3000):
            key = (first + number) % 150
            recent.put(key, key)
            assert recent.get(key) in {None, key}
            if number % 7 == 0:
                recent.drop(key)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(0, 150, 40)))
    assert sum(key in recent for key in range(150)) <= 104
