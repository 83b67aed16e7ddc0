from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments.sweep.gathering import (
    gather_designs,
    gather_facts,
    gather_seeds,
    gather_tables,
)
from experiments.sweep.study import Sweep
from experiments.training.report_tables import METRICS
from influence.errors import InfluenceError

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
