"""The registry of tables."""

from __future__ import annotations

from influence.display.tables import TABLES
from tests.tables_of_runs import (
    influence_frame,
    interactions_frame,
    performance_frame,
    samples_frame,
    seeds_frame,
)


def test_every_kind_takes_the_frame_that_the_registry_names() -> None:
    frames = {
        "influence": influence_frame(),
        "interactions": interactions_frame(),
        "performance": performance_frame(),
        "samples": samples_frame(),
        "seeds": seeds_frame(),
    }
    for kind in TABLES.values():
        assert len(kind.make(frames[kind.frame]).entries) > 0
