"""Judgement: from an interval to a verdict, and from verdicts of parts to one of a claim.

A quantity has a limit that the claim says it exceeds. The claim is supported if the whole interval
does, contradicted if none of it does, and otherwise not decided. Printed numbers of five networks
have no interval over images: theirs says what leaving one network out, or the rounding, can change,
and where an exact test exists its p-value has to be below 1 - CONFIDENCE, too.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from influence.statistics.bootstrap import holm

__all__ = ["CONFIDENCE", "CONTRADICTED", "OPEN", "SUPPORTED", "adjust", "combine", "judge", "p_of"]

Array = NDArray[np.float64]

CONFIDENCE = 0.95
SUPPORTED, CONTRADICTED, OPEN = "supported", "contradicted", "not decided"


def judge(low: float, high: float, limit: float = 0.0, p_value: float = np.nan) -> str:
    """Judge the claim that a quantity is above a limit.

    Parameters
    ----------
    p_value
        Of a test that has to agree; NaN if there is none.

    Examples
    --------
    >>> judge(0.1, 0.3), judge(-0.1, 0.3), judge(-0.2, 0.0), judge(0.1, 0.3, p_value=0.1)
    ('supported', 'not decided', 'contradicted', 'not decided')
    """
    if not np.isfinite([low, high]).all() or p_value > 1 - CONFIDENCE:
        return OPEN
    if low > limit:
        return SUPPORTED
    return CONTRADICTED if high <= limit else OPEN


def combine(verdicts: Iterable[str]) -> str:
    """Judge a claim by its parts: all have to hold.

    >>> combine([SUPPORTED, OPEN]), combine([SUPPORTED, CONTRADICTED])
    ('not decided', 'contradicted')
    """
    found = set(verdicts)
    if CONTRADICTED in found:
        return CONTRADICTED
    return SUPPORTED if found == {SUPPORTED} else OPEN


def p_of(drawn: Array, limit: float, groups: int) -> float:
    """Return one minus the confidence at which an interval of draws (draws,) would reach a limit.

    It inverts the expanded percentile interval of
    `influence.statistics.bootstrap.Resampling.interval`, with one draw counted in on either side.

    >>> round(p_of(np.arange(-5.0, 94.0), 0.0, groups=1000), 2)
    0.14
    """
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < 2 or groups < 2:
        return float("nan")
    tails = (1 + np.array([(drawn <= limit).sum(), (drawn > limit).sum()])) / (1 + len(drawn))
    reach = stats.norm.isf(tails.min()) * np.sqrt((groups - 1) / groups)
    return float(min(1.0, 2 * stats.t.sf(reach, groups - 1)))


def adjust(findings: pd.DataFrame) -> pd.DataFrame:
    """Add Holm's adjustment within each condition and mute, and the verdicts that survive it.

    A verdict without a p-value stays as it is: nothing random was judged.
    """
    family = findings.groupby(["condition", "mute"], sort=False)["p_value"]
    p_holm = family.transform(lambda p: holm(p.tolist()))
    lost = p_holm > 1 - CONFIDENCE
    return findings.assign(p_holm=p_holm, verdict_holm=findings["verdict"].mask(lost, OPEN))
