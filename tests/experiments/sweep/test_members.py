"""Networks of the sweep: trained, published, measured."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from experiments.sweep.members import (
    MUTES,
    gather_designs,
    gather_facts,
    gather_histories,
    gather_seeds,
    gather_tables,
    measure_member,
    score_training_inputs,
    train_member,
)
from experiments.sweep.study import CONDITIONS, Sweep
from experiments.training.report_tables import METRICS
from experiments.training.single_task import predict_split
from experiments.training.study import load_split
from influence.errors import InfluenceError
from influence.results.run_directory import read_run


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


KEYS = ["mute", "source", "target", "metric", "level"]


def published(name: str, row: dict[Any, Any]) -> bool:
    """Whether a row of a run is published, as the sweep's README says."""
    of_paper = row.get("metric") in METRICS
    if name == "interactions.csv":
        return of_paper and row["level"] == "all"
    if name == "performance.csv" and row["mute"] != "none":
        return False
    if name == "influence.csv" and row["source"] == row["target"]:
        return bool(row["level"] == "all")
    return "level" not in row or row["level"] == "all" or of_paper


def test_tables_hold_the_rows_of_all_runs(sweep: Sweep) -> None:
    written = {path.name: pd.read_csv(path) for path in gather_tables(sweep)}
    assert {"influence.csv", "performance.csv", "interactions.csv"} <= written.keys()
    for name, table in written.items():
        for member in sweep.members():
            own = pd.read_csv(sweep.run_folder(member) / name)
            own = own[[published(name, row) for row in own.to_dict("records")]]
            chosen = (table["network"] == member.name) & (table["seed"] == member.seed)
            found = table[chosen].reset_index(drop=True)
            pd.testing.assert_frame_equal(
                found, own.reset_index(drop=True), check_dtype=False, rtol=1e-6
            )


def test_seeds_are_put_together_where_there_are_several(sweep: Sweep) -> None:
    table = pd.read_csv(next(gather_seeds(sweep)))
    shown = table[(table["level"] == "all") & (table["mute"] == "zero")]
    for row in shown.to_dict("records"):
        seeds = (0, 1) if "sum1" in row["network"] else (0,)
        assert row["seeds"] == len(seeds)
        omegas = []
        for seed in seeds:
            own = pd.read_csv(
                sweep.work / "measured" / f"seed{seed}" / row["network"] / "influence.csv"
            )
            same = (own[KEYS] == [row[key] for key in KEYS]).all(axis=1)
            omegas.append(own.loc[same, "omega"].item())
        assert row["omega"] == pytest.approx(sum(omegas) / len(seeds), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("performance", ["setup", "target", "metric", "level"]),
        ("interactions", ["mute", "target", "metric", "level", "kind", "players"]),
    ],
)
def test_other_quantities_are_put_together_too(sweep: Sweep, name: str, keys: list[str]) -> None:
    list(gather_tables(sweep))
    list(gather_seeds(sweep))
    every = pd.read_csv(sweep.reports / f"{name}.csv", keep_default_na=False, na_values=[""])
    if name == "performance":
        every = every[every["mute"] == "none"]
    table = pd.read_csv(sweep.reports / f"{name}_seeds.csv")
    assert "omega" not in table
    means = every.dropna(subset="value").groupby(["network", *keys])["value"].agg(["mean", "std"])
    merged = table.dropna(subset="value").merge(means, on=["network", *keys])
    assert len(merged) == len(means)
    assert merged["value"].tolist() == pytest.approx(merged["mean"].tolist(), rel=1e-5, abs=1e-9)
    both = merged[merged["seeds"] == 2]
    assert len(both)
    assert both["seed_sd"].tolist() == pytest.approx(both["std"].tolist(), rel=1e-4, abs=1e-7)


def test_designs_say_what_tells_networks_apart(sweep: Sweep) -> None:
    table = pd.read_csv(gather_designs(sweep))
    row = table[(table["network"] == "jrn-sum1-crossfit") & (table["seed"] == 1)]
    assert row.drop(columns=["network", "seed"]).to_dict("records")[0] == {
        "design": "sum1",
        "condition": "cross-fitted",
        "fusion": "sum",
        "fused_channels": 4,
        "channels": 1,
    }


def test_facts_name_every_network_with_its_weights(sweep: Sweep) -> None:
    facts = json.loads(gather_facts(sweep).read_text())
    networks = facts["measured"]["networks"]
    assert [(x["name"], x["seed"]) for x in networks] == [
        (member.name, member.seed) for member in sweep.members()
    ]
    assert len({x["sha256"] for x in networks}) == 6


def test_networks_that_are_not_measured_are_named(sweep: Sweep, tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="6 of 6 networks are not measured: seed0/jrn-sum1"):
        list(gather_tables(replace(sweep, work=tmp_path)))
