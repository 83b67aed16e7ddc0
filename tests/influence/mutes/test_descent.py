"""Constants while they are sought."""

from __future__ import annotations

import pytest
import torch

from influence.data.dataset import Field
from influence.mutes.descent import Constant, list_candidates
from influence.network.joint_network import Modality


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("depth", ["zero", "mean"]),
        ("logits", ["zero", "mean", "uniform"]),
        ("probabilities", ["mean", "uniform"]),
    ],
)
def test_candidates_are_what_the_mutes_put(kind: str, names: list[str]) -> None:
    facts = Modality("x", kind, mean=(0.25, 0.75), std=(1.0,))
    found = list_candidates(facts, Field((2, 5, 5), False))
    assert list(found) == names
    assert found["mean"].tolist() == [0.25, 0.75]
    assert all(c.dtype == torch.float64 for c in found.values())


def test_a_prior_with_zeros_is_made_a_distribution() -> None:
    facts = Modality("x", "probabilities", mean=(0.0, 2.0))
    found = list_candidates(facts, Field((2,), False))["mean"]
    assert found.sum().item() == pytest.approx(1.0)
    assert found.min() > 0


def test_one_number_serves_all_channels_and_inputs_without_channels() -> None:
    for shape in ((3, 4, 4), ()):
        found = list_candidates(Modality("x", mean=(7.0,)), Field(shape, False))
        assert found["mean"].tolist() == [7.0] * (shape or (1,))[0]


def walk(kind: str, start: list[float], goal: list[float], steps: int = 300) -> Constant:
    """Follow the gradient of the squared distance to a goal."""
    facts = Modality("x", kind, std=(2.0,))
    constant = Constant(facts, torch.tensor(start, dtype=torch.float64), loss=float("inf"))
    for number in range(steps):
        loss = (constant.value() - torch.tensor(goal)).square().sum()
        assert constant.step(loss, 1 - number / steps)
    constant.consider(constant.value(), loss.item())
    return constant


def test_gradient_leads_to_the_goal() -> None:
    found = walk("other", [0.0, 0.0], [3.0, -1.0])
    torch.testing.assert_close(found.best, torch.tensor([3.0, -1.0]).double(), atol=1e-3, rtol=0)


def test_probabilities_stay_a_distribution() -> None:
    found = walk("probabilities", [0.2, 0.3, 0.5], [2.0, 0.0, 0.0])
    assert found.best.sum().item() == pytest.approx(1.0)
    assert found.best.min() >= 0
    assert found.best[0] > 0.95


def test_depth_stays_above_zero() -> None:
    found = walk("depth", [1.0, 1.0], [-1.0, 4.0])
    torch.testing.assert_close(found.best, torch.tensor([0.0, 4.0]).double(), atol=1e-2, rtol=0)
    assert (found.best >= 0).all()


def test_best_is_kept() -> None:
    constant = Constant(Modality("x", std=(1.0,)), torch.zeros(1).double(), loss=1.0)
    for loss in (2.0, float("nan"), 1.0):
        constant.consider(torch.ones(1).double(), loss)
        assert (constant.best.item(), constant.loss) == (0.0, 1.0)
    constant.consider(torch.ones(1).double(), 0.5)
    assert (constant.best.item(), constant.loss) == (1.0, 0.5)


def test_a_gradient_that_is_not_finite_is_passed_over() -> None:
    constant = Constant(Modality("x", std=(1.0,)), torch.zeros(1).double(), loss=1.0)
    assert constant.step(constant.value().abs().sqrt().sum(), 1.0)  # infinite at zero
    assert constant.value().item() == 0.0
    assert not constant.step(torch.ones(()), 1.0)  # no gradient at all
