"""Optimal constants: closed forms, another optimiser, and what is never to happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn import functional as F

from influence.data.evaluation_file import EvaluationFile
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.mutes.mute import SiteTensor
from influence.mutes.optimal import learn_optimal, with_optimal
from influence.mutes.registry import MUTES
from influence.network.checkpoints import export_checkpoint, load_checkpoint
from influence.network.joint_network import JointNetwork, Modality, Output
from influence.runtime.execution import Execution
from tests.toy import Toy, batches, joint, toy, write_toy_file

Data = tuple[dict[str, Tensor], dict[str, Tensor]]


class Formula(nn.Module):
    """A function of x and y as a network."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, y: Tensor) -> Any:
        return self.function(x * self.weight, y)


def formula(function: Callable[..., Any], *outputs: str, **facts: str) -> JointNetwork:
    inputs = [Modality(name, facts.get(name, "other")) for name in "xy"]
    return JointNetwork(Formula(function), inputs, outputs or ("z",))


def pair(function: Callable[..., Any], count: int = 100, *shape: int) -> Data:
    stream = torch.Generator().manual_seed(count)
    x = torch.rand(count, *shape, generator=stream).square() * 3
    y = torch.randn(count, *shape, generator=stream)
    return {"x": x, "y": y}, {"z": function(x, y)}


def everything(count: int, steps: int = 300) -> dict[str, Any]:
    """Options by which every step sees every sample."""
    return {"steps": steps, "execution": Execution(batch_size=count)}


@pytest.mark.parametrize("shape", [(), (3,), (3, 4, 5)])
def test_for_a_linear_network_and_squared_error_it_is_the_mean(shape: tuple[int, ...]) -> None:
    def linear(x: Tensor, y: Tensor) -> Tensor:
        return 2 * x - y

    data = pair(linear, 100, *shape)
    found = learn_optimal(formula(linear), [data], **everything(100))
    for name, values in data[0].items():
        axes = [i for i in range(values.ndim) if i != 1]
        assert found[name] == pytest.approx(values.mean(axes).reshape(-1).tolist(), abs=2e-3)


def test_for_another_network_it_is_what_another_optimiser_finds() -> None:
    def curved(x: Tensor, y: Tensor) -> Tensor:
        return torch.tanh(2 * x[:, :1] - x[:, 1:] * y[:, :1]) + y[:, 1:]

    data = pair(curved, 60, 2)
    found = learn_optimal(formula(curved), [data], sites=["x"], **everything(60, 600))

    def loss(constant: Any) -> float:
        shown = torch.as_tensor(np.asarray(constant, np.float32)).expand(60, 2)
        return F.mse_loss(curved(shown, data[0]["y"]).double(), data[1]["z"].double()).item()

    starts = [(0.0, 0.0), (1.0, 1.0), (0.5, 2.0), (2.0, -1.0)]
    best = min(minimize(loss, s, method="Nelder-Mead", tol=1e-7).fun for s in starts)
    assert loss(found["x"]) == pytest.approx(best, rel=1e-3)
    mean = data[0]["x"].mean(0).tolist()
    assert best < 0.99 * loss(mean)  # the mean is not the best here


def toy_loss(net: JointNetwork, data: Data, shown: Mapping[str, Tensor]) -> float:
    """Sum the losses of both outputs, each by what it is with nothing muted."""
    inputs, targets = data

    def each(given: Mapping[str, Tensor]) -> list[Tensor]:
        with torch.no_grad():
            depth, semantic = net(given)["depth"][:, 0].double(), net(given)["semantic"].double()
        known = targets["depth"].isfinite()
        return [
            F.mse_loss(depth[known], targets["depth"][known].double()),
            F.nll_loss(semantic.log(), targets["semantic"], ignore_index=-1),
        ]

    muted, full = each({**inputs, **shown}), each(inputs)
    return sum((m / f).item() for m, f in zip(muted, full, strict=True))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.integers(0, 30))
def test_it_is_never_worse_than_its_candidates(seed: int, steps: int) -> None:
    net, parts = joint(Toy(seed)), batches()
    data = ({n: torch.cat([p[0][n] for p in parts]) for n in parts[0][0]},
            {n: torch.cat([p[1][n] for p in parts]) for n in parts[0][1]})  # fmt: skip
    found = learn_optimal(net, [data], steps=steps, seed=seed)
    for site, mutes in (("depth", ("zero", "mean")), ("semantic", ("mean", "uniform"))):
        clean = data[0][site]
        mean = tuple(clean.double().mean((0, 2, 3)).tolist())
        facts = Modality(site, {m.name: m for m in net.inputs}[site].kind, mean=mean,
                         optimal=found[site])  # fmt: skip
        lost = {
            mute: toy_loss(net, data, {site: MUTES[mute].replace(signal)})
            for signal in [SiteTensor(clean, facts, np.arange(len(clean)))]
            for mute in (*mutes, "optimal")
        }
        assert lost["optimal"] <= min(lost.values()) + 1e-6, (site, lost)


def test_constants_are_of_their_kind(toy_file: Path) -> None:
    found = learn_optimal(toy(), toy_file, steps=60)
    assert sum(found["semantic"]) == pytest.approx(1.0)
    assert min(found["semantic"]) > 0
    assert len(found["depth"]) == 1
    assert found["depth"][0] >= 0


def test_program_and_module_give_the_same(toy_file: Path, tmp_path: Path) -> None:
    net = toy()
    example = {"depth": torch.ones(2, 1, 5, 6), "semantic": torch.ones(2, 3, 5, 6)}
    export_checkpoint(net, tmp_path / "toy.pt2", example)
    one, other = (
        learn_optimal(n, toy_file, steps=40) for n in (net, load_checkpoint(tmp_path / "toy.pt2"))
    )
    assert one.keys() == other.keys() == {"depth", "semantic"}
    for site, constant in one.items():
        assert other[site] == pytest.approx(constant, rel=1e-4, abs=1e-6)


def test_outputs_weigh_alike_whatever_their_unit() -> None:
    stream = torch.Generator().manual_seed(1)
    noise = torch.randn(50, 2, generator=stream)

    def found(unit: float) -> float:
        def two(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            return x.square() + y, unit * (x - y)

        inputs, _ = pair(lambda x, y: x, 50, 1)
        a, b = two(**inputs)
        targets = {"a": a + noise[:, :1], "b": b + unit * noise[:, 1:]}
        net = formula(two, "a", "b")
        return learn_optimal(net, [(inputs, targets)], sites=["x"], **everything(50))["x"][0]

    assert found(1000.0) == pytest.approx(found(1.0), abs=2e-3)


def test_network_stays_as_it_is(toy_file: Path) -> None:
    net = toy()
    net.module.get_parameter("conv.bias").requires_grad_(False)
    before = {name: w.clone() for name, w in net.module.state_dict().items()}
    learn_optimal(net, toy_file, steps=5)
    assert [w.requires_grad for w in net.module.parameters()] == [True, False]
    for name, weights in net.module.state_dict().items():
        assert torch.equal(weights, before[name])
    assert all(w.grad is None for w in net.module.parameters())


def test_seed_limit_and_sites_have_an_effect(toy_file: Path, reads: list[int]) -> None:
    options: dict[str, Any] = {"steps": 5, "execution": Execution(batch_size=4), "limit": 9}
    one, same, other = (learn_optimal(toy(), toy_file, seed=s, **options) for s in (1, 1, 2))
    assert one == same
    assert one != other
    assert set(reads) == set(range(9))
    assert list(learn_optimal(toy(), toy_file, sites=["semantic"], **options)) == ["semantic"]


def test_large_sets_are_compared_on_a_part(tmp_path: Path, reads: list[int]) -> None:
    path = write_toy_file(tmp_path / "large.h5", 150)
    net = with_moments(toy())
    learn_optimal(net, path, steps=0)
    assert len(set(reads)) == len(reads) == 128


def with_moments(net: JointNetwork) -> JointNetwork:
    inputs = [Modality(m.name, m.kind, mean=(0.3,), std=(1.0,)) for m in net.inputs]
    return JointNetwork(net.module, inputs, net.outputs)


def test_a_perfect_network_is_scaled_by_what_a_candidate_loses() -> None:
    def two(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x + y, 100 * x

    inputs, _ = pair(lambda x, y: x, 40, 1)
    targets = dict(zip("ab", two(**inputs), strict=True))
    found = learn_optimal(formula(two, "a", "b"), [(inputs, targets)], **everything(40))
    assert found["x"] == pytest.approx([inputs["x"].mean().item()], abs=2e-3)


def test_what_stops_gradients_is_an_error() -> None:
    data = pair(lambda x, y: x + y, 20, 1)
    with pytest.raises(InfluenceError, match="no gradient reaches the input 'x', though"):
        learn_optimal(formula(lambda x, y: x.detach() + y), [data], steps=5)


def test_where_gradients_are_zero_the_best_candidate_stays() -> None:
    data = pair(lambda x, y: x + y, 20, 1)
    net = formula(lambda x, y: x.round() + y)
    found = learn_optimal(net, [data], sites=["x"], steps=5)
    assert found["x"] == pytest.approx([data[0]["x"].double().mean().item()])


def test_an_input_without_influence_has_a_constant_too() -> None:
    data = pair(lambda x, y: y, 20, 1)
    net = formula(lambda x, y: y * 2)
    assert learn_optimal(net, [data], sites=["x"], steps=5) == {"x": (0.0,)}


def test_nan_is_an_error() -> None:
    data = pair(lambda x, y: x + y, 20, 1)
    broken = formula(lambda x, y: x + y.log())
    with pytest.raises(InfluenceError, match=r"NaN or infinity for some of .* nothing muted"):
        learn_optimal(broken, [data])
    muted_only = formula(lambda x, y: y + (x - x.mean(0)).square().sum(0).reciprocal())
    with pytest.raises(InfluenceError, match="'x' was replaced by each of zero, mean"):
        learn_optimal(muted_only, [data])


@pytest.mark.parametrize("options", [{"steps": -1}, {"limit": 0}])
def test_senseless_options_are_refused(options: dict[str, Any], toy_file: Path) -> None:
    with pytest.raises(InfluenceError, match="expected"):
        learn_optimal(toy(), EvaluationFile(toy_file), **options)


def test_facts_are_filled_in() -> None:
    net = JointNetwork(nn.Identity(), ["x", "y"], [Output("z")], name="n", seed=3)
    found = with_optimal(net, {"y": [0.5, 1]})
    assert [m.optimal for m in found.inputs] == [None, (0.5, 1.0)]
    assert [m.optimal for m in net.inputs] == [None, None]
    assert (found.module, found.name, found.seed) == (net.module, "n", 3)


class Worded(nn.Module):
    """A number, plus one for each word, and what the batch is given."""

    def forward(self, x: Tensor, ids: Tensor, mask: Tensor, given: Tensor) -> Tensor:
        assert not ids.is_floating_point()
        return x + ids.sign().sum(1, keepdim=True) * mask + given


def test_inputs_of_other_kinds_are_shown_as_they_are() -> None:
    words = Modality("words", "tokens", tensors=("ids", "mask"))
    network = JointNetwork(Worded(), ["x", words, Modality("given", role="context")], ["z"])
    x = torch.tensor([[1.0], [2.0], [6.0]])
    inputs = {"x": x, "ids": torch.ones(3, 4).long(), "mask": torch.ones(3, 1).long()}
    batches = [(inputs | {"given": torch.zeros(1)}, {"z": x + 4})]
    run = measure(network, batches, mutes=["optimal"], training=batches)
    assert run.info["learned"]["network"]["x"] == pytest.approx([3.0], abs=1e-3)
    assert set(run.influence["source"]) == {"x"}


def test_a_part_of_a_tensor_has_constants_of_its_own_channels() -> None:
    parts = [Modality(n, tensors=("xy",), slice=(1, i, i + 1)) for i, n in enumerate("ab")]
    network = JointNetwork(nn.Identity(), parts, ["z"])
    xy = torch.tensor([[1.0, 0.0], [2.0, 5.0], [6.0, 1.0]])
    run = measure(network, [({"xy": xy}, {"z": xy})], mutes=["optimal"],
                  training=[({"xy": xy}, {"z": xy})])  # fmt: skip
    assert run.info["learned"]["network"]["a"] == pytest.approx([3.0], abs=1e-3)
    assert run.info["learned"]["network"]["b"] == pytest.approx([2.0], abs=1e-3)
