"""The folder of a gallery: written whole, read back, and never a door to other files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from influence.display.gallery.folder import (
    BYTES_AT_MOST,
    GALLERY_COLUMNS,
    Gallery,
    read_gallery,
    write_gallery,
)
from influence.errors import InfluenceError

PNG = b"\x89PNG\r\n\x1a\n"
HOSTILE = ["../../x", "<script>alert(1)</script>", "two\nlines", 'a "quoted", name', "NA", "=1+1"]


def gallery(**changes: Any) -> Gallery:
    rows = pd.DataFrame(
        [
            dict.fromkeys(GALLERY_COLUMNS, "")
            | {"network": name, "id": name, "source": name, "rank": i + 1, "gain": "0001.png"}
            | {"full": 0.1, "muted": 0.25, "omega": -0.15, "low": float("nan"), "high": 2.5}
            | changes
            for i, name in enumerate(HOSTILE)
        ]
    )
    return Gallery(rows, {"format": "influence-gallery", "version": 1}, {"0001.png": PNG})


def test_names_of_any_kind_come_back_and_name_no_file(tmp_path: Path) -> None:
    folder = write_gallery(tmp_path / "run", gallery())
    assert folder == tmp_path / "run" / "gallery"
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {f"run/gallery/{n}" for n in ("0001.png", "gallery.csv", "legend.json")}
    found = read_gallery(tmp_path / "run")
    assert found is not None
    for column in ("network", "id", "source"):
        assert found.rows[column].tolist() == HOSTILE
    assert found.rows["omega"].tolist() == [-0.15] * len(HOSTILE)
    assert found.rows["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    assert found.rows["seed"].isna().all()
    assert found.rows["low"].isna().all()
    assert found.images == {"0001.png": PNG}
    assert found.legend["version"] == 1


def test_a_gallery_takes_the_place_of_the_earlier_one(tmp_path: Path) -> None:
    write_gallery(tmp_path, gallery())
    stale = tmp_path / "gallery" / "0009.png"
    stale.write_bytes(b"old")
    first = (tmp_path / "gallery" / "gallery.csv").read_bytes()
    write_gallery(tmp_path, gallery())
    assert not stale.exists()
    assert (tmp_path / "gallery" / "gallery.csv").read_bytes() == first


def test_what_is_no_gallery_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "holiday.jpg").write_bytes(b"dear")
    with pytest.raises(InfluenceError, match=r"holds no gallery.csv: it is not a gallery"):
        write_gallery(tmp_path, gallery())
    assert (tmp_path / "gallery" / "holiday.jpg").read_bytes() == b"dear"


@pytest.mark.parametrize(
    "name", ["../secret.txt", "/etc/hostname", "0001.png/../../secret.txt", "x.png", "0001.svg"]
)
def test_a_table_that_names_other_files_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    write_gallery(tmp_path, gallery(truth=name))
    with pytest.raises(InfluenceError, match=r"expected names of images such as '0001.png'"):
        read_gallery(tmp_path)


def test_a_damaged_gallery_is_told(tmp_path: Path) -> None:
    folder = write_gallery(tmp_path, gallery())
    (folder / "0001.png").unlink()
    with pytest.raises(InfluenceError, match=r"expected the image 0001.png"):
        read_gallery(tmp_path)
    write_gallery(tmp_path, gallery())
    (folder / "legend.json").write_text("{")
    with pytest.raises(InfluenceError, match=r"expected a gallery .* with influence gallery"):
        read_gallery(tmp_path)
    (folder / "legend.json").write_text(json.dumps({}))
    table = folder / "gallery.csv"
    table.write_text(table.read_text().replace("picture,", "image,", 1))
    with pytest.raises(InfluenceError, match="expected the columns network, seed"):
        read_gallery(tmp_path)
    table.unlink()
    with pytest.raises(InfluenceError, match="expected a gallery"):
        read_gallery(tmp_path)


def _link(image: Path) -> None:
    secret = image.parents[1] / "secret.png"
    secret.write_bytes(PNG)
    image.symlink_to(secret)


def _large(image: Path) -> None:
    image.write_bytes(PNG)
    os.truncate(image, BYTES_AT_MOST + 1)


@pytest.mark.parametrize(
    "put",
    [
        _link,
        _large,
        Path.mkdir,
        os.mkfifo,
        lambda image: image.write_bytes(b""),
        lambda image: image.write_bytes(b"<svg><script>alert(1)</script></svg>"),
    ],
)
def test_what_is_no_picture_of_the_gallery_is_refused(
    tmp_path: Path, put: Callable[[Path], object]
) -> None:
    image = write_gallery(tmp_path, gallery()) / "0001.png"
    image.unlink()
    put(image)
    with pytest.raises(InfluenceError, match=r"0001.png: expected a PNG file .* and no link"):
        read_gallery(tmp_path)


@pytest.mark.parametrize(
    "targets",
    [
        [],
        None,
        {"y": []},
        {"y": {"unit": 1}},
        {"y": {"classes": {"name": "floor"}}},
        {"y": {"classes": ["floor"]}},
        {"y": {"classes": [{"name": 5, "colour": "#ddcc77"}]}},
        {"y": {"classes": [{"name": "floor"}]}},
        {"y": {"classes": [{"name": "floor", "colour": "red;background:url(//x)"}]}},
        {"y": {"classes": [{"name": "floor", "colour": "#ddcc77\n"}]}},
    ],
)
def test_a_legend_of_other_things_is_refused(tmp_path: Path, targets: Any) -> None:
    found = gallery()
    write_gallery(tmp_path, Gallery(found.rows, {"targets": targets}, found.images))
    with pytest.raises(InfluenceError, match=r"legend.json: expected targets"):
        read_gallery(tmp_path)


@pytest.mark.parametrize("checkpoints", [None, {}, ["a"], [{"network": 1}], [{"sha256": []}]])
def test_checkpoints_that_are_none_are_refused(tmp_path: Path, checkpoints: Any) -> None:
    found = gallery()
    legend = {"targets": {}, "checkpoints": checkpoints}
    write_gallery(tmp_path, Gallery(found.rows, legend, found.images))
    with pytest.raises(InfluenceError, match=r"legend.json: expected .* names and hashes"):
        read_gallery(tmp_path)


def test_a_legend_nested_without_end_is_told(tmp_path: Path) -> None:
    folder = write_gallery(tmp_path, gallery())
    (folder / "legend.json").write_text("[" * 100_000)
    with pytest.raises(InfluenceError, match="expected a gallery"):
        read_gallery(tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("omega", "inf", "expected finite numbers"),
        ("seed", "99999999999999999999", "expected a gallery"),
        ("seed", "1.5", "expected a gallery"),
        ("rank", "99999999999999999999", "expected a gallery"),
    ],
)
def test_numbers_that_cannot_be_are_told(
    tmp_path: Path, column: str, value: str, message: str
) -> None:
    write_gallery(tmp_path, gallery(**{column: value}))
    with pytest.raises(InfluenceError, match=message):
        read_gallery(tmp_path)
