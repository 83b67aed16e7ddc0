"""Samples of a run are run again as they were measured, as maps and as a gallery."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from influence.display.gallery import GALLERY_COLUMNS, Gallery, read_gallery, write_gallery
from influence.display.images import gains_png, labels_png
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.mutes.optimal import with_optimal
from influence.network.joint_network import JointNetwork, Output
from influence.samples.maps import Effect, map_samples
from influence.samples.rerun import gather_gallery, map_extremes
from tests.toy import Toy, joint, toy, write_toy_file

HOSTILE = [f"../../{i}<script>\nalert({i})</script>" for i in range(13)]


@pytest.fixture(scope="module")
def nets() -> list[JointNetwork]:
    return [joint(Toy(seed), f"net {seed}", seed) for seed in (0, 1)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_file(tmp_path_factory.mktemp("data") / "toy.h5", ids=HOSTILE)


@pytest.fixture(scope="module")
def run(nets: list[JointNetwork], data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = measure(nets, data, mutes=["zero", "shuffle"], seed=4, draws=10, limit=12, device="cpu",
                    metrics={"semantic": ["pixel_accuracy"], "depth": ["rms", "mae"]})  # fmt: skip
    folder = tmp_path_factory.mktemp("runs") / "run"
    found.write(folder)
    return folder


@pytest.fixture(scope="module")
def found(run: Path, nets: list[JointNetwork], data: Path) -> Gallery:
    gallery, notes = gather_gallery(run, nets, data, top=2, device="cpu")
    assert notes == ()
    return gallery


def test_every_network_and_direction_most_extreme_first(found: Gallery) -> None:
    assert set(found.rows["mute"]) == {"shuffle"}
    keys = found.rows[["network", "seed", "source", "target", "metric", "side", "rank"]]
    expected = [
        [f"net {seed}", seed, source, target, metric, side, rank]
        for seed in (0, 1)
        for source, target, metric in [
            ("depth", "semantic", "pixel_accuracy"), ("semantic", "depth", "rms")
        ]
        for side in ("helped", "hurt")
        for rank in (1, 2)
    ]  # fmt: skip
    assert sorted(keys.values.tolist()) == sorted(expected)
    assert list(found.rows.columns) == list(GALLERY_COLUMNS)
    for _, part in found.rows.groupby(["network", "source", "side"]):
        assert part["omega"].abs().is_monotonic_decreasing


def test_the_numbers_are_those_of_the_samples_to_the_letter(
    found: Gallery, run: Path, tmp_path: Path
) -> None:
    """Both files are read as text, without the library."""
    write_gallery(tmp_path, found)
    shared = ("network", "seed", "dataset", "mute", "source", "target", "metric", "id", "full",
              "muted", "omega")  # fmt: skip
    with gzip.open(run / "samples.csv.gz", "rt", newline="") as file:
        measured = {tuple(row[name] for name in shared) for row in csv.DictReader(file)}
    with (tmp_path / "gallery" / "gallery.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    assert {tuple(row[name] for name in shared) for row in rows} <= measured
    # The first of each side is the extreme of all samples of its direction.
    for row in rows:
        if row["rank"] == "1":
            omegas = [
                float(other[-1])
                for other in measured
                if all(other[i] == row[n] for i, n in enumerate(shared[:7]))
            ]
            extreme = max(omegas) if row["side"] == "helped" else min(omegas)
            assert float(row["omega"]) == extreme


def test_images_are_of_the_maps_that_the_measurement_saw(
    found: Gallery, nets: list[JointNetwork], data: Path
) -> None:
    rows = found.rows[(found.rows["network"] == "net 1") & (found.rows["target"] == "semantic")]
    for row in rows.to_dict("records"):
        effect = Effect("depth", "semantic", "shuffle")
        maps = map_samples(nets[1], data, [row["id"]], effect, seed=4, limit=12, device="cpu")
        assert found.images[row["gain"]] == gains_png(maps.gain[0], 1.0)
        assert found.images[row["prediction"]] == labels_png(maps.full[0], 3)
        assert found.images[row["prediction_muted"]] == labels_png(maps.muted[0], 3)
        assert row["pictured"] == "depth"
        # Its share of pixels is the omega of the table.
        image = Image.open(io.BytesIO(found.images[row["gain"]]))
        steps = np.asarray(image).astype(int)
        middle = len(found.legend["gain"]["colours"]) // 2
        known = steps[steps <= 2 * middle]
        assert ((known - middle) / middle).mean() == pytest.approx(row["omega"], abs=1e-8)


def test_made_twice_it_is_the_same_to_the_byte(
    found: Gallery, run: Path, nets: list[JointNetwork], data: Path, tmp_path: Path
) -> None:
    again, _ = gather_gallery(run, nets, data, top=2, device="cpu")
    for name, gallery in (("one", found), ("other", again)):
        write_gallery(tmp_path / name, gallery)
    one, other = ({p.name: p.read_bytes() for p in (tmp_path / name / "gallery").iterdir()}
                  for name in ("one", "other"))  # fmt: skip
    assert one == other


def test_hostile_ids_stay_text(found: Gallery, tmp_path: Path) -> None:
    assert set(found.rows["id"]) <= set(HOSTILE)
    folder = write_gallery(tmp_path / "run", found)
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {folder}


def test_another_mute_metric_and_the_own_directions(
    run: Path, nets: list[JointNetwork], data: Path
) -> None:
    options: dict[str, Any] = {"top": 1, "device": "cpu"}
    rows = gather_gallery(run, nets[:1], data, mute="zero", metric=["mae"], **options)[0].rows
    assert set(zip(rows["mute"], rows["target"], rows["metric"], strict=True)) == {
        ("zero", "depth", "mae")
    }
    rows = gather_gallery(run, nets[1:], data, own=True, **options)[0].rows
    assert len(rows[["source", "target"]].drop_duplicates()) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mute": "mean"}, "unknown mute 'mean'"),
        ({"metric": ["rmse"]}, "unknown metric 'rmse'"),
        ({"top": 0}, "expected top=1 or more"),
    ],
)
def test_unknown_names_are_reported(
    run: Path, nets: list[JointNetwork], data: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InfluenceError, match=message):
        gather_gallery(run, nets, data, **options)


def test_a_run_of_other_networks_or_data_is_refused(
    run: Path, nets: list[JointNetwork], data: Path, tmp_path: Path
) -> None:
    with pytest.raises(InfluenceError, match="'other' is none of these"):
        gather_gallery(run, [joint(Toy(0), "other")], data)
    other = write_toy_file(tmp_path / "other.h5", count=12)
    with pytest.raises(InfluenceError, match="measured on other data than"):
        gather_gallery(run, nets, other)
    with pytest.raises(InfluenceError, match="'net 0' 2 times"):
        gather_gallery(run, [nets[0], nets[0]], data)


def test_networks_of_one_name_differ_by_their_seed(data: Path, tmp_path: Path) -> None:
    nets = [joint(Toy(0), "net", 1), joint(Toy(1), "net", None)]
    measure(nets, data, mutes=["zero"], draws=10, device="cpu").write(tmp_path)
    rows = gather_gallery(tmp_path, nets[1:], data, top=1, device="cpu")[0].rows
    assert rows["seed"].isna().all()
    both = gather_gallery(tmp_path, nets, data, top=1, device="cpu")[0].rows
    assert both["seed"].isna().sum() == len(rows)
    assert both.loc[both["seed"].isna(), "id"].tolist() == rows["id"].tolist()


def test_a_streamed_run_has_nothing_to_show(
    nets: list[JointNetwork], data: Path, tmp_path: Path
) -> None:
    measure(nets[0], data, mutes=["zero"], stream=True, draws=10, device="cpu").write(tmp_path)
    with pytest.raises(InfluenceError, match="no samples to choose from, as it was streamed"):
        gather_gallery(tmp_path, nets[:1], data)


class Both(nn.Module):
    """A map and one number from two maps."""

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x + y, (x + 2 * y).mean(dim=(1, 2))


def test_what_has_no_pixels_is_left_out_with_a_note(tmp_path: Path) -> None:
    net = JointNetwork(Both(), inputs=("x", "y"), outputs=("total", "level"))
    x, y = torch.rand((2, 5, 3, 4), generator=torch.Generator().manual_seed(0)).unbind()
    data = [({"x": x, "y": y}, {"total": x + y, "level": x.mean(dim=(1, 2))})]
    measure(net, data, mutes=["zero"], draws=10, device="cpu").write(tmp_path)
    found, notes = gather_gallery(tmp_path, [net], data, top=1, device="cpu")
    assert set(found.rows["target"]) == {"total"}
    assert set(found.rows["mute"]) == {"zero"}
    assert len(notes) == 2
    assert "x -> level is not shown: samples of level have the shape (), not rows" in notes[0]
    only = [(inputs, {"level": targets["level"]}) for inputs, targets in data]
    net = JointNetwork(Level(), inputs=("x", "y"), outputs=("level",))
    measure(net, only, mutes=["zero"], draws=10, device="cpu").write(tmp_path / "only")
    with pytest.raises(InfluenceError, match=r"has nothing to show: .* x -> level is not shown"):
        gather_gallery(tmp_path / "only", [net], only)


class Level(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (x + 2 * y).mean(dim=(1, 2))


def test_constants_that_a_run_learned_are_those_of_its_maps(data: Path, tmp_path: Path) -> None:
    metrics = {"semantic": ["pixel_accuracy"], "depth": ["mae"]}
    run = measure(toy(), data, metrics=metrics, mutes=["optimal"], training=data, draws=10)
    run.write(tmp_path / "run")
    effect = Effect("depth", "depth", "optimal")
    mapped = map_extremes(tmp_path / "run", toy(), data, effect, top=2)
    learned = with_optimal(toy(), run.info["learned"]["toy"])
    again = map_samples(learned, data, list(mapped.ids), effect, device="cpu")
    np.testing.assert_array_equal(mapped.gain, again.gain)
    with pytest.raises(InfluenceError, match="the facts hold no optimal constant of depth"):
        map_samples(toy(), data, HOSTILE[:1], effect)


class Mix(nn.Module):
    """A picture from two pictures."""

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return (left + 2 * right) / 3


@pytest.mark.parametrize("integer", [False, True])
def test_pictures_as_outputs_are_shown_in_their_colours(tmp_path: Path, integer: bool) -> None:
    left, right = torch.rand(2, 6, 3, 4, 5, generator=torch.Generator().manual_seed(0)) * 255
    net = JointNetwork(Mix(), ["left", "right"], [Output("out", "image", range=(0, 255))])
    truth = right.round().to(torch.uint8) if integer else right
    data = [({"left": left, "right": right}, {"out": truth})]
    measure(net, data, mutes=["zero"], metrics={"out": ["psnr_mean"]}).write(tmp_path / "run")
    gallery, notes = gather_gallery(tmp_path / "run", [net], data, top=1, device="cpu")
    assert notes == ()
    assert gallery.legend["targets"]["out"]["kind"] == "pictures"
    write_gallery(tmp_path / "run", gallery)
    assert read_gallery(tmp_path / "run")
    rows = gallery.rows[gallery.rows["source"] == "left"]
    assert len(rows)
    for column, shown in (("truth", right), ("prediction", Mix()(left, right))):
        for name, sample in zip(rows[column], rows["id"], strict=True):
            image = Image.open(io.BytesIO(gallery.images[name])).convert("RGB")
            expected = shown[int(sample)].movedim(0, -1).numpy()
            np.testing.assert_allclose(np.asarray(image), expected, atol=1)
