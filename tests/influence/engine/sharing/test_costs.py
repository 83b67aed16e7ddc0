"""FLOPs counted by hand on a network of three layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from influence.engine.sharing.costs import count_costs
from influence.mutes.batch_inputs import BatchInputs
from influence.mutes.registry import MUTES
from influence.network.joint_network import JointNetwork, Modality
from influence.plan.setups import FULL, NO_MUTE, Condition, choose_setups

X, Y, HEAD = 2 * 3 * 8, 2 * 5 * 8, 2 * 16 * 4  # a multiplication and an addition a weight


class Late(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.x, self.y, self.head = nn.Linear(3, 8), nn.Linear(5, 8), nn.Linear(16, 4)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        found: Tensor = self.head(torch.cat([self.x(x).relu(), self.y(y).relu()], dim=1))
        return found


@pytest.fixture
def network() -> JointNetwork:
    return JointNetwork(Late().eval(), inputs=("x", "y"), outputs=("z",))


@pytest.fixture
def inputs() -> BatchInputs:
    clean = {"x": torch.randn(2, 3), "y": torch.randn(2, 5)}
    follower = {name: x[:1] for name, x in clean.items()}
    return BatchInputs(clean, np.arange(2), {n: Modality(n) for n in clean}, MUTES, follower)


def conditions(*mutes: str, setups: str = "ends") -> list[Condition]:
    muted = choose_setups(["x", "y"], ["x", "y"], setups)[1:]
    return [Condition(NO_MUTE, FULL), *(Condition(m, s) for m in mutes for s in muted)]


def test_constants_are_computed_once_a_run(network: JointNetwork, inputs: BatchInputs) -> None:
    costs = count_costs(network, inputs, conditions("zero"))
    assert costs.forward == X + Y + HEAD
    assert costs.plain == 4 * (X + Y + HEAD)
    # Full, without x and without y need the head each; without both, nothing varies.
    assert (costs.shared, costs.shared_batch) == (X + Y + 3 * HEAD, 0)
    assert costs.shared_once == X + Y + HEAD
    assert (costs.least, costs.least_once) == (costs.shared, costs.shared_once)
    assert costs.of_run(100)[1] == 100 * (X + Y + 3 * HEAD) + X + Y + HEAD


def test_noise_is_drawn_anew_for_every_sample(network: JointNetwork, inputs: BatchInputs) -> None:
    known = {n: Modality(n, mean=(0.0,), std=(1.0,)) for n in inputs.clean}
    noisy = BatchInputs(inputs.clean, inputs.indices, known, MUTES)
    costs = count_costs(network, noisy, conditions("noise"))
    assert costs.shared == costs.least == 2 * (X + Y) + 4 * HEAD
    assert costs.shared_once == costs.least_once == 0


def test_under_shuffle_a_batch_needs_one_sample_more(
    network: JointNetwork, inputs: BatchInputs
) -> None:
    costs = count_costs(network, inputs, conditions("shuffle"))
    assert costs.shared == X + Y + 3 * HEAD
    assert costs.shared_batch == X + Y + HEAD
    plain, shared, least = costs.of_run(33, batch_size=16)
    assert (plain, shared) == (33 * costs.plain, 33 * costs.shared + 3 * costs.shared_batch)
    # The shared path knows that a shuffled sample is another clean one; the graph does not.
    assert shared < least == 33 * (2 * (X + Y) + 4 * HEAD)
