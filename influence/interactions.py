"""Interactions: what sites are worth alone, together and on top of each other.

The value of a coalition is the oriented metric with its sites present and all others muted, so
every quantity of `influence.coalitions` is had from setups that were run, with an interval from
the draws that those of omega come from: leave-one-out is omega itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.bootstrap import Resampling
from influence.circles import arcs, seat
from influence.coalitions import Coalition, Quantity, combine, exact, of_circle, shares
from influence.errors import InfluenceError
from influence.omega import Cell, Subject, list_cells, muting_one
from influence.results import INTERACTIONS_COLUMNS
from influence.rows import NO_MUTE, Condition, RowKey
from influence.setups import FULL
from influence.sums import Sums

__all__ = ["explain_games", "interactions_frame"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Game:
    """The coalitions of sites under one mute, and the quantities that follow from their values.

    Parameters
    ----------
    mute
        What replaces the sites that are not in a coalition.
    conditions
        For each coalition the condition in which its sites are present, and no others.
    estimates
        The quantities; where the coalitions are a sample, once for each circle.
    """

    mute: str
    conditions: Mapping[Coalition, Condition]
    estimates: Sequence[Sequence[Quantity]]

    def solve(self, cell: Cell, sums: Mapping[RowKey, Array], shares: Array) -> Array:
        """Return the quantities of a metric (quantities, draws, levels) from sums (draws, k)."""
        keys = [cell.key._replace(condition=condition) for condition in self.conditions.values()]
        values = np.stack([np.atleast_2d(cell.values(sums[key])) for key in keys])
        return combine(self.estimates, list(self.conditions), cell.metric.oriented(values), shares)


def find_games(conditions: Sequence[Condition], sites: Sequence[str], seed: int) -> list[Game]:
    """List the games of the mutes under which every coalition that they need was run.

    Parameters
    ----------
    conditions
        Those of a plan, or of the rows that came of it.
    sites
        The players.
    seed
        Of the sample of coalitions, where not all were run.
    """
    circles = seat(sites, seed)
    arcs_alone = dict.fromkeys(arc for circle in circles for arc in arcs(circle))
    games = []
    for mute in dict.fromkeys(c.mute for c in conditions if c.setup != FULL):
        run = {frozenset(sites) - c.setup: c for c in conditions if c.mute in (mute, NO_MUTE)}
        if len(run) == 2 ** len(sites):
            games.append(Game(mute, run, [exact(sites)]))
        elif run.keys() >= arcs_alone.keys():
            known = {arc: run[arc] for arc in arcs_alone}
            games.append(Game(mute, known, [of_circle(circle, sites) for circle in circles]))
    return games


def explain_games(conditions: Sequence[Condition], sites: Sequence[str], seed: int) -> list[str]:
    """Say what the interactions of a plan leave out, and what they are estimated from.

    Raises
    ------
    InfluenceError
        If no mute is defined for all sites.

    Examples
    --------
    >>> full = Condition(NO_MUTE, FULL)
    >>> run = [Condition("zero", frozenset(sites)) for sites in ("x", "y", "xy")]
    >>> explain_games([full, *run, Condition("uniform", frozenset("y"))], ["x", "y"], seed=0)
    ["mute 'uniform' is not defined for every site: it has no interactions"]
    """
    games = find_games(conditions, sites, seed)
    lacking = {c.mute: None for c in conditions if c.setup != FULL}.keys() - {g.mute for g in games}
    if not games:
        raise InfluenceError(
            "interactions need the values of all coalitions, and of the mutes "
            f"{', '.join(sorted(lacking))} none is defined for every site. Choose another, such as "
            "zero, or name the sites that it is defined for"
        )
    notes = [
        f"mute {mute!r} is not defined for every site: it has no interactions"
        for mute in sorted(lacking)
    ]
    if len(games[0].estimates) > 1:
        notes.append(
            f"Shapley values and interactions of {len(sites)} sites are estimated from "
            f"{len(games[0].conditions)} of {2 ** len(sites)} subsets; their intervals contain the "
            f"choice of these ({len(games[0].estimates)} random circles) beside that of samples"
        )
    return notes


def interactions_frame(
    sums: Sums, subject: Subject, resampling: Resampling, *, level: str = "all"
) -> pd.DataFrame:
    """Tabulate what sites and pairs of sites are worth, for every mute, target, metric and level.

    A mute without the setups that this needs is left out. Parameters are those of
    `influence.omega.performance_frame`; the seed of `resampling` is that of the setups.
    """
    records = []
    conditions = sums.conditions()
    sites = list(dict.fromkeys(site for c in muting_one(conditions) for site in c.setup))
    for game in find_games(conditions, sites, resampling.seed):
        count = len(game.estimates)
        evenly = np.full((1, count), 1 / count)
        drawn_shares = shares(
            count, resampling.draws, resampling.confidence, resampling.stream(b"circles")
        )
        for cell in list_cells(sums, subject, Condition(NO_MUTE, FULL), level):
            (values,) = np.moveaxis(game.solve(cell, sums.totals, evenly), 1, 0)
            drawn = np.moveaxis(game.solve(cell, sums.drawn, drawn_shares), 1, 0)
            low, high = resampling.interval(drawn, sums.groups)
            for q, quantity in enumerate(game.estimates[0]):
                for i, name in enumerate(cell.levels):
                    records.append(
                        subject.identity()
                        | {
                            "mute": game.mute,
                            "target": cell.key.output,
                            "metric": cell.metric.name,
                            "level": name,
                            "kind": quantity.kind,
                            "players": "+".join(quantity.players),
                            "value": values[q, i],
                            "low": low[q, i],
                            "high": high[q, i],
                            "confidence": resampling.confidence,
                            "n": sums.n,
                        }
                    )
    return pd.DataFrame(records, columns=list(INTERACTIONS_COLUMNS))
