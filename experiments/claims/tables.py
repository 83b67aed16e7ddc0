"""Tables of rank correlations, of the envelope, and of every network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from experiments.claims.claims import POINTS
from experiments.claims.draws import CROSS
from experiments.claims.fit_tables import confidence_of, direction, images_of
from experiments.claims.judgement import CONFIDENCE
from experiments.claims.printed import Printed
from experiments.claims.sources import Trained
from experiments.claims.statistics import METHODS, gap_below, gap_of_pairings, vertices
from experiments.claims.worlds import Measured, World

__all__ = ["correlation_table", "hull_table", "network_table"]

Record = dict[str, Any]


def correlation_table(worlds: Iterable[World]) -> pd.DataFrame:
    """Return rank correlations between influence, or balance, and performance.

    ``performance_muted`` is what is left without the source: omega and performance differ by it.
    Over `points` that are networks, only images were drawn.
    """
    return pd.DataFrame([row for world in worlds for row in _correlations(world)])


PAIRS = {
    ("omega", "performance"): ("omega:{}", "performance:{}"),
    ("omega", "performance_muted"): ("omega:{}", "muted:{}"),
    ("balance", "performance"): ("balance", "performance:{}"),
}
"""What is correlated -> the names of the quantities, by target."""


def _correlations(world: World) -> Iterator[Record]:
    views: dict[str, World] = {"designs": world}
    if world.networks > len(world.names):
        views["networks"] = world.by_network()
    every = product(CROSS, PAIRS.items(), views.items(), images_of(world), METHODS.items())
    for target, ((x, y), names), (points, own), images, (method, correlate) in every:
        one, other = (name.format(target) for name in names)
        found = own.estimate(
            correlate, (one, 0), (other, 1), images=images, across=points == "designs"
        )
        yield {
            "condition": world.condition, "mute": world.mute, "x": x, "y": y,
            "source": CROSS[target] if x == "omega" else "both", "target": target,
            "images": images, "points": points, "method": method, "value": found.value,
            "low": found.low, "high": found.high, "confidence": confidence_of(world),
            "p_value": found.p_value, "n": len(own.names),
        }  # fmt: skip


def hull_table(
    measured: Iterable[tuple[Measured, Sequence[Trained]]], printed: Printed
) -> pd.DataFrame:
    """Return the corners of the upper envelope of all networks, left to right.

    `gap` is how far the networks lie below it on average, `gap_pairings` the same if performances
    are given to networks at random, and `p_value` the share of pairings with a gap as small.
    """
    named: list[tuple[World, list[tuple[str, int | None]]]] = [
        (world, [(own.name, own.seed) for own in networks]) for world, networks in measured
    ]
    named.append((printed, [(name, None) for name in printed.names]))
    records = [
        row for world, names in named for target in CROSS for row in _hull(world, target, names)
    ]
    return pd.DataFrame(records).astype({"seed": "Int64"})


def _hull(world: World, target: str, names: Sequence[tuple[str, int | None]]) -> Iterator[Record]:
    x, y = (world.by_network().observed(f"{name}:{target}") for name in ("omega", "performance"))
    gap, pairings = gap_below(x, y), gap_of_pairings(x, y, np.random.default_rng(0))
    p_value = (1 + (pairings <= gap * (1 + 1e-9)).sum()) / (1 + len(pairings))
    for number, place in enumerate(vertices(x, y)):
        yield direction(world, target) | {
            "unit": POINTS[target], "vertex": number, "network": names[place][0],
            "seed": names[place][1], "omega": x[place], "performance": y[place],
            "n_networks": len(x), "gap": gap, "gap_pairings": pairings.mean(), "p_value": p_value,
        }  # fmt: skip


QUANTITIES = (
    "omega:semantic", "omega:depth", "performance:semantic", "performance:depth", "gain:semantic",
    "gain:depth", "relative:semantic", "relative:depth", "balance",
)  # fmt: skip
"""What is tabulated of every network, by target; the influence of the other modality on it."""


def network_table(
    measured: Iterable[tuple[Measured, Sequence[Trained]]],
    printed: Printed,
    trained: Sequence[Trained],
    images: int,
) -> pd.DataFrame:
    """Return influences, performances, gains over the inputs and balance of every network.

    Intervals are over images. The columns are named by target: `omega_semantic` is the influence of
    depth on the semantic output.
    """
    records = []
    for world, networks in measured:
        ends = {
            name: world.designs.resampling.interval(
                world.quantities[name].whole[1:], world.designs.units
            )
            for name in QUANTITIES
        }
        for place, own in enumerate(networks):
            numbers = {}
            for name in QUANTITIES:
                column = name.replace(":", "_")
                numbers[column] = world.quantities[name].whole[0, place]
                low, high = ends[name]
                numbers |= {f"{column}_low": low[place], f"{column}_high": high[place]}
            records.append(_network(world, own, own.seed) | numbers)
    for place, name in enumerate(printed.names):
        own = next(one for one in trained if one.name == name)
        numbers = {x.replace(":", "_"): printed.observed(x)[place] for x in QUANTITIES}
        records.append(_network(printed, own, None) | numbers)
    frame = pd.DataFrame(records).astype({"seed": "Int64"})
    known = frame["balance_low"].notna()
    return frame.assign(confidence=np.where(known, CONFIDENCE, np.nan), n=images)


def _network(world: World, own: Trained, seed: int | None) -> Record:
    return {
        "condition": world.condition,
        "mute": world.mute,
        "network": own.name,
        "seed": seed,
        "design": own.label,
        "fusion": own.design.fusion,
        "channels": own.design.channels,
        "fused_channels": own.design.fused,
    }
