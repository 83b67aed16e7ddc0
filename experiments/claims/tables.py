"""Tables of the fits, of rank correlations, of the envelope, and of every network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.claims import fits
from experiments.claims.claims import POINTS
from experiments.claims.draws import CROSS, Images, Terms
from experiments.claims.fits import KINDS, Scale, fit_curve, powers
from experiments.claims.judgement import CONFIDENCE, METHODS, gap_below, gap_of_pairings, vertices
from experiments.claims.sources import PRIMARY, Trained
from experiments.claims.worlds import Measured, Named, Printed, Test, World

__all__ = ["correlation_table", "curve_table", "fit_table", "hull_table", "network_table"]

Array = NDArray[np.float64]
Record = dict[str, Any]

FIT_COLUMNS = (
    "condition", "mute", "source", "target", "metric", "images", "kind", "quantity", "unit",
    "value", "low", "high", "confidence", "p_value", "n_designs",
)  # fmt: skip

DEGREES = {"linear": 1, "concave": 2, "free": 2}


class Number(NamedTuple):
    """One number of a fit; `tested` says how its p-value is found, if it has one."""

    kind: str
    name: str
    unit: str
    statistic: Callable[[Array, Array], Array]
    tested: Test = "none"


def curve_table(worlds: Iterable[World]) -> pd.DataFrame:
    """Return fitted curves of performance over omega, with bands about designs like these.

    One row a point of a curve; `images` says whether omega is of other images than performance.
    """
    return pd.DataFrame([row for world in worlds for row in _curves(world)])


def fit_table(worlds: Iterable[World]) -> pd.DataFrame:
    """Return coefficients and prediction errors of the fits, one row a number.

    With u = (omega - `centre`) / `half_range`, the line is intercept + slope x half_range x u, and
    the parabola middle + tilt x u - bend x u^2. `prediction_error` is the root mean square error of
    designs that are left out, `prediction_gain` what the concave fit takes from the line's, and
    `f_statistic` that of the bend, with a p-value over pairings of the line's residuals.
    """
    rows = [row for world in worlds for row in _fits(world)]
    return pd.DataFrame(rows, columns=list(FIT_COLUMNS))


def direction(world: World, target: str) -> Record:
    """Return the columns that say which world and which influence."""
    return {
        "condition": world.condition,
        "mute": world.mute,
        "source": CROSS[target],
        "target": target,
        "metric": PRIMARY[target],
    }


def confidence_of(world: World) -> float:
    """Return the confidence of a world's intervals; NaN where they are no such."""
    return CONFIDENCE if isinstance(world, Measured) else float("nan")


def _roles(target: str) -> tuple[Named, Named]:
    return (f"omega:{target}", 0), (f"performance:{target}", 1)


def images_of(world: World) -> Sequence[Images]:
    """Return on which images influence and performance can be measured."""
    return ("halves", "same") if isinstance(world, Measured) else ("same",)


def _terms(scale: Scale, degree: int) -> Terms:
    return lambda x: powers(scale.unit(x), degree)


def _curves(world: World) -> Iterator[Record]:
    for target in CROSS:
        scale = Scale.of(world.observed(f"omega:{target}"))
        at = scale.grid()
        for images, kind in product(images_of(world), KINDS):
            value, low, high = world.spread(
                lambda x, y, kind=kind, scale=scale, at=at: fit_curve(kind, x, y, at, scale),
                *_roles(target),
                images=images,
                terms=_terms(scale, DEGREES[kind]),
            )
            names = direction(world, target) | {"unit": POINTS[target], "images": images}
            for i, omega in enumerate(at):
                yield names | {
                    "kind": kind, "x": omega, "fit": value[i], "low": low[i], "high": high[i],
                    "confidence": confidence_of(world),
                }  # fmt: skip


def _fits(world: World) -> Iterator[Record]:
    for target in CROSS:
        scale, unit = Scale.of(world.observed(f"omega:{target}")), POINTS[target]
        x, y = (world.observed(name) for name, _ in _roles(target))
        names = direction(world, target) | {"n_designs": len(world.names), "images": "same"}
        fixed = names | {"kind": "scale", "unit": unit}
        yield fixed | {"quantity": "centre", "value": scale.centre}
        yield fixed | {"quantity": "half_range", "value": scale.half}
        yield names | {
            "kind": "concave", "quantity": "f_statistic", "unit": "",
            "value": float(fits.f_statistic(x[None], y[None], scale)[0]),
            "p_value": fits.f_p_value(x, y, scale),
        }  # fmt: skip
        for images, number in product(images_of(world), list(_numbers(scale, unit))):
            terms = _terms(scale, DEGREES[number.kind])
            found = world.estimate(
                number.statistic, *_roles(target), images=images, terms=terms, test=number.tested
            )
            yield names | {
                "images": images, "kind": number.kind, "quantity": number.name,
                "unit": number.unit, "value": found.value, "low": found.low, "high": found.high,
                "confidence": confidence_of(world),
                "p_value": found.p_value if number.tested != "none" else np.nan,
            }  # fmt: skip


def _numbers(scale: Scale, unit: str) -> Iterator[Number]:
    def coefficient(x: Array, y: Array, *, degree: int, place: int, factor: float) -> Array:
        return factor * fits.parabola(x, y, scale, degree)[:, place]

    def error(x: Array, y: Array, *, concave: bool) -> Array:
        return fits.prediction_error(x, y, scale, concave=concave)

    def gain(x: Array, y: Array) -> Array:
        return error(x, y, concave=False) - error(x, y, concave=True)

    line = partial(coefficient, degree=1)
    bent = partial(coefficient, degree=2)
    per, per_square = f"{unit} for one of influence", f"{unit} for one of influence squared"
    yield Number("linear", "intercept", unit, partial(line, place=0, factor=1.0))
    yield Number("linear", "slope", per, partial(line, place=1, factor=1 / scale.half), "pairs")
    yield Number("linear", "prediction_error", unit, partial(error, concave=False))
    yield Number("concave", "middle", unit, partial(bent, place=0, factor=1.0))
    yield Number("concave", "tilt", unit, partial(bent, place=1, factor=1.0))
    yield Number("concave", "bend", unit, partial(bent, place=2, factor=-1.0), "residuals")
    yield Number("concave", "curvature", per_square, partial(bent, place=2, factor=scale.half**-2))
    yield Number("concave", "prediction_error", unit, partial(error, concave=True))
    yield Number("concave", "prediction_gain", unit, gain)


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


QUANTITIES = {
    name: name.replace(":", "_")
    for name in (
        "omega:semantic", "omega:depth", "performance:semantic", "performance:depth",
        "gain:semantic", "gain:depth", "relative:semantic", "relative:depth", "balance",
    )
}  # fmt: skip
"""What is tabulated of every network, by target, -> its column; the influence of the other modality
on it."""


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
    frames = []
    for world, networks in measured:
        frame = _networks(world, networks)
        for name, column in QUANTITIES.items():
            whole = world.quantities[name].whole
            low, high = world.designs.resampling.interval(whole[1:], world.designs.units)
            frame[column], frame[f"{column}_low"], frame[f"{column}_high"] = whole[0], low, high
        frames.append(frame)
    by_name = {own.name: own for own in trained}
    frame = _networks(printed, [by_name[name] for name in printed.names]).assign(seed=None)
    for name, column in QUANTITIES.items():
        frame[column] = printed.observed(name)
    table = pd.concat([*frames, frame.astype({"seed": "Int64"})], ignore_index=True)
    known = table["balance_low"].notna()
    return table.assign(confidence=np.where(known, CONFIDENCE, np.nan), n=images)


def _networks(world: World, networks: Sequence[Trained]) -> pd.DataFrame:
    records = [
        {
            "condition": world.condition,
            "mute": world.mute,
            "network": own.name,
            "seed": own.seed,
            "design": own.label,
            "fusion": own.design.fusion,
            "channels": own.design.channels,
            "fused_channels": own.design.fused,
        }
        for own in networks
    ]
    return pd.DataFrame(records).astype({"seed": "Int64"})
