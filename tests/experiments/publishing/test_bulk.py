"""The bulk: a few far points do not press the others together, and are still told."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.publishing.bulk import in_bulk, pin_outside, set_view, value_outside
from influence.plots.style import Ink


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
