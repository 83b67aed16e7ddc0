"""The claims, each a function from a world to its parts: quantities that have to exceed a limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Unpack

import numpy as np
from numpy.typing import NDArray

from experiments.claims.draws import CROSS, Statistic
from experiments.claims.fits import Scale, bend, powers
from experiments.claims.judgement import Band, kendall, spearman
from experiments.claims.worlds import Found, How, Named, World

__all__ = ["CLAIMS", "POINTS", "SYMMETRIC", "Claim", "Part"]

Array = NDArray[np.float64]

POINTS = {"semantic": "percentage points of mean IoU", "depth": "100·rel(sqr)"}
"""Target -> the unit of its performance and of the influence on it."""

SYMMETRIC = 1 / 9
"""Two influences are called symmetric if one is less than 1.25 times the other: |a| < 1/9."""

SQUEEZED, FUSION, FEATURES = "halvings", "fusion", "features"
PAPER_FEATURES = 20
"""Channels are squeezed after the fusion, while each modality keeps as many before it."""


class Part(NamedTuple):
    """One quantity of a claim."""

    target: str
    quantity: str
    unit: str
    found: Found
    limit: float = 0.0
    designs: int = 0
    networks: int = 0
    sign: int = 1


@dataclass(frozen=True)
class Claim:
    """A claim in words, and what has to exceed its limit for it to hold.

    Parameters
    ----------
    muted
        Whether it is about influence, so that it depends on the mute.
    """

    name: str
    statement: str
    parts: Callable[[World], Iterator[Part]]
    muted: bool = True


def _of_each(
    quantity: str, statistic: Statistic, *roles: Named, unit: bool = True, sign: int = 1,
    **how: Unpack[How],
) -> Callable[[World], Iterator[Part]]:  # fmt: skip
    """Make the parts of a claim about one statistic of each target, which roles name by ``{}``."""

    def parts(world: World) -> Iterator[Part]:
        for target in CROSS:
            named = [(name.format(target), half) for name, half in roles]
            found = world.estimate(statistic, *named, **how)
            yield Part(target, quantity, POINTS[target] if unit else "", found, sign=sign)

    return parts


def _picked(quantity: str, statistic: Statistic) -> Callable[[World], Iterator[Part]]:
    """Pick designs on one half of the images, and compare them on the other."""
    return _of_each(
        quantity, statistic, ("omega:{}", 0), ("performance:{}", 0), ("performance:{}", 1),
        images="halves", across=False, test="none",
    )  # fmt: skip


def _improves_metrics(world: World) -> Iterator[Part]:
    band = world.compare(lambda a, b: (a - b).mean(axis=1), inputs=True, across=True)
    count = len(band.value)
    found = _counted(band, lambda above: above.sum(), float(band.z.min()), ", designs")
    yield Part("both", "metrics better than the input on average", f"of {count} metrics", found,
               limit=count - 0.5)  # fmt: skip


def _improves_everywhere(world: World) -> Iterator[Part]:
    band = world.compare(lambda a, b: (a - b)[..., :2], inputs=True, across=False)
    count = len(band.value)
    found = _counted(band, lambda above: above.all(axis=1).sum(), float(band.z.min()))
    yield Part("both", "variants better than the input on both tasks", f"of {count} variants",
               found, limit=count - 0.5)  # fmt: skip


def _no_winner(world: World) -> Iterator[Part]:
    band = world.compare(_beaten_by, inputs=False, across=False)
    least = float(band.z.max(axis=(1, 2)).min())
    found = _counted(band, lambda above: above.any(axis=1).sum(axis=-1).min(), least)
    yield Part("both", "fewest metrics in which a variant is beaten",
               f"of {band.value.shape[-1]} metrics", found, limit=0.5)  # fmt: skip


def _asymmetric(world: World) -> Iterator[Part]:
    found = world.estimate(
        _signed_mean, ("asymmetry", 0), ("asymmetry", 1),
        images="halves", limit=SYMMETRIC, test="none",
    )  # fmt: skip
    yield Part("both", "mean asymmetry of the relative influences, 0 to 1", "", found, SYMMETRIC)


def _concave(world: World) -> Iterator[Part]:
    for target in CROSS:
        scale = Scale.of(world.observed(f"omega:{target}"))
        found = world.estimate(
            lambda x, y, scale=scale: bend(x, y, scale),
            (f"omega:{target}", 0), (f"performance:{target}", 1), images="halves",
            terms=lambda x, scale=scale: powers(scale.unit(x), 2), test="residuals",
        )  # fmt: skip
        yield Part(target, "bend of the parabola above its chord", POINTS[target], found)


def _squeezed(world: World) -> Iterator[Part]:
    fusions = world.observed(FUSION)
    alike = world.observed(FEATURES) == PAPER_FEATURES
    chosen = [i for i in np.flatnonzero(alike) if (alike & (fusions == fusions[i])).sum() > 1]
    if not chosen:
        return
    own = world.among([world.names[i] for i in chosen])
    for target in CROSS:
        found = own.estimate(
            slope_within, (SQUEEZED, 0), (FUSION, 0), (f"omega:{target}", 0), images="same",
            terms=_heights_and_slope,
        )  # fmt: skip
        quantity = "change of influence with each halving of the channels"
        yield Part(target, quantity, POINTS[target], found, designs=len(chosen),
                   networks=own.networks)  # fmt: skip


def _mean(gain: Array) -> Array:
    return np.asarray(gain.mean(axis=-1))


def _signed_mean(one: Array, other: Array) -> Array:
    """Average with the signs of the other half of the images; unsigned if it is the same."""
    return np.asarray((np.sign(one) * other).mean(axis=-1))


def _beaten_by(winners: Array, losers: Array) -> Array:
    """Return by how much each design is beaten by each other: (rows, loser, winner, metrics)."""
    count = winners.shape[1]
    others = np.array([[j for j in range(count) if j != i] for i in range(count)])
    return np.asarray(winners[:, others] - losers[:, :, None])


def _above_most(x: Array, y: Array, judged: Array) -> Array:
    return _at(judged, y.argmax(axis=-1)) - _at(judged, x.argmax(axis=-1))


def _above_both_ends(x: Array, y: Array, judged: Array) -> Array:
    ends = [_at(judged, place) for place in (x.argmin(axis=-1), x.argmax(axis=-1))]
    return _at(judged, y.argmax(axis=-1)) - np.maximum(*ends)


def _at(values: Array, places: NDArray[np.intp]) -> Array:
    return np.take_along_axis(values, places[:, None], axis=-1)[:, 0]


def slope_within(x: Array, strata: Array, y: Array) -> Array:
    """Return the slope of y on x, common to strata 0 and 1 of their own heights: (rows,)."""
    terms = _heights_and_slope(x, strata)
    return np.asarray((np.linalg.pinv(terms) @ y[..., None])[:, -1, 0])


def _heights_and_slope(x: Array, strata: Array) -> Array:
    known = [np.where(strata == i, 1.0, 0.0) for i in (0, 1) if (strata == i).any()]
    return np.stack([*known, x], axis=-1)


def _counted(
    band: Band, count: Callable[[NDArray[np.bool_]], int], z: float, across: str = ""
) -> Found:
    """Count what is above zero; the interval runs from what is for certain to what may be."""
    drawn = len(band.reach) > 0
    return Found(
        float(count(band.value > 0)),
        float(count(band.certain)),
        float(count(band.possible)),
        band.p_value(z),
        "simultaneous band" if drawn else "rounding",
        f"images, seeds{across}" if drawn else "nothing",
    )


CLAIMS = (
    Claim(
        "1",
        "The joint network improves both tasks over its inputs",
        _of_each("mean gain over the input", _mean, ("gain:{}", 0), images="same", test="signs"),
        muted=False,
    ),
    Claim("1b", "It improves every metric of Table I", _improves_metrics, muted=False),
    Claim("1c", "Every variant improves both tasks", _improves_everywhere, muted=False),
    Claim("2", "No variant wins every metric", _no_winner, muted=False),
    Claim("3", "The two influences are not symmetric", _asymmetric),
    Claim("4", "Performance is a concave, not a linear function of influence", _concave),
    Claim(
        "4b",
        "Performance peaks inside the range of influence",
        _picked("best variant above both ends of the range", _above_both_ends),
    ),
    Claim(
        "5",
        "More influence does not guarantee more performance",
        _picked("best variant above the one with the most influence", _above_most),
    ),
    Claim(
        "5b",
        "Performance does not rise with influence",
        _of_each("Kendall's tau of influence and performance", kendall, ("omega:{}", 0),
                 ("performance:{}", 1), unit=False, sign=-1, images="halves"),
    ),
    Claim(
        "6",
        "A balance of the two influences goes with better results on both tasks",
        _of_each("Spearman's rho of balance and performance", spearman, ("balance", 0),
                 ("performance:{}", 1), unit=False, images="halves"),
    ),
    Claim("7", "Squeezing channels forces more influence", _squeezed),
)  # fmt: skip
"""All claims, in the order in which the paper makes them."""
