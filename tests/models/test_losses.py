"""The losses that several networks share, against torch's own and by hand."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from models.losses import class_loss, log_depth_loss


def test_class_loss_is_torchs_mean_over_labelled_pixels() -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 4, 6, generator=random)
    labels = torch.randint(0, 5, (3, 4, 6), generator=random).to(torch.uint8)
    labels[:, 1] = 255
    expected = functional.cross_entropy(logits, labels.long(), ignore_index=255)
    torch.testing.assert_close(class_loss(logits, labels), expected)
    changed = torch.where((labels == 255)[:, None], logits + 7 * logits.abs(), logits)
    torch.testing.assert_close(class_loss(changed, labels), expected)


def test_log_depth_loss_by_hand() -> None:
    log_depth = torch.tensor([0.0, 1.0, -2.0, 50.0]).view(1, 1, 2, 2)
    depth = torch.tensor([[[1.0, math.e**3], [1.0, 0.0]]])  # errors 0, 2, 2, and one unknown
    torch.testing.assert_close(log_depth_loss(log_depth, depth), torch.tensor(4 / 3))


def test_without_any_truth_the_loss_is_zero_and_pulls_nowhere() -> None:
    logits = torch.randn(2, 5, 3, 3, requires_grad=True)
    log_depth = torch.randn(2, 1, 3, 3, requires_grad=True)
    total = class_loss(logits, torch.full((2, 3, 3), 255)) + log_depth_loss(
        log_depth, torch.zeros(2, 3, 3)
    )
    total.backward()  # type: ignore[no-untyped-call]
    assert float(total.detach()) == 0
    for leaf in (logits, log_depth):
        assert leaf.grad is not None
        assert not leaf.grad.any()
