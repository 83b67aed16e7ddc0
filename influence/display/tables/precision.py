"""Tables of how precise omegas are: over the seeds of a network, and by the number of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from influence.display.notation import direction_heading, run_columns
from influence.display.table import Heading, Table, make_cells, make_table, omega_cells
from influence.results.selection import choose

__all__ = ["power_table", "seeds_table"]

MEAN: Heading = ("", "ω, mean over seeds")
COUNT: Heading = ("", "seeds")
SPREADS: Mapping[str, Heading] = {
    "seed_sd": ("sd", "between seeds"),
    "training_sd": ("sd", "by training"),
    "test_error": ("standard error", "by samples"),
    "standard_error": ("standard error", "in all"),
}
"""Column of the frame of seeds -> its heading."""

PLANNED: Mapping[str, Heading] = {
    "omega": ("measured", "ω"),
    "standard_error": ("measured", "standard error"),
    "detectable": ("", "smallest detectable ω"),
    "wished": ("", "wished ω"),
}
"""Column of the frame of `influence.analysis.power.plan_samples` -> its heading."""

FEW = 20
"""Fewer units than these are too few for the normal approximation."""


def seeds_table(
    seeds: pd.DataFrame,
    *,
    metric: Sequence[str] = (),
    mute: Sequence[str] = (),
    level: str = "all",
    interval: bool = True,
) -> Table:
    """Tabulate the mean over the seeds of each network: one row per direction and mute.

    Parameters
    ----------
    seeds
        Frame from `influence.analysis.seeds.aggregate_seeds`.
    metric, mute, level
        The results that are shown, as `influence.results.selection.choose` takes them: by default
        one metric per target, under all mutes, at the level `all`.
    interval
        Whether the means show their interval.

    Raises
    ------
    InfluenceError
        If a name is unknown.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": "a", "dataset": "d", "mute": ["zero"], "source": "depth",
    ...     "target": "semantic", "metric": "mean_iou", "level": "all", "higher_is_better": True,
    ...     "unit": "", "seeds": 5, "omega": 0.02, "seed_sd": 0.01, "training_variance": 0.0001,
    ...     "test_variance": 0.0004, "standard_error": 0.02, "low": -0.02, "high": 0.06,
    ...     "confidence": 0.95, "basis": "rows", "n": 654})
    >>> from influence.display.table import format_table
    >>> print(*format_table(seeds_table(frame), "text").splitlines()[4].split())
    a depth → semantic: mean IoU, % zero 5 2.00 [-2.00, 6.00] 1.00 1.00 2.00 2.00
    """
    chosen = choose(seeds, metric=metric, mute=mute, level=level)
    chosen = chosen.assign(
        direction=[direction_heading(row) for row in chosen.itertuples()],
        training_sd=np.sqrt(chosen["training_variance"].clip(lower=0)),
        test_error=np.sqrt(chosen["test_variance"]),
    )
    cells = [
        make_cells(chosen, COUNT, chosen["seeds"].astype(float), digits=0),
        omega_cells(chosen, MEAN, "omega", "low", "high"),
        *(omega_cells(chosen, heading, column) for column, heading in SPREADS.items()),
    ]
    datasets = ("dataset",) if chosen["dataset"].nunique() > 1 else ()
    return make_table(
        cells,
        ("network", *datasets, "direction", "mute"),
        "Cross-modality influence ω over seeds",
        _seeds_notes(chosen),
        interval=interval,
        headings=(COUNT, MEAN, *SPREADS.values()),
    )


def _seeds_notes(chosen: pd.DataFrame) -> list[str]:
    notes = [
        "ω(source → target) = A(nothing muted) − A(source muted), mean over the trainings, in the "
        "unit behind the direction. sd: standard deviation between the seeds, and that of it which "
        "is by training, freed of what the samples add. Standard error: of the mean, by the choice "
        "of samples, and in all, by samples and trainings, to which the interval belongs."
    ]
    if (chosen["seeds"] < 2).any():
        notes.append("One seed alone says nothing of training: it has no interval here.")
    if (chosen["basis"] != "rows").any():
        notes.append(
            "Without rows.h5 the standard errors come from the intervals, all seeds are taken to "
            "share what the samples add, and what is left is put down to training."
        )
    return notes


def power_table(
    power: pd.DataFrame,
    *,
    metric: Sequence[str] = (),
    mute: Sequence[str] = (),
    level: str = "all",
) -> Table:
    """Tabulate the smallest omega that samples can detect, and how many samples an omega needs.

    Parameters
    ----------
    power
        Frame from `influence.analysis.power.plan_samples`.
    metric, mute, level
        The results that are shown, as `influence.results.selection.choose` takes them: by default
        one metric per target, under all mutes, at the level `all`.

    Raises
    ------
    InfluenceError
        If a name is unknown, or two rows claim the same cell.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": ["a"], "seed": 0, "dataset": "d", "mute": "zero", "source": "depth",
    ...     "target": "semantic", "metric": "mean_iou", "level": "all", "higher_is_better": True,
    ...     "unit": "", "omega": 0.02, "standard_error": 0.01, "units": 100, "alpha": 0.05,
    ...     "power": 0.8, "planned": 400, "detectable": 0.014, "wished": 0.02, "needed": 197.0,
    ...     "basis": "rows", "n": 100})
    >>> from influence.display.table import format_table
    >>> print(*format_table(power_table(frame), "text").splitlines()[4].split())
    a depth → semantic: mean IoU, % zero 2.00 1.00 1.40 2.00 197
    """
    chosen = choose(power, metric=metric, mute=mute, level=level)
    chosen = chosen.assign(direction=[direction_heading(row) for row in chosen.itertuples()])
    needed = chosen["needed"].replace(np.inf, np.nan)
    cells = [
        *(omega_cells(chosen, heading, column) for column, heading in PLANNED.items()),
        make_cells(chosen, ("", "n needed"), needed, digits=0),
    ]
    rows = (*run_columns(chosen), "direction", "mute")
    title = "What samples can detect"
    return make_table(cells, rows, title, _power_notes(chosen), interval=False)


def _power_notes(chosen: pd.DataFrame) -> list[str]:
    first = chosen.iloc[0]
    planned = " or ".join(str(count) for count in chosen["planned"].unique())
    wished = "ω as large as measured" if (chosen["wished"] == chosen["omega"]).all() else "that ω"
    notes = [
        f"Two-sided test at level {first['alpha']:g}, power {first['power']:.0%}, normal "
        f"approximation. Detectable: by {planned} samples. n needed: for {wished}."
    ]
    if (chosen["units"] != chosen["n"]).any():
        sizes = (chosen["n"] / chosen["units"]).map(lambda size: f"{size:.3g}").unique()
        notes.append(
            f"Samples are drawn by {' or '.join(sizes)} (groups, pairs of a shuffle); those of the "
            "next measurement are taken to be, too."
        )
    if (chosen["needed"] * chosen["units"] < FEW * chosen["n"]).any():
        notes.append(f"Below about {FEW} that are drawn alone, the approximation is too hopeful.")
    if (chosen["basis"] != "rows").any():
        notes.append(
            "Without rows.h5 the standard errors come from the intervals, as if each sample were "
            "its own group."
        )
    return notes
