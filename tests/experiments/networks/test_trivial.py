from __future__ import annotations

from collections import Counter

import numpy as np
import torch

from experiments.networks.study import NetworkStudy
from experiments.networks.trivial import Trivial, trivial_network
from experiments.training.arrays import SplitArrays


def test_mean_depth_of_each_pixel_where_known_and_the_most_frequent_class() -> None:
    random = np.random.default_rng(0)
    depth = random.uniform(1, 9, (7, 4, 5)).astype(np.float32)
    depth[random.random(depth.shape) < 0.4] = 0
    depth[:, 0, 0] = 0  # never known
    labels = random.choice([0, 1, 2, 9, 255], (7, 4, 5), p=[0.2, 0.15, 0.25, 0.1, 0.3])
    rgb = np.zeros((7, 4, 5, 3), np.uint8)
    images = SplitArrays(tuple("abcdefg"), rgb, depth, labels.astype(np.uint8))
    maps = Trivial(images, classes=3)(torch.rand(2, 3, 4, 5), torch.rand(2, 1, 4, 5))
    expected = np.nan_to_num(np.ma.masked_equal(depth, 0).mean(axis=0).filled(0))
    for one in maps["depth"]:
        np.testing.assert_allclose(one[0], expected, rtol=1e-6)
    ((most, _),) = Counter(x for x in labels.ravel().tolist() if x < 3).most_common(1)
    assert most == 2
    assert maps["semantic"].shape == (2, 3, 4, 5)
    assert torch.equal(maps["semantic"][:, most], torch.ones(2, 4, 5))
    assert maps["semantic"].sum() == 2 * 4 * 5


def test_the_network_has_the_names_of_its_label_set(study: NetworkStudy) -> None:
    network = trivial_network(study, "arora6")
    assert network.name == "trivial-arora6"
    assert network.outputs[1].classes == ("other", "wall", "floor", "cabinet", "bed", "chair")
