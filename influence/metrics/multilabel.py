"""Metrics of labels that exclude none other: for each label a score, and a truth of 0 or 1.

Scores and truth have the shape (samples, labels) or (samples, labels, ...); a truth below 0, or
NaN, is none. A label is predicted where its probability is above 0.5, or its logit above 0.

- `label_accuracy`: the share of places where a label is rightly present or absent.
- `label_f1`: 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall, not defined for a
  label that is neither true nor predicted anywhere (Sorower, A Literature Survey on Algorithms for
  Multi-label Learning, 2010, where this mean over labels is the macro average).
- `binary_cross_entropy`: the mean of -t ln p - (1 - t) ln(1 - p).

Counts are pooled over samples and places. The first two are means over labels, and the last is one
over everything; each label has its own value too.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from influence.errors import InfluenceError
from influence.metrics.metric import (
    SMALLEST_PROBABILITY,
    Array,
    Metric,
    Prediction,
    Statistic,
    nanmean,
    ratio,
)

__all__ = ["MULTILABEL_METRICS"]


def _checked(prediction: Prediction) -> tuple[Tensor, Tensor]:
    """Return the truth, 0 or 1, and where there is one, in the shape (samples, labels, places)."""
    values, target, name = prediction.values, prediction.target, prediction.output.name
    if values.shape != target.shape or values.ndim < 2:
        raise InfluenceError(
            f"output {name!r}: the network gives shape {tuple(values.shape[1:])} a sample and the "
            f"ground truth has {tuple(target.shape[1:])}; expected (labels, ...) of both, with 0 "
            "or 1 as ground truth for each label. One label a sample or pixel is scored by "
            "accuracy or mean_iou, and an output of kind 'logits' or 'probabilities'"
        )
    names = prediction.output.classes or prediction.field.classes
    if names and len(names) != values.shape[1]:
        raise InfluenceError(
            f"output {name!r}: the network gives {values.shape[1]} labels, but the facts name "
            f"{len(names)}: {', '.join(names)}. Correct the names, or use the network that fits"
        )

    truth, valid = prediction.of_truth("0 or 1", lambda: _checked_truth(target, name))
    return truth.reshape(*target.shape[:2], -1), valid.reshape(*target.shape[:2], -1)


def _checked_truth(target: Tensor, name: str) -> tuple[Tensor, Tensor]:
    valid = target.isfinite() if target.is_floating_point() else target >= 0
    truth = torch.where(valid, target, 0).double()
    if bool(((truth != 0) & (truth != 1)).any()):
        raise InfluenceError(
            f"targets/{name}: expected 0 or 1 for each label, got numbers from "
            f"{truth.min().item():g} to {truth.max().item():g}. If one of them means 'no ground "
            f"truth', declare it by Output({name!r}, ignore=...)"
        )
    return truth, valid


def _label_counts(prediction: Prediction) -> Tensor:
    """Count, per sample and label: right, true positive, true, predicted and scored places."""
    truth, valid = _checked(prediction)
    threshold = 0.5 if prediction.holds_probabilities else 0.0
    present, guess = truth == 1, (prediction.values > threshold).reshape(truth.shape)
    columns = (valid & (guess == present), valid & guess & present, present, valid & guess, valid)
    return torch.cat([column.sum(2).double() for column in columns], dim=1)


def _likelihood(prediction: Prediction) -> Tensor:
    """Sum the binary cross entropy in nats, and count places: (samples, 2 * labels)."""
    truth, valid = _checked(prediction)
    values = prediction.values.double().reshape(truth.shape)
    if prediction.holds_probabilities:
        yes, no = (p.clamp(min=SMALLEST_PROBABILITY).log() for p in (values, 1 - values))
    else:
        yes, no = (torch.nn.functional.logsigmoid(z) for z in (values, -values))
    loss = torch.where(valid, -torch.where(truth == 1, yes, no), 0.0)
    return torch.cat([loss.sum(2), valid.sum(2).double()], dim=1)


def _accuracies(sums: Array) -> Array:
    right, _, _, _, scored = np.split(sums, 5, axis=-1)
    return ratio(right, scored)


def _f1(sums: Array) -> Array:
    _, both, true, predicted, _ = np.split(sums, 5, axis=-1)
    return ratio(2 * both, true + predicted)


def _losses(sums: Array) -> Array:
    return ratio(*np.split(sums, 2, axis=-1))


def _loss(sums: Array) -> Array:
    loss, count = np.split(sums, 2, axis=-1)
    return ratio(loss.sum(-1), count.sum(-1))


LABEL_COUNTS = Statistic(
    "label_counts",
    _label_counts,
    valid=lambda rows: np.split(rows, 5, axis=-1)[4].sum(-1),
    reads="multilabel",
)

MULTILABEL_METRICS = (
    Metric(
        "label_accuracy",
        LABEL_COUNTS,
        lambda s: nanmean(_accuracies(s)),
        True,
        per_class=_accuracies,
    ),
    Metric("label_f1", LABEL_COUNTS, lambda s: nanmean(_f1(s)), True, per_class=_f1),
    Metric(
        "binary_cross_entropy",
        Statistic(
            "binary_likelihood",
            _likelihood,
            valid=lambda rows: np.split(rows, 2, axis=-1)[1].sum(-1),
            reads="multilabel",
        ),
        _loss,
        False,
        "nat",
        per_class=_losses,
    ),
)
