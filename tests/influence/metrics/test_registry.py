"""The registry of metrics: its directions, its names, its defaults."""

from __future__ import annotations

import numpy as np
import pytest

from influence.data.dataset import Field
from influence.errors import InfluenceError
from influence.metrics.registry import METRICS, default_metrics, find_metrics
from influence.network.joint_network import Output
from tests.toy import score

LABELS, CERTAIN = np.array([0, 1]), 50 * np.eye(2)
DEPTH = np.full((2, 3), 2.0)


@pytest.mark.parametrize("name", [n for n, m in METRICS.items() if n != "psnr" and m.needs_truth])
def test_direction_points_to_the_perfect_prediction(name: str) -> None:
    metric = METRICS[name]
    if metric.statistic.name in ("class_counts", "likelihood", "places_without_other"):
        classes = ("other", "floor")
        perfect = score(metric, CERTAIN, LABELS, classes=classes)
        spoilt = score(metric, CERTAIN[[1, 0]], LABELS, classes=classes)
    else:
        perfect, spoilt = score(metric, DEPTH, DEPTH), score(metric, DEPTH * [0.3, 1, 3], DEPTH)
    assert perfect == pytest.approx(1.0 if metric.higher_is_better else 0.0, abs=1e-12)
    assert (perfect > spoilt) is metric.higher_is_better


def test_unknown_name_is_told_with_the_near_one() -> None:
    with pytest.raises(InfluenceError, match="unknown metric 'mean_iuo': did you mean 'mean_iou'"):
        find_metrics(["mean_iuo"])


@pytest.mark.parametrize("names", [[], ["rms", "rms"]])
def test_metrics_must_differ_and_be_there(names: list[str]) -> None:
    with pytest.raises(InfluenceError, match=r"expected (metrics that differ|one metric or more)"):
        find_metrics(names)


@pytest.mark.parametrize(
    ("output", "field", "first"),
    [
        (Output("y", "depth"), Field((2, 2), False), "abs_rel"),
        (Output("y", "logits"), Field((2, 2), True), "mean_iou"),
        (Output("y", "probabilities"), Field((), True), "accuracy"),
        (Output("y"), Field((2, 2), True), "mean_iou"),
        (Output("y"), Field((2, 2), False), "mse"),
    ],
)
def test_defaults_follow_the_kind_and_the_truth(output: Output, field: Field, first: str) -> None:
    assert default_metrics(output, field)[0].name == first
