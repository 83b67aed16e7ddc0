from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from models.hybridnet import (
    Edge,
    HybridNet,
    HybridNetConfig,
    euclidean,
    hybridnet_loss,
    normalise,
)
from models.tiling import Tiled
from models.trunks import TRUNKS
from tests.models.networks import (
    by_hand,
    count,
    depths,
    measured,
    names,
    pictures,
    replaced,
    seen,
    settle,
    shapes,
)

SMALL = HybridNetConfig(
    trunk="small",
    classes=5,
    feature_width=6,
    global_width=1 / 8,
    global_grid=(2, 3),
    global_hidden=8,
    global_map=(3, 4),
    stem_width=4,
    refine_width=4,
    aspp_width=6,
    aspp_rates=(1, 2),
)
EDGES = ("edge:global_depth", "edge:features_to_depth", "edge:features_to_semantic")


@pytest.fixture
def network() -> HybridNet:
    torch.manual_seed(0)
    made = HybridNet(SMALL)
    # the layout has to show above the depth that it starts from, so that muting it does
    nn.init.normal_(made.get_parameter("global_depth.layout.4.weight"))
    settle(made, pictures())
    return made


# sizes and parameters


def test_the_published_network_has_the_sizes_of_depthnet_and_deeplab() -> None:
    with torch.device("meta"):
        network, rgb = HybridNet(), torch.empty(1, 3, 218, 298)
    convolutions = [f"global_depth.convolutions.{i}" for i in (0, 3, 4, 7, 9, 11, 13, 14)]
    paths = [*convolutions, "global_depth", "refine.stem.0", "refine.stem", "refine"]
    found = shapes(network, [*paths, "features", "aspp.branches.3", "aspp"], rgb)
    assert [found[path] for path in convolutions] == [
        [96, 52, 72],  # 11x11, every fourth pixel
        [96, 25, 35],  # pool
        [256, 25, 35],
        [384, 25, 35],
        [384, 25, 35],
        [256, 25, 35],
        [256, 12, 17],  # pool
        [256, 12, 17],  # the grid: nothing is left to average
    ]
    assert found["global_depth"] == [1, 27, 37]
    assert found["refine.stem.0"] == [96, 109, 149]
    assert found["refine.stem"] == [96, 55, 75]
    assert found["refine"] == [1, 55, 75]
    assert found["features"] == [512, 28, 38]  # an eighth
    assert found["aspp.branches.3"] == found["aspp"] == [19, 28, 38]
    raw = {name: list(x.shape) for name, x in network(rgb).items()}
    assert raw == {
        "depth": [1, 1, 55, 75],
        "global_depth": [1, 1, 27, 37],
        "semantic": [1, 19, 218, 298],
    }
    finished = {name: list(x.shape) for name, x in network.eval()(rgb).items()}
    assert finished == {"depth": [1, 1, 218, 298], "semantic": [1, 19, 218, 298]}


def test_the_grid_of_a_picture_of_another_size_is_averaged() -> None:
    with torch.device("meta"):
        network, rgb = HybridNet(), torch.empty(1, 3, 321, 321)
    paths = ["global_depth.convolutions.13", "global_depth.convolutions.14", "global_depth"]
    assert list(shapes(network, paths, rgb).values()) == [[256, 18, 18], [256, 12, 17], [1, 27, 37]]


def test_the_published_network_has_the_parameters_of_its_parts() -> None:
    with torch.device("meta"):
        network = HybridNet()

    def layer(inputs: int, outputs: int, kernel: int, groups: int = 1) -> int:
        return inputs // groups * outputs * kernel**2 + outputs

    alexnet = layer(3, 96, 11) + layer(96, 256, 5, 2) + layer(256, 384, 3)
    alexnet += layer(384, 384, 3, 2) + layer(384, 256, 3, 2)
    assert count(network.global_depth.convolutions) == alexnet == 2_334_080  # AlexNet's
    hidden = layer(256 * 12 * 17, 1024, 1) + layer(1024, 999, 1)
    assert count(network.global_depth.layout) == hidden
    refine = layer(3, 96, 11) + layer(512, 64, 1) + layer(96 + 64 + 1, 64, 5)
    refine += layer(64, 64, 5) + layer(64, 64, 5, 2) + layer(64, 1, 3)
    assert count(network.refine) == refine
    branch = layer(512, 1024, 3) + layer(1024, 1024, 1) + layer(1024, 19, 1)
    assert count(network.aspp) == 4 * branch
    assert count(network.features) == 14_714_688
    assert count(network) == alexnet + hidden + refine + 4 * branch + 14_714_688


def test_deeplab_looks_at_four_distances() -> None:
    with torch.device("meta"):
        branches = HybridNet(replace(HybridNetConfig(), outputs=("semantic",))).aspp.branches
    dilations = [cast(nn.Conv2d, branch[0]).dilation for branch in branches]  # type: ignore[index]
    assert dilations == [(rate, rate) for rate in (6, 12, 18, 24)]


@pytest.mark.parametrize("trunk", ["small", "resnet50", "vgg16"])
def test_trunks_are_replaceable_by_name(trunk: str) -> None:
    with torch.device("meta"):
        network = HybridNet(replace(SMALL, trunk=trunk)).eval()
        rgb = torch.empty(2, 3, 50, 70)
    width = 512 if trunk == "vgg16" else SMALL.feature_width
    assert shapes(network, ["features"], rgb)["features"] == [width, 7, 9]
    assert network(rgb)["depth"].shape == (2, 1, 50, 70)
    assert network(rgb)["semantic"].shape == (2, 5, 50, 70)


def test_an_unknown_trunk_is_told() -> None:
    assert "vgg19" not in TRUNKS
    with pytest.raises(ValueError, match=r"expected a trunk of .*vgg16.* not 'vgg19'"):
        HybridNet(replace(SMALL, trunk="vgg19"))


def test_coarser_levels_are_added_to_the_one_at_an_eighth(network: HybridNet) -> None:
    features, rgb = network.features, pictures()
    with torch.no_grad():
        levels = features.trunk(rgb)
        total = features.lateral[0](levels[2])
        for lateral, level in zip(list(features.lateral)[1:], levels[3:], strict=True):
            total = total + functional.interpolate(lateral(level), size=(6, 8), mode="bilinear")
        torch.testing.assert_close(features(rgb), features.normal(total).relu())


def test_single_task_twins_hold_the_parts_that_they_need(network: HybridNet) -> None:
    twins = {task: HybridNet(replace(SMALL, outputs=(task,))) for task in ("depth", "semantic")}
    parts = {task: {x.partition(".")[0] for x in names(twin)} for task, twin in twins.items()}
    assert parts == {
        "depth": {"features", "global_depth", "refine"},
        "semantic": {"features", "aspp"},
    }
    assert names(twins["depth"]) | names(twins["semantic"]) == names(network)
    assert set(twins["depth"].eval()(pictures())) == {"depth"}
    assert set(twins["semantic"].eval()(pictures())) == {"semantic"}
    assert set(twins["depth"].train()(pictures())) == {"depth", "global_depth"}


# what flows


def test_an_edge_changes_nothing() -> None:
    x = torch.randn(2, 3)
    assert torch.equal(Edge()(x), x)


@pytest.mark.parametrize(
    ("edge", "moved"), list(zip(EDGES, ("depth", "depth", "semantic"), strict=True))
)
def test_an_edge_reaches_its_task_alone(network: HybridNet, edge: str, moved: str) -> None:
    with torch.no_grad():
        clean = network(pictures())
    muted = replaced(network, edge.removeprefix("edge:"), torch.zeros_like, pictures())
    for name in clean:
        assert torch.equal(muted[name], clean[name]) is (name != moved)


def test_only_the_shape_of_the_layout_counts(network: HybridNet) -> None:
    with torch.no_grad():
        clean = network(pictures())["depth"]
    moved = replaced(network, "global_depth", lambda x: 3 * x + 5, pictures())["depth"]
    flipped = replaced(network, "global_depth", torch.neg, pictures())["depth"]
    flats = [partial(torch.full_like, fill_value=value) for value in (0.0, 4.0)]
    flat = [replaced(network, "global_depth", change, pictures())["depth"] for change in flats]
    torch.testing.assert_close(moved, clean, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(*flat)
    assert not torch.allclose(flipped, clean, atol=1e-4)
    assert not torch.allclose(flat[0], clean, atol=1e-4)


def test_the_classes_are_the_sum_of_the_branches(network: HybridNet) -> None:
    paths = [f"aspp.branches.{i}" for i in range(2)]
    with seen(network, [*paths, "aspp"]) as found, torch.no_grad():
        network(pictures())
    torch.testing.assert_close(found["aspp"], found[paths[0]] + found[paths[1]])


def test_muting_edges_is_measured_alike_in_module_and_file(
    network: HybridNet, tmp_path: Path
) -> None:
    inputs = {"rgb": pictures(7)}
    live, filed = measured(network, inputs, EDGES, tmp_path)
    expected = by_hand(network, EDGES, inputs)
    assert live == pytest.approx(expected, rel=1e-3)
    assert filed == pytest.approx(expected, rel=1e-3)
    moved = {("edge:global_depth", "depth"), ("edge:features_to_depth", "depth")}
    moved |= {("edge:features_to_semantic", "semantic")}
    assert {pair for pair, omega in live.items() if omega != 0} == moved


def test_eval_mode_clamps_and_normalises_what_train_mode_gives(network: HybridNet) -> None:
    rgb = pictures(height=50, width=70)
    with torch.no_grad():
        raw, maps = network.raw(rgb), network(rgb)
    metres = functional.interpolate(raw["depth"], size=(50, 70), mode="bilinear")
    torch.testing.assert_close(maps["depth"], metres.clamp(1e-3, 10))
    torch.testing.assert_close(maps["semantic"], raw["semantic"].softmax(dim=1))
    last = cast(nn.Conv2d, network.refine.convolutions[-1])
    nn.init.zeros_(last.weight)
    for bias, clamped in ((-100.0, 1e-3), (2.5, 2.5), (100.0, 10.0)):
        nn.init.constant_(cast(Tensor, last.bias), bias)
        with torch.no_grad():
            found = network(rgb)["depth"]
        torch.testing.assert_close(found, torch.full_like(found, clamped))


def test_both_depths_start_at_the_typical_depth() -> None:
    network = HybridNet(replace(SMALL, typical_depth=3.25))
    nn.init.zeros_(network.get_parameter("refine.convolutions.6.weight"))
    nn.init.zeros_(network.get_parameter("global_depth.layout.4.weight"))
    maps = network(pictures())
    for name in ("depth", "global_depth"):
        torch.testing.assert_close(maps[name], torch.full_like(maps[name], 3.25))


# losses


def truth() -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Return maps of 8x12 pixels and a fourth, and a truth with holes, in double precision."""
    random = np.random.default_rng(0)
    maps = {
        "depth": random.normal(3, 1, (2, 1, 2, 3)),
        "global_depth": random.normal(3, 1, (2, 1, 2, 2)),
        "semantic": random.normal(0, 2, (2, 5, 8, 12)),
    }
    depth, labels = random.uniform(0.5, 9, (2, 8, 12)), random.integers(0, 5, (2, 8, 12))
    depth[0, :4, :6], labels[1, 2, 1:4] = 0, 255
    tensors = {name: torch.from_numpy(x) for name, x in maps.items()}
    return tensors, torch.from_numpy(depth), torch.from_numpy(labels)


def test_the_loss_equals_a_computation_by_hand() -> None:
    maps, depth, labels = truth()

    def squares(name: str, *, normal: bool) -> float:
        found, total = maps[name].numpy()[:, 0], 0.0
        for b, own in enumerate(found):
            step = 8 // own.shape[0], 12 // own.shape[1]
            real = depth.numpy()[b, :: step[0], :: step[1]]
            at = real > 0
            p, t = own[at], real[at]
            if normal:
                p, t = ((x - x.mean()) / x.std() for x in (p, t))
            total += float(((p - t) ** 2).sum())
        return total / (2 * len(found))

    entropy, pixels = 0.0, 0
    for b, i, j in np.ndindex(2, 8, 12):
        if labels[b, i, j] != 255:
            z = np.exp(maps["semantic"][b, :, i, j].numpy())
            entropy -= float(np.log(z[labels[b, i, j]] / z.sum()))
            pixels += 1
    assert pixels == 2 * 8 * 12 - 3
    l_s = entropy / pixels
    l_d = squares("depth", normal=False) + squares("depth", normal=True)
    l_g = squares("global_depth", normal=True)
    # 1e-6 is added to the variances
    for alpha, weight in ((1000.0, 1.0), (10.0, 0.0), (0.0, 3.0)):
        loss = hybridnet_loss(maps, depth, labels, alpha=alpha, global_weight=weight)
        assert float(loss) == pytest.approx(alpha * l_s + l_d + weight * l_g, rel=1e-5)
    assert float(hybridnet_loss(maps, depth, labels)) == pytest.approx(1000 * l_s + l_d + l_g)
    alone = {"semantic": maps["semantic"]}
    assert float(hybridnet_loss(alone, depth, labels)) == pytest.approx(1000 * l_s)
    del maps["semantic"]
    assert float(hybridnet_loss(maps, depth, labels)) == pytest.approx(l_d + l_g, rel=1e-5)


@settings(deadline=None, max_examples=40)
@given(scale=st.floats(0.2, 20), shift=st.floats(-20, 20), seed=st.integers(0, 100))
def test_the_normalised_loss_knows_no_scale_and_no_shift(
    scale: float, shift: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    predicted = torch.rand(2, 1, 4, 5, generator=generator, dtype=torch.float64) * 8
    depth = torch.rand(2, 4, 5, generator=generator, dtype=torch.float64) * 8 + 0.5
    depth[0, 1, 1:4] = 0
    moved = scale * predicted + shift
    loss = euclidean(predicted, depth, normal=True)
    torch.testing.assert_close(euclidean(moved, depth, normal=True), loss, rtol=1e-4, atol=1e-4)
    metres = torch.where(depth > 0, scale * depth + 20 + shift, 0.0)
    torch.testing.assert_close(
        euclidean(predicted, metres, normal=True), loss, rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(  # a map upside down is as far as can be from itself
        euclidean(-depth[:, None], depth, normal=True),
        2 * torch.as_tensor((depth > 0).sum() / 2.0, dtype=torch.float64),
        rtol=1e-4, atol=1e-4,
    )  # fmt: skip


def test_the_linear_loss_knows_scale_and_shift() -> None:
    maps, depth, _ = truth()
    predicted = maps["depth"]
    loss = float(euclidean(predicted, depth))
    for moved in (2 * predicted, predicted + 1):
        assert float(euclidean(moved, depth)) != pytest.approx(loss, rel=0.01)
    known = depth[:, ::4, ::4] > 0
    target = depth[:, None, ::4, ::4]
    one_off = euclidean(torch.where(target > 0, target + 1, 7.0), depth)
    assert float(one_off) == pytest.approx(float(known.sum()) / (2 * 2))


def test_maps_are_normalised_over_their_known_pixels() -> None:
    x = torch.randn(3, 1, 6, 7, dtype=torch.float64) * 3 + 5
    known = torch.rand(3, 1, 6, 7) > 0.3
    found = normalise(x, known)
    assert bool((found[~known] == 0).all())
    for own, at in zip(found, known, strict=True):
        assert float(own[at].mean()) == pytest.approx(0, abs=1e-9)
        assert float(own[at].std(correction=0)) == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(normalise(x), normalise(x, torch.ones_like(known)))


def test_a_flat_map_becomes_zero_and_has_a_gradient() -> None:
    x = torch.full((1, 1, 3, 4), 2.5, requires_grad=True)
    flat = normalise(x)
    assert bool((flat == 0).all())
    (gradient,) = torch.autograd.grad(flat[0, 0, 0, 0], x)
    assert bool(gradient.isfinite().all())
    assert float(gradient[0, 0, 0, 0]) > 0


def test_pixels_without_truth_move_nothing() -> None:
    maps, depth, labels = truth()
    wild = {name: x.clone() for name, x in maps.items()}
    unknown = {
        "depth": depth[:, None, ::4, ::4] == 0,
        "global_depth": depth[:, None, ::4, ::6] == 0,
    }
    assert all(bool(x.any()) for x in unknown.values())
    for name, at in unknown.items():
        wild[name][at] = 1e6
    wild["semantic"].permute(0, 2, 3, 1)[labels == 255] = 1e3
    losses = []
    for own in (maps, wild):
        for x in own.values():
            x.requires_grad_()
        loss = hybridnet_loss(own, depth, labels)
        gradients = dict(zip(own, torch.autograd.grad(loss, list(own.values())), strict=True))
        assert all(bool(x.isfinite().all()) for x in gradients.values())
        assert all(bool((gradients[name][at] == 0).all()) for name, at in unknown.items())
        assert bool((gradients["semantic"].permute(0, 2, 3, 1)[labels == 255] == 0).all())
        losses.append(float(loss.detach()))
    assert losses[0] == losses[1]


def test_a_batch_without_any_truth_costs_nothing() -> None:
    maps, depth, labels = truth()
    for x in maps.values():
        x.requires_grad_()
    nothing = torch.zeros_like(depth), torch.full_like(labels, 255).to(torch.uint8)
    loss = hybridnet_loss(maps, *nothing)
    assert float(loss.detach()) == 0.0
    for gradient in torch.autograd.grad(loss, list(maps.values())):
        assert bool((gradient == 0).all())


def test_every_parameter_is_trained() -> None:
    network = HybridNet(SMALL)
    loss = hybridnet_loss(network(pictures()), depths()[:, 0], torch.ones(2, 48, 64).long())
    torch.autograd.backward(loss)
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_maps_and_losses_in_single(
    network: HybridNet, dtype: torch.dtype
) -> None:
    rgb, labels = pictures(), torch.ones(2, 48, 64).long()
    with torch.autocast("cpu", dtype):
        maps = network.raw(rgb)
    assert {x.dtype for x in maps.values()} == {torch.float32}
    loss = hybridnet_loss(maps, depths()[:, 0], labels)
    torch.autograd.backward(loss)
    assert all(bool(cast(Tensor, p.grad).isfinite().all()) for p in network.parameters())
    full = hybridnet_loss(network.raw(rgb), depths()[:, 0], labels)
    assert float(loss.detach()) == pytest.approx(float(full.detach()), rel=0.05)


def test_a_whole_network_is_shown_one_tile_at_a_time(network: HybridNet) -> None:
    rgb = pictures(2, 96, 144)
    with torch.no_grad():
        maps = Tiled(network, 2, 3).eval()(rgb)
        for i in range(2):
            for j in range(3):
                at = ..., slice(48 * i, 48 * i + 48), slice(48 * j, 48 * j + 48)
                for name, x in network(rgb[at]).items():
                    assert torch.equal(maps[name][at], x)
        whole = network(rgb)
    assert not torch.allclose(whole["depth"], maps["depth"], atol=1e-4)
