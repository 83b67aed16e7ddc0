"""The figures and tables of the sweep (reports/sweep), each where the tables that it needs are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from experiments.figures.paper_tables import paper_tables
from experiments.figures.performance import draw_figure7, draw_figure8
from experiments.publishing.files import Output
from experiments.publishing.studies import MUTE, Study, depth_words, read_study
from experiments.publishing.variants import (
    CROSS_FITTED,
    PAPER,
    by_design,
    design_of,
    label_of,
    mean_influence,
    mean_performance,
    variant_inks,
)
from influence.display.plots.interactions import draw_interactions
from influence.display.plots.matrix import draw_matrix
from influence.display.plots.mutes import draw_mutes
from influence.display.plots.seeds import draw_seeds
from influence.display.plots.slices import draw_slices
from influence.display.plots.style import Ink
from influence.display.table import Table
from influence.results.tables import read_table

__all__ = ["Sweep", "read_sweep", "sweep_tables", "write_sweep"]

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
