"""Evaluation files, the trivial predictor, and one run a network and source of the depth."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from experiments.datasets.nyuv2 import label_map
from experiments.figures.architectures import directions
from experiments.networks.measuring import (
    Trivial,
    gather_comparisons,
    gather_history,
    gather_tables,
    run_folder,
    sources_of,
    trivial_network,
    write_test_file,
)
from experiments.networks.study import NetworkStudy
from experiments.networks.training import load_network
from experiments.training.study import SplitArrays
from influence.analysis.comparison import COMPARISON_COLUMNS
from influence.data.evaluation_file import EvaluationFile
from influence.errors import InfluenceError
from influence.results.tables import read_table
from tests.experiments.networks.conftest import TEST, call


def performance(study: NetworkStudy, name: str, metric: str) -> float:
    table = pd.read_csv(run_folder(study, name) / "performance.csv")
    chosen = table[(table["metric"] == metric) & (table["level"] == "all")]
    return float(chosen.loc[chosen["mute"] == "none", "value"].item())


def test_a_network_is_measured_with_each_source_of_the_depth_that_it_takes(
    study: NetworkStudy,
) -> None:
    assert sources_of(study.plan("guided")) == ("true", "predicted")
    assert sources_of(study.plan("mine")) == ("true",)
    assert run_folder(study, "guided") == study.work / "measured" / "guided"
    assert run_folder(study, "guided", "predicted").name == "guided-predicted"
    datasets = pd.read_csv(run_folder(study, "guided", "predicted") / "influence.csv")["dataset"]
    assert set(datasets) == {"NYU-Depth v2, predicted depth"}


@pytest.mark.parametrize("name", ["mine", "trivial-wang"])
def test_the_performance_is_that_of_the_network_on_the_test_images(
    study: NetworkStudy, name: str
) -> None:
    images = study.load_split("test", "wang")
    rgb = torch.from_numpy(images.rgb).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        if name == "mine":
            maps = load_network(study, "mine")(rgb)
        else:
            maps = trivial_network(study, "wang").module(rgb, torch.zeros(6, 1, 24, 32))
    known = images.labels < 5
    right = maps["semantic"].argmax(dim=1).numpy() == images.labels
    ratio = maps["depth"][:, 0].numpy() / images.depth
    delta_1 = (np.maximum(ratio, 1 / ratio) < 1.25).mean()
    assert performance(study, name, "pixel_accuracy") == pytest.approx(right[known].mean())
    assert performance(study, name, "delta_1") == pytest.approx(delta_1)


def test_what_is_asked_depends_on_the_outputs(study: NetworkStudy) -> None:
    def metrics(name: str, target: str) -> set[str]:
        table = pd.read_csv(run_folder(study, name) / "performance.csv")
        return set(table.loc[table["target"] == target, "metric"])

    assert {"delta_1", "rms", "sqr_rel", "log10"} <= metrics("mine-depth", "depth")
    assert not metrics("mine-depth", "semantic")
    assert {"pixel_accuracy", "mean_iou"} <= metrics("mine", "semantic")


def test_options_that_do_not_fit_a_network_are_told(study: NetworkStudy) -> None:
    with pytest.raises(InfluenceError, match="options of network 'mine': inputs: Unexpected"):
        sources_of(replace(study.plan("mine"), options={"inputs": ["rgb", "depth"]}))


def test_pictures_labels_and_true_depth_are_those_of_the_test_images(study: NetworkStudy) -> None:
    root = Path(str(study.data))
    with h5py.File(study.work / "data" / "test-wang-true.h5") as file:
        for row, number in enumerate(TEST):
            picture = np.asarray(Image.open(root / "rgb" / f"{number:04d}.jpg"))
            np.testing.assert_array_equal(file["inputs/rgb"][row], picture.transpose(2, 0, 1))
            millimetres = np.asarray(Image.open(root / "depth" / f"{number:04d}.png"))
            np.testing.assert_array_equal(file["inputs/depth"][row, 0], millimetres)
            np.testing.assert_array_equal(file["targets/depth"][row], millimetres)
            labels = np.asarray(Image.open(root / "label40" / f"{number:04d}.png"))
            expected = label_map("geo5_wang", source=40)[labels]
            np.testing.assert_array_equal(file["targets/semantic"][row], expected)


def test_the_file_is_read_in_metres_and_names_its_images_and_classes(study: NetworkStudy) -> None:
    data = EvaluationFile(study.work / "data" / "test-wang-true.h5")
    assert data.name == "NYU-Depth v2, true depth"
    assert [str(x) for x in data.ids] == [f"{number:04d}" for number in TEST]
    assert data.targets["semantic"].classes == (
        "ground", "vertical", "ceiling", "furniture", "object",
    )  # fmt: skip
    assert data.targets["depth"].range == (0.001, 10.0)


def test_predicted_depth_is_the_predictor_s_within_half_a_millimetre(study: NetworkStudy) -> None:
    images = study.load_split("test", "wang")
    rgb = torch.from_numpy(images.rgb).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        expected = load_network(study, "fcrn-depth")(rgb)["depth"].numpy()
    with h5py.File(study.work / "data" / "test-wang-predicted.h5") as file:
        found = file["inputs/depth"][()] * file["inputs/depth"].attrs["scale"]
        with h5py.File(study.work / "data" / "test-wang-true.h5") as true:
            np.testing.assert_array_equal(file["targets/depth"], true["targets/depth"])
            assert np.abs(found - true["inputs/depth"][()] / 1000).max() > 0.01
    assert np.abs(found - expected).max() < 0.0005 + 1e-6


def test_a_source_of_depth_that_is_not_there_is_told(study: NetworkStudy) -> None:
    with pytest.raises(InfluenceError, match="unknown source of the depth 'guessed'"):
        write_test_file(study, "wang", "guessed")


def test_mean_depth_of_each_pixel_where_known_and_the_most_frequent_class() -> None:
    random = np.random.default_rng(0)
    depth = random.uniform(1, 9, (7, 4, 5)).astype(np.float32)
    depth[random.random(depth.shape) < 0.4] = 0
    depth[:, 0, 0] = 0  # never known
    labels = random.choice([0, 1, 2, 9, 255], (7, 4, 5), p=[0.2, 0.15, 0.25, 0.1, 0.3])
    rgb = np.zeros((7, 4, 5, 3), np.uint8)
    images = SplitArrays(tuple("abcdefg"), rgb, depth, labels.astype(np.uint8))
    maps = Trivial(images, classes=3)(torch.rand(2, 3, 4, 5), torch.rand(2, 1, 4, 5))
    expected = np.nan_to_num(np.ma.masked_equal(depth, 0).mean(axis=0).filled(0))
    for one in maps["depth"]:
        np.testing.assert_allclose(one[0], expected, rtol=1e-6)
    ((most, _),) = Counter(x for x in labels.ravel().tolist() if x < 3).most_common(1)
    assert most == 2
    assert maps["semantic"].shape == (2, 3, 4, 5)
    assert torch.equal(maps["semantic"][:, most], torch.ones(2, 4, 5))
    assert maps["semantic"].sum() == 2 * 4 * 5


def test_the_network_has_the_names_of_its_label_set(study: NetworkStudy) -> None:
    network = trivial_network(study, "arora6")
    assert network.name == "trivial-arora6"
    assert network.outputs[1].classes == ("other", "wall", "floor", "cabinet", "bed", "chair")


def test_the_trivial_predictor_knows_the_mean_depth_and_the_usual_class() -> None:
    images = SplitArrays(
        ids=("a", "b"),
        rgb=np.zeros((2, 1, 2, 3), np.uint8),
        depth=np.array([[[1.0, 2.0]], [[3.0, 0.0]]], np.float32),
        labels=np.array([[[0, 1]], [[255, 1]]], np.uint8),
    )
    maps = Trivial(images, classes=2)(torch.zeros(1, 3, 1, 2), torch.zeros(1, 1, 1, 2))
    assert maps["depth"].tolist() == [[[[2.0, 2.0]]]]
    assert maps["semantic"].argmax(dim=1).tolist() == [[[1, 1]]]


def published(name: str, row: dict[Any, Any]) -> bool:
    """Whether a row of a run is published: slices of two metrics, performance unmuted."""
    shown = row["level"] == "all" or row["metric"] in ("mean_iou", "sqr_rel")
    if name == "performance":
        return shown and row["mute"] == "none"
    return shown and (row["level"] == "all" or row["source"] != row["target"])


def test_the_tables_are_those_of_all_runs_in_the_order_of_the_files(study: NetworkStudy) -> None:
    for name in ("influence", "performance"):
        table = pd.read_csv(study.reports / f"{name}.csv")
        runs = ["trivial-wang", *study.plans]
        assert list(table["network"].unique()) == runs
        folders = [*(run_folder(study, run) for run in runs)]
        folders.insert(-1, run_folder(study, "guided", "predicted"))  # next to the true depth
        every = pd.concat([pd.read_csv(x / f"{name}.csv") for x in folders], ignore_index=True)
        kept = every[[published(name, row) for row in every.to_dict("records")]]
        pd.testing.assert_frame_equal(
            table, kept.reset_index(drop=True), check_dtype=False, rtol=1e-6
        )
    assert not (study.reports / "distance.csv").exists()  # inputs that meet in no module


def test_the_page_can_be_made_of_the_tables(study: NetworkStudy) -> None:
    influence = read_table(study.reports / "influence.csv", "influence")
    performance = read_table(study.reports / "performance.csv", "performance")
    found = directions(influence, performance)
    assert list(found["network"]) == ["mine"] * 2  # the only one with a panel of mutes
    assert set(found["target"]) == {"depth", "semantic"}
    of = performance.query("network == 'mine' and metric == 'mean_iou' and level == 'all'")
    muted = read_table(run_folder(study, "mine") / "performance.csv", "performance").query(
        "mute == 'shuffle' and metric == 'mean_iou' and level == 'all'"
    )
    values = pd.concat([of, muted]).set_index("mute")["value"]
    floor = performance.query("network == 'trivial-wang' and metric == 'mean_iou'")
    gain = values["none"] - floor.query("mute == 'none' and level == 'all'")["value"].item()
    omega = values["none"] - values["shuffle"]
    semantic = found.set_index("target").loc["semantic"]
    assert semantic["omega"] == pytest.approx(omega, abs=1e-7)
    expected = omega / gain if gain > 0 else math.nan
    assert semantic["share"] == pytest.approx(expected, rel=1e-4, nan_ok=True)


def test_a_comparison_is_of_the_same_numbers_as_the_performance(study: NetworkStudy) -> None:
    performance = pd.read_csv(study.reports / "performance.csv").query("mute == 'none'")
    names = ["network", "dataset", "target", "metric", "level"]
    values = {tuple(row[:-1]): row[-1] for row in performance[[*names, "value"]].to_numpy()}
    comparison = pd.read_csv(study.reports / "comparison.csv")
    assert set(comparison["quantity"]) == {"performance"}
    assert set(comparison["target"]) == {"depth"}  # all that a twin of one task has
    for row in comparison.itertuples():
        own, other = (
            values[network, row.dataset, row.target, row.metric, row.level]
            for network in (row.network_a, row.network_b)
        )
        assert (row.a, row.b) == pytest.approx((own, other), rel=1e-6)
        sign = 1 if row.higher_is_better else -1
        assert row.difference == pytest.approx(sign * (own - other), abs=1e-6)
    pairs = list(comparison[["network_a", "network_b"]].drop_duplicates().itertuples(index=False))
    assert pairs == [("mine", "mine-depth"), ("fcrn-depth", "guided")]


def test_a_twin_is_compared_under_every_source_of_the_joint_network_s_depth(
    study: NetworkStudy, tmp_path: Path
) -> None:
    other = replace(study, reports=tmp_path)
    plans = other.plans
    plans["guided"] = replace(plans["guided"], compared_with="")
    plans["fcrn-depth"] = replace(plans["fcrn-depth"], compared_with="guided")
    found = pd.read_csv(gather_comparisons(other)).query("network_a == 'guided'")
    assert list(found["dataset"].unique()) == [
        "NYU-Depth v2, true depth", "NYU-Depth v2, predicted depth",
    ]  # fmt: skip
    assert found.groupby("metric")["b"].nunique().eq(1).all()  # it takes no depth


def test_the_history_is_that_of_the_networks_that_were_trained_here(
    study: NetworkStudy, tmp_path: Path
) -> None:
    table = pd.read_csv(study.reports / "training.csv")
    assert list(table["network"]) == list(study.plans)
    nothing = replace(study, work=tmp_path / "work", reports=tmp_path)
    empty = pd.read_csv(gather_history(nothing))
    assert list(empty) == list(table) == ["network", "epoch", "train_loss"]
    assert empty.empty


def test_networks_without_twins_give_an_empty_comparison(
    study: NetworkStudy, tmp_path: Path
) -> None:
    other = replace(study, reports=tmp_path)
    for name, plan in other.plans.items():
        other.plans[name] = replace(plan, compared_with="")
    table = pd.read_csv(gather_comparisons(other))
    assert list(table) == list(COMPARISON_COLUMNS)
    assert table.empty


def test_a_measurement_that_was_interrupted_is_named_and_nothing_is_gathered(
    study: NetworkStudy, tmp_path: Path
) -> None:
    work = shutil.copytree(study.work, tmp_path / "work")
    other = replace(study, work=work, reports=tmp_path / "reports")
    folder = run_folder(other, "guided", "predicted")
    (folder / "unfinished").mkdir()
    (folder / "run.json").unlink()
    with pytest.raises(InfluenceError, match="guided-predicted is not measured"):
        list(gather_tables(other))
    result = call(other, "gather")
    assert result.exit_code == 1
    assert str(folder / "run.json") in str(result.exception)
    assert not other.reports.exists()
