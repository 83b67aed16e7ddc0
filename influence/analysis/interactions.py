"""Interactions: how much sites contribute alone, jointly, and in addition to each other.

The value of a coalition is the oriented metric with its sites present and all others muted. Every
quantity of `influence.statistics.coalitions` is computed from the setups that were run, with an
interval from the same draws as that of omega; leave-one-out is omega itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.analysis.omega import Cell, Quantities, Subject, list_cells, make_table, muting_one
from influence.errors import InfluenceError
from influence.plan.setups import FULL, NO_MUTE, Condition, arcs, seat
from influence.results.tables import INTERACTIONS_COLUMNS
from influence.statistics.bootstrap import Resampling
from influence.statistics.coalitions import Coalition, Quantity, combine, exact, of_circle, shares
from influence.statistics.rows import Sums

__all__ = ["Game", "explain_games", "find_games", "interactions_frame"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Game:
    """The coalitions of sites that were run under one mute, and the quantities to compute.

    Parameters
    ----------
    mute
        The mute of the sites that are not in a coalition.
    conditions
        For each coalition the condition in which exactly its sites are present.
    estimates
        The quantities; one list for each circle if only a sample of the coalitions was run.
    """

    mute: str
    conditions: Mapping[Coalition, Condition]
    estimates: Sequence[Sequence[Quantity]]


def find_games(conditions: Sequence[Condition], sites: Sequence[str], seed: int) -> list[Game]:
    """List the games: one for each mute under which all coalitions, or a sample of them, were run.

    Parameters
    ----------
    conditions
        The conditions of a plan, or of the rows that were measured.
    sites
        The players.
    seed
        The seed of the sample of coalitions, if not all were run.
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
    """List notes on mutes without interactions, and on interactions that are only estimated.

    Parameters
    ----------
    conditions, sites, seed
        As for `find_games`.

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
            "interactions need a mute that is defined for every site, and of the mutes "
            f"{', '.join(sorted(lacking))} none is. Choose another, such as shuffle, which is for "
            "inputs of any kind, or name only sites that it is defined for"
        )
    notes = [
        f"mute {mute!r} is not defined for every site: it has no interactions"
        for mute in sorted(lacking)
    ]
    if len(games[0].estimates) > 1:
        notes.append(
            f"Shapley values and interactions of {len(sites)} sites are estimated from "
            f"{len(games[0].conditions)} of {2 ** len(sites)} subsets; their intervals account for "
            f"the choice of these ({len(games[0].estimates)} random circles) and of samples"
        )
    return notes


def interactions_frame(
    sums: Sums, subject: Subject, resampling: Resampling, *, level: str = "all"
) -> pd.DataFrame:
    """Tabulate the quantities of sites and pairs for every mute, target, metric and level.

    Mutes under which the necessary setups were not run are left out.

    Parameters
    ----------
    sums, subject, level
        As for `influence.analysis.omega.performance_frame`.
    resampling
        The resampling that made the draws; its seed is also that of the sampled setups.

    Returns
    -------
    DataFrame
        With the columns `INTERACTIONS_COLUMNS`.
    """

    def found() -> Iterator[tuple[Cell, Quantities]]:
        muted = {site for c in muting_one(sums.conditions()) for site in c.setup}
        # The circles depend on the order of the sites, which the conditions may change because not
        # every mute is defined for all sites.
        sites = [site for site in subject.modalities if site in muted]
        for game in find_games(sums.conditions(), sites, resampling.seed):
            count, coalitions = len(game.estimates), list(game.conditions)
            stream = resampling.stream(b"circles")
            drawn_shares = shares(count, sums.draws, resampling.confidence, stream)
            equal_shares = np.full((1, count), 1 / count)
            for cell in list_cells(sums, subject, [Condition(NO_MUTE, FULL)], level):
                keys = [cell.key._replace(condition=c) for c in game.conditions.values()]
                totals, drawn = (
                    cell.metric.oriented(np.stack([cell.values(side[key]) for key in keys]))
                    for side in (sums.totals, sums.drawn)
                )
                values = combine(game.estimates, coalitions, totals[:, None], equal_shares)[:, 0]
                solved = combine(game.estimates, coalitions, drawn, drawn_shares)
                low, high = resampling.interval(np.moveaxis(solved, 1, 0), sums.groups)
                for q, quantity in enumerate(game.estimates[0]):
                    names = {"kind": quantity.kind, "players": "+".join(quantity.players)}
                    ends = {"low": low[q], "high": high[q]}
                    yield cell, {"mute": game.mute, "value": values[q]} | names | ends

    confidence = resampling.confidence
    return make_table(found(), subject, INTERACTIONS_COLUMNS, confidence=confidence, n=sums.n)
