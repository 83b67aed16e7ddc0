from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments.figures.architectures import directions
from experiments.networks.gathering import gather_comparisons, gather_history, gather_tables
from experiments.networks.measuring import run_folder
from experiments.networks.study import NetworkStudy
from influence.analysis.comparison import COMPARISON_COLUMNS
from influence.errors import InfluenceError
from influence.results.tables import read_table
from tests.experiments.networks.conftest import call


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
