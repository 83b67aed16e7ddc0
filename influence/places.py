"""Places: where inside a network the distance of a muted input from the data is measured.

What a place holds stands among the outputs of a network under a name with a colon, which no output
has.
"""

from __future__ import annotations

from torch import Tensor

__all__ = ["is_place", "place_name", "pool_channels"]

MARK = "at:"

MOST_CHANNELS = 64
"""Of a place with more channels, this many at most are looked at, evenly spread."""


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
