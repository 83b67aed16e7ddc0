"""Data: what inputs and targets look like, and how reads are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.benchmarks.subject import (
    CountingFeed,
    CountingSet,
    draw_maps,
    example_maps,
    file_batches,
    write_data,
)
from influence.data.evaluation_file import EvaluationFile
from influence.network.joint_network import Modality
from tests.experiments.benchmarks.tiny import TINY


def test_targets_follow_the_network_and_have_holes(tmp_path: Path) -> None:
    network = TINY["jrn-sum60"]()
    write_data(network, tmp_path / "data.h5", samples=20, unlabelled=0.2)
    batches = list(file_batches(tmp_path / "data.h5", 16))
    assert [len(inputs["depth"]) for inputs, _ in batches] == [16, 4]
    inputs, targets = batches[0]
    with torch.inference_mode():
        found = network(inputs)
    holes = targets["semantic"] < 0
    assert torch.equal(holes.sum() > 0, targets["depth"].isnan().sum() > 0)
    assert 0.15 < holes.float().mean() < 0.25
    right = (found["semantic"].argmax(dim=1) == targets["semantic"])[~holes].float().mean()
    assert 0.25 < right < 0.95, "better than one in five, and not all"
    valid = ~targets["depth"].isnan()
    ratio = (targets["depth"] / found["depth"][:, 0])[valid].log()
    assert 0.05 < ratio.std() < 0.15, "disturbed by a tenth"


def test_it_is_the_same_data_again_and_from_the_file(tmp_path: Path) -> None:
    for name in ("first.h5", "second.h5"):
        write_data(TINY["late-fusion"](), tmp_path / name, samples=5)
    assert (tmp_path / "first.h5").read_bytes() == (tmp_path / "second.h5").read_bytes()
    pairs = zip(
        list(file_batches(tmp_path / "first.h5", 2)),
        file_batches(tmp_path / "second.h5", 2),
        strict=True,
    )
    for memory, file in pairs:
        for ours, theirs in zip(memory, file, strict=True):
            assert set(ours) == set(theirs)
            assert all(torch.equal(x, theirs[name]) for name, x in ours.items())


def test_feeds_and_sets_count_what_they_hand_out(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    write_data(TINY["late-fusion"](), path, samples=5)
    feed = CountingFeed(lambda: file_batches(path, 2))
    for _ in range(3):
        assert len(list(feed)) == 3
    assert feed.samples == 15
    counting = CountingSet(EvaluationFile(path))
    for indices in ([0, 1], [1]):
        counting.read(np.array(indices))
    assert counting.reads == {0: 1, 1: 2}
    assert counting.ids == EvaluationFile(path).ids


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


def test_probabilities_sum_to_one() -> None:
    modality = Modality("semantic", "probabilities", (3, 8, 8))
    maps = draw_maps(modality, 2, torch.Generator().manual_seed(0))
    torch.testing.assert_close(maps.sum(dim=1), torch.ones(2, 8, 8))
