"""Losses that several networks use, each a mean over the pixels whose truth is known."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["class_loss", "log_depth_loss"]


def class_loss(logits: Tensor, labels: Tensor, *, ignore: int = 255) -> Tensor:
    """Compute the mean cross-entropy over the labelled pixels; 0 if there is none.

    Parameters
    ----------
    logits
        (B, k, H, W).
    labels
        (B, H, W), integers; `ignore` where unknown.

    Examples
    --------
    >>> labels = torch.tensor([[[4, 255]]])
    >>> round(float(class_loss(torch.zeros(1, 5, 1, 2), labels)), 4)  # log 5
    1.6094
    """
    entropy = functional.cross_entropy(logits, labels.long(), ignore_index=ignore, reduction="sum")
    return entropy / (labels != ignore).sum().clamp(min=1)


def log_depth_loss(log_depth: Tensor, depth: Tensor) -> Tensor:
    """Compute the mean absolute error of the logarithm of the depth; 0 if no depth is known.

    Parameters
    ----------
    log_depth
        (B, 1, H, W).
    depth
        (B, H, W), metres; 0 where unknown.

    Examples
    --------
    >>> log_depth = torch.tensor([2.0, 9.0]).log().view(1, 1, 1, 2)
    >>> round(float(log_depth_loss(log_depth, torch.tensor([[[1.0, 0.0]]]))), 4)  # log 2
    0.6931
    """
    known = depth > 0
    error = (log_depth[:, 0] - torch.where(known, depth, 1.0).log()).abs()
    return torch.where(known, error, 0.0).sum() / known.sum().clamp(min=1)
