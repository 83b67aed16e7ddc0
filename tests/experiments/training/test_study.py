from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.datasets.sample import CLASSES, Sample
from experiments.training.study import SplitArrays, read_arrays


class Few:
    """Ten samples of 4x6 pixels; counts how often one is read."""

    def __init__(self, *, shift: int = 0, far: float = 3.0, count: int = 10) -> None:
        self.ids = tuple(f"{number:02d}" for number in range(count))
        self.shift, self.far = shift, far
        self.reads = 0

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        self.reads += 1
        random = np.random.default_rng(index)
        depth = random.uniform(1, 2, (4, 6)).astype(np.float32)
        depth[0, 0] = self.far
        return Sample(
            self.ids[index],
            random.integers(0, 256, (4, 6, 3), dtype=np.uint8),
            depth,
            (random.integers(0, 5, (4, 6)) + self.shift).astype(np.uint8) % 5,
        )


class Grouped(Few):
    groups = tuple("aabbccddee")
    classes = ("road", "sky", "car", "tree", "house")


def read(samples: Few, cache: Path, *, height: int = 4, max_depth: float = 10.0) -> SplitArrays:
    width = 6 * height // 4
    return read_arrays(samples, cache, height=height, width=width, max_depth=max_depth)


def same(one: SplitArrays, other: SplitArrays) -> bool:
    return one.ids == other.ids and all(
        np.array_equal(getattr(one, x), getattr(other, x)) for x in ("rgb", "depth", "labels")
    )


def test_a_set_is_read_once_and_then_from_the_cache(tmp_path: Path) -> None:
    cache, first, again = tmp_path / "few.npz", Few(), Few()
    arrays = read(first, cache)
    assert arrays.rgb.shape == (10, 4, 6, 3)
    np.testing.assert_array_equal(arrays.depth[7], Few()[7].depth)
    np.testing.assert_array_equal(arrays.labels[7], Few()[7].labels)
    assert same(read(again, cache), arrays)
    assert again.reads < len(again) < first.reads
    assert read(again, cache).digest == arrays.digest


@pytest.mark.parametrize(
    ("other", "height"),
    [(Few(shift=1), 4), (Few(far=2.5), 4), (Few(count=9), 4), (Few(), 2)],
)
def test_a_cache_of_something_else_is_made_anew(tmp_path: Path, other: Few, height: int) -> None:
    cache = tmp_path / "few.npz"
    before = read(Few(), cache)
    after = read(other, cache, height=height)
    assert same(after, read(other, tmp_path / "fresh.npz", height=height))
    assert after.digest != before.digest


@pytest.mark.parametrize("size", [0, 100, 2000])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, size: int) -> None:
    cache = tmp_path / "few.npz"
    arrays = read(Few(), cache)
    cache.write_bytes(cache.read_bytes()[:size])
    assert same(read(Few(), cache), arrays)


def test_what_is_farther_than_the_study_looks_is_unknown(tmp_path: Path) -> None:
    cache = tmp_path / "few.npz"
    whole, cut = read(Few(far=70.0), cache, max_depth=100.0), read(Few(far=70.0), cache)
    assert (whole.depth[:, 0, 0] == 70).all()
    assert (cut.depth[:, 0, 0] == 0).all()
    np.testing.assert_array_equal(cut.depth[:, 1:], whole.depth[:, 1:])


def test_groups_and_classes_are_those_of_the_reader(tmp_path: Path) -> None:
    for _ in range(2):  # read, and from the cache
        arrays = read(Grouped(), tmp_path / "grouped.npz")
        assert arrays.groups == Grouped.groups
        assert arrays.classes == Grouped.classes
    plain = read(Few(), tmp_path / "few.npz")
    assert plain.groups is None
    assert plain.classes == CLASSES
    assert replace(plain, classes=Grouped.classes).digest != plain.digest
