"""Tables: what a figure of the claims needs, and the numbers behind the verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.claims import fits
from experiments.claims.claims import POINTS
from experiments.claims.correlations import METHODS
from experiments.claims.designs import Images, Terms
from experiments.claims.draws import CROSS
from experiments.claims.fits import KINDS, Scale, fit_curve, powers
from experiments.claims.hull import gap_below, gap_of_pairings, vertices
from experiments.claims.judgement import CONFIDENCE
from experiments.claims.sources import PRIMARY, Trained
from experiments.claims.worlds import Measured, Named, Printed, World

__all__ = ["correlation_table", "curve_table", "fit_table", "hull_table", "network_table"]

Array = NDArray[np.float64]
Record = dict[str, Any]

IMAGES: tuple[Images, ...] = ("halves", "same")
DEGREES = {"linear": 1, "concave": 2, "free": 2}


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
    return pd.DataFrame([row for world in worlds for row in _fits(world)])


def correlation_table(worlds: Iterable[World]) -> pd.DataFrame:
    """Return rank correlations between influence, or balance, and performance.

    ``performance_muted`` is what is left without the source: omega and performance differ by it.
    Over `points` that are networks, only images were drawn.
    """
    return pd.DataFrame([row for world in worlds for row in _correlations(world)])


def _frame(world: World, target: str) -> Record:
    return {
        "condition": world.condition,
        "mute": world.mute,
        "source": CROSS[target],
        "target": target,
        "metric": PRIMARY[target],
    }


def _confidence(world: World) -> float:
    return CONFIDENCE if isinstance(world, Measured) else float("nan")


def _roles(target: str) -> tuple[Named, Named]:
    return (f"omega:{target}", 0), (f"performance:{target}", 1)


def _kinds(world: World) -> Sequence[Images]:
    return IMAGES if isinstance(world, Measured) else ("same",)


def _terms(scale: Scale, degree: int) -> Terms:
    return lambda x: powers(scale.unit(x), degree)


def _curves(world: World) -> Iterator[Record]:
    for target in CROSS:
        scale = Scale.of(world.observed(f"omega:{target}"))
        at = scale.grid()
        for images in _kinds(world):
            for kind in KINDS:
                value, low, high = world.spread(
                    lambda x, y, kind=kind, scale=scale, at=at: fit_curve(kind, x, y, at, scale),
                    *_roles(target),
                    images=images,
                    terms=_terms(scale, DEGREES[kind]),
                )
                names = _frame(world, target) | {"unit": POINTS[target], "images": images}
                for i, omega in enumerate(at):
                    yield names | {
                        "kind": kind, "x": omega, "fit": value[i], "low": low[i], "high": high[i],
                        "confidence": _confidence(world),
                    }  # fmt: skip


def _fits(world: World) -> Iterator[Record]:
    for target in CROSS:
        scale = Scale.of(world.observed(f"omega:{target}"))
        unit = POINTS[target]
        names = _frame(world, target)
        for name, value in (("centre", scale.centre), ("half_range", scale.half)):
            yield names | {"images": "same", "kind": "scale", "quantity": name, "unit": unit,
                           "value": value, "n_designs": len(world.names)}  # fmt: skip
        for images in _kinds(world):
            for kind, quantity, unit_of, statistic in _statistics(scale, unit):
                found = world.estimate(
                    statistic,
                    *_roles(target),
                    images=images,
                    terms=_terms(scale, DEGREES[kind]),
                    test=(
                        "residuals"
                        if quantity in ("bend", "f_statistic")
                        else "pairs" if quantity in ("slope", "r_squared") else "none"
                    ),
                )  # fmt: skip
                p_value = found.p_value
                if quantity == "f_statistic":
                    x, y = (world.observed(name) for name, _ in _roles(target))
                    p_value = fits.f_p_value(x, y, scale)
                elif quantity not in ("slope", "bend", "prediction_gain"):
                    p_value = float("nan")
                yield names | {
                    "images": images, "kind": kind, "quantity": quantity, "unit": unit_of,
                    "value": found.value, "low": found.low, "high": found.high,
                    "confidence": _confidence(world), "p_value": p_value,
                    "n_designs": len(world.names),
                }  # fmt: skip


def _statistics(scale: Scale, unit: str) -> Iterator[tuple[str, str, str, Any]]:
    def coefficient(degree: int, place: int, factor: float = 1.0) -> Any:
        return lambda x, y: factor * fits.parabola(x, y, scale, degree)[:, place]

    def error(concave: bool) -> Any:
        return lambda x, y: fits.prediction_error(x, y, scale, concave=concave)

    yield "linear", "intercept", unit, coefficient(1, 0)
    yield "linear", "slope", f"{unit} for one of influence", coefficient(1, 1, 1 / scale.half)
    yield "linear", "prediction_error", unit, error(False)
    yield "concave", "middle", unit, coefficient(2, 0)
    yield "concave", "tilt", unit, coefficient(2, 1)
    yield "concave", "bend", unit, coefficient(2, 2, -1.0)
    yield (
        "concave",
        "curvature",
        f"{unit} for one of influence squared",
        coefficient(2, 2, scale.half**-2),
    )
    yield "concave", "prediction_error", unit, error(True)
    yield "concave", "prediction_gain", unit, lambda x, y: error(False)(x, y) - error(True)(x, y)
    yield "concave", "f_statistic", "", lambda x, y: fits.f_statistic(x, y, scale)


def _correlations(world: World) -> Iterator[Record]:
    views: list[tuple[str, World]] = [("designs", world)]
    if world.networks > len(world.names):
        views.append(("networks", world.by_network()))
    for target in CROSS:
        for x, y in (("omega", "performance"), ("omega", "muted"), ("balance", "performance")):
            name = x if x == "balance" else f"{x}:{target}"
            for points, own in views:
                for images in _kinds(world):
                    for method, correlate in METHODS.items():
                        found = own.estimate(
                            correlate, (name, 0), (f"{y}:{target}", 1), images=images,
                            across=points == "designs",
                        )  # fmt: skip
                        names = _frame(world, target)
                        names["source"] = names["source"] if x == "omega" else "both"
                        yield {
                            **{key: names[key] for key in ("condition", "mute")},
                            "x": x, "y": "performance_muted" if y == "muted" else y,
                            "source": names["source"], "target": target, "images": images,
                            "points": points, "method": method, "value": found.value,
                            "low": found.low, "high": found.high,
                            "confidence": _confidence(world), "p_value": found.p_value,
                            "n": len(own.names),
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
        yield _frame(world, target) | {
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
