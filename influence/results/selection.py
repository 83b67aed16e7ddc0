"""Selections of rows of result tables: by name, level and metric, and the extreme samples."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import pandas as pd

from influence.errors import InfluenceError, unknown
from influence.results.tables import check_values

__all__ = [
    "SIDES",
    "at_level",
    "choose",
    "extreme_samples",
    "far_from_data",
    "headline",
    "named",
    "nothing_muted",
    "scored_by",
]

INPUT = ["network", "seed", "dataset", "mute", "source"]
DIRECTION = [*INPUT, "target", "metric"]

SIDES = {"helped": 1, "hurt": -1}
"""For each side, helped or hurt, the sign of omega of its samples."""

HEADLINE_METRICS = ("mean_iou", "sqr_rel")  # those of Fig. 7 of arXiv 1702.08009


def named(frame: pd.DataFrame, column: str, names: Sequence[str]) -> pd.DataFrame:
    """Return the rows with one of `names` in `column`; all rows if `names` is empty.

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
    """Return the rows whose level equals `pattern` or matches it as a shell pattern.

    Raises
    ------
    InfluenceError
        If no level matches.

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
    """Return the rows of one metric for each target: the metric of the paper, or else the first.

    Examples
    --------
    >>> frame = pd.DataFrame({"target": ["a", "a", "b"], "metric": ["rms", "sqr_rel", "psnr"]})
    >>> headline(frame)["metric"].tolist()
    ['sqr_rel', 'psnr']
    """

    def preferred(metrics: pd.Series) -> str:
        present = list(metrics.unique())
        return next((metric for metric in HEADLINE_METRICS if metric in present), present[0])

    return frame[frame["metric"] == frame.groupby("target")["metric"].transform(preferred)]


def scored_by(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Return the rows of given metrics; those of `headline` if `metrics` is empty."""
    return named(frame, "metric", metrics) if metrics else headline(frame)


def choose(
    frame: pd.DataFrame, *, metric: Sequence[str] = (), mute: Sequence[str] = (), level: str = "all"
) -> pd.DataFrame:
    """Return the rows of given metrics, mutes and levels, for a table or a plot.

    Parameters
    ----------
    frame
        A frame with the columns mute, target, metric and level.
    metric
        Names of metrics; by default one for each target, see `headline`.
    mute
        Names of mutes; by default all.
    level
        A level or a pattern; see `at_level`.

    Raises
    ------
    InfluenceError
        If a name or a level is not in the frame, or a number is none that can be measured.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "mute": "zero", "target": "a", "metric": ["rms", "rms", "sqr_rel", "sqr_rel"],
    ...     "level": ["all", "class:bed"] * 2})
    >>> choose(frame).index.tolist(), choose(frame, metric=["rms"], level="class:*").index.tolist()
    ([2], [1])
    """
    check_values(frame)
    return scored_by(at_level(named(frame, "mute", mute), level), metric)


def nothing_muted(performance: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the full setup of each network, once, not once for each mute.

    A setup is named by the sites that are present, so the full one has the most names.
    """
    present = performance["setup"].map(lambda setup: 0 if setup == "none" else setup.count("+") + 1)
    run = [performance[column] for column in ("network", "dataset")]
    full = performance[present == present.groupby(run, dropna=False).transform("max")]
    return full.drop_duplicates(
        ["network", "seed", "dataset", "setup", "target", "metric", "level"]
    )


def far_from_data(omegas: pd.DataFrame, distance: pd.DataFrame | None) -> pd.Series:
    """Find the omegas whose muted input is far from the data, because they may be artefacts.

    An omega is selected if `distance`, with the columns of `distance.csv`, has a warning for it at
    any place; without `distance` none is selected.
    """
    if distance is None or distance.empty:
        return pd.Series(False, index=omegas.index)
    far = distance.loc[distance["warning"].astype(bool), INPUT].drop_duplicates()
    found = omegas[INPUT].merge(far, how="left", indicator=True)["_merge"] == "both"
    return found.set_axis(omegas.index)


def extreme_samples(
    samples: pd.DataFrame,
    *,
    network: Sequence[str] = (),
    source: Sequence[str] = (),
    target: Sequence[str] = (),
    metric: Sequence[str] = (),
    mute: Sequence[str] = (),
    top: int = 10,
) -> pd.DataFrame:
    """Find the samples that each source helps and hurts most, to see what the source is used for.

    A sample is helped if its omega is positive, and hurt if its omega is negative. Samples with
    undefined metrics are neither.

    Parameters
    ----------
    samples
        A frame with the columns of ``samples.csv.gz``, of one run or of several.
    network, source, target, mute
        Names; by default all.
    metric
        Names of metrics; by default one for each target: mean IoU, the squared relative error, or
        else the first in the file.
    top
        The number of samples on each side.

    Returns
    -------
    pandas.DataFrame
        The columns of `samples`, `side` (`helped` or `hurt`) and `rank` (1, 2, ...), sorted by
        direction, the most extreme samples first.

    Raises
    ------
    InfluenceError
        If a name is unknown, or `top` is less than 1.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": "a", "seed": 0, "dataset": "d", "mute": "zero", "source": "x",
    ...     "target": "y", "metric": "mse", "id": ["p", "q", "r", "s"], "omega": [1, -2, 3, 0]})
    >>> extreme_samples(frame, top=1)[["id", "side", "rank", "omega"]].values.tolist()
    [['r', 'helped', 1, 3], ['q', 'hurt', 1, -2]]
    """
    if top < 1:
        raise InfluenceError(f"expected top=1 or more, got {top}")
    check_values(samples)
    wanted = {"network": network, "source": source, "target": target, "mute": mute}
    chosen = samples
    for column, names in wanted.items():
        chosen = named(chosen, column, names)
    chosen = scored_by(chosen, metric)
    chosen = chosen.assign(direction=_groups(chosen).ngroup())
    sides = []
    for name, sign in SIDES.items():
        side = chosen[chosen["omega"] * sign > 0]
        side = side.sort_values("omega", ascending=sign < 0, kind="stable")
        side = side.assign(side=name, rank=_groups(side).cumcount() + 1)
        sides.append(side[side["rank"] <= top])
    found = pd.concat(sides).sort_values(["direction", "side", "rank"], kind="stable")
    return found.drop(columns="direction").reset_index(drop=True)


def _groups(frame: pd.DataFrame) -> Any:
    return frame.groupby(DIRECTION, sort=False, dropna=False)
