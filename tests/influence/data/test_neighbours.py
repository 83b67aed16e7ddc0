"""Neighbours: what makes two samples near, and the way from one to the next."""

from __future__ import annotations

import numpy as np
import torch

from influence.data.dataset import MemorySet
from influence.data.neighbours import describe_inputs, near_tour


def test_inputs_weigh_the_same_whatever_their_channels() -> None:
    stream = torch.Generator().manual_seed(0)
    many = torch.rand(200, 40, 9, 7, generator=stream) * 1000
    one, number = (torch.rand(200, *shape, generator=stream) for shape in ((1, 9, 7), ()))
    inputs = {"x": one, "many": many, "number": number}
    data = MemorySet.collect([(inputs, {"y": torch.zeros(200)})])
    rows = describe_inputs(data, ["x", "many", "number"], 200)
    assert rows.shape == (200, 16 + 40 * 16 + 1)
    parts = np.split(rows, [16, 16 + 640], axis=1)
    np.testing.assert_allclose([np.square(p).sum(1).mean() for p in parts], 1.0, rtol=1e-4)


def test_a_tour_goes_to_the_nearest_that_is_left() -> None:
    points = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)
    tour = near_tour(points, start=4).tolist()
    assert tour[0] == 4
    assert sorted(tour) == list(range(30))
    for step in range(1, 30):
        gaps = np.linalg.norm(points[tour[step:]] - points[tour[step - 1]], axis=1)
        assert gaps.argmin() == 0
