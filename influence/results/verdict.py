"""Verdict: whether the sign of an omega depends on the mute that replaces the input.

Every mute gives inputs that differ from the data in some way (Jain et al., ICLR 2022; Hase et al.,
NeurIPS 2021). A sign that is the same under all mutes is not an artefact of a single one.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from influence.errors import InfluenceError
from influence.results.selection import at_level

__all__ = [
    "INDISTINGUISHABLE",
    "STABLE",
    "UNSTABLE",
    "UNTESTED",
    "VERDICT_COLUMNS",
    "in_words",
    "verdicts",
]

STABLE = "stable sign"
UNSTABLE = "unstable sign"
INDISTINGUISHABLE = "not distinguishable from zero"
UNTESTED = "no verdict"

DIRECTION = ("network", "seed", "dataset", "source", "target", "metric", "level")
SIDES = {"helps": "+", "hurts": "−", "undecided": "0"}
VERDICT_COLUMNS = (*DIRECTION, "mutes", "smallest", "largest", *SIDES, "verdict")


def verdicts(influence: pd.DataFrame, *, level: str = "all") -> pd.DataFrame:
    """Decide for each omega whether it has the same sign under all mutes.

    The sign is stable if the intervals of all mutes exclude zero on the same side. Omega is not
    distinguishable from zero if no interval excludes it. Otherwise the sign is unstable. An omega
    without an interval does not exclude zero. If no omega has both an interval and a p-value, there
    is no verdict: metrics that keep their own state have neither, and metrics of change, which are
    never negative, have no p-value.

    Parameters
    ----------
    influence
        A frame with the columns of `influence.csv`, of one run or of several.
    level
        The level ``all``, a slice such as ``class:floor``, or a pattern such as ``*``.

    Returns
    -------
    DataFrame
        With the columns `VERDICT_COLUMNS`, one row for each network, source, target, metric and
        level. `smallest` and `largest` are omegas. `mutes` names the mutes, joined by commas; each
        mute is also in one of `helps`, `hurts` and `undecided`.

    Raises
    ------
    InfluenceError
        If no level matches, or a mute occurs twice in a direction.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": "a", "seed": 0, "dataset": "d", "source": "depth", "target": "semantic",
    ...     "metric": "mean_iou", "level": "all", "mute": ["zero", "mean", "shuffle"],
    ...     "omega": [0.245, 0.035, 0.001], "omega_low": [0.2, 0.03, -0.01],
    ...     "omega_high": [0.3, 0.04, 0.01]})
    >>> row = verdicts(frame).iloc[0]
    >>> row.verdict, row.helps, row.undecided
    ('unstable sign', 'zero, mean', 'shuffle')
    """
    chosen = at_level(influence, level)
    if (twice := chosen.duplicated([*DIRECTION, "mute"])).any():
        first = chosen[twice].iloc[0]
        raise InfluenceError(
            f"expected each result once, got two results for network {first['network']!r}, "
            f"{first['source']} → {first['target']}, mute {first['mute']!r}. Give each run once, "
            "and give each network another name in influence.json"
        )
    sides = [chosen["omega_low"] > 0, chosen["omega_high"] < 0]
    tested = chosen["omega_low"].notna()
    if "p_value" in chosen:
        tested &= chosen["p_value"].notna()
    chosen = chosen.assign(side=np.select(sides, ["helps", "hurts"], "undecided"), tested=tested)
    grouped = chosen.groupby(list(DIRECTION), sort=False, dropna=False)
    judged = pd.DataFrame([_judge(key, rows) for key, rows in grouped], columns=[*VERDICT_COLUMNS])
    return judged.astype({"seed": chosen["seed"].dtype})  # which may be missing


def _judge(key: Hashable, rows: pd.DataFrame) -> dict[str, Any]:
    assert isinstance(key, tuple)
    mutes = {side: ", ".join(rows.loc[rows["side"] == side, "mute"]) for side in SIDES}
    if not rows["tested"].any():
        verdict, mutes = UNTESTED, dict.fromkeys(SIDES, "")
    elif rows["side"].nunique() > 1:
        verdict = UNSTABLE
    else:
        verdict = INDISTINGUISHABLE if mutes["undecided"] else STABLE
    return {
        **dict(zip(DIRECTION, key, strict=True)),
        "mutes": ", ".join(rows["mute"]),
        "smallest": rows["omega"].min(),
        "largest": rows["omega"].max(),
        **mutes,
        "verdict": verdict,
    }


def in_words(judged: Any) -> str:
    """Describe a row of `verdicts` in one line, with the mutes of each side if these differ.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> in_words(SimpleNamespace(verdict=STABLE, helps="zero, mean", hurts="", undecided=""))
    'stable sign: helps'
    >>> in_words(SimpleNamespace(verdict=UNSTABLE, helps="zero", hurts="", undecided="mean"))
    'unstable sign: + zero; 0 mean'
    """
    found = {side: getattr(judged, side) for side in SIDES if getattr(judged, side)}
    if judged.verdict == STABLE:
        return f"{STABLE}: {next(iter(found))}"
    if judged.verdict == UNSTABLE:
        return f"{UNSTABLE}: " + "; ".join(f"{SIDES[s]} {mutes}" for s, mutes in found.items())
    return str(judged.verdict)
