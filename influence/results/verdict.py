"""The verdict of a panel of mutes: does the sign of an omega depend on what replaced the input?

A muted input is off the data, and each mute is off in its own way (Jain et al., ICLR 2022; Hase et
al., NeurIPS 2021). What all mutes agree on is not an artefact of one of them.
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
    """Judge each direction by all its mutes: one row per network, source, target, metric, level.

    The sign is stable if the interval of every mute excludes zero on the same side; omega is not
    distinguishable from zero if that of none does; otherwise the sign is unstable. An omega
    without an interval excludes nothing. Where no omega has an interval and a p-value there is no
    verdict: metrics that keep their own state have none, and how much outputs change is never below
    zero, whatever the source.

    Parameters
    ----------
    influence : frame with the columns of `influence.csv`, of one run or of several.
    level : `all`, a slice such as `class:floor`, or a pattern such as `*`.

    Returns
    -------
    DataFrame
        With the columns `VERDICT_COLUMNS`. `smallest` and `largest` are omegas; `mutes`, and its
        parts `helps`, `hurts` and `undecided`, name mutes, joined by a comma.

    Raises
    ------
    InfluenceError
        If there is no such level, or a mute occurs twice in a direction.

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
            f"two results for network {first['network']!r}, {first['source']} → "
            f"{first['target']}, mute {first['mute']!r}. Give each run once, and each network a "
            "name of its own (influence.json)"
        )
    sides = [chosen["omega_low"] > 0, chosen["omega_high"] < 0]
    tested = chosen["omega_low"].notna()
    if "p_value" in chosen:
        tested &= chosen["p_value"].notna()
    chosen = chosen.assign(side=np.select(sides, ["helps", "hurts"], "undecided"), tested=tested)
    grouped = chosen.groupby(list(DIRECTION), sort=False, dropna=False)
    judged = pd.DataFrame([_judge(key, own) for key, own in grouped], columns=list(VERDICT_COLUMNS))
    return judged.astype({"seed": chosen["seed"].dtype})  # which may be missing


def _judge(key: Hashable, own: pd.DataFrame) -> dict[str, Any]:
    assert isinstance(key, tuple)
    said = {side: ", ".join(own.loc[own["side"] == side, "mute"]) for side in SIDES}
    if not own["tested"].any():
        verdict, said = UNTESTED, dict.fromkeys(SIDES, "")
    elif own["side"].nunique() > 1:
        verdict = UNSTABLE
    else:
        verdict = INDISTINGUISHABLE if said["undecided"] else STABLE
    return {
        **dict(zip(DIRECTION, key, strict=True)),
        "mutes": ", ".join(own["mute"]),
        "smallest": own["omega"].min(),
        "largest": own["omega"].max(),
        **said,
        "verdict": verdict,
    }


def in_words(judged: Any) -> str:
    """Say a row of `verdicts` on one line, with the mutes on each side where they differ.

    >>> from types import SimpleNamespace
    >>> in_words(SimpleNamespace(verdict=STABLE, helps="zero, mean", hurts="", undecided=""))
    'stable sign: helps'
    >>> in_words(SimpleNamespace(verdict=UNSTABLE, helps="zero", hurts="", undecided="mean"))
    'unstable sign: + zero; 0 mean'
    """
    said = {side: getattr(judged, side) for side in SIDES if getattr(judged, side)}
    if judged.verdict == STABLE:
        return f"{STABLE}: {next(iter(said))}"
    if judged.verdict == UNSTABLE:
        return f"{UNSTABLE}: " + "; ".join(f"{SIDES[side]} {mutes}" for side, mutes in said.items())
    return str(judged.verdict)
