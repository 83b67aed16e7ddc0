from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from experiments.networks.measuring import run_folder, sources_of
from experiments.networks.study import NetworkStudy
from experiments.networks.training import load_network
from experiments.networks.trivial import trivial_network
from influence.errors import InfluenceError


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
