"""The scores of torchmetrics are those of the formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from experiments.benchmarks.scores import DEPTH, METRICS_OF, Scores
from influence.metrics.registry import METRICS
from influence.network.joint_network import JointNetwork, Output


def test_every_metric_is_one_of_ours() -> None:
    assert {name for names in METRICS_OF.values() for name in names} <= set(METRICS)


def test_depth_scores_pool_valid_pixels_over_batches() -> None:
    network = JointNetwork(torch.nn.Identity(), ("x",), (Output("depth", "depth"),))
    guess = np.array([[1.0, 2.0], [4.0, 3.0]], dtype=np.float32)
    truth = np.array([[1.2, 1.0], [np.nan, 6.0]], dtype=np.float32)
    scores = Scores(network)
    for sample in (0, 1):
        scores.update(
            {"depth": torch.tensor(guess[sample]).reshape(1, 1, 1, 2)},
            {"depth": torch.tensor(truth[sample]).reshape(1, 1, 2)},
        )
    g, t = np.array([1.0, 2.0, 3.0]), np.array([1.2, 1.0, 6.0])
    worst = np.maximum(g / t, t / g)
    expected = {
        "abs_rel": (abs(g - t) / t).mean(),
        "sqr_rel": ((g - t) ** 2 / t).mean(),
        "log10": abs(np.log10(g / t)).mean(),
        "rms": np.sqrt(((g - t) ** 2).mean()),
        "rms_log": np.sqrt((np.log(g / t) ** 2).mean()),
        **{f"delta_{i}": (worst < 1.25**i).mean() for i in (1, 2, 3)},
    }
    assert list(expected) == list(DEPTH)
    found = {metric: value for (_, metric), value in scores.compute().items()}
    assert found == pytest.approx(expected, rel=1e-6)


def test_places_without_a_label_do_not_count() -> None:
    output = Output("semantic", "probabilities", ("a", "b"))
    scores = Scores(JointNetwork(torch.nn.Identity(), ("x",), (output,)))
    labels = torch.tensor([[[0, 0, 1, 1, 0]]])  # predicted
    truth = torch.tensor([[[0, 1, 1, 1, -1]]])
    values = torch.nn.functional.one_hot(labels, 2).movedim(-1, 1).float()
    scores.update({"semantic": values}, {"semantic": truth})
    found = scores.compute()
    assert found["semantic", "pixel_accuracy"] == pytest.approx(3 / 4)
    assert found["semantic", "mean_iou"] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_a_value_is_scored_by_both_its_errors() -> None:
    scores = Scores(JointNetwork(torch.nn.Identity(), inputs=("x",), outputs=("y",)))
    scores.update({"y": torch.ones(2, 1)}, {"y": torch.zeros(2, 1)})
    assert scores.compute() == {("y", "mse"): 1.0, ("y", "mae"): 1.0}
