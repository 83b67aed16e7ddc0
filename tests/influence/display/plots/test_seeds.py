"""Seeds: each training a tick, their mean a point with its interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from influence.analysis.estimates import estimate_table
from influence.analysis.seeds import aggregate_seeds
from influence.display.plots.seeds import draw_seeds
from influence.errors import InfluenceError
from tests.influence.display.plots.artists import crowded, intervals, points
from tests.tables_of_runs import influence_frame

NAMES = ("a", "b")


def trainings() -> pd.DataFrame:
    """Return three seeds of two networks, which differ."""
    one = influence_frame(NAMES)
    columns = ["omega", "omega_low", "omega_high"]
    parts = [
        one.assign(seed=seed, **{name: one[name] + 0.01 * (seed - 1) for name in columns})
        for seed in range(3)
    ]
    return pd.concat(parts, ignore_index=True)


def test_ticks_are_the_seeds_and_points_their_means() -> None:
    frame = trainings()
    means = aggregate_seeds(estimate_table(frame))
    figure = draw_seeds(frame, means, mute="mean")
    for axes, (source, metric) in zip(
        figure.axes, [("depth", "mean_iou"), ("semantic", "sqr_rel")], strict=True
    ):
        chosen = (frame["mute"] == "mean") & (frame["source"] == source)
        own = frame[chosen & (frame["metric"] == metric)]
        ticks = np.concatenate(
            [line.get_xdata() for line in axes.lines if line.get_marker() == "|"]
        )
        assert sorted(ticks) == pytest.approx(sorted(100 * own["omega"]))
        by_network = own.groupby("network", sort=False)["omega"].mean()
        for (x, y), (network, omega) in zip(points(axes), by_network.items(), strict=True):
            assert x == pytest.approx(100 * omega)
            assert NAMES[round(y)] == network
        mean = means[(means["mute"] == "mean") & (means["source"] == source)]
        mean = mean[mean["metric"] == metric]
        ends = 100 * mean[["low", "high"]].to_numpy()
        assert np.array(intervals(axes)) == pytest.approx(ends)
        left, right = axes.get_xlim()
        assert left < min(0, *ticks) < max(ticks) < right


def test_one_seed_has_a_mean_without_an_interval() -> None:
    frame = trainings().query("seed == 0")
    figure = draw_seeds(frame, aggregate_seeds(estimate_table(frame)))
    assert len(points(figure.axes[0])) == len(NAMES)
    assert intervals(figure.axes[0]) == []


def test_several_data_sets_are_named_and_texts_have_room() -> None:
    frame = pd.concat([trainings(), trainings().assign(dataset="nyuv2")], ignore_index=True)
    figure = draw_seeds(frame, aggregate_seeds(estimate_table(frame)), directions="all")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["a\nrooms", "b\nrooms", "a\nnyuv2", "b\nnyuv2"]
    assert not crowded(figure)


def test_an_unknown_mute_is_refused() -> None:
    frame = trainings()
    with pytest.raises(InfluenceError, match="unknown mute 'men'"):
        draw_seeds(frame, aggregate_seeds(estimate_table(frame)), mute="men")
