"""What a user may write to score by, under names that the shell can give."""

from __future__ import annotations

from torch import Tensor
from torchmetrics import MeanAbsoluteError
from torchmetrics.classification import MulticlassJaccardIndex

import influence


@influence.metric(higher_is_better=True)
def within(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target).abs() < 0.5


@influence.metric(higher_is_better=False, unit="{unit}")
def own_mae(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target).abs()


@influence.metric(higher_is_better=True)
def right(prediction: Tensor, target: Tensor) -> Tensor:
    return prediction.argmax(1) == target


def undecorated(prediction: Tensor, target: Tensor) -> Tensor:
    return prediction - target


jaccard = MulticlassJaccardIndex(3)
Distance = MeanAbsoluteError
