"""FCRN (Laina et al., 3DV 2016) and the joint network of Arora, Patil and Nguyen built on it.

The picture passes through a residual trunk and four up-projections; a convolution gives the depth.
The joint network sends a depth map through the same weights a second time, and classifies every
pixel from the features of both passes. So it is a true f(picture, depth): the depth that it
predicts rests on the picture alone, its classes rest on both.

The original sends the ground truth through as its depth map, which no one has at test time; see
the study for what happens with a predicted one.

What differs from the authors' programs: pictures are standardised by ImageNet's moments, not sent
as 0..255; neither the depth nor the class scores are rectified at the end; the first convolution
pads 3, as FCRN's, where the joint program pads 4; the convolutions of the up-projections have no
bias, which the normalisation would cancel; and the loss has a term for the depth, where the joint
program leaves FCRN's depth as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.losses import class_loss
from models.trunks import make_trunk, scale_to

__all__ = ["FCRN", "FCRNConfig", "UnpooledConvolution", "UpProjection", "berhu", "fcrn_loss"]

EPSILON = 1e-4  # of batch normalisation, as in the authors' code

Form = Literal["fast", "plain"]
Padding = Literal["bottom_right", "top_left"]


@dataclass(frozen=True)
class FCRNConfig:
    """A network of this family. The defaults are the published sizes.

    Attributes
    ----------
    inputs
        ``("rgb",)``, the picture alone, or ``("rgb", "depth")``, the picture and a depth map.
    outputs
        Both tasks, or one: the single-task twin from the same parts.
    classes
        Of the semantic head; 38 and 6 in the original.
    trunk, pretrained
        See `models.trunks.make_trunk`.
    widths
        Channels after the 1x1 convolution and after each up-projection.
    semantic_widths
        Channels of the semantic head: after its up-projection and after its convolution.
    form, padding
        Of the up-projections, see `UnpooledConvolution`.
    depth_picture
        How a depth map becomes a picture of 0..255: by the range of each map, as in the original,
        or by the metres up to `max_depth`. Unknown depth, 0, is as near as can be in either.
    dropout
        Before the last convolution of the depth.
    typical_depth
        Metres that the depth starts from.
    min_depth, max_depth
        The range that the depth is clamped to in eval mode, metres.
    """

    inputs: tuple[str, ...] = ("rgb", "depth")
    outputs: tuple[str, ...] = ("depth", "semantic")
    classes: int = 38
    trunk: str = "resnet50"
    pretrained: bool = False
    widths: tuple[int, ...] = (1024, 512, 256, 128, 64)
    semantic_widths: tuple[int, int] = (64, 48)
    form: Form = "fast"
    padding: Padding = "bottom_right"
    depth_picture: Literal["range", "metres"] = "range"
    dropout: float = 0.5
    typical_depth: float = 2.5
    min_depth: float = 1e-3
    max_depth: float = 10.0


class FCRN(nn.Module):
    """The network: picture (B, 3, H, W) of 0..255, and depth map (B, 1, H, W), metres.

    In train mode it gives raw metres and class logits, for the loss; in eval mode metres within the
    configured range and class probabilities. All have the size of the picture. In eval mode the
    depth that comes out rests on the picture alone, whatever depth goes in.

    Examples
    --------
    >>> config = FCRNConfig(trunk="efficientnet_lite0", widths=(32, 16, 16, 8, 8), classes=6)
    >>> maps = FCRN(config).eval()(torch.zeros(1, 3, 48, 64), torch.ones(1, 1, 48, 64))
    >>> {name: tuple(x.shape) for name, x in maps.items()}
    {'depth': (1, 1, 48, 64), 'semantic': (1, 6, 48, 64)}
    """

    Config = FCRNConfig

    def __init__(self, config: FCRNConfig = FCRNConfig()) -> None:
        super().__init__()
        self.config = config
        self.trunk = make_trunk(config.trunk, pretrained=config.pretrained)
        first, *_, last = config.widths
        self.reduce = nn.Sequential(
            nn.Conv2d(self.trunk.channels[-1], first, kernel_size=1),
            nn.BatchNorm2d(first, eps=EPSILON),
        )
        self.up = nn.Sequential(
            *(
                UpProjection(*pair, form=config.form, padding=config.padding)
                for pair in zip(config.widths, config.widths[1:], strict=False)
            )
        )
        if "depth" in config.outputs:
            self.depth_head = nn.Sequential(
                nn.Dropout(config.dropout), nn.Conv2d(last, 1, kernel_size=3, padding=1)
            )
            nn.init.constant_(cast(Tensor, self.depth_head[1].bias), config.typical_depth)
        if "semantic" in config.outputs:
            self.semantic_head = _semantic_head(len(config.inputs) * last, config)

    def forward(self, rgb: Tensor, depth: Tensor | None = None) -> dict[str, Tensor]:
        maps = self.raw(rgb, depth)
        if self.training:
            return maps
        finished = {}
        if "depth" in maps:
            finished["depth"] = maps["depth"].clamp(self.config.min_depth, self.config.max_depth)
        if "semantic" in maps:
            finished["semantic"] = maps["semantic"].softmax(dim=1)
        return finished

    def raw(self, rgb: Tensor, depth: Tensor | None = None) -> dict[str, Tensor]:
        """Compute metres (B, 1, H, W) and class logits (B, classes, H, W)."""
        passes = self.passes(rgb, depth)  # each (B, 64, 16 * h, 16 * w) of a trunk's (h, w)
        maps = {}
        if "depth" in self.config.outputs:
            maps["depth"] = scale_to(self.depth_head(passes[0]), rgb).float()
        if "semantic" in self.config.outputs:
            logits = self.semantic_head(torch.cat(passes, dim=1))
            maps["semantic"] = scale_to(logits, rgb).float()
        return maps

    def passes(self, rgb: Tensor, depth: Tensor | None) -> tuple[Tensor, ...]:
        """Send the picture, and the depth map if there is one, through the same weights.

        In train mode in one batch: batch normalisation then knows one mixture of both, the same
        that its running averages describe in eval mode.
        """
        if depth is None:
            return (self.features(rgb),)
        pictures = rgb, self.picture_of(depth)
        if self.training:
            return self.features(torch.cat(pictures)).chunk(2)
        return tuple(self.features(picture) for picture in pictures)

    def features(self, picture: Tensor) -> Tensor:
        """Send a picture through the trunk and the up-projections."""
        return cast(Tensor, self.up(self.reduce(self.trunk(picture)[-1])))

    def picture_of(self, depth: Tensor) -> Tensor:
        """Turn metres (B, 1, H, W) into a grey picture (B, 3, H, W) of 0..255."""
        low = torch.zeros_like(depth[:, :, :1, :1])
        high = low + self.config.max_depth
        if self.config.depth_picture == "range":
            low, high = depth.amin((2, 3), keepdim=True), depth.amax((2, 3), keepdim=True)
        # a flat map has no range: it becomes black
        return ((depth - low) / (high - low).clamp(min=1e-3) * 255.0).expand(-1, 3, -1, -1)


class UpProjection(nn.Module):
    """Twice the size: (B, inputs, h, w) -> (B, outputs, 2h, 2w).

    Unpooled, then two branches whose sum is rectified: a 5x5 convolution, ReLU and a 3x3
    convolution, beside a 5x5 convolution; batch normalisation after each (Laina et al., figure 2).
    The two 5x5 convolutions read the same map and are computed as one.

    Examples
    --------
    >>> tuple(UpProjection(4, 2)(torch.zeros(1, 4, 8, 10)).shape)
    (1, 2, 16, 20)
    """

    def __init__(
        self, inputs: int, outputs: int, *, form: Form = "fast", padding: Padding = "bottom_right"
    ) -> None:
        super().__init__()
        self.both = UnpooledConvolution(inputs, 2 * outputs, form=form, padding=padding)
        self.normal = nn.BatchNorm2d(2 * outputs, eps=EPSILON)
        self.refine = nn.Sequential(
            nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(outputs, eps=EPSILON),
        )

    def forward(self, x: Tensor) -> Tensor:
        branch, beside = self.normal(self.both(x)).chunk(2, dim=1)  # 2 x (B, outputs, 2h, 2w)
        return cast(Tensor, (self.refine(branch.relu()) + beside).relu())


class UnpooledConvolution(nn.Module):
    """Unpooling by two, and a 5x5 convolution: (B, inputs, h, w) -> (B, outputs, 2h, 2w).

    Unpooling puts each value at the upper left of four pixels, and zeros at the others. The plain
    form does just that. In the fast form the zeros are left out: of the 25 weights 9, 6, 6 or 4
    meet values, by whether the row and the column of a pixel are even or odd, so that four smaller
    convolutions of the small map give the four kinds of pixels. Both forms have the same
    parameters and, with the padding ``bottom_right``, the same result.

    A kernel of even size needs one more row or column on one side. ``bottom_right`` is what
    follows from the definition. ``top_left`` is what the authors' TensorFlow code does: a variant
    that is shifted by one small pixel in odd rows and columns, for weights from there.

    Examples
    --------
    >>> fast = UnpooledConvolution(1, 1)
    >>> plain = UnpooledConvolution(1, 1, form="plain")
    >>> _ = plain.load_state_dict(fast.state_dict())
    >>> x = torch.rand(1, 1, 4, 5)
    >>> torch.allclose(fast(x), plain(x), atol=1e-5)
    True
    """

    def __init__(
        self, inputs: int, outputs: int, *, form: Form = "fast", padding: Padding = "bottom_right"
    ) -> None:
        super().__init__()
        if form == "plain" and padding != "bottom_right":
            raise ValueError("the plain form has no padding to choose; take the fast form")
        self.form, self.padding = form, padding
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 5, 5))
        # a quarter of the unpooled map holds values, so a quarter of the usual fan-in
        nn.init.normal_(self.weight, std=(2 / (inputs * 25 / 4)) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self._fast(x) if self.form == "fast" else self._plain(x)

    def _plain(self, x: Tensor) -> Tensor:
        zeros = torch.zeros_like(x)
        unpooled = functional.pixel_shuffle(
            torch.stack((x, zeros, zeros, zeros), dim=2).flatten(1, 2), 2
        )
        return functional.conv2d(unpooled, self.weight, padding=2)

    def _fast(self, x: Tensor) -> Tensor:
        odd = (0, 1) if self.padding == "bottom_right" else (1, 0)
        kinds = [
            functional.conv2d(
                functional.pad(x, (*((1, 1), odd)[column], *((1, 1), odd)[row])),
                self.weight[:, :, row::2, column::2],
            )
            for row in (0, 1)
            for column in (0, 1)
        ]  # 4 x (B, outputs, h, w)
        return functional.pixel_shuffle(torch.stack(kinds, dim=2).flatten(1, 2), 2)


def fcrn_loss(
    maps: dict[str, Tensor],
    depth: Tensor,
    labels: Tensor,
    *,
    depth_loss: Literal["berhu", "l2", "l1"] = "berhu",
    ignore: int = 255,
) -> Tensor:
    """Compute the depth loss plus the mean negative log likelihood of the classes.

    Each is a mean over the pixels that have a depth, or a label; a network that lacks an output
    lacks its term.

    Parameters
    ----------
    maps
        Raw outputs: "depth" (B, 1, H, W), metres, and "semantic" (B, k, H, W), logits.
    depth
        (B, H, W), metres; 0 where unknown.
    labels
        (B, H, W), integers; `ignore` where unknown.
    depth_loss
        Of the residuals: the reverse Huber function, the square, or the absolute value.

    Examples
    --------
    >>> maps = {"depth": torch.full((1, 1, 1, 2), 3.0), "semantic": torch.zeros(1, 5, 1, 2)}
    >>> depth, labels = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[4, 255]]])
    >>> round(float(fcrn_loss(maps, depth, labels, depth_loss="l2")), 4)  # (3 - 1)^2 + log 5
    5.6094
    """
    terms = []
    if "depth" in maps:
        known = depth > 0
        residual = torch.where(known, maps["depth"][:, 0] - depth, 0.0)
        terms.append(DEPTH_LOSSES[depth_loss](residual).sum() / known.sum().clamp(min=1))
    if "semantic" in maps:
        terms.append(class_loss(maps["semantic"], labels, ignore=ignore))
    return torch.stack(terms).sum()


def berhu(residual: Tensor) -> Tensor:
    """Apply the reverse Huber function to residuals of any shape, element by element.

    The absolute value up to c, a parabola beyond: ``(r^2 + c^2) / (2 c)``, with c a fifth of the
    largest absolute residual of the whole batch (Laina et al., equation 2). c is not
    differentiated. Value and slope are continuous at c, and k times the residuals give k times the
    result.

    Examples
    --------
    >>> berhu(torch.tensor([0.5, -1.0, 5.0])).tolist()  # c = 1
    [0.5, 1.0, 13.0]
    """
    size = residual.abs()
    c = 0.2 * size.detach().amax().clamp(min=1e-6)
    return torch.where(size <= c, size, (size.square() + c.square()) / (2 * c))


DEPTH_LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "berhu": berhu,
    "l2": torch.square,
    "l1": torch.abs,
}


def _semantic_head(inputs: int, config: FCRNConfig) -> nn.Sequential:
    """128 -> 64 channels at twice the size, then two convolutions, as in the joint network.

    The original rectifies the scores, too, before its softmax; a class could then not say no.
    """
    first, second = config.semantic_widths
    return nn.Sequential(
        UpProjection(inputs, first, form=config.form, padding=config.padding),
        nn.Conv2d(first, second, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(second, eps=EPSILON),
        nn.ReLU(),
        nn.Conv2d(second, config.classes, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(config.classes, eps=EPSILON),
    )
