from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.jrn import JRN, VARIANTS, JRNConfig, jrn_loss


def maps(batch: int = 2, height: int = 24, width: int = 32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    depth = torch.rand(batch, 1, height, width, generator=generator) * 9 + 0.5
    semantic = torch.rand(batch, 5, height, width, generator=generator).softmax(dim=1)
    return depth, semantic


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("variant", "fuse"),
    [("cat60", 21_660), ("sum60", 10_860), ("cat10", 3_610), ("cat5", 1_805), ("cat1", 361)],
)
def test_a_branch_has_as_many_parameters_as_the_paper_implies(variant: str, fuse: int) -> None:
    network = JRN(VARIANTS[variant])
    for name in ("scale1", "scale2", "scale3"):
        scale = network.get_submodule(name)
        assert parameters(scale.get_submodule("depth_features")) == 200
        assert parameters(scale.get_submodule("semantic_features")) == 920
        assert parameters(scale.get_submodule("fuse")) == fuse


@pytest.mark.parametrize("variant", VARIANTS)
def test_eval_mode_gives_metres_in_range_and_probabilities(variant: str) -> None:
    network = JRN(VARIANTS[variant]).eval()
    depth, semantic = maps()
    for bias, clamped in ((-100.0, 1e-3), (100.0, 10.0)):
        nn.init.constant_(cast(Tensor, network.depth_head.bias), bias)
        with torch.inference_mode():
            refined = network(depth, semantic)
        torch.testing.assert_close(refined["depth"], torch.full_like(depth, clamped))
    assert refined["semantic"].shape == semantic.shape
    torch.testing.assert_close(refined["semantic"].sum(dim=1), torch.ones(2, 24, 32))


def test_train_mode_gives_what_eval_mode_clamps_and_normalises() -> None:
    network = JRN(VARIANTS["cat5"])
    depth, semantic = maps()
    with torch.inference_mode():
        raw = network.train()(depth, semantic)
        refined = network.eval()(depth, semantic)
    torch.testing.assert_close(refined["depth"], raw["depth"].clamp(1e-3, 10))
    torch.testing.assert_close(refined["semantic"], raw["semantic"].softmax(dim=1))


def test_the_features_are_fused_as_the_variant_says() -> None:
    depth, semantic = maps()
    combinations: dict[str, Callable[..., Tensor]] = {
        "cat60": lambda *x: torch.cat(x, dim=1),
        "sum60": torch.add,
    }
    for variant, combine in combinations.items():
        scale = JRN(VARIANTS[variant]).get_submodule("scale3")
        x = scale.get_submodule("depth_features")(depth)
        y = scale.get_submodule("semantic_features")(semantic)
        expected = scale.get_submodule("fuse")(combine(x, y))
        torch.testing.assert_close(scale(depth, semantic), expected)


def test_area_averages_of_probabilities_are_probabilities() -> None:
    _, semantic = maps()
    seen: list[Tensor] = []
    network = JRN(VARIANTS["cat1"])
    for name in ("scale1", "scale2", "scale3"):
        network.get_submodule(name).register_forward_pre_hook(
            lambda _, arguments: seen.append(arguments[1])
        )
    network(*maps())
    assert [tuple(x.shape[-2:]) for x in seen] == [(3, 4), (6, 8), (12, 16)]
    for x in seen:
        torch.testing.assert_close(x.sum(dim=1), torch.ones_like(x[:, 0]))
    first = semantic[0, :, :8, :8].mean(dim=(1, 2))
    torch.testing.assert_close(seen[0][0, :, 0, 0], first)


def test_shared_scales_are_one_module_and_others_are_three() -> None:
    shared = JRN(replace(VARIANTS["cat60"], share_scales=True))
    apart = JRN(VARIANTS["cat60"])
    assert shared.get_submodule("scale1") is shared.get_submodule("scale3")
    assert apart.get_submodule("scale1") is not apart.get_submodule("scale3")
    branch = 200 + 920 + 21_660
    assert parameters(apart) - parameters(shared) == 2 * branch


def test_a_residual_network_without_a_correction_is_the_identity() -> None:
    network = JRN(JRNConfig(residual=True)).eval()
    for head in (network.depth_head, network.semantic_head):
        nn.init.zeros_(head.weight)
        nn.init.zeros_(cast(Tensor, head.bias))
    depth, semantic = maps()
    with torch.inference_mode():
        refined = network(depth, semantic)
    torch.testing.assert_close(refined["depth"], depth)
    torch.testing.assert_close(refined["semantic"], semantic)


def test_the_other_readings_of_the_paper_run() -> None:
    config = JRNConfig(
        pre_convs=2, post_convs=2, downsample="bilinear", semantic_input="logarithms", features=4
    )
    depth, semantic = maps(height=25, width=37)  # not divisible by 8
    refined = JRN(config).eval()(depth, torch.zeros_like(semantic))  # muted by zero
    assert refined["depth"].shape == (2, 1, 25, 37)
    assert bool(torch.isfinite(refined["semantic"]).all())


def test_the_channels_of_a_branch_start_alive() -> None:
    depth, semantic = torch.full((1, 1, 9, 9), 2.5), torch.full((1, 5, 9, 9), 0.2)
    alive = {}
    for positive in (True, False):
        torch.manual_seed(0)
        network = JRN(replace(VARIANTS["cat60"], post_convs=2, positive_fusion=positive))
        branch = network.get_submodule("scale1")(depth, semantic)
        alive[positive] = int((branch[0, :, 4, 4] > 0).sum())
    assert alive[True] == 60
    assert 15 < alive[False] < 45


def test_the_loss_equals_a_computation_by_hand() -> None:
    random = np.random.default_rng(0)
    metres = random.normal(3, 1, (2, 4, 5))
    logits = random.normal(0, 2, (2, 5, 4, 5))
    depth = random.uniform(0.5, 9, (2, 4, 5))
    labels = random.integers(0, 5, (2, 4, 5))
    depth[0, 0, :3] = 0
    labels[1, 2, 1:4] = 255
    labels[0, 0, 2] = 255

    total, count = 0.0, 0
    for b, i, j in np.ndindex(2, 4, 5):
        if depth[b, i, j] > 0 and labels[b, i, j] != 255:
            z = logits[b, :, i, j]
            total += float((metres[b, i, j] - depth[b, i, j]) ** 2 / depth[b, i, j])
            total += float(np.log(np.exp(z).sum()) - z[labels[b, i, j]])
            count += 1
    assert count == 40 - 6

    refined = {"depth": torch.from_numpy(metres)[:, None], "semantic": torch.from_numpy(logits)}
    loss = jrn_loss(refined, torch.from_numpy(depth), torch.from_numpy(labels))
    assert float(loss) == pytest.approx(total / count, rel=1e-12)


def test_a_pixel_without_truth_has_no_gradient() -> None:
    metres = torch.ones(1, 1, 1, 2, requires_grad=True)
    logits = torch.zeros(1, 5, 1, 2, requires_grad=True)
    refined = {"depth": metres, "semantic": logits}
    loss = jrn_loss(refined, torch.tensor([[[2.0, 0.0]]]), torch.tensor([[[1, 1]]]))
    torch.autograd.backward(loss)
    assert cast(Tensor, metres.grad)[0, 0, 0].tolist() == [-1.0, 0.0]  # 2 (1 - 2) / 2
    assert bool((cast(Tensor, logits.grad)[..., 1] == 0).all())


def test_a_batch_without_any_truth_costs_nothing() -> None:
    refined = {"depth": torch.ones(1, 1, 2, 2), "semantic": torch.zeros(1, 5, 2, 2)}
    labels = torch.full((1, 2, 2), 255)
    assert float(jrn_loss(refined, torch.ones(1, 2, 2), labels)) == 0.0


def test_it_exports_with_any_batch_height_and_width() -> None:
    network = JRN(VARIANTS["sum60"]).eval()
    free = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    program = torch.export.export(network, maps(2, 24, 32), dynamic_shapes=(free, free)).module()
    for size in ((1, 16, 24), (3, 40, 64), (5, 120, 160)):
        depth, semantic = maps(*size)
        with torch.inference_mode():
            expected, refined = network(depth, semantic), program(depth, semantic)
        for name in ("depth", "semantic"):
            assert torch.equal(refined[name], expected[name]), (size, name)


def test_a_network_learns_to_copy_a_good_input() -> None:
    torch.manual_seed(0)
    network = JRN(replace(VARIANTS["cat10"], features=8, head_width=16)).train()
    depth, semantic = maps(1)
    depth = torch.nn.functional.avg_pool2d(depth, 9, stride=1, padding=4)  # smooth
    labels = semantic.argmax(dim=1) * 0 + 3
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
    losses = []
    for _ in range(60):
        loss = jrn_loss(network(depth, semantic), depth[:, 0], labels)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]
