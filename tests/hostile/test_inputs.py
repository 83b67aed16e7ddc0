"""Hostile inputs of every kind, from fixed seeds; ``make fuzz`` runs more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.attacks import KINDS
from tests.hostile.campaign import make, run_one, shares
from tests.hostile.client import Server
from tests.hostile.sandbox import Sandbox

pytestmark = pytest.mark.xdist_group("hostile")  # one server for all

COUNT = 300


@pytest.mark.parametrize(("kind", "count"), shares(COUNT).items())
def test_hostile_inputs_are_refused_in_a_sentence_or_harmless(
    server: Server, seeds: Path, tmp_path: Path, kind: str, count: int
) -> None:
    results = [run_one(server, kind, seed, seeds, tmp_path) for seed in range(count)]
    found = [str(result) for result in results if result.faults]
    assert not found, "\n".join(found)


def test_every_input_is_one_that_a_seed_makes_again(
    server: Server, seeds: Path, tmp_path: Path
) -> None:
    for kind in KINDS:
        one, other = (Sandbox(tmp_path / f"{kind}{i}", seeds) for i in range(2))
        assert make(kind, 3, one) == make(kind, 3, other)
        assert _contents(one) == _contents(other)


def _contents(box: Sandbox) -> list[tuple[str, object]]:
    """List files with their contents, but not the time of their change."""
    listing = box.listing().items()
    return sorted((k, v[2] if isinstance(v, tuple) else v) for k, v in listing)
