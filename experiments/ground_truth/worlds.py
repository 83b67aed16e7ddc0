"""The worlds by name: unique, redundant, synergistic, irrelevant and harmful sources."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.ground_truth.discrete import DiscreteWorld
from experiments.ground_truth.gaussian import GaussianWorld, Polynomial
from experiments.ground_truth.world import World

__all__ = ["WORLDS", "labelled", "switched", "views"]

Array = NDArray[np.float64]


def labelled(symbols: ArrayLike, truth: ArrayLike, right: float) -> Array:
    """Add the true class, which is that of the symbols with the chance `right`.

    Otherwise it is any of the other classes.
    """
    classes = np.asarray(truth)[..., None]
    count = int(classes.max()) + 1
    chances = np.where(np.arange(count) == classes, right, (1 - right) / (count - 1))
    return np.asarray(symbols)[..., None] * chances


def views(shares: ArrayLike, *rights: float) -> Array:
    """Show the true class to each input, right with these chances, otherwise any other class."""
    classes = np.asarray(shares, dtype=np.float64)
    found, same = np.ones(len(classes)), np.eye(len(classes), dtype=bool)
    for right in rights:
        found = found[..., None, :] * np.where(same, right, (1 - right) / (len(classes) - 1))
    return classes * found


CHANCES = np.array([[1 - 0.6, 0.6], [1 - 0.45, 0.45]])
"""How often each switch is 0 and 1."""


def switched(
    name: str,
    shares: Sequence[float],
    one: float,
    other: float,
    *,
    switches: int = 1,
    places: int = 1,
    metrics: tuple[str, ...] = ("accuracy",),
) -> DiscreteWorld:
    """Make a world in which a shows two views of the class, and bits b (and c) choose between them.

    Where both views are as good, every mute of b changes many answers and the expected metrics not
    at all: rows with and without b are exchangeable. Otherwise b has an influence.

    Parameters
    ----------
    name
        Of the world.
    shares
        How often the classes occur.
    one, other
        How often the view that is believed after an even number of ones is right, and the other.
    switches
        How many bits there are.
    places, metrics
        As of `DiscreteWorld`.
    """
    k = len(shares)
    both = views(shares, one, other).reshape(k * k, k)
    bits = reduce(np.multiply.outer, CHANCES[:switches])
    joint = np.moveaxis(np.multiply.outer(bits, both), -2, 0)
    seen, *ones = np.indices((k * k, *bits.shape))
    answers = np.where(sum(ones) % 2 == 0, seen // k, seen % k)
    about = "bits choose between two views of the class"
    return DiscreteWorld(name, about, joint, answers, places, metrics)


def _polynomial(terms: Mapping[str, float]) -> Polynomial:
    return {tuple("abc".index(site) for site in term): factor for term, factor in terms.items()}


def _make(name: str, fields: Mapping[str, Any]) -> World:
    """Make a world of its fields in `worlds.toml`."""
    if "mean" in fields:
        answer, truth = fields["answer"], fields.get("truth", fields["answer"])
        correlation = tuple(map(tuple, fields["correlation"]))
        return GaussianWorld(name, fields["about"], _polynomial(answer), _polynomial(truth),
                             tuple(fields["mean"]), correlation)  # fmt: skip
    if "switch" in fields:
        return switched(name, fields["classes"], *fields["switch"])
    if "views" in fields:
        joint = views(fields["classes"], *fields["views"])
    else:
        alone = fields.get("alone", [[1 - chance, chance] for chance in fields.get("bits", ())])
        symbols = fields["symbols"] if "symbols" in fields else reduce(np.multiply.outer, alone)
        joint = labelled(symbols, fields["truth"], fields["right"])
    answer = np.array(fields["answer"] if "answer" in fields else fields["truth"])
    metrics = tuple(fields.get("metrics", ["accuracy"]))
    return DiscreteWorld(name, fields["about"], joint, answer, fields.get("places", 1), metrics)


WORLDS: dict[str, World] = {
    name: _make(name, fields)
    for name, fields in tomllib.loads(
        Path(__file__).with_name("worlds.toml").read_text(encoding="utf-8")
    ).items()
}
"""The worlds by name, from `worlds.toml`."""
