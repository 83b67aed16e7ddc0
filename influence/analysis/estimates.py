"""Estimates: the omegas of runs, with their standard errors and covariances over samples.

If a run has its rows, the standard error is that of the bootstrap draws. From a table alone it is
computed from the ends of the interval, assuming normal draws and independent samples; covariances
are then unknown.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from influence.analysis.omega import Subject, list_cells, make_table
from influence.analysis.stored_run import find_subjects, read_measured, tabled_conditions
from influence.metrics.registry import Wanted
from influence.results.run_directory import Run, read_run
from influence.results.selection import named
from influence.results.tables import check_values, read_tables
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import Rows, match_samples

__all__ = ["CELL", "Estimates", "estimate_runs", "estimate_table", "read_estimates"]

Array = NDArray[np.float64]

CELL = (
    "network", "seed", "dataset", "mute", "source", "target", "metric", "level",
    "higher_is_better", "unit",
)  # fmt: skip
"""The columns that identify an omega, with its direction and unit."""


@dataclass(frozen=True)
class Estimates:
    """Omegas, their standard errors and their draws.

    Parameters
    ----------
    cells
        A frame with a row for each omega and the columns `CELL`, `omega`, `standard_error`,
        `confidence`, `n`, `units` (the number of independent samples or groups) and `basis`
        (`rows` or `intervals`).
    drawn
        The omegas in every bootstrap draw, (draws, cells); `None` without rows. Networks of the
        same name on the same data share their draws.
    """

    cells: pd.DataFrame
    drawn: Array | None = None

    def covariance(self, indices: Sequence[int]) -> Array:
        """Return the covariance (cells, cells) of the omegas of some cells over sets of samples.

        Draws in which an omega is not defined are left out. An omega that is infinite in a draw has
        no variance, which is NaN then.

        Without draws all correlations are assumed to be one, so that no difference between cells is
        attributed to the samples.
        """
        errors = self.cells["standard_error"].to_numpy(np.float64)[list(indices)]
        if self.drawn is None:
            return np.outer(errors, errors)
        drawn = self.drawn[:, list(indices)]
        infinite: NDArray[np.bool_] = np.asarray(np.isinf(drawn).any(axis=0))
        drawn = np.where(infinite, 0.0, drawn)
        drawn = drawn[~np.isnan(drawn).any(axis=1)]
        units = int(self.cells["units"].iloc[indices[0]])
        if units < 2 or len(drawn) < 2:
            return np.full((len(indices), len(indices)), np.nan)
        found = np.atleast_2d(np.cov(drawn, rowvar=False)) * units / (units - 1)
        return np.where(infinite | infinite[:, None], np.nan, found)


def read_estimates(
    directories: Iterable[str | os.PathLike[str]], metrics: Sequence[Wanted] = ()
) -> Estimates:
    """Read the omegas of run directories, with standard errors from rows if all have them.

    Parameters
    ----------
    directories
        Directories of runs, or of a report that has only their tables.
    metrics
        The metrics to keep: names, or ``module:name`` of metrics that are not the library's; by
        default all.

    Raises
    ------
    InfluenceError
        If a file is missing or is not what `measure` writes.
    """
    paths = [Path(directory) for directory in directories]
    if all((path / "rows.h5").exists() for path in paths):
        return estimate_runs([read_run(path, rows=True) for path in paths], metrics)
    names = [str(metric).rpartition(":")[2] for metric in metrics]
    return estimate_table(named(read_tables(paths, "influence"), "metric", names))


def estimate_table(influence: pd.DataFrame) -> Estimates:
    """Compute standard errors from the intervals of a table.

    An interval reaches t standard errors to each side, with t the quantile of Student's
    distribution with n - 1 degrees of freedom (see `influence.statistics.bootstrap`).

    Parameters
    ----------
    influence
        A frame with the columns of `influence.csv`.

    Examples
    --------
    >>> t = float(stats.t.ppf(0.975, 99))
    >>> row = dict.fromkeys(CELL, "a") | {"omega": 1.0, "confidence": 0.95, "n": 100}
    >>> frame = pd.DataFrame([row | {"omega_low": 1 - 0.2 * t, "omega_high": 1 + 0.2 * t}])
    >>> float(estimate_table(frame).cells["standard_error"].round(9).iloc[0])
    0.2
    """
    check_values(influence)
    half = (influence["omega_high"] - influence["omega_low"]) / 2
    reach = stats.t.ppf((1 + influence["confidence"]) / 2, influence["n"] - 1)
    cells = influence[[*CELL, "omega", "confidence", "n"]].assign(
        standard_error=half / reach, units=influence["n"], basis="intervals"
    )
    return Estimates(cells.reset_index(drop=True))


def estimate_runs(runs: Sequence[Run], metrics: Sequence[Wanted] = ()) -> Estimates:
    """Compute standard errors and draws of the omegas of runs from their rows.

    Parameters
    ----------
    runs
        Runs with their rows. Networks of one name on one data set must have the same samples.
    metrics
        The metrics to keep: names, ``module:name`` or records; by default all.

    Raises
    ------
    InfluenceError
        If a run has no rows, or the samples are not the same.
    """
    resampling = read_measured(runs[0]).resampling
    first: dict[tuple[str, str], Rows] = {}
    found = []
    for run in runs:
        subjects = find_subjects(run, metrics)
        for key, subject in subjects.items():
            like = first.setdefault((subject.network, subject.dataset), run.rows[key])
            found.append(_draw(match_samples(run.rows[key], like), subject, resampling, run))
    cells, drawn = zip(*found, strict=True)
    return Estimates(pd.concat(cells, ignore_index=True), np.concatenate(drawn, axis=1))


def _draw(
    rows: Rows, subject: Subject, resampling: Resampling, run: Run
) -> tuple[pd.DataFrame, Array]:
    """Return the cells of one network, and their omegas in every draw, (draws, cells)."""
    sums = resampling.sums(rows)
    found = []
    for cell in list_cells(sums, subject, tabled_conditions(run, sums.conditions())):
        omega, drawn = (cell.gain(*side(cell.key)) for side in (sums.observed, sums.resampled))
        found.append((cell, omega, drawn))
    together = np.concatenate([np.empty((resampling.draws, 0)), *(d for _, _, d in found)], axis=1)
    infinite = np.isinf(together).any(axis=0)  # these have no standard error
    spread = pd.DataFrame(np.where(infinite, np.nan, together)).std().to_numpy()
    omegas = ((cell, {"omega": omega}) for cell, omega, _ in found)
    cells = make_table(omegas, subject, [*CELL, "omega"]).assign(
        standard_error=spread * np.sqrt(sums.groups / (sums.groups - 1))
        if sums.groups > 1
        else np.nan,
        confidence=resampling.confidence,
        n=sums.n,
        units=sums.groups,
        basis="rows",
    )
    return cells, together
