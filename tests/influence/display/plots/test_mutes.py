"""What is drawn are the omegas of the CSV under every mute, and words that the verdicts say."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from influence.display.plots.mutes import draw_mutes
from influence.errors import InfluenceError
from influence.results.verdict import verdicts
from tests.influence.display.tables.test_omega import distances
from tests.tables_of_runs import NETWORKS, influence_frame

MUTES = ("zero", "mean", "uniform", "shuffle", "noise", "optimal")
FRAME = influence_frame(mutes=MUTES)


def points(axes: Axes) -> set[tuple[float, float]]:
    """Return the points of a panel, in data coordinates."""
    found = [np.column_stack(line.get_data()) for line in axes.lines if line.get_marker() != "None"]
    return {tuple(point) for point in np.concatenate(found) if np.isfinite(point).all()}


def intervals(axes: Axes) -> set[tuple[float, float]]:
    """Return the ends of all horizontal lines of a panel."""
    segments = [s for lines in axes.collections for s in lines.get_segments()]  # type: ignore[attr-defined]
    return {tuple(segment[:, 0]) for segment in segments}


@pytest.fixture(scope="module")
def figure() -> Figure:
    return draw_mutes(FRAME)


@pytest.mark.parametrize(
    ("place", "source", "metric"), [(0, "depth", "mean_iou"), (1, "semantic", "sqr_rel")]
)
def test_points_and_intervals_are_those_of_the_file(
    figure: Figure, place: int, source: str, metric: str
) -> None:
    own = FRAME[(FRAME["source"] == source) & (FRAME["metric"] == metric)]
    axes = figure.axes[place]
    assert sorted(x for x, _ in points(axes)) == pytest.approx(sorted(100 * own["omega"]))
    expected = 100 * own[["omega_low", "omega_high"]].to_numpy()
    assert np.array(sorted(intervals(axes))) == pytest.approx(np.array(sorted(expected.tolist())))
    assert len({y for _, y in points(axes)}) == len(own)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(NETWORKS)
    for x, y in points(axes):  # a point stands in the row of its network
        network = NETWORKS[round(y)]
        assert np.isclose(100 * own.loc[own["network"] == network, "omega"], x).any()


def test_words_are_the_verdicts(figure: Figure) -> None:
    own = FRAME[(FRAME["source"] == "depth") & (FRAME["metric"] == "mean_iou")]
    said = [text.get_text().replace("\n", " ") for text in figure.axes[0].texts]
    for words, (_, judged) in zip(said, verdicts(own).iterrows(), strict=True):
        assert words.startswith(judged["verdict"])
        assert ("helps" in words) == (judged["verdict"] == "stable sign" and judged["largest"] > 0)


def test_mutes_have_an_ink_each_in_the_order_of_the_file(figure: Figure) -> None:
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == list(MUTES)
    looks = {(h.get_color(), h.get_marker()) for h in legend.legend_handles}  # type: ignore[union-attr]
    assert len(looks) == len({colour for colour, _ in looks}) == len(MUTES)


def test_a_muted_input_far_from_the_data_is_hollow() -> None:
    two = influence_frame(["a", "b"])
    figure = draw_mutes(two, distance=distances())
    hollow = [
        x
        for line in figure.axes[0].lines
        if line.get_markerfacecolor() == "white"
        for x in np.asarray(line.get_xdata())
        if np.isfinite(x)
    ]
    row = two[(two["network"] == "a") & (two["mute"] == "zero") & (two["source"] == "depth")]
    assert hollow == pytest.approx(list(100 * row.loc[row["metric"] == "mean_iou", "omega"]))
    assert figure.legends[0].texts[-1].get_text() == "hollow: far from the data"


@pytest.mark.parametrize("directions", ["cross", "all"])
def test_no_text_covers_another_or_leaves_the_page(directions: str) -> None:
    names = ["jrn-sum60", "late-fusion-of-two-encoders", "a"]
    wide = influence_frame(names, MUTES)
    wide["omega_low"] -= wide["omega"].where(wide["network"] == "jrn-sum60", 0).abs() + 0.1
    figure = draw_mutes(wide, directions=directions)  # type: ignore[arg-type]
    figure.draw_without_rendering()
    texts = [
        t for axes in figure.axes for t in (*axes.texts, *axes.get_yticklabels(), axes.xaxis.label)
    ]
    texts += figure.legends[0].texts
    boxes = [text.get_window_extent() for text in texts]
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    page = figure.bbox
    assert all(page.x0 <= b.x0 and b.x1 <= page.x1 and page.y0 <= b.y0 for b in boxes)
    for axes in figure.axes:
        drawn = axes.get_window_extent()
        assert drawn.width > 0.25 * page.width / (1 + (len(figure.axes) > 2))


def test_seeds_and_data_sets_get_rows_of_their_own() -> None:
    one = influence_frame(["a"])
    both = pd.concat([one, one.assign(seed=1), one.assign(dataset="easy")], ignore_index=True)
    labels = [label.get_text() for label in draw_mutes(both).axes[0].get_yticklabels()]
    assert labels == ["a #0\nrooms", "a #1\nrooms", "a #0\neasy"]


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(InfluenceError, match="unknown mute 'men': did you mean 'mean'"):
        draw_mutes(FRAME, mutes=["men"])
    with pytest.raises(InfluenceError, match="give directions='all'"):
        draw_mutes(FRAME[FRAME["source"] == FRAME["target"]])
    with pytest.raises(InfluenceError, match="two results for network"):
        draw_mutes(pd.concat([FRAME, FRAME]))


def test_networks_may_have_no_seed() -> None:
    influence = influence_frame()
    seedless = influence.assign(seed=pd.array([pd.NA] * len(influence), dtype="Int64"))
    with_seed, without = draw_mutes(influence), draw_mutes(seedless)
    for first, second in zip(with_seed.axes, without.axes, strict=True):
        assert [t.get_text() for t in first.texts] == [t.get_text() for t in second.texts]
