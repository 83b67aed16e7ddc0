from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.sweep.measuring import MUTES, measure_member, score_training_inputs
from experiments.sweep.study import CONDITIONS, Sweep
from experiments.training.arrays import load_split
from experiments.training.predictions import predict_split
from influence.errors import InfluenceError
from influence.results.run import read_run


def test_every_direction_is_measured_under_every_mute(sweep: Sweep) -> None:
    for member in sweep.members():
        run = read_run(sweep.run_folder(member))
        cross = run.influence[run.influence["source"] != run.influence["target"]]
        assert set(cross["network"]) == {member.name}
        assert set(cross["seed"]) == {member.seed}
        assert set(cross.loc[cross["source"] == "semantic", "mute"]) == set(MUTES)
        assert set(cross.loc[cross["source"] == "depth", "mute"]) == set(MUTES) - {"uniform"}
        assert {"depth:0-2", "class:ground"} <= set(cross["level"])
        assert len(run.interactions)
        digest = hashlib.sha256(sweep.weights_path(member).read_bytes()).hexdigest()
        assert set(cross["checkpoint_sha256"]) == {digest}


def test_what_is_measured_is_not_measured_again(sweep: Sweep) -> None:
    member = sweep.choose(())[0]
    before = (sweep.run_folder(member) / "run.json").stat().st_mtime_ns
    measure_member(sweep, member)
    assert (sweep.run_folder(member) / "run.json").stat().st_mtime_ns == before


def test_the_weights_are_enough_to_measure_again(sweep: Sweep, tmp_path: Path) -> None:
    member = sweep.choose(())[0]
    shutil.copytree(sweep.work / "weights", tmp_path / "weights")
    fresh = replace(sweep, work=tmp_path)  # no training states, no predictions of its own
    again = pd.read_csv(measure_member(fresh, member) / "influence.csv")
    before = pd.read_csv(sweep.run_folder(member) / "influence.csv")
    pd.testing.assert_frame_equal(again, before)


def test_lacking_statistics_are_named(sweep: Sweep, tmp_path: Path) -> None:
    shutil.copytree(sweep.work / "weights", tmp_path / "weights")
    (tmp_path / "weights" / "in-sample.json").unlink()
    bare = replace(sweep, work=tmp_path)
    with pytest.raises(InfluenceError, match=r"statistics of the training inputs at .*in-sample"):
        measure_member(bare, bare.choose(())[0])


def test_how_good_the_training_inputs_are(sweep: Sweep) -> None:
    """Derive the mean squared relative error of the depth from the predictions themselves."""
    sweep.reports.mkdir(exist_ok=True)
    table = pd.read_csv(score_training_inputs(sweep))
    for condition in CONDITIONS:
        study = sweep.inputs(condition)
        truth = load_split(study, "train").depth.astype(np.float64)
        guess = predict_split(study, "train").depth.astype(np.float64).clip(1e-3, 10.0)
        error = ((guess - truth) ** 2 / np.where(truth > 0, truth, 1.0))[truth > 0].mean()
        found = table[(table["network"] == f"{condition} input") & (table["metric"] == "sqr_rel")]
        assert found["value"].item() == pytest.approx(error, rel=1e-5)
        assert found["n"].item() == len(truth)
