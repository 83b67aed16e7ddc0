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
from influence.rows import NO_MUTE, Condition, Rows
from influence.setups import FULL, setup_name

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

    def levels(self, output: str, metric: Metric, sums: Array) -> dict[str, Array]:
        """Apply the metric's formula to sums (..., k): the values (...) by level."""
        values = {"all": metric.formula(sums)}
        if metric.per_class:
            per_class = metric.per_class(sums)
            names = self.classes.get(output) or [str(i) for i in range(per_class.shape[-1])]
            values |= {f"class:{name}": per_class[..., i] for i, name in enumerate(names)}
        return values


def performance_frame(rows: Rows, subject: Subject, resampling: Resampling) -> pd.DataFrame:
    """Tabulate every metric under every condition, with its interval.

    The full setup has one row a metric, with the mute ``none``.
    """
    records = []
    for condition in rows.conditions():
        for output, metric in subject.scored():
            found = rows[condition, output, metric.statistic.name]
            values = subject.levels(output, metric, found.sum(0))
            draws = subject.levels(output, metric, resampling.sums(found))
            for level, value in values.items():
                low, high = resampling.interval(draws[level])
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
                        "value": float(value),
                        "low": low,
                        "high": high,
                        "confidence": resampling.confidence,
                        "n": len(rows.ids),
                    }
                )
    return pd.DataFrame(records, columns=list(PERFORMANCE_COLUMNS))


def influence_frame(rows: Rows, subject: Subject, resampling: Resampling) -> pd.DataFrame:
    """Tabulate omega for every mute, source, target, metric and level.

    Intervals come from the paired bootstrap, p-values from sign flips; Holm's adjustment runs over
    all sources, targets and metrics of one network and mute, at level ``all`` and, as a family of
    its own, over the finer levels.
    """
    records = []
    for condition, source in _muted(rows):
        for output, metric in subject.scored():
            statistic = metric.statistic.name
            full = rows[Condition(NO_MUTE, FULL), output, statistic]
            muted = rows[condition, output, statistic]
            sides = [
                (
                    subject.levels(output, metric, f),
                    subject.levels(output, metric, m),
                )
                for f, m in (
                    (full.sum(0), muted.sum(0)),
                    (resampling.sums(full), resampling.sums(muted)),
                    resampling.swapped(full, muted),
                )
            ]
            for level in sides[0][0]:
                observed, drawn, flipped = (metric.oriented(f[level] - m[level]) for f, m in sides)
                low, high = resampling.interval(drawn)
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
                        "full": float(sides[0][0][level]),
                        "muted": float(sides[0][1][level]),
                        "omega": float(observed),
                        "omega_low": low,
                        "omega_high": high,
                        "confidence": resampling.confidence,
                        "p_value": resampling.p_value(float(observed), flipped),
                        "n": len(rows.ids),
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
    for condition, source in _muted(rows):
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


def _muted(rows: Rows) -> Iterator[tuple[Condition, str]]:
    """List the conditions that mute one site, with that site."""
    for condition in rows.conditions():
        if len(condition.setup) == 1:
            yield condition, next(iter(condition.setup))
