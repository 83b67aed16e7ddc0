"""The worlds by name: unique, redundant, synergistic, irrelevant and harmful sources."""

from __future__ import annotations

import numpy as np

from experiments.ground_truth.discrete import DiscreteWorld
from experiments.ground_truth.gaussian import GaussianWorld
from experiments.ground_truth.polynomial import Polynomial
from experiments.ground_truth.switches import switched
from experiments.ground_truth.tables import independent, labelled, table, views
from experiments.ground_truth.world import World

__all__ = ["WORLDS"]


MAPS = [0.5, 0.3, 0.2]
"""How often the classes of maps occur."""

TWO = views(MAPS, 0.8, 0.65)


def _found() -> list[World]:
    plain, near = ((1.0, 0.0), (0.0, 1.0)), ((1.0, 0.9), (0.9, 1.0))
    some = ((1.0, 0.6), (0.6, 1.0))
    both: Polynomial = {(0,): 1.0, (1,): 1.0}
    halves: Polynomial = {(0,): 0.5, (1,): 0.5}
    chain = ((1.0, 0.5, 0.0), (0.5, 1.0, 0.3), (0.0, 0.3, 1.0))
    mixed = {(0,): 1.0, (1, 2): 0.7}
    close = [[0.38, 0.05], [0.05, 0.52]]
    return [
        GaussianWorld("unique", "a and b tell different things", both, both, (1.0, -0.5), plain),
        GaussianWorld("correlated", "as unique, ρ = 0.6", both, both, (3.0, 0.0), some),
        GaussianWorld("redundant", "a and b tell the same, ρ = 0.9", halves, halves, (0.0, 0.0),
                      near),
        GaussianWorld("synergistic", "the truth is the product of a and b", {(0, 1): 1.0},
                      {(0, 1): 1.0}, (0.0, 0.0), ((1.0, 0.3), (0.3, 1.0))),
        GaussianWorld("irrelevant", "b is noise that the network uses", {(0,): 1.0, (1,): 0.5},
                      {(0,): 1.0}, (0.0, 0.0), plain),
        GaussianWorld("harmful", "the network uses b with the wrong sign",
                      {(0,): 1.0, (1,): -0.5}, {(0,): 1.0, (1,): 0.5}, (0.0, 0.0), plain),
        GaussianWorld("chain", "three sources, neighbours correlated",
                      {(0,): 1.0, (1,): 0.7, (2,): 0.5}, {(0,): 1.0, (1,): 0.7, (2,): 0.5},
                      (0.5, 0.0, 1.0), chain),
        GaussianWorld("lens", "a alone, b and c as a product, neighbours correlated",
                      mixed, mixed, (0.5, 0.0, 1.0), chain),
        DiscreteWorld("unique labels", "each tells one of two bits of the class",
                      labelled(independent(0.6, 0.4), lambda a, b: 2 * a + b, 4, 0.85),
                      table(lambda a, b: 2 * a + b, 2, 2)),
        DiscreteWorld("redundant labels", "either is enough: a OR b of nearly equal bits",
                      labelled(close, lambda a, b: a | b, 2, 0.95),
                      table(lambda a, b: a | b, 2, 2)),
        DiscreteWorld("xor", "only both together tell: a XOR b",
                      labelled(independent(0.6, 0.45), lambda a, b: a ^ b, 2, 0.9),
                      table(lambda a, b: a ^ b, 2, 2)),
        DiscreteWorld("and", "a AND b", labelled(independent(0.6, 0.55), lambda a, b: a & b, 2,
                      0.9), table(lambda a, b: a & b, 2, 2)),
        switched("irrelevant labels", [0.5, 0.5], 0.75, 0.75),
        DiscreteWorld("harmful labels", "the network believes a, unless b confirms it",
                      views([0.45, 0.55], 0.9, 0.7), table(lambda a, b: a & (1 - b), 2, 2)),
        DiscreteWorld("three labels", "a chooses between b and c, as a lens does",
                      labelled(independent(0.6, 0.45, 0.55), lambda a, b, c: (b, c)[a], 2, 0.9),
                      table(lambda a, b, c: (b, c)[a], 2, 2, 2)),
        DiscreteWorld("maps", "two noisy views of the classes, the more likely one is taken", TWO,
                      TWO.argmax(-1), 25, ("mean_iou",)),
        DiscreteWorld("xor maps", "the class is a + b modulo 3",
                      labelled(np.multiply.outer(MAPS, [0.2, 0.45, 0.35]),
                                lambda a, b: (a + b) % 3, 3, 0.85),
                      table(lambda a, b: (a + b) % 3, 3, 3), 25, ("mean_iou",)),
    ]  # fmt: skip


WORLDS: dict[str, World] = {world.name: world for world in _found()}
"""The worlds by name."""
