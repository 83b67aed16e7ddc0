"""Layout: whether maps are kept with their channels last in memory."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn

__all__ = ["lay_out", "suits_channels_last", "with_layout"]


def suits_channels_last(module: nn.Module, device: torch.device, *, mixed: bool) -> bool:
    """Say whether a network's maps are better kept with their channels last.

    So they are for two-dimensional convolutions on the CPU, which otherwise turn every map to
    that order and back, and in mixed precision on CUDA. It depends on nothing that is measured, so
    that two runs take the same way.

    Examples
    --------
    >>> suits_channels_last(nn.Conv2d(1, 8, 3), torch.device("cpu"), mixed=False)
    True
    >>> suits_channels_last(nn.Linear(8, 8), torch.device("cpu"), mixed=False)
    False
    """
    convolves = any(w.ndim == 4 and w.shape[-1] > 1 for w in _weights(module))
    return convolves and (device.type == "cpu" or mixed)


def lay_out(module: nn.Module, *, channels_last: bool) -> None:
    """Keep the weights of convolutions in one or the other order; their values stay."""
    # Weights made in inference mode could never again be trained, nor let a gradient pass.
    with torch.inference_mode(False):
        for weights in _weights(module):
            if weights.ndim == 4:
                weights.data = with_layout(weights.data, channels_last=channels_last)


def with_layout(maps: Tensor, *, channels_last: bool) -> Tensor:
    """Return a tensor with its channels last in memory, if it has the axes of maps.

    >>> with_layout(torch.zeros(1, 2, 3, 4), channels_last=True).stride()
    (24, 1, 8, 2)
    """
    if maps.ndim != 4:
        return maps
    order = torch.channels_last if channels_last else torch.contiguous_format
    return maps.contiguous(memory_format=order)


def _weights(module: nn.Module) -> chain[Tensor]:
    return chain(module.parameters(), module.buffers())
