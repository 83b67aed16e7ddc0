from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from experiments.datasets.nyuv2 import (
    LABEL_MAPS,
    NYUv2File,
    NYUv2Folder,
    class_names,
    label_map,
    official_split,
    open_nyuv2,
)
from experiments.datasets.sample import CLASSES, IGNORE, SampleSet
from influence.errors import InfluenceError

# The vectors in the authors' files `class13Mapping.mat` and `classMapping40.mat`, by class of 40.
TO_13 = [12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7, 5, 7, 3, 2, 6, 11, 7, 7]
TO_13 += [7, 7, 7, 7, 6, 7, 7, 7, 7, 7, 7, 6, 7]
TO_4 = [2, 1, 3, 3, 3, 3, 3, 2, 2, 3, 4, 2, 2, 3, 3, 2, 3, 4, 4, 4, 4, 2, 4, 3, 4, 4, 4, 2, 4, 2]
TO_4 += [4, 3, 3, 4, 4, 3, 4, 2, 3, 4]


def counts(name: str) -> list[int]:
    """How many of the 894 raw labels each class has."""
    return [int(count) for count in np.bincount(label_map(name)[1:])]


def test_the_raw_labels_of_the_five_classes_are_as_many_as_in_the_sources() -> None:
    assert counts("geo5_wang") == [2, 19, 1, 6, 866]
    assert counts("geo5_silberman") == [1, 76, 1, 95, 721]
    assert counts("structure4") == [1, 77, 95, 721]


def test_37_of_the_40_classes_have_one_raw_label() -> None:
    assert counts("nyu40") == [1] * 37 + [68, 82, 707]


@pytest.mark.parametrize(("name", "vector"), [("nyu13", TO_13), ("structure4", TO_4)])
@pytest.mark.parametrize("source", [40, 894])
def test_the_maps_to_13_and_4_are_the_authors_vectors(
    name: str, vector: list[int], source: int
) -> None:
    by_40 = np.array(vector) - 1
    if source == 40:
        np.testing.assert_array_equal(label_map(name, source=40)[1:], by_40)
    else:
        np.testing.assert_array_equal(label_map(name)[1:], by_40[label_map("nyu40")[1:]])


def test_from_40_classes_wang_misplaces_14_raw_labels() -> None:
    raw_to_40 = label_map("nyu40")[1:].astype(int) + 1
    through_40 = label_map("geo5_wang", source=40)[raw_to_40]
    assert int((through_40 != label_map("geo5_wang")[1:]).sum()) == 14


def test_from_40_classes_silberman_is_exact() -> None:
    raw_to_40 = label_map("nyu40")[1:].astype(int) + 1
    through_40 = label_map("geo5_silberman", source=40)[raw_to_40]
    np.testing.assert_array_equal(through_40, label_map("geo5_silberman")[1:])


@pytest.mark.parametrize("name", LABEL_MAPS)
@pytest.mark.parametrize("source", [40, 894])
def test_unlabelled_is_ignored_and_every_label_has_a_named_class(name: str, source: int) -> None:
    table = label_map(name, source=source)
    assert table.shape == (source + 1,)
    assert table[0] == IGNORE
    assert set(table[1:].tolist()) == set(range(len(class_names(name))))


def test_the_five_classes_are_in_the_order_that_every_file_uses() -> None:
    assert class_names("geo5_wang") == class_names("geo5_silberman") == CLASSES


def test_an_unknown_map_is_named_with_its_neighbours() -> None:
    with pytest.raises(InfluenceError, match="did you mean 'geo5_wang'"):
        label_map("geo5_wan")
    with pytest.raises(InfluenceError, match="not 13"):
        label_map("geo5_wang", source=13)


def test_the_five_classes_of_wang() -> None:
    names = ("ground", "vertical", "ceiling", "furniture", "object")
    assert class_names("geo5_wang") == names
    unlabelled, wall, floor, ceiling = 0, 21, 11, 4
    found = label_map("geo5_wang")[[unlabelled, wall, floor, ceiling]]
    assert found.tolist() == [255, 1, 0, 2]


COUNT, HEIGHT, WIDTH = 4, 16, 24
RAW_LABELS = (0, 4, 5, 11, 21, 19, 157, 83)  # none of those that 40 classes cannot tell apart


def pictures() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colours (N, H, W, 3), flat in blocks that JPEG keeps; depth (N, H, W); raw labels."""
    random = np.random.default_rng(1)
    colours = random.integers(40, 216, (COUNT, HEIGHT // 8, WIDTH // 8, 3))
    rgb = colours.repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)
    depth = (random.integers(700, 9995, (COUNT, HEIGHT, WIDTH)) / 1000).astype(np.float32)
    labels = random.choice(RAW_LABELS, (COUNT, HEIGHT, WIDTH)).astype(np.uint16)
    return rgb, depth, labels


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """A small file in the layout of the official one: MATLAB 7.3, so that all axes are reversed."""
    root = tmp_path / "official"
    root.mkdir()
    rgb, depth, labels = pictures()
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "w", userblock_size=512) as file:
        file["images"] = rgb.transpose(0, 3, 2, 1)  # (N, 3, W, H)
        file["depths"] = depth.transpose(0, 2, 1)  # (N, W, H)
        file["rawDepths"] = np.zeros_like(depth).transpose(0, 2, 1)
        file["labels"] = labels.transpose(0, 2, 1)
    write_splits(root)
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The same pictures as separate files."""
    root = tmp_path / "folder"
    for name in ("rgb", "depth", "label40"):
        (root / name).mkdir(parents=True)
    rgb, depth, labels = pictures()
    to_40 = np.where(label_map("nyu40") == IGNORE, 0, label_map("nyu40") + 1).astype(np.uint8)
    for number in range(COUNT):
        name = f"{number + 1:04d}"
        Image.fromarray(rgb[number]).save(root / "rgb" / f"{name}.jpg", quality=98, subsampling=0)
        millimetres = np.rint(depth[number] * 1000).astype(np.uint16)
        Image.fromarray(millimetres).save(root / "depth" / f"{name}.png")
        Image.fromarray(to_40[labels[number]]).save(root / "label40" / f"{name}.png")
    write_splits(root)
    return root


def write_splits(root: Path) -> None:
    splits = {"trainNdxs": [[2], [4]], "testNdxs": [[1], [3]]}
    savemat(root / "splits.mat", {k: np.array(v, dtype=np.uint16) for k, v in splits.items()})


def test_the_official_file_is_read_with_its_axes_reversed(official: Path) -> None:
    rgb, depth, labels = pictures()
    samples = NYUv2File(official, "train")
    assert len(samples) == 2
    assert samples.ids == ("0002", "0004")
    for position, row in enumerate((1, 3)):
        sample = samples[position]
        assert sample.id == samples.ids[position]
        np.testing.assert_array_equal(sample.rgb, rgb[row])
        np.testing.assert_array_equal(sample.depth, depth[row])
        np.testing.assert_array_equal(sample.labels, label_map("geo5_wang")[labels[row]])
        assert sample.depth.dtype == np.float32
        assert sample.labels.dtype == np.uint8


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("classes", ["wang", "silberman"])
def test_both_readers_give_the_same_samples(
    official: Path, folder: Path, split: str, classes: str
) -> None:
    one = open_nyuv2(official, split, classes=classes)
    other = open_nyuv2(folder, split, classes=classes)
    assert isinstance(one, NYUv2File)
    assert isinstance(other, NYUv2Folder)
    assert one.ids == other.ids
    for index in range(len(one)):
        first, second = one[index], other[index]
        assert first.id == second.id
        assert int(np.abs(first.rgb.astype(int) - second.rgb).max()) <= 3  # JPEG
        np.testing.assert_allclose(first.depth, second.depth, atol=1e-6)
        np.testing.assert_array_equal(first.labels, second.labels)
        assert first.rgb.dtype == second.rgb.dtype
        assert first.depth.dtype == second.depth.dtype


def test_the_classes_are_those_of_the_label_set(official: Path, folder: Path) -> None:
    for root in (official, folder):
        assert open_nyuv2(root, "train").classes == CLASSES  # type: ignore[attr-defined]
        six = open_nyuv2(root, "train", classes="arora6").classes  # type: ignore[attr-defined]
        assert (len(six), six[0]) == (6, "other")


def test_the_official_split_is_disjoint_and_complete() -> None:
    train, test = official_split("train"), official_split("test")
    assert (len(train), len(test)) == (795, 654)
    assert sorted(train + test) == list(range(1, 1450))
    assert train[:7] == [3, 4, 5, 6, 7, 8, 10]
    assert (test[:4], test[-1], train[-1]) == ([1, 2, 9, 14], 1449, 1440)


def test_what_is_missing_is_named(tmp_path: Path, folder: Path, official: Path) -> None:
    with pytest.raises(InfluenceError, match="NYUV2_ROOT"):
        open_nyuv2(tmp_path / "nowhere", "test")
    with pytest.raises(InfluenceError, match="'validation'"):
        open_nyuv2(folder, "validation")
    (folder / "depth" / "0003.png").unlink()
    with pytest.raises(InfluenceError, match=r"0003\.png is missing"):
        open_nyuv2(folder, "test")[1]
    (folder / "depth" / "0001.png").write_bytes(b"no picture")
    with pytest.raises(InfluenceError, match="cannot be read"):
        open_nyuv2(folder, "test")[0]
    (official / "nyu_depth_v2_labeled.mat").write_bytes(b"no HDF5")
    with pytest.raises(InfluenceError, match="not the official file"):
        open_nyuv2(official, "test")[0]


def test_the_environment_names_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NYUV2_ROOT", str(folder))
    assert len(open_nyuv2(None, "train")) == 2
    monkeypatch.delenv("NYUV2_ROOT")
    with pytest.raises(InfluenceError, match="--data"):
        open_nyuv2(None, "train")


@pytest.fixture(scope="session")
def real() -> SampleSet:
    root = os.environ.get("NYUV2_ROOT")
    if not root:
        pytest.skip("NYUV2_ROOT is not set")
    return open_nyuv2(root, "test")


@pytest.mark.nyuv2
def test_the_real_test_images_have_the_class_shares_of_the_official_label_maps(
    real: SampleSet,
) -> None:
    counts = np.zeros(256, dtype=np.int64)
    for index in range(len(real)):
        counts += np.bincount(real[index].labels.ravel(), minlength=256)
    labelled = counts[:5].sum()
    assert len(real) == 654
    assert counts[IGNORE] / counts.sum() == pytest.approx(0.1711, abs=5e-4)
    assert counts[0] / labelled == pytest.approx(0.118, abs=1e-3)  # ground
    assert counts[2] / labelled == pytest.approx(0.0155, abs=3e-4)  # ceiling


@pytest.mark.nyuv2
def test_the_real_depths_are_metres(real: SampleSet) -> None:
    for index in range(0, len(real), 50):
        depth = real[index].depth
        assert 0.3 < float(depth.min()) < float(np.median(depth)) < float(depth.max()) < 10.0


def test_the_official_split_has_795_and_654_images() -> None:
    assert len(official_split("train")) == 795
    assert len(official_split("test")) == 654
