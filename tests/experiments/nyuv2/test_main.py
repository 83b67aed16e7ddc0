from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from experiments.datasets.sample import CLASSES, resize
from experiments.nyuv2.__main__ import open_study
from experiments.training.joint import checkpoint_path
from experiments.training.single_task import load_single_task
from experiments.training.study import TASKS
from influence.errors import InfluenceError
from influence.network.checkpoints import load_checkpoint
from models.jrn import VARIANTS

STUDY = open_study(data=None, work=None)


def test_without_data_the_message_says_how_to_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NYUV2_ROOT", raising=False)
    with pytest.raises(InfluenceError, match="NYUV2_ROOT"):
        STUDY.open_split("test")


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_published_checkpoint_refines_maps_of_any_size(variant: str) -> None:
    network = load_checkpoint(checkpoint_path(STUDY, variant))
    assert network.name == f"jrn-{variant}"
    assert network.outputs[1].classes == CLASSES
    depth, semantic = network.inputs
    assert depth.mean is not None
    assert 2.0 < depth.mean[0] < 3.5  # metres, indoors
    assert semantic.mean is not None
    assert sum(semantic.mean) == pytest.approx(1, abs=1e-2)
    maps = {"depth": torch.full((3, 1, 48, 64), 2.5), "semantic": torch.full((3, 5, 48, 64), 0.2)}
    with torch.inference_mode():
        refined = network(maps)
    assert refined["depth"].shape == (3, 1, 48, 64)
    torch.testing.assert_close(refined["semantic"].sum(dim=1), torch.ones(3, 48, 64))


def test_the_published_weights_are_those_of_the_single_task_networks() -> None:
    for task in TASKS:
        path = STUDY.results / "weights" / f"{task}.safetensors"
        network = load_single_task(task, path)
        published, loaded = load_file(path), network.state_dict()
        assert len(published) == len(loaded)
        head = "pyramid.head.weight"
        assert torch.equal(loaded[head], published[head].float())
        stem = next(name for name in published if name.endswith("stem.0.weight"))
        assert torch.equal(loaded["pyramid.trunk.stem.0.weight"], published[stem].float())


@pytest.mark.nyuv2
def test_the_published_weights_see_the_test_images() -> None:
    root = os.environ.get("NYUV2_ROOT")
    if not root:
        pytest.skip("NYUV2_ROOT is not set")
    samples = STUDY.open_split("test")
    chosen = [
        resize(samples[index], STUDY.height, STUDY.width) for index in range(0, len(samples), 40)
    ]
    rgb = torch.from_numpy(np.stack([s.rgb for s in chosen])).permute(0, 3, 1, 2).float()
    networks = {
        task: load_single_task(task, STUDY.results / "weights" / f"{task}.safetensors")
        for task in TASKS
    }
    with torch.inference_mode():
        metres = networks["depth"](rgb)[:, 0].numpy()
        classes = networks["segmentation"](rgb).argmax(dim=1).numpy()
    truth = np.stack([s.depth for s in chosen])
    labels = np.stack([s.labels for s in chosen])
    delta_1 = (np.maximum(metres / truth, truth / metres) < 1.25).mean()
    accuracy = (classes == labels)[labels < len(CLASSES)].mean()
    assert delta_1 > 0.55  # a constant map reaches 0.3
    assert accuracy > 0.6  # the largest class alone 0.42


def test_no_picture_of_the_data_set_lies_in_the_study() -> None:
    here = Path(STUDY.results)
    names = {path.suffix for path in here.rglob("*") if path.is_file()} - {".pyc"}
    assert names <= {".py", ".md", ".pt2", ".safetensors", ".toml"}
