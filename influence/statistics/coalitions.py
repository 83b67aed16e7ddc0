r"""Coalitions: the contributions of single players and of pairs, as in cooperative game theory.

A player is a site, a coalition the set of sites that are present, and v its value. Every quantity
here is a weighted mean of discrete derivatives over contexts S, which are coalitions without the
player i, or without the pair i, j:

    D_i(S)  = v(S + i) - v(S)
    D_ij(S) = v(S + i + j) - v(S + i) - v(S + j) + v(S)

Leave-one-out is D_i in the context of all other players, add-one-in D_i in the empty context. The
Shapley value (Shapley, A value for n-person games, 1953) is the mean of D_i, and the Shapley
interaction index (Grabisch and Roubens, 1999) that of D_ij, over random contexts: all sizes are
equally likely, and so are all contexts of one size. A positive interaction is synergy, a negative
one redundancy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from influence.plan.setups import Circle, run

__all__ = ["KINDS", "Coalition", "Quantity", "combine", "exact", "of_circle", "shares"]

Array = NDArray[np.float64]
Coalition = frozenset[str]
Contexts = Mapping[Coalition, float]

KINDS = ("leave_one_out", "add_one_in", "shapley", "interaction")
"""The kinds of quantity, in the order of the table."""


@dataclass(frozen=True)
class Quantity:
    """A weighted mean of the discrete derivatives of one player or of a pair.

    Parameters
    ----------
    kind
        One of `KINDS`.
    players
        The player, or the two players of the pair.
    contexts
        Coalitions without these players, with their weights, which sum to one.

    Examples
    --------
    >>> quantity = Quantity("add_one_in", ("x",), {frozenset(): 1.0})
    >>> [(sorted(coalition), weight) for coalition, weight in quantity.terms()]
    [([], -1.0), (['x'], 1.0)]
    """

    kind: str
    players: tuple[str, ...]
    contexts: Contexts

    def terms(self) -> Iterator[tuple[Coalition, float]]:
        """Yield the coalitions whose weighted values sum to the quantity, each with its weight."""
        for context, weight in self.contexts.items():
            for joined in subsets(self.players):
                sign = (-1) ** (len(self.players) - len(joined))
                yield context | joined, sign * weight


def subsets(players: Sequence[str]) -> list[Coalition]:
    """List all subsets of the players, smallest first.

    Examples
    --------
    >>> [sorted(coalition) for coalition in subsets(["x", "y"])]
    [[], ['x'], ['y'], ['x', 'y']]
    """
    sizes = range(len(players) + 1)
    return [frozenset(some) for size in sizes for some in combinations(players, size)]


def exact(players: Sequence[str]) -> list[Quantity]:
    """List the quantities of all players and pairs, defined on the values of all coalitions.

    Examples
    --------
    >>> values = {frozenset(): 0.0, frozenset("x"): 1.0, frozenset("y"): 2.0, frozenset("xy"): 7.0}
    >>> for quantity in exact(["x", "y"])[4:]:
    ...     print(quantity.kind, *quantity.players, sum(w * values[s] for s, w in quantity.terms()))
    shapley x 3.0
    shapley y 4.0
    interaction x y 4.0
    """

    def contexts(among: tuple[str, ...]) -> Contexts:
        others = [player for player in players if player not in among]
        sizes = len(others) + 1
        return {s: 1 / (sizes * comb(len(others), len(s))) for s in subsets(others)}

    return _quantities(players, contexts)


def of_circle(circle: Circle, players: Sequence[str]) -> list[Quantity]:
    """List the quantities of `exact`, estimated from the arcs of one circle only.

    Averaged over random circles, the estimates equal the exact values. The contexts of a player are
    the arcs that end next to it on either side, one of each size. The contexts of a pair are the
    two arcs between its players; over random circles all their sizes are equally likely.

    Examples
    --------
    >>> from influence.plan.setups import arcs
    >>> circle = ("d", "a", "c", "b")
    >>> used = {s for quantity in of_circle(circle, sorted(circle)) for s, _ in quantity.terms()}
    >>> used <= set(arcs(circle))
    True
    """
    count, position = len(circle), {player: i for i, player in enumerate(circle)}

    def contexts(among: tuple[str, ...]) -> Contexts:
        first, last = position[among[0]], position[among[-1]]
        if len(among) == 2:
            gap = (last - first) % count - 1
            sides = [run(circle, first + 1, gap), run(circle, last + 1, count - 2 - gap)]
        else:
            sides = [run(circle, first + 1, size) for size in range(count)]
            sides += [run(circle, first - size, size) for size in range(count)]
        return {side: sides.count(side) / len(sides) for side in sides}

    return _quantities(players, contexts)


def _quantities(
    players: Sequence[str], contexts: Callable[[tuple[str, ...]], Contexts]
) -> list[Quantity]:
    everybody, alone = frozenset(players), [(player,) for player in players]
    return [
        *(Quantity("leave_one_out", one, {everybody - {*one}: 1.0}) for one in alone),
        *(Quantity("add_one_in", one, {frozenset(): 1.0}) for one in alone),
        *(Quantity("shapley", one, contexts(one)) for one in alone),
        *(Quantity("interaction", two, contexts(two)) for two in combinations(players, 2)),
    ]


def combine(
    estimates: Sequence[Sequence[Quantity]],
    coalitions: Sequence[Coalition],
    values: Array,
    shares: Array,
) -> Array:
    """Compute quantities in every draw and at every level as a weighted mean of estimates.

    Parameters
    ----------
    estimates
        For each estimate the list of its quantities, in the same order: `of_circle` for each
        circle, or `exact` alone.
    coalitions
        The coalitions to which `values` belong.
    values
        The values of the coalitions, (coalitions, draws, levels). An undefined value is NaN, and
        only the quantities that depend on it become NaN.
    shares
        The weight of each estimate in each draw, (draws, estimates); see `shares`.

    Returns
    -------
    array
        The quantities, (quantities, draws, levels).

    Examples
    --------
    >>> coalitions = [frozenset(), frozenset("x"), frozenset("y"), frozenset("xy")]
    >>> values = np.array([0.0, 1.0, 2.0, 7.0]).reshape(4, 1, 1)
    >>> combine([exact(["x", "y"])], coalitions, values, np.ones((1, 1))).ravel().tolist()
    [5.0, 6.0, 1.0, 2.0, 3.0, 4.0, 4.0]
    """
    position = {coalition: i for i, coalition in enumerate(coalitions)}
    flat = values.reshape(len(coalitions), -1)
    total = np.zeros((len(estimates[0]), *values.shape[1:]))
    with np.errstate(invalid="ignore"):  # infinity less infinity is not defined
        for quantities, share in zip(estimates, shares.T, strict=True):
            found = _factors(quantities, position) @ flat
            total += found.reshape(total.shape) * share[:, None]
    return total


def _factors(quantities: Sequence[Quantity], position: Mapping[Coalition, int]) -> sparse.csr_array:
    """Return the factors (quantities, coalitions); sparse, because zero times NaN would be NaN."""
    entries = [(q, position[s], w) for q, one in enumerate(quantities) for s, w in one.terms()]
    rows, columns, factors = zip(*entries, strict=True)
    shape = (len(quantities), len(position))
    return sparse.coo_array((factors, (rows, columns)), shape=shape).tocsr()


def shares(count: int, draws: int, confidence: float, stream: np.random.Generator) -> Array:
    """Draw the weight of each estimate in each bootstrap draw.

    Estimates are drawn with replacement, like samples, so that intervals include the variance
    between estimates. Resampling makes the variance of the mean too small by the factor
    (count - 1) / count, and percentiles are too narrow for few estimates. The shares are therefore
    spread around 1 / count by the root of the inverse factor, times the ratio of the quantiles of
    Student's t and the normal distribution.

    Parameters
    ----------
    count
        The number of estimates.
    draws, confidence
        The parameters of `influence.statistics.bootstrap.Resampling`.
    stream
        The generator of random numbers.

    Returns
    -------
    array
        Shares, (draws, count), which sum to one in each draw; all are one for a single estimate.

    Examples
    --------
    >>> found = shares(8, 1000, 0.95, np.random.default_rng(0))
    >>> bool(np.allclose(found.sum(1), 1)), shares(1, 2, 0.95, np.random.default_rng(0)).tolist()
    (True, [[1.0], [1.0]])
    """
    if count == 1:
        return np.ones((draws, 1))
    evenly = 1 / count
    drawn = stream.multinomial(count, np.full(count, evenly), size=draws) / count
    tail = (1 + confidence) / 2
    spread = stats.t.ppf(tail, count - 1) / stats.norm.ppf(tail) * np.sqrt(count / (count - 1))
    return np.asarray(evenly + spread * (drawn - evenly))
