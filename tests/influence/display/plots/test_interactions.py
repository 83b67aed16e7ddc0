"""Interactions: a panel for each source and pair, with the values and intervals of the file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from influence.display.plots.interactions import draw_interactions
from influence.display.plots.style import modality_inks
from influence.errors import InfluenceError
from tests.influence.display.plots.artists import crowded, intervals, points
from tests.tables_of_runs import NETWORKS, interactions_frame

FRAME = interactions_frame(mutes=("zero", "shuffle"))
PLAYERS = ["depth", "rgb", "sound", "depth+rgb", "depth+sound", "rgb+sound"]


def test_each_source_and_pair_has_a_panel_of_its_values() -> None:
    figure = draw_interactions(FRAME, mute="shuffle")
    shown = FRAME[FRAME["mute"] == "shuffle"]
    titles = [players.replace("+", " + ") for players in PLAYERS]
    assert [axes.get_title() for axes in figure.axes] == titles * 2
    for place, axes in enumerate(figure.axes):
        metric = "sqr_rel" if place < len(PLAYERS) else "mean_iou"
        own = shown[
            (shown["metric"] == metric) & (shown["players"] == PLAYERS[place % len(PLAYERS)])
        ]
        assert sorted(x for x, _ in points(axes)) == pytest.approx(sorted(100 * own["value"]))
        ends = sorted(map(tuple, 100 * own[["low", "high"]].to_numpy()))
        assert np.array(sorted(intervals(axes))) == pytest.approx(np.array(ends))
        for x, y in points(axes):  # a point stands in the row of its network
            of_row = own[own["network"] == NETWORKS[round(y)]]
            assert np.isclose(100 * of_row["value"], x).any()


def test_a_source_has_the_colour_of_its_modality() -> None:
    figure = draw_interactions(FRAME)
    inks = modality_inks(["depth", "rgb", "sound"])
    for axes in figure.axes:
        colours = {line.get_color() for line in axes.lines if line.get_marker() != "None"}
        title = axes.get_title()
        assert colours == {inks[title].colour if title in inks else "0.3"}


def test_axes_have_units_and_texts_have_room() -> None:
    figure = draw_interactions(FRAME)
    assert figure.axes[0].get_xlabel() == "→ depth, 100·rel(sqr)"
    assert figure.axes[-1].get_xlabel() == "→ semantic, percentage points"
    assert not crowded(figure)


def test_unknown_kinds_and_mutes_are_refused() -> None:
    with pytest.raises(InfluenceError, match="unknown kind of interaction 'owen'"):
        draw_interactions(FRAME.assign(kind="owen"))
    with pytest.raises(InfluenceError, match="unknown mute 'noise'"):
        draw_interactions(FRAME, mute="noise")


def test_seeds_have_rows_of_their_own() -> None:
    one = interactions_frame(["a"])
    figure = draw_interactions(pd.concat([one, one.assign(seed=1)], ignore_index=True))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["a #0", "a #1"]


def test_a_result_that_is_there_twice_is_refused() -> None:
    interactions = interactions_frame()
    with pytest.raises(InfluenceError, match=r"two results .* players depth\). Give each run once"):
        draw_interactions(pd.concat([interactions, interactions]))
