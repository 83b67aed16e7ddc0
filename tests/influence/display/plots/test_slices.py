"""Slices: one row a level, the whole first, with the omegas of the file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from influence.display.plots.slices import draw_slices
from influence.display.plots.style import inks
from influence.errors import InfluenceError
from tests.influence.display.plots.artists import crowded, intervals, points
from tests.tables_of_runs import NETWORKS, influence_frame

LEVELS = ("class:floor", "class:bed", "depth:0-2")


def sliced() -> pd.DataFrame:
    """Return omegas at three levels besides the whole, each another multiple of it."""
    whole = influence_frame()
    numbers = ["omega", "omega_low", "omega_high"]
    parts = [
        whole.assign(level=level, **{name: whole[name] * factor for name in numbers})
        for factor, level in enumerate(LEVELS, start=2)
    ]
    return pd.concat([whole, *parts], ignore_index=True)


def test_rows_are_the_whole_and_the_slices_with_their_omegas() -> None:
    frame = sliced()
    figure = draw_slices(frame, mute="mean")
    for axes, (source, metric) in zip(
        figure.axes, [("depth", "mean_iou"), ("semantic", "sqr_rel")], strict=True
    ):
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert labels == ["all", "floor", "bed", "depth: 0-2"]
        own = frame[
            (frame["mute"] == "mean") & (frame["source"] == source) & (frame["metric"] == metric)
        ]
        assert sorted(x for x, _ in points(axes)) == pytest.approx(sorted(100 * own["omega"]))
        ends = sorted(map(tuple, 100 * own[["omega_low", "omega_high"]].to_numpy()))
        assert np.array(sorted(intervals(axes))) == pytest.approx(np.array(ends))
        for x, y in points(axes):
            of_row = own[own["level"] == ("all", *LEVELS)[round(y)]]
            assert np.isclose(100 * of_row["omega"], x).any()


def test_a_pattern_chooses_levels() -> None:
    figure = draw_slices(sliced(), level="depth:*", words={"depth:0-2": "0–2 m"})
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["all", "0–2 m"]
    with pytest.raises(InfluenceError, match=r"unknown level 'region:\*'"):
        draw_slices(sliced(), level="region:*")


def test_networks_keep_their_ink_and_are_in_the_legend() -> None:
    given = dict(reversed(inks(NETWORKS).items()))
    figure = draw_slices(sliced(), ink_of=given)
    (legend,) = figure.legends
    shown = zip([t.get_text() for t in legend.texts], legend.legend_handles, strict=True)
    looks = {name: to_hex(handle.get_color()) for name, handle in shown}  # type: ignore[union-attr]
    assert looks == {network: ink.colour for network, ink in given.items()}


def test_all_directions_stand_in_two_columns_without_covering_each_other() -> None:
    figure = draw_slices(sliced(), directions="all")
    assert len(figure.axes) == 4
    assert not crowded(figure)


def test_seeds_of_one_network_share_the_ink_that_is_given_for_it() -> None:
    one = sliced().query("network == 'jrn-cat1'")
    both = pd.concat([one, one.assign(seed=1)], ignore_index=True)
    figure = draw_slices(both, ink_of=inks(["jrn-cat1"]))
    assert [t.get_text() for t in figure.legends[0].texts] == ["jrn-cat1 #0", "jrn-cat1 #1"]


def test_a_result_that_is_there_twice_is_refused() -> None:
    influence = influence_frame().assign(level="class:wall")
    with pytest.raises(InfluenceError, match=r"two results .* level class:wall\). Give each run"):
        draw_slices(pd.concat([influence, influence]))
