from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.datasets.cityscapes import CITYSCAPES_CLASSES, Cityscapes, depth_of
from experiments.datasets.sample import IGNORE, SampleSet
from influence.errors import InfluenceError

NAME = "frankfurt_000000_000294"
OTHERS = ("frankfurt_000000_000576", "lindau_000003_000019")
BASELINE, FOCAL = 0.209313, 2262.52  # of the camera file of many frames

# The ids of the benchmark's classes in the order of their train ids, as the paper lists them.
EVALUATED = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]

IDS = np.array([[7, 0, 33], [26, 6, 24]], dtype=np.uint8)
DISPARITY = np.array([[0, 1, 2], [257, 1281, 32257]], dtype=np.uint16)


def place(root: Path, kind: str, name: str, ending: str, split: str = "val") -> Path:
    path = root / kind / split / name.split("_")[0] / f"{name}_{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def colours(name: str) -> np.ndarray:
    random = np.random.default_rng(list(name.encode()))
    return random.integers(0, 256, (*IDS.shape, 3), dtype=np.uint8)


def camera(**changes: Any) -> dict[str, Any]:
    extrinsic = {"baseline": BASELINE, "pitch": 0.038, "roll": 0.0, "x": 1.7, "y": 0.1, "z": 1.22}
    intrinsic = {"fx": FOCAL, "fy": 2265.3017905988554, "u0": 1096.98, "v0": 513.137}
    return {"extrinsic": extrinsic, "intrinsic": intrinsic} | changes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three frames of the validation split in the official layout."""
    for name in (NAME, *OTHERS):
        picture = place(tmp_path, "leftImg8bit", name, "leftImg8bit.png")
        Image.fromarray(colours(name)).save(picture)
        Image.fromarray(IDS).save(place(tmp_path, "gtFine", name, "gtFine_labelIds.png"))
        Image.fromarray(DISPARITY).save(place(tmp_path, "disparity", name, "disparity.png"))
        place(tmp_path, "camera", name, "camera.json").write_text(json.dumps(camera()))
    return tmp_path


def test_a_frame_is_read_as_it_was_written(root: Path) -> None:
    samples: SampleSet = Cityscapes(root, "val")
    sample = samples[0]
    assert sample.id == samples.ids[0] == NAME
    np.testing.assert_array_equal(sample.rgb, colours(NAME))
    assert sample.labels.tolist() == [[0, IGNORE, 18], [13, IGNORE, 11]]
    # by hand: 0.209313 m * 2262.52 px = 473.57485 m px; p = 1281 is 5 px, p = 32257 is 126 px
    far = 473.57485 * 256
    expected = [[0, 0, far], [473.57485, 94.71497, 3.758530]]
    np.testing.assert_allclose(sample.depth, expected, rtol=1e-5)
    assert sample.rgb.dtype == sample.labels.dtype == np.uint8
    assert sample.depth.dtype == np.float32


def test_frames_are_grouped_by_city_and_sequence(root: Path) -> None:
    samples = Cityscapes(root, "val")
    assert samples.ids == (NAME, *OTHERS)
    assert samples.groups == ("frankfurt_000000", "frankfurt_000000", "lindau_000003")
    assert len(samples) == 3
    assert [samples[index].id for index in range(3)] == list(samples.ids)


def test_each_frame_has_its_own_camera(root: Path) -> None:
    other = camera(extrinsic={"baseline": 2 * BASELINE})
    place(root, "camera", OTHERS[1], "camera.json").write_text(json.dumps(other))
    samples = Cityscapes(root, "val")
    np.testing.assert_allclose(samples[2].depth, 2 * samples[0].depth, rtol=1e-6)


def test_every_id_has_the_class_of_the_benchmark(root: Path) -> None:
    every = np.array([*range(34), 255], dtype=np.uint8)[None]  # -1 is 255 in 8 bits
    name = NAME
    Image.fromarray(every).save(place(root, "gtFine", name, "gtFine_labelIds.png"))
    Image.fromarray(every.astype(np.uint16)).save(place(root, "disparity", name, "disparity.png"))
    wide = np.zeros((*every.shape, 3), dtype=np.uint8)
    Image.fromarray(wide).save(place(root, "leftImg8bit", name, "leftImg8bit.png"))
    labels = Cityscapes(root, "val")[0].labels[0]
    assert [int(labels[number]) for number in EVALUATED] == list(range(19))
    void = sorted({*range(35)} - {*EVALUATED})
    assert (labels[void] == IGNORE).all()
    assert len(void) == 16


def test_the_classes_are_the_nineteen_of_the_benchmark() -> None:
    assert len(CITYSCAPES_CLASSES) == 19
    assert CITYSCAPES_CLASSES[:3] == ("road", "sidewalk", "building")
    assert CITYSCAPES_CLASSES[-2:] == ("motorcycle", "bicycle")
    assert Cityscapes.classes == CITYSCAPES_CLASSES


def test_depth_and_disparity_are_inverse() -> None:
    depth = np.array([[3.0, 17.5, 80.0]])
    number = np.rint(256 * BASELINE * FOCAL / depth + 1).astype(np.uint16)
    back = depth_of(number, baseline=BASELINE, focal=FOCAL)
    # half a step of the number moves the depth by this share
    np.testing.assert_allclose(back, depth, rtol=0.5 / float(number.min() - 1))


def test_splits_other_than_the_labelled_ones_are_refused(root: Path) -> None:
    with pytest.raises(InfluenceError, match="'test' of Cityscapes are not public"):
        Cityscapes(root, "test")
    with pytest.raises(InfluenceError, match="did you mean 'val'"):
        Cityscapes(root, "vall")
    with pytest.raises(InfluenceError, match=r"no Cityscapes in .*leftImg8bit/train"):
        Cityscapes(root, "train")


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        ("gtFine", "gtFine_labelIds.png"),
        ("disparity", "disparity.png"),
        ("camera", "camera.json"),
    ],
)
def test_a_missing_file_is_named(root: Path, kind: str, ending: str) -> None:
    place(root, kind, NAME, ending).unlink()
    samples = Cityscapes(root, "val")
    with pytest.raises(InfluenceError, match=rf"{NAME}_{ending} is missing"):
        samples[0]
    assert samples[1].id == OTHERS[0]


@pytest.mark.parametrize(
    ("kind", "ending", "form"),
    [("gtFine", "gtFine_labelIds.png", np.uint8), ("disparity", "disparity.png", np.uint16)],
)
def test_a_picture_of_another_size_is_refused(
    root: Path, kind: str, ending: str, form: type
) -> None:
    Image.fromarray(np.ones((3, 2), form)).save(place(root, kind, NAME, ending))  # turned
    with pytest.raises(InfluenceError, match=rf"{ending} has 3x2 pixels, expected 2x3"):
        Cityscapes(root, "val")[0]


def test_pictures_that_are_not_the_official_ones_are_refused(root: Path) -> None:
    samples = Cityscapes(root, "val")
    labels = place(root, "gtFine", NAME, "gtFine_labelIds.png")
    Image.fromarray(np.full(IDS.shape, 34, np.uint8)).save(labels)
    with pytest.raises(InfluenceError, match="holds label 34, which is not in the table"):
        samples[0]
    labels.write_bytes(b"no picture")
    with pytest.raises(InfluenceError, match="cannot be read as a picture"):
        samples[0]
    place(root, "disparity", OTHERS[0], "disparity.png").write_bytes(
        place(root, "gtFine", OTHERS[0], "gtFine_labelIds.png").read_bytes()
    )
    with pytest.raises(InfluenceError, match="expected one channel of 16 bits, got uint8"):
        samples[1]


def test_a_foreign_file_among_the_pictures_is_named(root: Path) -> None:
    path = place(root, "leftImg8bit", NAME, "leftImg8bit.png")
    path.rename(path.with_name("lindau_000000_000294_leftImg8bit.png"))
    with pytest.raises(InfluenceError, match="expected the name frankfurt_SEQUENCE_FRAME"):
        Cityscapes(root, "val")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, "__import__('os')", '{"extrinsic": ' + "9" * 5000 + "}", "\x00"],
)
def test_a_camera_file_that_is_no_json_is_refused(root: Path, text: str) -> None:
    place(root, "camera", NAME, "camera.json").write_text(text)
    with pytest.raises(InfluenceError, match=r"camera\.json is not JSON"):
        Cityscapes(root, "val")[0]


@pytest.mark.parametrize(
    "content",
    [None, 3, "extrinsic", [], {}, {"extrinsic": None}, {"extrinsic": [1]}, {"extrinsic": {}}],
)
def test_a_camera_file_without_the_baseline_is_refused(root: Path, content: Any) -> None:
    place(root, "camera", NAME, "camera.json").write_text(json.dumps(content))
    with pytest.raises(InfluenceError, match=r"camera\.json lacks extrinsic\.baseline"):
        Cityscapes(root, "val")[0]


@pytest.mark.parametrize(
    "value", ["2262.52", True, None, [], 0, -1.0, float("nan"), float("inf"), 10**400]
)
def test_a_focal_length_that_is_no_length_is_refused(root: Path, value: Any) -> None:
    text = json.dumps(camera(intrinsic={"fx": value}))
    place(root, "camera", NAME, "camera.json").write_text(text)
    with pytest.raises(InfluenceError, match=r"expected a number above 0 in intrinsic\.fx"):
        Cityscapes(root, "val")[0]


def test_depth_is_that_of_the_disparity_and_unknown_without_one() -> None:
    numbers = np.array([0, 1, 257, 2561], dtype=np.uint16)
    assert depth_of(numbers, baseline=0.2, focal=2000).tolist() == [0.0, 0.0, 400.0, 40.0]
