from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from experiments.datasets.sample import Sample
from experiments.rooms.render import RoomsFolder
from experiments.training.evaluation_data import quantise, write_set
from experiments.training.joint import (
    PredictedMaps,
    export_histories,
    export_joint,
    export_weights,
    joint_folder,
    load_joint,
    train_joint,
)
from experiments.training.single_task import input_statistics, predict_split
from experiments.training.study import Study, load_split
from influence.data.evaluation_file import EvaluationFile
from influence.errors import InfluenceError
from influence.network.checkpoints import load_checkpoint


def test_training_leaves_weights_and_the_losses_of_every_epoch(study: Study) -> None:
    assert not load_joint(study, "cat1").training
    with open(joint_folder(study, "cat1") / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["epoch"]) for row in rows] == [1, 2]
    assert all(np.isfinite(float(row["held_out_loss"])) for row in rows)


def test_a_draw_with_a_seed_mirrors_all_maps_together(study: Study) -> None:
    data = PredictedMaps(load_split(study, "train"), predict_split(study, "train"), study.joint)
    plain = data[(3, None)]
    mirrored = 0
    for seed in range(20):
        drawn = data[(3, np.random.SeedSequence(seed))]
        flipped = not torch.equal(drawn["depth"], plain["depth"])
        mirrored += flipped
        for name, x in plain.items():
            assert torch.equal(drawn[name], x.flip(-1) if flipped else x), name
    assert 0 < mirrored < 20


def test_an_unknown_variant_is_refused(study: Study) -> None:
    with pytest.raises(InfluenceError, match="did you mean 'cat60'"):
        train_joint(study, "cat6")


def test_a_recipe_for_pictures_is_refused(study: Study) -> None:
    study = replace(study, joint=replace(study.joint, zoom=1.4))
    with pytest.raises(InfluenceError, match=r"zoom = 1\.0"):
        train_joint(study, "cat1")


def test_a_checkpoint_is_the_trained_network_with_its_facts(study: Study) -> None:
    network = load_checkpoint(export_joint(study, "cat1"))
    maps = predict_split(study, "test")
    inputs = {
        "depth": torch.from_numpy(maps.depth)[:, None],
        "semantic": torch.from_numpy(maps.semantic).float(),
    }
    with torch.inference_mode():
        refined = network(inputs)
        expected = load_joint(study, "cat1")(**inputs)
    for name in ("depth", "semantic"):
        torch.testing.assert_close(refined[name], expected[name])
    assert (network.name, network.seed) == ("jrn-cat1", study.seed)
    statistics = input_statistics(study)
    for modality in network.inputs:
        assert (modality.mean, modality.std) == statistics[modality.name]


def test_published_weights_predict_without_training(study: Study, tmp_path: Path) -> None:
    path = export_weights(study, "depth")
    assert path == study.results / "weights" / "depth.safetensors"
    trained = study.work / "single_task" / "depth-full" / "weights.safetensors"
    assert path.read_bytes() == trained.read_bytes()
    kinds = {x.dtype for x in load_file(path).values() if x.ndim > 1}
    assert kinds == {torch.float16}


def test_the_histories_are_one_table(study: Study) -> None:
    table = pd.read_csv(export_histories(study))
    assert list(table) == ["network", "epoch", "train_loss", "held_out_loss"]
    assert table.network.value_counts()["jrn-cat1"] == 2
    assert "segmentation-fold1" in set(table.network)


def test_networks_that_were_not_trained_again_keep_their_rows(study: Study, tmp_path: Path) -> None:
    before = pd.read_csv(export_histories(replace(study, reports=tmp_path)))
    retrained = replace(study, reports=tmp_path, work=tmp_path / "work")
    new = retrained.work / "joint" / "cat1" / "history.csv"
    new.parent.mkdir(parents=True)
    new.write_text("epoch,train_loss,held_out_loss\n1.0,9.0,nan\n")
    after = pd.read_csv(export_histories(retrained))
    kept = before.network != "jrn-cat1"
    pd.testing.assert_frame_equal(after[:-1], before[kept].reset_index(drop=True))
    assert after.iloc[-1][["network", "epoch", "train_loss"]].tolist() == ["jrn-cat1", 1, 9.0]


class Named(RoomsFolder):
    """Rooms with groups, names of their own, and a far corner."""

    groups = ("a", "a", "b")
    classes = ("one", "two", "three", "four", "five")

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        sample.depth[0, 0] = 70.0  # more than uint16 millimetres hold
        return sample


def test_groups_and_classes_of_the_reader_reach_the_evaluation_file(
    study: Study, tmp_path: Path
) -> None:
    named = replace(
        study, open_split=lambda split: Named(study.work.parent / "data", split), max_depth=50.0
    )
    (tmp_path / "single_task").symlink_to(study.work / "single_task")
    write_set(replace(named, work=tmp_path), "test", tmp_path / "test.h5")
    data = EvaluationFile(tmp_path / "test.h5")
    assert data.groups is not None
    assert data.groups.astype(str).tolist() == ["a", "a", "b"]
    assert data.targets["semantic"].classes == data.inputs["semantic"].classes == Named.classes
    assert data.targets["depth"].range == (1e-3, 50.0)
    whole: Any = data.read(np.arange(3)).targets["depth"]
    assert bool(whole[:, 0, 0].isnan().all())
    assert not bool(whole[0, 1:].isnan().any())


def test_the_evaluation_file_holds_the_test_set(study: Study, tmp_path: Path) -> None:
    truth, maps = load_split(study, "test"), predict_split(study, "test")
    for compact in (False, True):
        path = tmp_path / f"{compact}.h5"
        write_set(study, "test", path, compact=compact)
        data = EvaluationFile(path)
        assert list(data.ids) == list(truth.ids)
        for index in range(len(data)):
            sample: Any = data.read(np.array([index]))
            step = 0.5e-3 if compact else 1e-9
            np.testing.assert_allclose(
                sample.inputs["depth"][0, 0], maps.depth[index], atol=step + 1e-6
            )
            half = 0.5 / 255 if compact else 1e-9
            np.testing.assert_allclose(
                sample.inputs["semantic"][0], maps.semantic[index], atol=half + 1e-6
            )
            np.testing.assert_allclose(sample.targets["depth"][0], truth.depth[index], atol=1e-6)
            labels = np.where(truth.labels[index] == 255, -1, truth.labels[index].astype(int))
            np.testing.assert_array_equal(sample.targets["semantic"][0], labels)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["images/rgb"][...], truth.rgb)


def test_a_plain_evaluation_file_holds_no_picture(study: Study, tmp_path: Path) -> None:
    write_set(study, "test", tmp_path / "test.h5")
    with h5py.File(tmp_path / "test.h5") as file:
        assert "images" not in file


def test_quantising_keeps_within_half_a_step_and_saturates() -> None:
    values = np.random.default_rng(0).uniform(0, 9.9, 1000)
    steps = quantise(values, 1e-3, np.uint16)
    assert steps.dtype == np.uint16
    assert np.abs(steps * 1e-3 - values).max() <= 0.5e-3 + 1e-12
    assert quantise(np.array([-1.0, 2.0]), 1 / 255).tolist() == [0, 255]
