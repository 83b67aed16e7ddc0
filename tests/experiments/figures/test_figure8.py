"""Fig. 8: every training a point, and the fits as their tables say."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.figures.figure8 import draw_figure8
from experiments.publishing.studies import read_study
from tests.experiments.publishing.sweep_tables import (
    fits,
    influence_table,
    published_study,
    write_sweep_tables,
)
from tests.influence.display.plots.artists import crowded


@pytest.fixture(scope="module")
def figure(tmp_path_factory: pytest.TempPathFactory) -> Figure:
    study = read_study(write_sweep_tables(tmp_path_factory.mktemp("sweep")))
    curves, hull = fits()
    return draw_figure8(published_study(), study, curves, hull, mute="shuffle")


def test_every_training_is_a_point_in_the_panel_of_its_condition(figure: Figure) -> None:
    frame = influence_table().query(
        "mute == 'shuffle' and metric == 'mean_iou' and source == 'depth' and level == 'all'"
    )
    crossed = frame["network"].str.endswith("-crossfit")
    for axes, own in zip(figure.axes[1:3], (frame[~crossed], frame[crossed]), strict=True):
        lines = [line for line in axes.lines if line.get_linestyle() == "None"]
        x = np.concatenate([np.asarray(line.get_xdata()) for line in lines])
        assert sorted(x) == pytest.approx(sorted(100 * own["omega"]))
    assert len([line for line in figure.axes[0].lines if line.get_linestyle() == "None"]) == 5


def test_lines_are_the_linear_and_the_concave_fit_over_all_images(figure: Figure) -> None:
    for axes in figure.axes:
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


def test_other_designs_are_named_and_the_papers_are_in_the_legend(figure: Figure) -> None:
    assert [text.get_text() for text in figure.axes[1].texts] == ["sum10"]
    legend = [text.get_text() for text in figure.legends[0].texts]
    assert legend[:2] == ["cat60 (loose)", "sum60 (coupled)"]
    assert {"linear fit", "concave fit", "upper hull"} <= set(legend)
    assert not crowded(figure)


def test_points_lie_inside_however_far_a_fit_goes(figure: Figure) -> None:
    for axes in figure.axes:
        for line in axes.lines:
            if line.get_linestyle() == "None":
                x, y = np.asarray(line.get_xydata()).T
                assert axes.get_xlim()[0] < x.min() <= x.max() < axes.get_xlim()[1]
                assert axes.get_ylim()[0] < y.min() <= y.max() < axes.get_ylim()[1]
