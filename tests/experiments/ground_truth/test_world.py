"""The algebra of games by counting orders, beside that of the library."""

from __future__ import annotations

import pytest

from experiments.ground_truth.world import true_values
from experiments.ground_truth.worlds import WORLDS
from influence.metrics.registry import METRICS
from influence.statistics.coalitions import exact


@pytest.mark.parametrize("name", ["lens", "three labels", "redundant"])
@pytest.mark.parametrize("mute", ["zero", "shuffle"])
def test_orders_give_what_weights_give(name: str, mute: str) -> None:
    world = WORLDS[name]
    (metric, *_) = world.metrics
    sign = 1 if METRICS[metric].higher_is_better else -1
    everybody = frozenset(world.sites)
    found = true_values(world, metric, mute)
    quantities = exact(world.sites)
    assert len(found) == len(quantities)
    for quantity in quantities:
        expected = sum(
            weight * sign * world.value(metric, mute, everybody - shown)
            for shown, weight in quantity.terms()
        )
        assert found[quantity.kind, "+".join(quantity.players)] == pytest.approx(expected)


def test_shapley_values_share_out_everything() -> None:
    world = WORLDS["lens"]
    found = true_values(world, "rms", "mean")
    whole = world.value("rms", "mean", frozenset("abc")) - world.value("rms", "mean", frozenset())
    assert sum(found["shapley", site] for site in "abc") == pytest.approx(whole)


def test_the_synergy_of_a_product_is_known() -> None:
    found = true_values(WORLDS["synergistic"], "mse", "zero")
    assert found["leave_one_out", "a"] == pytest.approx(1.18)  # E[a^2 b^2] = 1 + 2 rho^2
    assert found["interaction", "a+b"] == found["leave_one_out", "a"]
