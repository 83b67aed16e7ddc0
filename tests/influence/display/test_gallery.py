"""A gallery: its images show the maps, and its folder is read back and opens no other file."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from influence.display.gallery import (
    GALLERY_COLUMNS,
    IMAGE_COLUMNS,
    LARGEST,
    Exhibit,
    Gallery,
    check_gallery,
    make_gallery,
    read_gallery,
    write_gallery,
)
from influence.errors import InfluenceError
from influence.results.sample_maps import SampleMaps

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


def test_files_of_others_in_a_gallery_stay(tmp_path: Path) -> None:
    folder = write_gallery(tmp_path, gallery())
    (folder / "holiday.jpg").write_bytes(b"dear")
    write_gallery(tmp_path, gallery())
    assert (folder / "holiday.jpg").read_bytes() == b"dear"


def test_a_gallery_is_checked_before_it_is_made(tmp_path: Path) -> None:
    check_gallery(tmp_path)
    (tmp_path / "gallery").touch()
    with pytest.raises(InfluenceError, match="it is not a gallery"):
        check_gallery(tmp_path)


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
    os.truncate(image, LARGEST + 1)


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


def _write_legend(run: Path, legend: Any) -> None:
    (write_gallery(run, gallery()) / "legend.json").write_text(json.dumps(legend))


@pytest.mark.parametrize(
    ("targets", "where"),
    [
        ([], ""),
        (None, ""),
        ({"y": []}, "y: "),
        ({"y": {"unit": 1}}, "y: unit: "),
        ({"y": {"classes": {"name": "floor"}}}, "y: classes: "),
        ({"y": {"classes": ["floor"]}}, "y: classes: 0: "),
        ({"y": {"classes": [{"name": 5, "colour": "#ddcc77"}]}}, "y: classes: 0: name: "),
        ({"y": {"classes": [{"name": "floor"}]}}, "y: classes: 0: colour: "),
        ({"y": {"classes": [{"name": "floor", "colour": "red;background:url(//x)"}]}},
         "y: classes: 0: colour: "),
        ({"y": {"classes": [{"name": "floor", "colour": "#ddcc77\n"}]}},
         "y: classes: 0: colour: "),
    ],
)  # fmt: skip
def test_a_legend_of_other_things_is_refused(tmp_path: Path, targets: Any, where: str) -> None:
    _write_legend(tmp_path, {"targets": targets})
    with pytest.raises(InfluenceError, match=rf"legend.json: targets: {where}\w+ .*got"):
        read_gallery(tmp_path)


@pytest.mark.parametrize("checkpoints", [None, {}, ["a"], [{"network": 1}], [{"sha256": []}]])
def test_checkpoints_that_are_none_are_refused(tmp_path: Path, checkpoints: Any) -> None:
    _write_legend(tmp_path, {"targets": {}, "checkpoints": checkpoints})
    with pytest.raises(InfluenceError, match=r"legend.json: checkpoints: .*influence gallery"):
        read_gallery(tmp_path)


def test_a_legend_that_is_no_object_is_refused(tmp_path: Path) -> None:
    _write_legend(tmp_path, [])
    with pytest.raises(InfluenceError, match=r"legend.json: .*got \[\]"):
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


IDS = ("../../x", "<script>")


def exhibit(maps: SampleMaps, seed: Any = 3) -> Exhibit:
    rows = [
        {
            "network": maps.network, "seed": seed, "dataset": "d", "mute": maps.mute,
            "source": maps.source, "target": maps.target, "metric": "m", "id": name, "group": 0,
            "full": 0.5, "muted": 0.25, "omega": 0.25 - place, "side": side, "rank": 1,
        }
        for place, (name, side) in enumerate(zip(maps.ids, ("helped", "hurt"), strict=True))
    ]  # fmt: skip
    return Exhibit(pd.DataFrame(rows), maps)


def labels(network: str = "net", seed: int = 0, **options: Any) -> SampleMaps:
    truth, full, muted = np.random.default_rng(seed).integers(0, 3, (3, 2, 6, 8))
    truth[:, 0, :2] = -1
    known: dict[str, Any] = {"classes": ("a", "<b>", "c", "never")}
    return SampleMaps(network, "depth", "semantic", "zero", IDS, truth, full, muted,
                      **(known | options))  # fmt: skip


def values(network: str = "net", seed: int = 0, **options: Any) -> SampleMaps:
    truth, full, muted = np.random.default_rng(seed).uniform(1, 4, (3, 2, 6, 8))
    truth[:, 0, :2] = np.nan
    return SampleMaps(network, "semantic", "depth", "zero", IDS, truth, full, muted,
                      **({"unit": "m"} | options))  # fmt: skip


def shown(gallery: Gallery, row: int, column: str) -> NDArray[Any]:
    """Decode an image to hexadecimal colours."""
    image = Image.open(io.BytesIO(gallery.images[str(gallery.rows.loc[row, column])]))
    pixels = np.asarray(image.convert("RGB")).tolist()
    return np.array([["#{:02x}{:02x}{:02x}".format(*pixel) for pixel in line] for line in pixels])


def test_labels_are_those_of_the_legend() -> None:
    maps = labels()
    found = make_gallery([exhibit(maps)])
    meaning = found.legend["targets"]["semantic"]
    assert (meaning["kind"], meaning["gain_limit"]) == ("labels", 1.0)
    assert [entry["name"] for entry in meaning["classes"]] == ["a", "<b>", "c"]
    colours = {entry["label"]: entry["colour"] for entry in meaning["classes"]}
    colours[-1] = found.legend["no_truth"]
    layers = {"truth": maps.truth, "prediction": maps.full, "prediction_muted": maps.muted}
    for row in (0, 1):
        for column, layer in layers.items():
            expected = [[colours[label] for label in line] for line in layer[row].tolist()]
            assert shown(found, row, column).tolist() == expected
    # What helped and hurt, from the three maps alone.
    signs = {name: found.legend["gain"][name] for name in ("helped", "hurt", "neither")}
    right, without = maps.full == maps.truth, maps.muted == maps.truth
    for row in (0, 1):
        gain = shown(found, row, "gain")
        known = maps.truth[row] >= 0
        assert set(gain[~known]) == {found.legend["no_truth"]}
        assert set(gain[known & right[row] & ~without[row]]) == {signs["helped"]}
        assert set(gain[known & ~right[row] & without[row]]) == {signs["hurt"]}
        assert set(gain[known & (right[row] == without[row])]) == {signs["neither"]}
    assert found.rows["low"].isna().all()


def test_values_have_one_scale_a_sample_over_all_networks() -> None:
    one = values("one")
    wide = SampleMaps("other", "semantic", "depth", "zero", IDS, one.truth, one.full, one.muted * 3,
                      unit="m")  # fmt: skip
    found = make_gallery([exhibit(one), exhibit(wide)])
    meaning = found.legend["targets"]["depth"]
    assert (meaning["kind"], meaning["unit"]) == ("values", "m")
    ramp = {colour: place for place, colour in enumerate(meaning["colours"])}
    for row, maps in [(0, one), (1, one), (2, wide), (3, wide)]:
        place = row % 2
        every = [one.truth[place], one.full[place], one.muted[place], 3 * one.muted[place]]
        low, high = (float(found.rows[end][row]) for end in ("low", "high"))
        assert (low, high) == (np.nanmin(every), np.nanmax(every))
        pixels = shown(found, row, "prediction_muted")
        read = [[ramp[colour] for colour in line] for line in pixels.tolist()]
        step = (high - low) / (len(ramp) - 1)
        np.testing.assert_allclose(
            low + step * np.array(read), maps.muted[place], rtol=0, atol=step / 2 + 1e-9
        )
    assert found.rows["truth"].tolist()[:2] == found.rows["truth"].tolist()[2:]


def test_one_limit_of_gains_for_all_images_of_a_target() -> None:
    one, other = values("one", 0), values("other", 1)
    found = make_gallery([exhibit(one), exhibit(other)])
    limit = found.legend["targets"]["depth"]["gain_limit"]
    gains = [np.abs(m.muted - m.truth) - np.abs(m.full - m.truth) for m in (one, other)]
    assert limit == pytest.approx(np.nanpercentile(np.abs(gains), 99), rel=5e-3)  # three digits
    ramp = {colour: place for place, colour in enumerate(found.legend["gain"]["colours"])}
    ramp[found.legend["no_truth"]] = -1
    for row, gain in enumerate([*gains[0], *gains[1]]):
        read = np.array([[ramp[colour] for colour in line] for line in shown(found, row, "gain")])
        np.testing.assert_array_equal(read < 0, np.isnan(gain))
        middle = len(found.legend["gain"]["colours"]) // 2
        expected = gain.clip(-limit, limit)[read >= 0]
        np.testing.assert_allclose(
            limit * (read[read >= 0] / middle - 1), expected, rtol=0, atol=limit / middle / 2 + 1e-9
        )


def test_files_are_numbered_and_the_same_image_is_kept_once() -> None:
    found = make_gallery([exhibit(labels("a/b")), exhibit(labels("c")), exhibit(values())])
    again = make_gallery([exhibit(labels("a/b")), exhibit(labels("c")), exhibit(values())])
    named = {n for column in IMAGE_COLUMNS for n in found.rows[column]} - {""}
    assert sorted(found.images) == sorted(named)
    assert sorted(found.images) == [f"{i + 1:04d}.png" for i in range(len(found.images))]
    assert len(set(found.images.values())) == len(found.images) == 8 + 8
    assert found.images == again.images
    assert found.legend == again.legend
    assert found.rows["id"].tolist() == [*IDS] * 3


def test_pictures_and_networks_without_a_seed() -> None:
    pictures = np.zeros((2, 12, 16, 3), np.uint8)
    facts: dict[str, str | int] = {"checkpoint_sha256": "c0", "data_sha256": "da"}
    maps = labels(pictures=pictures, pictured="picture", facts=facts)
    assert make_gallery([exhibit(maps, seed=None)]).rows["seed"].dtype == "Int64"
    found = make_gallery([exhibit(maps, seed=pd.NA), exhibit(values("other"))])
    assert found.rows["pictured"].tolist() == ["picture", "picture", "", ""]
    assert found.rows["picture"].tolist() == ["0001.png", "0001.png", "", ""]
    assert set(shown(found, 0, "picture").ravel()) == {"#000000"}
    assert found.rows["seed"].isna().tolist() == [True, True, False, False]
    assert found.legend["data_sha256"] == "da"
    assert found.legend["checkpoints"] == [
        {"network": "net", "seed": None, "sha256": "c0"},
        {"network": "other", "seed": 3, "sha256": ""},
    ]


def test_a_gallery_is_read_as_it_was_made(tmp_path: Path) -> None:
    made = make_gallery([exhibit(labels()), exhibit(values())])
    write_gallery(tmp_path, made)
    found = read_gallery(tmp_path)
    assert found is not None
    assert found.legend == made.legend
    assert found.images == made.images
