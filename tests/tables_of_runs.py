"""Small tables with the columns of a run, for the tests of what is drawn and written from them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
from influence.analysis.seeds import SEEDS_COLUMNS
from influence.results.tables import (
    INFLUENCE_COLUMNS,
    INTERACTIONS_COLUMNS,
    PERFORMANCE_COLUMNS,
    SAMPLES_COLUMNS,
)

NETWORKS = ("jrn-cat1", "jrn-cat10", "jrn-cat5", "jrn-cat60", "jrn-sum60")
CLASSES = ("ground", "vertical", "ceiling", "furniture", "object")
METRICS = {
    ("depth", "rms"): (False, "m", 0.6),
    ("depth", "sqr_rel"): (False, "m", 0.12),
    ("depth", "delta_1"): (True, "", 0.75),
    ("semantic", "pixel_accuracy"): (True, "", 0.72),
    ("semantic", "mean_iou"): (True, "", 0.54),
}


def influence_frame(
    networks: Sequence[str] = NETWORKS, mutes: Sequence[str] = ("zero", "mean")
) -> pd.DataFrame:
    """Return `influence.csv` of depth and semantic in, depth and semantic out."""
    numbers = np.random.default_rng(0)
    rows = []
    for network, mute, source in product(networks, mutes, ("depth", "semantic")):
        for (target, metric), (higher, unit, scale) in METRICS.items():
            full = _full(network, metric, "all")
            muted = full - (1 if higher else -1) * scale * numbers.normal(0.05, 0.05)
            omega = (full - muted) * (1 if higher else -1)
            rows.append(
                {
                    "network": network,
                    "seed": 0,
                    "dataset": "rooms",
                    "mute": mute,
                    "site": "input",
                    "source": source,
                    "target": target,
                    "metric": metric,
                    "level": "all",
                    "higher_is_better": higher,
                    "unit": unit,
                    "full": full,
                    "muted": muted,
                    "omega": omega,
                    "omega_low": omega - scale * numbers.uniform(0.01, 0.04),
                    "omega_high": omega + scale * numbers.uniform(0.01, 0.04),
                    "confidence": 0.95,
                    "p_value": 0.01,
                    "p_holm": 0.04 if source != target else 0.06,
                    "n": 120,
                    "checkpoint_sha256": f"{network:x<64}",
                }
            )
    return pd.DataFrame(rows)[list(INFLUENCE_COLUMNS)]


def performance_frame(
    networks: Sequence[str] = NETWORKS, mutes: Sequence[str] = ("zero", "mean")
) -> pd.DataFrame:
    """Return `performance.csv` of three setups; mean IoU also by class."""
    rows = []
    muted = product(mutes, ("depth", "semantic"))
    setups = [("none", "depth+semantic"), *muted]
    for network, (mute, setup) in product(networks, setups):
        for (target, metric), (higher, unit, scale) in METRICS.items():
            classes = [f"class:{name}" for name in CLASSES] if metric == "mean_iou" else []
            for level in ["all", *classes]:
                value = _full(network, metric, level)
                if setup != "depth+semantic":
                    value -= (1 if higher else -1) * scale * 0.1
                rows.append(
                    {
                        "network": network,
                        "seed": 0,
                        "dataset": "rooms",
                        "mute": mute,
                        "setup": setup,
                        "target": target,
                        "metric": metric,
                        "level": level,
                        "higher_is_better": higher,
                        "unit": unit,
                        "value": value,
                        "low": value - 0.02 * scale,
                        "high": value + 0.03 * scale,
                        "confidence": 0.95,
                        "n": 120,
                    }
                )
    return pd.DataFrame(rows)[list(PERFORMANCE_COLUMNS)]


def samples_frame(
    networks: Sequence[str] = NETWORKS, mutes: Sequence[str] = ("zero", "mean"), count: int = 30
) -> pd.DataFrame:
    """Return `samples.csv.gz` of depth and semantic in, depth and semantic out."""
    numbers = np.random.default_rng(1)
    frames = []
    for network, mute, source in product(networks, mutes, ("depth", "semantic")):
        for (target, metric), (higher, _, scale) in METRICS.items():
            full = scale * numbers.uniform(0.5, 1.5, count)
            omega = scale * numbers.normal(0.05, 0.1, count)
            frames.append(
                pd.DataFrame(
                    {
                        "network": network,
                        "seed": 0,
                        "dataset": "rooms",
                        "mute": mute,
                        "source": source,
                        "target": target,
                        "metric": metric,
                        "id": [f"{i:04d}" for i in range(count)],
                        "group": np.arange(count),
                        "full": full,
                        "muted": full - omega * (1 if higher else -1),
                        "omega": omega,
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)[list(SAMPLES_COLUMNS)]


def interactions_frame(
    networks: Sequence[str] = NETWORKS, mutes: Sequence[str] = ("zero", "mean")
) -> pd.DataFrame:
    """Return `interactions.csv` of depth, rgb and sound in, depth and semantic out."""
    numbers = np.random.default_rng(2)
    rows = []
    for network, mute, (target, metric) in product(networks, mutes, METRICS):
        scale = METRICS[target, metric][2] / 10
        for kind in ("leave_one_out", "add_one_in", "shapley", "interaction"):
            for players in combinations(("depth", "rgb", "sound"), 1 + (kind == "interaction")):
                value = scale * numbers.normal()
                rows.append(
                    (network, 0, "rooms", mute, target, metric, "all", kind, "+".join(players),
                     value, value - scale, value + scale, 0.95, 120)
                )  # fmt: skip
    return pd.DataFrame(rows, columns=list(INTERACTIONS_COLUMNS))


def seeds_frame(networks: Sequence[str] = NETWORKS, seeds: int = 3) -> pd.DataFrame:
    """Return the frame of `influence.analysis.seeds.aggregate_seeds`."""
    numbers = np.random.default_rng(0)
    one = influence_frame(networks).rename(columns={"omega_low": "low", "omega_high": "high"})
    spread = (one["high"] - one["low"]) / 4
    return one.assign(
        seeds=seeds,
        seed_sd=spread * 1.5,
        training_variance=spread**2 * numbers.uniform(-1, 1, len(one)),
        test_variance=(spread / 2) ** 2,
        standard_error=spread,
        basis="rows",
    )[list(SEEDS_COLUMNS)]


def write_run(
    folder: Path,
    influence: pd.DataFrame | None = None,
    performance: pd.DataFrame | None = None,
) -> Path:
    """Write the tables that plots and tables read, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    influence = influence_frame() if influence is None else influence
    performance = performance_frame() if performance is None else performance
    influence.to_csv(folder / "influence.csv", index=False)
    performance.to_csv(folder / "performance.csv", index=False)
    interactions_frame().to_csv(folder / "interactions.csv", index=False)
    samples_frame().to_csv(folder / "samples.csv.gz", index=False)
    return folder


def _full(network: str, metric: str, level: str) -> float:
    scale = next(scale for (_, name), (_, _, scale) in METRICS.items() if name == metric)
    seed = list(f"{network}{metric}{level}".encode())
    return float(scale * (1 + 0.05 * np.random.default_rng(seed).normal()))
