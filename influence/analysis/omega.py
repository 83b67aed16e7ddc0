"""Omega: what an output loses when a source is muted (arXiv 1702.08009, eqs. 2 and 3).

omega(Y -> X') = A_X(f(X, Y)) - A_X(f(X)), turned so that positive always means that the source
helps the target.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from influence.analysis.subject import (
    Subject,
    influence_record,
    list_cells,
    muting_one,
    performance_record,
)
from influence.plan.conditions import NO_MUTE, Condition
from influence.plan.setups import FULL
from influence.results.tables import INFLUENCE_COLUMNS, PERFORMANCE_COLUMNS, SAMPLES_COLUMNS
from influence.statistics.bootstrap import Resampling, holm
from influence.statistics.rows import Rows
from influence.statistics.sums import Sums

__all__ = [
    "adjusted",
    "influence_frame",
    "performance_frame",
    "samples_frame",
]


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
