"""Maps lie in the range of their kind, differ between samples, and are the same again."""

from __future__ import annotations

import pytest
import torch

from experiments.benchmarks.maps import draw_maps, example_maps
from influence.network.joint_network import Modality


@pytest.mark.parametrize(("kind", "highest"), [("depth", 5.0), ("image", 1.0)])
def test_values_fill_the_range(kind: str, highest: float) -> None:
    maps = draw_maps(Modality("x", kind, (1, 16, 24)), 20, torch.Generator().manual_seed(0))
    assert maps.shape == (20, 1, 16, 24)
    assert 0 <= maps.min() < 0.2 * highest
    assert 0.8 * highest < maps.max() <= highest
    assert maps.mean(dim=(1, 2, 3)).std() > 0.02 * highest


def test_examples_are_the_same_every_time() -> None:
    inputs = [Modality("x", "image", (3, 8, 8)), Modality("y", "image", (3, 8, 8))]
    first, second = example_maps(inputs), example_maps(inputs)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(*first)
