"""Omega: how much the accuracy of an output falls when a source is muted.

omega(Y -> X') = A_X(f(X, Y)) - A_X(f(X)) (arXiv 1702.08009, eqs. 2 and 3), oriented such that a
positive value means that the source helps the target.

Every table of metrics is made by one function, `make_table`: it takes cells, each with the
quantities computed for it, and makes one row for each level of a cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.metrics.metric import Metric
from influence.metrics.stateful import StatefulMetric
from influence.network.sites import is_edge
from influence.plan.setups import Condition, setup_name
from influence.results.tables import (
    INFLUENCE_COLUMNS,
    PERFORMANCE_COLUMNS,
    SAMPLES_COLUMNS,
    empty_table,
    typed,
)
from influence.statistics.bootstrap import Resampling, holm
from influence.statistics.rows import RowKey, Rows, Sums, full_key

__all__ = [
    "Cell",
    "Subject",
    "adjust_p_values",
    "influence_frame",
    "list_cells",
    "make_table",
    "muting_one",
    "performance_frame",
    "samples_frame",
]

Array = NDArray[np.float64]

Quantities = Mapping[str, Any]
"""Quantities of a cell by column name: an array has one value for each level of the cell; any other
value is the same at all levels."""


VALUES = ("full", "muted", "omega")
"""The columns of both sides of an omega, and of omega itself."""


@dataclass(frozen=True)
class Subject:
    """A network and its data, as all tables describe them: names, units, metrics and classes.

    Parameters
    ----------
    network, seed, dataset
        Names of the network and the data, and the seed of the network's training.
    modalities
        All sites: inputs and edges.
    metrics
        The metrics of each output that are computed from rows.
    classes, units
        For each output the names of its classes, and the unit of its ground truth.
    checkpoint_sha256
        Hash of the network's checkpoint.
    missing
        For each input that was missing in part of the training, the mute that replaced it.
    stateful
        The metrics of each output that keep their own state.
    """

    network: str
    seed: int | None
    dataset: str
    modalities: tuple[str, ...]
    metrics: Mapping[str, Sequence[Metric]]
    classes: Mapping[str, Sequence[str]]
    units: Mapping[str, str]
    checkpoint_sha256: str = ""
    missing: Mapping[str, str] = dataclass_field(default_factory=dict)
    stateful: Mapping[str, Sequence[StatefulMetric]] = dataclass_field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """Return the values of the first columns of every table."""
        return {"network": self.network, "seed": self.seed, "dataset": self.dataset}

    def scored(self) -> Iterator[tuple[str, Metric]]:
        """Yield every output with each of its metrics that are computed from rows."""
        for output, metrics in self.metrics.items():
            for metric in metrics:
                yield output, metric

    def unit(self, output: str, metric: Metric | StatefulMetric) -> str:
        """Return the unit of a metric of an output."""
        truth = self.units.get(output, "")
        return metric.unit.replace("{unit}", truth) if truth or "{" not in metric.unit else ""

    def class_levels(self, output: str, count: int) -> list[str]:
        """Return the levels of the first `count` classes of an output."""
        classes = self.classes.get(output) or range(count)
        return [f"class:{classes[i]}" for i in range(count)]


@dataclass(frozen=True)
class Cell:
    """One metric of one output under one condition, at one or several levels.

    Parameters
    ----------
    key
        The key of the sums that the metric is computed from.
    metric
        The metric.
    levels
        A single level, or ``all`` and one level for each class.
    """

    key: RowKey
    metric: Metric | StatefulMetric
    levels: Sequence[str]

    @property
    def compares_with_full(self) -> bool:
        """Whether the metric is the change of the prediction, which is zero with nothing muted."""
        return isinstance(self.metric, Metric) and not self.metric.needs_truth

    def values(self, sums: Array) -> Array:
        """Compute the metric (..., levels) from sums of rows (..., k)."""
        if isinstance(self.metric, StatefulMetric):
            return sums  # the value itself, see `Sums.of_values`
        whole = self.metric.formula(sums)[..., None]
        if len(self.levels) == 1:
            return whole
        assert self.metric.per_class
        return np.concatenate([whole, self.metric.per_class(sums)], axis=-1)

    def gain(self, full: Array, muted: Array) -> Array:
        """Compute omega (..., levels) from the sums (..., k) of its two sides."""
        return self.metric.oriented(self.values(full) - self.values(muted))

    def names(self, subject: Subject) -> dict[str, Any]:
        """Return the columns that identify a cell; tables choose among them."""
        condition, output = self.key.condition, self.key.output
        source = "+".join(condition.setup)
        return subject.identity() | {
            "mute": condition.mute,
            "setup": setup_name(condition.setup, subject.modalities),
            "site": "edge" if is_edge(source) else "input",
            "source": source,
            "target": output,
            "metric": self.metric.name,
            "higher_is_better": self.metric.higher_is_better,
            "unit": subject.unit(output, self.metric),
            "checkpoint_sha256": subject.checkpoint_sha256,
        }


def list_cells(
    sums: Sums, subject: Subject, conditions: Iterable[Condition], level: str = "all"
) -> Iterator[Cell]:
    """List the cells of some conditions: every metric at all levels that can be computed.

    Parameters
    ----------
    sums
        The sums of rows; sums without draws hold the values of metrics that keep their own state.
    subject
        The metrics and classes.
    conditions
        The conditions to list.
    level
        The level of these sums. Only ``all`` is divided further, by class and by slice.
    """
    for condition in conditions:
        if not sums.draws:
            for output, stateful in subject.stateful.items():
                for one in stateful:
                    yield Cell(RowKey(condition, output, one.name), one, [level])
            continue
        for output, metric in subject.scored():
            whole = RowKey(condition, output, metric.statistic.name)
            if level != "all":
                yield Cell(whole, metric, [level])
                continue
            count = metric.per_class(sums.totals[whole]).shape[-1] if metric.per_class else 0
            yield Cell(whole, metric, ["all", *subject.class_levels(output, count)])
            for finer in sums.slices(output, metric.statistic.name):
                yield Cell(whole._replace(level=finer), metric, [finer])


def make_table(
    found: Iterable[tuple[Cell, Quantities]], subject: Subject, columns: Sequence[str], **same: Any
) -> pd.DataFrame:
    """Make a table with one row for each level of each cell.

    Parameters
    ----------
    found
        Cells, each with its quantities.
    subject
        The network and data that were measured.
    columns
        The columns of the table. Other names and quantities are left out.
    **same
        Columns with the same value in all rows.
    """
    records = []
    for cell, quantities in found:
        names = cell.names(subject) | same
        for i, level in enumerate(cell.levels):
            at_level = {
                name: value[i] if isinstance(value, np.ndarray) else value
                for name, value in quantities.items()
            }
            records.append(names | {"level": level} | at_level)
    return pd.DataFrame(records, columns=list(columns))


def performance_frame(
    sums: Sums, subject: Subject, resampling: Resampling, *, level: str = "all"
) -> pd.DataFrame:
    """Tabulate the value of every metric under every condition, with its interval.

    The full setup has one row for each metric, with the mute ``none``.

    Parameters
    ----------
    sums
        The sums of all samples, or of some of them.
    subject
        The network and data that were measured.
    resampling
        The resampling that made the draws of the sums.
    level
        The name of the samples that were summed, if they are not all.

    Returns
    -------
    DataFrame
        With the columns `PERFORMANCE_COLUMNS`.
    """

    def found() -> Iterator[tuple[Cell, Quantities]]:
        for cell in list_cells(sums, subject, sums.conditions(), level):
            low, high = resampling.interval(cell.values(sums.drawn[cell.key]), sums.groups)
            yield cell, {"value": cell.values(sums.totals[cell.key]), "low": low, "high": high}

    confidence = resampling.confidence
    return make_table(found(), subject, PERFORMANCE_COLUMNS, confidence=confidence, n=sums.n)


def influence_frame(
    sums: Sums, subject: Subject, resampling: Resampling, *, level: str = "all"
) -> pd.DataFrame:
    """Tabulate omega for every mute, source, target, metric and level.

    Intervals come from the paired bootstrap, p-values from sign flips; `adjust_p_values` adjusts
    them. Metrics of change have no p-value, because they are zero by definition with nothing muted.
    Metrics that keep their own state have neither interval nor p-value.

    Parameters
    ----------
    sums, subject, resampling, level
        As for `performance_frame`.

    Returns
    -------
    DataFrame
        With the columns `INFLUENCE_COLUMNS`.
    """

    def found() -> Iterator[tuple[Cell, Quantities]]:
        for cell in list_cells(sums, subject, muting_one(sums.conditions()), level):
            full, muted = (cell.values(side) for side in sums.observed(cell.key))
            omega, drawn, flipped = (
                cell.gain(*sides(cell.key))
                for sides in (sums.observed, sums.resampled, sums.swapped)
            )
            low, high = resampling.interval(drawn, sums.groups)
            p_value = resampling.p_value(omega, flipped, sums.groups)
            values = {"full": full, "muted": muted, "omega": omega}
            ends = {"omega_low": low, "omega_high": high}
            tested = {} if cell.compares_with_full else {"p_value": p_value}
            yield cell, values | ends | tested

    confidence = resampling.confidence
    table = make_table(found(), subject, INFLUENCE_COLUMNS, confidence=confidence, n=sums.n)
    return adjust_p_values(table)


def adjust_p_values(influence: pd.DataFrame, kind: Sequence[str] = ("mute",)) -> pd.DataFrame:
    """Fill in the column `p_holm`: the p-values of one network, adjusted by Holm's method.

    A family of tests is all sources, targets and metrics at level ``all`` with equal values in the
    columns `kind`; the tests at finer levels are a second family.
    """
    family = [*(influence[name] for name in kind), influence["level"] == "all"]
    p_holm = influence.groupby(family, sort=False)["p_value"].transform(lambda p: holm(p.tolist()))
    return influence.assign(p_holm=p_holm)


def samples_frame(rows: Rows, subject: Subject) -> pd.DataFrame:
    """Tabulate omega sample by sample: the metric of each sample alone, full and muted.

    Parameters
    ----------
    rows
        The rows of all samples.
    subject
        The network and data that were measured.

    Returns
    -------
    DataFrame
        With the columns `SAMPLES_COLUMNS`, each of its type; metrics that keep their own state have
        no row, because they have no value for a single sample.
    """
    cells = [
        Cell(RowKey(condition, output, metric.statistic.name), metric, ["all"])
        for condition in muting_one(rows.conditions())
        for output, metric in subject.scored()
    ]
    if not cells:
        return empty_table("samples")
    # Texts are made once, and repeated by reference.
    names = [name for name in SAMPLES_COLUMNS if name not in ("id", "group", *VALUES)]
    heads = typed(pd.DataFrame([cell.names(subject) for cell in cells], columns=names))
    count = len(rows.ids)
    frame = heads.take(np.repeat(np.arange(len(cells)), count)).reset_index(drop=True)
    ids = pd.array(list(rows.ids), dtype="str").take(np.tile(np.arange(count), len(cells)))
    values = np.concatenate([_alone(cell, rows) for cell in cells], axis=1)
    groups = np.tile(rows.groups, len(cells))
    frame = frame.assign(id=ids, group=groups, **dict(zip(VALUES, values, strict=True)))
    return frame[list(SAMPLES_COLUMNS)]


def _alone(cell: Cell, rows: Rows) -> Array:
    """Compute the columns `VALUES` of a cell for each sample alone, (3, samples)."""
    sides = (full_key(cell.key), cell.key)
    full, muted = (cell.values(rows.values[side])[..., 0] for side in sides)
    return np.stack([full, muted, cell.metric.oriented(full - muted)])


def muting_one(conditions: Iterable[Condition]) -> list[Condition]:
    """Return the conditions that mute one site."""
    return [condition for condition in conditions if len(condition.setup) == 1]
