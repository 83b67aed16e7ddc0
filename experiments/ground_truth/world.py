"""A world: a network, data for it, and the value of every metric in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from influence.network.joint_network import JointNetwork
from influence.plan.setups import Setup

__all__ = ["ANSWER", "LAYOUTS", "Draw", "World", "layout_facts"]

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
