from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.networks.export import checkpoint_path, export_network
from experiments.networks.study import NetworkStudy
from experiments.networks.training import load_network
from influence.network.checkpoints import load_checkpoint
from tests.experiments.networks.conftest import TRAIN


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
