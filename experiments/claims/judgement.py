"""Statistics of networks, and judgement: from an interval to a verdict, from parts to a claim.

A quantity has a limit that the claim says it exceeds. The claim is supported if the whole interval
does, contradicted if none of it does, and otherwise not decided. Printed numbers of five networks
have no interval over images: theirs says what leaving one network out, or the rounding, can change,
and where an exact test exists its p-value has to be below 1 - CONFIDENCE, too.

Counting how many variants or metrics are better needs intervals that hold together: the greatest
deviation over all of them, in standard errors, is bootstrapped (max-T; Westfall and Young,
Resampling-Based Multiple Testing, 1993).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from influence.display.plots.performance import upper_envelope
from influence.statistics.bootstrap import holm

__all__ = [
    "CONFIDENCE",
    "CONTRADICTED",
    "METHODS",
    "OPEN",
    "SUPPORTED",
    "Band",
    "adjust",
    "asymmetry",
    "balance",
    "band_of_draws",
    "band_of_rounding",
    "combine",
    "gap_below",
    "gap_of_pairings",
    "judge",
    "kendall",
    "p_of",
    "relative",
    "spearman",
    "vertices",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """Differences, in any shape, and which are above zero.

    Parameters
    ----------
    value
        The differences.
    certain, possible
        Which of them lie above zero for certain, and which may.
    z
        In standard errors; NaN where nothing was drawn.
    reach
        The greatest deviation of all of them in each draw, in standard errors.
    """

    value: Array
    certain: NDArray[np.bool_]
    possible: NDArray[np.bool_]
    z: Array
    reach: Array

    def p_value(self, z: float) -> float:
        """Return the share of draws with a deviation of so many standard errors."""
        if not len(self.reach):
            return float("nan")
        return float((1 + (self.reach >= abs(z)).sum()) / (1 + len(self.reach)))


def band_of_draws(values: Array, confidence: float) -> Band:
    """Make a band of differences (1 + draws, ...), the observed ones first."""
    value, drawn = values[0], values[1:]
    error = drawn.std(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(error > 0, value / error, np.sign(value) * np.inf)
        off = np.where(error > 0, np.abs(drawn - value) / error, 0.0)
    reach = off.reshape(len(drawn), -1).max(axis=1)
    critical = np.quantile(reach, confidence)
    return Band(value, z > critical, z > -critical, z, reach)


def band_of_rounding(value: Array, half: Array) -> Band:
    """Make a band of differences of printed numbers, each at most `half` off."""
    slack = 1e-9
    return Band(
        value, value > half - slack, value > slack - half, np.full(value.shape, np.nan), np.empty(0)
    )


CONFIDENCE = 0.95
SUPPORTED, CONTRADICTED, OPEN = "supported", "contradicted", "not decided"


def judge(low: float, high: float, limit: float = 0.0, p_value: float = np.nan) -> str:
    """Judge the claim that a quantity is above a limit.

    Parameters
    ----------
    p_value
        Of a test that has to agree; NaN if there is none.
    """
    if not np.isfinite([low, high]).all() or p_value > 1 - CONFIDENCE:
        return OPEN
    if low > limit:
        return SUPPORTED
    return CONTRADICTED if high <= limit else OPEN


def combine(verdicts: Iterable[str]) -> str:
    """Judge a claim by its parts: all have to hold."""
    found = set(verdicts)
    if CONTRADICTED in found:
        return CONTRADICTED
    return SUPPORTED if found == {SUPPORTED} else OPEN


def p_of(drawn: Array, limit: float, groups: int) -> float:
    """Return one minus the confidence at which an interval of draws (draws,) would reach a limit.

    It inverts the expanded percentile interval of
    `influence.statistics.bootstrap.Resampling.interval`, with one draw counted in on either side.
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


def spearman(x: Array, y: Array) -> Array:
    """Return Spearman's rank correlation of points (rows, n), with mean ranks for ties: (rows,).

    NaN where all of one side are equal.
    """
    return _correlation(*(stats.rankdata(side, axis=-1) for side in (x, y)))


def kendall(x: Array, y: Array) -> Array:
    """Return Kendall's tau-b of points (rows, n): (rows,)."""
    signs = [np.sign(side[..., None] - side[..., None, :]) for side in (x, y)]
    return _correlation(*(side.reshape(*side.shape[:-2], -1) for side in signs), centred=True)


def _correlation(x: Array, y: Array, *, centred: bool = False) -> Array:
    if not centred:
        x, y = (side - side.mean(-1, keepdims=True) for side in (x, y))
    size = np.sqrt(np.square(x).sum(-1) * np.square(y).sum(-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(size > 0, (x * y).sum(-1) / size, np.nan))


METHODS: Mapping[str, Callable[[Array, Array], Array]] = {"spearman": spearman, "kendall": kendall}

BEST: Mapping[str, float] = {"semantic": 100.0, "depth": 0.0}
"""Target -> its performance if nothing were wrong: 100 x mean IoU, -100 x rel(sqr)."""


def relative(omega: Array, performance: Array, target: str) -> Array:
    """Return omega over the error that is left, both in the unit of the performance."""
    return np.asarray(omega / (BEST[target] - performance))


def balance(one: Array, other: Array) -> Array:
    """Return the smaller over the larger of two relative influences, -1 to 1.

    One: both sources matter equally. Zero: one of them does not matter. Below zero: one of them
    hurts. The larger is taken by its size.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.minimum(one, other) / np.maximum(np.abs(one), np.abs(other)))


def asymmetry(one: Array, other: Array) -> Array:
    """Return the difference of two relative influences over the sum of their sizes, -1 to 1.

    A third: one is twice the other.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((one - other) / (np.abs(one) + np.abs(other)))


def vertices(x: Array, y: Array) -> list[int]:
    """Return the places, from left to right, of the points (n,) at the corners of the envelope.

    Any finite set of points has one: that points lie under a concave curve says nothing by itself.
    """
    points = np.column_stack([x, y])
    return [
        int(np.flatnonzero((points == corner).all(axis=1))[0]) for corner in upper_envelope(x, y)
    ]


def gap_below(x: Array, y: Array) -> float:
    """Return how far points (n,) lie below the envelope on average, in the unit of y."""
    corners = upper_envelope(x, y)
    return float((np.interp(x, *corners.T) - y).mean())


def gap_of_pairings(x: Array, y: Array, stream: np.random.Generator, count: int = 500) -> Array:
    """Return the same for random pairings of the two coordinates: (count,).

    Points that hug a concave curve lie closer to it than their pairings do.
    """
    return np.array([gap_below(x, stream.permutation(y)) for _ in range(count)])
