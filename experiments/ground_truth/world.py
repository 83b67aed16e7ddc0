"""A world: a network, data for it, and the value of every metric in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from influence.network.joint_network import JointNetwork
from influence.plan.setups import Setup

__all__ = ["ANSWER", "Draw", "World"]

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
        ...

    def draw(self, stream: np.random.Generator, groups: NDArray[np.int64]) -> Draw:
        """Draw one sample for each entry of `groups`; samples of a group are alike."""
        ...

    def value(self, metric: str, mute: str, setup: Setup) -> float:
        """Return what the metric tends to on ever more samples, in closed form."""
        ...
