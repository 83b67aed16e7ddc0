"""Fits of performance to omega: linear, concave parabola, and any concave curve.

The parabola is written in u, which runs from -1 to 1 over the observed range of omega:
y = a + b u + c u^2. In the middle it lies by -c above its chord; this is called the bend, in the
unit of y. A bend above zero is concave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations
from math import factorial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

__all__ = [
    "KINDS",
    "Scale",
    "bend",
    "f_p_value",
    "f_statistic",
    "fit_curve",
    "parabola",
    "powers",
    "prediction_error",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """The range of omega."""

    centre: float
    half: float

    @classmethod
    def of(cls, x: Array) -> Scale:
        """Return the range of some omegas."""
        return cls((x.max() + x.min()) / 2, (x.max() - x.min()) / 2)

    def unit(self, x: Array) -> Array:
        """Map the range to -1..1."""
        return (x - self.centre) / self.half

    def grid(self, count: int = 31) -> Array:
        """Return omegas from one end to the other."""
        return self.centre + self.half * np.linspace(-1, 1, count)


def powers(u: Array, degree: int) -> Array:
    """Return 1, u, u^2, ... of points (..., n): (..., n, degree + 1)."""
    return np.stack([u**power for power in range(degree + 1)], axis=-1)


def parabola(x: Array, y: Array, scale: Scale, degree: int = 2) -> Array:
    """Fit a, b, c (rows, degree + 1) to points (rows, n) by least squares.

    NaN where there are fewer different omegas than coefficients.
    """
    terms = powers(scale.unit(x), degree)
    return np.where(_known(x, degree)[:, None], _solve(terms, y), np.nan)


def bend(x: Array, y: Array, scale: Scale) -> Array:
    """Return by how much the parabola lies above its chord in the middle, (rows,)."""
    return -parabola(x, y, scale)[..., 2]


def f_statistic(x: Array, y: Array, scale: Scale) -> Array:
    """Return F of the parabola's third coefficient, (rows,): 1 and n - 3 degrees of freedom."""
    (straight, _), (bent, _) = (_errors(x, y, scale, degree) for degree in (1, 2))
    wide, narrow = np.square(straight).sum(-1), np.square(bent).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((wide - narrow) / (narrow / (x.shape[-1] - 3)))


def f_p_value(x: Array, y: Array, scale: Scale, draws: int = 5000) -> float:
    """Return the share of pairings of the line's residuals that reach F of points (n,).

    All pairings of few points, else so many random ones (Freedman and Lane, Journal of Business and
    Economic Statistics 1983).
    """
    left = y - np.polyval(np.polyfit(x, y, 1), x)
    if factorial(len(y)) <= draws:
        arranged = np.array(list(permutations(left)))
    else:
        stream = np.random.default_rng(0)
        arranged = np.vstack([left, stream.permuted(np.tile(left, (draws, 1)), axis=1)])
    found = f_statistic(np.broadcast_to(x, arranged.shape), arranged, scale)
    return float((found >= found[0] * (1 - 1e-9)).mean()) if np.isfinite(found[0]) else np.nan


def prediction_error(x: Array, y: Array, scale: Scale, *, concave: bool) -> Array:
    """Return the root mean square error of designs that are left out, (rows,), in the unit of y.

    Parameters
    ----------
    concave
        Of the parabola that is nowhere convex: the line, where the parabola without one design is
        convex. Otherwise of the line.
    """
    _, lost = _errors(x, y, scale, 1)
    if concave:
        _, bent = _errors(x, y, scale, 2)
        lost = np.where(_left_out_curvature(x, y, scale) < 0, bent, lost)
    return np.asarray(np.sqrt(np.square(lost).mean(-1)))


def _solve(terms: Array, y: Array) -> Array:
    return np.asarray((np.linalg.pinv(terms) @ y[..., None])[..., 0])


def _known(x: Array, degree: int) -> NDArray[np.bool_]:
    """Tell where there are enough different omegas."""
    return np.asarray((np.diff(np.sort(x, axis=-1), axis=-1) > 0).sum(-1) >= degree)


def _errors(x: Array, y: Array, scale: Scale, degree: int) -> tuple[Array, Array]:
    """Return the residuals, and those of designs left out: e / (1 - leverage)."""
    terms = powers(scale.unit(x), degree)
    hat = terms @ np.linalg.pinv(terms)
    left = np.where(_known(x, degree)[:, None], y - (hat @ y[..., None])[..., 0], np.nan)
    free = 1 - np.diagonal(hat, axis1=-2, axis2=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return left, np.where(free > 1e-9, left / free, np.nan)


def _left_out_curvature(x: Array, y: Array, scale: Scale) -> Array:
    """Return c of the parabola without each design, (rows, n)."""
    terms = powers(scale.unit(x), 2)
    inverse = np.linalg.pinv(terms)
    _, lost = _errors(x, y, scale, 2)
    return np.asarray(_solve(terms, y)[:, 2:] - inverse[:, 2, :] * lost)


def _line(x: Array, y: Array, at: Array, scale: Scale) -> Array:
    a, b = parabola(x, y, scale, 1).T
    return np.asarray(a[:, None] + b[:, None] * scale.unit(at))


def _concave(x: Array, y: Array, at: Array, scale: Scale) -> Array:
    a, b, c = (column[:, None] for column in parabola(x, y, scale).T)
    u = scale.unit(at)
    return np.where(c < 0, a + b * u + c * u**2, _line(x, y, at, scale))


def _free(x: Array, y: Array, at: Array, scale: Scale) -> Array:
    u = scale.unit(at)
    rows = zip(scale.unit(x), y, strict=True)
    return np.stack([_concave_regression(own, values, u) for own, values in rows])


def _concave_regression(x: Array, y: Array, at: Array) -> Array:
    """Fit the concave curve of least squares: a + b x, less hinges at the points, by NNLS.

    Every concave curve through the fitted values is a line less hinges of positive slope at the
    points inside (Hildreth, JASA 1954, in the form of a cone).
    """
    inner = np.unique(x)[1:-1]

    def terms(x: Array) -> Array:
        hinges = np.maximum(x[:, None] - inner, 0)
        return np.column_stack([np.ones_like(x), -np.ones_like(x), x, -x, -hinges])

    return np.asarray(terms(at) @ nnls(terms(x), y)[0])


KINDS: Mapping[str, Callable[[Array, Array, Array, Scale], Array]] = {
    "linear": _line,
    "concave": _concave,
    "free": _free,
}
"""Kind of fit -> its curve; `concave` is the least-squares parabola with c <= 0."""


def fit_curve(kind: str, x: Array, y: Array, at: Array, scale: Scale) -> Array:
    """Return the fitted curve of each row of points (rows, n) at some omegas: (rows, omegas)."""
    return KINDS[kind](x, y, at, scale)
