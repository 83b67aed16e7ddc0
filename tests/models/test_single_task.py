from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from models.single_task import DepthNetwork, SegmentationNetwork


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
