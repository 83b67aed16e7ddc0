"""Metrics of labels: of segmentation, and of classification, where a sample is one pixel.

IoU, pixel and class accuracy follow the evaluation of fully convolutional networks (Long,
Shelhamer and Darrell, CVPR 2015): pixels are counted over the whole data set, and classes that
occur neither in the truth nor in the prediction are left out of the mean. One channel of scores
stands for two classes; see `Prediction.class_scores`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from influence.errors import InfluenceError
from influence.metrics.metric import Array, Metric, Prediction, Statistic, nanmean, ratio

__all__ = ["LABEL_METRICS"]

OTHER = "other"
"""The name of the class for everything that belongs to no other class."""


def _checked_target(prediction: Prediction) -> Tensor:
    """Check shape and range of the labels; return them with -1 where there is no ground truth."""
    values, target, name = prediction.class_scores(), prediction.target, prediction.output.name
    if values.shape[:1] + values.shape[2:] != target.shape:
        raise InfluenceError(
            f"output {name!r}: the network gives shape {tuple(prediction.values.shape[1:])} a "
            f"sample and the ground truth has {tuple(target.shape[1:])}; expected (classes, ...) "
            f"and (...). {_remedy(values, target, name)}"
        )
    if target.is_floating_point():
        raise InfluenceError(
            f"targets/{name}: expected integer labels, got values of type {target.dtype}"
        )
    classes = values.shape[1]
    names = prediction.output.classes or prediction.field.classes
    if names and len(names) != classes:
        raise InfluenceError(
            f"output {name!r}: the network gives {classes} classes, but the facts name "
            f"{len(names)}: {', '.join(names)}. Correct the names, or use the network that fits"
        )
    above = prediction.of_truth("greatest label", lambda: int(target.max()))
    if above >= classes:
        one = " by one channel" if prediction.is_binary else ""
        values_too = f", or score values: metrics={{{name!r}: ['mae']}}" if one else ""
        raise InfluenceError(
            f"targets/{name}: label {above} is out of range, the network predicts classes 0 to "
            f"{classes - 1}{one}. If it means 'no ground truth', declare it by "
            f"Output({name!r}, ignore={above}) or by the dataset's attribute 'ignore'{values_too}"
        )
    if prediction.values.shape == target.shape and target.ndim == 3 and target.shape[1] > 1:
        _refuse_one_hot(prediction)
    return prediction.of_truth("labels", lambda: target.clamp(min=-1))


def _refuse_one_hot(prediction: Prediction) -> None:
    """Raise InfluenceError if labels (samples, classes, places) hold a single 1 at each place."""
    target = prediction.target
    if prediction.of_truth("one hot", lambda: bool((target.clamp(min=0).sum(1) == 1).all())):
        raise InfluenceError(
            f"targets/{prediction.output.name}: shape {tuple(target.shape[1:])} holds a single 1 "
            "along its first axis everywhere, as labels of one channel never do. Give the number "
            "of the class instead, (...) beside (classes, ...) of the network"
        )


def _remedy(values: Tensor, target: Tensor, name: str) -> str:
    """Say what to do about scores and labels whose shapes do not fit."""
    if values.shape == target.shape:
        return (
            "If the ground truth has 0 or 1 for each class, give the number of the class instead, "
            f"or declare Output({name!r}, 'multilabel') if several of them can be true"
        )
    if values.shape[:-1] == target.shape:
        return (
            "If the classes come last, as in language models, let a module around the network "
            "return logits.mT, or score the output by a function under @influence.metric"
        )
    resizing = f", as with Output({name!r}, resize='bilinear')" if values.ndim == 4 else ""
    return f"Resize one to the other{resizing}, or score the output with other metrics"


def _class_counts(prediction: Prediction) -> Tensor:
    """Count, per sample and class: correct, true and predicted pixels, (samples, 3 * classes)."""
    target = _checked_target(prediction)
    samples, classes = prediction.class_scores().shape[:2]
    truth = target.reshape(samples, -1)
    # Pixels without ground truth are counted in one more class, which is then dropped.
    labelled, occurring = prediction.of_truth(
        "occurring classes",
        lambda: (truth >= 0, _count(torch.where(truth >= 0, truth, classes), classes)),
    )
    guess = prediction.labels().reshape(samples, -1)
    correct = _count(torch.where(labelled & (truth == guess), truth, classes), classes)
    predicted = _count(torch.where(labelled, guess, classes), classes)
    return torch.cat([correct, occurring, predicted], dim=1)


def _count(labels: Tensor, classes: int) -> Tensor:
    """Count the labels below `classes` in each row: float64, (samples, classes)."""
    counts = torch.zeros(len(labels), classes + 1, dtype=torch.float64, device=labels.device)
    ones = torch.ones((), dtype=torch.float64, device=labels.device).expand_as(labels)
    return counts.scatter_add_(1, labels, ones).narrow(1, 0, classes)


def _split(sums: Array) -> tuple[Array, Array, Array]:
    correct, truth, guess = np.split(sums, 3, axis=-1)
    return correct, truth, guess


def _iou(sums: Array) -> Array:
    correct, truth, guess = _split(sums)
    return ratio(correct, truth + guess - correct)


def _recall(sums: Array) -> Array:
    correct, truth, _ = _split(sums)
    return ratio(correct, truth)


def _overall(sums: Array) -> Array:
    correct, truth, _ = _split(sums)
    return ratio(correct.sum(-1), truth.sum(-1))


CLASS_COUNTS = Statistic(
    "class_counts",
    _class_counts,
    valid=lambda rows: np.split(rows, 3, axis=-1)[1].sum(-1),
    reads="labels",
)


def _hits(prediction: Prediction) -> Tensor:
    """Count, per sample, correct and all labels: (samples, 2), however many classes there are.

    Where the classes are the samples of the batch, as in retrieval, there may be fewer in the last.
    """
    target = _checked_target(prediction)
    columns = ((target >= 0) & (prediction.labels() == target), target >= 0)
    return torch.stack([c.reshape(len(c), -1).sum(1).double() for c in columns], dim=1)


def _without_other(prediction: Prediction) -> Tensor:
    """Count, per sample, correct and all pixels whose true class is not 'other', and labelled ones.

    The shape is (samples, 3).
    """
    target, other = _checked_target(prediction), _index_of_other(prediction)
    counted = prediction.of_truth("without other", lambda: (target >= 0) & (target != other))
    correct = counted & (prediction.labels() == target)
    columns = (correct, counted, target >= 0)
    return torch.stack([c.reshape(len(c), -1).sum(1).double() for c in columns], dim=1)


def _index_of_other(prediction: Prediction) -> int:
    classes = prediction.output.classes or prediction.field.classes
    names = [name.casefold() for name in classes]
    if OTHER not in names:
        raise InfluenceError(
            f"output {prediction.output.name!r}: pixel_accuracy_without_other needs a class "
            f"{OTHER!r}, got {', '.join(classes) or 'classes without names'}. Name the classes in "
            "the network's facts or in the attribute 'classes' of the ground truth, or leave the "
            "metric out"
        )
    return names.index(OTHER)


def _likelihood(prediction: Prediction) -> Tensor:
    """Sum the negative log likelihood of the truth, in nats, and count pixels: (samples, 2)."""
    target, logs = _checked_target(prediction), prediction.log_probabilities()
    labelled = target >= 0
    picked = logs.gather(1, target.clamp(min=0).unsqueeze(1)).squeeze(1)
    loss = torch.where(labelled, -picked, torch.zeros_like(picked)).reshape(len(target), -1)
    return torch.stack([loss.sum(1), labelled.reshape(len(target), -1).sum(1).double()], dim=1)


MEAN_IOU = Metric("mean_iou", CLASS_COUNTS, lambda s: nanmean(_iou(s)), True, "", per_class=_iou)

LABEL_METRICS = (
    MEAN_IOU,
    Metric("pixel_accuracy", CLASS_COUNTS, _overall, True),
    Metric(
        "pixel_accuracy_without_other",
        # A sample in which all is 'other' has ground truth, though the metric is undefined for it.
        Statistic(
            "places_without_other",
            _without_other,
            valid=lambda rows: rows[..., 2],
            reads="labels",
        ),
        lambda s: ratio(s[..., 0], s[..., 1]),
        True,
    ),
    Metric(
        "class_accuracy", CLASS_COUNTS, lambda s: nanmean(_recall(s)), True, "", per_class=_recall
    ),
    Metric(
        "accuracy",
        Statistic("hits", _hits, valid=lambda rows: rows[..., 1], reads="labels"),
        lambda s: ratio(s[..., 0], s[..., 1]),
        True,
    ),
    Metric(
        "cross_entropy",
        Statistic("likelihood", _likelihood, valid=lambda rows: rows[..., 1], reads="labels"),
        lambda s: ratio(s[..., 0], s[..., 1]),
        False,
        "nat",
    ),
)
