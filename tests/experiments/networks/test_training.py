from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from experiments.datasets.sample import IGNORE
from experiments.networks.study import NetworkStudy
from experiments.networks.training import (
    checkpoint_path,
    export_network,
    load_network,
    pseudo_labels,
    train_network,
    training_labels,
)
from experiments.training.configuration import make_network
from experiments.training.fitting import save_weights
from influence.errors import InfluenceError
from influence.network.checkpoints import load_checkpoint
from tests.experiments.networks.conftest import TRAIN
from tests.experiments.networks.mine import Mine


class Coloured(nn.Module):
    """The brighter a channel, the likelier its class."""

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        return {"semantic": rgb / rgb.sum(dim=1, keepdim=True)}


def test_pseudo_labels_are_the_likeliest_classes_where_they_are_likely() -> None:
    rgb = np.random.default_rng(0).integers(1, 256, (9, 4, 6, 3), dtype=np.uint8)
    rgb[0, 0, 0] = (60, 20, 20)  # exactly 0.6
    found = pseudo_labels(Coloured(), rgb, confidence=0.6)
    share = rgb.max(axis=-1) / rgb.sum(axis=-1)
    expected = np.where(share.astype(np.float32) >= 0.6, rgb.argmax(axis=-1), IGNORE)
    assert found[0, 0, 0] == 0
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)
    assert {0, 1, 2, IGNORE} == set(found.ravel())


@pytest.mark.parametrize("count", [1, 3, 7])
def test_so_many_images_keep_their_labels_and_the_same_for_every_network(
    study: NetworkStudy, count: int
) -> None:
    arrays = study.load_split("train", "wang")
    kept = {}
    for name in ("mine", "guided"):
        plan = replace(study.plan(name), labelled=count)
        labels = training_labels(study, plan, arrays)
        kept[name] = [i for i, one in enumerate(labels) if (one != IGNORE).any()]
        np.testing.assert_array_equal(labels[kept[name]], arrays.labels[kept[name]])
    assert kept["mine"] == kept["guided"]
    assert len(kept["mine"]) == count
    assert (arrays.labels != IGNORE).any(axis=(1, 2)).all()  # the arrays stay as they were
    assert training_labels(study, study.plan("mine"), arrays) is arrays.labels


def test_another_seed_keeps_other_labels(study: NetworkStudy) -> None:
    arrays = study.load_split("train", "wang")
    plans = [replace(study.plan("mine"), labelled=3, seed=seed) for seed in range(4)]
    kept = {training_labels(study, plan, arrays).tobytes() for plan in plans}
    assert len(kept) > 1


def test_a_teacher_s_labels_stand_in_for_the_missing_ones(study: NetworkStudy) -> None:
    arrays = study.load_split("train", "wang")
    alone = replace(study.plan("mine"), labelled=3)
    missing = (training_labels(study, alone, arrays) == IGNORE).all(axis=(1, 2))
    rgb = torch.from_numpy(arrays.rgb[missing]).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        chances = load_network(study, "mine")(rgb)["semantic"].numpy()
    middle = float(np.median(chances.max(axis=1)))
    expected = np.where(chances.max(axis=1) >= middle, chances.argmax(axis=1), IGNORE)
    assert 0.4 < (expected == IGNORE).mean() < 0.6
    plan = replace(alone, teacher="mine", confidence=middle)
    labels = training_labels(study, plan, arrays)
    np.testing.assert_array_equal(labels[~missing], arrays.labels[~missing])
    np.testing.assert_array_equal(labels[missing], expected)


def test_a_network_is_read_in_eval_mode_and_without_the_weights_that_it_began_with(
    study: NetworkStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def made(plan: object) -> nn.Module:
        asked.append(plan.options)  # type: ignore[attr-defined]
        return Mine(Mine.Config())

    plan = study.plan("mine")
    monkeypatch.setattr("experiments.networks.training.make_network", made)
    other = replace(study)
    other.plans["mine"] = replace(plan, options={"pretrained": True, "classes": 5})
    assert not load_network(other, "mine").training
    assert asked == [{"pretrained": False, "classes": 5}]


def elsewhere(study: NetworkStudy, folder: Path, name: str = "mine") -> NetworkStudy:
    """The study with a copy of one trained network."""
    shutil.copytree(study.folder(name), folder / "work" / name)
    shutil.copytree(study.work / "images", folder / "work" / "images")
    return replace(study, work=folder / "work")


def test_a_network_trained_before_there_were_stamps_is_taken_as_it_is(
    study: NetworkStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = elsewhere(study, tmp_path)
    (other.folder("mine") / "stamp.json").unlink()
    train_network(other, "mine")
    assert capsys.readouterr().out == "mine: already trained\n"
    before, after = (load_network(x, "mine").state_dict() for x in (study, other))
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_what_was_changed_since_the_training_began_is_told(
    study: NetworkStudy, tmp_path: Path
) -> None:
    other = elsewhere(study, tmp_path)
    other.plans["mine"] = replace(study.plan("mine"), labelled=5)
    with pytest.raises(InfluenceError, match="labelled: 0 there, 5 now"):
        train_network(other, "mine")


def test_damaged_and_foreign_weights_are_named(study: NetworkStudy, tmp_path: Path) -> None:
    other = elsewhere(study, tmp_path)
    path = other.weights_path("mine")
    whole = path.read_bytes()
    for damaged in (b"", whole[:-20], whole[20:]):
        path.write_bytes(damaged)
        with pytest.raises(InfluenceError, match=r"mine/weights\.safetensors does not hold"):
            load_network(other, "mine")
    shutil.copyfile(study.weights_path("guided"), path)
    with pytest.raises(InfluenceError, match=r"size mismatch for encoder\.weight"):
        load_network(other, "mine")


@pytest.mark.parametrize("name", ["ccam", "hybridnet"])
def test_weights_of_a_configured_network_are_read_again(name: str, tmp_path: Path) -> None:
    configured = NetworkStudy(work=tmp_path)
    plan = configured.plan(name)
    start = make_network(replace(plan, options=plan.options | {"pretrained": False}))
    configured.folder(name).mkdir()
    save_weights(start, configured.weights_path(name))
    network = load_network(configured, name).requires_grad_(False)
    for key, value in start.state_dict().items():
        torch.testing.assert_close(network.state_dict()[key], value, rtol=1e-3, atol=1e-6)
    maps = network(torch.zeros(1, 3, configured.height, configured.width))
    assert all(x.isfinite().all() for x in maps.values())


def training_pictures(study: NetworkStudy, folder: str, suffix: str) -> np.ndarray:
    root = Path(str(study.data)) / folder
    return np.stack([np.asarray(Image.open(root / f"{n:04d}.{suffix}")) for n in TRAIN])


def test_a_checkpoint_bears_the_facts_of_the_training_images(study: NetworkStudy) -> None:
    network = load_checkpoint(checkpoint_path(study, "guided"))
    assert (network.name, network.seed) == ("guided", 0)
    assert network.trained_on == "NYU-Depth v2, 8 official training images at 32x24"
    rgb, depth = network.inputs
    assert (rgb.name, rgb.kind, rgb.shape) == ("rgb", "image", (3, 24, 32))
    assert (depth.name, depth.kind, depth.shape, depth.unit) == ("depth", "depth", (1, 24, 32), "m")
    colours = training_pictures(study, "rgb", "jpg").reshape(-1, 3)
    metres = training_pictures(study, "depth", "png").ravel() / 1000
    assert rgb.mean == pytest.approx(colours.mean(axis=0), rel=1e-6)
    assert rgb.std == pytest.approx(colours.std(axis=0), rel=1e-6)
    assert depth.mean == pytest.approx([metres.mean()], rel=1e-6)
    assert depth.std == pytest.approx([metres.std()], rel=1e-5)
    assert [output.name for output in network.outputs] == ["depth", "semantic"]
    assert network.outputs[1].classes == ("ground", "vertical", "ceiling", "furniture", "object")


def test_a_checkpoint_computes_what_the_trained_network_does(study: NetworkStudy) -> None:
    rgb = torch.rand(3, 3, 24, 32, generator=torch.Generator().manual_seed(0)) * 255
    network = load_checkpoint(checkpoint_path(study, "mine"))
    with torch.inference_mode():
        found, expected = network({"rgb": rgb}), load_network(study, "mine")(rgb)
    assert found.keys() == expected.keys() == {"depth", "semantic"}
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values)


def test_the_same_weights_give_the_same_file(study: NetworkStudy, tmp_path: Path) -> None:
    shutil.copytree(study.folder("mine-depth"), tmp_path / "mine-depth")
    again = export_network(replace(study, work=tmp_path), "mine-depth")
    assert again.read_bytes() == checkpoint_path(study, "mine-depth").read_bytes()
