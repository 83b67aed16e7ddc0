"""The figures and tables of a study, from the CSVs that its folder in `reports/` keeps.

The joint refinement networks are named by design, and look the same in every figure. Figures and
tables of the sweep have one row a network, the mean over its trainings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.publishing.files import Output, write_csv
from influence.display.plots.interactions import draw_interactions
from influence.display.plots.mutes import draw_mutes
from influence.display.plots.performance import draw_performance
from influence.display.plots.slices import draw_slices
from influence.display.plots.style import Ink
from influence.display.table import Table
from influence.display.tables.interactions import interactions_table
from influence.display.tables.omega import mutes_table, omega_table
from influence.display.tables.performance import class_table, performance_table
from influence.results.tables import read_table, read_tables
from influence.results.verdict import verdicts

__all__ = [
    "CROSS_FITTED",
    "GROUPS",
    "MUTE",
    "PAPER",
    "STUDY_FIGURES",
    "STUDY_TABLES",
    "Study",
    "by_design",
    "depth_words",
    "design_of",
    "in_order",
    "ink_of",
    "label_of",
    "mean_influence",
    "mean_performance",
    "paper_metrics",
    "read_study",
    "variant_inks",
    "write_figures",
    "write_tables",
    "write_verdicts",
]

PREFIX, CROSS_FITTED = "jrn-", "-crossfit"

GROUPS = {
    "jrn-cat60": "loose",
    "jrn-sum60": "coupled",
    "jrn-cat10": "loose",
    "jrn-cat5": "coupled",
    "jrn-cat1": "coupled",
}
"""Network -> its computation (Sec. III-B of arXiv 1702.08009), in the order of Table I."""

PAPER = tuple(GROUPS)
MARKERS = {"loose": "o", "coupled": "s"}
COLOURS = dict(zip(PAPER, ("#0173b2", "#d55e00", "#029e73", "#de8f05", "#cc78bc"), strict=True))
OTHER = Ink("0.55", "D")
"""Of designs that the paper does not have: their names stand beside them."""


def design_of(network: str) -> str:
    """Return the network of the paper's condition that has the same design."""
    return network.removesuffix(CROSS_FITTED)


def ink_of(network: str) -> Ink:
    """Return a network's look: a colour a design, a marker a group, hollow if cross-fitted."""
    design = design_of(network)
    if design not in COLOURS:
        return Ink(OTHER.colour, OTHER.marker, filled=design == network)
    return Ink(COLOURS[design], MARKERS[GROUPS[design]], filled=design == network)


def variant_inks(networks: Iterable[str]) -> dict[str, Ink]:
    """Return the look of each network."""
    return {network: ink_of(network) for network in networks}


def label_of(network: str) -> str:
    """Return a network's name as figures write it."""
    words = " cross-fitted" if network != design_of(network) else ""
    return design_of(network).removeprefix(PREFIX) + words


NO_SEED = float("nan")
NOT_OF_MEANS = ["full", "muted", "p_value", "p_holm", "checkpoint_sha256"]


def by_design(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by design, those of the paper first, each in-sample and then cross-fitted."""
    designs = dict.fromkeys([*PAPER, *map(design_of, frame["network"])])
    place = {design: place for place, design in enumerate(designs)}
    key = [2 * place[design_of(x)] + x.endswith(CROSS_FITTED) for x in frame["network"]]
    return frame.iloc[np.argsort(key, kind="stable")].reset_index(drop=True)


def mean_influence(influence: pd.DataFrame, seeds: pd.DataFrame) -> pd.DataFrame:
    """Return the mean omega of each network, in those columns of `influence.csv` that means have.

    Parameters
    ----------
    influence : frame with the columns of `influence.csv`.
    seeds : frame from `influence.analysis.seeds.aggregate_seeds`.

    Returns
    -------
    DataFrame
        Networks with several seeds: their mean, with the interval over trainings and images. Those
        with one: what it gives, with the interval over images. `seed` is missing everywhere.
    """
    several = seeds[seeds["seeds"] > 1].rename(columns={"low": "omega_low", "high": "omega_high"})
    return _together(influence, several)


def mean_performance(performance: pd.DataFrame, seeds: pd.DataFrame) -> pd.DataFrame:
    """Return the mean performance of each network with nothing muted; see `mean_influence`.

    Parameters
    ----------
    performance : frame with the columns of `performance.csv`.
    seeds : frame with the columns of `performance_seeds.csv` (reports/sweep).
    """
    several = seeds[seeds["seeds"] > 1].assign(mute="none")
    return _together(performance[performance["setup"].isin(several["setup"])], several)


def _together(frame: pd.DataFrame, several: pd.DataFrame) -> pd.DataFrame:
    alone = frame[~frame["network"].isin(several["network"])]
    both = pd.concat([several, alone], ignore_index=True).assign(seed=NO_SEED)
    return by_design(both.drop(columns=NOT_OF_MEANS, errors="ignore"))


MUTE = "shuffle"
"""Of figures that show one mute, where it was measured: its values are real ones."""

TABLE_I = (
    "abs_rel", "sqr_rel", "log10", "rms", "rms_log", "delta_1", "delta_2", "delta_3",
    "mean_iou", "pixel_accuracy",
)  # fmt: skip


@dataclass(frozen=True)
class Study:
    """The tables of one study, networks in the order of Table I.

    Parameters
    ----------
    influence
        The table `influence.csv`.
    performance
        The table `performance.csv`. The single-task predictions come first, as a network called
        `input`, where `inputs.csv` gives them.
    distance, interactions
        The tables `distance.csv` and `interactions.csv`; empty for printed numbers.
    """

    influence: pd.DataFrame
    performance: pd.DataFrame
    distance: pd.DataFrame
    interactions: pd.DataFrame


def read_study(folder: Path) -> Study:
    """Read a study from its folder.

    Raises
    ------
    InfluenceError
        If it has not been measured, or a table is not one of a run.
    """
    performance = read_tables([folder], "performance")
    if (folder / "inputs.csv").exists():
        inputs = read_table(folder / "inputs.csv", "performance")
        performance = pd.concat([inputs, performance], ignore_index=True)
    distance, interactions = (
        read_tables([folder], name, optional=True) for name in ("distance", "interactions")
    )
    return Study(
        in_order(read_tables([folder], "influence")),
        in_order(performance),
        in_order(distance),
        in_order(interactions),
    )


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by network as in Table I, others after it; otherwise the order stays."""
    if frame.empty:
        return frame
    places = {network: place for place, network in enumerate(["input", *GROUPS])}
    place = frame["network"].map(lambda network: places.get(network, len(places)))
    return frame.iloc[place.argsort(kind="stable")].reset_index(drop=True)


def paper_metrics(performance: pd.DataFrame) -> list[str]:
    """Return the metrics of Table I that a frame has, in its order, or all if it has none."""
    present = set(performance["metric"])
    return [metric for metric in TABLE_I if metric in present] or sorted(present)


STUDY_TABLES: Mapping[str, Callable[[Study], Table]] = {
    "omega": lambda study: omega_table(study.influence),
    "mutes": lambda study: mutes_table(study.influence, distance=study.distance),
    "interactions": lambda study: interactions_table(study.interactions),
    "table1": lambda study: performance_table(
        study.performance, metric=paper_metrics(study.performance)
    ),
    "table3": lambda study: class_table(study.performance),
}
"""Name of the file -> the table that it holds."""


def _figure7(study: Study) -> Figure:
    networks = set(study.influence["network"])
    groups = {network: group for network, group in GROUPS.items() if network in networks}
    inks = variant_inks(networks)
    return draw_performance(study.influence, study.performance, groups=groups, ink_of=inks)


def _mutes(study: Study) -> Figure | None:
    if study.influence["mute"].nunique() < 2:
        return None
    return draw_mutes(study.influence, distance=study.distance)


def _slices(study: Study) -> Figure | None:
    influence = study.influence
    if not influence["level"].str.contains(":").any():
        return None
    inks, words = variant_inks(influence["network"]), depth_words(influence["level"])
    return draw_slices(influence, mute=_shown(influence), ink_of=inks, words=words)


def _interactions(study: Study) -> Figure | None:
    if study.interactions.empty:
        return None
    return draw_interactions(study.interactions, mute=_shown(study.interactions))


def _shown(frame: pd.DataFrame) -> str | None:
    return MUTE if MUTE in set(frame["mute"]) else None


STUDY_FIGURES: Mapping[str, Callable[[Study], Figure | None]] = {
    "figure7": _figure7,
    "mutes": _mutes,
    "slices": _slices,
    "interactions": _interactions,
}
"""Name of the file -> what draws it; None if the study does not have the numbers."""


def depth_words(levels: pd.Series) -> dict[str, str]:
    """Name bins of depth with their unit."""
    words = {}
    for level in levels.unique():
        if found := re.fullmatch(r"depth:([\d.]+)-([\d.]+|inf)", level):
            low, high = found.groups()
            words[level] = f"depth over {low} m" if high == "inf" else f"depth {low}–{high} m"
    return words


def write_figures(study: Study, folder: Path, output: Output) -> Iterator[Path]:
    """Write the figures of a study that can be drawn from what was measured."""
    for stem, draw in STUDY_FIGURES.items():
        yield from output.figure(folder, stem, partial(draw, study))


def write_tables(study: Study, folder: Path, output: Output) -> Iterator[Path]:
    """Write the tables of a study."""
    for stem, make in STUDY_TABLES.items():
        yield from output.table(folder, stem, make(study))


def write_verdicts(study: Study, folder: Path) -> Path:
    """Write the verdict on each direction and metric, by all mutes, into `verdicts.csv`."""
    return write_csv(verdicts(study.influence), folder / "verdicts.csv", digits=6)
