"""Planted worlds: networks whose influences, performances and noise are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.claims.draws import Designs, Quantity
from experiments.claims.judgement import asymmetry, balance, relative
from experiments.claims.worlds import Measured
from influence.statistics.bootstrap import Resampling

Array = NDArray[np.float64]

UNITS = 300


def noisy(
    truth: ArrayLike, error: float, stream: np.random.Generator, draws: int, splits: int = 4
) -> Quantity:
    """Measure numbers of networks with an error by images, and draw them again with that error.

    On half of the images the variance is twice as great.
    """
    values = np.asarray(truth, dtype=np.float64)
    half = stream.normal(0, error * np.sqrt(2), (splits, 2, len(values)))
    seen = values + half.mean(axis=(0, 1))
    whole = np.vstack([seen, seen + stream.normal(0, error, (draws, len(values)))])
    halves = []
    for side in (0, 1):
        observed = values + half[:, side]
        again = np.repeat(observed, draws // splits, axis=0)
        again += stream.normal(0, error * np.sqrt(2), again.shape)
        halves.append(np.vstack([observed, again]))
    return Quantity(whole, np.stack(halves))


def world(
    omega: Mapping[str, ArrayLike],
    performance: Mapping[str, ArrayLike],
    *,
    labels: Sequence[str] = (),
    error: float = 0.01,
    draws: int = 200,
    seed: int = 0,
    inputs: tuple[float, float] = (0.0, 0.0),
    facts: Mapping[str, ArrayLike] | None = None,
) -> Measured:
    """Build a world of networks by their influences and performances by target."""
    stream = np.random.default_rng(seed)
    count = len(np.asarray(omega["semantic"]))
    found: dict[str, Quantity] = {}
    for place, target in enumerate(("semantic", "depth")):
        found[f"omega:{target}"] = noisy(omega[target], error, stream, draws)
        found[f"performance:{target}"] = noisy(performance[target], error, stream, draws)
        found[f"muted:{target}"] = found[f"performance:{target}"] - found[f"omega:{target}"]
        given = inputs[place]
        found[f"gain:{target}"] = found[f"performance:{target}"].combine(lambda a, g=given: a - g)
        found[f"relative:{target}"] = found[f"omega:{target}"].combine(
            lambda w, a, t=target: relative(w, a, t), found[f"performance:{target}"]
        )
    one, other = found["relative:semantic"], found["relative:depth"]
    found |= {"balance": one.combine(balance, other), "asymmetry": one.combine(asymmetry, other)}
    for name, values in (facts or {}).items():
        found[name] = found["omega:depth"].combine(
            lambda old, v=values: np.broadcast_to(np.asarray(v, dtype=np.float64), old.shape)
        )
    performances = np.stack(
        [found[f"performance:{target}"].whole for target in ("semantic", "depth")], axis=-1
    )
    given_draws = np.broadcast_to(np.array(inputs), (1 + draws, 1, 2))
    designs = Designs(
        tuple(labels) or tuple(f"d{i}" for i in range(count)), Resampling(draws=draws), UNITS
    )
    return Measured("planted", "zero", designs, found, performances, given_draws)
