"""What is drawn, asked of the artists: points, intervals, envelope, colours, labels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from influence.display.plots.performance import draw_performance, performance_panels, upper_envelope
from influence.display.plots.style import Ink, inks, save_figure
from influence.errors import InfluenceError
from tests.tables_of_runs import NETWORKS, influence_frame, performance_frame

GROUPS = {
    "jrn-cat1": "coupled",
    "jrn-cat10": "loose",
    "jrn-cat5": "coupled",
    "jrn-cat60": "loose",
    "jrn-sum60": "coupled",
}


@pytest.fixture(scope="module")
def figure() -> Figure:
    return draw_performance(influence_frame(), performance_frame(), groups=GROUPS)


def _panel(figure: Figure, name: str) -> Axes:
    (found,) = [axes for axes in figure.axes if name in axes.get_xlabel()]
    return found


def _xy(line: Line2D) -> NDArray[np.float64]:
    return np.asarray(line.get_xydata(), dtype=np.float64)


def _drawn(axes: Axes) -> dict[str, tuple[float, float, str]]:
    """Return the points of a panel by the name that is written beside them."""
    points = [
        (float(x), float(y), to_hex(line.get_color()))
        for line in axes.lines
        if line.get_linestyle() == "None"
        for x, y in _xy(line)
    ]
    names = {text.xy: text.get_text() for text in axes.texts if isinstance(text, Annotation)}
    return {names[x, y]: (x, y, colour) for x, y, colour in points}


def _expected(source: str, metric: str) -> Iterator[tuple[str, pd.Series, pd.Series]]:
    influence = influence_frame().query(
        "mute == 'zero' and source == @source and metric == @metric"
    )
    performance = performance_frame().query(
        "setup == 'depth+semantic' and metric == @metric and level == 'all'"
    )
    for network in NETWORKS:
        yield (
            network,
            influence[influence["network"] == network].iloc[0],
            performance[performance["network"] == network].iloc[0],
        )


def test_there_is_a_panel_for_each_cross_direction_and_a_name_for_each_network(
    figure: Figure,
) -> None:
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "ω(depth → semantic), percentage points",
        "ω(semantic → depth), 100·rel(sqr)",
    ]
    assert [axes.get_ylabel() for axes in figure.axes] == ["mean IoU, %", "−100·rel(sqr)"]
    for axes in figure.axes:
        assert [text.get_text() for text in axes.texts] == list(NETWORKS)


def test_points_are_omega_and_performance_a_hundredfold(figure: Figure) -> None:
    drawn = _drawn(_panel(figure, "depth → semantic"))
    for network, influence, performance in _expected("depth", "mean_iou"):
        assert drawn[network][:2] == pytest.approx(
            (100 * influence["omega"], 100 * performance["value"])
        )


def test_an_error_is_turned_so_that_up_is_better(figure: Figure) -> None:
    drawn = _drawn(_panel(figure, "semantic → depth"))
    for network, influence, performance in _expected("semantic", "sqr_rel"):
        assert drawn[network][:2] == pytest.approx(
            (100 * influence["omega"], -100 * performance["value"])
        )


def test_intervals_reach_from_low_to_high_on_both_axes(figure: Figure) -> None:
    level, upright = (
        np.array(lines.get_segments())
        for lines in _panel(figure, "semantic → depth").collections
        if isinstance(lines, LineCollection)
    )
    for place, (_, influence, performance) in enumerate(_expected("semantic", "sqr_rel")):
        y = -100 * performance["value"]
        assert level[place] == pytest.approx(
            np.array([[100 * influence["omega_low"], y], [100 * influence["omega_high"], y]])
        )
        x = 100 * influence["omega"]
        assert upright[place] == pytest.approx(  # the high error is the low end
            np.array([[x, -100 * performance["high"]], [x, -100 * performance["low"]]])
        )


def test_an_interval_that_does_not_hold_its_estimate_is_drawn_where_it_is() -> None:
    influence = influence_frame(["a"], ["zero"])
    influence["omega_low"] = influence["omega"] + 0.1
    influence["omega_high"] = influence["omega"] + 0.2
    figure = draw_performance(influence, performance_frame(["a"], ["zero"]))
    axes = figure.axes[0]
    ((start, _), (end, _)) = axes.collections[0].get_segments()[0]  # type: ignore[attr-defined]
    x = _drawn(axes)["a"][0]
    assert (start - x, end - x) == pytest.approx((10, 20))


def test_each_group_has_its_colour_and_its_place_in_the_legend(figure: Figure) -> None:
    (legend,) = figure.legends
    shown = dict(
        zip([text.get_text() for text in legend.texts], legend.legend_handles, strict=True)
    )
    assert list(shown) == ["coupled", "loose", "upper concave envelope"]
    expected = {group: ink.colour for group, ink in inks(GROUPS.values()).items()}
    assert len(set(expected.values())) == 2
    for axes in figure.axes:
        for network, (_, _, colour) in _drawn(axes).items():
            assert colour == expected[GROUPS[network]]


def test_the_envelope_lies_on_or_above_every_point(figure: Figure) -> None:
    for axes in figure.axes:
        points = np.array([(x, y) for x, y, _ in _drawn(axes).values()])
        curve = _xy(axes.lines[1])
        np.testing.assert_allclose(curve, upper_envelope(*points.T))
        assert (np.interp(points[:, 0], *curve.T) >= points[:, 1] - 1e-9).all()


def test_zero_is_marked_and_in_view(figure: Figure) -> None:
    for axes in figure.axes:
        assert list(_xy(axes.lines[0])[:, 0]) == [0, 0]
        assert axes.get_xlim()[0] <= 0 <= axes.get_xlim()[1]


def test_the_heading_says_data_n_mute_and_confidence(figure: Figure) -> None:
    assert figure.get_suptitle() == "rooms: n = 120; mute: zero; 95% intervals"


def test_it_fits_a_column_of_a_paper(figure: Figure) -> None:
    assert figure.get_size_inches()[0] == pytest.approx(3.3)
    extent = figure.get_tightbbox()
    assert extent.x0 >= 0
    assert extent.x1 <= 3.3


def test_all_directions_mute_metric_and_level_can_be_chosen() -> None:
    figure = draw_performance(
        influence_frame(), performance_frame(), directions="all", mute="mean", metric=["rms"]
    )
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "ω(depth → depth), m",
        "ω(semantic → depth), m",
    ]
    assert "mute: mean" in figure.get_suptitle()
    assert [text.get_text() for text in figure.legends[0].texts] == ["upper concave envelope"]


def test_numbers_without_intervals_are_points_alone(tmp_path: Path) -> None:
    ends = ["omega_low", "omega_high", "confidence"]
    figure = draw_performance(
        influence_frame().assign(**dict.fromkeys(ends, float("nan"))),
        performance_frame().assign(low=float("nan"), high=float("nan")),
    )
    save_figure(figure, tmp_path / "figure.png")
    assert len(_drawn(figure.axes[0])) == len(NETWORKS)
    assert "interval" not in figure.get_suptitle()


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_hostile_names_are_drawn_as_they_are(tmp_path: Path, suffix: str) -> None:
    names = ["<script>", "$\\frac{1$", "x_y & 50%", "_hidden"]
    figure = draw_performance(
        influence_frame(names), performance_frame(names), groups={names[3]: "_g", names[0]: "$g$"}
    )
    save_figure(figure, tmp_path / f"figure.{suffix}")
    assert [text.get_text() for text in figure.axes[0].texts] == names
    assert b"<script>" not in (tmp_path / f"figure.{suffix}").read_bytes()


def test_an_unknown_network_in_the_groups_is_refused() -> None:
    with pytest.raises(InfluenceError, match="unknown network 'jrn-cat2': did you mean"):
        draw_performance(influence_frame(), performance_frame(), groups={"jrn-cat2": "loose"})


def test_tables_of_different_runs_are_refused() -> None:
    with pytest.raises(InfluenceError, match="expected the performance of network 'jrn-cat1'"):
        draw_performance(influence_frame(), performance_frame(["other"]))


def test_no_cross_direction_is_an_error_that_says_what_to_do() -> None:
    own = influence_frame().query("source == target")
    with pytest.raises(InfluenceError, match="give directions='all'"):
        performance_panels(own, performance_frame(), mute="zero")


def test_networks_with_inks_of_their_own_share_a_marker_by_group() -> None:
    markers = {"loose": "o", "coupled": "s"}
    own = {
        network: Ink(ink.colour, markers[GROUPS[network]], filled=network != "jrn-cat1")
        for network, ink in inks(NETWORKS).items()
    }
    figure = draw_performance(influence_frame(), performance_frame(), groups=GROUPS, ink_of=own)
    colours = {name: colour for name, (_, _, colour) in _drawn(figure.axes[0]).items()}
    assert colours == {network: ink.colour for network, ink in own.items()}
    shown = dict(
        zip(
            [text.get_text() for text in figure.legends[0].texts],
            [handle.get_marker() for handle in figure.legends[0].legend_handles],  # type: ignore[union-attr]
            strict=True,
        )
    )
    assert {name: shown[name] for name in markers} == markers
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert [to_hex(line.get_color()) for line in hollow] == [own["jrn-cat1"].colour]


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_upper_part_of_the_convex_hull_of_scipy(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(12, 2))
    corners = points[ConvexHull(points).vertices]
    left, right = corners[corners[:, 0].argmin()], corners[corners[:, 0].argmax()]
    chord = left[1] + (corners[:, 0] - left[0]) / (right[0] - left[0]) * (right[1] - left[1])
    upper = corners[corners[:, 1] >= chord - 1e-12]
    np.testing.assert_allclose(
        upper_envelope(*points.T), upper[upper[:, 0].argsort()], rtol=0, atol=1e-12
    )


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=9))
def test_its_height_is_that_of_the_highest_chord(points: list[tuple[int, int]]) -> None:
    envelope = upper_envelope(*zip(*points, strict=True))
    for x in {x for x, _ in points}:
        chords = [
            a[1] + (x - a[0]) / (b[0] - a[0]) * (b[1] - a[1])
            for a, b in combinations(sorted(points), 2)
            if a[0] < b[0] and a[0] <= x <= b[0]
        ]
        height = max([*chords, *(y for at, y in points if at == x)])
        assert np.interp(x, *envelope.T) == pytest.approx(height, abs=1e-12)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=9))
def test_it_is_strictly_concave_and_runs_from_left_to_right(points: list[tuple[int, int]]) -> None:
    steps = np.diff(upper_envelope(*zip(*points, strict=True)), axis=0)
    assert (steps[:, 0] > 0).all()
    assert (np.diff(steps[:, 1] / steps[:, 0]) < 0).all()


def test_points_that_are_not_numbers_are_left_out() -> None:
    assert upper_envelope([0, 1, 2], [0, np.nan, 0]).tolist() == [[0, 0], [2, 0]]
    assert upper_envelope([], []).shape == (0, 2)
