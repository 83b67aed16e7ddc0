"""The networks of the benchmark: seeded random weights, no training, real widths and depths.

How fast a network is does not depend on what its weights have learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.benchmarks.subject import VOCABULARY, example_maps
from influence.network.joint_network import JointNetwork, Modality, Output
from models.jrn import JRN, VARIANTS, JRNConfig

__all__ = ["NETWORKS", "CrossAttention", "Fusion", "ResNet", "cross_attention", "image_and_text",
           "jrn", "late_fusion", "tables", "three_inputs", "two_texts"]  # fmt: skip

CLASSES = 10


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut: (B, inputs, h, w) -> (B, outputs, h/stride, w/stride).

    The basic block of He, Zhang, Ren and Sun (CVPR 2016).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Sequential):
    """The encoder of ResNet-18: (B, channels, H, W) -> (B, 8 * width), with `width` 64 there."""

    def __init__(self, channels: int, width: int = 64) -> None:
        stem = [
            nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        ]
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        blocks = [
            Block(widths[stage] if first else widths[stage + 1], widths[stage + 1],
                  stride=2 if first and stage else 1)
            for stage in range(4)
            for first in (True, False)
        ]  # fmt: skip
        super().__init__(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Fusion(nn.Module):
    """Late fusion: an encoder a modality, their features side by side, a small head.

    Gives class logits (B, 10) and a value (B, 1). Each encoder gives (B, features).
    """

    def __init__(self, encoders: Sequence[nn.Module], features: int, hidden: int = 256) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.trunk = nn.Linear(features * len(self.encoders), hidden)
        self.label = nn.Linear(hidden, CLASSES)
        self.value = nn.Linear(hidden, 1)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        features = [encoder(x) for encoder, x in zip(self.encoders, inputs, strict=True)]
        x = functional.relu(self.trunk(torch.cat(features, dim=1)))
        return self.label(x), self.value(x)


class Attention(nn.Module):
    """Multi-head attention of x (B, N, D) on y (B, M, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        query, key, value = (
            layer(z).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, N, D / heads)
            for layer, z in ((self.query, x), (self.key, y), (self.value, y))
        )
        found = functional.scaled_dot_product_attention(query, key, value)
        attended: Tensor = self.out(found.transpose(1, 2).flatten(2))
        return attended


class Layer(nn.Module):
    """A transformer's layer with normalisation first; x attends to y."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_x, self.norm_y = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x = x + self.attention(self.norm_x(x), self.norm_y(y))
        refined: Tensor = x + self.mlp(self.norm(x))
        return refined


class Tokens(nn.Module):
    """Patches with a position, and layers of self-attention: (B, C, H, W) -> (B, N, D)."""

    def __init__(self, channels: int, size: int, patch: int, width: int, layers: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.position = nn.Parameter(0.02 * torch.randn(1, (size // patch) ** 2, width))
        self.layers = nn.ModuleList(Layer(width, width // 32) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.position
        for layer in self.layers:
            x = layer(x, x)
        return x


class Words(nn.Module):
    """Embedded ids with a position, and layers of self-attention: ids (B, N) -> (B, N, D)."""

    def __init__(self, length: int, width: int, layers: int) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, width)
        self.position = nn.Parameter(0.02 * torch.randn(1, length, width))
        self.layers = nn.ModuleList(Layer(width, width // 32) for _ in range(layers))

    def forward(self, ids: Tensor) -> Tensor:
        x: Tensor = self.words(ids) + self.position
        for layer in self.layers:
            x = layer(x, x)
        return x


class CrossAttention(nn.Module):
    """Two towers of self-attention; then each attends to the other; pooled tokens meet in a head.

    Gives class logits (B, 10) and a value (B, 1). Each tower gives (B, N, width).
    """

    def __init__(self, towers: Sequence[nn.Module], width: int) -> None:
        super().__init__()
        self.towers = nn.ModuleList(towers)
        self.cross = nn.ModuleList(Layer(width, width // 32) for _ in self.towers)
        self.norm = nn.LayerNorm(2 * width)
        self.label = nn.Linear(2 * width, CLASSES)
        self.value = nn.Linear(2 * width, 1)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        x, y = (tower(z) for tower, z in zip(self.towers, (first, second), strict=True))
        x, y = self.cross[0](x, y), self.cross[1](y, x)
        pooled = self.norm(torch.cat([x.mean(dim=1), y.mean(dim=1)], dim=1))
        return self.label(pooled), self.value(pooled)


def _settle(module: nn.Module, inputs: Sequence[Modality]) -> list[Tensor]:
    """Give batch normalisation the moments of typical inputs; return what the module makes of them.

    So activations neither grow nor fade with depth, as in a trained network.
    """
    examples = example_maps(inputs)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 1.0
    with torch.no_grad():
        module.train()(*examples)
        found = module.eval()(*examples)
    return list(found)


def _centre(head: nn.Linear | nn.Conv2d, values: Tensor, level: float = 0.0) -> None:
    """Shift a head's bias so that its typical answer is `level`, and no class wins everywhere."""
    assert head.bias is not None
    with torch.no_grad():
        head.bias += level - values.mean(dim=[axis for axis in range(values.ndim) if axis != 1])


def _classifier(module: Fusion | CrossAttention, inputs: Sequence[Modality], name: str
                ) -> JointNetwork:  # fmt: skip
    label, value = _settle(module, inputs)
    _centre(module.label, label)
    _centre(module.value, value)
    classes = tuple(f"class {i}" for i in range(CLASSES))
    outputs = [Output("label", "logits", classes), Output("value", "other")]
    return JointNetwork(module, inputs, outputs, name=name, seed=0)


def late_fusion(size: int = 96, width: int = 64) -> JointNetwork:
    """Build two ResNet-18 encoders of class probabilities, for which all constant mutes exist."""
    torch.manual_seed(0)
    shape, mean = (3, size, size), (1 / 3,) * 3
    inputs = [
        Modality(name, "probabilities", shape, mean=mean, std=(0.2,) * 3, optimal=(0.5, 0.3, 0.2))
        for name in ("surfaces", "materials")
    ]
    return _classifier(_resnets((3, 3), width), inputs, "late-fusion")


def _resnets(channels: Sequence[int], width: int) -> Fusion:
    return Fusion([ResNet(c, width) for c in channels], 8 * width)


def three_inputs(size: int = 96, width: int = 64) -> JointNetwork:
    """Build three ResNet-18 encoders: colour, depth, thermal."""
    torch.manual_seed(0)
    inputs = [
        Modality("colour", "image", (3, size, size), mean=(0.5,) * 3),
        Modality("depth", "depth", (1, size, size), "m", mean=(2.5,)),
        Modality("thermal", "image", (1, size, size), mean=(0.5,)),
    ]
    return _classifier(_resnets((3, 1, 1), width), inputs, "three-inputs")


def cross_attention(size: int = 96, width: int = 192, layers: int = 3) -> JointNetwork:
    """Build a transformer of an image and a spectrogram."""
    torch.manual_seed(0)
    inputs = [
        Modality("image", "image", (3, size, size), mean=(0.5,) * 3),
        Modality("sound", "image", (1, size, size), mean=(0.5,)),
    ]
    towers = [Tokens(channels, size, 8, width, layers) for channels in (3, 1)]
    return _classifier(CrossAttention(towers, width), inputs, "cross-attention")


def tables(columns: int = 20, hidden: int = 64) -> JointNetwork:
    """Build a perceptron of two tables, which takes next to nothing for each of many samples."""
    torch.manual_seed(0)
    inputs = [Modality(name, "vector", (columns,)) for name in ("blood", "questions")]
    module = Fusion([nn.Identity(), nn.Identity()], columns, hidden)
    return _classifier(module, inputs, "tables")


def two_texts(length: int = 64, width: int = 64, layers: int = 1) -> JointNetwork:
    """Build a small transformer of two short texts."""
    torch.manual_seed(0)
    inputs = [Modality(name, "tokens", (length,), pad=0) for name in ("premise", "hypothesis")]
    towers = [Words(length, width, layers) for _ in inputs]
    return _classifier(CrossAttention(towers, width), inputs, "two-texts")


def image_and_text(
    size: int = 96, length: int = 32, width: int = 256, layers: int = 4
) -> JointNetwork:
    """Build a transformer of an image in patches and a text, at a width of small public ones."""
    torch.manual_seed(0)
    inputs = [
        Modality("pixel_values", "image", (3, size, size), mean=(0.5,) * 3),
        Modality("input_ids", "tokens", (length,), pad=0),
    ]
    towers = [Tokens(3, size, 8, width, layers), Words(length, width, layers)]
    return _classifier(CrossAttention(towers, width), inputs, "image-and-text")


def jrn(config: JRNConfig, name: str, height: int = 120, width: int = 160) -> JointNetwork:
    """Build a joint refinement network at the size of the study on rooms."""
    torch.manual_seed(0)
    module = JRN(config)
    size, shares = (height, width), (1 / config.classes,) * config.classes
    shape = (config.classes, *size)
    inputs = [
        Modality("depth", "depth", (1, *size), "m", mean=(2.5,), std=(1.0,), optimal=(3.0,)),
        Modality("semantic", "probabilities", shape, mean=shares, std=shares, optimal=shares),
    ]
    with torch.no_grad():
        raw = module.eval().raw(*example_maps(inputs))
    _centre(module.depth_head, raw["depth"], level=2.5)
    _centre(module.semantic_head, raw["semantic"])
    classes = tuple(f"class {i}" for i in range(config.classes))
    outputs = [Output("depth", "depth"), Output("semantic", "probabilities", classes)]
    return JointNetwork(module, inputs, outputs, name=name, seed=0)


NETWORKS: dict[str, Callable[[], JointNetwork]] = {
    "late-fusion": late_fusion,
    "three-inputs": three_inputs,
    "cross-attention": cross_attention,
    "tables": tables,
    "two-texts": two_texts,
    "image-and-text": image_and_text,
    "jrn-sum60": lambda: jrn(VARIANTS["sum60"], "jrn-sum60"),
    "jrn-cat60": lambda: jrn(VARIANTS["cat60"], "jrn-cat60"),
}
"""The networks by name, built when they are called."""
