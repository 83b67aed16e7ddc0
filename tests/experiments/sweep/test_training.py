from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from experiments.sweep.study import CONDITIONS, Sweep
from experiments.sweep.training import gather_histories, train_member
from experiments.training.predictions import predict_split


def test_published_weights_are_those_trained(sweep: Sweep) -> None:
    for member in sweep.members():
        published = load_file(sweep.weights_path(member))
        trained = load_file(sweep.folder(member) / "weights.safetensors")
        assert published.keys() == trained.keys()
        assert all(published[name].equal(trained[name]) for name in trained)


def test_what_is_trained_is_not_trained_again(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    train_member(sweep, sweep.choose(())[0])
    assert "already trained" in capsys.readouterr().out


def test_seeds_and_conditions_give_other_networks(sweep: Sweep) -> None:
    first = [
        load_file(sweep.weights_path(member))["depth_head.weight"].numpy().tobytes()
        for member in sweep.members()
        if member.label == "sum1"
    ]
    assert len(set(first)) == 4


def test_cross_fitted_inputs_come_from_networks_that_have_not_seen_the_image(sweep: Sweep) -> None:
    own, other = (sweep.inputs(condition) for condition in ("in-sample", "cross-fitted"))
    maps, fitted = predict_split(own, "train"), predict_split(other, "train")
    assert len(maps.networks) == 2  # one a task
    assert len(fitted.networks) == 2 * other.folds
    assert not np.array_equal(maps.depth, fitted.depth)
    np.testing.assert_array_equal(
        predict_split(own, "test").depth, predict_split(other, "test").depth
    )


def test_the_statistics_are_those_of_the_training_inputs(sweep: Sweep) -> None:
    for condition in CONDITIONS:
        found = json.loads(sweep.statistics_path(condition).read_text())
        maps = predict_split(sweep.inputs(condition), "train")
        np.testing.assert_allclose(found["depth"][0][0], maps.depth.mean(dtype=float), rtol=1e-9)
        semantic = maps.semantic.astype(float).mean(axis=(0, 2, 3))
        np.testing.assert_allclose(found["semantic"][0], semantic, rtol=1e-9)


def test_histories_of_all_networks(sweep: Sweep) -> None:
    path = gather_histories(sweep)
    table = pd.read_csv(path)
    assert len(table) == 6  # one epoch each
    assert set(zip(table["network"], table["seed"], strict=True)) == {
        (member.name, member.seed) for member in sweep.members()
    }


def test_histories_of_networks_that_are_not_trained_again_are_kept(
    sweep: Sweep, tmp_path: Path
) -> None:
    path = gather_histories(sweep)
    before = path.read_bytes()
    assert gather_histories(replace(sweep, work=tmp_path)).read_bytes() == before
