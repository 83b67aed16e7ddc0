"""The matrix: every omega in its cell, in the colour of its size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from influence.display.plots.matrix import draw_matrix
from influence.errors import InfluenceError
from tests.influence.display.plots.artists import crowded
from tests.tables_of_runs import NETWORKS, influence_frame


def test_every_cell_holds_the_omega_of_the_file() -> None:
    frame = influence_frame()
    figure = draw_matrix(frame, mute="mean")
    cells = figure.axes[:2]
    assert [axes.get_title() for axes in cells] == ["→ depth", "→ semantic"]
    assert [label.get_text() for label in cells[0].get_yticklabels()] == list(NETWORKS)
    for axes, metric in zip(cells, ("sqr_rel", "mean_iou"), strict=True):
        sources = [label.get_text() for label in axes.get_xticklabels()]
        assert sources == ["depth", "semantic"]
        drawn = axes.images[0].get_array()
        own = frame[(frame["mute"] == "mean") & (frame["metric"] == metric)]
        for text in axes.texts:
            column, row = text.get_position()
            omega = own[
                (own["network"] == NETWORKS[int(row)]) & (own["source"] == sources[int(column)])
            ].iloc[0]
            assert drawn is not None
            assert drawn[int(row), int(column)] == pytest.approx(100 * omega["omega"])
            written = text.get_text().strip("()").replace("−", "-")
            assert float(written) == pytest.approx(100 * omega["omega"], rel=5e-3, abs=5e-3)
            holds_zero = omega["omega_low"] <= 0 <= omega["omega_high"]
            assert text.get_text().startswith("(") == holds_zero
        assert len(axes.texts) == 2 * len(NETWORKS)


def test_the_sign_is_the_colour_and_zero_is_in_the_middle() -> None:
    image = draw_matrix(influence_frame()).axes[0].images[0]
    assert image.norm.vmin == -image.norm.vmax  # type: ignore[operator]
    helped, neither, hurt = (image.to_rgba(np.array([x]))[0] for x in (1.0, 0.0, -1.0))
    assert helped[2] > helped[0]
    assert hurt[0] > hurt[2]
    assert neither[:3] == pytest.approx(neither[0], abs=0.01)


def test_a_source_that_was_not_measured_leaves_its_cell_empty() -> None:
    frame = influence_frame(["a", "b"], ["zero"])
    gone = (frame["network"] == "b") & (frame["source"] == "depth")
    figure = draw_matrix(frame[~gone])
    assert [len(axes.texts) for axes in figure.axes[:2]] == [3, 3]


def test_any_number_of_sources_with_any_names_stands_side_by_side() -> None:
    one = influence_frame(["a", "b"], ["zero"])
    names = ("sound", "text_of_the_page", "$x^2", "thermal", "depth")
    one = one[one["source"] == "depth"]
    frame = pd.concat([one.assign(source=name) for name in names])
    figure = draw_matrix(frame)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == list(names)
    assert not crowded(figure)


def test_no_text_covers_another() -> None:
    assert not crowded(draw_matrix(influence_frame()))


def test_an_unknown_mute_is_refused() -> None:
    with pytest.raises(InfluenceError, match="unknown mute 'men': did you mean 'mean'"):
        draw_matrix(influence_frame(), mute="men")


def test_two_results_for_one_cell_are_refused() -> None:
    influence = influence_frame()
    with pytest.raises(InfluenceError, match=r"two .* 'jrn-cat1' \(source depth, target depth\)"):
        draw_matrix(pd.concat([influence, influence]))


@pytest.mark.parametrize("omega", [np.nan, np.inf, -np.inf])
def test_an_omega_without_size_sets_no_scale(omega: float) -> None:
    influence = influence_frame(["a"], ["zero"])
    influence = influence.assign(full=omega)  # as a PSNR without error is
    influence["omega"] = influence["omega"].where(influence["source"] == "depth", omega)
    words = [text.get_text() for axes in draw_matrix(influence).axes for text in axes.texts]
    strange = [] if np.isnan(omega) else [f"{omega:f}".replace("-", "−")] * 2
    assert [word.strip("()") for word in words if "inf" in word] == strange
    assert len(words) == 2 + len(strange)
    nothing = draw_matrix(influence.assign(omega=omega))
    assert [bar.get_xlim() for bar in nothing.axes[2:]] == [(-1.0, 1.0)] * 2


def test_a_network_without_any_result_for_a_target_has_an_empty_row() -> None:
    frame = influence_frame(["a", "b"], ["zero"])
    figure = draw_matrix(frame[(frame["network"] == "a") | (frame["target"] == "depth")])
    assert [len(axes.texts) for axes in figure.axes[:2]] == [4, 2]
