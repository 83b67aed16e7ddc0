r"""Coalitions: what single players and pairs are worth, from the values of sets of players.

A player is a site, a coalition the sites that are present, v its value. Every quantity here is a
weighted mean of discrete derivatives over contexts S, coalitions without the player i, or without
the pair i, j:

    D_i(S)  = v(S + i) - v(S)
    D_ij(S) = v(S + i + j) - v(S + i) - v(S + j) + v(S)

leave-one-out is D_i of all others, add-one-in D_i of nobody. The Shapley value (Shapley, A value
for n-person games, 1953) is the mean of D_i, and the Shapley interaction index (Grabisch and
Roubens, 1999) that of D_ij, over contexts of which each size is as likely as any other, and among
those of one size each. A positive interaction is synergy, a negative one redundancy.
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
        The player, or the pair.
    contexts
        Coalitions without these players, and their weights, which sum to one.

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
        """List the coalitions whose values make up the quantity, and the factor of each."""
        for context, weight in self.contexts.items():
            for joined in subsets(self.players):
                sign = (-1) ** (len(self.players) - len(joined))
                yield context | joined, sign * weight


def subsets(players: Sequence[str]) -> list[Coalition]:
    """List all coalitions, the small ones first.

    >>> [sorted(coalition) for coalition in subsets(["x", "y"])]
    [[], ['x'], ['y'], ['x', 'y']]
    """
    sizes = range(len(players) + 1)
    return [frozenset(some) for size in sizes for some in combinations(players, size)]


def exact(players: Sequence[str]) -> list[Quantity]:
    """List the quantities of all players and pairs, from the values of all coalitions.

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
    """List the same quantities in the same order, from the values of a circle's arcs alone.

    Over random circles their means are those of `exact`. A player's contexts are the arcs that
    end beside it, on either side, one of each size; a pair's the two arcs between the two, whose
    size is as likely to be any as any other.

    Examples
    --------
    >>> from influence.plan.setups import arcs
    >>> circle = ("d", "a", "c", "b")
    >>> used = {s for quantity in of_circle(circle, sorted(circle)) for s, _ in quantity.terms()}
    >>> used <= set(arcs(circle))
    True
    """
    count, place = len(circle), {player: i for i, player in enumerate(circle)}

    def contexts(among: tuple[str, ...]) -> Contexts:
        first, last = place[among[0]], place[among[-1]]
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
    """Compute quantities in every draw and at every level, as a mean over several estimates.

    Parameters
    ----------
    estimates
        For each estimate the same quantities in the same order, such as `of_circle` for each
        circle; `exact` is the only estimate that it needs.
    coalitions
        Those whose values are known.
    values
        Their values, (coalitions, draws, levels). What is not defined is NaN, and so is every
        quantity that needs it, and no other.
    shares
        The share of each estimate in each draw, (draws, estimates); see `shares`.

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
    place = {coalition: i for i, coalition in enumerate(coalitions)}
    flat = values.reshape(len(coalitions), -1)
    total = np.zeros((len(estimates[0]), *values.shape[1:]))
    with np.errstate(invalid="ignore"):  # infinity less infinity is not defined
        for quantities, share in zip(estimates, shares.T, strict=True):
            found = _factors(quantities, place) @ flat
            total += found.reshape(total.shape) * share[:, None]
    return total


def _factors(quantities: Sequence[Quantity], place: Mapping[Coalition, int]) -> sparse.csr_array:
    """Return the factors of coalitions in quantities: sparse, for zero times NaN would be NaN."""
    entries = [(q, place[s], w) for q, own in enumerate(quantities) for s, w in own.terms()]
    rows, columns, factors = zip(*entries, strict=True)
    shape = (len(quantities), len(place))
    return sparse.coo_array((factors, (rows, columns)), shape=shape).tocsr()


def shares(count: int, draws: int, confidence: float, stream: np.random.Generator) -> Array:
    """Draw how much each of several estimates counts in each draw of a bootstrap.

    Estimates are drawn with replacement, as samples are, so that an interval contains the choice of
    estimates beside that of samples. Few estimates show too little of their spread: the shares are
    spread out by what the variance of a resampled mean lacks, (count - 1) / count, and by the ratio
    of the quantiles of Student's t and the normal distribution.

    Returns
    -------
    array
        Shares, (draws, count), which sum to one in each draw; one estimate has all of it.

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
