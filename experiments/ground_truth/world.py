"""A world: a network, data for it, and in closed form the value of every metric and of its game.

The game is what sources are worth together, and how that is shared out by definition. The library
computes the same from sums with weights; here it is counted over the orders in which sources can be
shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, cycle, islice, permutations
from statistics import fmean
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from influence.metrics.registry import METRICS
from influence.network.joint_network import JointNetwork
from influence.plan.setups import Setup

__all__ = ["ANSWER", "LAYOUTS", "Draw", "World", "layout_facts", "true_values"]

ANSWER = "answer"
"""The output of every world's network."""


@dataclass(frozen=True)
class Draw:
    """Samples of a world: inputs by site, (samples, places), and the truth about the answer."""

    inputs: Mapping[str, Tensor]
    target: Tensor


class World(Protocol):
    """What the studies need of a world."""

    @property
    def name(self) -> str: ...
    @property
    def about(self) -> str: ...
    @property
    def sites(self) -> tuple[str, ...]: ...
    @property
    def metrics(self) -> tuple[str, ...]: ...

    def network(self) -> JointNetwork:
        """Return the network; its facts hold the true moments of the inputs."""

    def draw(self, stream: np.random.Generator, groups: NDArray[np.int64]) -> Draw:
        """Draw one sample for each entry of `groups`; samples of a group are alike."""

    def value(self, metric: str, mute: str, setup: Setup) -> float:
        """Return what the metric tends to on ever more samples, in closed form."""


SIZES = (1, 2, 3, 4, 5)
"""Samples of one group, in turn; the 654 test images of NYU-Depth v2 show 215 scenes."""


def _grouped(count: int) -> NDArray[np.int64]:
    """Number the groups of samples, which stand in random order."""
    sizes = list(islice(cycle(SIZES), count))
    groups = np.repeat(np.arange(count), sizes)[:count]
    return np.random.default_rng(count).permutation(groups)


LAYOUTS: dict[str, NDArray[np.int64]] = {
    "100 samples": np.arange(100),
    "654 samples": np.arange(654),
    "100 samples in groups of 1 to 5": _grouped(100),
    "654 samples in groups of 1 to 5": _grouped(654),
}
"""For each sample the number of its group, by the name of the layout."""


def layout_facts(name: str) -> dict[str, str | int]:
    """Return the columns of a table that say which layout, and how large it is."""
    groups = LAYOUTS[name]
    return {"data": name, "n": len(groups), "groups": int(groups.max()) + 1}


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
