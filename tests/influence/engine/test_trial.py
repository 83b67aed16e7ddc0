"""What a trial finds out about a network."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from influence.engine.forward import PlainForward
from influence.engine.sharing.shared_forward import SharedForward
from influence.engine.trial import RandomDraws, Trial, probe_network, trial_size, try_network
from influence.network.joint_network import JointNetwork
from tests.influence.engine.sharing.zoo import VECTORS, ZOO, conditions, draw, late_fusion, network

MUTES = ("zero", "shuffle", "noise")


@pytest.fixture
def every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take even the smallest work for worth a trace."""
    monkeypatch.setattr("influence.engine.trial.WORTH_TRACING", -1.0)


def attempt(net: JointNetwork, **options: Any) -> tuple[Trial, SharedForward | None]:
    known: dict[str, Any] = {"samples": 10}
    signals = draw(net, 2, mutes=MUTES)
    probe = probe_network(net, signals)
    return try_network(net, signals, conditions(net, MUTES), probe, **(known | options))


@pytest.mark.usefixtures("every_size")
@pytest.mark.parametrize("name", ["late fusion", "recurrent", "made weights"])
def test_network_is_shared(name: str) -> None:
    trial, shared = attempt(ZOO[name]())
    assert trial == Trial(True)
    assert shared is not None


def test_work_has_to_be_worth_a_trace() -> None:
    net = late_fusion(1, 2)
    trial, shared = attempt(net)
    assert (trial.shared, trial.notes, shared) == (False, (), None)
    assert "too small" in trial.reason
    assert attempt(net, samples=None)[0].shared  # nobody knows how many will come
    assert attempt(net, samples=10**9)[0].shared


def test_sharing_may_be_declined() -> None:
    assert attempt(late_fusion(1, 2), samples=None, wanted=False)[0] == Trial(
        False, "not asked for"
    )


def _mixed(self: Any, x: Tensor, y: Tensor) -> Tensor:
    return x.cumsum(dim=0) + y


def _on_values(self: Any, x: Tensor, y: Tensor) -> Tensor:
    return x + y if x.sum() > 0 else x - y


def _in_place(self: Any, x: Tensor, y: Tensor) -> Tensor:
    return x.relu_() + y


def _on_one(self: Any, x: Tensor, y: Tensor) -> Tensor:
    return x + y if x.shape[0] > 1 else x - y


def _on_evenness(self: Any, x: Tensor, y: Tensor) -> Tensor:
    return x + y if x.shape[0] % 2 == 0 else x - y


@pytest.mark.usefixtures("every_size")
@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (_mixed, "output 'out' depends on the other samples of the batch"),
        (_on_values, "torch cannot export it"),
        (_in_place, "changes a tensor in place"),
        (_on_one, "output 'out' depends on the other samples of the batch"),
        (_on_evenness, "output 'out' depends on the other samples of the batch"),
    ],
)
def test_network_that_cannot_be_shared_is_run_plainly_and_says_so(
    function: Callable[..., Any], reason: str
) -> None:
    net = network(function, VECTORS)
    trial, shared = attempt(net)
    assert shared is None
    assert re.search(reason, trial.reason)
    # Of what the probe sees, the evaluation makes a note.
    noted = [f"no work is shared through the network's graph: {trial.reason}"]
    assert list(trial.notes) == ([] if "other samples" in reason else noted)
    for _, outputs in PlainForward(net, conditions(net, MUTES))(draw(net, 3, mutes=MUTES)):
        assert outputs["out"].shape == (3, 4)


def test_network_that_changes_is_told() -> None:
    net = network(lambda self, x, y: x + torch.rand_like(y), VECTORS)
    trial, shared = attempt(net, samples=None)
    assert shared is None
    assert trial.reason == "its outputs differ between two identical runs"
    (note,) = probe_network(net, draw(net, 2, mutes=MUTES)).notes
    assert "output 'out' changes between two identical runs by up to 0." in note


def test_network_that_fails_is_not_tried_further() -> None:
    net = network(lambda self, x, y: self.x(x) + y, VECTORS, x=nn.Linear(3, 3))
    trial, shared = attempt(net, samples=None)
    assert (trial.runs, shared) == (False, None)
    assert trial.reason.startswith("it fails on 2 samples: RuntimeError: ")


def test_use_of_the_position_in_the_batch_is_noticed_on_a_whole_batch() -> None:
    net = network(lambda self, x, y: x + y * (torch.arange(x.shape[0]) // 2)[:, None], VECTORS)
    signals = draw(net, 5, mutes=MUTES)
    probe = probe_network(net, signals)
    assert probe == replace(probe, independent=False, notes=(), runs=True)
    trial, _ = try_network(net, signals, conditions(net, MUTES), probe, samples=None)
    assert not trial.shared
    assert trial.reason == "output 'out' depends on the other samples of the batch"


def _sampled(self: Any, x: Tensor, y: Tensor) -> Tensor:
    return x + (torch.rand(()) < 0.05) * y  # most often it draws, and nothing changes


def _dropped(self: Any, x: Tensor, y: Tensor) -> Tensor:
    return torch.dropout(x, 0.01, train=True) + y


def _numpy(self: Any, x: Tensor, y: Tensor) -> Tensor:
    return x + y * float(np.random.rand() < 0.05)  # noqa: NPY002


def _python(self: Any, x: Tensor, y: Tensor) -> Tensor:
    return x + y * float(random.random() < 0.05)


@pytest.mark.parametrize("function", [_sampled, _dropped, _numpy, _python])
def test_randomness_is_noticed_whatever_is_drawn(function: Callable[..., Any]) -> None:
    net = network(function, VECTORS)
    noticed = 0
    for seed in range(60):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        probe = probe_network(net, draw(net, 2, mutes=MUTES, seed=seed))
        noticed += bool(probe.notes) and not probe.independent
    assert noticed == 60


def test_draws_of_a_generator_of_its_own_are_not_random() -> None:
    def seeded(self: Any, x: Tensor, y: Tensor) -> Tensor:
        return x + y * torch.rand(4, generator=torch.Generator().manual_seed(3))

    net = network(seeded, VECTORS)
    probe = probe_network(net, draw(net, 3, mutes=MUTES))
    assert (probe.independent, probe.notes, probe.reason) == (True, (), "")


@pytest.mark.parametrize("draws", [torch.rand, np.random.rand, lambda _: random.random()])
def test_each_global_generator_is_watched(draws: Callable[[int], Any]) -> None:
    with RandomDraws() as nothing:
        torch.zeros(1)
    with RandomDraws() as something:
        draws(1)
    assert (nothing.drawn, something.drawn) == (False, True)


def test_company_and_order_are_noticed() -> None:
    for function in (
        lambda self, x, y: x - x.mean(0) + y,
        lambda self, x, y: x + y.cumsum(0),
        lambda self, x, y: x + y.flip(0),
    ):
        net = network(function, VECTORS)
        probe = probe_network(net, draw(net, 3, mutes=MUTES))
        assert probe.reason == "output 'out' depends on the other samples of the batch"


def test_a_network_that_needs_gradients_is_run_with_them_allowed() -> None:
    def refined(self: Any, x: Tensor, y: Tensor) -> Tensor:
        with torch.enable_grad():
            z = x.detach().clone().requires_grad_()
            (slope,) = torch.autograd.grad((z * y).sum(), z)
        return x - slope  # x - y

    net = network(refined, VECTORS)
    signals = draw(net, 3, mutes=MUTES)
    probe = probe_network(net, signals)
    assert (probe.runs, probe.graded, probe.independent) == (True, True, True)


def test_flops_are_those_of_one_sample() -> None:
    net = network(lambda self, x, y: self.x(x) + y, VECTORS, x=nn.Linear(4, 4))
    for count in (2, 5):
        assert probe_network(net, draw(net, count, mutes=MUTES)).flops == 2 * 4 * 4


def test_a_trial_is_small_beside_the_run() -> None:
    assert trial_size(654, 16, 7) == 2
    assert trial_size(20_000, 16, 7) == trial_size(None, 16, 7) == 16
    assert trial_size(20_000, 4, 7) == 4
