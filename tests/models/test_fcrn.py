from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from models.fcrn import FCRN, FCRNConfig, UnpooledConvolution, UpProjection, berhu, fcrn_loss
from tests.models.networks import (
    by_hand,
    count,
    depths,
    measured,
    names,
    pictures,
    settle,
    shapes,
)

SMALL = FCRNConfig(
    trunk="small", widths=(8, 8, 6, 6, 4), semantic_widths=(6, 5), classes=5, dropout=0.0
)
TWINS = {
    "depth": replace(SMALL, inputs=("rgb",), outputs=("depth",)),
    "semantic": replace(SMALL, inputs=("rgb",), outputs=("semantic",)),
}


@pytest.fixture
def network() -> FCRN:
    torch.manual_seed(0)
    made = FCRN(SMALL)
    settle(made, pictures(), depths())
    return made


# sizes and parameters


def test_the_published_network_has_the_published_sizes() -> None:
    with torch.device("meta"):
        network = FCRN().eval()
        inputs = torch.empty(1, 3, 228, 304), torch.empty(1, 1, 228, 304)
    paths = ["reduce", *(f"up.{i}" for i in range(4)), "depth_head", "semantic_head"]
    paths += ["semantic_head.0", "semantic_head.2"]
    assert shapes(network, paths, *inputs) == {
        "reduce": [1024, 8, 10],
        "up.0": [512, 16, 20],
        "up.1": [256, 32, 40],
        "up.2": [128, 64, 80],
        "up.3": [64, 128, 160],
        "depth_head": [1, 128, 160],
        "semantic_head.0": [64, 256, 320],
        "semantic_head.2": [48, 256, 320],
        "semantic_head": [38, 256, 320],
    }
    assert {name: list(x.shape) for name, x in network(*inputs).items()} == {
        "depth": [1, 1, 228, 304],
        "semantic": [1, 38, 228, 304],
    }


def test_the_published_network_has_the_published_parameters() -> None:
    with torch.device("meta"):
        network = FCRN()

    def up(inputs: int, outputs: int) -> int:  # two 5x5, one 3x3, three normalisations
        return 2 * 25 * inputs * outputs + 9 * outputs**2 + 3 * 2 * outputs

    assert count(network.trunk) == 23_508_032
    assert count(network.reduce) == 2048 * 1024 + 1024 + 2 * 1024
    widths = (1024, 512, 256, 128, 64)
    assert count(network.up) == sum(up(*pair) for pair in pairwise(widths))
    assert count(network.depth_head) == 9 * 64 + 1
    head = up(128, 64) + 9 * 64 * 48 + 2 * 48 + 9 * 48 * 38 + 2 * 38
    assert count(network.semantic_head) == head
    parts = (network.trunk, network.reduce, network.up, network.depth_head, network.semantic_head)
    assert count(network) == sum(count(part) for part in parts)


@pytest.mark.parametrize("trunk", ["small", "resnet50", "vgg16"])
def test_trunks_are_replaceable_by_name(trunk: str) -> None:
    with torch.device("meta"):
        maps = FCRN(replace(SMALL, trunk=trunk)).eval()(
            torch.empty(2, 3, 50, 70), torch.empty(2, 1, 50, 70)
        )
    assert maps["depth"].shape == (2, 1, 50, 70)
    assert maps["semantic"].shape == (2, 5, 50, 70)


def test_an_unknown_trunk_is_told() -> None:
    with pytest.raises(ValueError, match=r"expected a trunk of .*resnet50.* not 'resnet51'"):
        FCRN(replace(SMALL, trunk="resnet51"))


def test_single_task_twins_hold_the_parts_that_they_need(network: FCRN) -> None:
    joint = names(network)
    depth, semantic = (FCRN(TWINS[task]).eval() for task in ("depth", "semantic"))
    assert names(depth) == {x for x in joint if not x.startswith("semantic_head.")}
    assert names(semantic) == {x for x in joint if not x.startswith("depth_head.")}
    assert {task: set(FCRN(own).eval()(pictures())) for task, own in TWINS.items()} == {
        task: {task} for task in TWINS
    }
    # it reads one pass, the joint one two
    assert semantic.get_parameter("semantic_head.0.both.weight").shape[1] == SMALL.widths[-1]
    assert network.get_parameter("semantic_head.0.both.weight").shape[1] == 2 * SMALL.widths[-1]


# up-projections


def unpooled(x: Tensor) -> Tensor:
    """Put each value at the upper left of four pixels."""
    result = torch.zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            result[:, :, 2 * i, 2 * j] = x[:, :, i, j]
    return result


@settings(deadline=None, max_examples=25)
@given(
    batch=st.integers(1, 3),
    inputs=st.integers(1, 5),
    outputs=st.integers(1, 5),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    seed=st.integers(0, 1000),
)
def test_the_fast_form_equals_unpooling_and_a_convolution(
    batch: int, inputs: int, outputs: int, height: int, width: int, seed: int
) -> None:
    torch.manual_seed(seed)
    fast = UnpooledConvolution(inputs, outputs, form="fast")
    plain = UnpooledConvolution(inputs, outputs, form="plain")
    plain.load_state_dict(fast.state_dict())
    x = torch.randn(batch, inputs, height, width)
    expected = functional.conv2d(unpooled(x), fast.weight, padding=2)
    torch.testing.assert_close(fast(x), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(plain(x), expected, atol=1e-5, rtol=1e-5)


def test_the_padding_of_the_authors_is_shifted_in_odd_rows_and_columns() -> None:
    torch.manual_seed(0)
    ours = UnpooledConvolution(3, 2)
    theirs = UnpooledConvolution(3, 2, padding="top_left")
    theirs.load_state_dict(ours.state_dict())
    x, weight = torch.randn(2, 3, 4, 5), ours.weight
    found = theirs(x)
    for row in (0, 1):
        for column in (0, 1):
            # kernels of 2 see the pixel before, not the one behind
            above, left = (1, 0) if row else (1, 1), (1, 0) if column else (1, 1)
            padded = functional.pad(x, (*left, *above))
            expected = functional.conv2d(padded, weight[:, :, row::2, column::2])
            torch.testing.assert_close(found[:, :, row::2, column::2], expected)
            # which is what ours gives of a map moved by one pixel
            moved = functional.pad(x, (column, 0, row, 0))
            shifted = ours(moved)[:, :, row::2, column::2][:, :, :4, :5]
            torch.testing.assert_close(found[:, :, row::2, column::2], shifted)
    same = (found - ours(x)).abs().amax((0, 1)) < 1e-5
    assert bool(same[::2, ::2].all())
    assert not bool(same[1::2].any())
    assert not bool(same[:, 1::2].any())


def test_the_plain_form_has_no_padding_to_choose() -> None:
    with pytest.raises(ValueError, match="plain form has no padding"):
        UnpooledConvolution(1, 1, form="plain", padding="top_left")


def test_an_up_projection_is_two_branches_with_a_rectified_sum() -> None:
    torch.manual_seed(0)
    block, x = UpProjection(3, 2, form="plain"), torch.randn(4, 3, 5, 6)
    for parameter in block.normal.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    settle(block, x)

    def normal(y: Tensor, at: slice) -> Tensor:
        n = block.normal
        mean, variance = cast(Tensor, n.running_mean)[at], cast(Tensor, n.running_var)[at]
        y = (y - mean[:, None, None]) / (variance[:, None, None] + 1e-4).sqrt()
        return y * n.weight[at][:, None, None] + n.bias[at][:, None, None]

    weight = block.both.weight
    first = functional.conv2d(unpooled(x), weight[:2], padding=2)
    second = functional.conv2d(unpooled(x), weight[2:], padding=2)
    branch = block.refine(normal(first, slice(0, 2)).relu())
    expected = (branch + normal(second, slice(2, 4))).relu()
    torch.testing.assert_close(block(x), expected)
    assert block.refine[1].eps == 1e-4


# losses


def test_berhu_is_continuous_where_its_halves_meet() -> None:
    c = 0.2 * 10.0
    below, above = c - 1e-5, c + 1e-5
    residual = torch.tensor([below, c, above, 10.0], dtype=torch.float64, requires_grad=True)
    values = berhu(residual)
    assert float(values[1].detach()) == pytest.approx(c, abs=1e-12)
    assert float((values[2] - values[0]).detach()) == pytest.approx(above - below, rel=1e-4)
    torch.autograd.backward(values.sum())
    assert cast(Tensor, residual.grad).tolist() == pytest.approx([1, 1, 1, 10 / c], rel=1e-4)


def test_berhu_by_hand() -> None:
    residual = torch.tensor([[0.0, 0.5], [-1.5, -4.0]], dtype=torch.float64)
    expected = [[0.0, 0.5], [(1.5**2 + 0.8**2) / 1.6, (4**2 + 0.8**2) / 1.6]]  # c = 0.8
    torch.testing.assert_close(berhu(residual), torch.tensor(expected, dtype=torch.float64))


def test_a_perfect_prediction_costs_nothing_and_has_a_gradient() -> None:
    residual = torch.zeros(3, requires_grad=True)
    loss = berhu(residual).sum()
    assert float(loss.detach()) == 0
    assert torch.autograd.grad(loss, residual)[0].tolist() == [0, 0, 0]


@settings(deadline=None, max_examples=50)
@given(
    residual=st.lists(st.floats(-50, 50), min_size=1, max_size=8).filter(
        lambda values: max(map(abs, values)) > 1e-3
    ),
    scale=st.floats(0.01, 100),
)
def test_berhu_scales_with_its_residuals(residual: list[float], scale: float) -> None:
    x = torch.tensor(residual, dtype=torch.float64)
    torch.testing.assert_close(berhu(scale * x), scale * berhu(x))
    torch.testing.assert_close(berhu(-x), berhu(x))
    assert bool((berhu(x) >= x.abs() - 1e-12).all())  # never less than the absolute value
    assert bool((berhu(x)[x == 0] == 0).all())


def random_truth() -> tuple[Any, ...]:
    random = np.random.default_rng(0)
    metres, logits = random.normal(3, 1, (2, 4, 5)), random.normal(0, 2, (2, 6, 4, 5))
    depth, labels = random.uniform(0.5, 9, (2, 4, 5)), random.integers(0, 6, (2, 4, 5))
    depth[0, 0, :3], labels[1, 2, 1:4] = 0, 255
    return metres, logits, depth, labels


@pytest.mark.parametrize("kind", ["l1", "l2", "berhu"])
def test_the_loss_equals_a_computation_by_hand(kind: Any) -> None:
    metres, logits, depth, labels = random_truth()
    c = 0.2 * max(abs(metres[at] - depth[at]) for at in np.ndindex(2, 4, 5) if depth[at] > 0)
    errors, likelihoods = [], []
    for b, i, j in np.ndindex(2, 4, 5):
        if depth[b, i, j] > 0:
            r = abs(metres[b, i, j] - depth[b, i, j])
            parabola = (r**2 + c**2) / (2 * c)
            errors.append({"l1": r, "l2": r**2, "berhu": r if r <= c else parabola}[kind])
        if labels[b, i, j] != 255:
            z = np.exp(logits[b, :, i, j])
            likelihoods.append(-np.log(z[labels[b, i, j]] / z.sum()))
    maps = {"depth": torch.from_numpy(metres)[:, None], "semantic": torch.from_numpy(logits)}
    truth = torch.from_numpy(depth), torch.from_numpy(labels)
    expected = {"depth": np.mean(errors), "semantic": np.mean(likelihoods)}
    for name in expected:
        loss = float(fcrn_loss({name: maps[name]}, *truth, depth_loss=kind))
        assert loss == pytest.approx(expected[name], rel=1e-12)
    loss = float(fcrn_loss(maps, *truth, depth_loss=kind))
    assert loss == pytest.approx(sum(expected.values()), rel=1e-12)


@pytest.mark.parametrize("kind", ["l1", "l2", "berhu"])
def test_pixels_without_truth_move_nothing(kind: Any) -> None:
    metres, logits, depth, labels = (torch.from_numpy(x) for x in random_truth())
    wild = metres.clone(), logits.clone()
    wild[0][depth == 0] = 1e9
    wild[1].permute(0, 2, 3, 1)[labels == 255] = 1e4
    losses = []
    for own in ((metres, logits), wild):
        maps = {"depth": own[0][:, None].requires_grad_(), "semantic": own[1].requires_grad_()}
        loss = fcrn_loss(maps, depth, labels, depth_loss=kind)
        gradients = torch.autograd.grad(loss, list(maps.values()))
        assert bool((gradients[0][:, 0][depth == 0] == 0).all())
        assert bool((gradients[1].permute(0, 2, 3, 1)[labels == 255] == 0).all())
        assert all(bool(x.isfinite().all()) for x in gradients)
        losses.append(float(loss.detach()))
    assert losses[0] == losses[1]


@pytest.mark.parametrize("kind", ["l1", "l2", "berhu"])
def test_a_batch_without_any_truth_costs_nothing(kind: Any) -> None:
    maps = {"depth": torch.ones(1, 1, 2, 2), "semantic": torch.zeros(1, 5, 2, 2)}
    for x in maps.values():
        x.requires_grad_()
    labels = torch.full((1, 2, 2), 255, dtype=torch.uint8)
    loss = fcrn_loss(maps, torch.zeros(1, 2, 2), labels, depth_loss=kind)
    assert float(loss.detach()) == 0.0
    for gradient in torch.autograd.grad(loss, list(maps.values())):
        assert bool((gradient == 0).all())


# two passes


def test_both_passes_use_the_same_weights(network: FCRN) -> None:
    rgb, depth = pictures(), depths()
    first, second = network.passes(rgb, depth)
    assert torch.equal(first, network.features(rgb))
    assert torch.equal(second, network.features(network.picture_of(depth)))
    # a picture in the place of the depth's picture gives what it gives in the first pass
    grey = rgb[:, :1]
    swapped = network.passes(network.picture_of(grey), grey)
    assert torch.equal(*swapped)


def test_the_classes_rest_on_both_and_the_depth_on_the_picture_alone(network: FCRN) -> None:
    with torch.no_grad():
        maps = network(pictures(), depths())
        other_depth = network(pictures(), depths(seed=2))
        other_picture = network(pictures(seed=3), depths())
    assert torch.equal(maps["depth"], other_depth["depth"])
    assert not torch.allclose(maps["semantic"], other_depth["semantic"], atol=1e-3)
    assert not torch.allclose(maps["depth"], other_picture["depth"], atol=1e-3)
    assert not torch.allclose(maps["semantic"], other_picture["semantic"], atol=1e-3)


def test_train_mode_normalises_both_passes_in_one_batch(network: FCRN) -> None:
    normal = cast(nn.BatchNorm2d, network.reduce[1])
    before = int(cast(Tensor, normal.num_batches_tracked))
    rgb, depth = pictures(), depths()
    with torch.no_grad():
        together = network.train().passes(rgb, depth)
        both = network.features(torch.cat((rgb, network.picture_of(depth))))
    assert int(cast(Tensor, normal.num_batches_tracked)) == before + 2  # one a call
    torch.testing.assert_close(torch.cat(together), both)
    with torch.no_grad():
        apart = network.features(rgb)
    assert not torch.allclose(together[0], apart, atol=1e-3)


def test_a_map_becomes_a_picture_by_its_own_range(network: FCRN) -> None:
    depth = torch.stack([torch.linspace(2, 4, 12), torch.linspace(0, 9, 12)]).view(2, 1, 3, 4)
    picture = network.picture_of(depth)
    assert picture.shape == (2, 3, 3, 4)
    expected = torch.linspace(0, 255, 12).view(3, 4).expand(2, 3, 3, 4)
    torch.testing.assert_close(picture, expected)
    assert bool((network.picture_of(torch.full((1, 1, 3, 4), 7.0)) == 0).all())


def test_a_map_becomes_a_picture_by_its_metres() -> None:
    network = FCRN(replace(SMALL, depth_picture="metres", max_depth=8.0))
    depth = torch.tensor([0.0, 2.0, 8.0]).view(1, 1, 1, 3)
    expected = torch.tensor([0.0, 63.75, 255.0]).expand(1, 3, 1, 3)
    torch.testing.assert_close(network.picture_of(depth), expected)


# as a whole


def test_eval_mode_clamps_and_normalises_what_train_mode_gives(network: FCRN) -> None:
    inputs = pictures(height=50, width=70), depths(height=50, width=70)
    with torch.no_grad():
        raw, maps = network.raw(*inputs), network(*inputs)
        assert torch.equal(
            network.train()(*inputs)["depth"].isfinite(), torch.ones(2, 1, 50, 70) > 0
        )
    torch.testing.assert_close(maps["depth"], raw["depth"].clamp(1e-3, 10))
    torch.testing.assert_close(maps["semantic"], raw["semantic"].softmax(dim=1))
    assert maps["semantic"].shape == (2, 5, 50, 70)
    network.eval()
    nn.init.zeros_(network.get_parameter("depth_head.1.weight"))
    for bias, clamped in ((-100.0, 1e-3), (2.5, 2.5), (100.0, 10.0)):
        nn.init.constant_(network.get_parameter("depth_head.1.bias"), bias)
        with torch.no_grad():
            metres = network(*inputs)["depth"]
        torch.testing.assert_close(metres, torch.full_like(metres, clamped))


def test_depth_starts_at_the_typical_depth() -> None:
    network = FCRN(replace(SMALL, typical_depth=3.25))
    nn.init.zeros_(network.get_parameter("depth_head.1.weight"))
    metres = network(pictures(), depths())["depth"]
    torch.testing.assert_close(metres, torch.full_like(metres, 3.25))


def test_every_parameter_is_trained() -> None:
    network = FCRN(SMALL)
    loss = fcrn_loss(network(pictures(), depths()), depths()[:, 0], torch.ones(2, 48, 64).long())
    torch.autograd.backward(loss)
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_maps_and_losses_in_single(network: FCRN, dtype: torch.dtype) -> None:
    inputs, labels = (pictures(), depths()), torch.ones(2, 48, 64).long()
    network.train()
    with torch.autocast("cpu", dtype):
        maps = network(*inputs)
    assert {x.dtype for x in maps.values()} == {torch.float32}
    loss = fcrn_loss(maps, depths()[:, 0], labels)
    torch.autograd.backward(loss)
    assert all(bool(cast(Tensor, p.grad).isfinite().all()) for p in network.parameters())
    full = fcrn_loss(network(*inputs), depths()[:, 0], labels)
    assert float(loss.detach()) == pytest.approx(float(full.detach()), rel=0.02)


def test_muting_inputs_is_measured_alike_in_module_and_file(tmp_path: Path) -> None:
    inputs = {"rgb": pictures(7), "depth": depths(7)}
    torch.manual_seed(0)
    network = FCRN(replace(SMALL, widths=(8, 4)))  # one up-projection: quicker to export
    settle(network, *inputs.values())
    live, filed = measured(network, inputs, ["rgb", "depth"], tmp_path)
    expected = by_hand(network, ["rgb", "depth"], inputs)
    assert live == pytest.approx(expected, rel=1e-4)
    assert filed == pytest.approx(expected, rel=1e-4)
    assert live["depth", "depth"] == filed["depth", "depth"] == 0.0
    for pair in (("rgb", "depth"), ("rgb", "semantic"), ("depth", "semantic")):
        assert live[pair] != 0.0
