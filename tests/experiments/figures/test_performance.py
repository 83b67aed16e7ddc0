"""Figs. 7 and 8: points are what was printed and measured, and lines the fits through them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from experiments.figures.performance import (
    draw_figure7,
    draw_figure8,
    in_bulk,
    pin_outside,
    set_view,
    value_outside,
)
from experiments.publishing.studies import ink_of, mean_influence, mean_performance, read_study
from influence.display.plots.style import Ink
from tests.experiments.publishing.sweep_tables import (
    SEEDED,
    fits,
    influence_table,
    performance_seeds,
    performance_table,
    published_study,
    seeds_table,
    write_sweep_tables,
)
from tests.influence.display.plots.artists import crowded

INFLUENCE = mean_influence(influence_table(), seeds_table())
PERFORMANCE = mean_performance(performance_table(), performance_seeds())


@pytest.fixture(scope="module")
def figure() -> Figure:
    return draw_figure7(published_study(), INFLUENCE, PERFORMANCE)


def looks(axes: Axes) -> list[tuple[float, float, str, bool]]:
    """Return x, y, colour and whether it is filled of each point."""
    return [
        (float(x), float(y), to_hex(line.get_color()), line.get_markerfacecolor() != "white")
        for line in axes.lines
        if line.get_linestyle() == "None"
        for x, y in np.asarray(line.get_xydata())
    ]


def test_columns_are_published_and_the_mutes(figure: Figure) -> None:
    titles = [axes.get_title() for axes in figure.axes[:3]]
    assert titles == ["published", "measured, mute: zero", "measured, mute: shuffle"]
    assert len(figure.axes) == 6
    for axes in figure.axes:
        assert axes.get_xlabel().replace("\n", " ") in (
            "ω(depth → semantic), percentage points",
            "ω(semantic → depth), 100·rel(sqr)",
        )


def test_published_points_are_the_printed_numbers(figure: Figure) -> None:
    found = {colour: (x, y) for x, y, colour, _ in looks(figure.axes[0])}
    assert found[ink_of("jrn-cat1").colour] == pytest.approx((7.59, 53.989))
    assert found[ink_of("jrn-cat60").colour] == pytest.approx((0.94, 54.206))
    below = {colour: (x, y) for x, y, colour, _ in looks(figure.axes[3])}
    assert below[ink_of("jrn-sum60").colour] == pytest.approx((1.11, -12.3))


def test_measured_points_are_the_means_of_the_papers_designs(figure: Figure) -> None:
    shown = INFLUENCE.query(
        "mute == 'shuffle' and metric == 'mean_iou' and source == 'depth' and level == 'all'"
    ).set_index("network")["omega"]
    full = PERFORMANCE.query("metric == 'mean_iou' and level == 'all'")
    values = full.set_index("network")["value"]
    found = {(colour, filled): (x, y) for x, y, colour, filled in looks(figure.axes[2])}
    assert len(found) == len(SEEDED)
    for network in SEEDED:
        ink = ink_of(network)
        expected = (100 * shown[network], 100 * values[network])
        assert found[ink.colour, ink.filled] == pytest.approx(expected)


def test_one_name_a_design_is_written_and_nothing_is_covered(figure: Figure) -> None:
    assert {text.get_text() for text in figure.axes[1].texts} == {"sum60", "cat1"}
    assert not crowded(figure)


def _points(x: list[float], y: list[float]) -> pd.DataFrame:
    frame = pd.DataFrame({"x": x, "y": y}).assign(network=[f"n{i}" for i in range(len(x))])
    ends = {f"{name}_{end}": frame[name] for name in "xy" for end in ("low", "high")}
    return frame.assign(**ends)


def test_even_values_are_one_bulk_and_so_are_few() -> None:
    assert in_bulk(np.linspace(0, 1, 20)).all()
    assert in_bulk([0.0, 0.1, 0.2, 50.0]).all()


def test_two_far_values_of_ten_are_found_together() -> None:
    values = np.append(np.linspace(56, 57, 8), [30.0, 37.0])
    assert in_bulk(values).tolist() == [True] * 8 + [False] * 2


def test_three_of_ten_are_too_many_to_be_left_out() -> None:
    assert in_bulk(np.append(np.linspace(56, 57, 7), [30.0, 37.0, 31.0])).all()


def test_a_far_point_is_pinned_to_the_edge_and_its_place_is_said() -> None:
    points = _points([*np.linspace(1, 2, 9), 1.5], [*np.linspace(56, 57, 9), 40.0])
    axes = Figure().subplots()
    shown = set_view(axes, points)
    bottom, top = axes.get_ylim()
    assert 55 < bottom < 56 < 57 < top
    assert axes.get_xlim()[0] < 0  # zero is on the axis of omega
    assert shown["outside"].tolist() == [""] * 9 + ["v"]
    assert shown["y"].iloc[-1] == bottom
    assert value_outside(points, shown).tolist() == [""] * 9 + [" (1.5, 40.0)"]
    pin_outside(axes, shown, dict.fromkeys(points["network"], Ink("black", "o")))
    (pin,) = axes.lines
    assert pin.get_marker() == "v"
    assert pin.get_xydata().tolist() == [[1.5, bottom]]  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def figure8(tmp_path_factory: pytest.TempPathFactory) -> Figure:
    study = read_study(write_sweep_tables(tmp_path_factory.mktemp("sweep")))
    curves, hull = fits()
    return draw_figure8(published_study(), study, curves, hull, mute="shuffle")


def test_every_training_is_a_point_in_the_panel_of_its_condition(figure8: Figure) -> None:
    frame = influence_table().query(
        "mute == 'shuffle' and metric == 'mean_iou' and source == 'depth' and level == 'all'"
    )
    crossed = frame["network"].str.endswith("-crossfit")
    for axes, own in zip(figure8.axes[1:3], (frame[~crossed], frame[crossed]), strict=True):
        lines = [line for line in axes.lines if line.get_linestyle() == "None"]
        x = np.concatenate([np.asarray(line.get_xdata()) for line in lines])
        assert sorted(x) == pytest.approx(sorted(100 * own["omega"]))
    assert len([line for line in figure8.axes[0].lines if line.get_linestyle() == "None"]) == 5


def test_lines_are_the_linear_and_the_concave_fit_over_all_images(figure8: Figure) -> None:
    for axes in figure8.axes:
        drawn = {
            str(line.get_linestyle()): np.asarray(line.get_xydata()).tolist()
            for line in axes.lines
            if line.get_linestyle() in ("--", "-")
        }
        x = np.linspace(0, 4, 5)
        assert drawn["--"] == np.column_stack([x, 0.5 * x]).tolist()
        assert drawn["-"] == np.column_stack([x, -0.25 * x]).tolist()
        bands = [band.get_paths()[0].get_extents() for band in axes.collections]
        assert [(band.y0, band.y1) for band in bands] == [(-1, 3), (-2, 1)]


def test_other_designs_are_named_and_the_papers_are_in_the_legend(figure8: Figure) -> None:
    assert [text.get_text() for text in figure8.axes[1].texts] == ["sum10"]
    legend = [text.get_text() for text in figure8.legends[0].texts]
    assert legend[:2] == ["cat60 (loose)", "sum60 (coupled)"]
    assert {"linear fit", "concave fit", "upper hull"} <= set(legend)
    assert not crowded(figure8)


def test_points_lie_inside_however_far_a_fit_goes(figure8: Figure) -> None:
    for axes in figure8.axes:
        for line in axes.lines:
            if line.get_linestyle() == "None":
                x, y = np.asarray(line.get_xydata()).T
                assert axes.get_xlim()[0] < x.min() <= x.max() < axes.get_xlim()[1]
                assert axes.get_ylim()[0] < y.min() <= y.max() < axes.get_ylim()[1]


def test_the_one_far_value_of_eight_is_found() -> None:
    found = in_bulk([1.0, 2.0, 2.0, 1.5, 1.2, 1.4, 50.0, 1.0])
    assert found.tolist() == [True] * 6 + [False, True]
