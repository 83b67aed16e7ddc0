"""Places: where inside a network the distance of a muted input from the data is measured.

What a place holds stands among the outputs of a network under a name with a colon, which no output
has.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from influence.errors import InfluenceError

__all__ = [
    "FEATURES",
    "MARK",
    "check_first",
    "chosen_samples",
    "is_place",
    "place_name",
    "pool_channels",
    "stride_of",
]

FEATURES = "features"
"""The name of what is kept of a place: one row of numbers a sample, one a channel."""

MARK = "at:"

MOST_CHANNELS = 64
"""Of a place with more channels, this many at most are looked at, evenly spread."""

MOST_SAMPLES = 2048
"""So many samples at most are looked at, evenly spread; of a stream the first."""


def is_place(name: str) -> bool:
    """Say whether a name is that of a place, and not of an output.

    >>> is_place("at:fuse.add"), is_place("depth")
    (True, False)
    """
    return name.startswith(MARK)


def place_name(path: str) -> str:
    """Name what a place holds.

    >>> place_name("fuse.add")
    'at:fuse.add'
    """
    return f"{MARK}{path}"


def pool_channels(values: Tensor) -> Tensor:
    """Average the channels of a tensor over all places: (samples, channels).

    Maps have their channels second; of three axes the last holds them, as tokens do.

    >>> import torch
    >>> pool_channels(torch.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[1.5, 5.5]]
    """
    if values.ndim == 3:
        values = values.movedim(-1, 1)
    rows = values.reshape(len(values), -1, *values.shape[2:])
    step = -(-rows.shape[1] // MOST_CHANNELS)
    return rows[:, ::step].reshape(len(values), -(-rows.shape[1] // step), -1).float().mean(2)


def check_first(point: str, values: Tensor, samples: int) -> None:
    """Raise InfluenceError unless what a module returned has the samples first."""
    if values.ndim == 0 or len(values) != samples:
        raise InfluenceError(
            f"{point}: holds shape {tuple(values.shape)}, expected {samples} samples first. Name "
            "another module"
        )


def stride_of(count: int | None) -> int:
    """Return how far apart the samples are that are looked at; `None` for an unknown number.

    >>> stride_of(654), stride_of(10_000), stride_of(None)
    (1, 5, 1)
    """
    return 1 if count is None else -(-count // MOST_SAMPLES)


def chosen_samples(indices: NDArray[np.int64], stride: int) -> NDArray[np.bool_]:
    """Say which samples of a batch are looked at.

    >>> chosen_samples(np.array([0, 3, 4, 10_000]), 2).tolist()
    [True, False, True, False]
    """
    chosen: NDArray[np.bool_] = (indices % stride == 0) & (indices // stride < MOST_SAMPLES)
    return chosen
