"""Tables I, II and III of arXiv 1702.08009: printed rows above measured ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from experiments.publishing.published import DEPTH, PRINTED, SEMANTIC, printed_rows
from experiments.publishing.variants import CROSS_FITTED, GROUPS, PAPER, design_of, label_of
from influence.display.table import Table
from influence.display.tables.performance import class_table, performance_table

__all__ = ["paper_tables"]

CONDITIONS = {False: "in-sample", True: "cross-fitted"}
OTHERS = "other networks"
DIGITS = {"depth": 3, "semantic": 2}
"""Decimals of measured values: no more than their intervals bear."""
CHOSEN = "jrn-sum60"
JOINT = {
    "fcrn-joint": "FCRN-joint",
    "hybridnet": "HybridNet",
    "ccam": "CCAM",
}
"""Joint networks of `reports/networks` that predict both tasks, in words of readers."""

TITLES = {
    "table1": "Table I: joint refinement networks and their inputs",
    "table2": "Table II: depth, beside other methods",
    "table3": "Table III: classes, beside other methods",
}


def paper_tables(
    printed: Path, performance: pd.DataFrame, others: pd.DataFrame | None = None
) -> dict[str, Table]:
    """Return Tables I, II and III as `table1`, `table2` and `table3`.

    Parameters
    ----------
    printed
        The folder of the printed tables.
    performance
        One row a network, from `experiments.publishing.variants`, with that of the inputs as a
        network called `input`.
    others
        The performance of networks of different build, with the columns of `performance.csv`.
    """
    five = _measured(performance, PAPER)
    chosen = pd.concat([_measured(performance, [CHOSEN]), _joint(others)], ignore_index=True)
    measured = {
        "table1": five,
        "table2": chosen[chosen["target"] == "depth"],
        "table3": chosen[chosen["target"] == "semantic"],
    }
    tables = {}
    for name, own in measured.items():
        own = own.assign(digits=own["target"].map(DIGITS))
        rows = pd.concat([printed_rows(printed / f"jrn_{name}.csv"), own], ignore_index=True)
        table = _table(rows.assign(seed=float("nan")))
        tables[name] = _dressed(table, TITLES[name], performance)
    return tables


def _table(rows: pd.DataFrame) -> Table:
    if rows["level"].str.startswith("class:").any() and "depth" not in set(rows["target"]):
        return class_table(rows, interval=True)
    printed = set(rows.loc[rows["dataset"] == PRINTED, "metric"])
    metrics = [metric for metric in (*DEPTH.values(), *SEMANTIC.values()) if metric in printed]
    return performance_table(rows, metric=metrics, interval=True)


def _measured(performance: pd.DataFrame, designs: Sequence[str]) -> pd.DataFrame:
    """Return the inputs and some designs, once for each condition of the training inputs."""
    parts = []
    for crossed, words in CONDITIONS.items():
        names = {f"{name}{CROSS_FITTED if crossed else ''}" for name in designs}
        own = performance[performance["network"].isin(names)]
        if len(own):
            inputs = performance[performance["network"] == "input"].assign(network="Input")
            named = own.assign(network=[_printed_name(name) for name in own["network"]])
            parts.append(pd.concat([inputs, named]).assign(dataset=words))
    return pd.concat(parts, ignore_index=True)


def _printed_name(network: str) -> str:
    """Return a network's name as the paper prints it."""
    return label_of(design_of(network)).capitalize()


def _joint(others: pd.DataFrame | None) -> pd.DataFrame:
    if others is None:
        return pd.DataFrame()
    own = others[others["network"].isin(JOINT)]
    several = own.groupby("network")["dataset"].transform("nunique") > 1
    words = own["network"].map(JOINT)
    given = own["dataset"].str.rpartition(", ")[2]
    return own.assign(network=words.where(~several, words + ", " + given), dataset=OTHERS)


def _dressed(table: Table, title: str, performance: pd.DataFrame) -> Table:
    """Give a table its title, and a word on what is measured."""
    entries = table.entries.rename(columns={"dataset": "numbers"})
    return replace(
        table,
        entries=entries,
        rows=("numbers", "network"),
        title=title,
        notes=(*table.notes[:-1], f"n = {_listed(entries['n'])} samples.", *_seeds(performance)),
        stacked=True,
    )


def _seeds(performance: pd.DataFrame) -> Iterator[str]:
    if "seeds" in performance:
        own = performance[performance["network"].map(design_of).isin(GROUPS)]
        yield (
            "In-sample, cross-fitted: measured, by how the inputs of the training were predicted: "
            f"mean over {_listed(own['seeds'].dropna())} trainings, with the interval "
            "over trainings and images; inputs and other networks: one training, over images."
        )


def _listed(numbers: pd.Series) -> str:
    return " or ".join(str(int(number)) for number in sorted(numbers.unique()))
