from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.single_task import DepthNetwork, SegmentationNetwork, single_task_loss


def picture(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, height, width), generator=generator).float()


@pytest.mark.parametrize("size", [(64, 96), (50, 70)])
def test_maps_have_the_size_of_the_picture(size: tuple[int, int]) -> None:
    depth = DepthNetwork(pretrained=False).eval()
    classes = SegmentationNetwork(classes=4, pretrained=False).eval()
    with torch.inference_mode():
        assert depth(picture(*size)).shape == (2, 1, *size)
        assert classes(picture(*size)).shape == (2, 4, *size)


def test_depth_is_positive_and_the_exponential_of_its_logarithm() -> None:
    network = DepthNetwork(pretrained=False).eval()
    with torch.inference_mode():
        depth = network(picture(64, 64))
        torch.testing.assert_close(depth, network.log_depth(picture(64, 64)).exp())
    assert bool((depth > 0).all())


def test_the_depth_loss_is_the_mean_error_of_the_logarithm_where_depth_is_known() -> None:
    target = torch.tensor([[[1.0, 0.0], [2.0, 4.0]]])
    maps = {"log_depth": torch.tensor([[[[2.0, 99.0], [2.0, 1.0]]]]).log()}
    loss = single_task_loss(maps, target, torch.zeros(1, 2, 2))
    assert float(loss) == pytest.approx((np.log(2) + 0 + np.log(4)) / 3)


def test_the_class_loss_is_the_mean_surprise_where_there_is_a_label() -> None:
    logits = torch.tensor([[2.0, 0.0, 5.0], [0.0, 1.0, 5.0]]).view(1, 2, 1, 3)
    labels = torch.tensor([[[0, 0, 255]]], dtype=torch.uint8)
    loss = single_task_loss({"semantic": logits}, torch.ones(1, 1, 3), labels)
    expected = -(np.log(np.e**2 / (np.e**2 + 1)) + np.log(1 / (1 + np.e))) / 2
    assert float(loss) == pytest.approx(expected)


@pytest.mark.parametrize("kind", [DepthNetwork, SegmentationNetwork])
def test_raw_maps_are_what_eval_mode_finishes(
    kind: type[DepthNetwork] | type[SegmentationNetwork],
) -> None:
    network = kind(pretrained=False).eval()
    with torch.inference_mode():
        (raw,) = network.raw(picture(64, 64)).values()
        finished = network(picture(64, 64))
    expected = raw.exp() if kind is DepthNetwork else raw
    torch.testing.assert_close(finished, expected)


def test_the_pretrained_weights_reach_the_encoder() -> None:
    def first(network: nn.Module) -> Tensor:
        return network.get_submodule("pyramid.trunk.stem.0").get_parameter("weight").detach()

    torch.manual_seed(0)
    one, two = (SegmentationNetwork(pretrained=True) for _ in range(2))
    other = SegmentationNetwork(pretrained=False)
    assert torch.equal(first(one), first(two))
    assert not torch.equal(first(one), first(other))


def test_every_parameter_is_trained() -> None:
    network = SegmentationNetwork(pretrained=False).train()
    torch.autograd.backward(network(picture(64, 64)).square().mean())
    silent = [name for name, p in network.named_parameters() if p.grad is None]
    assert silent == []


def test_depthwise_convolutions_stay_in_float32_under_autocast() -> None:
    network = DepthNetwork(pretrained=False).eval()
    kinds: dict[str, torch.dtype] = {}
    for name in ("pyramid.trunk.blocks.3._depthwise_conv", "pyramid.trunk.blocks.3._expand_conv"):
        network.get_submodule(name).register_forward_hook(
            lambda _, __, output, name=name: kinds.__setitem__(name.split(".")[-1], output.dtype)
        )
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        network(picture(64, 64))
    assert kinds == {"_depthwise_conv": torch.float32, "_expand_conv": torch.bfloat16}
