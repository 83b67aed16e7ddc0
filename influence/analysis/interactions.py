"""Interactions: what sites are worth alone, together and on top of each other.

The value of a coalition is the oriented metric with its sites present and all others muted, so
every quantity of `influence.statistics.coalitions` is had from setups that were run, with an
interval from the draws that those of omega come from: leave-one-out is omega itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.analysis.subject import Subject, list_cells, muting_one
from influence.errors import InfluenceError
from influence.metrics.metric import Metric
from influence.metrics.stateful import StatefulMetric
from influence.plan.conditions import NO_MUTE, Condition
from influence.plan.setups import FULL, arcs, seat
from influence.results.tables import INTERACTIONS_COLUMNS
from influence.statistics.bootstrap import Resampling
from influence.statistics.coalitions import Coalition, Quantity, combine, exact, of_circle, shares
from influence.statistics.rows import RowKey
from influence.statistics.sums import Sums

__all__ = [
    "Game",
    "explain_games",
    "find_games",
    "interaction_record",
    "interactions_frame",
    "muted_sites",
]

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

    def keys(self, key: RowKey) -> list[RowKey]:
        """Return the keys of the same rows under the conditions of all coalitions."""
        return [key._replace(condition=condition) for condition in self.conditions.values()]

    def solve(self, values: Array, shares: Array | None = None) -> Array:
        """Return quantities (quantities, draws, levels) from values (coalitions, draws, levels).

        Estimates count alike, or by their `shares` in each draw.
        """
        if shares is None:
            shares = np.full((values.shape[1], len(self.estimates)), 1 / len(self.estimates))
        return combine(self.estimates, list(self.conditions), values, shares)


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
    `influence.analysis.omega.performance_frame`; the seed of `resampling` is that of the setups.
    """
    records = []
    sites = muted_sites(sums.conditions(), subject)
    for game in find_games(sums.conditions(), sites, resampling.seed):
        drawn_shares = shares(
            len(game.estimates), resampling.draws, resampling.confidence,
            resampling.stream(b"circles"),
        )  # fmt: skip
        for cell in list_cells(sums, subject, Condition(NO_MUTE, FULL), level):
            keys = game.keys(cell.key)
            totals = np.stack([cell.values(sums.totals[key]) for key in keys])
            drawn = np.stack([cell.values(sums.drawn[key]) for key in keys])
            values = game.solve(cell.metric.oriented(totals)[:, None])[:, 0]
            solved = game.solve(cell.metric.oriented(drawn), drawn_shares)
            low, high = resampling.interval(np.moveaxis(solved, 1, 0), sums.groups)
            for q, quantity in enumerate(game.estimates[0]):
                for i, name in enumerate(cell.levels):
                    records.append(
                        interaction_record(
                            subject, game.mute, cell.key.output, cell.metric, name, quantity
                        )
                        | {
                            "value": values[q, i],
                            "low": low[q, i],
                            "high": high[q, i],
                            "confidence": resampling.confidence,
                            "n": sums.n,
                        }
                    )
    return pd.DataFrame(records, columns=list(INTERACTIONS_COLUMNS))


def muted_sites(conditions: Sequence[Condition], subject: Subject) -> list[str]:
    """List the sites that are muted alone, in the order in which they were seated on circles.

    Conditions may come in another one: a mute need not be defined for all sites.
    """
    muted = {site for c in muting_one(conditions) for site in c.setup}
    return [site for site in subject.modalities if site in muted]


def interaction_record(
    subject: Subject,
    mute: str,
    output: str,
    metric: Metric | StatefulMetric,
    level: str,
    of: Quantity,
) -> dict[str, Any]:
    """Return what names a row of the interactions."""
    return subject.identity() | {
        "mute": mute,
        "target": output,
        "metric": metric.name,
        "level": level,
        "kind": of.kind,
        "players": "+".join(of.players),
    }
