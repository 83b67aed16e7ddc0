"""Hand-made tables of networks of different build, with round numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from influence.analysis.comparison import COMPARISON_COLUMNS
from influence.results.tables import INFLUENCE_COLUMNS, PERFORMANCE_COLUMNS

TASKS = {"sqr_rel": ("depth", False), "mean_iou": ("semantic", True)}
TRIVIAL = {"sqr_rel": 0.9, "mean_iou": 0.2}
FULL = {"sqr_rel": 0.5, "mean_iou": 0.6}  # both 0.4 better than the trivial predictor
TRUE, PREDICTED = "NYU-Depth v2, true depth", "NYU-Depth v2, predicted depth"
MUTES = ("zero", "mean", "shuffle")


def influence_rows(
    network: str, metric: str, omegas: dict[str, float], **others: Any
) -> list[dict[str, Any]]:
    """Rows of `influence.csv`, mute -> omega, with intervals of 0.05 on both sides."""
    target, higher = TASKS[metric]
    common: dict[str, Any] = {
        "network": network,
        "seed": 0,
        "dataset": TRUE,
        "site": "input",
        "source": "depth",
        "target": target,
        "metric": metric,
        "level": "all",
        "higher_is_better": higher,
        "unit": "" if higher else "m",
        "full": FULL[metric],
        "confidence": 0.95,
        "p_value": 0.01,
        "p_holm": 0.02,
        "n": 654,
        "checkpoint_sha256": f"{network:x<64}",
    } | others
    return [
        common
        | {
            "mute": mute,
            "muted": common["full"] - (omega if higher else -omega),
            "omega": omega,
            "omega_low": omega - 0.05,
            "omega_high": omega + 0.05,
        }
        for mute, omega in omegas.items()
    ]


def influence_frame(*rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([row for some in rows for row in some])[list(INFLUENCE_COLUMNS)]


def performance_rows(
    network: str, values: dict[str, float], *, level: str = "all", mute: str = "none"
) -> list[dict[str, Any]]:
    """Rows of `performance.csv`, metric -> value."""
    return [
        {
            "network": network,
            "seed": 0,
            "dataset": TRUE,
            "mute": mute,
            "setup": "rgb+depth" if mute == "none" else "rgb",
            "target": "semantic" if "iou" in metric or "accuracy" in metric else "depth",
            "metric": metric,
            "level": level,
            "higher_is_better": "delta" in metric or "iou" in metric or "accuracy" in metric,
            "unit": "",
            "value": value,
            "low": value - 0.01,
            "high": value + 0.01,
            "confidence": 0.95,
            "n": 654,
        }
        for metric, value in values.items()
    ]


def performance_frame(*rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([row for some in rows for row in some])[list(PERFORMANCE_COLUMNS)]


def comparison_frame(network_a: str, network_b: str, metric: str) -> pd.DataFrame:
    """One row of `comparison.csv`: A is 0.03 better."""
    row = {
        "quantity": "performance",
        "network_a": network_a,
        "seed_a": 0,
        "network_b": network_b,
        "seed_b": 0,
        "dataset": TRUE,
        "mute": "none",
        "source": "",
        "target": "depth",
        "metric": metric,
        "level": "all",
        "higher_is_better": True,
        "unit": "",
        "a": 0.63,
        "b": 0.6,
        "difference": 0.03,
        "low": 0.01,
        "high": 0.05,
        "confidence": 0.95,
        "p_value": 0.01,
        "p_holm": 0.02,
        "n": 654,
    }
    return pd.DataFrame([row])[list(COMPARISON_COLUMNS)]


def write_networks(reports: Path) -> None:
    """Write the tables of reports/networks/ of a few networks, Arora's classes among them."""
    folder = reports / "networks"
    folder.mkdir(parents=True)
    influence_frame(
        *(
            influence_rows(network, metric, dict.fromkeys(MUTES, 0.1), dataset=dataset)
            for metric in TASKS
            for network, dataset in (
                ("fcrn-joint", TRUE),
                ("fcrn-joint", PREDICTED),
                ("hybridnet", TRUE),
                ("fcrn-joint-6", TRUE),
            )
        ),
        influence_rows("fcrn-joint-6", "mean_iou", {"zero": 0.1}, level="class:other"),
        influence_rows("depthnet", "sqr_rel", {"zero": 0.1}),
    ).to_csv(folder / "influence.csv", index=False)
    depth = {f"delta_{i}": 0.5 + 0.1 * i for i in (1, 2, 3)}
    depth |= {
        "abs_rel": 0.21,
        "sqr_rel": 0.5,
        "rms": 0.7,
        "rms_log": 0.3,
        "si_log": 0.25,
        "log10": 0.08,
    }
    classes = {"pixel_accuracy": 0.71, "class_accuracy": 0.62, "mean_iou": 0.6}
    arora = classes | {"pixel_accuracy_without_other": 0.44}
    performance_frame(
        performance_rows("trivial-wang", depth | classes | TRIVIAL),
        performance_rows("fcrn-joint", depth | classes),
        performance_rows("hybridnet", depth | classes),
        performance_rows("depthnet", depth | {"delta_1": 0.57}),
        performance_rows("trivial-arora6", depth | arora),
        performance_rows("trivial-arora6", {"mean_iou": 0.3}, level="class:other"),
        performance_rows("fcrn-joint-6", depth | arora),
        performance_rows("fcrn-joint-6", {"mean_iou": 0.3}, level="class:other"),
    ).to_csv(folder / "performance.csv", index=False)
    comparison_frame("hybridnet", "depthnet", "delta_1").to_csv(
        folder / "comparison.csv", index=False
    )
