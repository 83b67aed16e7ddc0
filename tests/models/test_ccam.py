from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.ccam import CCAMNet, CCAMNetConfig, CrossChannelAttention, ccam_loss
from models.trunks import Decoder
from tests.models.networks import (
    by_hand,
    count,
    depths,
    measured,
    names,
    pictures,
    replaced,
    settle,
    shapes,
)

SMALL = CCAMNetConfig(trunk="small", width=6)
EDGES = ("edge:attention.to_depth", "edge:attention.to_semantic")


@pytest.fixture
def network() -> CCAMNet:
    torch.manual_seed(0)
    made = CCAMNet(SMALL)
    speak(made)
    settle(made, pictures())
    return made


def speak(network: CCAMNet, depth: float = 0.7, semantic: float = -0.4) -> None:
    """Let the attention change something, as after some training."""
    assert network.attention is not None
    nn.init.constant_(network.attention.to_depth.gamma, depth)
    nn.init.constant_(network.attention.to_semantic.gamma, semantic)


# the attention


def attention(affinity: Any = "softmax") -> tuple[CrossChannelAttention, Tensor, Tensor]:
    torch.manual_seed(1)
    module = CrossChannelAttention(4, affinity=affinity).double()
    depth, semantic = torch.randn(2, 3, 4, 5, 6, dtype=torch.float64).unbind()
    return module, depth, semantic


@pytest.mark.parametrize("affinity", ["softmax", "sigmoid"])
def test_the_attention_equals_a_loop_over_pairs_of_channels(affinity: Any) -> None:
    module, depth, semantic = attention(affinity)
    nn.init.constant_(module.to_depth.gamma, 0.7)
    nn.init.constant_(module.to_semantic.gamma, -0.4)

    def gated(gate: nn.Module, x: Tensor) -> Tensor:
        where, what = (
            functional.conv2d(x, c.weight, c.bias, padding=1)
            for c in cast(Any, (gate.where, gate.what))
        )
        return what / (1 + (-where).exp())

    expected = depth.clone(), semantic.clone()
    with torch.no_grad():
        x, y = gated(module.gate_depth, depth), gated(module.gate_semantic, semantic)
        for b in range(3):
            scores = np.empty((4, 4))
            for i in range(4):
                for j in range(4):
                    scores[i, j] = float((x[b, i] * y[b, j]).sum()) / math.sqrt(5 * 6)
            weights = np.exp(scores) if affinity == "softmax" else 1 / (1 + np.exp(-scores))
            if affinity == "softmax":
                weights /= weights.sum(axis=1, keepdims=True)  # over the semantic channels
            for i in range(4):
                for j in range(4):
                    expected[0][b, i] += 0.7 * weights[i, j] * semantic[b, j]
                    expected[1][b, j] += -0.4 * weights[i, j] * depth[b, i]
        for found, by_loop in zip(module(depth, semantic), expected, strict=True):
            torch.testing.assert_close(found, by_loop)


def test_the_attention_at_its_start_changes_nothing_and_can_learn() -> None:
    module, depth, semantic = attention()
    found = module(depth, semantic)
    assert torch.equal(found[0], depth)
    assert torch.equal(found[1], semantic)
    torch.autograd.backward(sum(x.square().sum() for x in found))
    for message in (module.to_depth, module.to_semantic):
        assert float(cast(Tensor, message.gamma.grad)) != 0


def test_the_attention_has_four_convolutions_and_two_gammas() -> None:
    assert count(CrossChannelAttention(64)) == 4 * (9 * 64 * 64 + 64) + 2


@pytest.mark.parametrize("mode", [True, False])
def test_a_network_with_gamma_0_is_one_without_the_module(mode: bool) -> None:
    torch.manual_seed(0)
    joint, without = CCAMNet(SMALL), CCAMNet(replace(SMALL, attention=False))
    assert without.attention is None
    state = {x: y for x, y in joint.state_dict().items() if not x.startswith("attention.")}
    without.load_state_dict(state)  # strict: nothing else is missing
    settle(joint, pictures())
    settle(without, pictures())
    with torch.no_grad():
        expected, found = without.train(mode)(pictures()), joint.train(mode)(pictures())
    assert expected.keys() == found.keys()
    for name in expected:
        assert torch.equal(found[name], expected[name])


# the network


@pytest.mark.parametrize("stride", [2, 4, 8, 16, 32])
def test_the_decoders_meet_where_the_stride_says(stride: int) -> None:
    network = CCAMNet(replace(SMALL, stride=stride)).eval()
    size = [SMALL.width, -(-50 // stride), -(-70 // stride)]
    paths = ["coarse.depth", "coarse.semantic", "attention.to_depth", "attention.to_semantic"]
    assert shapes(network, paths, pictures(2, 50, 70)) == dict.fromkeys(paths, size)
    assert network(pictures(2, 50, 70))["depth"].shape == (2, 1, 50, 70)


def test_a_stride_that_the_trunk_lacks_is_told() -> None:
    with pytest.raises(ValueError, match="expected a stride of small: 2, 4, 8, 16, 32; not 3"):
        CCAMNet(replace(SMALL, stride=3))


def test_without_the_module_a_decoder_is_in_two_parts_only() -> None:
    torch.manual_seed(0)
    network = CCAMNet(replace(SMALL, attention=False))
    settle(network, pictures())
    whole = Decoder(network.encoder.channels, width=6).eval()
    for name in ("depth", "semantic"):
        fine, coarse = cast(Any, network.fine[name]), cast(Any, network.coarse[name])
        for part in ("lateral", "smooth"):
            setattr(whole, part, nn.ModuleList([*getattr(fine, part), *getattr(coarse, part)]))
        with torch.no_grad():
            x = network.heads[name](whole(network.encoder(pictures())))
            x = functional.interpolate(x, size=(48, 64), mode="bilinear")
            raw = network.raw(pictures())
        torch.testing.assert_close(raw["log_depth" if name == "depth" else name], x)


@pytest.mark.parametrize("trunk", ["small", "resnet50", "vgg16"])
def test_trunks_are_replaceable_by_name(trunk: str) -> None:
    with torch.device("meta"):
        maps = CCAMNet(replace(SMALL, trunk=trunk)).eval()(torch.empty(2, 3, 50, 70))
    assert maps["depth"].shape == (2, 1, 50, 70)
    assert maps["semantic"].shape == (2, 5, 50, 70)


def test_an_unknown_trunk_is_told() -> None:
    with pytest.raises(ValueError, match=r"expected a trunk of .* not 'resnet51'"):
        CCAMNet(replace(SMALL, trunk="resnet51"))


def test_single_task_twins_hold_the_parts_that_they_need(network: CCAMNet) -> None:
    for task, other in (("depth", "semantic"), ("semantic", "depth")):
        twin = CCAMNet(replace(SMALL, outputs=(task,)))
        assert twin.attention is None
        assert names(twin) == {
            x for x in names(network) if f".{other}." not in x and not x.startswith("attention.")
        }
        assert set(twin.eval()(pictures())) == {task}


def test_eval_mode_gives_metres_and_probabilities(network: CCAMNet) -> None:
    with torch.no_grad():
        raw, maps = network.raw(pictures()), network(pictures())
    torch.testing.assert_close(maps["depth"], raw["log_depth"].exp())
    torch.testing.assert_close(maps["semantic"], raw["semantic"].softmax(dim=1))
    head = cast(nn.Conv2d, network.heads["depth"])
    nn.init.zeros_(head.weight)
    for bias, metres in ((-9.0, math.exp(-3)), (math.log(2.0), 2.0), (9.0, math.exp(3))):
        nn.init.constant_(cast(Tensor, head.bias), bias)
        with torch.no_grad():
            depth = network(pictures())["depth"]
        torch.testing.assert_close(depth, torch.full_like(depth, metres))
    assert math.exp(-3) == pytest.approx(0.05, rel=0.01)
    assert math.exp(3) == pytest.approx(20, rel=0.01)


def test_depth_starts_at_the_typical_depth() -> None:
    network = CCAMNet(replace(SMALL, typical_depth=3.25)).eval()
    nn.init.zeros_(cast(nn.Conv2d, network.heads["depth"]).weight)
    with torch.no_grad():
        depth = network(pictures())["depth"]
    torch.testing.assert_close(depth, torch.full_like(depth, 3.25))


@pytest.mark.parametrize(("edge", "moved"), list(zip(EDGES, ("depth", "semantic"), strict=True)))
def test_an_edge_reaches_its_task_alone(network: CCAMNet, edge: str, moved: str) -> None:
    with torch.no_grad():
        clean = network(pictures())
    muted = replaced(network, edge.removeprefix("edge:"), torch.zeros_like, pictures())
    for name in clean:
        assert torch.equal(muted[name], clean[name]) is (name != moved)


@pytest.mark.parametrize("affinity", ["softmax", "sigmoid"])
def test_muting_edges_is_measured_alike_in_module_and_file(affinity: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = CCAMNet(replace(SMALL, affinity=affinity, stride=16))
    speak(network)
    inputs = {"rgb": pictures(7)}
    settle(network, *inputs.values())
    live, filed = measured(network, inputs, EDGES, tmp_path)
    expected = by_hand(network, EDGES, inputs)
    assert live == pytest.approx(expected, rel=1e-3)
    assert filed == pytest.approx(expected, rel=1e-3)
    moved = {pair for pair, omega in live.items() if omega != 0}
    assert moved == set(zip(EDGES, ("depth", "semantic"), strict=True))


# losses


def truth() -> tuple[dict[str, Tensor], Tensor, Tensor]:
    random = np.random.default_rng(0)
    log_depth, logits = random.normal(1, 0.5, (2, 1, 4, 5)), random.normal(0, 2, (2, 5, 4, 5))
    depth, labels = random.uniform(0.5, 9, (2, 4, 5)), random.integers(0, 5, (2, 4, 5))
    depth[0, 0, :3], labels[1, 2, 1:4] = 0, 255
    maps = {"log_depth": torch.from_numpy(log_depth), "semantic": torch.from_numpy(logits)}
    return maps, torch.from_numpy(depth), torch.from_numpy(labels)


def test_the_loss_equals_a_computation_by_hand() -> None:
    maps, depth, labels = truth()
    errors, likelihoods = [], []
    for b, i, j in np.ndindex(2, 4, 5):
        if depth[b, i, j] > 0:
            errors.append(abs(float(maps["log_depth"][b, 0, i, j]) - math.log(depth[b, i, j])))
        if labels[b, i, j] != 255:
            z = np.exp(maps["semantic"][b, :, i, j].numpy())
            likelihoods.append(-math.log(z[labels[b, i, j]] / z.sum()))
    expected = {"log_depth": np.mean(errors), "semantic": np.mean(likelihoods)}
    for name, value in expected.items():
        loss = float(ccam_loss({name: maps[name]}, depth, labels))
        assert loss == pytest.approx(value, rel=1e-12)
    loss = float(ccam_loss(maps, depth, labels))
    assert loss == pytest.approx(sum(expected.values()), rel=1e-12)


def test_pixels_without_truth_move_nothing() -> None:
    maps, depth, labels = truth()
    wild = {name: x.clone() for name, x in maps.items()}
    wild["log_depth"][:, 0][depth == 0] = 1e9
    wild["semantic"].permute(0, 2, 3, 1)[labels == 255] = 1e4
    losses = []
    for own in (maps, wild):
        for x in own.values():
            x.requires_grad_()
        loss = ccam_loss(own, depth, labels)
        gradients = torch.autograd.grad(loss, list(own.values()))
        assert all(bool(x.isfinite().all()) for x in gradients)
        assert bool((gradients[0][:, 0][depth == 0] == 0).all())
        assert bool((gradients[1].permute(0, 2, 3, 1)[labels == 255] == 0).all())
        losses.append(float(loss.detach()))
    assert losses[0] == losses[1]


def test_a_batch_without_any_truth_costs_nothing() -> None:
    maps, depth, labels = truth()
    for x in maps.values():
        x.requires_grad_()
    nothing = torch.zeros_like(depth), torch.full_like(labels, 255).to(torch.uint8)
    loss = ccam_loss(maps, *nothing)
    assert float(loss.detach()) == 0.0
    for gradient in torch.autograd.grad(loss, list(maps.values())):
        assert bool((gradient == 0).all())


def test_every_parameter_is_trained(network: CCAMNet) -> None:
    loss = ccam_loss(network.train()(pictures()), depths()[:, 0], torch.ones(2, 48, 64).long())
    torch.autograd.backward(loss)
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_maps_and_losses_in_single(
    network: CCAMNet, dtype: torch.dtype
) -> None:
    labels = torch.ones(2, 48, 64).long()
    with torch.autocast("cpu", dtype):
        maps = network.raw(pictures())
    assert {x.dtype for x in maps.values()} == {torch.float32}
    loss = ccam_loss(maps, depths()[:, 0], labels)
    torch.autograd.backward(loss)
    assert all(bool(cast(Tensor, p.grad).isfinite().all()) for p in network.parameters())
    full = ccam_loss(network.raw(pictures()), depths()[:, 0], labels)
    assert float(loss.detach()) == pytest.approx(float(full.detach()), rel=0.02)
