"""Neighbours: which samples are near each other by their inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from influence.data.dataset import EvaluationSet

__all__ = ["describe_inputs", "near_tour"]

CELLS = 4
"""A map is described by the means of so many rows and columns of cells, for each channel."""


def describe_inputs(data: EvaluationSet, names: Sequence[str], count: int) -> NDArray[np.float32]:
    """Describe samples by their inputs, so that those which look alike are near.

    Maps are averaged over four by four cells; each number is brought to unit deviation over the
    samples, and each input weighs the same, whatever its channels. This reads the inputs once.

    Returns
    -------
    NDArray
        (samples, numbers).
    """
    rows: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    for index in range(count):
        inputs = data[index].inputs
        for name, own in rows.items():
            own.append(_pooled(inputs[name]))
    blocks = []
    for own in rows.values():
        block = np.stack(own).astype(np.float64)
        deviation = block.std(0)
        block = (block - block.mean(0)) / np.where(deviation > 0, deviation, 1.0)
        blocks.append(block / np.sqrt(block.shape[1]))
    return np.concatenate(blocks, axis=1).astype(np.float32)


def _pooled(values: Tensor) -> NDArray[np.float32]:
    values = values.float().nan_to_num(0.0, 0.0, 0.0)
    if values.ndim < 2:
        return values.reshape(-1).numpy()
    maps = values if values.ndim == 3 else values.reshape(len(values), 1, -1)
    height, width = (min(CELLS, length) for length in maps.shape[1:])
    return F.adaptive_avg_pool2d(maps, (height, width)).reshape(-1).numpy()


def near_tour(points: NDArray[np.float32], start: int) -> NDArray[np.int64]:
    """Go from each point to the nearest one that was not visited.

    Parameters
    ----------
    points
        (points, numbers).
    start
        The position of the first one.

    Examples
    --------
    >>> near_tour(np.array([[0.0], [2.1], [1.0], [3.3]], np.float32), start=1).tolist()
    [1, 2, 0, 3]
    """
    squares = np.square(points).sum(1)
    tour = np.empty(len(points), dtype=np.int64)
    tour[0] = start
    for step in range(1, len(points)):
        last = tour[step - 1]
        squares[last] = np.inf  # visited
        tour[step] = np.argmin(squares - 2 * (points @ points[last]))
    return tour
