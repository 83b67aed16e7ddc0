"""Metrics of labels that exclude none other, against torchmetrics and sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit
from torchmetrics.classification import MultilabelAccuracy, MultilabelF1Score

from influence.errors import InfluenceError
from influence.metrics.metric import Metric
from influence.metrics.registry import METRICS
from tests.toy import rows_of, score

NAMES = ("label_accuracy", "label_f1", "binary_cross_entropy")


def drawn(*places: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of 20 samples with 4 labels."""
    stream = np.random.default_rng(0)
    logits = stream.normal(scale=2, size=(20, 4, *places))
    return logits, (stream.random(logits.shape) < 0.4).astype(np.int64)


@pytest.mark.parametrize("average", ["macro", "none"])
@pytest.mark.parametrize(
    ("name", "reference"),
    [("label_accuracy", MultilabelAccuracy), ("label_f1", MultilabelF1Score)],
)
def test_agrees_with_torchmetrics(name: str, reference: type, average: str) -> None:
    logits, truth = drawn()
    labels = torch.from_numpy(truth)
    expected = reference(4, average=average)(torch.from_numpy(expit(logits)), labels).numpy()
    metric = METRICS[name]
    formula = metric.formula if average == "macro" else metric.per_class
    assert formula
    found = formula(rows_of(metric, logits, truth, kind="multilabel").sum(0))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_binary_cross_entropy_agrees_with_its_sum() -> None:
    logits, truth = drawn(3, 2)
    p = expit(logits)
    losses = -np.where(truth == 1, np.log(p), np.log(1 - p))
    metric = METRICS["binary_cross_entropy"]
    assert score(metric, logits, truth, kind="multilabel") == pytest.approx(losses.mean())
    assert metric.per_class
    found = metric.per_class(rows_of(metric, logits, truth, kind="multilabel").sum(0))
    np.testing.assert_allclose(found, losses.mean(axis=(0, 2, 3)))


def scored(metric: Metric, values: np.ndarray, truth: np.ndarray, kind: str) -> float:
    return score(metric, values, truth, kind=kind)


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_are_scored_as_their_logits(name: str) -> None:
    logits, truth = drawn(2)
    expected = scored(METRICS[name], logits, truth, "logits")
    assert scored(METRICS[name], expit(logits), truth, "probabilities") == pytest.approx(expected)


@pytest.mark.parametrize("name", NAMES)
def test_labels_without_truth_count_for_nothing(name: str) -> None:
    logits, truth = drawn(6)
    half = scored(METRICS[name], logits[:, :, :3], truth[:, :, :3], "multilabel")
    truth[:, :, 3:] = -1
    assert scored(METRICS[name], logits, truth, "multilabel") == pytest.approx(half, rel=1e-12)
    numbers = np.where(truth < 0, np.nan, truth)
    assert scored(METRICS[name], logits, numbers, "multilabel") == pytest.approx(half, rel=1e-12)


def test_a_label_that_is_nowhere_has_no_f1_and_does_not_count() -> None:
    logits, truth = np.array([[3.0, -3.0]]), np.array([[1, 0]])
    metric = METRICS["label_f1"]
    assert metric.per_class
    rows = rows_of(metric, logits, truth).sum(0)
    np.testing.assert_array_equal(metric.per_class(rows), [1.0, np.nan])
    assert metric.formula(rows) == 1.0


@pytest.mark.parametrize(
    ("values", "truth", "fault"),
    [
        (np.zeros((2, 3)), np.zeros(2, int), r"expected \(labels, \.\.\.\) of both"),
        (np.zeros((2, 3)), np.full((2, 3), 2), "expected 0 or 1 for each label, got numbers from"),
        (np.zeros((2, 3)), np.full((2, 3), 0.5), "expected 0 or 1"),
    ],
)
def test_other_truth_is_refused(values: np.ndarray, truth: np.ndarray, fault: str) -> None:
    with pytest.raises(InfluenceError, match=fault):
        score(METRICS["label_accuracy"], values, truth, kind="multilabel")


def test_as_many_names_as_labels() -> None:
    with pytest.raises(InfluenceError, match="gives 3 labels, but the facts name 2: cat, dog"):
        score(METRICS["label_f1"], np.zeros((1, 3)), np.zeros((1, 3), int), classes=("cat", "dog"))
