"""Simulated sets are those that a measurement would see."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from experiments.ground_truth.simulation import CHUNK, Simulation, key_of
from experiments.ground_truth.world import ANSWER, LAYOUTS
from experiments.ground_truth.worlds import WORLDS
from influence.data.dataset import MemorySet
from influence.data.derangement import pair_up, random_order
from influence.measurement.pipeline import measure
from influence.metrics.registry import METRICS
from influence.plan.setups import Condition

GROUPS = LAYOUTS["100 samples in groups of 1 to 5"]


@pytest.mark.parametrize(("name", "metric"), [("and", "accuracy"), ("lens", "rms"),
                                              ("xor maps", "mean_iou")])  # fmt: skip
def test_values_and_p_values_are_those_of_a_measurement(name: str, metric: str) -> None:
    world = WORLDS[name]
    simulation = Simulation(world, (metric,), "zero", GROUPS)
    (simulated,) = simulation.run(CHUNK, draws=200, seed=4)
    drawn = world.draw(
        np.random.default_rng([4, 0]),
        (np.arange(CHUNK)[:, None] * (GROUPS.max() + 1) + GROUPS).ravel(),
    )
    third = slice(2 * len(GROUPS), 3 * len(GROUPS))
    batch = {s: x[third] for s, x in drawn.inputs.items()}, {ANSWER: drawn.target[third]}
    found = MemorySet.collect([batch])
    data = MemorySet(found.inputs, found.targets, found.data, groups=GROUPS)
    run = measure(
        world.network(), data, metrics={ANSWER: [metric]}, mutes=["zero"], draws=200, seed=4,
        device="cpu", meeting="off",
    )  # fmt: skip
    for source in world.sites:
        whole = (run.influence["source"] == source) & (run.influence["level"] == "all")
        row = run.influence[whole]
        key = key_of(METRICS[metric], Condition("zero", frozenset({source})))
        full, muted = (simulated.values(METRICS[metric], s) for s in simulated.sums.observed(key))
        assert full[2] - muted[2] == pytest.approx(row["omega"].item(), abs=1e-6)
        p_values = simulated.p_values(METRICS[metric], "zero", source)
        assert p_values[2] == pytest.approx(
            row["p_value"].item(), abs=0.011
        )  # float32 against float64


def test_partners_of_shuffle_are_other_samples_of_the_same_set() -> None:
    world = WORLDS["xor"]
    simulation = Simulation(world, ("accuracy",), "shuffle", GROUPS)
    drawn = world.draw(np.random.default_rng(0), np.arange(CHUNK * len(GROUPS)))
    numbers = torch.arange(len(drawn.target))[:, None].float()
    follows = pair_up(random_order(len(GROUPS), 1), GROUPS).follows
    muted = simulation._muted(dict.fromkeys(world.sites, numbers), follows, seed=1)["a"]
    assert (muted != numbers).all()
    own, others = numbers.reshape(CHUNK, -1), muted.reshape(CHUNK, -1)
    assert torch.equal(others.sort(dim=1).values, own)


def test_seeds_rule_everything() -> None:
    simulation = Simulation(WORLDS["xor"], ("accuracy",), "noise", GROUPS)
    one, again, other = (
        next(simulation.run(CHUNK, draws=5, seed=seed)).sums.totals for seed in (0, 0, 1)
    )
    assert all(np.array_equal(one[key], again[key]) for key in one)
    assert not all(np.array_equal(one[key], other[key]) for key in one)


def test_layouts_are_what_they_are_called() -> None:
    assert {name: len(groups) for name, groups in LAYOUTS.items()} == {
        name: int(name.split()[0]) for name in LAYOUTS
    }
    for name, groups in LAYOUTS.items():
        sizes = np.bincount(groups)
        assert sizes.min() >= 1
        assert sizes.max() == (5 if "groups" in name else 1)
