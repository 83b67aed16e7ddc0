"""Pairing: two networks on the same samples, drawn together, and swapped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from influence.data.dataset import group_numbers
from influence.errors import InfluenceError
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import RowKey, Rows
from influence.statistics.sums import Sums

__all__ = ["Pair", "Side", "draw_pair", "match_samples"]

Side = Mapping[RowKey, NDArray[np.float64]]


def match_samples(rows: Rows, like: Rows) -> Rows:
    """Put samples in the order of others with the same ids.

    Raises
    ------
    InfluenceError
        If the ids are not the same, or come twice, or the groups are others, or other samples
        exchange their inputs under a shuffle that both have.

    Examples
    --------
    >>> from influence.plan.conditions import Condition
    >>> key = RowKey(Condition("none", frozenset()), "y", "errors")
    >>> rows = Rows(["b", "a"], np.arange(2), {key: np.array([[2.0], [1.0]])})
    >>> match_samples(rows, Rows(["a", "b"], np.arange(2), {})).values[key].tolist()
    [[1.0], [2.0]]
    """
    place = {name: i for i, name in enumerate(rows.ids)}
    common = len(place.keys() & set(like.ids))
    if not len(rows.ids) == len(like.ids) == len(place) == common:
        raise InfluenceError(
            f"expected the same samples on both sides, once each; {common} ids match, of "
            f"{len(like.ids)} samples in the first run and {len(rows.ids)} in the second. Measure "
            "both on one evaluation file"
        )
    order = np.array([place[name] for name in like.ids])
    groups = rows.groups[order]
    if (group_numbers(groups, len(order)) != group_numbers(like.groups, len(order))).any():
        raise InfluenceError(
            "the samples are grouped in another way in the second run. Measure both on one "
            "evaluation file"
        )
    if shuffled := sorted(_shuffles(rows) & _shuffles(like)):
        units = [group_numbers(x, len(order)) for x in (rows.drawn_together[order],
                                                        like.drawn_together)]  # fmt: skip
        if (units[0] != units[1]).any():
            raise InfluenceError(
                f"under {shuffled[0]!r} the samples exchange their inputs with others in the "
                "second run: no draw fits both. Measure both with the same --seed"
            )
    values = {key: found[order] for key, found in rows.values.items()}
    return Rows(like.ids, like.groups, values, like.units)


def _shuffles(rows: Rows) -> set[str]:
    return {key.condition.mute for key in rows.values if key.condition.mute.startswith("shuffle")}


@dataclass(frozen=True)
class Pair:
    """Two networks on the same samples.

    Parameters
    ----------
    first, second
        Their sums, from the same draws.
    swaps
        Second minus first, summed over the samples that each sign flip swaps, (draws, k).
    """

    first: Sums
    second: Sums
    swaps: Side

    def observed(self) -> tuple[Side, Side]:
        """Return the sums of both, (k,) for each key."""
        return self.first.totals, self.second.totals

    def resampled(self) -> tuple[Side, Side]:
        """Return the sums of both in every draw of the bootstrap, (draws, k) for each key."""
        return self.first.drawn, self.second.drawn

    def swapped(self) -> tuple[Side, Side]:
        """Return the sums of both after swapping them in random samples, (draws, k) for each key.

        Under the hypothesis that the networks are exchangeable on each sample, with all that they
        give under every condition, these are as likely as the observed ones.
        """
        return (
            {key: self.first.totals[key] + swap for key, swap in self.swaps.items()},
            {key: self.second.totals[key] - swap for key, swap in self.swaps.items()},
        )


def draw_pair(rows_a: Rows, rows_b: Rows, resampling: Resampling) -> Pair:
    """Add up what two networks both have with at most one site muted, in the same draws.

    Raises
    ------
    InfluenceError
        If the samples are not the same, or rows are not of the same length.
    """
    rows_b = match_samples(rows_b, rows_a)
    keys = [key for key in rows_a.values
            if key in rows_b.values and len(key.condition.setup) < 2]  # fmt: skip
    for key in keys:
        found = [rows.values[key].shape[1] for rows in (rows_a, rows_b)]
        if found[0] != found[1]:
            raise InfluenceError(
                f"{key}: the first network has rows of {found[0]} numbers and the second of "
                f"{found[1]}. Compare networks of the same classes"
            )
    first, second = (
        replace(rows, values={key: rows.values[key] for key in keys}) for rows in (rows_a, rows_b)
    )
    return Pair(
        resampling.sums(first),
        resampling.sums(second),
        resampling.exchange(
            {key: (first.values[key], second.values[key]) for key in keys}, rows_a.drawn_together
        ),
    )
