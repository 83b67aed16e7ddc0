"""Layouts: how many samples a simulated data set has, and which of them belong together."""

from __future__ import annotations

from itertools import cycle, islice

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAYOUTS"]

SIZES = (1, 2, 3, 4, 5)
"""Samples of one group, in turn; the 654 test images of NYU-Depth v2 show 215 scenes."""


def _alone(count: int) -> NDArray[np.int64]:
    return np.arange(count)


def _grouped(count: int) -> NDArray[np.int64]:
    """Number the groups of samples, which stand in random order."""
    sizes = list(islice(cycle(SIZES), count))
    groups = np.repeat(np.arange(count), sizes)[:count]
    return np.random.default_rng(count).permutation(groups)


LAYOUTS: dict[str, NDArray[np.int64]] = {
    "100 samples": _alone(100),
    "654 samples": _alone(654),
    "100 samples in groups of 1 to 5": _grouped(100),
    "654 samples in groups of 1 to 5": _grouped(654),
}
"""For each sample the number of its group, by the name of the layout."""
