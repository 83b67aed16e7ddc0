"""Ranking: whether mutes come in the same order by their damage and by their distance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

__all__ = ["PANEL", "rank_mutes"]

PANEL = ("zero", "mean", "shuffle", "noise")
NETWORK = ["data", "training", "seed", "source"]


def rank_mutes(artefacts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield for each network, seed and source how well distance ranks the mutes by damage.

    `panel` and `all` are Spearman's rank correlations, over the mutes of the panel and over all;
    `ladder` says whether both damage and distance grow from step to step.
    """
    for key, own in artefacts.groupby(NETWORK, sort=False):
        panel = own[own["mute"].isin(PANEL)]
        ladder = own.dropna(subset="step").sort_values("step")
        grows = all(ladder[column].is_monotonic_increasing for column in ("damage", "distance"))
        yield {
            **dict(zip(NETWORK, key, strict=True)),
            "panel": _rank_correlation(panel["damage"], panel["distance"]),
            "all": _rank_correlation(own["damage"], own["distance"]),
            "mutes": len(own),
            "ladder": grows,
            "order_by_damage": _in_order(own, "damage"),
            "order_by_distance": _in_order(own, "distance"),
        }


def _in_order(own: pd.DataFrame, column: str) -> str:
    return " < ".join(own.sort_values(column, kind="stable")["mute"])


def _rank_correlation(one: pd.Series[float], other: pd.Series[float]) -> float:
    # Mutes that are the same, such as zero and mean of centred data, differ by rounding alone.
    a, b = (stats.rankdata(np.round(x.to_numpy(np.float64), 6)) for x in (one, other))
    return float(stats.pearsonr(a, b).statistic)
