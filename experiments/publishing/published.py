"""The paper's printed numbers in the columns of a run, so that they go through the same code.

`python -m experiments.publishing.published` reads Tables I and III and Fig. 7 of arXiv 1702.08009
as printed (`reports/published/jrn_*.csv`) and writes `influence.csv`, `performance.csv` and
`inputs.csv` beside them, in natural units. What the paper does not print stays empty: intervals,
p-values, seeds, hashes. It does not say what a muted input holds, so `mute` is `unstated`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from experiments.publishing.files import write_csv
from influence.display.notation import display_of
from influence.plan.setups import NO_MUTE
from influence.results.tables import INFLUENCE_COLUMNS, PERFORMANCE_COLUMNS

__all__ = ["PRINTED", "PUBLISHED", "printed_rows", "published_frames", "write_published"]

PUBLISHED = Path(__file__).parents[2] / "reports" / "published"

NETWORKS = {
    "Cat60": "jrn-cat60",
    "Sum60": "jrn-sum60",
    "Sum": "jrn-sum60",  # so printed in Fig. 7
    "Cat10": "jrn-cat10",
    "Cat5": "jrn-cat5",
    "Cat1": "jrn-cat1",
    "Ours (Sum60)": "jrn-sum60",
    "Input [24]&[20]": "input",
    "FCN16s NYU-5 [20]": "input",
}
DEPTH = {
    "rel": "abs_rel",
    "rel(sqr)": "sqr_rel",
    "log10": "log10",
    "rms(linear)": "rms",
    "rms(log)": "rms_log",
    "delta<1.25": "delta_1",
    "delta<1.25^2": "delta_2",
    "delta<1.25^3": "delta_3",
}
SEMANTIC = {"Mean IOU": "mean_iou", "Pix.Acc.": "pixel_accuracy"}
CLASSES = ("Ground", "Vertical", "Ceiling", "Furniture", "Object")
METRES = ("rms", "sqr_rel")
TEST_IMAGES = 654
TABLE_I, TABLE_III = "arXiv 1702.08009, Table I", "arXiv 1702.08009, Table III"
PRINTED, UNSTATED = "printed", "unstated"
CELLS = {
    **{name: ("mean_iou", f"class:{name.lower()}") for name in CLASSES},
    **{column: (metric, "all") for column, metric in {**DEPTH, **SEMANTIC}.items()},
}
"""Column of a printed table -> metric and level."""


def printed_rows(path: Path) -> pd.DataFrame:
    """Read a printed table into columns of `performance.csv`, and `digits`, the decimals printed.

    Networks have the names that are printed.

    Parameters
    ----------
    path
        Of `jrn_table1.csv`, `jrn_table2.csv` or `jrn_table3.csv`.
    """
    table = pd.read_csv(path, dtype=str)
    return pd.DataFrame(
        {
            "network": name,
            "seed": None,
            "dataset": PRINTED,
            "mute": NO_MUTE,
            "setup": "depth+semantic",
            "target": "depth" if metric in DEPTH.values() else "semantic",
            "metric": metric,
            "level": level,
            "higher_is_better": metric not in DEPTH.values() or metric.startswith("delta_"),
            "unit": "m" if metric in METRES else None,
            "value": _natural(float(printed[column]), display_of(metric).factor),
            "confidence": None,
            "n": TEST_IMAGES,
            "digits": len(printed[column].partition(".")[2]),
        }
        for name, printed in zip(table.iloc[:, 0], table.to_dict("records"), strict=True)
        for column, (metric, level) in CELLS.items()
        if printed.get(column, "-") != "-"
    )


def published_frames(folder: Path = PUBLISHED) -> Mapping[str, pd.DataFrame]:
    """Return the paper's numbers as frames named `influence`, `performance` and `inputs`.

    `dataset` says which table a row is from: Tables I and III print different numbers for Sum60.
    """
    tables = {TABLE_I: "jrn_table1.csv", TABLE_III: "jrn_table3.csv"}
    parts = [printed_rows(folder / path).assign(dataset=name) for name, path in tables.items()]
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.assign(network=rows["network"].map(NETWORKS), mute=UNSTATED)
    performance = rows[rows["network"].notna()].reindex(columns=PERFORMANCE_COLUMNS)
    is_input = performance["network"] == "input"
    return {
        "influence": _figure7(folder / "jrn_fig7_influence.csv", performance),
        "performance": performance[~is_input].reset_index(drop=True),
        "inputs": performance[is_input].reset_index(drop=True),
    }


def write_published(folder: Path = PUBLISHED) -> None:
    """Write the frames as CSV files beside the printed tables."""
    for name, frame in published_frames(folder).items():
        write_csv(frame, folder / f"{name}.csv")


def _figure7(path: Path, performance: pd.DataFrame) -> pd.DataFrame:
    """Return omega as printed over 100; what it implies for the muted network follows from it."""
    table1 = performance[performance["dataset"] == TABLE_I]
    full = table1.set_index(["network", "metric"])["value"]
    rows = []
    for printed in pd.read_csv(path).to_dict("records"):
        for column, source, target, metric in [
            ("omega_D_to_S", "depth", "semantic", "mean_iou"),
            ("omega_S_to_D", "semantic", "depth", "sqr_rel"),
        ]:
            network = NETWORKS[printed["model_as_printed"]]
            omega = _natural(printed[column], 100)
            higher = metric == "mean_iou"
            value = full[network, metric]
            rows.append(
                {
                    "network": network,
                    "source": source,
                    "target": target,
                    "metric": metric,
                    "higher_is_better": higher,
                    "unit": "m" if metric in METRES else None,
                    "full": value,
                    "muted": round(value - omega if higher else value + omega, 6),
                    "omega": omega,
                }
            )
    facts = {"dataset": TABLE_I, "mute": UNSTATED, "site": "input", "level": "all"}
    table = pd.DataFrame(rows).assign(**facts, n=TEST_IMAGES)
    return table.reindex(columns=INFLUENCE_COLUMNS)


def _natural(printed: float, factor: float) -> float:
    """Divide, and drop the digits that only binary floating point adds."""
    return round(printed / factor, 8)


if __name__ == "__main__":
    write_published()
