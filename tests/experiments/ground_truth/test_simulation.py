"""Simulated sets are those that a measurement would see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from experiments.ground_truth.simulation import (
    CASES,
    CHUNK,
    MUTES,
    Case,
    Simulation,
    cover,
    find_bias,
    key_of,
)
from experiments.ground_truth.world import ANSWER, LAYOUTS
from experiments.ground_truth.worlds import WORLDS
from influence.data.derangement import pair_up, random_order
from influence.data.memory import MemorySet
from influence.measurement.pipeline import measure
from influence.metrics.registry import METRICS
from influence.plan.setups import Condition
from influence.statistics import bootstrap

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
    data = replace(MemorySet.collect([batch]), groups=GROUPS)
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
        next(simulation.run(CHUNK, draws=10, seed=seed)).sums.totals for seed in (0, 0, 1)
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


@pytest.mark.parametrize("name", ["synergistic", "three labels"])
def test_bias_is_within_chance(name: str) -> None:
    found = pd.DataFrame(find_bias(WORLDS[name], sets=30, samples=60))
    players = len(WORLDS[name].sites)
    quantities = 3 * players + players * (players - 1) // 2
    assert len(found) == len(MUTES) * len(WORLDS[name].metrics) * quantities
    assert found["z"].abs().max() < 5.5
    assert found["z"].std() > 0.3  # what is simulated does vary
    still = found[found["spread"] == 0]
    assert (still["bias"].abs() < 1e-6).all()


SETS = 200

LEAST = stats.binom.ppf(1e-4, SETS, 0.95) / SETS

"""An interval of 95% holds the truth less often than this once in ten thousand times."""


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.world != "lens"], ids=lambda c: f"{c.metric}, {c.mute}"
)
@pytest.mark.parametrize("layout", ["100 samples", "100 samples in groups of 1 to 5"])
def test_intervals_hold_the_truth(case: Case, layout: str) -> None:
    found = list(cover(case, layout, sets=SETS, draws=400))
    kinds = {record["kind"] for record in found}
    assert kinds == {"leave_one_out", "add_one_in", "shapley", "interaction"}
    for record in found:
        assert LEAST <= record["coverage"] < 1, record


def test_intervals_that_are_too_narrow_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_expanded", lambda confidence, count: (0.1, 0.9))
    found = list(cover(CASES[0], "100 samples", sets=SETS, draws=400))
    assert np.mean([record["coverage"] for record in found]) < LEAST
