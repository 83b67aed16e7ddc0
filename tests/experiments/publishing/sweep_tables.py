"""A small sweep: two designs of the paper with three trainings each, and one other with one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.publishing.published import PUBLISHED
from experiments.publishing.studies import Study, read_study
from influence.analysis.estimates import Estimates, estimate_table
from influence.analysis.seeds import aggregate_seeds
from tests.tables_of_runs import influence_frame, interactions_frame, performance_frame

SEEDED = ("jrn-sum60", "jrn-cat1", "jrn-sum60-crossfit", "jrn-cat1-crossfit")
ALONE = ("jrn-sum10",)
MUTES = ("zero", "shuffle")
LEVELS = ("class:floor", "depth:2-4")


def _trainings(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Repeat networks with several trainings, whose numbers differ by 0.004 and 0.008."""
    several = frame[~frame["network"].isin(ALONE)]
    parts = [
        several.assign(seed=seed, **{name: several[name] + 0.004 * seed for name in columns})
        for seed in (1, 2)
    ]
    return pd.concat([frame, *parts], ignore_index=True)


def influence_table() -> pd.DataFrame:
    """Return omegas of all trainings, of mean IoU and rel(sqr) by class and depth, too."""
    whole = influence_frame((*SEEDED, *ALONE), MUTES)
    headline = whole[whole["metric"].isin(["mean_iou", "sqr_rel"])]
    frame = pd.concat([whole, *(headline.assign(level=level) for level in LEVELS)])
    return _trainings(frame, ["omega", "omega_low", "omega_high"])


def performance_table() -> pd.DataFrame:
    """Return performances of all trainings."""
    return _trainings(performance_frame((*SEEDED, *ALONE), MUTES), ["value", "low", "high"])


def performance_seeds() -> pd.DataFrame:
    """Return mean performances with nothing muted."""
    frame = performance_table().query("mute == 'none'")
    error = (frame["high"] - frame["low"]) / 4
    cells = frame.assign(
        omega=frame["value"],
        source="",
        mute=frame["setup"],
        standard_error=error,
        units=120,
        basis="intervals",
    )
    means = aggregate_seeds(Estimates(cells)).drop(columns="source")
    return means.rename(columns={"omega": "value", "mute": "setup"})


def interactions_seeds() -> pd.DataFrame:
    """Return mean interactions of depth, rgb and sound."""
    frame = interactions_frame(SEEDED, MUTES).query("metric in ('mean_iou', 'sqr_rel')")
    return frame.drop(columns="seed").assign(seeds=3, basis="intervals")


def fits() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return curves.csv and hull.csv: straight lines and one vertex in every panel."""
    curves, hull = [], []
    for condition, mutes in (
        ("published", ("unstated",)),
        ("in-sample", MUTES),
        ("cross-fitted", MUTES),
    ):
        for mute in mutes:
            for source, target in (("depth", "semantic"), ("semantic", "depth")):
                where = {"condition": condition, "mute": mute, "source": source, "target": target}
                hull.append(where | {"vertex": 0, "omega": 1.0, "performance": 54.0})
                for kind, slope in (("linear", 0.5), ("concave", -0.25), ("free", 9.0)):
                    for x in np.linspace(0, 4, 5):
                        fit = {
                            "x": x,
                            "fit": slope * x,
                            "low": slope * x - 1,
                            "high": slope * x + 1,
                        }
                        curves.append(where | {"images": "same", "kind": kind} | fit)
                        curves.append(where | {"images": "halves", "kind": kind, "x": x, "fit": 99})
    return pd.DataFrame(curves), pd.DataFrame(hull)


def seeds_table() -> pd.DataFrame:
    """Return mean omegas."""
    return aggregate_seeds(estimate_table(influence_table()))


def published_study() -> Study:
    """Return the printed numbers."""
    return read_study(PUBLISHED)


def write_sweep_tables(folder: Path) -> Path:
    """Write the tables of a sweep; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    curves, hull = fits()
    inputs = performance_frame(["input"], []).assign(seed=np.nan)
    for name, frame in {
        "influence": influence_table(),
        "performance": performance_table(),
        "inputs": inputs,
        "seeds": seeds_table(),
        "performance_seeds": performance_seeds(),
        "interactions_seeds": interactions_seeds(),
        "curves": curves,
        "hull": hull,
    }.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder
