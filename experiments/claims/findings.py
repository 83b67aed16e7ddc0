"""Findings: all claims in all worlds, as tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from experiments.claims.claims import CLAIMS, Claim, Part
from experiments.claims.judgement import CONFIDENCE, adjust, combine, judge
from experiments.claims.worlds import World
from influence.plan.setups import NO_MUTE

__all__ = ["CLAIMS_COLUMNS", "JUDGED_COLUMNS", "find_claims", "judge_claims"]

CLAIMS_COLUMNS = (
    "claim", "statement", "condition", "mute", "target", "quantity", "unit", "value", "low", "high",
    "confidence", "interval", "limit", "p_value", "p_holm", "resampled", "n_networks", "n_designs",
    "n_images", "verdict", "verdict_holm",
)  # fmt: skip
"""One row a part of a claim. `interval` says what `low` and `high` are: of the bootstrap over what
`resampled` names; what leaving one of the printed networks out can change; what rounding can; or a
band of the bootstrap that holds for all things counted at once. Only those of the bootstrap have a
confidence. The claim says that `value` is above `limit`; claim 5b that it is not. `p_holm` is
Holm's adjustment over all rows of a condition and mute; `verdict_holm` is the verdict if that stays
below 0.05, too."""

JUDGED_COLUMNS = ("claim", "statement", "condition", "mute", "parts", "verdict", "verdict_holm")
"""One row a claim: supported if all its parts are, contradicted if one is."""


def find_claims(worlds: Iterable[World], images: int) -> pd.DataFrame:
    """Judge all claims in some worlds.

    Claims that are not about influence are judged once a condition, with the mute ``none``.

    Parameters
    ----------
    images
        How many test images there are.

    Returns
    -------
    DataFrame
        With the columns `CLAIMS_COLUMNS`.
    """
    records, seen = [], set()
    for world in worlds:
        for claim in CLAIMS:
            mute = world.mute if claim.muted else NO_MUTE
            if (key := (claim.name, world.condition, mute)) not in seen:
                seen.add(key)
                records += [
                    _record(claim, part, world) | {"mute": mute, "n_images": images}
                    for part in claim.parts(world)
                ]
    frame = pd.DataFrame(records).assign(p_holm=np.nan, verdict_holm="")
    return adjust(frame[list(CLAIMS_COLUMNS)])


def _record(claim: Claim, part: Part, world: World) -> dict[str, Any]:
    found = part.found
    ends = (found.low, found.high) if part.sign > 0 else (-found.high, -found.low)
    drawn = "bootstrap" in found.interval or "band" in found.interval
    return {
        "claim": claim.name,
        "statement": claim.statement,
        "condition": world.condition,
        "target": part.target,
        "quantity": part.quantity,
        "unit": part.unit,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "confidence": CONFIDENCE if drawn else np.nan,
        "interval": found.interval,
        "limit": part.limit,
        "p_value": found.p_value,
        "resampled": found.resampled,
        "n_networks": part.networks or world.networks,
        "n_designs": part.designs or len(world.names),
        "verdict": judge(*ends, part.limit, np.nan if drawn else found.p_value),
    }


def judge_claims(findings: pd.DataFrame) -> pd.DataFrame:
    """Judge each claim by its parts.

    Returns
    -------
    DataFrame
        With the columns `JUDGED_COLUMNS`.
    """
    keys = ["claim", "statement", "condition", "mute"]
    records = [
        {
            **dict(zip(keys, key, strict=True)),
            "parts": len(own),
            "verdict": combine(own["verdict"]),
            "verdict_holm": combine(own["verdict_holm"]),
        }
        for key, own in findings.groupby(keys, sort=False)
    ]
    return pd.DataFrame(records, columns=list(JUDGED_COLUMNS))
