"""Tags that change while the object that they hang on is being mirrored."""

from __future__ import annotations

import io
from typing import Any

import pytest
from phased_world import PhasedWorld

from foodco_storage.flows.effects import Call


@pytest.mark.parametrize("phase", ["backfill", "cutover"])
@pytest.mark.parametrize("body", [b"x", io.BytesIO(b"x")])
def test_tagged_between_the_two_writes(phase: str, body: Any) -> None:
    world = PhasedWorld(phase)
    write = world.start("PutObject", Key="k", Body=body)
    while not (
        isinstance(write.effect, Call)
        and write.effect.place.backend == world.other.name
        and write.effect.request.operation == "PutObject"
    ):
        world.simulation.step(write)
    tags = [{"Key": "t", "Value": "1"}]
    world.call("PutObjectTagging", Key="k", Tagging={"TagSet": tags})
    world.simulation.run(write)
    assert world.authority.stored("k").tags == tags
    assert world.other.stored("k").tags == tags
    assert world.journal == []


def test_tags_of_a_write_cost_no_request_more() -> None:
    world = PhasedWorld("cutover")
    world.call("PutObject", Key="k", Body=b"x", Tagging="a=1&b=")
    assert world.p.asked == ["PutObject", "HeadObject"]
    assert world.s.asked == ["PutObject"]
    assert world.s.stored("k").tags == world.p.stored("k").tags
