"""Metrics of labels against torchmetrics, plain loops and hand counts."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from torchmetrics.classification import (
    BinaryAccuracy,
    MulticlassAccuracy,
    MulticlassJaccardIndex,
)

from influence.errors import InfluenceError
from influence.metrics.registry import METRICS
from tests.toy import rows_of, score

MEAN_IOU, CLASS_ACCURACY = METRICS["mean_iou"], METRICS["class_accuracy"]
WITHOUT_OTHER = METRICS["pixel_accuracy_without_other"]
CLASSES = ("wall", "floor", "Other", "bed", "chair")
TABLE_3 = Path(__file__).parents[3] / "reports" / "published" / "jrn_table3.csv"
TABLE_3_CLASSES = ("Ground", "Vertical", "Ceiling", "Furniture", "Object")


def drawn(seed: int, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels of 7 samples, a fifth of the pixels ignored."""
    stream = np.random.default_rng(seed)
    labels = stream.integers(0, classes, (7, 4, 5))
    labels[stream.random(labels.shape) < 0.2] = -1
    return stream.normal(size=(7, classes, 4, 5)), labels


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("mean_iou", MulticlassJaccardIndex(5, ignore_index=-1)),
        ("pixel_accuracy", MulticlassAccuracy(5, average="micro", ignore_index=-1)),
        ("accuracy", MulticlassAccuracy(5, average="micro", ignore_index=-1)),
        ("class_accuracy", MulticlassAccuracy(5, average="macro", ignore_index=-1)),
    ],
)
def test_agrees_with_torchmetrics(name: str, reference: torch.nn.Module) -> None:
    values, labels = drawn(1)
    expected = reference(torch.from_numpy(values), torch.from_numpy(labels)).item()
    assert score(METRICS[name], values, labels) == pytest.approx(expected, abs=1e-7)


def test_per_class_agrees_with_torchmetrics() -> None:
    values, labels = drawn(2)
    reference = MulticlassJaccardIndex(5, ignore_index=-1, average="none")
    expected = reference(torch.from_numpy(values), torch.from_numpy(labels)).numpy()
    assert MEAN_IOU.per_class is not None
    found = MEAN_IOU.per_class(rows_of(MEAN_IOU, values, labels).sum(0))
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_class_that_occurs_nowhere_is_left_out_of_the_mean() -> None:
    values, labels = drawn(3, classes=4)
    labels[labels == 3] = 0
    values[:, 3] = -99.0
    absent = MulticlassJaccardIndex(4, ignore_index=-1)
    expected = absent(torch.from_numpy(values), torch.from_numpy(labels)).item()
    assert score(MEAN_IOU, values, labels) == pytest.approx(expected, abs=1e-7)
    assert score(MEAN_IOU, values, labels) == score(MEAN_IOU, values[:, :3], labels)


def test_mean_iou_reproduces_the_printed_means() -> None:
    """Table III of arXiv 1702.08009: IoU of five classes and their mean, in per cent."""
    with TABLE_3.open(newline="") as file:
        printed = list(csv.DictReader(file))
    assert printed
    for row in printed:
        iou = np.array([float(row[c]) for c in TABLE_3_CLASSES]) / 100
        # With 1 pixel in the union of each class, all of them in the truth: correct = IoU.
        sums = np.concatenate([iou, np.ones(5), iou])
        # The printed values are rounded at the third decimal, and so is their mean.
        assert 100 * MEAN_IOU.formula(sums) == pytest.approx(float(row["Mean IOU"]), abs=0.001)


def test_class_that_is_only_predicted_has_iou_zero_and_no_recall() -> None:
    values = np.eye(2)[[0, 1]]  # predicts 0, then 1
    assert score(MEAN_IOU, values, [0, 0]) == 0.25  # (1/2 + 0) / 2
    assert score(CLASS_ACCURACY, values, [0, 0]) == 0.5  # class 1 has no truth


def test_ignored_pixels_count_for_nothing() -> None:
    values, labels = drawn(4)
    changed = np.where(labels[:, None] < 0, -values, values)
    for name in ("mean_iou", "class_accuracy", "cross_entropy", "pixel_accuracy_without_other"):
        np.testing.assert_array_equal(
            rows_of(METRICS[name], values, labels, classes=CLASSES),
            rows_of(METRICS[name], changed, labels, classes=CLASSES),
        )


def test_sample_without_truth_gives_a_row_of_zeros_and_nan() -> None:
    values, labels = drawn(5)
    rows = rows_of(MEAN_IOU, values[:1], np.full_like(labels[:1], -1))
    assert not rows.any()
    assert np.isnan(MEAN_IOU.formula(rows.sum(0)))


def test_accuracy_without_other_agrees_with_torchmetrics() -> None:
    values, labels = drawn(7)
    elsewhere = np.where(labels == CLASSES.index("Other"), -1, labels)
    reference = MulticlassAccuracy(5, average="micro", ignore_index=-1)
    expected = reference(torch.from_numpy(values), torch.from_numpy(elsewhere)).item()
    found = score(WITHOUT_OTHER, values, labels, classes=CLASSES)
    assert found == pytest.approx(expected, abs=1e-7)


def test_accuracy_is_that_without_other_and_the_recall_of_other_by_their_shares() -> None:
    values, labels = drawn(8)
    other = CLASSES.index("Other")
    share = (labels == other).sum() / (labels >= 0).sum()
    assert CLASS_ACCURACY.per_class is not None
    recall = CLASS_ACCURACY.per_class(rows_of(CLASS_ACCURACY, values, labels).sum(0))[other]
    rest = score(WITHOUT_OTHER, values, labels, classes=CLASSES)
    assert score(METRICS["pixel_accuracy"], values, labels) == pytest.approx(
        share * recall + (1 - share) * rest
    )


def test_other_does_not_count_as_truth_and_is_wrong_as_a_prediction() -> None:
    predicted = np.eye(3)[[0, 0, 1, 2, 2]]  # other, other, wall, bed, bed
    found = score(WITHOUT_OTHER, predicted, [0, 1, 0, 2, -1], classes=("other", "wall", "bed"))
    assert found == 0.5  # of wall, bed


def test_a_sample_that_is_all_other_has_a_truth_and_no_value() -> None:
    row = rows_of(WITHOUT_OTHER, np.eye(2), [0, 0], classes=("other", "wall")).sum(0)
    assert WITHOUT_OTHER.statistic.valid(row) == 2
    assert np.isnan(WITHOUT_OTHER.formula(row))


@pytest.mark.parametrize(
    ("classes", "found"), [((), "classes without names"), (("otherprop", "bed"), "otherprop, bed")]
)
def test_accuracy_without_other_needs_a_class_of_that_name(
    classes: tuple[str, ...], found: str
) -> None:
    with pytest.raises(InfluenceError, match=f"'y': .* needs a class 'other', got {found}. Name"):
        score(WITHOUT_OTHER, np.eye(2), [0, 1], classes=classes)


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_cross_entropy_agrees_with_torch(kind: str) -> None:
    values, labels = drawn(6)
    logits = torch.from_numpy(values)
    expected = torch.nn.functional.cross_entropy(
        logits, torch.from_numpy(labels), ignore_index=-1
    ).item()
    given_values = logits.softmax(1) if kind == "probabilities" else logits
    found = score(METRICS["cross_entropy"], given_values, labels, kind=kind)
    assert found == pytest.approx(expected, rel=1e-12)


def test_cross_entropy_of_an_impossible_truth_is_finite() -> None:
    found = score(METRICS["cross_entropy"], [[1.0, 0.0]], [1], kind="probabilities")
    assert found == pytest.approx(12 * np.log(10))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 6))
def test_rows_do_not_depend_on_batches_or_order(seed: int, cut: int) -> None:
    values, labels = drawn(seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    for name in ("mean_iou", "cross_entropy", "pixel_accuracy_without_other"):
        whole = rows_of(METRICS[name], values, labels, classes=CLASSES)
        parts = [rows_of(METRICS[name], v, y, classes=CLASSES) for v, y in
                 ((values[:cut], labels[:cut]), (values[cut:], labels[cut:]))]  # fmt: skip
        np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-12)
        np.testing.assert_array_equal(
            rows_of(METRICS[name], values[order], labels[order], classes=CLASSES), whole[order]
        )


@pytest.mark.parametrize(
    ("values", "labels", "options", "message"),
    [
        (np.zeros((1, 3)), [3], {}, "label 3 is out of range.* classes 0 to 2.*'ignore'"),
        (np.zeros((1, 3, 2)), [[0]], {}, r"shape \(3, 2\) a sample.*Resize"),
        (np.zeros((1, 3)), [0.5], {}, "expected integer labels, got .*float64"),
        (np.zeros((1, 3)), [0], {"classes": ("a", "b")}, "3 classes, but the facts name 2"),
    ],
)
def test_bad_labels_are_refused(
    values: np.ndarray, labels: list[float], options: dict[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(InfluenceError, match=message):
        score(MEAN_IOU, values, labels, **options)


def one_channel(seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Logits of one channel and labels 0 or 1, some ignored."""
    stream = np.random.default_rng(seed)
    labels = stream.integers(0, 2, (7, 4, 5))
    labels[stream.random(labels.shape) < 0.2] = -1
    return stream.normal(size=(7, 4, 5)) + labels - 0.5, labels


@pytest.mark.parametrize("channel", [True, False])
@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("mean_iou", MulticlassJaccardIndex(2, ignore_index=-1)),
        ("accuracy", BinaryAccuracy(ignore_index=-1)),
        ("pixel_accuracy", BinaryAccuracy(ignore_index=-1)),
    ],
)
def test_one_channel_is_a_score_of_two_classes(
    name: str, reference: torch.nn.Module, kind: str, channel: bool
) -> None:
    logits, labels = one_channel()
    guess = torch.from_numpy((logits > 0).astype(np.int64))
    expected = reference(guess, torch.from_numpy(labels)).item()
    values = logits if kind == "logits" else special.expit(logits)
    values = values[:, None] if channel else values
    assert score(METRICS[name], values, labels, kind=kind) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_cross_entropy_of_one_channel_is_binary(kind: str) -> None:
    logits, labels = one_channel()
    p = special.expit(logits)
    losses = -np.where(labels == 1, np.log(p), np.log(1 - p))[labels >= 0]
    values = logits if kind == "logits" else p
    found = score(METRICS["cross_entropy"], values[:, None], labels, kind=kind)
    assert found == pytest.approx(losses.mean(), rel=1e-9)


def test_one_score_a_sample_and_its_threshold() -> None:
    values, labels = np.array([[0.5], [0.6], [0.2]]), np.array([0, 1, 1])
    assert score(METRICS["accuracy"], values, labels, kind="probabilities") == 2 / 3
    assert score(METRICS["accuracy"], values, labels, kind="logits") == 2 / 3
    assert score(METRICS["accuracy"], values[:, 0], labels, kind="probabilities") == 2 / 3


def test_more_labels_than_one_channel_has() -> None:
    with pytest.raises(InfluenceError, match=r"0 to 1 by one channel.*metrics=\{'y': \['mae'\]\}"):
        score(METRICS["accuracy"], np.zeros((2, 1)), np.array([0, 5]))


def test_a_class_that_is_ruled_out_is_never_predicted() -> None:
    values, labels = drawn(8)
    labels[labels == 4] = 0
    values[:, 4] = -np.inf
    for name in ("accuracy", "cross_entropy"):
        without = score(METRICS[name], values[:, :4], labels)
        assert score(METRICS[name], values, labels) == pytest.approx(without, rel=1e-12)


@pytest.mark.parametrize(
    ("shape", "fault"),
    [
        ((6, 3), r"'multilabel'\) if several of them can be true"),
        ((6, 3, 5, 5), r"'multilabel'\) if several of them can be true"),
        ((6, 3, 5), "holds a single 1 along its first axis everywhere"),
    ],
)
def test_one_hot_truth_is_not_taken_for_one_channel(shape: tuple[int, ...], fault: str) -> None:
    stream = np.random.default_rng(0)
    labels = stream.integers(0, 3, (6, *shape[2:]))
    truth = np.moveaxis(np.eye(3, dtype=int)[labels], -1, 1)
    assert truth.shape == shape
    with pytest.raises(InfluenceError, match=fault):
        score(METRICS["accuracy"], stream.normal(size=shape), truth, kind="logits")
