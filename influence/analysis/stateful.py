"""The values of metrics that keep their own state, in the tables beside the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from influence.analysis.interactions import find_games, interaction_record, muted_sites
from influence.analysis.subject import Subject, influence_record, muting_one, performance_record
from influence.metrics.stateful import StatefulMetric
from influence.plan.conditions import NO_MUTE, Condition
from influence.plan.setups import FULL
from influence.results.tables import INFLUENCE_COLUMNS, INTERACTIONS_COLUMNS, PERFORMANCE_COLUMNS
from influence.statistics.rows import RowKey, StatefulValues, list_conditions

__all__ = ["influence_scores", "interaction_scores", "performance_scores"]

UNKNOWN = float("nan")
"""An interval or p-value: no such value can be resampled."""


def performance_scores(
    scores: StatefulValues, subject: Subject, *, n: int, confidence: float
) -> pd.DataFrame:
    """Tabulate the value of every such metric under every condition, without an interval.

    Parameters
    ----------
    scores
        As from `influence.engine.runner.Runner.scores`.
    subject
        What they are about.
    n, confidence
        The number of samples, and what the intervals of other metrics hold.
    """
    found: dict[str, Any] = {"low": UNKNOWN, "high": UNKNOWN, "confidence": confidence, "n": n}
    records = [
        performance_record(subject, condition, output, metric, "all")
        | {"value": scores[RowKey(condition, output, metric.name)]}
        | found
        for condition in list_conditions(scores)
        for output, metric in _scored(subject)
    ]
    return pd.DataFrame(records, columns=list(PERFORMANCE_COLUMNS))


def influence_scores(
    scores: StatefulValues, subject: Subject, *, n: int, confidence: float
) -> pd.DataFrame:
    """Tabulate omega of every such metric, without an interval or a p-value.

    Parameters are those of `performance_scores`.
    """
    records = []
    for condition in muting_one(list_conditions(scores)):
        for output, metric in _scored(subject):
            full, muted = (
                scores[RowKey(c, output, metric.name)]
                for c in (Condition(NO_MUTE, FULL), condition)
            )
            records.append(
                influence_record(subject, condition, output, metric, "all")
                | {
                    "full": full,
                    "muted": muted,
                    "omega": metric.oriented(full - muted),
                    "confidence": confidence,
                    "n": n,
                }
            )
    unknown = dict.fromkeys(("omega_low", "omega_high", "p_value", "p_holm"), np.nan)
    return pd.DataFrame(records, columns=list(INFLUENCE_COLUMNS)).assign(**unknown)


def interaction_scores(
    scores: StatefulValues, subject: Subject, *, seed: int, n: int, confidence: float
) -> pd.DataFrame:
    """Tabulate what sites and pairs are worth by every such metric, without an interval.

    The seed is that of the setups; the other parameters are those of `performance_scores`.
    """
    conditions = list_conditions(scores)
    found: dict[str, Any] = {"low": UNKNOWN, "high": UNKNOWN, "confidence": confidence, "n": n}
    records = []
    for game in find_games(conditions, muted_sites(conditions, subject), seed):
        for output, metric in _scored(subject):
            keys = game.keys(RowKey(Condition(NO_MUTE, FULL), output, metric.name))
            values = np.array([metric.oriented(scores[key]) for key in keys])
            records += [
                interaction_record(subject, game.mute, output, metric, "all", quantity)
                | {"value": value}
                | found
                for quantity, value in zip(
                    game.estimates[0], game.solve(values[:, None, None]).ravel(), strict=True
                )
            ]
    return pd.DataFrame(records, columns=list(INTERACTIONS_COLUMNS))


def _scored(subject: Subject) -> Iterator[tuple[str, StatefulMetric]]:
    for output, stateful in subject.stateful.items():
        for metric in stateful:
            yield output, metric
