from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.training.single_task import (
    folds_of,
    input_statistics,
    load_single_task,
    parts_of,
    predict_split,
    single_task_folder,
    train_single_task,
    weights_path,
)
from experiments.training.study import TASKS, Study, load_split
from influence.errors import InfluenceError


def test_folds_are_even_and_fixed_by_the_seed() -> None:
    folds = folds_of(795, 3, seed=0)
    assert np.bincount(folds).tolist() == [265, 265, 265]
    np.testing.assert_array_equal(folds, folds_of(795, 3, seed=0))
    assert not np.array_equal(folds, folds_of(795, 3, seed=1))


def test_every_part_was_trained(study: Study) -> None:
    assert parts_of(study) == ("full", "fold0", "fold1")
    for task in TASKS:
        for part in parts_of(study):
            assert (single_task_folder(study, task, part) / "weights.safetensors").is_file()


def test_unknown_names_are_refused(study: Study) -> None:
    with pytest.raises(InfluenceError, match="did you mean 'depth'"):
        train_single_task(study, "dept", "full")
    with pytest.raises(InfluenceError, match="fold0"):
        train_single_task(study, "depth", "fold9")


def test_each_training_image_is_predicted_by_a_network_that_has_not_seen_it(study: Study) -> None:
    maps = predict_split(study, "train")
    rgb = torch.from_numpy(load_split(study, "train").rgb).permute(0, 3, 1, 2).float()
    folds = folds_of(len(rgb), study.folds, study.seed)
    assert set(folds.tolist()) == {0, 1}
    for index in range(len(rgb)):
        network = load_single_task("depth", weights_path(study, "depth", f"fold{folds[index]}"))
        x = rgb[index][None]
        with torch.inference_mode():
            expected = (network(x) + network(x.flip(-1)).flip(-1)) / 2
        np.testing.assert_allclose(maps.depth[index], expected[0, 0], rtol=1e-4)


def test_test_images_are_predicted_by_the_network_of_all_training_images(study: Study) -> None:
    maps = predict_split(study, "test")
    rgb = torch.from_numpy(load_split(study, "test").rgb).permute(0, 3, 1, 2).float()
    network = load_single_task("segmentation", weights_path(study, "segmentation"))
    with torch.inference_mode():
        views = network(rgb).softmax(1), network(rgb.flip(-1)).flip(-1).softmax(1)
    expected = (views[0] + views[1]) / 2
    np.testing.assert_allclose(maps.semantic, expected, atol=2**-10)
    np.testing.assert_allclose(maps.semantic.astype(float).sum(axis=1), 1, atol=3e-3)


def test_in_sample_predictions_are_an_option(study: Study, tmp_path: Path) -> None:
    """With one fold, as in the paper, a training image meets the network that was trained on it."""
    paper = replace(study, folds=1, work=tmp_path)
    (tmp_path / "single_task").symlink_to(study.work / "single_task")
    maps = predict_split(paper, "train")
    rgb = torch.from_numpy(load_split(study, "train").rgb[:1]).permute(0, 3, 1, 2).float()
    network = load_single_task("depth", weights_path(study, "depth"))
    with torch.inference_mode():
        expected = (network(rgb) + network(rgb.flip(-1)).flip(-1)) / 2
    np.testing.assert_allclose(maps.depth[0], expected[0, 0], rtol=1e-4)
    assert np.abs(maps.depth - predict_split(study, "train").depth).max() > 1e-3


def test_the_statistics_are_those_of_the_training_inputs(study: Study) -> None:
    maps = predict_split(study, "train")
    statistics = input_statistics(study)
    assert statistics["depth"][0] == pytest.approx((float(maps.depth.astype(float).mean()),))
    assert statistics["semantic"][1] == pytest.approx(
        tuple(maps.semantic.astype(float).std(axis=(0, 2, 3)))
    )
    assert sum(statistics["semantic"][0]) == pytest.approx(1, abs=1e-3)


def test_without_weights_the_message_names_the_step(study: Study, tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="train-single-task"):
        weights_path(replace(study, work=tmp_path, results=tmp_path), "depth")


def test_kept_predictions_of_other_networks_are_made_anew(study: Study) -> None:
    fitted = predict_split(study, "train").depth
    in_sample = predict_split(replace(study, folds=1), "train").depth
    assert np.abs(fitted - in_sample).max() > 1e-3
    np.testing.assert_array_equal(predict_split(study, "train").depth, fitted)


def test_folds_are_as_large_as_each_other_within_one() -> None:
    assert np.bincount(folds_of(8, 3, seed=0)).tolist() == [3, 3, 2]
