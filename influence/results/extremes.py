"""Extremes: the samples that a source helps most, and those that it hurts most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from influence.errors import InfluenceError
from influence.results.selection import named, scored_by

__all__ = ["SIDES", "extreme_samples"]

SIDES = {"helped": 1, "hurt": -1}
"""Name of a side -> the sign of its omegas."""

DIRECTION = ["network", "seed", "dataset", "mute", "source", "target", "metric"]


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
    """Find the samples that each source helps and hurts most.

    A sample is helped if its own omega is above zero, and hurt if it is below; one whose metric is
    not defined is neither.

    Parameters
    ----------
    samples
        Frame with the columns of ``samples.csv.gz``, of one run or of several.
    network, source, target, mute
        Names; all by default.
    metric
        Names of metrics; by default one per target: mean IoU, the squared relative error, or else
        the first in the file.
    top
        How many samples a side.

    Returns
    -------
    pandas.DataFrame
        The columns of `samples`, and `side` (`helped` or `hurt`) and `rank` (1, 2, ...); direction
        by direction, the most extreme first.

    Raises
    ------
    InfluenceError
        If a name is unknown, or `top` is below 1.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": "a", "seed": 0, "dataset": "d", "mute": "zero", "source": "x",
    ...     "target": "y", "metric": "mse", "id": ["p", "q", "r", "s"], "omega": [1, -2, 3, 0]})
    >>> extreme_samples(frame, top=1)[["id", "side", "rank", "omega"]].values.tolist()
    [['r', 'helped', 1, 3], ['q', 'hurt', 1, -2]]
    """
    if top < 1:
        raise InfluenceError(f"expected one sample a side or more, got {top}")
    wanted = {"network": network, "source": source, "target": target, "mute": mute}
    chosen = samples
    for column, names in wanted.items():
        chosen = named(chosen, column, names)
    chosen = scored_by(chosen, metric)
    chosen = chosen.assign(place=_groups(chosen).ngroup())
    sides = []
    for name, sign in SIDES.items():
        own = chosen[chosen["omega"] * sign > 0]
        own = own.sort_values("omega", ascending=sign < 0, kind="stable")
        own = own.assign(side=name, rank=_groups(own).cumcount() + 1)
        sides.append(own[own["rank"] <= top])
    found = pd.concat(sides).sort_values(["place", "side", "rank"], kind="stable")
    return found.drop(columns="place").reset_index(drop=True)


def _groups(frame: pd.DataFrame) -> Any:
    return frame.groupby(DIRECTION, sort=False, dropna=False)
