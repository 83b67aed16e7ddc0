"""The nulls are true, are not trivially so, and raise few alarms."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from experiments.ground_truth.detection import (
    EFFECTS,
    FAMILIES,
    Family,
    count_alarms,
    find_power,
    predicted_power,
)
from experiments.ground_truth.simulation import CHUNK, Simulation, key_of
from influence.metrics.registry import METRICS
from influence.plan.setups import FULL, Condition

SETS = 200
MOST = stats.binom.ppf(1 - 1e-4, SETS, 0.05) / SETS


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.world.name)
def test_nulls_are_exact_and_not_trivial(family: Family) -> None:
    world = family.world
    known = [m for m in world.metrics if m in ("accuracy", "mean_iou", "mse", "rms")]
    for mute, source, metric in product(family.mutes, family.sources, known):
        muted = world.value(metric, mute, frozenset({source}))
        assert muted == pytest.approx(world.value(metric, mute, FULL), abs=1e-12)
        simulation = Simulation(world, (metric,), mute, np.arange(100), setups="each")
        sums = next(simulation.run(CHUNK, draws=10)).sums
        key = key_of(METRICS[metric], Condition(mute, frozenset({source})))
        full, other = sums.observed(key)
        assert (full != other).mean() > 0.1  # omega is zero on average only


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.world.name)
def test_alarms_are_few(family: Family) -> None:
    found = list(count_alarms(family, family.mutes[0], "100 samples", sets=SETS, draws=400))
    assert len(found) == len(family.sources) * len(family.world.metrics) + 1
    for record in found[:-1]:
        assert record["holm"] <= record["raw"] <= MOST
    assert found[-1]["holm"] <= MOST
    assert found[-1]["raw"] >= max(record["raw"] for record in found[:-1])


def test_a_source_that_helps_raises_alarms() -> None:
    found = [find_power(effect, "100 samples", sets=CHUNK, draws=200) for effect in EFFECTS]
    for metric in ("accuracy", "mean_iou", "rms"):
        shares = [record["power"] for record in found if record["metric"] == metric]
        omegas = [record["omega"] for record in found if record["metric"] == metric]
        assert omegas == sorted(omegas)
        assert omegas[0] > 0
        assert shares[-1] > max(shares[0], 0.2)


@pytest.mark.parametrize(("omega", "error"), [(0.01, 0.005), (3.0, 1.0), (1e-6, 1.0)])
def test_predicted_power_is_that_of_a_normal_estimate(omega: float, error: float) -> None:
    # The chance to find it on the wrong side is left out.
    expected = max(stats.norm.sf(stats.norm.isf(0.025) - omega / error), 0.025)
    assert predicted_power(omega, error) == pytest.approx(expected, abs=1e-6)


def test_an_omega_of_2_8_errors_is_found_four_times_in_five() -> None:
    assert predicted_power(2.8, 1.0) == pytest.approx(0.8, abs=0.0005)
