from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.datasets.nyuv2 import class_names, label_map
from experiments.datasets.sample import CLASSES, IGNORE, SampleSet
from experiments.datasets.scannet import ScanNetFrames, nearest
from influence.errors import InfluenceError

HEIGHT, WIDTH = 6, 8  # of depth; colours and labels are twice as large

TABLE = "scannetv2-labels.combined.tsv"
# rows of the authors' table, with an open quote in a name; 41 is an id of ScanNet, not of NYU-40
ROWS = (
    "id\traw_category\tcategory\tcount\tnyu40id\teigen13id",
    "1\twall\twall\t8277\t1\t12",
    '3\t"floor\tfloor\t1553\t2\t5',
    "41\tceiling\tceiling\t688\t22\t3",
    "1357\tcushion stack\tcushion\t1\t39\t6",
)


def millimetres() -> np.ndarray:
    return np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 200


def colours() -> np.ndarray:
    """Blocks of 2x2 pixels, so that the mean of a block is its colour."""
    blocks = np.random.default_rng(2).integers(30, 220, (HEIGHT, WIDTH, 3))
    return blocks.repeat(2, axis=0).repeat(2, axis=1).astype(np.uint8)


def numbers(first: tuple[int, ...], form: type) -> np.ndarray:
    """Label numbers in cells of 2x2, in the given order and over again."""
    cells = np.resize(np.array(first), (HEIGHT, WIDTH))
    return cells.repeat(2, axis=0).repeat(2, axis=1).astype(form)


def write_frame(scan: Path, frame: str, kind: str, labels: np.ndarray) -> None:
    for name in ("color", "depth", kind):
        (scan / name).mkdir(parents=True, exist_ok=True)
    Image.fromarray(colours()).save(scan / "color" / f"{frame}.jpg", quality=98, subsampling=0)
    Image.fromarray(millimetres()).save(scan / "depth" / f"{frame}.png")
    Image.fromarray(labels).save(scan / kind / f"{frame}.png")


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """The form of the 25,000 frames: labels of 8 bits, NYU-40, every hundredth frame."""
    for scan in ("scene0191_00", "scene0191_01", "scene0002_00"):
        for frame in ("000000", "000100"):
            labels = numbers((0, 1, 2, 22, 40), np.uint8)
            write_frame(tmp_path / scan, frame, "label", labels)
    (tmp_path / "scannetv2_train.txt").write_text("scene0191_00\nscene0191_01\n")
    (tmp_path / "scannetv2_val.txt").write_text("scene0002_00\n")
    return tmp_path


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """The form of the recordings: labels of 16 bits, raw ids, frames counted without zeros."""
    for frame in ("0", "2", "10"):
        write_frame(
            tmp_path / "scene0002_00", frame, "label-filt", numbers((0, 1, 3, 41, 1357), np.uint16)
        )
    (tmp_path / "scannetv2_val.txt").write_text("scene0002_00\n")
    (tmp_path / TABLE).write_text("\n".join(ROWS) + "\n")
    return tmp_path


def test_a_prepared_frame_is_read_at_the_size_of_its_depth(prepared: Path) -> None:
    samples: SampleSet = ScanNetFrames(prepared, "train")
    sample = samples[1]
    assert sample.id == samples.ids[1] == "scene0191_00_000100"
    blocks = colours()[::2, ::2].astype(int)
    assert int(np.abs(sample.rgb.astype(int) - blocks).max()) <= 4  # JPEG
    assert sample.depth[0, :3].tolist() == [0.0, pytest.approx(0.2), pytest.approx(0.4)]
    assert sample.depth[-1, -1] == pytest.approx(47 * 0.2)
    assert sample.labels[0].tolist() == [IGNORE, 0, 1, 21, 39, IGNORE, 0, 1]
    assert sample.labels[1, 0] == 21  # the ninth cell: 9 mod 5 is the fourth number
    assert sample.rgb.shape == (HEIGHT, WIDTH, 3)
    assert sample.depth.shape == sample.labels.shape == (HEIGHT, WIDTH)
    assert sample.rgb.dtype == sample.labels.dtype == np.uint8
    assert sample.depth.dtype == np.float32


def test_scans_of_one_place_are_one_group(prepared: Path) -> None:
    train, val = ScanNetFrames(prepared, "train"), ScanNetFrames(prepared, "val")
    assert train.ids[::2] == ("scene0191_00_000000", "scene0191_01_000000")
    assert train.groups == ("scene0191",) * 4
    assert val.groups == ("scene0002",) * 2
    assert (len(train), len(val)) == (4, 2)


def test_raw_ids_go_through_the_table_and_frames_are_in_order(exported: Path) -> None:
    samples = ScanNetFrames(exported, "val")
    assert samples.ids == ("scene0002_00_0", "scene0002_00_2", "scene0002_00_10")
    assert samples[0].labels[0].tolist() == [IGNORE, 0, 1, 21, 38, IGNORE, 0, 1]
    assert samples.classes == class_names("nyu40")
    assert [samples.classes[label] for label in (0, 1, 21, 38)] == [
        "wall",
        "floor",
        "ceiling",
        "otherfurniture",
    ]


def test_filtered_labels_are_preferred(prepared: Path) -> None:
    labels = numbers((41,), np.uint16)
    for frame in ("000000", "000100"):
        write_frame(prepared / "scene0002_00", frame, "label-filt", labels)
    (prepared / TABLE).write_text("\n".join(ROWS))
    assert (ScanNetFrames(prepared, "val")[0].labels == 21).all()


@pytest.mark.parametrize("classes", ["wang", "silberman"])
def test_five_classes_come_from_the_40(prepared: Path, exported: Path, classes: str) -> None:
    assert prepared == exported
    both = (
        ScanNetFrames(prepared, "train", classes=classes),
        ScanNetFrames(exported, "val", classes=classes),
    )
    for samples, of_40 in zip(both, [(0, 1, 2, 22, 40), (0, 1, 2, 22, 39)], strict=True):
        assert samples.classes == CLASSES
        expected = label_map(f"geo5_{classes}", source=40)[list(of_40)]
        assert samples[0].labels[0, :5].tolist() == expected.tolist()
    assert both[0][0].labels[0, :4].tolist() == [IGNORE, 1, 0, 2]  # wall, floor, ceiling


def test_the_real_sizes_are_resampled_by_the_pixels_at_and_around_the_centres(
    tmp_path: Path,
) -> None:
    scan = tmp_path / "scene0000_00"
    write_frame(scan, "0", "label", numbers((1,), np.uint8))
    columns = np.random.default_rng(3).integers(0, 256, 1296)
    grey = np.broadcast_to(columns.astype(np.uint8)[None, :, None], (968, 1296, 3))
    Image.fromarray(np.ascontiguousarray(grey)).save(scan / "color" / "0.png")
    (scan / "color" / "0.png").rename(scan / "color" / "0.jpg")  # without JPEG's losses
    labels = (np.arange(968)[:, None] % 40 + 1 + np.zeros((1, 1296))).astype(np.uint8)
    Image.fromarray(labels).save(scan / "label" / "0.png")
    Image.fromarray(np.ones((480, 640), np.uint16)).save(scan / "depth" / "0.png")
    (tmp_path / "scannetv2_val.txt").write_text("scene0000_00")
    sample = ScanNetFrames(tmp_path, "val")[0]
    assert sample.rgb.shape == (480, 640, 3)
    ratio = 1296 / 640
    for column in (0, 17, 320, 638):
        inside = (np.arange(1296) + 0.5 > column * ratio) & (
            np.arange(1296) + 0.5 < (column + 1) * ratio
        )
        assert abs(float(sample.rgb[100, column, 0]) - columns[inside].mean()) <= 0.5
    for row in (0, 17, 240, 479):
        assert sample.labels[row, 5] == int((row + 0.5) * 968 / 480) % 40


def test_splits_other_than_the_labelled_ones_are_refused(prepared: Path) -> None:
    with pytest.raises(InfluenceError, match="'test' of ScanNet are not public"):
        ScanNetFrames(prepared, "test")
    with pytest.raises(InfluenceError, match="did you mean 'train'"):
        ScanNetFrames(prepared, "trian")
    with pytest.raises(InfluenceError, match="did you mean 'nyu40'"):
        ScanNetFrames(prepared, "val", classes="nyu4")


def test_a_bad_list_is_named(prepared: Path) -> None:
    path = prepared / "scannetv2_val.txt"
    path.write_text("scene0002_00\n../scene0191_00\n")
    with pytest.raises(InfluenceError, match=r"names such as scene0191_00, got '\.\./scene"):
        ScanNetFrames(prepared, "val")
    path.write_text("\n")
    with pytest.raises(InfluenceError, match="is empty"):
        ScanNetFrames(prepared, "val")
    path.write_text("scene0706_00\n")
    with pytest.raises(InfluenceError, match=r"no labels in .*scene0706_00: expected label-filt"):
        ScanNetFrames(prepared, "val")
    path.unlink()
    with pytest.raises(InfluenceError, match=r"scannetv2_val\.txt is missing"):
        ScanNetFrames(prepared, "val")


@pytest.mark.parametrize("name", ["color/000000.jpg", "depth/000000.png", "label/000000.png"])
def test_a_missing_or_damaged_picture_is_named(prepared: Path, name: str) -> None:
    samples = ScanNetFrames(prepared, "val")
    path = prepared / "scene0002_00" / name
    path.write_bytes(b"no picture")
    with pytest.raises(InfluenceError, match=rf"{name} cannot be read as a picture"):
        samples[0]
    path.unlink()
    with pytest.raises(InfluenceError, match=rf"{name} is missing"):
        samples[0]


@pytest.mark.parametrize("name", ["color/000000.jpg", "label/000000.png"])
def test_pictures_of_other_proportions_are_refused(prepared: Path, name: str) -> None:
    path = prepared / "scene0002_00" / name
    with Image.open(path) as picture:
        turned = picture.transpose(Image.Transpose.ROTATE_90)
    turned.save(path)
    with pytest.raises(InfluenceError, match=rf"{name} has 16x12 pixels, .* depth map of 6x8"):
        ScanNetFrames(prepared, "val")[0]


def test_pictures_that_are_not_the_official_ones_are_refused(prepared: Path) -> None:
    samples = ScanNetFrames(prepared, "val")
    label = prepared / "scene0002_00" / "label" / "000000.png"
    Image.fromarray(numbers((41,), np.uint8)).save(label)
    with pytest.raises(InfluenceError, match="holds label 41, which is not in the table"):
        samples[0]
    Image.fromarray(numbers((1,), np.uint16)).save(label)  # raw ids, not NYU-40
    with pytest.raises(InfluenceError, match="expected one channel of 8 bits, got uint16"):
        samples[0]
    depth = prepared / "scene0002_00" / "depth" / "000100.png"
    Image.fromarray(millimetres().astype(np.uint8)).save(depth)
    with pytest.raises(InfluenceError, match="expected one channel of 16 bits, got uint8"):
        samples[1]


def test_a_raw_id_that_the_table_lacks_is_named(exported: Path) -> None:
    (exported / TABLE).write_text("\n".join(ROWS[:-1]))
    with pytest.raises(InfluenceError, match="holds label 1357, which is not in the table"):
        ScanNetFrames(exported, "val")[0]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 0, "it has no rows"),
        ("id\tnyu40id\n", 1, "it has no rows"),
        ("id\traw_category\n1\twall\n", 2, "nyu40id is '', not a whole number below 41"),
        ("number\tnyu40id\n1\t1\n", 2, "id is '', not a whole number below 65536"),
        ("id,nyu40id\n1,1\n", 2, "id is ''"),
        ("id\tnyu40id\n1\t41\n", 2, "nyu40id is '41'"),
        ("id\tnyu40id\n1\t1\n-1\t1\n", 3, "id is '-1'"),
        ("id\tnyu40id\n65536\t1\n", 2, "id is '65536'"),
        ("id\tnyu40id\n1\n", 2, "nyu40id is ''"),
        ("id\tnyu40id\n__import__('os')\t1\n", 2, "id is .*__import__"),
        ("id\tnyu40id\n" + "9" * 5000 + "\t1\n", 2, "Exceeds the limit"),
        ("id\tnyu40id\n" + "x" * 200_000 + "\t1\n", 1, "field larger than field limit"),
        ("x" * 200_000 + "\n1\t1\n", 0, "field larger than field limit"),
    ],
)
def test_a_bad_table_is_refused(exported: Path, text: str, line: int, reason: str) -> None:
    (exported / TABLE).write_text(text)
    with pytest.raises(InfluenceError, match=rf"(?s)combined\.tsv, line {line}: .*{reason}"):
        ScanNetFrames(exported, "val")


def test_a_table_is_needed_for_raw_ids_only(exported: Path, prepared: Path) -> None:
    assert prepared == exported
    (exported / TABLE).unlink()
    with pytest.raises(InfluenceError, match=r"combined\.tsv is missing"):
        ScanNetFrames(exported, "val")
    assert ScanNetFrames(prepared, "train")[0].labels[0, 1] == 0


def test_a_table_that_is_no_text_is_refused(exported: Path) -> None:
    (exported / TABLE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InfluenceError, match="cannot be read as text"):
        ScanNetFrames(exported, "val")


def test_a_new_pixel_takes_the_old_one_at_its_centre() -> None:
    # the centres lie at 1.25, 3.75, 6.25, 8.75
    assert nearest(np.arange(10)[None], 1, 4).tolist() == [[1, 3, 6, 8]]
