"""The figures and tables of a study, from the CSVs that its folder in `reports/` keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from influence.files import replace_on_success
from influence.plots.mutes import draw_mutes
from influence.plots.performance import draw_performance
from influence.plots.style import FORMATS, save_figure
from influence.results import read_table
from influence.run_tables import read_tables
from influence.table_formats import Table, format_table
from influence.tables import (
    class_table,
    interactions_table,
    mutes_table,
    omega_table,
    performance_table,
)
from influence.verdict import verdicts

__all__ = [
    "GROUPS",
    "STUDY_TABLES",
    "Study",
    "in_order",
    "paper_metrics",
    "read_study",
    "write_figure7",
    "write_mutes_figure",
    "write_table",
    "write_verdicts",
]

GROUPS = {
    "jrn-cat60": "loose",
    "jrn-sum60": "coupled",
    "jrn-cat10": "loose",
    "jrn-cat5": "coupled",
    "jrn-cat1": "coupled",
}
"""Network -> its computation (Sec. III-B of arXiv 1702.08009), in the order of Table I."""

TABLE_I = (
    "abs_rel", "sqr_rel", "log10", "rms", "rms_log", "delta_1", "delta_2", "delta_3",
    "mean_iou", "pixel_accuracy",
)  # fmt: skip


@dataclass(frozen=True)
class Study:
    """The tables of one study, networks in the order of Table I.

    Parameters
    ----------
    influence : frame with the columns of `influence.csv`.
    performance : frame with the columns of `performance.csv`. The single-task predictions come
        first, as a network called `input`, where `inputs.csv` gives them.
    distance : frame with the columns of `distance.csv`; empty for printed numbers.
    interactions : frame with the columns of `interactions.csv`; empty for printed numbers.
    """

    influence: pd.DataFrame
    performance: pd.DataFrame
    distance: pd.DataFrame
    interactions: pd.DataFrame


def read_study(folder: Path) -> Study | None:
    """Read a study from its folder; None if it has not been measured yet.

    Raises
    ------
    InfluenceError
        If only one of its tables is there, or one is not a table of a run.
    """
    if not any((folder / f"{name}.csv").exists() for name in ("influence", "performance")):
        return None
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
    """Sort rows by network as in Table I, others after it; otherwise the order stays.

    Examples
    --------
    >>> list(in_order(pd.DataFrame({"network": ["jrn-cat1", "mine", "jrn-cat60"]}))["network"])
    ['jrn-cat60', 'jrn-cat1', 'mine']
    """
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


def write_figure7(study: Study, folder: Path) -> Iterator[Path]:
    """Draw performance against influence; yield the files as they are written."""
    networks = set(study.influence["network"])
    groups = {network: group for network, group in GROUPS.items() if network in networks}
    figure = draw_performance(study.influence, study.performance, groups=groups)
    yield from _save(figure, folder, "figure7")


def write_mutes_figure(study: Study, folder: Path) -> Iterator[Path]:
    """Draw omega under every mute; yield the files as they are written."""
    yield from _save(draw_mutes(study.influence, distance=study.distance), folder, "mutes")


def _save(figure: Figure, folder: Path, stem: str) -> Iterator[Path]:
    for suffix in FORMATS:
        path = folder / f"{stem}.{suffix}"
        save_figure(figure, path)
        yield path


def write_verdicts(study: Study, folder: Path) -> Path:
    """Write the verdict on each direction and metric, by all mutes, into `verdicts.csv`."""
    path = folder / "verdicts.csv"
    with replace_on_success(path) as aside:
        found = verdicts(study.influence)
        found.to_csv(aside, index=False, float_format="%.6g", lineterminator="\n")
    return path


def write_table(table: Table, path: Path) -> Path:
    """Write a table in the format of the suffix of `path`."""
    with replace_on_success(path) as aside:
        aside.write_text(format_table(table, path.suffix.removeprefix(".")), encoding="utf-8")
    return path
