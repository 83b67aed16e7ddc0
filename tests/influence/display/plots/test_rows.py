"""Rows of points: what they are called, and how far an axis reaches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from influence.display.plots.rows import (
    draw_intervals,
    name_rows,
    row_panels,
    view_limits,
)
from influence.display.plots.style import COLUMN_WIDTH, Ink


def test_an_axis_holds_all_values_zero_and_ordinary_intervals() -> None:
    low, high = view_limits([2.0, 3.0, 4.0], [1.8, 2.7, 3.8], [2.2, 3.3, 4.2])
    assert low < 0
    assert high > 4.2
    assert view_limits([2.0, 3.0], [1.8, 2.7], [2.2, 3.3], zero=False)[0] > 1


def test_one_very_long_interval_does_not_set_the_axis() -> None:
    values, short = np.arange(5.0), np.full(5, 0.2)
    reach = short.copy()
    reach[2] = 100
    assert view_limits(values, values - reach, values + reach)[1] < 7


def test_values_without_intervals_or_range_have_limits() -> None:
    nothing = [float("nan")] * 2
    assert view_limits([1.0, 2.0], nothing, nothing) == pytest.approx((-0.1, 2.1))
    low, high = view_limits([0.0, 0.0], nothing, nothing)
    assert low < 0 < high


def test_names_break_at_spaces_before_hyphens() -> None:
    axes = Figure().subplots()
    name_rows(axes, ["cat60 cross-fitted", "late-fusion-of-two-encoders", "short"])
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["cat60\ncross-fitted", "late-fusion-of-\ntwo-encoders", "short"]
    bottom, top = axes.get_ylim()
    assert bottom > top  # the first on top


def test_a_hollow_ink_is_white_inside() -> None:
    axes = Figure().subplots()
    frame = pd.DataFrame({"x": [1.0], "x_low": [0.0], "x_high": [2.0], "y": [0]})
    draw_intervals(axes, frame, Ink("#0173b2", "o", filled=False))
    (line,) = axes.lines
    assert (line.get_color(), line.get_markerfacecolor()) == ("#0173b2", "white")


@pytest.mark.parametrize(
    ("heights", "columns"), [([1.0], 1), ([1.0, 2.0], 1), ([5.0, 5.0], 2), ([1.0] * 3, 2)]
)
def test_panels_stand_in_one_column_of_a_paper_or_in_two(
    heights: list[float], columns: int
) -> None:
    figure, grid = row_panels(heights)
    assert len(grid) == len(figure.axes) == len(heights)
    assert figure.get_size_inches()[0] == pytest.approx(columns * COLUMN_WIDTH)


def test_what_is_infinite_runs_out_of_the_panel() -> None:
    finite = view_limits([1.0, 2.0], [0.5, 1.5], [1.5, np.nan])
    assert view_limits([1.0, 2.0], [0.5, 1.5], [1.5, np.inf]) == finite
    assert np.isfinite(view_limits([np.inf], [-np.inf], [np.inf])).all()
