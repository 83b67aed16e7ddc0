"""Means: one row a network, the mean of its trainings or the only one that there is."""

from __future__ import annotations

import pandas as pd
import pytest

from experiments.publishing.studies import (
    by_design,
    depth_words,
    design_of,
    in_order,
    ink_of,
    label_of,
    mean_influence,
    mean_performance,
)
from influence.display.plots.style import Ink
from tests.experiments.publishing.sweep_tables import (
    ALONE,
    SEEDED,
    influence_table,
    performance_seeds,
    performance_table,
    seeds_table,
)

ORDER = ["jrn-sum60", "jrn-sum60-crossfit", "jrn-cat1", "jrn-cat1-crossfit", "jrn-sum10"]


def test_omegas_are_means_of_the_trainings_with_their_interval() -> None:
    influence, seeds = influence_table(), seeds_table()
    means = mean_influence(influence, seeds)
    assert list(dict.fromkeys(means["network"])) == ORDER
    keys = ["network", "mute", "source", "metric", "level"]
    assert not means.duplicated(keys).any()
    expected = influence.groupby(keys)["omega"].mean()
    assert means.set_index(keys)["omega"].to_dict() == pytest.approx(expected.to_dict())
    several = means[means["network"].isin(SEEDED)]
    lows = seeds.set_index(keys)["low"]
    assert several.set_index(keys)["omega_low"].to_dict() == pytest.approx(
        lows[lows.notna()].to_dict()
    )


def test_a_single_training_keeps_its_interval_by_images() -> None:
    influence = influence_table()
    means = mean_influence(influence, seeds_table())
    one = means[means["network"].isin(ALONE)].reset_index(drop=True)
    own = influence[influence["network"].isin(ALONE)].reset_index(drop=True)
    for column in ("omega", "omega_low", "omega_high"):
        assert list(one[column]) == list(own[column])
    assert means["seed"].isna().all()


def test_performances_are_those_with_nothing_muted() -> None:
    performance = performance_table()
    means = mean_performance(performance, performance_seeds())
    keys = ["network", "metric", "level"]
    assert not means.duplicated(keys).any()
    full = performance[performance["mute"] == "none"]
    assert means.set_index(keys)["value"].to_dict() == pytest.approx(
        full.groupby(keys)["value"].mean().to_dict()
    )
    assert means["low"].notna().all()


def test_a_cross_fitted_network_is_of_its_design() -> None:
    assert design_of("jrn-cat60-crossfit") == "jrn-cat60"
    assert ink_of("jrn-cat60-crossfit") == Ink(colour="#0173b2", marker="o", filled=False)
    assert label_of("jrn-cat60-crossfit") == "cat60 cross-fitted"
    assert label_of("jrn-cat60") == "cat60"
    frame = pd.DataFrame({"network": ["jrn-sum1", "jrn-cat1-crossfit", "jrn-cat1"]})
    assert by_design(frame)["network"].tolist() == ["jrn-cat1", "jrn-cat1-crossfit", "jrn-sum1"]


def test_bins_of_depth_are_named_with_their_unit() -> None:
    words = depth_words(pd.Series(["all", "depth:2-4", "depth:4-inf"]))
    assert words == {"depth:2-4": "depth 2–4 m", "depth:4-inf": "depth over 4 m"}


def test_networks_are_in_the_order_of_table_1_and_others_follow() -> None:
    frame = in_order(pd.DataFrame({"network": ["jrn-cat1", "mine", "jrn-cat60"]}))
    assert frame["network"].tolist() == ["jrn-cat60", "jrn-cat1", "mine"]
