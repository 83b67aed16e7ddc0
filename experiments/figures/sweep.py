"""The figures and tables of the sweep (reports/sweep), each where the tables that it needs are.

Tables I, II and III of arXiv 1702.08009 have printed rows above measured ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from experiments.figures.performance import draw_figure7, draw_figure8
from experiments.publishing.files import Output
from experiments.publishing.published import DEPTH, PRINTED, SEMANTIC, printed_rows
from experiments.publishing.studies import (
    CROSS_FITTED,
    GROUPS,
    MUTE,
    PAPER,
    Study,
    by_design,
    depth_words,
    design_of,
    label_of,
    mean_influence,
    mean_performance,
    read_study,
    variant_inks,
)
from influence.display.plots.interactions import draw_interactions
from influence.display.plots.matrix import draw_matrix
from influence.display.plots.mutes import draw_mutes
from influence.display.plots.seeds import draw_seeds
from influence.display.plots.slices import draw_slices
from influence.display.plots.style import Ink
from influence.display.table import Table
from influence.display.tables.performance import class_table, performance_table
from influence.results.tables import read_table

__all__ = ["Sweep", "paper_tables", "read_sweep", "sweep_tables", "write_sweep"]

CONDITIONS = {False: "in-sample", True: "cross-fitted"}
OTHERS = "other networks"
DIGITS = {"depth": 3, "semantic": 2}
"""Decimals of measured values: no more than their intervals bear."""
CHOSEN = "jrn-sum60"
JOINT = {"fcrn-joint": "FCRN-joint", "hybridnet": "HybridNet", "ccam": "CCAM"}
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
        One row a network, from `experiments.publishing.studies`, with that of the inputs as a
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
        notes=(*table.notes[:-1], f"n = {_listed(entries['n'])} samples.", *_trained(performance)),
        stacked=True,
    )


def _trained(performance: pd.DataFrame) -> Iterator[str]:
    if "seeds" in performance:
        own = performance[performance["network"].map(design_of).isin(GROUPS)]
        yield (
            "In-sample, cross-fitted: measured, by how the inputs of the training were predicted: "
            f"mean over {_listed(own['seeds'].dropna())} trainings, with the interval "
            "over trainings and images; inputs and other networks: one training, over images."
        )


def _listed(numbers: pd.Series) -> str:
    return " or ".join(str(int(number)) for number in sorted(numbers.unique()))


TABLES = ("seeds", "performance_seeds", "interactions_seeds", "curves", "hull")


@dataclass(frozen=True)
class Sweep:
    """What the figures and tables are made of.

    Parameters
    ----------
    folder
        Of the sweep's tables; those of the printed numbers and of the networks of different build
        lie beside it.
    published
        The printed numbers.
    measured
        One row a training.
    tables
        Name -> frame, those of `TABLES` that are there.
    """

    folder: Path
    published: Study
    measured: Study
    tables: Mapping[str, pd.DataFrame]

    @cached_property
    def influence(self) -> pd.DataFrame:
        """The mean omega of each network."""
        return mean_influence(self.measured.influence, self.tables["seeds"])

    @cached_property
    def performance(self) -> pd.DataFrame:
        """The mean performance of each network with nothing muted."""
        return mean_performance(self.measured.performance, self.tables["performance_seeds"])


def read_sweep(reports: Path) -> Sweep:
    """Read the tables of the sweep and the printed numbers."""
    folder = reports / "sweep"
    present = {name: folder / f"{name}.csv" for name in TABLES}
    tables = {name: pd.read_csv(path) for name, path in present.items() if path.is_file()}
    return Sweep(folder, read_study(reports / "published"), read_study(folder), tables)


def write_sweep(sweep: Sweep, output: Output) -> Iterator[Path | str]:
    """Write figures and tables; yield each file, or a line that says why one is left out."""
    for stem, (needed, draw) in FIGURES.items():
        if lacking := [name for name in needed if name not in sweep.tables]:
            yield f"left out {sweep.folder / stem}: no {lacking[0]}.csv there"
            continue
        yield from output.figure(sweep.folder, stem, partial(draw, sweep))
    for name, table in sweep_tables(sweep).items():
        yield from output.table(sweep.folder, name, table)


def sweep_tables(sweep: Sweep) -> dict[str, Table]:
    """Return Tables I, II and III of the paper with measured rows, if seeds were put together."""
    if not {"seeds", "performance_seeds"} <= sweep.tables.keys():
        return {}
    networks = sweep.folder.parent / "networks" / "performance.csv"
    others = read_table(networks, "performance") if networks.exists() else None
    return paper_tables(sweep.folder.parent / "published", sweep.performance, others)


def _of_paper(frame: pd.DataFrame, *, crossed: bool = True) -> pd.DataFrame:
    """Keep the paper's designs, named as figures name them; by default under both conditions."""
    own = frame[frame["network"].map(design_of).isin(PAPER)]
    return _named(own if crossed else own[~own["network"].str.endswith(CROSS_FITTED)])


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    ordered = by_design(frame)
    return ordered.assign(network=ordered["network"].map(label_of))


def _inks(frame: pd.DataFrame) -> dict[str, Ink]:
    return {label_of(network): ink for network, ink in variant_inks(frame["network"]).items()}


def _figure7(sweep: Sweep) -> Figure:
    return draw_figure7(sweep.published, sweep.influence, sweep.performance)


def _figure8(mute: str, sweep: Sweep) -> Figure:
    curves, hull = sweep.tables["curves"], sweep.tables["hull"]
    return draw_figure8(sweep.published, sweep.measured, curves, hull, mute=mute)


def _matrix(sweep: Sweep) -> Figure:
    return draw_matrix(_named(sweep.influence), mute=MUTE)


def _mutes(sweep: Sweep) -> Figure:
    distance = sweep.measured.distance
    if len(distance):
        distance = _of_paper(distance.assign(seed=float("nan")))
    return draw_mutes(_of_paper(sweep.influence), distance=distance)


def _interactions(sweep: Sweep) -> Figure:
    means = sweep.tables["interactions_seeds"].assign(seed=float("nan"))
    return draw_interactions(_of_paper(means, crossed=False), mute=MUTE)


def _slices(sweep: Sweep) -> Figure:
    influence = sweep.influence
    words = depth_words(influence["level"])
    inks = _inks(influence)
    return draw_slices(_of_paper(influence, crossed=False), mute=MUTE, ink_of=inks, words=words)


def _seeds(sweep: Sweep) -> Figure:
    seeds, influence = sweep.tables["seeds"], sweep.measured.influence
    return draw_seeds(_of_paper(influence), _of_paper(seeds), mute=MUTE, ink_of=_inks(influence))


FIGURES: Mapping[str, tuple[tuple[str, ...], Callable[[Sweep], Figure]]] = {
    "figure7": (("seeds", "performance_seeds"), _figure7),
    "figure8": (("curves", "hull"), partial(_figure8, "zero")),
    "figure8_shuffle": (("curves", "hull"), partial(_figure8, "shuffle")),
    "matrix": (("seeds",), _matrix),
    "mutes": (("seeds",), _mutes),
    "interactions": (("interactions_seeds",), _interactions),
    "slices": (("seeds",), _slices),
    "seeds": (("seeds",), _seeds),
}
"""Name of the file -> the tables that it needs besides those of a study, and what draws it."""
