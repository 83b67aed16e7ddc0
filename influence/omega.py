"""Omega: what an output loses when a source is muted (arXiv 1702.08009, eqs. 2 and 3).

omega(Y -> X') = A_X(f(X, Y)) - A_X(f(X)), turned so that positive always means that the source
helps the target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.bootstrap import Resampling, holm
from influence.metrics import Metric
from influence.results import INFLUENCE_COLUMNS, PERFORMANCE_COLUMNS, SAMPLES_COLUMNS
from influence.rows import NO_MUTE, Condition, RowKey, Rows
from influence.setups import FULL, setup_name
from influence.sums import Sums

__all__ = ["Subject", "influence_frame", "performance_frame", "samples_frame"]

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

    def identity(self) -> dict[str, Any]:
        """Return the first columns of every table."""
        return {"network": self.network, "seed": self.seed, "dataset": self.dataset}

    def scored(self) -> Iterator[tuple[str, Metric]]:
        """List every output with every one of its metrics."""
        for output, metrics in self.metrics.items():
            for metric in metrics:
                yield output, metric

    def unit(self, output: str, metric: Metric) -> str:
        """Return the unit of a metric of an output."""
        own = self.units.get(output, "")
        return metric.unit.replace("{unit}", own) if own or "{" not in metric.unit else ""

    def levels(self, output: str, count: int) -> list[str]:
        """Name so many levels of a metric of an output: the whole, then each class."""
        classes = self.classes.get(output) or range(count - 1)
        return ["all", *(f"class:{classes[i]}" for i in range(count - 1))]


def _values(metric: Metric, sums: Array) -> Array:
    """Apply a metric's formula to sums (..., k): the values (..., levels), the whole first."""
    whole = metric.formula(sums)[..., None]
    return np.concatenate([whole, metric.per_class(sums)], -1) if metric.per_class else whole


def performance_frame(sums: Sums, subject: Subject, resampling: Resampling) -> pd.DataFrame:
    """Tabulate every metric under every condition, with its interval.

    The full setup has one row a metric, with the mute ``none``.
    """
    records = []
    for condition in sums.conditions():
        for output, metric in subject.scored():
            key = RowKey(condition, output, metric.statistic.name)
            values = _values(metric, sums.totals[key])
            low, high = resampling.interval(_values(metric, sums.drawn[key]), sums.groups)
            for i, level in enumerate(subject.levels(output, len(values))):
                records.append(
                    subject.identity()
                    | {
                        "mute": condition.mute,
                        "setup": setup_name(condition.setup, subject.modalities),
                        "target": output,
                        "metric": metric.name,
                        "level": level,
                        "higher_is_better": metric.higher_is_better,
                        "unit": subject.unit(output, metric),
                        "value": values[i],
                        "low": low[i],
                        "high": high[i],
                        "confidence": resampling.confidence,
                        "n": sums.n,
                    }
                )
    return pd.DataFrame(records, columns=list(PERFORMANCE_COLUMNS))


def influence_frame(sums: Sums, subject: Subject, resampling: Resampling) -> pd.DataFrame:
    """Tabulate omega for every mute, source, target, metric and level.

    Intervals come from the paired bootstrap, p-values from sign flips; Holm's adjustment runs over
    all sources, targets and metrics of one network and mute, at level ``all`` and, as a family of
    its own, over the finer levels.
    """
    records = []
    for condition, source in _muted(sums.conditions()):
        for output, metric in subject.scored():
            key = RowKey(condition, output, metric.statistic.name)
            full, muted = (_values(metric, side) for side in sums.observed(key))
            omega, drawn, flipped = (
                metric.oriented(_values(metric, f) - _values(metric, m))
                for f, m in (sums.observed(key), sums.resampled(key), sums.swapped(key))
            )
            low, high = resampling.interval(drawn, sums.groups)
            p_values = resampling.p_value(omega, flipped, sums.groups)
            for i, level in enumerate(subject.levels(output, len(omega))):
                records.append(
                    subject.identity()
                    | {
                        "mute": condition.mute,
                        "site": "input",
                        "source": source,
                        "target": output,
                        "metric": metric.name,
                        "level": level,
                        "higher_is_better": metric.higher_is_better,
                        "unit": subject.unit(output, metric),
                        "full": full[i],
                        "muted": muted[i],
                        "omega": omega[i],
                        "omega_low": low[i],
                        "omega_high": high[i],
                        "confidence": resampling.confidence,
                        "p_value": p_values[i],
                        "n": sums.n,
                        "checkpoint_sha256": subject.checkpoint_sha256,
                    }
                )
    frame = pd.DataFrame(records, columns=list(INFLUENCE_COLUMNS))
    family = [frame["mute"], frame["level"] == "all"]
    frame["p_holm"] = frame.groupby(family, sort=False)["p_value"].transform(
        lambda p: holm(p.tolist())
    )
    return frame


def samples_frame(rows: Rows, subject: Subject) -> pd.DataFrame:
    """Tabulate omega sample by sample: the metric of one sample alone, full and muted."""
    frames = []
    for condition, source in _muted(rows.conditions()):
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
    return pd.concat(frames, ignore_index=True)


def _muted(conditions: Sequence[Condition]) -> Iterator[tuple[Condition, str]]:
    """List the conditions that mute one site, with that site."""
    for condition in conditions:
        if len(condition.setup) == 1:
            yield condition, next(iter(condition.setup))
