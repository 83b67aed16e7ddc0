"""The game of a world: what sources are worth together, and how that is shared out by definition.

The library computes the same from sums with weights; here it is counted over the orders in which
sources can be shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations
from statistics import fmean

from experiments.ground_truth.world import World
from influence.metrics.registry import METRICS

__all__ = ["true_values"]

Players = tuple[str, ...]


def true_values(world: World, metric: str, mute: str) -> dict[tuple[str, str], float]:
    """Return the true leave-one-out, add-one-in, Shapley and interaction values.

    Positive means that a source helps; of an interaction, that two help each other (synergy).

    Returns
    -------
    dict
        (kind, players joined by ``+``) -> value.
    """

    def worth(shown: Players) -> float:
        value = world.value(metric, mute, frozenset(world.sites) - set(shown))
        return value if METRICS[metric].higher_is_better else -value

    found: dict[tuple[str, str], float] = {}
    for site in world.sites:
        others = tuple(s for s in world.sites if s != site)
        found["leave_one_out", site] = worth(world.sites) - worth(others)
        found["add_one_in", site] = worth((site,)) - worth(())
        found["shapley", site] = fmean(
            worth((*before, site)) - worth(before) for before in _before(others)
        )
    for a, b in combinations(world.sites, 2):
        others = tuple(s for s in world.sites if s not in (a, b))
        found["interaction", f"{a}+{b}"] = fmean(
            worth((*seen, a, b)) - worth((*seen, a)) - worth((*seen, b)) + worth(seen)
            for seen in _before(others)
        )
    return found


def _before(others: Players) -> Iterator[Players]:
    """Yield who is there already when a newcomer arrives, over all orders and places in them."""
    for order in permutations(others):
        for place in range(len(order) + 1):
            yield order[:place]
