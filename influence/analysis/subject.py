"""influence/analysis/subject.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from influence.metrics.metric import Metric
from influence.metrics.stateful import StatefulMetric
from influence.network.sites import is_edge
from influence.plan.conditions import Condition
from influence.plan.setups import setup_name
from influence.statistics.rows import RowKey
from influence.statistics.sums import Sums

__all__ = [
    "Cell",
    "Subject",
    "influence_record",
    "list_cells",
    "muting_one",
    "performance_record",
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
    stateful: Mapping[str, Sequence[StatefulMetric]] = dataclass_field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """Return the first columns of every table."""
        return {"network": self.network, "seed": self.seed, "dataset": self.dataset}

    def scored(self) -> Iterator[tuple[str, Metric]]:
        """List every output with every one of its metrics."""
        for output, metrics in self.metrics.items():
            for metric in metrics:
                yield output, metric

    def unit(self, output: str, metric: Metric | StatefulMetric) -> str:
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
    subject: Subject, condition: Condition, output: str, metric: Metric | StatefulMetric, level: str
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
    subject: Subject, condition: Condition, output: str, metric: Metric | StatefulMetric, level: str
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


def muting_one(conditions: Sequence[Condition]) -> list[Condition]:
    """Return the conditions that mute one site."""
    return [condition for condition in conditions if len(condition.setup) == 1]
