"""Smooth random maps: what the inputs of the benchmark look like."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from influence.network.joint_network import Modality

__all__ = ["draw_maps", "example_maps"]

FARTHEST = 5.0  # metres


def draw_maps(modality: Modality, samples: int, stream: torch.Generator) -> Tensor:
    """Draw smooth maps with some noise, (samples, *shape), in the range of the modality's kind.

    Depth lies in 0 to 5 m, probabilities sum to one over the channels, anything else is in 0 to 1.

    Examples
    --------
    >>> modality = Modality("semantic", "probabilities", (3, 8, 8))
    >>> maps = draw_maps(modality, 2, torch.Generator().manual_seed(0))
    >>> bool(torch.allclose(maps.sum(dim=1), torch.ones(2, 8, 8)))
    True
    """
    assert modality.shape is not None, "the networks of the benchmark give their shapes"
    channels, height, width = (int(length or 1) for length in modality.shape)
    coarse = torch.randn(samples, channels, 4, 4, generator=stream)
    smooth = functional.interpolate(coarse, size=(height, width), mode="bilinear")
    values = smooth + 0.1 * torch.randn(smooth.shape, generator=stream)
    if modality.kind == "probabilities":
        return (2 * values).softmax(dim=1)
    return values.sigmoid() * (FARTHEST if modality.kind == "depth" else 1.0)


def example_maps(modalities: Sequence[Modality], samples: int = 16) -> list[Tensor]:
    """Draw the same few maps for each modality whenever it is called."""
    stream = torch.Generator().manual_seed(0)
    return [draw_maps(modality, samples, stream) for modality in modalities]
