"""Rows of points: what they are called, and how far an axis reaches."""

from __future__ import annotations

import re
from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from influence.display.plots import PLOTS, drawing_of
from influence.display.plots.rows import (
    draw_intervals,
    drawable,
    name_rows,
    row_panels,
    view_limits,
)
from influence.display.plots.style import COLUMN_WIDTH, Ink, save_figure
from influence.errors import InfluenceError
from tests.tables_of_runs import (
    influence_frame,
    interactions_frame,
    performance_frame,
    seeds_frame,
)


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


def test_numbers_that_an_axis_cannot_hold_are_refused_or_zero() -> None:
    numbers = pd.Series([5e-324, -1e-200, 0.5, np.nan, np.inf])
    assert drawable(numbers).tolist()[:3] == [0.0, 0.0, 0.5]
    assert drawable(numbers)[4] == np.inf
    with pytest.raises(InfluenceError, match=r"at most 1e\+100 to draw, got 1e\+308"):
        drawable(pd.Series([-1e308, 0.0]))
    with pytest.raises(InfluenceError, match=r"got 1e\+308"):
        drawable(pd.DataFrame({"low": [-1e308], "high": [1.0]}))


@pytest.mark.parametrize("kind", PLOTS)
@pytest.mark.parametrize(
    "name", ["n" * 300, "a\x1b[31m\u202e", "$x^$ \\alpha", "中文 👩", "a b " * 90]
)
def test_every_plot_draws_every_name(tmp_path: Path, kind: str, name: str) -> None:
    names = {"jrn-cat1": name, "depth": name, "zero": name, "rooms": name, "floor": name}
    draw = drawing_of(kind)
    frames = {
        "influence": influence_frame(["jrn-cat1"]),
        "performance": performance_frame(["jrn-cat1"]),
        "interactions": interactions_frame(["jrn-cat1"]),
        "seeds": seeds_frame(["jrn-cat1"]),
    }
    frames["influence"] = pd.concat(
        [frames["influence"], frames["influence"].assign(level="class:floor")]
    )
    takes = signature(draw).parameters
    figure = draw(**{key: frame.replace(names) for key, frame in frames.items() if key in takes})
    save_figure(figure, tmp_path / "figure.png")
    for text in figure.findobj(Text):
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", text.get_text())
        assert len(text.get_text()) < 250


@pytest.mark.parametrize("kind", PLOTS)
def test_every_plot_draws_an_omega_next_to_zero(tmp_path: Path, kind: str) -> None:
    draw = drawing_of(kind)
    tiny = dict.fromkeys(("omega", "omega_low", "omega_high", "value", "low", "high"), 5e-324)
    made = (influence_frame(), performance_frame(), interactions_frame(), seeds_frame())
    frames = dict(zip(("influence", "performance", "interactions", "seeds"), made, strict=True))
    frames["influence"] = pd.concat(
        [frames["influence"], frames["influence"].assign(level="class:floor")]
    )
    takes = signature(draw).parameters
    given = {
        key: frame.assign(**{name: size for name, size in tiny.items() if name in frame})
        for key, frame in frames.items()
        if key in takes
    }
    save_figure(draw(**given), tmp_path / "figure.png")
