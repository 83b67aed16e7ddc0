"""Selections from frames of results: by name, by level, the headline metrics, nothing muted."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import pandas as pd

from influence.errors import unknown

__all__ = ["at_level", "choose", "headline", "named", "nothing_muted", "scored_by"]

HEADLINE_METRICS = ("mean_iou", "sqr_rel")  # those of Fig. 7 of arXiv 1702.08009


def named(frame: pd.DataFrame, column: str, names: Sequence[str]) -> pd.DataFrame:
    """Return the rows with one of `names` in `column`; all rows if there are no names.

    Raises
    ------
    InfluenceError
        If a name is not in the column.

    Examples
    --------
    >>> named(pd.DataFrame({"mute": ["zero", "mean"]}), "mute", ["mean"])["mute"].tolist()
    ['mean']
    """
    for name in names:
        if name not in set(frame[column]):
            raise unknown(column, name, map(str, frame[column].unique()))
    return frame[frame[column].isin(names)] if names else frame


def at_level(frame: pd.DataFrame, pattern: str) -> pd.DataFrame:
    """Return the rows whose level is `pattern`, or matches it as a shell pattern.

    Raises
    ------
    InfluenceError
        If there is none.

    Examples
    --------
    >>> frame = pd.DataFrame({"level": ["all", "class:bed", "class:sofa"]})
    >>> at_level(frame, "class:*")["level"].tolist()
    ['class:bed', 'class:sofa']
    """
    found = frame[[level == pattern or fnmatchcase(level, pattern) for level in frame["level"]]]
    if found.empty:
        raise unknown("level", pattern, map(str, frame["level"].unique()))
    return found


def headline(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one metric per target: that of the paper, or else the first.

    >>> frame = pd.DataFrame({"target": ["a", "a", "b"], "metric": ["rms", "sqr_rel", "psnr"]})
    >>> headline(frame)["metric"].tolist()
    ['sqr_rel', 'psnr']
    """

    def preferred(metrics: pd.Series) -> str:
        present = list(metrics.unique())
        return next((metric for metric in HEADLINE_METRICS if metric in present), present[0])

    return frame[frame["metric"] == frame.groupby("target")["metric"].transform(preferred)]


def scored_by(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Return the rows of some metrics; those of `headline` if none is named."""
    return named(frame, "metric", metrics) if metrics else headline(frame)


def choose(
    frame: pd.DataFrame, *, metric: Sequence[str] = (), mute: Sequence[str] = (), level: str = "all"
) -> pd.DataFrame:
    """Return the rows that a table or a plot is asked for.

    Parameters
    ----------
    frame : with the columns mute, target, metric and level.
    metric : names; by default one per target, as from `headline`.
    mute : names; all by default.
    level : one, or a pattern; see `at_level`.

    Raises
    ------
    InfluenceError
        If a name or a level is not in the frame.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "mute": "zero", "target": "a", "metric": ["rms", "rms", "sqr_rel", "sqr_rel"],
    ...     "level": ["all", "class:bed"] * 2})
    >>> choose(frame).index.tolist(), choose(frame, metric=["rms"], level="class:*").index.tolist()
    ([2], [1])
    """
    return scored_by(at_level(named(frame, "mute", mute), level), metric)


def nothing_muted(performance: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the fullest setup of each network, once, whatever the mute.

    A setup names the sites that are present, so the one that mutes nothing names the most.
    """
    present = performance["setup"].map(lambda setup: 0 if setup == "none" else setup.count("+") + 1)
    run = [performance[column] for column in ("network", "dataset")]
    full = performance[present == present.groupby(run, dropna=False).transform("max")]
    return full.drop_duplicates(
        ["network", "seed", "dataset", "setup", "target", "metric", "level"]
    )
