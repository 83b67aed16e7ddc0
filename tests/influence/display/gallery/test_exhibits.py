"""A gallery is arranged from maps: its images show them, in colours that its legend explains."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from influence.display.gallery.exhibits import Exhibit, arrange
from influence.display.gallery.folder import IMAGE_COLUMNS, Gallery
from influence.results.sample_maps import SampleMaps

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
    found = arrange([exhibit(maps)])
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
    found = arrange([exhibit(one), exhibit(wide)])
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
    found = arrange([exhibit(one), exhibit(other)])
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
    found = arrange([exhibit(labels("a/b")), exhibit(labels("c")), exhibit(values())])
    again = arrange([exhibit(labels("a/b")), exhibit(labels("c")), exhibit(values())])
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
    assert arrange([exhibit(maps, seed=None)]).rows["seed"].dtype == "Int64"
    found = arrange([exhibit(maps, seed=pd.NA), exhibit(values("other"))])
    assert found.rows["pictured"].tolist() == ["picture", "picture", "", ""]
    assert found.rows["picture"].tolist() == ["0001.png", "0001.png", "", ""]
    assert set(shown(found, 0, "picture").ravel()) == {"#000000"}
    assert found.rows["seed"].isna().tolist() == [True, True, False, False]
    assert found.legend["data_sha256"] == "da"
    assert found.legend["checkpoints"] == [
        {"network": "net", "seed": None, "sha256": "c0"},
        {"network": "other", "seed": 3, "sha256": ""},
    ]
