from __future__ import annotations

import pytest

from foodco_storage.tombstones import TombstonesRefusedError, collect, tombstones_left


def test_collected_only_when_nobody_writes(ceph, moto_store, make_graveyard, bucket_name):
    graveyard = make_graveyard(ceph.server, moto_store.server, bucket_name, "ceph")
    graveyard.bury("a", "b", "held")
    graveyard.put("old", "held")
    graveyard.put("new", "alive")
    for phase in ("cutover", "drain"):
        with pytest.raises(TombstonesRefusedError, match="'new' can't delete under a condition"):
            list(collect(graveyard.configuration(phase), "ours", grace_seconds=0, no_writers=True))
    target = graveyard.configuration("target")
    with pytest.raises(TombstonesRefusedError, match="--no-writers"):
        list(collect(target, "ours", grace_seconds=0))
    assert tombstones_left(target, "ours") == 3
    found = {one.tombstone.key: one.fate for one in collect(target, "ours", grace_seconds=0, no_writers=True)}
    assert found == {"a": "collected", "b": "collected", "held": "held by the source"}
    assert graveyard.keys() == {"held", "alive"}
    for s3 in (graveyard.new, graveyard.old):
        s3.close()
