"""Omega: what an output loses when a source is muted (arXiv 1702.08009, eqs. 2 and 3).

omega(Y -> X') = A_X(f(X, Y)) - A_X(f(X)), turned so that positive always means that the source
helps the target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.bootstrap import Resampling, holm
from influence.edges import is_edge
from influence.metrics import Metric, Scorer
from influence.results import INFLUENCE_COLUMNS, PERFORMANCE_COLUMNS, SAMPLES_COLUMNS
from influence.rows import NO_MUTE, Condition, RowKey, Rows
from influence.setups import FULL, setup_name
from influence.sums import Sums

__all__ = [
    "Cell",
    "Subject",
    "adjusted",
    "influence_frame",
    "influence_record",
    "list_cells",
    "muting_one",
    "performance_frame",
    "performance_record",
    "samples_frame",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """What the rows of one network are about: names, units, classes for the tables."""

    network: str
    seed: int | None
    dataset: str
    modalities: tuple[str, ...]
    metrics: Mapping[str, Sequence[Metric]]
    classes: Mapping[str, Sequence[str]]
    units: Mapping[str, str]
    checkpoint_sha256: str = ""
    missing: Mapping[str, str] = dataclass_field(default_factory=dict)
    scorers: Mapping[str, Sequence[Scorer]] = dataclass_field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """Return the first columns of every table."""
        return {"network": self.network, "seed": self.seed, "dataset": self.dataset}

    def scored(self) -> Iterator[tuple[str, Metric]]:
        """List every output with every one of its metrics."""
        for output, metrics in self.metrics.items():
            for metric in metrics:
                yield output, metric

    def unit(self, output: str, metric: Metric | Scorer) -> str:
        """Return the unit of a metric of an output."""
        own = self.units.get(output, "")
        return metric.unit.replace("{unit}", own) if own or "{" not in metric.unit else ""

    def class_levels(self, output: str, count: int) -> list[str]:
        """Name the levels of so many classes of an output."""
        classes = self.classes.get(output) or range(count)
        return [f"class:{classes[i]}" for i in range(count)]


@dataclass(frozen=True)
class Cell:
    """One metric of one output under one condition: at a level, or as a whole and at each class."""

    key: RowKey
    metric: Metric
    levels: Sequence[str]

    def values(self, sums: Array) -> Array:
        """Apply the formula to sums (..., k): the values (..., levels)."""
        values = [self.metric.formula(sums)[..., None]]
        if len(self.levels) > 1:
            assert self.metric.per_class
            values.append(self.metric.per_class(sums))
        return np.concatenate(values, axis=-1)


def list_cells(sums: Sums, subject: Subject, condition: Condition, level: str) -> Iterator[Cell]:
    """List what is tabulated of a condition: every metric, at all levels that its rows have.

    Under another `level` than ``all`` there are no finer ones.
    """
    for output, metric in subject.scored():
        whole = RowKey(condition, output, metric.statistic.name)
        if level != "all":
            yield Cell(whole, metric, [level])
            continue
        count = metric.per_class(sums.totals[whole]).shape[-1] if metric.per_class else 0
        yield Cell(whole, metric, ["all", *subject.class_levels(output, count)])
        for slice_level in sums.slices(output, metric.statistic.name):
            yield Cell(whole._replace(level=slice_level), metric, [slice_level])


def performance_record(
    subject: Subject, condition: Condition, output: str, metric: Metric | Scorer, level: str
) -> dict[str, Any]:
    """Return what names a row of the performances."""
    return subject.identity() | {
        "mute": condition.mute,
        "setup": setup_name(condition.setup, subject.modalities),
        "target": output,
        "metric": metric.name,
        "level": level,
        "higher_is_better": metric.higher_is_better,
        "unit": subject.unit(output, metric),
    }


def influence_record(
    subject: Subject, condition: Condition, output: str, metric: Metric | Scorer, level: str
) -> dict[str, Any]:
    """Return what names a row of the influences; the condition mutes one site."""
    (source,) = condition.setup
    return subject.identity() | {
        "mute": condition.mute,
        "site": "edge" if is_edge(source) else "input",
        "source": source,
        "target": output,
        "metric": metric.name,
        "level": level,
        "higher_is_better": metric.higher_is_better,
        "unit": subject.unit(output, metric),
        "checkpoint_sha256": subject.checkpoint_sha256,
    }


def performance_frame(
    sums: Sums, subject: Subject, resampling: Resampling, *, level: str = "all"
) -> pd.DataFrame:
    """Tabulate every metric under every condition, with its interval.

    The full setup has one row a metric, with the mute ``none``.

    Parameters
    ----------
    sums
        Of all samples, or of some of them.
    subject
        What they are about.
    resampling
        How they were drawn.
    level
        What the samples are called where they are not all.
    """
    records = []
    for condition in sums.conditions():
        for cell in list_cells(sums, subject, condition, level):
            values = cell.values(sums.totals[cell.key])
            low, high = resampling.interval(cell.values(sums.drawn[cell.key]), sums.groups)
            for i, name in enumerate(cell.levels):
                records.append(
                    performance_record(subject, condition, cell.key.output, cell.metric, name)
                    | {
                        "value": values[i],
                        "low": low[i],
                        "high": high[i],
                        "confidence": resampling.confidence,
                        "n": sums.n,
                    }
                )
    return pd.DataFrame(records, columns=list(PERFORMANCE_COLUMNS))


def influence_frame(
    sums: Sums, subject: Subject, resampling: Resampling, *, level: str = "all"
) -> pd.DataFrame:
    """Tabulate omega for every mute, source, target, metric and level.

    Intervals come from the paired bootstrap, p-values from sign flips; see `adjusted` for Holm's
    adjustment. Change metrics have none. Parameters are those of `performance_frame`.
    """
    records = []
    for condition in muting_one(sums.conditions()):
        for cell in list_cells(sums, subject, condition, level):
            full, muted = (cell.values(side) for side in sums.observed(cell.key))
            omega, drawn, flipped = (
                cell.metric.oriented(cell.values(f) - cell.values(m))
                for f, m in (side(cell.key) for side in
                             (sums.observed, sums.resampled, sums.swapped))
            )  # fmt: skip
            low, high = resampling.interval(drawn, sums.groups)
            p_values = resampling.p_value(omega, flipped, sums.groups)
            if not cell.metric.needs_truth:  # the full side is zero by definition
                p_values = np.full_like(p_values, np.nan)
            for i, name in enumerate(cell.levels):
                records.append(
                    influence_record(subject, condition, cell.key.output, cell.metric, name)
                    | {
                        "full": full[i],
                        "muted": muted[i],
                        "omega": omega[i],
                        "omega_low": low[i],
                        "omega_high": high[i],
                        "confidence": resampling.confidence,
                        "p_value": p_values[i],
                        "n": sums.n,
                    }
                )
    return adjusted(pd.DataFrame(records, columns=list(INFLUENCE_COLUMNS)))


def adjusted(influence: pd.DataFrame) -> pd.DataFrame:
    """Fill in Holm's adjustment of the p-values of one network.

    It runs over all sources, targets and metrics of a mute, at level ``all`` and, as a family of
    its own, over the finer levels.
    """
    family = [influence["mute"], influence["level"] == "all"]
    p_holm = influence.groupby(family, sort=False)["p_value"].transform(lambda p: holm(p.tolist()))
    return influence.assign(p_holm=p_holm)


def samples_frame(rows: Rows, subject: Subject) -> pd.DataFrame:
    """Tabulate omega sample by sample: the metric of one sample alone, full and muted."""
    frames = []
    for condition in muting_one(rows.conditions()):
        (source,) = condition.setup
        for output, metric in subject.scored():
            statistic = metric.statistic.name
            full = metric.formula(rows[Condition(NO_MUTE, FULL), output, statistic])
            muted = metric.formula(rows[condition, output, statistic])
            frames.append(
                pd.DataFrame(
                    subject.identity()
                    | {
                        "mute": condition.mute,
                        "source": source,
                        "target": output,
                        "metric": metric.name,
                        "id": list(rows.ids),
                        "group": rows.groups,
                        "full": full,
                        "muted": muted,
                        "omega": metric.oriented(full - muted),
                    },
                    columns=list(SAMPLES_COLUMNS),
                )
            )
    if not frames:  # metrics that keep their own state have no value of one sample
        return pd.DataFrame(columns=list(SAMPLES_COLUMNS))
    return pd.concat(frames, ignore_index=True)


def muting_one(conditions: Sequence[Condition]) -> list[Condition]:
    """Return the conditions that mute one site."""
    return [condition for condition in conditions if len(condition.setup) == 1]
